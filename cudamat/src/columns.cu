// Columns chosen by number, and single elements.
//
// Indices are whole numbers in a (1, n) matrix of reals; negative ones count from the end.
#include <limits>

#include "matrix.h"

using namespace cm;

namespace {

// The column that an index means, or -1 where there is none.
CM_FN index_t column_at(real index, index_t cols) {
  if (!(index >= -real(cols) && index < real(cols))) return -1;  // NaN neither
  const index_t whole = index_t(index);
  return whole < 0 ? whole + cols : whole;
}

struct Select {
  View m;
  index_t cols;
  const real* indices;
  real missing;
  View y;
  CM_FN void operator()(index_t i, index_t k) const {
    const index_t j = column_at(indices[k], cols);
    y(i, k) = j < 0 ? missing : m(i, j);
  }
};

// One row, so that of equal indices the last one stays, whatever the threads do.
struct SetSelected {
  View m;
  index_t cols, count;
  const real* indices;
  View source;
  CM_FN void operator()(index_t i) const {
    for (index_t k = 0; k < count; ++k) {
      const index_t j = column_at(indices[k], cols);
      if (j >= 0) m(i, j) = source(i, k);
    }
  }
};

void check_selection(const Matrix* m, const Matrix* indices, const Matrix* part,
                     const char* role) {
  check_present(m, "the matrix");
  check_present(part, role);
  check_shape(indices, "the row of indices", 1, part->cols);
  check_shape(part, role, m->rows, part->cols);
  check_disjoint(part, m, "the matrix");
}

void check_place_in(const Matrix* m, int64_t row, int64_t col) {
  check_present(m, "the matrix");
  if (row >= 0 && row < m->rows && col >= 0 && col < m->cols) return;
  throw Error(kArgument,
              text("row %lld, column %lld is not within a matrix of shape (%lld, %lld)",
                   (long long)row, (long long)col, (long long)m->rows, (long long)m->cols));
}

}  // namespace

// Column k of target = column indices[k] of m; NaN where m has no such column.
CM_EXPORT cm_select_columns(const cm_matrix* m, const cm_matrix* indices,
                            cm_matrix* target) {
  return guard("select_columns", [&] {
    check_selection(m, indices, target, "target");
    check_disjoint(target, indices, "the row of indices");
    for_grid(target->rows, target->cols,
             Select{view(m), m->cols, indices->data,
                    std::numeric_limits<real>::quiet_NaN(), view(target)});
  });
}

// Column indices[k] of m = column k of source; nothing where m has no such column.
CM_EXPORT cm_set_selected_columns(cm_matrix* m, const cm_matrix* indices,
                                  const cm_matrix* source) {
  return guard("set_selected_columns", [&] {
    check_selection(m, indices, source, "the source");
    check_disjoint(m, indices, "the row of indices");
    for_each(m->rows,
             SetSelected{view(m), m->cols, source->cols, indices->data, view(source)});
  });
}

CM_EXPORT cm_read_value(const cm_matrix* m, int64_t row, int64_t col, double* out) {
  return guard("read_value", [&] {
    check_place(out, "the value");
    check_place_in(m, row, col);
    real value;
    copy_out(&value, &view(m)(row, col), sizeof value);
    *out = value;
  });
}

CM_EXPORT cm_write_value(cm_matrix* m, int64_t row, int64_t col, double value) {
  return guard("write_value", [&] {
    check_place_in(m, row, col);
    const real rounded = real(value);
    copy_in(&view(m)(row, col), &rounded, sizeof rounded);
  });
}
