// Random numbers: Philox 4x32-10 (Salmon et al., 2011), counter-based.
//
// Block k of the stream of `seed` is philox(counter = k, key = seed), four 32-bit words.
// Element e of a matrix, counted as stored, takes word e % 4 of block offset + e / 4. So
// seed and offset are the whole state, and the stream is the same on the CPU, on a CUDA
// board, in float and double, and for any number of threads.
#include <cmath>

#include "map.h"

using namespace cm;

namespace {

// ------------------------------------------------------------------ generator

struct Words {
  uint32_t x[4];
};

CM_FN Words philox(uint64_t counter, uint64_t key) {
  uint32_t x0 = uint32_t(counter), x1 = uint32_t(counter >> 32), x2 = 0, x3 = 0;
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t(0xD2511F53u) * x0;
    const uint64_t product1 = uint64_t(0xCD9E8D57u) * x2;
    const uint32_t y0 = uint32_t(product1 >> 32) ^ x1 ^ k0;
    const uint32_t y2 = uint32_t(product0 >> 32) ^ x3 ^ k1;
    x1 = uint32_t(product1);
    x3 = uint32_t(product0);
    x0 = y0;
    x2 = y2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  const Words words = {{x0, x1, x2, x3}};
  return words;
}

// (0, 1) in steps of 2^-23, never 0 and never 1, exact in float.
CM_FN double uniform(uint32_t word) { return ((word >> 9) + 0.5) * 1.1920928955078125e-7; }

// ------------------------------------------------------------------ kernels

struct Uniform {
  CM_FN void operator()(const Words& words, double* out) const {
    for (int w = 0; w < 4; ++w) out[w] = uniform(words.x[w]);
  }
};

// Box and Muller's transform, two normals from two uniforms.
struct Normal {
  CM_FN void operator()(const Words& words, double* out) const {
    for (int w = 0; w < 4; w += 2) {
      const double radius = ::sqrt(-2 * ::log(uniform(words.x[w])));
      const double angle = 6.283185307179586 * uniform(words.x[w + 1]);
      out[w] = radius * ::cos(angle);
      out[w + 1] = radius * ::sin(angle);
    }
  }
};

// 0 with probability p, else 1 / (1 - p).
struct Keep {
  double p;
  CM_FN void operator()(const Words& words, double* out) const {
    for (int w = 0; w < 4; ++w) out[w] = uniform(words.x[w]) < p ? 0 : 1 / (1 - p);
  }
};

template <class Make>
struct Draw {
  Make make;
  uint64_t seed, offset;
  index_t size;
  real* y;
  CM_FN void operator()(index_t block) const {
    double value[4];
    make(philox(offset + uint64_t(block), seed), value);
    for (index_t w = 0; w < 4; ++w) {
      const index_t e = 4 * block + w;
      if (e < size) y[e] = real(value[w]);
    }
  }
};

template <class Make>
void draw(Make make, uint64_t seed, uint64_t offset, Matrix* m) {
  check_present(m, "target");
  const index_t n = size(m);
  for_each((n + 3) / 4, Draw<Make>{make, seed, offset, n, m->data});
}

// What the larger matrix has at the runs of elements that are this one's: `length` of
// them, from `skip` on, in every `period`.
struct DrawRuns {
  Keep make;
  uint64_t seed, offset;
  index_t length, skip, period, blocks;  // blocks: of a run, one more than it may need
  real* y;
  CM_FN void operator()(index_t k) const {
    const index_t run = k / blocks;
    const index_t start = run * period + skip, block = start / 4 + k % blocks;
    double value[4];
    make(philox(offset + uint64_t(block), seed), value);
    for (index_t w = 0; w < 4; ++w) {
      const index_t e = 4 * block + w - start;
      if (e >= 0 && e < length) y[run * length + e] = real(value[w]);
    }
  }
};

void check_probability(double p) {
  if (p >= 0 && p < 1) return;
  throw Error(kArgument, text("the dropout probability is %g; it must be at least 0 and "
                              "below 1",
                              p));
}

// 1 with probability x, else 0.
struct Bernoulli {
  CM_FN real operator()(double u, real x) const { return real(u < x); }
};

// `dropped` with probability p, else scale x.
struct Drop {
  double p;
  real dropped, scale;
  CM_FN real operator()(double u, real x) const { return u < p ? dropped : scale * x; }
};

// y = op(uniform number, x); x is seen as y is stored.
template <class Op>
struct DrawFrom {
  Op op;
  uint64_t seed, offset;
  View x;
  index_t rows, size;
  real* y;
  CM_FN void operator()(index_t block) const {
    const Words words = philox(offset + uint64_t(block), seed);
    for (index_t w = 0; w < 4; ++w) {
      const index_t e = 4 * block + w;
      if (e < size) y[e] = op(uniform(words.x[w]), x(e % rows, e / rows));
    }
  }
};

template <class Op>
void draw_from(Op op, uint64_t seed, uint64_t offset, const Matrix* x, Matrix* y) {
  check_present(x, "the matrix");
  check_present(y, "target");
  check_operand(x, "the matrix", y);
  const View seen = y->trans ? turned(view(x)) : view(x);
  const index_t rows = y->trans ? y->cols : y->rows, n = size(y);
  for_each((n + 3) / 4, DrawFrom<Op>{op, seed, offset, seen, rows, n, y->data});
}

struct Raw {
  uint64_t seed, offset;
  uint32_t* words;
  CM_FN void operator()(index_t block) const {
    const Words made = philox(offset + uint64_t(block), seed);
    for (int w = 0; w < 4; ++w) words[4 * block + w] = made.x[w];
  }
};

}  // namespace

