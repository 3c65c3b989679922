// The skeletons of portable.h as CUDA threads. Included by portable.h under nvcc; every
// launch goes to the one stream (runtime_cuda.h).
#pragma once

#include "runtime_cuda.h"

#define CM_FN __host__ __device__ __forceinline__
#define CM_BLOCK_FN __device__ __forceinline__  // what works with a Block
namespace cm {

const bool kCuda = true;  // which library this is

inline int threads() { return 1; }  // of the host; nothing to share out there
inline void set_threads(int) {}

CM_FN double log_gamma(double x) { return ::lgamma(x); }  // log |gamma(x)|

// ------------------------------------------------------------------ blocks

const int kBlock = 256;    // threads of a block
const int kMaxGrid = 65535 * 8;

inline int grid_for(index_t items) {
  return static_cast<int>(items < kMaxGrid ? items : kMaxGrid);
}

// Threads of one CUDA block working on one row together.
struct Block {
  // f(i) for 0 <= i < n, shared out; the block has finished them all on return.
  template <class F>
  __device__ void each(index_t n, F f) const {
    for (index_t i = threadIdx.x; i < n; i += blockDim.x) f(i);
    __syncthreads();
  }

  // Combination of f(i), 0 <= i < n, known to every thread on return.
  template <class T, class Combine, class F>
  __device__ T reduce(index_t n, T identity, Combine combine, F f) const {
    __shared__ T part[kBlock];
    T value = identity;
    for (index_t i = threadIdx.x; i < n; i += blockDim.x) value = combine(value, f(i));
    part[threadIdx.x] = value;
    __syncthreads();
    for (int half = kBlock / 2; half > 0; half /= 2) {
      if (static_cast<int>(threadIdx.x) < half) {
        part[threadIdx.x] = combine(part[threadIdx.x], part[threadIdx.x + half]);
      }
      __syncthreads();
    }
    value = part[0];
    __syncthreads();
    return value;
  }

  template <class T>
  struct Plus {
    __device__ T operator()(T a, T b) const { return a + b; }
  };

  template <class T, class F>
  __device__ T sum(index_t n, F f) const {
    return reduce(n, T(0), Plus<T>(), f);
  }

  // Runs f once.
  template <class F>
  __device__ void once(F f) const {
    if (threadIdx.x == 0) f();
    __syncthreads();
  }
};

template <class F>
__global__ void each_kernel(index_t n, F f) {
  const index_t step = static_cast<index_t>(gridDim.x) * blockDim.x;
  for (index_t i = static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n;
       i += step) {
    f(i);
  }
}

template <class F, class Found>
__global__ void each_traced_kernel(index_t n, F f, Found found) {
  const index_t step = static_cast<index_t>(gridDim.x) * blockDim.x;
  real a = 0, b = 0, c = 0;
  for (index_t i = static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n;
       i += step) {
    f(i, a, b, c);
  }
  if (!(a == 0 && b == 0 && c == 0)) found(a, b, c);
}

template <class F>
__global__ void grid_kernel(index_t rows, index_t cols, F f) {
  const index_t step = static_cast<index_t>(gridDim.x) * blockDim.x;
  for (index_t k = static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       k < rows * cols; k += step) {
    f(k % rows, k / rows);
  }
}

template <class F>
__global__ void rows_kernel(index_t n, F f) {
  for (index_t row = blockIdx.x; row < n; row += gridDim.x) f(row, Block());
}

// A block is 32 rows by 8 lanes; lane l combines the columns l, l + 8, ..., then the
// lanes are combined in order.
template <class T, class Combine, class F, class Finish>
__global__ void row_reduce_kernel(index_t rows, index_t cols, T identity, Combine combine,
                                  F f, Finish finish) {
  __shared__ T part[8][32];
  for (index_t first = static_cast<index_t>(blockIdx.x) * 32; first < rows;
       first += static_cast<index_t>(gridDim.x) * 32) {
    const index_t i = first + threadIdx.x;
    T value = identity;
    if (i < rows) {
      for (index_t j = threadIdx.y; j < cols; j += 8) value = combine(value, f(i, j));
    }
    part[threadIdx.y][threadIdx.x] = value;
    __syncthreads();
    if (threadIdx.y == 0 && i < rows) {
      for (int lane = 1; lane < 8; ++lane) {
        value = combine(value, part[lane][threadIdx.x]);
      }
      finish(i, value);
    }
    __syncthreads();
  }
}

// ------------------------------------------------------------------ launches

template <class T>
struct Exactly {
  typedef T type;
};

// Runs the kernel in the stream in use. Its arguments become what it says that they are.
template <class... P>
void launch(void (*kernel)(P...), int blocks, dim3 threads,
            typename Exactly<P>::type... arguments) {
  void* places[] = {&arguments...};
  check_cuda(cudaLaunchKernel(kernel, dim3(blocks), threads, places, 0, stream()),
             "launching a kernel");
}

template <class F>
void for_each(index_t n, F f) {
  if (n <= 0) return;
  launch(each_kernel<F>, grid_for((n + kBlock - 1) / kBlock), dim3(kBlock), n, f);
}

template <class F, class Found>
void for_each_traced(index_t n, F f, Found found) {
  if (n <= 0) return;
  const int blocks = grid_for((n + kBlock - 1) / kBlock);
  launch(each_traced_kernel<F, Found>, blocks, dim3(kBlock), n, f, found);
}

template <class F>
void for_grid(index_t rows, index_t cols, F f) {
  if (rows <= 0 || cols <= 0) return;
  const index_t blocks = (rows * cols + kBlock - 1) / kBlock;
  launch(grid_kernel<F>, grid_for(blocks), dim3(kBlock), rows, cols, f);
}

template <class F>
void for_rows(index_t n, F f) {
  if (n <= 0) return;
  launch(rows_kernel<F>, grid_for(n), dim3(kBlock), n, f);
}

template <class T, class Combine, class F, class Finish>
void for_row_reduce(index_t rows, index_t cols, T identity, Combine combine, F f,
                    Finish finish) {
  if (rows <= 0) return;
  launch(row_reduce_kernel<T, Combine, F, Finish>, grid_for((rows + 31) / 32), dim3(32, 8),
         rows, cols, identity, combine, f, finish);
}

template <class T, class F, class Finish>
void for_row_sums(index_t rows, index_t cols, F f, Finish finish) {
  for_row_reduce(rows, cols, T(0), Block::Plus<T>(), f, finish);
}

}  // namespace cm
