// Packed matrices on a CUDA board: there are none, cuBLAS takes them as they are.
#include "panels.h"

namespace cm {
namespace panels {

index_t packed_size(index_t, index_t) { return 0; }

void pack(Operand, index_t, index_t, real*) {
  throw Error(kArgument, "matrices are not packed on a CUDA board");
}

void multiply(const real*, index_t, index_t, Operand, index_t, real, real*, index_t) {
  throw Error(kArgument, "matrices are not packed on a CUDA board");
}

}  // namespace panels
}  // namespace cm
