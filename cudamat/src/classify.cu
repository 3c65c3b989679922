// Classes: softmax, its cross-entropy and derivative in one pass, and the vote of a clip's
// frames.
//
// K classes, T frames of B cases, time outermost: column t B + j is frame t of case j.
// z (K, T B) are the linear outputs without bias, b (K) the bias, labels (B) the classes,
// from 0, which all frames of a case share.
//
//   p_k = exp(z_k + b_k) / sum over l of exp(z_l + b_l)     of each column
//   loss = -log p_label, summed over columns, in nats       d loss / d z_k = p_k - [k = label]
//   average (K, B) = mean over t of p; a case is right where the average is largest at its
//   label, the first of equals
//
// A label that is no class costs NaN and is never right; nothing is read or written for it.
#include <cmath>

#include "reduce.h"
#include "scalar.h"

using namespace cm;

namespace {

// ------------------------------------------------------------------ kernels

struct Larger {
  CM_FN real operator()(real a, real b) const { return larger(a, b); }
};

struct Softmax {
  const real *z, *b;
  index_t classes;
  real* p;
  // The probabilities of column j; returns the logarithm of their denominator, -log p of a
  // logit of 0.
  CM_BLOCK_FN double operator()(index_t j, Block block) const {
    const real* logits = z + j * classes;
    const real* bias = b;
    real* out = p + j * classes;
    const real lowest = -HUGE_VAL;
    const real top = block.reduce<real>(classes, lowest, Larger(), [=](index_t k) {
      return logits[k] + bias[k];
    });
    // Each by itself, so that the one that is 1 by rounding keeps its exact loss.
    block.each(classes, [=](index_t k) { out[k] = exponential(logits[k] + bias[k] - top); });
    const double sum = block.sum<double>(classes, [=](index_t k) { return double(out[k]); });
    const real scale = real(1 / sum);
    block.each(classes, [=](index_t k) { out[k] *= scale; });
    return double(top) + log(sum);
  }
};

struct SoftmaxColumn {
  Softmax softmax;
  CM_BLOCK_FN void operator()(index_t j, Block block) const { softmax(j, block); }
};

struct SoftmaxLoss {
  Softmax softmax;
  real* z;
  const real* labels;
  index_t cases;
  bool derive;
  double* partial;  // (T B): the loss of each column
  CM_BLOCK_FN void operator()(index_t j, Block block) const {
    const double denominator = softmax(j, block);
    const index_t classes = softmax.classes;
    const real label = labels[j % cases];
    const bool known =
        label >= 0 && label < real(classes) && real(index_t(label)) == label;
    real* logits = z + j * classes;
    double* where = partial + j;
    const real* bias = softmax.b;
    block.once([=] {
      const index_t k = known ? index_t(label) : 0;
      const double logit = known ? double(logits[k] + bias[k]) : NAN;
      *where = denominator - logit;
    });
    if (!derive) return;
    const real* p = softmax.p + j * classes;
    block.each(classes, [=](index_t k) { logits[k] = p[k] - real(real(k) == label); });
  }
};

// The largest of some values, and where it is.
struct Peak {
  real value;
  index_t place;
};

struct Higher {
  CM_FN Peak operator()(Peak a, Peak b) const {
    const bool first = a.value > b.value || (a.value == b.value && a.place < b.place);
    return first ? a : b;
  }
};

struct Vote {
  const real* p;
  index_t classes, cases, frames;
  real* average;
  const real* labels;  // null: nobody counts
  double* partial;     // (B): 1 for a case that is right
  CM_BLOCK_FN void operator()(index_t j, Block block) const {
    const real* first = p + j * classes;
    real* out = average + j * classes;
    const index_t step = cases * classes, count = frames;
    block.each(classes, [=](index_t k) {
      double sum = 0;
      for (index_t t = 0; t < count; ++t) sum += double(first[t * step + k]);
      out[k] = real(sum / double(count));
    });
    if (!labels) return;
    const Peak none = {real(-HUGE_VAL), classes};
    const Peak best = block.reduce<Peak>(classes, none, Higher(), [=](index_t k) {
      const Peak peak = {out[k], k};
      return peak;
    });
    double* where = partial + j;
    const bool right = best.place < classes && real(best.place) == labels[j];
    block.once([=] { *where = right ? 1 : 0; });
  }
};

// ------------------------------------------------------------------ checks

Softmax checked(const Matrix* z, const Matrix* b, const Matrix* p) {
  check_present(z, "the linear output");
  check_plain(z, "the linear output");
  check_present(b, "the bias");
  if (size(b) != z->rows) check_shape(b, "the bias", 1, z->rows);
  check_shape(p, "target", z->rows, z->cols);
  check_plain(p, "target");
  check_disjoint(p, z, "the linear output");
  check_disjoint(p, b, "the bias");
  return Softmax{z->data, b->data, z->rows, p->data};
}

// How many cases there are, where columns are frames of them.
index_t check_cases(const Matrix* per_case, const char* role, index_t count,
                    index_t columns) {
  if (count == 0 ? columns == 0 : columns % count == 0) return count;
  throw Error(kArgument, text("%s has shape (%lld, %lld), and the %lld columns are no "
                              "whole number of frames of %lld cases",
                              role, static_cast<long long>(per_case->rows),
                              static_cast<long long>(per_case->cols),
                              static_cast<long long>(columns),
                              static_cast<long long>(count)));
}

}  // namespace

