// The update of one weight matrix, in one pass over its memory.
//
//   d = gradient + l2_decay w
//   with rms_prop:  r = sqrt(factor r^2 + (1 - factor) d^2),  d = d / r
//   history = momentum history - epsilon d,  clipped to +-clip where clip > 0
//   w += history
//
// as in the releases of 2015 and 2016 (the paper, section 3.1, gives the settings). The
// same pass notices what is no finite number: watch.h.
#include <cmath>

#include "matrix.h"
#include "scalar.h"
#include "watch.h"

using namespace cm;

namespace {

struct Settings {
  real momentum, epsilon, l2_decay, clip, rms_factor;
};

// a, b and c are traces (watch.h) of the weight before, the gradient and the weight after.
// What is read is read once, before the first write: the compiler cannot know that memory
// does not overlap.
struct Momentum {
  Settings s;
  real *w, *history;
  const real* gradient;
  CM_FN void step(index_t i, real before, real d, real& c) const {
    real change = s.momentum * history[i] - s.epsilon * d;
    if (s.clip > 0) change = clipped(change, s.clip);
    const real after = before + change;
    history[i] = change;
    w[i] = after;
    c += trace(after);
  }
  CM_FN void operator()(index_t i, real& a, real& b, real& c) const {
    const real before = w[i], slope = gradient[i];
    a += trace(before);
    b += trace(slope);
    step(i, before, slope + s.l2_decay * before, c);
  }
};

struct RmsProp {
  Momentum rule;
  real* r;
  CM_FN void operator()(index_t i, real& a, real& b, real& c) const {
    const real before = rule.w[i], slope = rule.gradient[i];
    const real d = slope + rule.s.l2_decay * before;
    const real mean = rule.s.rms_factor * r[i] * r[i] + (1 - rule.s.rms_factor) * d * d;
    const real root = ::sqrt(mean);
    a += trace(before);
    b += trace(slope) + trace(root);  // a root that overflows makes d / r 0 for ever
    rule.step(i, before, root > 0 ? d / root : real(0), c);
    r[i] = root;
  }
};

}  // namespace

// rms: the running root mean square, or null for plain momentum. first: null, or three
// notes in memory that the host sees, each of which becomes *step (cm_watch_step) the
// first time that an element is infinite or NaN: [0] of the weight before the update, [1]
// of the gradient (or its square, with rms), [2] of the weight after.
CM_EXPORT cm_update(cm_matrix* w, cm_matrix* history, const cm_matrix* gradient,
                    cm_matrix* rms, double momentum, double epsilon, double l2_decay,
                    double clip, double rms_factor, double* first,
                    const double* step) {
  return guard("update", [&] {
    check_present(w, "the weight");
    check_shape(history, "the history", w->rows, w->cols);
    check_shape(gradient, "the gradient", w->rows, w->cols);
    check_plain(w, "the weight");
    check_plain(history, "the history");
    check_plain(gradient, "the gradient");
    check_disjoint(w, history, "the history");
    check_disjoint(w, gradient, "the gradient");
    check_disjoint(history, gradient, "the gradient");
    const Settings settings = {real(momentum), real(epsilon), real(l2_decay), real(clip),
                               real(rms_factor)};
    if (first) check_place(step, "the step");
    const Watch watch = {first, step};
    const Momentum rule = {settings, w->data, history->data, gradient->data};
    if (rms) {
      check_shape(rms, "the root mean square", w->rows, w->cols);
      check_plain(rms, "the root mean square");
      check_disjoint(rms, w, "the weight");
      check_disjoint(rms, history, "the history");
      check_disjoint(rms, gradient, "the gradient");
      for_each_traced(size(w), RmsProp{rule, rms->data}, watch);
    } else {
      for_each_traced(size(w), rule, watch);
    }
  });
}
