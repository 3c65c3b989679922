// Products of a matrix that is packed once and multiplied many times: panels.h.
#include "fewer_bits.h"
#include "matrix.h"
#include "panels.h"

using namespace cm;

namespace {

panels::Operand operand(const Matrix* m) {
  return {m->data, leading(m), m->trans != 0};
}

// Operands of fewer bits are rounded for each product, so that a copy would be of no use.
index_t size_of_copy(index_t rows, index_t depth) {
  return math() == Math::kFp32 ? panels::packed_size(rows, depth) : 0;
}

// The copy of a matrix (rows, depth) that can be packed.
void check_packed(const Matrix* packed, index_t rows, index_t depth) {
  if (math() != Math::kFp32) {
    throw Error(kArgument, "matrices are packed for products in fp32 only; pack them again "
                           "when another kind is chosen");
  }
  const index_t count = panels::packed_size(rows, depth);
  if (count == 0) {
    throw Error(kArgument, text("a matrix (%lld, %lld) is not packed here: nothing would "
                                "be gained", (long long)rows, (long long)depth));
  }
  check_shape(packed, "the copy", 1, count);
  check_plain(packed, "the copy");
  if (reinterpret_cast<uintptr_t>(packed->data) % 64) {
    throw Error(kArgument, "the copy should begin at a multiple of 64 bytes");
  }
}

}  // namespace

// count: how many elements a packed copy of `a` takes; 0 where there is nothing to be
// gained from one, and it cannot be made.
CM_EXPORT cm_packed_size(const cm_matrix* a, int64_t* count) {
  return guard("packed_size", [&] {
    check_present(a, "the matrix");
    check_place(count, "the size");
    *count = size_of_copy(a->rows, a->cols);
  });
}

// packed (1, that many): becomes the copy.
CM_EXPORT cm_pack(const cm_matrix* a, cm_matrix* packed) {
  return guard("pack", [&] {
    check_present(a, "the matrix");
    check_packed(packed, a->rows, a->cols);
    check_disjoint(packed, a, "the matrix");
    panels::pack(operand(a), a->rows, a->cols, packed->data);
  });
}

// target = beta target + A b, where `packed` is the copy of A.
CM_EXPORT cm_dot_packed(const cm_matrix* packed, const cm_matrix* b, cm_matrix* target,
                        double beta) {
  return guard("dot_packed", [&] {
    check_present(b, "the second matrix");
    check_present(target, "target");
    check_shape(target, "target", target->rows, b->cols);
    check_plain(target, "target");
    check_packed(packed, target->rows, b->rows);
    check_disjoint(target, packed, "the copy");
    check_disjoint(target, b, "the second matrix");
    if (size(target) == 0) return;
    panels::multiply(packed->data, target->rows, b->rows, operand(b), b->cols, real(beta),
                     target->data, target->rows);
  });
}
