// Threads of the CPU library, and what becomes of them in a forked process.
//
// OpenMP's threads do not live on in a child process, where its runtime would wait for
// them for ever. So a child computes on one thread, which needs no other.
#include <pthread.h>

#include "portable.h"

namespace cm {

#ifdef _OPENMP

static bool forked = false;

static void in_child() {
  forked = true;
  omp_set_num_threads(1);
}

__attribute__((constructor)) static void watch_forks() {
  pthread_atfork(nullptr, nullptr, in_child);
}

void set_threads(int count) {
  if (forked && count > 1) {
    throw Error(kArgument, "this process was forked from one that had loaded the library "
                           "and has one thread only; start it in another way (spawn)");
  }
  omp_set_num_threads(count);
}

#else

void set_threads(int) {}

#endif

}  // namespace cm
