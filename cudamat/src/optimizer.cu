// The update of one weight matrix, in one pass over its memory.
//
//   d = gradient + l2_decay w
//   with rms_prop:  r = sqrt(factor r^2 + (1 - factor) d^2),  d = d / r
//   history = momentum history - epsilon d,  clipped to +-clip where clip > 0
//   w += history
//
// as in the releases of 2015 and 2016 (the paper, section 3.1, gives the settings).
#include <cmath>

#include "matrix.h"
#include "scalar.h"

using namespace cm;

namespace {

struct Settings {
  real momentum, epsilon, l2_decay, clip, rms_factor;
};

struct Momentum {
  Settings s;
  real *w, *history;
  const real* gradient;
  CM_FN void step(index_t i, real d) const {
    real change = s.momentum * history[i] - s.epsilon * d;
    if (s.clip > 0) change = clipped(change, s.clip);
    history[i] = change;
    w[i] += change;
  }
  CM_FN void operator()(index_t i) const { step(i, gradient[i] + s.l2_decay * w[i]); }
};

struct RmsProp {
  Momentum rule;
  real* r;
  CM_FN void operator()(index_t i) const {
    const real d = rule.gradient[i] + rule.s.l2_decay * rule.w[i];
    const real mean = rule.s.rms_factor * r[i] * r[i] + (1 - rule.s.rms_factor) * d * d;
    const real root = ::sqrt(mean);
    r[i] = root;
    rule.step(i, root > 0 ? d / root : real(0));
  }
};

}  // namespace

// rms: the running root mean square, or null for plain momentum.
CM_EXPORT cm_update(cm_matrix* w, cm_matrix* history, const cm_matrix* gradient,
                    cm_matrix* rms, double momentum, double epsilon, double l2_decay,
                    double clip, double rms_factor) {
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
    const Momentum rule = {settings, w->data, history->data, gradient->data};
    if (rms) {
      check_shape(rms, "the root mean square", w->rows, w->cols);
      check_plain(rms, "the root mean square");
      check_disjoint(rms, w, "the weight");
      check_disjoint(rms, history, "the history");
      check_disjoint(rms, gradient, "the gradient");
      for_each(size(w), RmsProp{rule, rms->data});
    } else {
      for_each(size(w), rule);
    }
  });
}
