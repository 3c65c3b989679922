// Videos of images, made on the board from a table of images that lies there:
//
//   frame(t, j)[p] = max(0, values of the images of video j that lie on pixel p at step t)
//
// the same numbers that paint.cu makes on the host. There an image is painted over its
// frame; here each pixel looks at the few images of its video, so that every element is
// written once, by one thread, and no frame goes from the host to the board: only what is
// shown where does.
#include "matrix.h"

// What is shown where, in memory of the board: the n-th image of video j is image
// chosen[j * each + n] of the table, and at step t its corner is at
// top[(t * videos + j) * each + n] and left[...].
struct cm_scenes {
  const int32_t* chosen;  // (videos, each)
  const int32_t* top;     // (steps, videos, each): row of the image's corner
  const int32_t* left;    // (steps, videos, each): column of the same
  int64_t steps, videos, each;
  int64_t side;           // pixels along a side of an image
  int64_t size;           // pixels along a side of a frame
};

using namespace cm;

namespace {

// The numbers on the board cannot be looked at before the kernel runs. So the kernel
// takes any: an image that is not in the table is dark, and what lies beyond the frame is
// not seen.
struct Compose {
  const real* table;  // (side * side, count): a column is an image, row by row
  index_t count;
  cm_scenes scenes;
  real* frames;       // (size * size, steps * videos)

  CM_FN void operator()(index_t pixel, index_t frame) const {
    // of 32 bits, which a board divides much faster; check_scenes sees to it that they do
    const uint32_t size = uint32_t(scenes.size), videos = uint32_t(scenes.videos);
    const index_t y = uint32_t(pixel) / size, x = uint32_t(pixel) % size;
    const index_t video = uint32_t(frame) % videos;
    const int32_t* chosen = scenes.chosen + video * scenes.each;
    const int32_t* top = scenes.top + frame * scenes.each;
    const int32_t* left = scenes.left + frame * scenes.each;
    const index_t side = scenes.side;
    real brightest = 0;
    for (index_t n = 0; n < scenes.each; ++n) {
      const index_t image = chosen[n], row = y - top[n], column = x - left[n];
      if (image < 0 || image >= count || row < 0 || row >= side || column < 0 ||
          column >= side) {
        continue;
      }
      const real value = table[(image * side + row) * side + column];
      brightest = brightest < value ? value : brightest;
    }
    frames[frame * scenes.size * scenes.size + pixel] = brightest;
  }
};

// ------------------------------------------------------------------ checks

void check_scenes(const cm_scenes* s) {
  if (!s) throw Error(kArgument, "what is shown where is missing");
  const index_t most = INT32_MAX;
  const bool counts = s->steps >= 0 && s->steps <= most && s->videos >= 0 &&
                      s->videos <= most && s->each >= 0 && s->each <= most;
  const bool sides = s->size >= 1 && s->size <= 32768 && s->side >= 1 && s->side <= s->size;
  if (!counts || !sides) {
    throw Error(kArgument, text("%lld steps of %lld videos of %lld images of side %lld in "
                                "frames of side %lld",
                                (long long)s->steps, (long long)s->videos,
                                (long long)s->each, (long long)s->side,
                                (long long)s->size));
  }
  if (s->steps * s->videos > most) {
    throw Error(kArgument, text("%lld steps of %lld videos are more than %lld frames",
                                (long long)s->steps, (long long)s->videos,
                                (long long)most));
  }
  const bool shown = s->steps > 0 && s->videos > 0 && s->each > 0;
  if (shown && !(s->chosen && s->top && s->left)) {
    throw Error(kArgument, "what is shown where has no memory");
  }
}

}  // namespace

// ------------------------------------------------------------------ export

// frames = the videos; table (side * side, images), frames (size * size, steps * videos).
CM_EXPORT cm_compose(const cm_matrix* table, const cm_scenes* scenes, cm_matrix* frames) {
  return guard("compose", [&] {
    check_scenes(scenes);
    check_present(table, "the table of images");
    check_shape(table, "the table of images", scenes->side * scenes->side, table->cols);
    check_plain(table, "the table of images");
    check_shape(frames, "target", scenes->size * scenes->size,
                scenes->steps * scenes->videos);
    check_plain(frames, "target");
    check_disjoint(frames, table, "the table of images");
    for_grid(frames->rows, frames->cols,
             Compose{table->data, table->cols, *scenes, frames->data});
  });
}
