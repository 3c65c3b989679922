// Products with fewer bits, written once for both libraries: fewer_bits.h says what they
// are, rounding.h how a number is rounded.
//
// An infinity in an operand of 3xtf32 makes NaN of whatever it takes part in (it meets a
// small part that is 0); in fp32 that can be an infinity.
#include "fewer_bits.h"

#include <mutex>

#include "graph.h"
#include "matrix.h"
#include "rounding.h"

namespace cm {

namespace {

Math chosen = Math::kFp32;

// The operands' other forms lie here from call to call. Callers on several threads take
// turns. Never destroyed: a board may be gone by then.
struct Forms {
  std::mutex guard;
  Scratch of_branch[kBranches];
};

Forms& forms() {
  static Forms* const the_one = new Forms();
  return *the_one;
}

real* take(index_t count) {
  const size_t bytes = sizeof(real) * static_cast<size_t>(count);
  Scratch& scratch = forms().of_branch[branch()];
  return static_cast<real*>(scratch.take(bytes, bytes, "operands with fewer bits"));
}

// Elements of both operands, which are packed, each up to a place where the next one may
// start: cuBLAS is faster where operands are aligned.
struct Room {
  index_t a, b;
  explicit Room(const blas::Product& p) : a(padded(p.m * p.k)), b(padded(p.k * p.n)) {}
  static index_t padded(index_t count) { return (count + 63) / 64 * 64; }
};

template <class Round>
void multiply_rounded(blas::Product p, blas::Operands operands) {
  if (!blas::rounds_operands()) {
    const Room room(p);
    real* const memory = take(room.a + room.b);
    for_each(p.m * p.k, Round{p.a, memory});
    for_each(p.k * p.n, Round{p.b, memory + room.a});
    p.a = memory;
    p.b = memory + room.a;
  }
  blas::gemm(p, operands);
}

// The smallest terms first, so that the large ones are not rounded three times.
void multiply_in_three(blas::Product p) {
  const Room room(p);
  real* const big_a = take(2 * (room.a + room.b));
  real* const small_a = big_a + room.a;
  real* const big_b = small_a + room.a;
  real* const small_b = big_b + room.b;
  for_each(p.m * p.k, Split{p.a, big_a, small_a});
  for_each(p.k * p.n, Split{p.b, big_b, small_b});
  p.a = small_a;
  p.b = big_b;
  blas::gemm(p, blas::Operands::kTf32);
  p.beta = 1;
  p.a = big_a;
  p.b = small_b;
  blas::gemm(p, blas::Operands::kTf32);
  p.b = big_b;
  blas::gemm(p, blas::Operands::kTf32);
}

}  // namespace

Math math() { return chosen; }

void multiply(const blas::Product& product) {
  if (chosen == Math::kFp32) return blas::gemm(product, blas::Operands::kWhole);
  std::lock_guard<std::mutex> lock(forms().guard);
  switch (chosen) {
    case Math::k3xTf32: return multiply_in_three(product);
    case Math::kTf32:
      return multiply_rounded<RoundToTf32>(product, blas::Operands::kTf32);
    default: return multiply_rounded<RoundToBf16>(product, blas::Operands::kBf16);
  }
}

}  // namespace cm

using namespace cm;

// Chooses what all later products do with their operands: 0 fp32, 1 3xtf32, 2 tf32, 3 bf16.
CM_EXPORT cm_set_math_mode(int wanted) {
  return guard("set_math_mode", [&] {
    if (wanted < 0 || wanted > 3) {
      throw Error(kArgument, text("there is no kind %d of products, only 0 to 3", wanted));
    }
    if (sizeof(real) == 8 && wanted != 0) {
      throw Error(kArgument, "products with fewer bits are for single precision, and this "
                             "library computes in double; fp32 leaves them as they are");
    }
    std::lock_guard<std::mutex> lock(forms().guard);
    chosen = static_cast<Math>(wanted);
    if (chosen != Math::kFp32) return;
    for (Scratch& scratch : forms().of_branch) scratch.release();
  });
}

CM_EXPORT cm_math_mode(int* out) {
  return guard("math_mode", [&] {
    check_place(out, "the kind of products");
    *out = static_cast<int>(chosen);
  });
}
