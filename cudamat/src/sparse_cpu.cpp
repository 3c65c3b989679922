// Sparse frames on the CPU.
//
// Both products add up multiples of columns: of W, one for each lit pixel of a frame, or
// of G, one for each frame in which a pixel is lit. They do so for a strip of 32 rows at a
// time, whose sums stay in registers and whose columns are copied together first, since
// columns that lie a power of two apart fight for the same places in the cache.
#include <algorithm>
#include <cstring>
#include <vector>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include "sparse.h"

namespace cm {
namespace sparse {

namespace {

const index_t kStrip = 32;

typedef real Vector __attribute__((vector_size(64)));
const index_t kLanes = 64 / sizeof(real);
const index_t kVectors = kStrip / kLanes;

// sum += value * the column at `place`, columns kStrip apart
inline void add_column(const real* columns, int32_t place, real value, Vector* sum) {
  const real* column = columns + place * kStrip;
  const Vector factor = value - Vector{};
#pragma GCC unroll 8
  for (index_t v = 0; v < kVectors; ++v) {
    sum[v] += factor * *reinterpret_cast<const Vector*>(column + v * kLanes);
  }
}

// target[0..kStrip) = sum of value[k] * columns[index[k] - base], columns kStrip apart.
// In two sums, of even and of odd k, because an addition waits for the one before it.
inline void add_columns(const real* columns, const int32_t* index, const real* value,
                        index_t entries, int32_t base, real* target) {
  Vector even[kVectors] = {}, odd[kVectors] = {};
  index_t k = 0;
  for (; k + 2 <= entries; k += 2) {
    add_column(columns, index[k] - base, value[k], even);
    add_column(columns, index[k + 1] - base, value[k + 1], odd);
  }
  if (k < entries) add_column(columns, index[k] - base, value[k], even);
#pragma GCC unroll 8
  for (index_t v = 0; v < kVectors; ++v) even[v] += odd[v];
  memcpy(target, even, sizeof even);
}

// A strip of packed columns, each kStrip long.
struct Packed {
  real* data;

  // Column c of the strip = `height` values of a column of the source, then zeros.
  void set(index_t c, const real* source, index_t height) const {
    real* column = data + c * kStrip;
    memcpy(column, source, sizeof(real) * height);
    if (height < kStrip) memset(column + height, 0, sizeof(real) * (kStrip - height));
  }
};

// Memory for a strip of so many columns for each thread, taken before the threads start:
// an exception must not leave a parallel region.
class Strips {
 public:
  explicit Strips(index_t columns) : each_(kStrip * (columns + 1)) {
    const size_t bytes = sizeof(real) * each_ * threads();
    data_ = static_cast<real*>(raw_allocate(bytes));
    if (!data_) throw Error(kMemory, "out of memory for the strips of a sparse product");
  }
  ~Strips() { raw_release(data_); }
  Strips(const Strips&) = delete;
  Strips& operator=(const Strips&) = delete;

  Packed mine() const { return Packed{data_ + each_ * thread_number()}; }

 private:
  index_t each_;
  real* data_;
};

index_t strips(index_t rows) { return (rows + kStrip - 1) / kStrip; }

index_t height_of(index_t strip, index_t rows) {
  return std::min(kStrip, rows - strip * kStrip);
}

// The range of columns of X that an order touches.
index_t lowest(const Order& order) {
  const index_t last = order.first + order.step * (order.frames - 1);
  return std::min(order.first, last) * order.batch;
}

}  // namespace

// ------------------------------------------------------------------ lists

namespace {

// What a thread has found in its columns.
struct Found {
  std::vector<int32_t> rows;
  std::vector<real> values;
  std::vector<int32_t> next;  // (dims): first how many in each row, then where to put them
  index_t count;

