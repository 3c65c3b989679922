// float32 rounded to the formats that tensor cores multiply, and kernels that round whole
// operands. Numbers stay float32 in memory; bits beyond the format are 0.
//
//   TF32      8 bits of exponent, 10 of fraction: unit roundoff 2^-11
//   bfloat16  8 bits of exponent,  7 of fraction: unit roundoff 2^-8
//
// Rounding is to nearest, ties to even, in the subnormal range, too. What is larger than
// the format's largest number becomes an infinity; an infinity and NaN stay what they are.
#pragma once

#include <cstring>

#include "portable.h"

namespace cm {

// ------------------------------------------------------------------ one number

// x without the last `dropped` of its 23 bits of fraction. The carry of the addition runs
// on into the exponent, where that is right.
template <int dropped>
CM_FN float without_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t low = (uint32_t(1) << dropped) - 1;
  const uint32_t odd = (bits >> dropped) & 1;
  const uint32_t nearest = (bits + (low >> 1) + odd) & ~low;
  const uint32_t quiet = (bits | 0x00400000u) & ~low;  // of NaN: a fraction that is not 0
  bits = (bits & 0x7fffffffu) > 0x7f800000u ? quiet : nearest;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

CM_FN float to_tf32(float x) { return without_bits<13>(x); }
CM_FN float to_bf16(float x) { return without_bits<16>(x); }

// x cut off to TF32, towards 0.
CM_FN float cut_to_tf32(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits &= 0xffffe000u;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// x = big + small + error, both parts TF32 and the error at most 2^-23 |x|: the difference
// of x and big is exact in float32, at most 2^-11 |x|, and has 12 significant bits, of which
// TF32 keeps 11. Where rounding would make the largest numbers infinite they are cut off
// instead (the error is then at most 2^-22 |x|).
CM_FN float big_part(float x) {
  const float nearest = to_tf32(x);
  return nearest - nearest == 0 ? nearest : (x - x == 0 ? cut_to_tf32(x) : nearest);
}

// An infinity has no small part: inf - inf would be NaN.
CM_FN float small_part(float x, float big) {
  if (!(big - big == 0)) return 0.0f;
  const float rest = x - big, nearest = to_tf32(rest), sum = big + nearest;
  return sum - sum == 0 ? nearest : cut_to_tf32(rest);
}

// ------------------------------------------------------------------ whole operands

struct RoundToTf32 {
  const real* x;
  real* y;
  CM_FN void operator()(index_t i) const { y[i] = to_tf32(static_cast<float>(x[i])); }
};

struct RoundToBf16 {
  const real* x;
  real* y;
  CM_FN void operator()(index_t i) const { y[i] = to_bf16(static_cast<float>(x[i])); }
};

struct Split {
  const real* x;
  real *big, *small;
  CM_FN void operator()(index_t i) const {
    const float value = static_cast<float>(x[i]), first = big_part(value);
    big[i] = first;
    small[i] = small_part(value, first);
  }
};

}  // namespace cm
