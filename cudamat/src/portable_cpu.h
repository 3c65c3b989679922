// The skeletons of portable.h as OpenMP loops, and the computer's memory and threads.
// Included by portable.h under g++.
#pragma once

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <string>

#ifdef _OPENMP
#include <omp.h>
#endif

#define CM_FN inline __attribute__((always_inline))
#define CM_BLOCK_FN CM_FN  // what works with a Block

namespace cm {

const bool kCuda = false;  // which library this is

// ------------------------------------------------------------------ memory, threads

inline int board_count() { return 1; }  // the computer itself
inline void board_select(int) {}
inline void board_visit(int) {}
inline int board_of(const void*) { return 0; }

// The memory that can be had without pushing other programs out, and all there is.
inline void board_memory(size_t* free_bytes, size_t* total_bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  *total_bytes = page * static_cast<size_t>(sysconf(_SC_PHYS_PAGES));
  *free_bytes = *total_bytes;
#ifdef __linux__
  FILE* file = fopen("/proc/meminfo", "r");
  if (!file) return;
  char line[128];
  unsigned long long kilobytes = 0;
  while (fgets(line, sizeof line, file)) {
    if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1) {
      *free_bytes = static_cast<size_t>(kilobytes) * 1024;
    }
  }
  fclose(file);
#endif
}

inline std::string board_name(int, int* major, int* minor) {
  *major = *minor = 0;
  return "cpu";
}

// Null where there is not enough: the system itself would promise memory that it does not
// have and end the program later.
inline void* raw_allocate(size_t bytes) {
  size_t free_bytes, total_bytes;
  if (bytes > (size_t(1) << 28)) {
    board_memory(&free_bytes, &total_bytes);
    if (bytes > free_bytes) return nullptr;
  }
  void* data = nullptr;
  return posix_memalign(&data, 64, bytes) == 0 ? data : nullptr;
}

inline void raw_release(void* data) { free(data); }

// Memory that the host reads and writes while the board does, too.
inline void* raw_allocate_seen(size_t bytes) { return raw_allocate(bytes); }
inline void raw_release_seen(void* data) { raw_release(data); }
inline void copy_in(void* device, const void* host, size_t n) { memcpy(device, host, n); }
inline void upload(void* device, const void* host, size_t n) { copy_in(device, host, n); }
inline void copy_out(void* host, const void* device, size_t n) { memcpy(host, device, n); }
inline void copy_within(void* target, const void* source, size_t n) {
  memmove(target, source, n);
}
inline void synchronize() {}
inline void page_lock(void*, size_t) {}  // copies are as fast as they can be
inline void page_unlock(void*) {}

#ifdef _OPENMP
inline int threads() { return omp_get_max_threads(); }
inline int thread_number() { return omp_get_thread_num(); }
#else
inline int threads() { return 1; }
inline int thread_number() { return 0; }
#endif
void set_threads(int count);  // threads_cpu.cpp

// log |gamma(x)|. The C library's lgamma leaves the sign in a global variable, where
// threads would meet.
CM_FN double log_gamma(double x) {
  int sign;
  return lgamma_r(x, &sign);
}

// ------------------------------------------------------------------ skeletons

const index_t kParallelFrom = 1 << 14;  // fewer elements are not worth waking a thread

struct Block {
  template <class F>
  CM_FN void each(index_t n, F f) const {
#pragma omp simd
    for (index_t i = 0; i < n; ++i) f(i);
  }

  template <class T, class Combine, class F>
  CM_FN T reduce(index_t n, T identity, Combine combine, F f) const {
    T value = identity;
    for (index_t i = 0; i < n; ++i) value = combine(value, f(i));
    return value;
  }

  template <class T, class F>
  CM_FN T sum(index_t n, F f) const {
    T value = T(0);
#pragma omp simd reduction(+ : value)
    for (index_t i = 0; i < n; ++i) value += f(i);
    return value;
  }

  template <class F>
  CM_FN void once(F f) const {
    f();
  }
};

// firstprivate keeps the functor's pointers in registers: the compiler need not fear
// that a store into a matrix changes them. An `if` that does not say `parallel` would be
// one for `simd` too, and short loops would not be vector code.
template <class F>
void for_each(index_t n, F f) {
#pragma omp parallel for simd schedule(static) firstprivate(f) \
    if (parallel : n >= kParallelFrom)
  for (index_t i = 0; i < n; ++i) f(i);
}

// Three sums and not one of bits: vector code of comparisons takes half as long again.
template <class F, class Found>
void for_each_traced(index_t n, F f, Found found) {
  real a = 0, b = 0, c = 0;
#pragma omp parallel for simd schedule(static) firstprivate(f) reduction(+ : a, b, c) \
    if (parallel : n >= kParallelFrom)
  for (index_t i = 0; i < n; ++i) f(i, a, b, c);
  if (!(a == 0 && b == 0 && c == 0)) found(a, b, c);
}

template <class F>
void for_grid(index_t rows, index_t cols, F f) {
  if (cols < 8) {
    for (index_t j = 0; j < cols; ++j) {
#pragma omp parallel for simd schedule(static) firstprivate(f) \
    if (parallel : rows >= kParallelFrom)
      for (index_t i = 0; i < rows; ++i) f(i, j);
    }
    return;
  }
#pragma omp parallel for schedule(static) firstprivate(f) if (rows * cols >= kParallelFrom)
  for (index_t j = 0; j < cols; ++j) {
#pragma omp simd
    for (index_t i = 0; i < rows; ++i) f(i, j);
  }
}

template <class F>
void for_rows(index_t n, F f) {
#pragma omp parallel for schedule(static) firstprivate(f) if (n > 1)
  for (index_t row = 0; row < n; ++row) f(row, Block());
}

// A strip of rows at a time, so that memory is read in the order in which it lies.
template <class T, class F, class Finish>
void for_row_sums(index_t rows, index_t cols, F f, Finish finish) {
  const index_t kStrip = 64;
  const index_t strips = (rows + kStrip - 1) / kStrip;
#pragma omp parallel for schedule(static) firstprivate(f, finish) \
    if (rows * cols >= kParallelFrom)
  for (index_t strip = 0; strip < strips; ++strip) {
    const index_t first = strip * kStrip;
    const index_t count = rows - first < kStrip ? rows - first : kStrip;
    T value[kStrip] = {};
    for (index_t j = 0; j < cols; ++j) {
#pragma omp simd
      for (index_t r = 0; r < count; ++r) value[r] += f(first + r, j);
    }
    for (index_t r = 0; r < count; ++r) finish(first + r, value[r]);
  }
}

template <class T, class Combine, class F, class Finish>
void for_row_reduce(index_t rows, index_t cols, T identity, Combine combine, F f,
                    Finish finish) {
  const index_t kStrip = 64;
  const index_t strips = (rows + kStrip - 1) / kStrip;
#pragma omp parallel for schedule(static) firstprivate(combine, f, finish) \
    if (rows * cols >= kParallelFrom)
  for (index_t strip = 0; strip < strips; ++strip) {
    const index_t first = strip * kStrip;
    const index_t count = rows - first < kStrip ? rows - first : kStrip;
    T value[kStrip];
    for (index_t r = 0; r < count; ++r) value[r] = identity;
    for (index_t j = 0; j < cols; ++j) {
      for (index_t r = 0; r < count; ++r) value[r] = combine(value[r], f(first + r, j));
    }
    for (index_t r = 0; r < count; ++r) finish(first + r, value[r]);
  }
}

}  // namespace cm
