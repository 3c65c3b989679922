// Matrix products whose operands have fewer bits than float32: what is chosen, and the
// product that does it. All else, sums within a product included, stays float32.
//
//   kFp32    operands as they are
//   k3xTf32  each operand split into two TF32 parts: small a big b, big a small b and
//            big a big b, added up in this order. Of a product at most 2^-21 is lost: 2^-23
//            for each operand, 2^-22 for what small a small b would be. float32 loses 2^-24
//   kTf32    operands rounded to TF32
//   kBf16    operands rounded to bfloat16
//
// On a CUDA board cuBLAS rounds on the way in; 3xtf32 takes a pass over each operand that
// writes both parts, memory for four more operands, and three products. The CPU has no such
// arithmetic: it rounds operands into memory of its own and multiplies these in float32,
// which shows the error and is slower than fp32.
#pragma once

#include "blas.h"

namespace cm {

enum class Math { kFp32, k3xTf32, kTf32, kBf16 };

Math math();

// c = alpha op(a) op(b) + beta c, with operands of the bits that are chosen.
void multiply(const blas::Product& product);

}  // namespace cm
