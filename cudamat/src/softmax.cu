// Softmax, and what is learned from it. A distribution is a column, or in the row_major
// versions a row; labels are class numbers from 0, one for each distribution.
//
//   softmax         target_i = exp(x_i) / sum_k exp(x_k), without overflow
//   softmax_grad    target_i = p_i - [i = label]: the derivative of -log p_label by x_i
//   softmax_correct          1 where the largest p (the first of several) is the label's
//   softmax_cross_entropy    -log(p_label + tiny)
//
// A label that is no class is wrong: its gradient is p, it is not correct, and its
// cross-entropy is NaN. Memory outside the matrix is not touched.
#include "elementwise.h"
#include "extreme.h"

using namespace cm;

namespace {

// ------------------------------------------------------------------ kernels

struct Larger {
  CM_FN real operator()(real a, real b) const { return larger(a, b); }
};

// Distributions lie along rows of x, `group` values each; the transposed view of a matrix
// has its columns there.
struct Softmax {
  View x, y;
  index_t rows, group;
  real lowest;  // minus infinity
  CM_BLOCK_FN void operator()(index_t line, Block block) const {
    const index_t row = line % rows, first = line / rows * group;
    const real* from = x.p + row * x.rs + first * x.cs;
    real* to = y.p + row * y.rs + first * y.cs;
    const index_t in = x.cs, out = y.cs;
    const real top =
        block.reduce(group, lowest, Larger(), [=](index_t i) { return from[i * in]; });
    const real sum = real(block.sum<double>(
        group, [=](index_t i) { return double(exponential(from[i * in] - top)); }));
    block.each(group,
               [=](index_t i) { to[i * out] = exponential(from[i * in] - top) / sum; });
  }
};

struct Gradient {
  View p;
  const real* labels;
  View y;
  CM_FN void operator()(index_t i, index_t j) const {
    y(i, j) = p(i, j) - real(labels[i] == real(j));
  }
};

struct Correct {
  View p;
  index_t classes;
  Best worst;
  const real* labels;
  real* y;
  CM_BLOCK_FN void operator()(index_t row, Block block) const {
    const real* from = p.p + row * p.rs;
    const index_t step = p.cs;
    const Best best = block.reduce(classes, worst, Better<true>(), [=](index_t i) {
      const Best candidate = {from[i * step], i};
      return candidate;
    });
    real* to = y + row;
    const real label = labels[row];
    block.once([=] { *to = real(label == real(best.index)); });
  }
};

struct LabelCost {
  View p;
  index_t classes;
  const real* labels;
  real tiny, unknown;
  real* y;
  CM_FN void operator()(index_t row) const {
    const real label = labels[row];
    const bool known = label >= 0 && label < real(classes) && label == ::floor(label);
    y[row] = known ? -::log(p(row, index_t(label)) + tiny) : unknown;
  }
};

// ------------------------------------------------------------------ checks

// The matrix with a distribution in each row: as it is, or turned.
struct Lines {
  View view;
  index_t count, classes;
};

Lines lines_of(const Matrix* m, bool row_major) {
  const Lines lines = {row_major ? view(m) : turned(view(m)), row_major ? m->rows : m->cols,
                       row_major ? m->cols : m->rows};
  return lines;
}

// A vector with one value for each distribution.
void check_values(const Matrix* vector, const char* role, const Lines& lines,
                  bool row_major) {
  check_shape(vector, role, row_major ? lines.count : 1, row_major ? 1 : lines.count);
}

void softmax(const Matrix* m, Matrix* target, bool row_major, index_t group) {
  check_present(m, "the matrix");
  check_present(target, "target");
  check_operand(m, "the matrix", target);
  const Lines lines = lines_of(m, row_major);
  if (lines.classes == 0) return;
  if (group < 1 || lines.classes % group != 0) {
    throw Error(kArgument, text("rows of %lld values do not divide into slices of %lld",
                                (long long)lines.classes, (long long)group));
  }
  const Lines to = lines_of(target, row_major);
  const real lowest = -std::numeric_limits<real>::infinity();
  for_rows(lines.count * (lines.classes / group),
           Softmax{lines.view, to.view, lines.count, group, lowest});
}

void gradient(const Matrix* m, const Matrix* labels, Matrix* target, bool row_major) {
  check_present(m, "the matrix");
  check_present(target, "target");
  check_operand(m, "the matrix", target);
  const Lines lines = lines_of(m, row_major), to = lines_of(target, row_major);
  check_values(labels, "the vector of labels", lines, row_major);
  check_disjoint(target, labels, "the vector of labels");
  for_grid(lines.count, lines.classes, Gradient{lines.view, labels->data, to.view});
}

Lines check_scores(const Matrix* m, const Matrix* labels, const Matrix* target,
                   bool row_major) {
  check_present(m, "the matrix");
  const Lines lines = lines_of(m, row_major);
  check_values(labels, "the vector of labels", lines, row_major);
  check_values(target, "target", lines, row_major);
  check_disjoint(target, m, "the matrix");
  check_disjoint(target, labels, "the vector of labels");
  return lines;
}

void correct(const Matrix* m, const Matrix* labels, Matrix* target, bool row_major) {
  const Lines lines = check_scores(m, labels, target, row_major);
  for_rows(lines.count, Correct{lines.view, lines.classes, Better<true>::worst(),
                                labels->data, target->data});
}

void cross_entropy(const Matrix* m, const Matrix* labels, Matrix* target, double tiny,
                   bool row_major) {
  const Lines lines = check_scores(m, labels, target, row_major);
  const real unknown = std::numeric_limits<real>::quiet_NaN();
  for_each(lines.count, LabelCost{lines.view, lines.classes, labels->data, real(tiny),
                                  unknown, target->data});
}

}  // namespace

