// Reductions: sums along an axis, sums over everything.
//
//   cm_sum_axis    target = beta target + mult sum(m, axis); axis 0 gives (1, cols),
//                  axis 1 gives (rows, 1)
//   cm_sum, cm_sum_squares, cm_vdot    one number, to the host
#include "reduce.h"

using namespace cm;

namespace cm {

double* partial_sums(index_t count) {
  static double* memory = nullptr;
  static index_t room = 0;
  if (count > room) {
    if (memory) {
      synchronize();
      raw_release(memory);
    }
    room = count < 4096 ? 4096 : 2 * count;
    memory = static_cast<double*>(raw_allocate(room * sizeof(double)));
    if (!memory) {
      room = 0;
      throw Error(kMemory, "out of memory for the partial sums of a reduction");
    }
  }
  return memory;
}

}  // namespace cm

namespace {

struct Element {
  View m;
  CM_FN real operator()(index_t i, index_t j) const { return m(i, j); }
};

struct Square {
  View m;
  CM_FN real operator()(index_t i, index_t j) const { return m(i, j) * m(i, j); }
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
struct LineSum {
  const real* m;
  index_t length;
  Scaled finish;
  CM_BLOCK_FN void operator()(index_t line, Block block) const {
    const real* values = m + line * length;
    const real sum = block.sum<real>(length, [=](index_t i) { return values[i]; });
    const Scaled last = finish;
    block.once([=] { last(line, sum); });
  }
};

void sum_axis(const Matrix* m, Matrix* target, int axis, double mult, double beta) {
  check_present(m, "the matrix");
  if (axis != 0 && axis != 1) {
    throw Error(kArgument, text("axis is %d; it must be 0 or 1", axis));
  }
  check_shape(target, "target", axis == 0 ? 1 : m->rows, axis == 0 ? m->cols : 1);
  check_disjoint(target, m, "the matrix");
  const Scaled finish = {target->data, real(mult), real(beta)};
  if ((axis == 0) == !m->trans) {
    const index_t length = axis == 0 ? m->rows : m->cols;
    for_rows(axis == 0 ? m->cols : m->rows, LineSum{m->data, length, finish});
  } else {
    const View stored = {m->data, 1, axis == 1 ? m->rows : m->cols};
    for_row_sums<real>(axis == 1 ? m->rows : m->cols, axis == 1 ? m->cols : m->rows,
                       Element{stored}, finish);
  }
}

}  // namespace

CM_EXPORT cm_sum_axis(const cm_matrix* m, cm_matrix* target, int axis, double mult,
                      double beta) {
  return guard("sum", [&] { sum_axis(m, target, axis, mult, beta); });
}

CM_EXPORT cm_sum(const cm_matrix* m, double* out) {
  return guard("sum", [&] {
    check_present(m, "the matrix");
    *out = total_sum(m->rows, m->cols, Element{view(m)});
  });
}

CM_EXPORT cm_sum_squares(const cm_matrix* m, double* out) {
  return guard("sum_squares", [&] {
    check_present(m, "the matrix");
    *out = total_sum(m->rows, m->cols, Square{view(m)});
  });
}

CM_EXPORT cm_vdot(const cm_matrix* a, const cm_matrix* b, double* out) {
  return guard("vdot", [&] {
    check_present(a, "the first matrix");
    check_present(b, "the second matrix");
    check_same_shape(a, "the first matrix", b, "the second matrix");
    *out = total_sum(a->rows, a->cols, Product{view(a), view(b)});
  });
}
