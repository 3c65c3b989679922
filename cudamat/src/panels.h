// Dense products of the CPU library's own, for matrices that are multiplied again and
// again: the recurrent weights of an LSTM, once for every step of a sequence.
//
// A BLAS copies both operands into the order in which its kernel wants them, each time.
// Where the result has few columns, the cases of a batch, that takes a good part of the
// time. So the weights are copied once (pack), and multiplied as often as there are steps.
// Part of the fork that blas.h is: on a CUDA board cuBLAS takes matrices as they are.
#pragma once

#include "portable.h"

namespace cm {
namespace panels {

// Element (i, j) is data[i + j leading], or data[j + i leading] if transposed.
struct Operand {
  const real* data;
  index_t leading;
  bool transposed;
};

// How many elements the copy of a matrix (rows, depth) takes; 0 where there is nothing to
// be gained from one.
index_t packed_size(index_t rows, index_t depth);

// The copy, of a matrix for which packed_size is not 0; `out` at a multiple of 64 bytes.
void pack(Operand a, index_t rows, index_t depth, real* out);

// C = A B + beta C, A (rows, depth) packed, B (depth, columns), C (rows, columns) with
// columns `leading` apart.
void multiply(const real* packed, index_t rows, index_t depth, Operand b, index_t columns,
              real beta, real* c, index_t leading);

}  // namespace panels
}  // namespace cm
