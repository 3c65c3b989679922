// A cuBLAS that is simulated, for blas_cuda.cu to open. A product is done when its stream
// comes to it: into the memory that it was given, and from there into C, so that two at
// the same time in one memory would be seen.
#include "cuda_runtime.h"

struct Handle {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
  size_t bytes = 0;
};

namespace {

template <class Real>
struct Product {
  int trans_a, trans_b, m, n, k;
  Real alpha;
  const Real* a;
  int lda;
  const Real* b;
  int ldb;
  Real beta;
  Real* c;
  int ldc;
  int dropped;  // bits of an operand, which is rounded to nearest, ties to even

  Real operand(Real x) const {
    if (dropped == 0 || !(x - x == 0)) return x;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits += (1u << (dropped - 1)) - 1 + (bits >> dropped & 1);
    bits = bits >> dropped << dropped;
    memcpy(&x, &bits, sizeof bits);
    return x;
  }

  Real element(int i, int j) const {
    double sum = 0;
    for (int l = 0; l < k; ++l) {
      const Real x = trans_a ? a[l + ptrdiff_t(i) * lda] : a[i + ptrdiff_t(l) * lda];
      const Real y = trans_b ? b[j + ptrdiff_t(l) * ldb] : b[l + ptrdiff_t(j) * ldb];
      sum += double(operand(x)) * operand(y);
    }
    const Real old = c[i + ptrdiff_t(j) * ldc];
    return Real(alpha * sum + (beta == 0 ? 0 : double(beta) * old));
  }
};

template <class Real>
int multiply(Handle* handle, const Product<Real>& p) {
  const size_t needed = size_t(p.m) * size_t(p.n) * sizeof(Real);
  if (!handle->workspace || handle->bytes < needed) {
    if (simulated::state().captures) return 13;  // it would have to take some of its own
    simulated::ask(handle->stream, [=] {
      for (int j = 0; j < p.n; ++j) {
        for (int i = 0; i < p.m; ++i) p.c[i + ptrdiff_t(j) * p.ldc] = p.element(i, j);
      }
    });
    return 0;
  }
  Real* const memory = static_cast<Real*>(handle->workspace);
  simulated::ask(handle->stream, [=] {
    for (int j = 0; j < p.n; ++j) {
      for (int i = 0; i < p.m; ++i) memory[i + ptrdiff_t(j) * p.m] = p.element(i, j);
    }
  });
  simulated::ask(handle->stream, [=] {
    for (int j = 0; j < p.n; ++j) {
      memcpy(p.c + ptrdiff_t(j) * p.ldc, memory + ptrdiff_t(j) * p.m,
             size_t(p.m) * sizeof(Real));
    }
  });
  return 0;
}

}  // namespace

extern "C" {

int cublasCreate_v2(Handle** handle) {
  void* own = nullptr;
  if (cudaMalloc(&own, 64) != cudaSuccess) return 3;  // as cuBLAS does
  free(own);
  *handle = new Handle();
  return 0;
}

int cublasDestroy_v2(Handle* handle) {
  delete handle;
  return 0;
}

int cublasSetStream_v2(Handle* handle, cudaStream_t stream) {
  handle->stream = stream;
  handle->workspace = nullptr;
  return 0;
}

int cublasSetWorkspace_v2(Handle* handle, void* memory, size_t bytes) {
  handle->workspace = memory;
  handle->bytes = bytes;
  return 0;
}

int cublasGetVersion_v2(Handle*, int* version) {
  *version = 1;
  return 0;
}

const char* cublasGetStatusName(int) { return "a simulated status"; }

int cublasSgemm_v2(Handle* handle, int trans_a, int trans_b, int m, int n, int k,
                   const float* alpha, const float* a, int lda, const float* b, int ldb,
                   const float* beta, float* c, int ldc) {
  return multiply<float>(handle, {trans_a, trans_b, m, n, k, *alpha, a, lda, b, ldb, *beta,
                                  c, ldc, 0});
}

int cublasDgemm_v2(Handle* handle, int trans_a, int trans_b, int m, int n, int k,
                   const double* alpha, const double* a, int lda, const double* b, int ldb,
                   const double* beta, double* c, int ldc) {
  return multiply<double>(handle, {trans_a, trans_b, m, n, k, *alpha, a, lda, b, ldb,
                                   *beta, c, ldc, 0});
}

// With operands of as many bits as were asked for, TF32's or bfloat16's.
int cublasGemmEx(Handle* handle, int trans_a, int trans_b, int m, int n, int k,
                 const void* alpha, const void* a, int, int lda, const void* b, int,
                 int ldb, const void* beta, void* c, int, int ldc, int arithmetic, int) {
  const auto real = [](const void* p) { return static_cast<const float*>(p); };
  const int dropped = arithmetic == 77 ? 13 : 16;
  return multiply<float>(handle, {trans_a, trans_b, m, n, k, *real(alpha), real(a), lda,
                                  real(b), ldb, *real(beta), static_cast<float*>(c), ldc,
                                  dropped});
}
}