// target (K, n) = softmax of each column of z + b.
CM_EXPORT cm_softmax_output(const cm_matrix* z, const cm_matrix* b, cm_matrix* target) {
  return guard("softmax_output", [&] {
    for_rows(z ? z->cols : 0, SoftmaxColumn{checked(z, b, target)});
  });
}

// The same, and total = keep * total + loss (total: a double on the board). labels (1, B).
// With `derive` set, z becomes the derivative of the loss.
CM_EXPORT cm_softmax_loss(cm_matrix* z, const cm_matrix* b, const cm_matrix* labels,
                          cm_matrix* target, int derive, double keep, double* total) {
  return guard("softmax_loss", [&] {
    const Softmax softmax = checked(z, b, target);
    check_present(labels, "the labels");
    check_shape(labels, "the labels", 1, labels->cols);
    const index_t cases = check_cases(labels, "the labels", labels->cols, z->cols);
    check_disjoint(z, labels, "the labels");
    check_disjoint(z, b, "the bias");
    check_disjoint(target, labels, "the labels");
    if (!total) throw Error(kArgument, "there is no place for the total");
    double* partial = partial_sums(z->cols);
    for_rows(z->cols,
             SoftmaxLoss{softmax, z->data, labels->data, cases, derive != 0, partial});
    for_rows(1, SumOfPartials{partial, z->cols, keep, total});
  });
}

// average (K, B) of p (K, T B) over the frames; where labels (1, B) are given,
// total = keep * total + cases that are right.
CM_EXPORT cm_vote(const cm_matrix* p, const cm_matrix* labels, cm_matrix* average,
                  double keep, double* total) {
  return guard("vote", [&] {
    check_present(p, "the probabilities");
    check_plain(p, "the probabilities");
    check_present(average, "target");
    check_shape(average, "target", p->rows, average->cols);
    check_plain(average, "target");
    check_disjoint(average, p, "the probabilities");
    const index_t cases = check_cases(average, "target", average->cols, p->cols);
    const real* classes_of_cases = nullptr;
    if (labels) {
      check_shape(labels, "the labels", 1, cases);
      check_disjoint(average, labels, "the labels");
      if (!total) throw Error(kArgument, "there is no place for the total");
      classes_of_cases = labels->data;
    }
    double* partial = partial_sums(cases);
    const index_t frames = cases ? p->cols / cases : 0;
    for_rows(cases, Vote{p->data, p->rows, cases, frames, average->data, classes_of_cases,
                         partial});
    if (labels) for_rows(1, SumOfPartials{partial, cases, keep, total});
  });
}
