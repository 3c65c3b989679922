// Videos of digits: black frames on which small images are painted, brighter pixels over
// darker ones.
//
//   frame(t, j)[p] = max(0, values of the images of video j that lie on pixel p at step t)
//
// Both libraries do this on the host and in the host's memory, where batches are made, and
// on one thread, because the others are busy with the step before. What takes time is to
// write a frame out, most of it zeros. So it is painted in a scratch frame, which stays in
// the cache and is wiped where it was painted; from there it goes past the cache to
// memory, which then need not be read before it is written.
#include <algorithm>
#include <cstring>
#include <vector>

#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "portable.h"

// Images as lists of lit pixels: those of image k are starts[k] to starts[k + 1] - 1.
struct cm_images {
  const int64_t* starts;   // (count + 1), ascending from 0
  const uint8_t* rows;     // (pixels): place in the image
  const uint8_t* columns;  // (pixels)
  const float* values;     // (pixels): at least 0, no NaN
  int64_t count, pixels;
};

// What is shown where: image chosen[j * each + n] is the n-th of video j.
struct cm_videos {
  const int64_t* chosen;  // (videos * each)
  const int32_t* top;     // (steps, videos * each): row of the image's corner
  const int32_t* left;    // (steps, videos * each): column of the same
  int64_t steps, videos, each;
  int64_t size;           // pixels along a side of a frame
};

