// Sums over a whole matrix, in two steps of fixed order: one partial sum for each column,
// then the sum of these. Partial sums are in double precision.
#pragma once

#include "matrix.h"

namespace cm {

// Board memory for `count` doubles that lasts until the thread's next call (reduce.cu).
double* partial_sums(index_t count);

// Throws unless `target` can take a reduction of m along the axis: (1, cols) for axis 0,
// (rows, 1) for axis 1.
void check_axis(const Matrix* m, const Matrix* target, int axis);

template <class F>
struct ColumnSum {
  F f;
  index_t rows;
  double* partial;
  CM_BLOCK_FN void operator()(index_t j, Block block) const {
    const F& term = f;
    const double sum =
        block.template sum<double>(rows, [=](index_t i) { return double(term(i, j)); });
    double* where = partial + j;
    block.once([=] { *where = sum; });
  }
};

struct SumOfPartials {
  const double* partial;
  index_t count;
  double keep;  // what becomes of the old total: 0 forgets it
  double* total;
  CM_BLOCK_FN void operator()(index_t, Block block) const {
    const double* p = partial;
    const double sum = block.sum<double>(count, [=](index_t j) { return p[j]; });
    double* where = total;
    const double before = keep;
    block.once([=] { *where = (before == 0 ? 0 : before * *where) + sum; });
  }
};

// total = keep * total + sum of f(i, j) over all elements; total is on the board.
template <class F>
void total_sum(index_t rows, index_t cols, F f, double keep, double* total) {
  double* partial = partial_sums(cols + 1);
  for_rows(cols, ColumnSum<F>{f, rows, partial});
  for_rows(1, SumOfPartials{partial, cols, keep, total});
}

// The same, brought to the host. Waits for the board.
template <class F>
double total_sum(index_t rows, index_t cols, F f) {
  double* partial = partial_sums(cols + 1);
  double result = 0;
  total_sum(rows, cols, f, 0, partial + cols);
  copy_out(&result, partial + cols, sizeof result);
  return result;
}

}  // namespace cm
