// Correlation of a matrix with a smaller one, of the same size and with zeros around:
//
//   target_ij = sum over h, w of m[i + h - K/2, j + w - L/2] k[h, w]
//
// for a kernel k (K, L), K/2 rounded down.
#include "matrix.h"

using namespace cm;

namespace {

CM_FN index_t least(index_t a, index_t b) { return a < b ? a : b; }
CM_FN index_t most(index_t a, index_t b) { return a > b ? a : b; }

struct Correlate {
  View m, k, y;
  index_t rows, cols, k_rows, k_cols;
  CM_FN void operator()(index_t i, index_t j) const {
    const index_t up = i - k_rows / 2, left = j - k_cols / 2;
    const index_t h_first = most(0, -up), h_last = least(k_rows, rows - up);
    const index_t w_first = most(0, -left), w_last = least(k_cols, cols - left);
    real sum = 0;
    for (index_t w = w_first; w < w_last; ++w) {
      for (index_t h = h_first; h < h_last; ++h) sum += m(up + h, left + w) * k(h, w);
    }
    y(i, j) = sum;
  }
};

}  // namespace

CM_EXPORT cm_correlate(const cm_matrix* m, const cm_matrix* kernel, cm_matrix* target) {
  return guard("correlate", [&] {
    check_present(m, "the matrix");
    check_present(kernel, "the kernel");
    check_shape(target, "target", m->rows, m->cols);
    check_disjoint(target, m, "the matrix");
    check_disjoint(target, kernel, "the kernel");
    for_grid(m->rows, m->cols,
             Correlate{view(m), view(kernel), view(target), m->rows, m->cols, kernel->rows,
                       kernel->cols});
  });
}
