// Matrix products: target = beta target + alpha a b, any of the three transposed.
#include <cstring>

#include "fewer_bits.h"
#include "matrix.h"

using namespace cm;

namespace {

struct Scale {
  real beta;
  real* y;
  CM_FN void operator()(index_t i) const { y[i] = beta == 0 ? 0 : beta * y[i]; }
};

void dot(const Matrix* a, const Matrix* b, Matrix* target, double beta, double alpha) {
  check_present(a, "the first matrix");
  check_present(b, "the second matrix");
  if (a->cols != b->rows) {
    throw Error(kArgument, text("shapes (%lld, %lld) and (%lld, %lld) do not multiply: %lld "
                                "columns against %lld rows",
                                (long long)a->rows, (long long)a->cols, (long long)b->rows,
                                (long long)b->cols, (long long)a->cols,
                                (long long)b->rows));
  }
  check_shape(target, "target", a->rows, b->cols);
  check_disjoint(target, a, "the first matrix");
  check_disjoint(target, b, "the second matrix");
  if (size(target) == 0) return;
  if (a->cols == 0) {
    for_each(size(target), Scale{real(beta), target->data});
  } else if (target->trans) {  // C' = B' A'
    multiply({!b->trans, !a->trans, b->cols, a->rows, a->cols, real(alpha), b->data,
              leading(b), a->data, leading(a), real(beta), target->data, leading(target)});
  } else {
    multiply({a->trans != 0, b->trans != 0, a->rows, b->cols, a->cols, real(alpha), a->data,
              leading(a), b->data, leading(b), real(beta), target->data, leading(target)});
  }
}

}  // namespace

CM_EXPORT cm_dot(const cm_matrix* a, const cm_matrix* b, cm_matrix* target, double beta,
                 double alpha) {
  return guard("dot", [&] { dot(a, b, target, beta, alpha); });
}

CM_EXPORT cm_subtract_dot(const cm_matrix* a, const cm_matrix* b, cm_matrix* target,
                          double beta, double alpha) {
  return guard("subtract_dot", [&] { dot(a, b, target, beta, -alpha); });
}

// Opens the BLAS at `path`; without one, the usual ones.
CM_EXPORT cm_blas_open(const char* path) {
  return guard("blas_open", [&] { blas::open(path); });
}

// out: room for `room` characters.
CM_EXPORT cm_blas_describe(char* out, int room) {
  return guard("blas_describe", [&] {
    check_place(room > 0 ? out : nullptr, "the description");
    strncpy(out, blas::describe().c_str(), room - 1);
    out[room - 1] = 0;
  });
}
