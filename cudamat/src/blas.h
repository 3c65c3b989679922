// The one deliberate fork: matrix products come from OpenBLAS (or another CBLAS) on the CPU
// and from cuBLAS on a CUDA board. Both are opened when the first product is asked for, so
// that neither is needed to build the library.
#pragma once

#include <string>

#include "portable.h"

namespace cm {
namespace blas {

// Opens the library at `path`, or the first of the usual ones where that is null or empty.
// Does nothing where one is open.
void open(const char* path);

// What was opened, for start-up lines: name, version, kernels.
std::string describe();

void set_threads(int count);

// C = alpha op(A) op(B) + beta C, column-major; op(A) is (m, k), op(B) (k, n).
void gemm(bool trans_a, bool trans_b, index_t m, index_t n, index_t k, real alpha,
          const real* a, index_t lda, const real* b, index_t ldb, real beta, real* c,
          index_t ldc);

}  // namespace blas
}  // namespace cm
