// Element-wise launches: y = op(a), op(a, b), op(a, b, c) over matrices of one shape.
//
// An op is a struct whose operator() takes and returns reals. Operands may be plain,
// sliced or transposed; where all are stored alike the loop runs flat over memory, else
// element by element through views. The target may be one of the operands.
#pragma once

#include "matrix.h"

namespace cm {

// ------------------------------------------------------------------ kernels

template <class Op>
struct Flat1 {
  Op op;
  const real* a;
  real* y;
  CM_FN void operator()(index_t i) const { y[i] = op(a[i]); }
};

template <class Op>
struct Flat2 {
  Op op;
  const real *a, *b;
  real* y;
  CM_FN void operator()(index_t i) const { y[i] = op(a[i], b[i]); }
};

template <class Op>
struct Flat3 {
  Op op;
  const real *a, *b, *c;
  real* y;
  CM_FN void operator()(index_t i) const { y[i] = op(a[i], b[i], c[i]); }
};

template <class Op>
struct Grid1 {
  Op op;
  View a, y;
  CM_FN void operator()(index_t i, index_t j) const { y(i, j) = op(a(i, j)); }
};

template <class Op>
struct Grid2 {
  Op op;
  View a, b, y;
  CM_FN void operator()(index_t i, index_t j) const { y(i, j) = op(a(i, j), b(i, j)); }
};

template <class Op>
struct Grid3 {
  Op op;
  View a, b, c, y;
  CM_FN void operator()(index_t i, index_t j) const {
    y(i, j) = op(a(i, j), b(i, j), c(i, j));
  }
};

// ------------------------------------------------------------------ launchers

inline void check_operand(const Matrix* m, const char* role, const Matrix* target) {
  check_present(m, role);
  check_same_shape(m, role, target, "target");
  check_overlap(target, m, role);
}

template <class Op>
void map1(Op op, const Matrix* a, Matrix* y) {
  check_present(a, "the matrix");
  check_present(y, "target");
  check_operand(a, "the matrix", y);
  if (a->trans == y->trans) {
    for_each(size(y), Flat1<Op>{op, a->data, y->data});
  } else {
    for_grid(y->rows, y->cols, Grid1<Op>{op, view(a), view(y)});
  }
}

template <class Op>
void map2(Op op, const Matrix* a, const Matrix* b, Matrix* y) {
  check_present(y, "target");
  check_operand(a, "the first matrix", y);
  check_operand(b, "the second matrix", y);
  if (a->trans == y->trans && b->trans == y->trans) {
    for_each(size(y), Flat2<Op>{op, a->data, b->data, y->data});
  } else {
    for_grid(y->rows, y->cols, Grid2<Op>{op, view(a), view(b), view(y)});
  }
}

template <class Op>
void map3(Op op, const Matrix* a, const Matrix* b, const Matrix* c, Matrix* y) {
  check_present(y, "target");
  check_operand(a, "the first matrix", y);
  check_operand(b, "the second matrix", y);
  check_operand(c, "the third matrix", y);
  if (a->trans == y->trans && b->trans == y->trans && c->trans == y->trans) {
    for_each(size(y), Flat3<Op>{op, a->data, b->data, c->data, y->data});
  } else {
    for_grid(y->rows, y->cols, Grid3<Op>{op, view(a), view(b), view(c), view(y)});
  }
}

// y = op(a, vec) with a column vector (a->rows, 1) repeated over the columns.
template <class Op>
void map_col(Op op, const Matrix* a, const Matrix* vec, Matrix* y) {
  check_present(y, "target");
  check_operand(a, "the matrix", y);
  check_shape(vec, "the column vector", a->rows, 1);
  check_disjoint(y, vec, "the column vector");
  const View column = {vec->data, 1, 0};
  for_grid(y->rows, y->cols, Grid2<Op>{op, view(a), column, view(y)});
}

// y = op(a, vec) with a row vector (1, a->cols) repeated over the rows.
template <class Op>
void map_row(Op op, const Matrix* a, const Matrix* vec, Matrix* y) {
  check_present(y, "target");
  check_operand(a, "the matrix", y);
  check_shape(vec, "the row vector", 1, a->cols);
  check_disjoint(y, vec, "the row vector");
  const View row = {vec->data, 0, 1};
  for_grid(y->rows, y->cols, Grid2<Op>{op, view(a), row, view(y)});
}

}  // namespace cm
