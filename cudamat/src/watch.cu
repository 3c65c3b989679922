// Whether a sum that stays on the board is still a finite number.
#include "watch.h"

#include "matrix.h"

using namespace cm;

namespace {

struct SetStep {
  double* step;
  double value;
  CM_FN void operator()(index_t i) const { step[i] = value; }
};

struct NoteTotal {
  const double* value;
  double* first;
  const double* step;
  CM_FN void operator()(index_t i) const {
    if (!(value[i] - value[i] == 0) && first[i] == 0) first[i] = *step;
  }
};

}  // namespace

// The step (a double on the board, not 0) that notes are of from now on.
CM_EXPORT cm_watch_step(double* step, double value) {
  return guard("watch_step", [&] {
    check_place(step, "the step");
    for_each(1, SetStep{step, value});
  });
}

// first[0] = the step, unless it has one already, where the value (a double on the board)
// is infinite or NaN.
CM_EXPORT cm_watch_total(const double* value, double* first, const double* step) {
  return guard("watch_total", [&] {
    check_place(value, "the sum");
    check_place(first, "the note");
    check_place(step, "the step");
    for_each(1, NoteTotal{value, first, step});
  });
}
