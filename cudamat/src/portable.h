// The one file that asks which compiler is running.
//
// Every kernel of the library is a plain struct with an operator(), written once. nvcc
// runs it as CUDA threads, g++ as OpenMP loops; the six skeletons below are all there is:
//
//   for_each(n, f)               f(i)            for 0 <= i < n, any order
//   for_each_traced(n, f, found) f(i, a, b, c), which may add to a, b and c; where one of
//                                them is no longer 0, found(a, b, c), perhaps several times
//                                at once and each time with a part of the sums
//   for_grid(rows, cols, f)      f(i, j)         for every element, i runs fastest
//   for_rows(n, f)               f(row, block)   one block of threads for each row
//   for_row_sums(rows, cols, f, finish)          finish(i, sum over j of f(i, j))
//   for_row_reduce(rows, cols, identity, combine, f, finish)
//                                                the same with combine in place of a sum
//
// Beside them it has the board's memory (allocate, copy_in, copy_out, ...) and memory that
// board and host both see (allocate_seen), the stream and the host's threads, under the
// same names on both sides.
//
// A Block shares out loops and adds up over its threads; on the CPU it has exactly one.
// Every sum is taken in a fixed order, so the same input gives the same bytes each time.
#pragma once

#include "error.h"
#include "types.h"

#ifdef __CUDACC__
#include "portable_cuda.h"
#else
#include "portable_cpu.h"
#endif
