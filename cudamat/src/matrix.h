// Matrices as the exports see them: the struct that crosses the C ABI, views for kernels
// and shape checks.
//
// A matrix is column-major and packed: element (i, j) is data[i + j * rows]. A transposed
// one (`trans` set) shares another's memory and has rows and columns exchanged: its
// element (i, j) is data[j + i * cols].
#pragma once

#include "portable.h"

struct cm_matrix {
  real* data;     // on the board; owned by whoever made it, never freed here
  index_t rows;   // as seen through `trans`
  index_t cols;
  int32_t trans;  // 0 or 1
};

namespace cm {

typedef cm_matrix Matrix;

// ------------------------------------------------------------------ views

// What a kernel gets: element (i, j) is at p[i * rs + j * cs]. A stride of 0 repeats a
// vector along that axis.
struct View {
  real* p;
  index_t rs, cs;

  CM_FN real& operator()(index_t i, index_t j) const { return p[i * rs + j * cs]; }
};

inline View view(const Matrix* m) {
  View v = {m->data, m->trans ? m->cols : 1, m->trans ? 1 : m->rows};
  return v;
}

// The same matrix transposed.
inline View turned(View v) {
  const View other = {v.p, v.cs, v.rs};
  return other;
}

inline index_t size(const Matrix* m) { return m->rows * m->cols; }

// From one stored column to the next, for a BLAS.
inline index_t leading(const Matrix* m) {
  const index_t stored_rows = m->trans ? m->cols : m->rows;
  return stored_rows > 0 ? stored_rows : 1;
}

// ------------------------------------------------------------------ checks

// Throws unless m is there and has memory; `role` names it in the message.
void check_present(const Matrix* m, const char* role);
void check_shape(const Matrix* m, const char* role, index_t rows, index_t cols);
void check_same_shape(const Matrix* a, const char* role_a, const Matrix* b,
                      const char* role_b);
// Throws if `target` shares memory with `m` in a way that would read what was written:
// element-wise kernels may work in place, but not on a shifted or transposed overlap.
void check_overlap(const Matrix* target, const Matrix* m, const char* role);
// Throws if they share any memory at all.
void check_disjoint(const Matrix* target, const Matrix* m, const char* role);
// Throws unless `place`, where `what` is to go, is there.
void check_place(const void* place, const char* what);
// Throws unless the matrix is stored as it is seen.
void check_plain(const Matrix* m, const char* role);

}  // namespace cm
