// Sparse frames on the CPU.
//
// Both products add up multiples of columns: of W, one for each lit pixel of a frame, or
// of G, one for each frame in which a pixel is lit. They do so for a strip of 32 rows at a
// time, whose sums stay in registers and whose columns are copied together first, since
// columns that lie a power of two apart fight for the same places in the cache.
#include <algorithm>
#include <cstring>
#include <vector>

#include "sparse.h"

namespace cm {
namespace sparse {

namespace {

const index_t kStrip = 32;

typedef real Vector __attribute__((vector_size(64)));
const index_t kLanes = 64 / sizeof(real);
const index_t kVectors = kStrip / kLanes;

// target[0..kStrip) = sum of value[k] * columns[index[k] - base], columns kStrip apart
inline void add_columns(const real* columns, const int32_t* index, const real* value,
                        index_t entries, index_t base, real* target) {
  Vector sum[kVectors] = {};
  for (index_t k = 0; k < entries; ++k) {
    const real* column = columns + (index[k] - base) * kStrip;
    const Vector factor = value[k] - Vector{};
#pragma GCC unroll 8
    for (index_t v = 0; v < kVectors; ++v) {
      sum[v] += factor * *reinterpret_cast<const Vector*>(column + v * kLanes);
    }
  }
  memcpy(target, sum, sizeof sum);
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

// Whether any of the kLanes values from p on is not zero.
inline bool any(const real* p) {
  typedef real Loose __attribute__((vector_size(64), aligned(sizeof(real)), may_alias));
  typedef int64_t Bits __attribute__((vector_size(64)));
  const Bits bits = reinterpret_cast<Bits>(*reinterpret_cast<const Loose*>(p) != Vector{});
  int64_t all = 0;
  for (int k = 0; k < 8; ++k) all |= bits[k];
  return all != 0;
}

// Appends the non-zeros of a column to `rows` and `values`; returns how many there are.
index_t append(const real* column, index_t dims, std::vector<int32_t>* rows,
               std::vector<real>* values) {
  const size_t before = rows->size();
  auto keep = [&](index_t i) {
    if (column[i] != 0) {
      rows->push_back(static_cast<int32_t>(i));
      values->push_back(column[i]);
    }
  };
  index_t i = 0;
  for (; i + kLanes <= dims; i += kLanes) {  // most are black from end to end
    if (any(column + i)) {
      for (index_t lane = 0; lane < kLanes; ++lane) keep(i + lane);
    }
  }
  for (; i < dims; ++i) keep(i);
  return static_cast<index_t>(rows->size() - before);
}

// The lists by row, from those by column: a thread has a range of rows, whose entries it
// counts and then places, column after column.
void list_by_row(const Lists& lists) {
  const int workers = threads();
  std::vector<int32_t> next(lists.dims + 1, 0);
#pragma omp parallel num_threads(workers)
  {
    const index_t me = thread_number();
    const int32_t low = static_cast<int32_t>(lists.dims * me / workers);
    const int32_t high = static_cast<int32_t>(lists.dims * (me + 1) / workers);
    const index_t total = lists.column_start[lists.count];
    for (index_t k = 0; k < total; ++k) {
      const int32_t row = lists.entry_row[k];
      if (row >= low && row < high) ++next[row + 1];
    }
#pragma omp barrier
#pragma omp single
    {
      for (index_t i = 0; i < lists.dims; ++i) next[i + 1] += next[i];
      memcpy(lists.row_start, next.data(), sizeof(int32_t) * (lists.dims + 1));
    }
    for (index_t j = 0; j < lists.count; ++j) {
      for (index_t k = lists.column_start[j]; k < lists.column_start[j + 1]; ++k) {
        const int32_t row = lists.entry_row[k];
        if (row < low || row >= high) continue;
        const int32_t place = next[row]++;
        lists.entry_column[place] = static_cast<int32_t>(j);
        lists.row_value[place] = lists.entry_value[k];
      }
    }
  }
}

}  // namespace

index_t compress(const real* x, const Lists& lists) {
  // Each thread reads its columns once and keeps what it finds; then it is put in place.
  const int workers = threads();
  std::vector<std::vector<int32_t>> rows(workers);
  std::vector<std::vector<real>> values(workers);
  for (int worker = 0; worker < workers; ++worker) {  // no thread may have to allocate
    rows[worker].reserve(lists.room + lists.dims);
    values[worker].reserve(lists.room + lists.dims);
  }
  std::vector<char> full(workers, 0);
#pragma omp parallel num_threads(workers)
  {
    const int me = thread_number();
    const index_t low = lists.count * me / workers;
    const index_t high = lists.count * (me + 1) / workers;
    for (index_t j = low; j < high && !full[me]; ++j) {
      lists.column_start[j + 1] = static_cast<int32_t>(
          append(x + j * lists.dims, lists.dims, &rows[me], &values[me]));
      full[me] = static_cast<index_t>(rows[me].size()) > lists.room;
    }
  }
  if (std::find(full.begin(), full.end(), 1) != full.end()) return -1;
  index_t total = 0;
  lists.column_start[0] = 0;
  for (index_t j = 0; j < lists.count; ++j) {
    total += lists.column_start[j + 1];
    if (total > lists.room) return -1;
    lists.column_start[j + 1] = static_cast<int32_t>(total);
  }
  index_t place = 0;
  for (int worker = 0; worker < workers; ++worker) {
    std::copy(rows[worker].begin(), rows[worker].end(), lists.entry_row + place);
    std::copy(values[worker].begin(), values[worker].end(), lists.entry_value + place);
    place += static_cast<index_t>(rows[worker].size());
  }
  list_by_row(lists);
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
                    end[d] - begin[d], low, sums);
        memcpy(target + strip * kStrip + d * rows, sums, sizeof(real) * height);
      }
    }
  }
}

}  // namespace sparse
}  // namespace cm
