// Sparse frames on a CUDA board: there are none, so nothing is ever compressed.
#include "sparse.h"

namespace cm {
namespace sparse {

index_t compress(const real*, const Lists&) { return -1; }

void product(const real*, index_t, const Lists&, Order, real*) {
  throw Error(kArgument, "frames are not compressed on a CUDA board");
}

void gradient(const real*, index_t, const Lists&, Order, real*) {
  throw Error(kArgument, "frames are not compressed on a CUDA board");
}

}  // namespace sparse
}  // namespace cm
