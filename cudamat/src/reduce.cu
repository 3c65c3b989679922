// Sums along an axis, and over everything.
//
//   cm_sum_axis    target = beta target + mult sum(m, axis); axis 0 gives (1, cols),
//                  axis 1 gives (rows, 1)
//   cm_sqsum_axis  the same of the squares of m
//   cm_sum, cm_sum_squares, cm_sum_abs, cm_vdot    one number, to the host
//   cm_count_nonfinite                             how many are infinite or NaN
#include "reduce.h"

#include <cmath>

#include "graph.h"

using namespace cm;

namespace cm {

// Each thread of the host has its own, so that two that add up do not meet.
double* partial_sums(index_t count) {
  static thread_local Scratch scratch[kBranches];
  const index_t room = count < 4096 ? 4096 : 2 * count;
  return static_cast<double*>(scratch[branch()].take(count * sizeof(double),
                                                     room * sizeof(double),
                                                     "the partial sums of a reduction"));
}

void check_axis(const Matrix* m, const Matrix* target, int axis) {
  check_present(m, "the matrix");
  if (axis != 0 && axis != 1) {
    throw Error(kArgument, text("axis is %d; it must be 0 or 1", axis));
  }
  check_shape(target, "target", axis == 0 ? 1 : m->rows, axis == 0 ? m->cols : 1);
  check_disjoint(target, m, "the matrix");
}

}  // namespace cm

namespace {

struct Same {
  CM_FN real operator()(real x) const { return x; }
};

struct Square {
  CM_FN real operator()(real x) const { return x * x; }
};

struct Absolute {
  CM_FN real operator()(real x) const { return ::fabs(x); }
};

struct IsNotFinite {
  CM_FN real operator()(real x) const { return real(!(x - x == 0)); }
};

template <class Term>
struct Element {
  Term term;
  View m;
  CM_FN real operator()(index_t i, index_t j) const { return term(m(i, j)); }
};

struct Product {
  View a, b;
  CM_FN real operator()(index_t i, index_t j) const { return a(i, j) * b(i, j); }
};

// target[k] = beta target[k] + mult value; a beta of 0 does not read the target.
struct Scaled {
  real* target;
  real mult, beta;
  CM_FN void operator()(index_t k, real value) const {
    target[k] = (beta == 0 ? 0 : beta * target[k]) + mult * value;
  }
};

// Sums along the axis in which memory is contiguous: one block for each line.
template <class Term>
struct LineSum {
  Term term;
  const real* m;
  index_t length;
  Scaled finish;
  CM_BLOCK_FN void operator()(index_t line, Block block) const {
    const real* values = m + line * length;
    const Term of = term;
    const real sum =
        block.template sum<real>(length, [=](index_t i) { return of(values[i]); });
    const Scaled last = finish;
    block.once([=] { last(line, sum); });
  }
};

template <class Term>
void sum_axis(Term term, const Matrix* m, Matrix* target, int axis, double mult,
              double beta) {
  check_axis(m, target, axis);
  const index_t length = axis == 0 ? m->rows : m->cols;
  const index_t lines = axis == 0 ? m->cols : m->rows;
  const Scaled finish = {target->data, real(mult), real(beta)};
  if ((axis == 0) == !m->trans) {
    for_rows(lines, LineSum<Term>{term, m->data, length, finish});
  } else {
    const View stored = {m->data, 1, lines};
    for_row_sums<real>(lines, length, Element<Term>{term, stored}, finish);
  }
}

template <class Term>
void sum_all(Term term, const Matrix* m, double* out) {
  check_place(out, "the sum");
  check_present(m, "the matrix");
  *out = total_sum(m->rows, m->cols, Element<Term>{term, view(m)});
}

}  // namespace

CM_EXPORT cm_sum_axis(const cm_matrix* m, cm_matrix* target, int axis, double mult,
                      double beta) {
  return guard("sum", [&] { sum_axis(Same(), m, target, axis, mult, beta); });
}

CM_EXPORT cm_sqsum_axis(const cm_matrix* m, cm_matrix* target, int axis, double mult,
                        double beta) {
  return guard("sqsum", [&] { sum_axis(Square(), m, target, axis, mult, beta); });
}

CM_EXPORT cm_sum(const cm_matrix* m, double* out) {
  return guard("sum", [&] { sum_all(Same(), m, out); });
}

CM_EXPORT cm_sum_squares(const cm_matrix* m, double* out) {
  return guard("sum_squares", [&] { sum_all(Square(), m, out); });
}

CM_EXPORT cm_sum_abs(const cm_matrix* m, double* out) {
  return guard("sum_abs", [&] { sum_all(Absolute(), m, out); });
}

CM_EXPORT cm_count_nonfinite(const cm_matrix* m, double* out) {
  return guard("count_nonfinite", [&] { sum_all(IsNotFinite(), m, out); });
}

CM_EXPORT cm_vdot(const cm_matrix* a, const cm_matrix* b, double* out) {
  return guard("vdot", [&] {
    check_place(out, "the sum");
    check_present(a, "the first matrix");
    check_present(b, "the second matrix");
    check_same_shape(a, "the first matrix", b, "the second matrix");
    *out = total_sum(a->rows, a->cols, Product{view(a), view(b)});
  });
}
