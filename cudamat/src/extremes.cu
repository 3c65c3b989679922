// The smallest and largest elements along an axis, and their indices.
//
//   cm_min_axis, cm_max_axis         target = the value
//   cm_argmin_axis, cm_argmax_axis   target = its index, the first one's of several
//
// Axis 0 gives (1, cols), axis 1 gives (rows, 1). A NaN is smaller and larger than all.
#include "extreme.h"
#include "reduce.h"

using namespace cm;

namespace {

struct Store {
  real* target;
  bool index;
  CM_FN void operator()(index_t k, Best best) const {
    target[k] = index ? real(best.index) : best.value;
  }
};

struct Candidate {
  View m;
  CM_FN Best operator()(index_t i, index_t j) const {
    const Best best = {m(i, j), j};
    return best;
  }
};

// Along the axis in which memory is contiguous: one block for each line.
template <class Choice>
struct LineBest {
  Choice better;
  Best worst;
  const real* m;
  index_t length;
  Store store;
  CM_BLOCK_FN void operator()(index_t line, Block block) const {
    const real* values = m + line * length;
    const Best best = block.reduce(length, worst, better, [=](index_t i) {
      const Best candidate = {values[i], i};
      return candidate;
    });
    const Store last = store;
    block.once([=] { last(line, best); });
  }
};

template <bool kLargest>
void extreme_axis(const Matrix* m, Matrix* target, int axis, bool index) {
  check_axis(m, target, axis);
  const index_t length = axis == 0 ? m->rows : m->cols;
  const index_t lines = axis == 0 ? m->cols : m->rows;
  if (length == 0 && lines > 0) {
    throw Error(kArgument, text("a matrix of shape (%lld, %lld) has nothing to choose from "
                                "along axis %d",
                                (long long)m->rows, (long long)m->cols, axis));
  }
  typedef Better<kLargest> Choice;
  const Store store = {target->data, index};
  if ((axis == 0) == !m->trans) {
    for_rows(lines, LineBest<Choice>{Choice(), Choice::worst(), m->data, length, store});
  } else {
    const View stored = {m->data, 1, lines};
    for_row_reduce(lines, length, Choice::worst(), Choice(), Candidate{stored}, store);
  }
}

}  // namespace

CM_EXPORT cm_min_axis(const cm_matrix* m, cm_matrix* target, int axis) {
  return guard("min", [&] { extreme_axis<false>(m, target, axis, false); });
}

CM_EXPORT cm_max_axis(const cm_matrix* m, cm_matrix* target, int axis) {
  return guard("max", [&] { extreme_axis<true>(m, target, axis, false); });
}

CM_EXPORT cm_argmin_axis(const cm_matrix* m, cm_matrix* target, int axis) {
  return guard("argmin", [&] { extreme_axis<false>(m, target, axis, true); });
}

CM_EXPORT cm_argmax_axis(const cm_matrix* m, cm_matrix* target, int axis) {
  return guard("argmax", [&] { extreme_axis<true>(m, target, axis, true); });
}
