// Products with frames that are mostly zero, from the non-zeros alone.
//
// Bouncing digits are more than 90% black, and the products of a first layer with its
// frames are most of a model's work. Part of the fork that blas.h is: the CPU library does
// it (sparse_cpu.cpp); on a CUDA board the dense product is the faster one.
#pragma once

#include "portable.h"

// The non-zeros of a matrix X (dims, count), listed by column and by row, in memory of the
// board that the caller owns.
struct cm_lists {
  int32_t* column_start;  // (count + 1): column j has entries column_start[j] and on
  int32_t* entry_row;     // (room): rows of the entries, ascending within a column
  real* entry_value;      // (room)
  int32_t* row_start;     // (dims + 1): the same by row
  int32_t* entry_column;  // (room): columns, ascending within a row
  real* row_value;        // (room)
  int64_t room, dims, count;
};

// Columns of X in the order in which a stack of layers sees them: frames of `batch`
// columns, from frame `first` on, `step` +1 or -1 to the next, `frames` of them.
struct cm_order {
  int64_t batch, first, step, frames;
};

namespace cm {
namespace sparse {

typedef cm_lists Lists;
typedef cm_order Order;

// Fills the lists from x (dims, count). Returns how many non-zeros there are, or -1 if
// more than fit.
index_t compress(const real* x, const Lists& lists);

// target (rows, frames batch) = W X, column by column in the order; w (rows, dims).
void product(const real* w, index_t rows, const Lists& x, Order order, real* target);

// target (rows, dims) = G X', g (rows, frames batch) in the order.
void gradient(const real* g, index_t rows, const Lists& x, Order order, real* target);

}  // namespace sparse
}  // namespace cm
