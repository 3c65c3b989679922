// The one deliberate fork: matrix products come from OpenBLAS (or another CBLAS) on the CPU
// and from cuBLAS on a CUDA board. Both are opened when the first product is asked for, so
// that neither is needed to build the library.
#pragma once

#include <string>

#include "types.h"

namespace cm {
namespace blas {

// Opens the library at `path`, or the first of the usual ones where that is null or empty.
// Does nothing where one is open.
void open(const char* path);

// What was opened, for start-up lines: name, version, kernels.
std::string describe();

void set_threads(int count);

// C = alpha op(A) op(B) + beta C, column-major; op(A) is (m, k), op(B) (k, n).
struct Product {
  bool trans_a, trans_b;
  index_t m, n, k;
  real alpha;
  const real* a;
  index_t lda;
  const real* b;
  index_t ldb;
  real beta;
  real* c;
  index_t ldc;
};

// The bits of the operands that count: all, or those of TF32 or bfloat16.
enum class Operands { kWhole, kTf32, kBf16 };

// Whether gemm rounds operands to their bits; else it takes them as they are, and they
// have to be rounded before.
bool rounds_operands();

void gemm(const Product& product, Operands operands);

}  // namespace blas
}  // namespace cm
