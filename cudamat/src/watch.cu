// Whether a sum that stays on the board is still a finite number.
#include "watch.h"

#include "matrix.h"

using namespace cm;

namespace {

struct NoteTotal {
  const double* value;
  double* first;
  double step;
  CM_FN void operator()(index_t i) const {
    if (!(value[i] - value[i] == 0) && first[i] == 0) first[i] = step;
  }
};

}  // namespace

// first[0] = step, unless it has one already, where the value (a double on the board) is
// infinite or NaN.
CM_EXPORT cm_watch_total(const double* value, double* first, double step) {
  return guard("watch_total", [&] {
    check_place(value, "the sum");
    check_place(first, "the note");
    for_each(1, NoteTotal{value, first, step});
  });
}
