// A note of the first step at which a number was infinite or NaN, in memory that the board
// writes and the host reads without waiting (cm_allocate_seen). 0 stands for never.
#pragma once

#include "portable.h"

namespace cm {

// 0 of a finite number, NaN of any other: a sum of these keeps what it has met.
CM_FN real trace(real x) { return x - x; }

// `found` of for_each_traced: notes the step for each of three sums of traces that is not
// 0. Many threads may come at once; they all write the same step. The step is read on the
// board, so that work that is repeated finds another one each time.
struct Watch {
  double* first;  // three notes; null: nobody is watching
  const double* step;
  CM_FN void note(int place, real sum) const {
    if (!(sum == 0) && first[place] == 0) first[place] = *step;
  }
  CM_FN void operator()(real a, real b, real c) const {
    if (!first) return;
    note(0, a);
    note(1, b);
    note(2, c);
  }
};

}  // namespace cm