// ------------------------------------------------------------------ exports

CM_EXPORT cm_softmax(const cm_matrix* m, cm_matrix* target) {
  return guard("softmax", [&] {
    check_present(m, "the matrix");
    softmax(m, target, false, m->rows);
  });
}

// Each row holds cols / group distributions of `group` values, one after the other.
CM_EXPORT cm_softmax_row_major(const cm_matrix* m, int64_t group, cm_matrix* target) {
  return guard("softmax_row_major", [&] { softmax(m, target, true, group); });
}

CM_EXPORT cm_softmax_grad(const cm_matrix* m, const cm_matrix* labels, cm_matrix* target) {
  return guard("softmax_grad", [&] { gradient(m, labels, target, false); });
}

CM_EXPORT cm_softmax_grad_row_major(const cm_matrix* m, const cm_matrix* labels,
                                    cm_matrix* target) {
  return guard("softmax_grad_row_major", [&] { gradient(m, labels, target, true); });
}

CM_EXPORT cm_softmax_correct(const cm_matrix* m, const cm_matrix* labels,
                             cm_matrix* target) {
  return guard("softmax_correct", [&] { correct(m, labels, target, false); });
}

CM_EXPORT cm_softmax_correct_row_major(const cm_matrix* m, const cm_matrix* labels,
                                       cm_matrix* target) {
  return guard("softmax_correct_row_major", [&] { correct(m, labels, target, true); });
}

CM_EXPORT cm_softmax_cross_entropy(const cm_matrix* m, const cm_matrix* labels, double tiny,
                                   cm_matrix* target) {
  return guard("softmax_cross_entropy",
               [&] { cross_entropy(m, labels, target, tiny, false); });
}

CM_EXPORT cm_softmax_cross_entropy_row_major(const cm_matrix* m, const cm_matrix* labels,
                                             double tiny, cm_matrix* target) {
  return guard("softmax_cross_entropy_row_major",
               [&] { cross_entropy(m, labels, target, tiny, true); });
}
