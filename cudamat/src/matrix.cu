// Shape and overlap checks, and the error text of the calling thread.
#include "matrix.h"

#include <cstdarg>
#include <cstdio>

namespace cm {

// ------------------------------------------------------------------ errors

static thread_local std::string last_error;

void remember_error(const char* name, const char* what) {
  last_error = std::string(name) + ": " + what;
}

std::string text(const char* format, ...) {
  char buffer[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(buffer, sizeof buffer, format, arguments);
  va_end(arguments);
  return buffer;
}

// ------------------------------------------------------------------ checks

static long long wide(index_t n) { return static_cast<long long>(n); }

void check_present(const Matrix* m, const char* role) {
  if (!m) throw Error(kArgument, text("%s is missing", role));
  if (m->rows < 0 || m->cols < 0) {
    throw Error(kArgument, text("%s has a negative shape (%lld, %lld)", role,
                                wide(m->rows), wide(m->cols)));
  }
  const index_t most = index_t(1) << 59;
  if (m->rows > most || m->cols > most || (m->cols > 0 && m->rows > most / m->cols)) {
    throw Error(kArgument, text("%s has shape (%lld, %lld), more than any memory holds",
                                role, wide(m->rows), wide(m->cols)));
  }
  if (!m->data && size(m) > 0) {
    throw Error(kArgument, text("%s of shape (%lld, %lld) has no memory (was it freed?)",
                                role, wide(m->rows), wide(m->cols)));
  }
}

void check_shape(const Matrix* m, const char* role, index_t rows, index_t cols) {
  check_present(m, role);
  if (m->rows == rows && m->cols == cols) return;
  throw Error(kArgument,
              text("%s has shape (%lld, %lld), but (%lld, %lld) is needed", role,
                   wide(m->rows), wide(m->cols), wide(rows), wide(cols)));
}

void check_same_shape(const Matrix* a, const char* role_a, const Matrix* b,
                      const char* role_b) {
  if (a->rows == b->rows && a->cols == b->cols) return;
  throw Error(kArgument,
              text("%s has shape (%lld, %lld), but %s has (%lld, %lld); they must agree",
                   role_a, wide(a->rows), wide(a->cols), role_b, wide(b->rows),
                   wide(b->cols)));
}

static bool share_memory(const Matrix* a, const Matrix* b) {
  if (size(a) == 0 || size(b) == 0) return false;
  return a->data < b->data + size(b) && b->data < a->data + size(a);
}

void check_overlap(const Matrix* target, const Matrix* m, const char* role) {
  if (!share_memory(target, m)) return;
  const bool vector = m->rows == 1 || m->cols == 1;
  const bool same_order = m->trans == target->trans || vector;
  if (m->data == target->data && size(m) == size(target) && same_order) return;
  throw Error(kArgument,
              text("the target overlaps %s in memory, shifted or transposed; copy one of "
                   "them first",
                   role));
}

void check_disjoint(const Matrix* target, const Matrix* m, const char* role) {
  if (!share_memory(target, m)) return;
  throw Error(kArgument, text("the target overlaps %s in memory; this operation does not "
                              "work in place, give it another target",
                              role));
}

void check_place(const void* place, const char* what) {
  if (!place) throw Error(kArgument, text("there is no place for %s", what));
}

void check_plain(const Matrix* m, const char* role) {
  if (!m->trans || m->rows == 1 || m->cols == 1) return;
  throw Error(kArgument, text("%s is a transposed view; copy it first", role));
}

}  // namespace cm

CM_EXPORT cm_last_error(const char** out) {
  if (!out) return cm::kArgument;
  *out = cm::last_error.c_str();
  return cm::kOk;
}
