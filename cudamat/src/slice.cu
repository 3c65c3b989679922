// Copies of row ranges. (A range of columns is a view and needs no copy.)
#include "map.h"

using namespace cm;

namespace {

struct Same {
  CM_FN real operator()(real x) const { return x; }
};

// The view of rows start, start + 1, ... of m.
View rows_from(const Matrix* m, index_t start) {
  View v = view(m);
  v.p += start * v.rs;
  return v;
}

void check_rows(const Matrix* m, const Matrix* part, index_t start) {
  check_present(m, "the matrix");
  check_present(part, "the slice");
  if (part->cols != m->cols || start < 0 ||
      start > m->rows - part->rows) {
    throw Error(kArgument,
                text("%lld rows from %lld on, %lld columns, are not within a matrix of "
                     "shape (%lld, %lld)",
                     (long long)part->rows, (long long)start, (long long)part->cols,
                     (long long)m->rows, (long long)m->cols));
  }
  check_disjoint(part, m, "the matrix");
}

}  // namespace

// target = rows start .. start + target.rows of m
CM_EXPORT cm_get_row_slice(const cm_matrix* m, int64_t start, cm_matrix* target) {
  return guard("get_row_slice", [&] {
    check_rows(m, target, start);
    for_grid(target->rows, target->cols,
             Grid1<Same>{Same(), rows_from(m, start), view(target)});
  });
}

// rows start .. start + source.rows of m = source
CM_EXPORT cm_set_row_slice(cm_matrix* m, int64_t start, const cm_matrix* source) {
  return guard("set_row_slice", [&] {
    check_rows(m, source, start);
    for_grid(source->rows, source->cols,
             Grid1<Same>{Same(), view(source), rows_from(m, start)});
  });
}
