// Element-wise operations: each is a struct and one export line.
//
//   unary    target = op(m)            cm_<name>(m, target)
//   scalar   target = op(m, value)     cm_<name>_scalar(m, value, target)
//   binary   target = op(a, b)         cm_<name>(a, b, target)
//   column   target = op(m, v 1^T)     cm_<name>_col(m, v, target), v (rows, 1)
//   row      target = op(m, 1 v)       cm_<name>_row(m, v, target), v (1, cols)
//
// The target may be an operand. Comparisons give 1 or 0.
#include "map.h"
#include "scalar.h"

using namespace cm;

// ------------------------------------------------------------------ ops of one argument

#define CM_UNARY(name, expression)                                        \
  namespace {                                                             \
  struct name##_op {                                                      \
    CM_FN real operator()(real x) const { return expression; }            \
  };                                                                      \
  }                                                                       \
  CM_EXPORT cm_##name(const cm_matrix* m, cm_matrix* target) {            \
    return guard(#name, [&] { map1(name##_op(), m, target); });           \
  }

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

// ------------------------------------------------------------------ ops of two arguments

#define CM_BINARY(name, expression)                                                     \
  namespace {                                                                           \
  struct name##_op {                                                                    \
    CM_FN real operator()(real x, real y) const { return expression; }                  \
  };                                                                                    \
  struct name##_scalar_op {                                                             \
    real y;                                                                             \
    CM_FN real operator()(real x) const { return expression; }                          \
  };                                                                                    \
  }                                                                                     \
  CM_EXPORT cm_##name(const cm_matrix* a, const cm_matrix* b, cm_matrix* target) {      \
    return guard(#name, [&] { map2(name##_op(), a, b, target); });                      \
  }                                                                                     \
  CM_EXPORT cm_##name##_scalar(const cm_matrix* m, double value, cm_matrix* target) {   \
    return guard(#name, [&] { map1(name##_scalar_op{real(value)}, m, target); });       \
  }                                                                                     \
  CM_EXPORT cm_##name##_col(const cm_matrix* m, const cm_matrix* v, cm_matrix* target) {\
    return guard(#name "_col", [&] { map_col(name##_op(), m, v, target); });            \
  }                                                                                     \
  CM_EXPORT cm_##name##_row(const cm_matrix* m, const cm_matrix* v, cm_matrix* target) {\
    return guard(#name "_row", [&] { map_row(name##_op(), m, v, target); });            \
  }

CM_BINARY(add, x + y)
CM_BINARY(subtract, x - y)
CM_BINARY(mult, x * y)
CM_BINARY(divide, x / y)
CM_BINARY(minimum, smaller(x, y))
CM_BINARY(maximum, larger(x, y))
CM_BINARY(less_than, real(x < y))
CM_BINARY(greater_than, real(x > y))
CM_BINARY(equals, real(x == y))

// ------------------------------------------------------------------ others

namespace {

// target = a + alpha b
struct AddMult {
  real alpha;
  CM_FN real operator()(real a, real b) const { return a + alpha * b; }
};

struct Fill {
  real value;
  real* y;
  CM_FN void operator()(index_t i) const { y[i] = value; }
};

// target = 2 / (1 + exp(-lambda x)) - 1, which is tanh(lambda x / 2)
struct ReluSquash {
  real lambda;
  CM_FN real operator()(real x) const { return hyperbolic_tangent(lambda * x / 2); }
};

}  // namespace

CM_EXPORT cm_add_mult(const cm_matrix* a, const cm_matrix* b, double alpha,
                      cm_matrix* target) {
  return guard("add_mult", [&] { map2(AddMult{real(alpha)}, a, b, target); });
}

CM_EXPORT cm_fill(cm_matrix* target, double value) {
  return guard("fill", [&] {
    check_present(target, "target");
    for_each(size(target), Fill{real(value), target->data});
  });
}

CM_EXPORT cm_relu_squash(const cm_matrix* m, double lambda, cm_matrix* target) {
  return guard("relu_squash", [&] { map1(ReluSquash{real(lambda)}, m, target); });
}