// ------------------------------------------------------------------ exports

CM_EXPORT cm_fill_uniform(cm_matrix* m, uint64_t seed, uint64_t offset) {
  return guard("fill_with_rand", [&] { draw(Uniform(), seed, offset, m); });
}

CM_EXPORT cm_fill_normal(cm_matrix* m, uint64_t seed, uint64_t offset) {
  return guard("fill_with_randn", [&] { draw(Normal(), seed, offset, m); });
}

CM_EXPORT cm_dropout_mask(cm_matrix* m, double p, uint64_t seed, uint64_t offset) {
  return guard("dropout_mask", [&] {
    check_probability(p);
    draw(Keep{p}, seed, offset, m);
  });
}

// A part of the mask of a larger matrix, which has `whole` columns for every `count` of
// m's: column t count + c of m is column t whole + first + c of that.
CM_EXPORT cm_dropout_mask_part(cm_matrix* m, double p, long long first, long long count,
                               long long whole, uint64_t seed, uint64_t offset) {
  return guard("dropout_mask_part", [&] {
    check_probability(p);
    check_present(m, "target");
    check_plain(m, "target");
    if (whole < 1 || whole > (1ll << 40) || count < 1 || count > whole || first < 0 ||
        first > whole - count) {
      throw Error(kArgument, text("%lld columns from %lld on were asked for, of %lld", count,
                                  first, whole));
    }
    const index_t runs = m->cols / count;
    if (runs * count != m->cols) {
      throw Error(kArgument, text("the target has %lld columns, which is no multiple of "
                                  "%lld",
                                  static_cast<long long>(m->cols), count));
    }
    if (double(m->rows) * double(whole) * double(runs) > 4e18) {
      throw Error(kArgument, text("the whole matrix would be too large"));
    }
    const index_t length = m->rows * count, blocks = (length + 3) / 4 + 1;
    if (length == 0) return;
    for_each(runs * blocks, DrawRuns{Keep{p}, seed, offset, length, m->rows * first,
                                     m->rows * whole, blocks, m->data});
  });
}

CM_EXPORT cm_sample_bernoulli(const cm_matrix* m, uint64_t seed, uint64_t offset,
                              cm_matrix* target) {
  return guard("sample_bernoulli",
               [&] { draw_from(Bernoulli(), seed, offset, m, target); });
}

// In place: `dropped` with probability p, else scaled.
CM_EXPORT cm_dropout(cm_matrix* m, double p, double dropped, double scale, uint64_t seed,
                     uint64_t offset) {
  return guard("dropout", [&] {
    if (!(p >= 0 && p <= 1)) {
      throw Error(kArgument, text("the dropout probability is %g; it must be from 0 to 1", p));
    }
    draw_from(Drop{p, real(dropped), real(scale)}, seed, offset, m, m);
  });
}

// The generator's own words, 4 blocks_count of them on the board: for tests against the
// published vectors.
CM_EXPORT cm_philox_words(uint32_t* words, long long block_count, uint64_t seed,
                          uint64_t offset) {
  return guard("philox_words", [&] {
    if (block_count < 0 || block_count > (1ll << 40)) {
      throw Error(kArgument, text("%lld blocks cannot be made", block_count));
    }
    if (block_count > 0) check_place(words, "the words");
    for_each(block_count, Raw{seed, offset, words});
  });
}
