// The best of several numbers and where it is, for min, max, argmin, argmax.
#pragma once

#include <limits>

#include "portable.h"

namespace cm {

struct Best {
  real value;
  index_t index;
};

// Of two, the better: a NaN before any number, as in numpy; of equals the first. So the
// result does not depend on the order in which threads combine.
template <bool kLargest>
struct Better {
  CM_FN Best operator()(const Best& a, const Best& b) const {
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    const bool equal = a_nan ? b_nan : a.value == b.value;
    const bool b_wins = kLargest ? b.value > a.value : b.value < a.value;
    return (equal ? b.index < a.index : b_nan || (!a_nan && b_wins)) ? b : a;
  }

  // what everything is better than
  static Best worst() {
    const real infinity = std::numeric_limits<real>::infinity();
    const Best best = {kLargest ? -infinity : infinity,
                       std::numeric_limits<index_t>::max()};
    return best;
  }
};

}  // namespace cm
