// Scalar maths, written once for both libraries and both precisions.
//
// The functions of the hot path (exp, sigmoid, tanh, softplus) have float versions made of
// selects and polynomials only, so that g++ turns a loop of them into vector code. Their
// errors, measured by the tests against double precision: at most 2 units in the last place
// (sigmoid and softplus 3). In double they are the C library's.
#pragma once

#include <cmath>
#include <cstring>

#include "portable.h"

namespace cm {

// ------------------------------------------------------------------ exponentials

CM_FN float float_of_bits(int32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// exp(x) = 2^k exp(r), k the nearest integer to x / ln 2, |r| <= ln 2 / 2; a Taylor
// polynomial of degree 7 in r. 2^k is applied as two factors, so that results near
// overflow and in the subnormal range come out right. NaN stays NaN.
CM_FN float exponential(float x) {
  x = x > 89.0f ? 89.0f : x;
  x = x < -104.0f ? -104.0f : x;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = x * 1.44269504088896341f + magic;
  const float k = shifted - magic;
  float r = x - k * 0.693359375f;  // ln 2 in two parts: k times the first is exact
  r = r + k * 2.12194440054690583e-4f;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r * r + r + 1.0f;
  const int32_t whole = static_cast<int32_t>(x == x ? k : 0.0f);
  const int32_t half = whole >> 1;
  return p * float_of_bits((half + 127) << 23) * float_of_bits((whole - half + 127) << 23);
}

CM_FN double exponential(double x) { return ::exp(x); }

template <class T>
CM_FN T sigmoid(T x) {
  return T(1) / (T(1) + exponential(-x));
}

// tanh: an odd polynomial near 0, where 1 - 2 / (e^2x + 1) would cancel.
CM_FN float hyperbolic_tangent(float x) {
  const float s = x * x;
  float p = -5.70498872745e-3f;
  p = p * s + 2.06390887954e-2f;
  p = p * s + -5.37397155531e-2f;
  p = p * s + 1.33314422036e-1f;
  p = p * s + -3.33332819422e-1f;
  const float small = p * s * x + x;
  const float a = x < 0 ? -x : x;
  const float large = 1.0f - 2.0f / (exponential(2.0f * a) + 1.0f);
  return a < 0.625f ? small : (x < 0 ? -large : large);
}

CM_FN double hyperbolic_tangent(double x) { return ::tanh(x); }

// log(1 + t) for 0 <= t <= 1 as 2 atanh(s), s = t / (2 + t) <= 1/3.
CM_FN float log_one_plus_unit(float t) {
  const float s = t / (2.0f + t);
  const float q = s * s;
  float p = 1.0f / 17;
  p = p * q + 1.0f / 15;
  p = p * q + 1.0f / 13;
  p = p * q + 1.0f / 11;
  p = p * q + 1.0f / 9;
  p = p * q + 1.0f / 7;
  p = p * q + 1.0f / 5;
  p = p * q + 1.0f / 3;
  return 2.0f * (s + s * q * p);
}

CM_FN double log_one_plus_unit(double t) { return ::log1p(t); }

// softplus(x) = log(1 + e^x), without overflow.
template <class T>
CM_FN T softplus(T x) {
  const T a = x < 0 ? -x : x;
  return (x > 0 ? x : T(0)) + log_one_plus_unit(exponential(-a));
}

// ------------------------------------------------------------------ small pieces

template <class T>
CM_FN T relu(T x) {
  return x > 0 ? x : (x != x ? x : T(0));  // NaN stays NaN
}

// Of two numbers; NaN where one of them is, as in numpy.
template <class T>
CM_FN T smaller(T a, T b) {
  return b < a || b != b ? b : a;
}

template <class T>
CM_FN T larger(T a, T b) {
  return a < b || b != b ? b : a;
}

// x held within [-limit, limit]; NaN stays NaN.
template <class T>
CM_FN T clipped(T x, T limit) {
  return x > limit ? limit : (x < -limit ? -limit : x);
}

}  // namespace cm