  // Room for so many and, past them, for what is written ahead. Memory stays from call to
  // call: new memory would be slower to get than to fill.
  void reset(index_t room, index_t dims) {
    if (static_cast<index_t>(rows.size()) < room + dims + kLanes) {
      rows.resize(room + dims + kLanes);
      values.resize(room + dims + kLanes);
    }
    next.assign(dims, 0);
    count = 0;
  }
};

// Appends what is not zero of `lanes` values from `column[i]` on, which may write kLanes
// entries and keep fewer. Most frames are black from end to end.
inline index_t append(const real* column, index_t i, index_t lanes, int32_t* rows,
                      real* values) {
#if defined(__AVX512F__) && !defined(CM_DOUBLE)
  const __mmask16 wanted = static_cast<__mmask16>((1u << lanes) - 1);
  const __m512 x = _mm512_maskz_loadu_ps(wanted, column + i);
  const __mmask16 lit = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NEQ_UQ);
  if (lit == 0) return 0;
  const __m512i first = _mm512_set1_epi32(static_cast<int32_t>(i));
  const __m512i row = _mm512_add_epi32(
      first, _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  _mm512_storeu_ps(values, _mm512_maskz_compress_ps(lit, x));
  _mm512_storeu_si512(rows, _mm512_maskz_compress_epi32(lit, row));
  return __builtin_popcount(lit);
#else
  index_t count = 0;
  for (index_t lane = 0; lane < lanes; ++lane) {
    rows[count] = static_cast<int32_t>(i + lane);
    values[count] = column[i + lane];
    count += column[i + lane] != 0;
  }
  return count;
#endif
}

// The non-zeros of a column, after those found before, and counted by row.
void find(const real* column, index_t dims, Found* found) {
  const index_t before = found->count;
  for (index_t i = 0; i < dims; i += kLanes) {
    found->count += append(column, i, std::min(kLanes, dims - i),
                           found->rows.data() + found->count,
                           found->values.data() + found->count);
  }
  for (index_t k = before; k < found->count; ++k) ++found->next[found->rows[k]];
}

// Turns every thread's counts by row into the places where its entries go, which come
// after those of the threads with earlier columns.
void place_rows(std::vector<Found>* all, const Lists& lists) {
  int32_t place = 0;
  for (index_t row = 0; row < lists.dims; ++row) {
    lists.row_start[row] = place;
    for (Found& found : *all) {
      const int32_t here = found.next[row];
      found.next[row] = place;
      place += here;
    }
  }
  lists.row_start[lists.dims] = place;
}

}  // namespace

index_t compress(const real* x, const Lists& lists) {
  const int workers = threads();
  static std::vector<Found> memory;
  std::vector<Found>& all = memory;
  all.resize(workers);
  for (Found& found : all) found.reset(lists.room, lists.dims);  // no thread may allocate
  auto first = [&](index_t worker) { return lists.count * worker / workers; };
#pragma omp parallel for schedule(static, 1)
  for (int worker = 0; worker < workers; ++worker) {
    Found& mine = all[worker];
    const index_t low = first(worker), high = first(worker + 1);
    for (index_t j = low; j < high && mine.count <= lists.room; ++j) {
      const index_t before = mine.count;
      find(x + j * lists.dims, lists.dims, &mine);
      lists.column_start[j + 1] = static_cast<int32_t>(mine.count - before);
    }
  }
  index_t total = 0;
  for (const Found& found : all) total += found.count;
  if (total > lists.room) return -1;
  lists.column_start[0] = 0;
  for (index_t j = 0; j < lists.count; ++j) {
    lists.column_start[j + 1] += lists.column_start[j];
  }
  place_rows(&all, lists);
#pragma omp parallel for schedule(static, 1)
  for (int worker = 0; worker < workers; ++worker) {
    const Found& mine = all[worker];
    std::vector<int32_t>& next = all[worker].next;
    const index_t low = first(worker), high = first(worker + 1);
    const index_t start = lists.column_start[low];
    std::copy_n(mine.rows.data(), mine.count, lists.entry_row + start);
    std::copy_n(mine.values.data(), mine.count, lists.entry_value + start);
    for (index_t j = low; j < high; ++j) {
      for (index_t k = lists.column_start[j] - start; k < lists.column_start[j + 1] - start;
           ++k) {
        const int32_t place = next[mine.rows[k]]++;
        lists.entry_column[place] = static_cast<int32_t>(j);
        lists.row_value[place] = mine.values[k];
      }
    }
  }
  return total;
}

// ------------------------------------------------------------------ products

void product(const real* w, index_t rows, const Lists& x, Order order, real* target) {
  const index_t dims = x.dims;
  const Strips memory(dims);
#pragma omp parallel
  {
    const Packed packed = memory.mine();
#pragma omp for schedule(dynamic, 1)
    for (index_t strip = 0; strip < strips(rows); ++strip) {
      const index_t height = height_of(strip, rows);
      for (index_t d = 0; d < dims; ++d) {
        packed.set(d, w + strip * kStrip + d * rows, height);
      }
      for (index_t t = 0; t < order.frames; ++t) {
        for (index_t b = 0; b < order.batch; ++b) {
          const index_t j = (order.first + order.step * t) * order.batch + b;
          const index_t start = x.column_start[j];
          real sums[kStrip];
          add_columns(packed.data, x.entry_row + start, x.entry_value + start,
                      x.column_start[j + 1] - start, 0, sums);
          memcpy(target + strip * kStrip + (t * order.batch + b) * rows, sums,
                 sizeof(real) * height);
        }
      }
    }
  }
}

void gradient(const real* g, index_t rows, const Lists& x, Order order, real* target) {
  const index_t dims = x.dims;
  // Of each row's entries only those within the order's frames count.
  const index_t low = lowest(order), columns = order.frames * order.batch;
  const Strips memory(columns);
  std::vector<int32_t> begin(dims), end(dims);
#pragma omp parallel for schedule(static)
  for (index_t d = 0; d < dims; ++d) {
    const int32_t* first = x.entry_column + x.row_start[d];
    const int32_t* last = x.entry_column + x.row_start[d + 1];
    begin[d] = static_cast<int32_t>(std::lower_bound(first, last, low) - x.entry_column);
    end[d] = static_cast<int32_t>(std::lower_bound(first, last, low + columns) -
                                  x.entry_column);
  }
#pragma omp parallel
  {
    const Packed packed = memory.mine();
#pragma omp for schedule(dynamic, 1)
    for (index_t strip = 0; strip < strips(rows); ++strip) {
      const index_t height = height_of(strip, rows);
      for (index_t t = 0; t < order.frames; ++t) {
        const index_t place = (order.first + order.step * t) * order.batch - low;
        for (index_t b = 0; b < order.batch; ++b) {
          packed.set(place + b, g + strip * kStrip + (t * order.batch + b) * rows, height);
        }
      }
      for (index_t d = 0; d < dims; ++d) {
        real sums[kStrip];
        add_columns(packed.data, x.entry_column + begin[d], x.row_value + begin[d],
                    end[d] - begin[d], static_cast<int32_t>(low), sums);
        memcpy(target + strip * kStrip + d * rows, sums, sizeof(real) * height);
      }
    }
  }
}

}  // namespace sparse
}  // namespace cm
