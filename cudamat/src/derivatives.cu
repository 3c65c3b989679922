// Derivatives through a non-linearity, from its output y, and element-wise cross-entropy.
//
//   logistic_deriv           target = x y (1 - y)
//   tanh_deriv               target = x (1 - y^2)
//   rectified_linear_deriv   target = x where y > 0, else 0
//   cross_entropy            target = -x log(y + tiny)
//   cross_entropy_bernoulli  target = -x log(y + tiny) - (1 - x) log(1 - y + tiny)
#include "elementwise.h"

using namespace cm;

CM_PAIR(logistic_deriv, x * y * (1 - y))
CM_PAIR(tanh_deriv, x * (1 - y * y))
CM_PAIR(rectified_linear_deriv, y > 0 ? x : real(0))

namespace {

struct CrossEntropy {
  real tiny;
  CM_FN real operator()(real x, real y) const { return -x * ::log(y + tiny); }
};

struct CrossEntropyBernoulli {
  real tiny;
  CM_FN real operator()(real x, real y) const {
    return -x * ::log(y + tiny) - (1 - x) * ::log(1 - y + tiny);
  }
};

}  // namespace

CM_EXPORT cm_cross_entropy(const cm_matrix* x, const cm_matrix* y, double tiny,
                           cm_matrix* target) {
  return guard("cross_entropy", [&] { map2(CrossEntropy{real(tiny)}, x, y, target); });
}

CM_EXPORT cm_cross_entropy_bernoulli(const cm_matrix* x, const cm_matrix* y, double tiny,
                                     cm_matrix* target) {
  return guard("cross_entropy_bernoulli",
               [&] { map2(CrossEntropyBernoulli{real(tiny)}, x, y, target); });
}
