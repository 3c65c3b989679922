// Exports of the products with sparse frames, and what they check.
#include "sparse.h"

#include "fewer_bits.h"
#include "matrix.h"

using namespace cm;

namespace {

void check_lists(const cm_lists* x) {
  if (!x) throw Error(kArgument, "the lists of non-zeros are missing");
  const bool entries = x->entry_row && x->entry_value && x->entry_column && x->row_value;
  if (!x->column_start || !x->row_start || (x->room > 0 && !entries)) {
    throw Error(kArgument, "the lists of non-zeros have no memory");
  }
  if (x->room < 0 || x->dims < 0 || x->count < 0 || x->room >= INT32_MAX ||
      x->dims >= INT32_MAX || x->count >= INT32_MAX) {
    throw Error(kArgument, text("lists with room for %lld of (%lld, %lld) elements",
                                (long long)x->room, (long long)x->dims,
                                (long long)x->count));
  }
}

// Sparse products have no other bits than float32's: whoever wants fewer takes the dense
// product, so that they are the same sums.
void check_math() {
  if (math() == Math::kFp32) return;
  throw Error(kArgument, "products with listed frames are in fp32 only; the dense product "
                         "is there for fewer bits");
}

// The order's frames must lie within the compressed ones and make `columns` columns.
void check_order(const cm_order* order, const cm_lists* x, index_t columns) {
  if (!order) throw Error(kArgument, "the order of the frames is missing");
  const index_t batch = order->batch, frames = order->frames;
  if (batch < 1 || frames < 0 || frames > x->count || batch * frames != columns ||
      (order->step != 1 && order->step != -1)) {
    throw Error(kArgument, text("%lld frames of %lld cases, in steps of %lld, are not "
                                "%lld columns",
                                (long long)frames, (long long)batch,
                                (long long)order->step, (long long)columns));
  }
  const index_t first = order->first, last = first + order->step * (frames - 1);
  const index_t there = x->count / batch;
  if (frames > 0 && (first < 0 || first >= there || last < 0 || last >= there)) {
    throw Error(kArgument, text("frames %lld to %lld are not within the %lld that were "
                                "compressed",
                                (long long)first, (long long)last, (long long)there));
  }
}

}  // namespace

// Lists the non-zeros of m; *found is their number, or -1 where they do not fit.
CM_EXPORT cm_compress(const cm_matrix* m, const cm_lists* lists, int64_t* found) {
  return guard("compress", [&] {
    check_present(m, "the matrix");
    check_plain(m, "the matrix");
    check_lists(lists);
    check_shape(m, "the matrix", lists->dims, lists->count);
    if (!found) throw Error(kArgument, "there is no place for the number of non-zeros");
    *found = sparse::compress(m->data, *lists);
  });
}

// target (rows, columns) = w X in the order; w (rows, dims).
CM_EXPORT cm_sparse_product(const cm_matrix* w, const cm_lists* x, const cm_order* order,
                            cm_matrix* target) {
  return guard("sparse_product", [&] {
    check_math();
    check_lists(x);
    check_present(target, "target");
    check_plain(target, "target");
    check_shape(w, "the weights", target->rows, x->dims);
    check_plain(w, "the weights");
    check_disjoint(target, w, "the weights");
    check_order(order, x, target->cols);
    sparse::product(w->data, w->rows, *x, *order, target->data);
  });
}

// target (rows, dims) = g X' in the order; g (rows, columns).
CM_EXPORT cm_sparse_gradient(const cm_matrix* g, const cm_lists* x, const cm_order* order,
                             cm_matrix* target) {
  return guard("sparse_gradient", [&] {
    check_math();
    check_lists(x);
    check_present(g, "the derivatives");
    check_plain(g, "the derivatives");
    check_shape(target, "target", g->rows, x->dims);
    check_plain(target, "target");
    check_disjoint(target, g, "the derivatives");
    check_order(order, x, g->cols);
    sparse::gradient(g->data, g->rows, *x, *order, target->data);
  });
}