namespace cm {
namespace {

// ------------------------------------------------------------------ past the cache
//
// The widest store there is that does not go through the cache; where there is none, an
// ordinary one of a single number.

#if defined(__AVX512F__)
const index_t kPiece = 16;
void store(float* target, const float* source) {
  _mm512_stream_ps(target, _mm512_loadu_ps(source));
}
#elif defined(__AVX__)
const index_t kPiece = 8;
void store(float* target, const float* source) {
  _mm256_stream_ps(target, _mm256_loadu_ps(source));
}
#elif defined(__SSE2__)
const index_t kPiece = 4;
void store(float* target, const float* source) {
  _mm_stream_ps(target, _mm_loadu_ps(source));
}
#else
const index_t kPiece = 1;
void store(float* target, const float* source) { *target = *source; }
#endif

// Copies to memory that nobody is about to read.
void copy_past_cache(float* target, const float* source, index_t n) {
  const uintptr_t bytes = kPiece * sizeof(float);
  index_t i = 0;
  for (; i < n && reinterpret_cast<uintptr_t>(target + i) % bytes != 0; ++i) {
    target[i] = source[i];
  }
  for (; i + kPiece <= n; i += kPiece) store(target + i, source + i);
  for (; i < n; ++i) target[i] = source[i];
}

// Until this is done another thread may not see them.
void finish_copies() {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

// ------------------------------------------------------------------ stamps

const index_t kLanes = 8;  // pixels painted together: digits are some 20 wide

index_t padded(index_t width) { return (width + kLanes - 1) / kLanes * kLanes; }

// The rectangle of an image that is lit, its rows filled up with zeros to kLanes. These
// may lie beyond the right side, on the next row: there they change nothing when it is
// painted, nor when everything is wiped.
struct Stamp {
  index_t row = 0, column = 0;    // where the rectangle begins in the image
  index_t height = 0, width = 0;  // width is padded
  std::vector<float> values;      // (height, width)

  void set(const cm_images& images, int64_t image) {
    const int64_t start = images.starts[image], end = images.starts[image + 1];
    index_t last_row = -1, last_column = -1;
    row = column = 255;
    for (int64_t p = start; p < end; ++p) {
      row = std::min<index_t>(row, images.rows[p]);
      column = std::min<index_t>(column, images.columns[p]);
      last_row = std::max<index_t>(last_row, images.rows[p]);
      last_column = std::max<index_t>(last_column, images.columns[p]);
    }
    height = start < end ? last_row + 1 - row : 0;
    width = start < end ? padded(last_column + 1 - column) : 0;
    values.assign(height * width, 0.0f);
    for (int64_t p = start; p < end; ++p) {
      values[(images.rows[p] - row) * width + images.columns[p] - column] =
          images.values[p];
    }
  }

  // Calls f(target, values) for each kLanes pixels, `corner` being the image's own.
  template <class F>
  void each(float* corner, index_t size, F f) const {
    float* target = corner + row * size + column;
    const float* source = values.data();
    for (index_t i = 0; i < height; ++i) {
      for (index_t j = 0; j < width; j += kLanes) f(target + j, source + j);
      target += size;
      source += width;
    }
  }
};

struct Paint {
  void operator()(float* target, const float* source) const {
#pragma omp simd
    for (index_t k = 0; k < kLanes; ++k) {
      target[k] = target[k] < source[k] ? source[k] : target[k];
    }
  }
};

struct Wipe {
  void operator()(float* target, const float*) const {
    memset(target, 0, kLanes * sizeof(float));
  }
};

// ------------------------------------------------------------------ checks

void check_sizes(const cm_videos& v) {
  const bool counts = v.steps >= 0 && v.videos >= 0 && v.each >= 0;
  if (!counts || v.size < 1 || v.size > 32768) {
    throw Error(kArgument, text("%lld steps of %lld videos of %lld images on %lld pixels",
                                (long long)v.steps, (long long)v.videos, (long long)v.each,
                                (long long)v.size));
  }
}

// Rows and columns that an image takes from its corner on, up to its last lit pixel.
struct Extent {
  index_t height, width;
};

Extent extent(const cm_images& images, int64_t image) {
  if (image < 0 || image >= images.count) {
    throw Error(kArgument, text("image %lld was chosen, and there are %lld",
                                (long long)image, (long long)images.count));
  }
  const int64_t start = images.starts[image], end = images.starts[image + 1];
  if (start < 0 || end < start || end > images.pixels) {
    throw Error(kArgument, text("the pixels of image %lld are %lld to %lld, and there are "
                                "%lld",
                                (long long)image, (long long)start, (long long)end,
                                (long long)images.pixels));
  }
  Extent found = {0, 0};
  for (int64_t p = start; p < end; ++p) {
    found.height = std::max<index_t>(found.height, images.rows[p] + 1);
    found.width = std::max<index_t>(found.width, images.columns[p] + 1);
  }
  return found;
}

void check_places(const cm_images& images, const cm_videos& v) {
  const index_t shown = v.videos * v.each;
  for (index_t k = 0; k < shown; ++k) {
    const Extent image = extent(images, v.chosen[k]);
    for (index_t t = 0; t < v.steps; ++t) {
      const index_t top = v.top[t * shown + k], left = v.left[t * shown + k];
      if (top < 0 || top > v.size - image.height || left < 0 ||
          left > v.size - image.width) {
        throw Error(kArgument, text("an image of %lld x %lld pixels at row %lld and column "
                                    "%lld is not within the %lld x %lld of a frame",
                                    (long long)image.height, (long long)image.width,
                                    (long long)top, (long long)left, (long long)v.size,
                                    (long long)v.size));
      }
    }
  }
}

// ------------------------------------------------------------------ painting

void paint(const cm_images& images, const cm_videos& v, float* frames) {
  check_sizes(v);
  check_places(images, v);
  const index_t shown = v.videos * v.each, pixels = v.size * v.size;
  // a row's padding may reach beyond the last pixel; 255 is the last column of an image
  std::vector<float> scratch(pixels + padded(256), 0.0f);
  std::vector<Stamp> stamps(v.each);
  for (index_t j = 0; j < v.videos; ++j) {
    const index_t first = j * v.each;
    for (index_t n = 0; n < v.each; ++n) stamps[n].set(images, v.chosen[first + n]);
    for (index_t t = 0; t < v.steps; ++t) {
      const int32_t* top = v.top + t * shown + first;
      const int32_t* left = v.left + t * shown + first;
      for (index_t n = 0; n < v.each; ++n) {
        stamps[n].each(&scratch[top[n] * v.size + left[n]], v.size, Paint());
      }
      copy_past_cache(frames + (t * v.videos + j) * pixels, scratch.data(), pixels);
      for (index_t n = 0; n < v.each; ++n) {
        stamps[n].each(&scratch[top[n] * v.size + left[n]], v.size, Wipe());
      }
    }
  }
  finish_copies();
}

}  // namespace
}  // namespace cm

using namespace cm;

// ------------------------------------------------------------------ export

// frames (steps, videos, size * size), C order, written whole. All memory is the host's.
CM_EXPORT cm_paint(const cm_images* images, const cm_videos* videos, float* frames) {
  return guard("paint", [&] {
    const bool complete = images && videos && images->starts && videos->chosen &&
                          videos->top && videos->left && frames;
    const bool lists = images && images->rows && images->columns && images->values;
    if (!complete || (!lists && images->pixels > 0)) {
      throw Error(kArgument, "the images, the videos or the frames have no memory");
    }
    paint(*images, *videos, frames);
  });
}
