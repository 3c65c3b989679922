// Output non-linearity and loss of a decoder, fused with the loss's derivative.
//
// z (dims, n) are the linear outputs without bias, b (dims) the bias, v (dims, n) the data.
//
//   kind          output y        loss, summed             d loss / d z
//   0 binary      sigmoid(z+b)    softplus(z+b) - v (z+b)  y - v        cross-entropy, nats
//   1 real        z+b             (y - v)^2 / 2            y - v
//   2 rectified   relu(z+b)       (y - v)^2 / 2            (y - v) [y > 0]
//
// Cross-entropy from the logit is exact where the release's log(p + 1e-10) is capped.
#include "reduce.h"
#include "scalar.h"

using namespace cm;

namespace {

// ------------------------------------------------------------------ kinds

struct Binary {
  CM_FN real output(real z) const { return sigmoid(z); }
  // Loss and derivative from one exponential of -|z|, which cannot overflow. The loss is
  // softplus(z) - v z, taken apart: a pixel that is saturated and right loses next to
  // nothing, and that must not drown in the rounding of z - v z.
  CM_FN real loss(real z, real v, real* derivative) const {
    const real e = exponential(z < 0 ? z : -z);
    *derivative = (z < 0 ? e : real(1)) / (1 + e) - v;
    return ((z > 0 ? z : real(0)) - v * z) + log_one_plus_unit(e);
  }
};

struct Real {
  CM_FN real output(real z) const { return z; }
  CM_FN real loss(real z, real v, real* derivative) const {
    *derivative = z - v;
    return (z - v) * (z - v) / 2;
  }
};

struct Rectified {
  CM_FN real output(real z) const { return relu(z); }
  CM_FN real loss(real z, real v, real* derivative) const {
    *derivative = z > 0 ? z - v : real(0);
    return (relu(z) - v) * (relu(z) - v) / 2;
  }
};

// ------------------------------------------------------------------ kernels

template <class Kind>
struct Output {
  Kind kind;
  const real *z, *b;
  index_t rows;
  real* y;
  CM_FN void operator()(index_t i, index_t j) const {
    y[i + j * rows] = kind.output(z[i + j * rows] + b[i]);
  }
};

template <class Kind>
struct Loss {
  Kind kind;
  const real *z, *b, *v;
  index_t rows;
  CM_FN real operator()(index_t i, index_t j) const {
    real unused;
    return kind.loss(z[i + j * rows] + b[i], v[i + j * rows], &unused);
  }
};

template <class Kind>
struct LossAndDerivative {
  Kind kind;
  real* z;
  const real *b, *v;
  index_t rows;
  CM_FN real operator()(index_t i, index_t j) const {
    const real logit = z[i + j * rows] + b[i];
    return kind.loss(logit, v[i + j * rows], &z[i + j * rows]);
  }
};

// ------------------------------------------------------------------ launchers

template <class Body>
void with_kind(int kind, Body body) {
  switch (kind) {
    case 0: return body(Binary());
    case 1: return body(Real());
    case 2: return body(Rectified());
    default: throw Error(kArgument, text("%d is no kind of output; 0, 1 and 2 are", kind));
  }
}

void check_output(const Matrix* z, const Matrix* b) {
  check_present(z, "the linear output");
  check_plain(z, "the linear output");
  check_present(b, "the bias");
  if (size(b) != z->rows) check_shape(b, "the bias", 1, z->rows);
}

}  // namespace

// target = the output; target may be z.
CM_EXPORT cm_output(const cm_matrix* z, const cm_matrix* b, int kind, cm_matrix* target) {
  return guard("output", [&] {
    check_output(z, b);
    check_shape(target, "target", z->rows, z->cols);
    check_plain(target, "target");
    check_overlap(target, z, "the linear output");
    check_disjoint(target, b, "the bias");
    with_kind(kind, [&](auto k) {
      for_grid(z->rows, z->cols,
               Output<decltype(k)>{k, z->data, b->data, z->rows, target->data});
    });
  });
}

// total = keep * total + loss (total: a double on the board). With `derive` set, z becomes
// the derivative of the loss.
CM_EXPORT cm_output_loss(cm_matrix* z, const cm_matrix* b, const cm_matrix* v, int kind,
                         int derive, double keep, double* total) {
  return guard("output_loss", [&] {
    check_output(z, b);
    check_shape(v, "the data", z->rows, z->cols);
    check_plain(v, "the data");
    check_disjoint(z, v, "the data");
    check_disjoint(z, b, "the bias");
    if (!total) throw Error(kArgument, "there is no place for the total");
    with_kind(kind, [&](auto k) {
      typedef decltype(k) Kind;
      if (derive) {
        total_sum(z->rows, z->cols,
                  LossAndDerivative<Kind>{k, z->data, b->data, v->data, z->rows}, keep,
                  total);
      } else {
        total_sum(z->rows, z->cols, Loss<Kind>{k, z->data, b->data, v->data, z->rows},
                  keep, total);
      }
    });
  });
}
