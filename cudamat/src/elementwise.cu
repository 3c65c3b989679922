// Element-wise arithmetic and comparisons; the macros of elementwise.h make the exports.
// Comparisons give 1 or 0.
#include "elementwise.h"

using namespace cm;

// ------------------------------------------------------------------ ops of one argument

CM_UNARY(copy, x)
CM_UNARY(sigmoid, sigmoid(x))
CM_UNARY(tanh, hyperbolic_tangent(x))
CM_UNARY(relu, relu(x))
CM_UNARY(exp, exponential(x))
CM_UNARY(log, ::log(x))
CM_UNARY(log_1_plus_exp, softplus(x))
CM_UNARY(sqrt, ::sqrt(x))
CM_UNARY(abs, ::fabs(x))
CM_UNARY(sign, x == x ? real(x > 0) - real(x < 0) : x)  // NaN stays NaN
CM_UNARY(reciprocal, real(1) / x)

// 2 / (1 + exp(-y x)) - 1, which is tanh(y x / 2)
CM_SCALAR(relu_squash, hyperbolic_tangent(y * x / 2))
// x, moved towards 0 by y and no further
CM_SCALAR(soft_threshold, x > 0 ? larger(real(0), x - y) : smaller(real(0), x + y))

// ------------------------------------------------------------------ ops of two arguments

CM_BINARY(add, x + y)
CM_BINARY(subtract, x - y)
CM_BINARY(mult, x * y)
CM_BINARY(divide, x / y)
CM_BINARY(minimum, smaller(x, y))
CM_BINARY(maximum, larger(x, y))
CM_BINARY(less_than, real(x < y))
CM_BINARY(greater_than, real(x > y))
CM_BINARY(equals, real(x == y))
CM_EITHER(upper_bound_mod, clipped(x, y))

// ------------------------------------------------------------------ others

namespace {

// target = a + alpha b
struct AddMult {
  real alpha;
  CM_FN real operator()(real a, real b) const { return a + alpha * b; }
};

// target = keep target + a b
struct MultAdd {
  real keep;
  CM_FN real operator()(real a, real b, real before) const { return keep * before + a * b; }
};

struct ScaleAdd {
  real keep, b;
  CM_FN real operator()(real a, real before) const { return keep * before + a * b; }
};

struct Choose {
  CM_FN real operator()(real condition, real a, real b) const {
    return condition != 0 ? a : b;
  }
};

struct Fill {
  real value;
  real* y;
  CM_FN void operator()(index_t i) const { y[i] = value; }
};

}  // namespace

CM_EXPORT cm_add_mult(const cm_matrix* a, const cm_matrix* b, double alpha,
                      cm_matrix* target) {
  return guard("add_mult", [&] { map2(AddMult{real(alpha)}, a, b, target); });
}

CM_EXPORT cm_subtract_mult(const cm_matrix* a, const cm_matrix* b, double alpha,
                           cm_matrix* target) {
  return guard("subtract_mult", [&] { map2(AddMult{real(-alpha)}, a, b, target); });
}

CM_EXPORT cm_add_mult_col(const cm_matrix* m, const cm_matrix* v, double alpha,
                          cm_matrix* target) {
  return guard("add_col_mult", [&] { map_col(AddMult{real(alpha)}, m, v, target); });
}

CM_EXPORT cm_add_mult_row(const cm_matrix* m, const cm_matrix* v, double alpha,
                          cm_matrix* target) {
  return guard("add_row_mult", [&] { map_row(AddMult{real(alpha)}, m, v, target); });
}

CM_EXPORT cm_mult_add(const cm_matrix* a, const cm_matrix* b, double keep,
                      cm_matrix* target) {
  return guard("mult", [&] { map3(MultAdd{real(keep)}, a, b, target, target); });
}

CM_EXPORT cm_mult_add_scalar(const cm_matrix* m, double value, double keep,
                             cm_matrix* target) {
  return guard("mult", [&] {
    map2(ScaleAdd{real(keep), real(value)}, m, target, target);
  });
}

// target = a where the condition is not 0, else b
CM_EXPORT cm_where(const cm_matrix* condition, const cm_matrix* a, const cm_matrix* b,
                   cm_matrix* target) {
  return guard("where", [&] { map3(Choose(), condition, a, b, target); });
}

CM_EXPORT cm_fill(cm_matrix* target, double value) {
  return guard("fill", [&] {
    check_present(target, "target");
    for_each(size(target), Fill{real(value), target->data});
  });
}
