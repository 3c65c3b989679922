// Macros for element-wise operations: each line makes the op and its exports.
//
//   CM_UNARY(name, f(x))       cm_<name>(m, target)
//   CM_SCALAR(name, f(x, y))   cm_<name>(m, y, target), y a number
//   CM_PAIR(name, f(x, y))     cm_<name>(a, b, target), of two matrices
//   CM_EITHER(name, f(x, y))   cm_<name>(a, b, target), cm_<name>_scalar(m, y, target)
//   CM_BINARY(name, f(x, y))   these two, and with a vector for y:
//                              cm_<name>_col(m, v, target), v (rows, 1)
//                              cm_<name>_row(m, v, target), v (1, cols)
//
// The target may be an operand. Names are those of the C functions without cm_.
#pragma once

#include "map.h"
#include "scalar.h"

#define CM_UNARY(name, expression)                                                      \
  namespace {                                                                           \
  struct name##_op {                                                                    \
    CM_FN real operator()(real x) const { return expression; }                          \
  };                                                                                    \
  }                                                                                     \
  CM_EXPORT cm_##name(const cm_matrix* m, cm_matrix* target) {                          \
    return cm::guard(#name, [&] { cm::map1(name##_op(), m, target); });                 \
  }

// With the names of op and export apart: only CM_SCALAR and CM_EITHER use it.
#define CM_WITH_NUMBER(name, op, export_name, expression)                               \
  namespace {                                                                           \
  struct op {                                                                           \
    real y;                                                                             \
    CM_FN real operator()(real x) const { return expression; }                          \
  };                                                                                    \
  }                                                                                     \
  CM_EXPORT export_name(const cm_matrix* m, double value, cm_matrix* target) {          \
    return cm::guard(#name, [&] { cm::map1(op{real(value)}, m, target); });             \
  }

#define CM_SCALAR(name, expression) CM_WITH_NUMBER(name, name##_op, cm_##name, expression)

#define CM_PAIR(name, expression)                                                       \
  namespace {                                                                           \
  struct name##_op {                                                                    \
    CM_FN real operator()(real x, real y) const { return expression; }                  \
  };                                                                                    \
  }                                                                                     \
  CM_EXPORT cm_##name(const cm_matrix* a, const cm_matrix* b, cm_matrix* target) {      \
    return cm::guard(#name, [&] { cm::map2(name##_op(), a, b, target); });              \
  }

#define CM_EITHER(name, expression)                                                     \
  CM_PAIR(name, expression)                                                             \
  CM_WITH_NUMBER(name, name##_scalar_op, cm_##name##_scalar, expression)

#define CM_BINARY(name, expression)                                                     \
  CM_EITHER(name, expression)                                                           \
  CM_EXPORT cm_##name##_col(const cm_matrix* m, const cm_matrix* v, cm_matrix* target) {\
    return cm::guard(#name "_col", [&] { cm::map_col(name##_op(), m, v, target); });    \
  }                                                                                     \
  CM_EXPORT cm_##name##_row(const cm_matrix* m, const cm_matrix* v, cm_matrix* target) {\
    return cm::guard(#name "_row", [&] { cm::map_row(name##_op(), m, v, target); });    \
  }
