// Kernels on the simulated board: the threads of a block take turns on one thread of the
// host, and change at __syncthreads, in an order that is drawn each time. A block is done
// before the next one begins; in which order is drawn, too.
//
// Where not all threads of a block come to the same barrier the program ends, because a
// board might wait for ever.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <tuple>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __shared__ static  // of one block, and there is one at a time

struct dim3 {
  unsigned int x, y, z;
  dim3(unsigned int x = 1, unsigned int y = 1, unsigned int z = 1) : x(x), y(y), z(z) {}
};

inline dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace simulated {

const size_t kStack = size_t(256) << 10;

// Runs one thread after the other, for ever: it is kept for other blocks and kernels. It
// is entered once through its context; then jumps do, which are far faster.
struct Fiber {
  ucontext_t start;
  jmp_buf place_in_code;
  std::unique_ptr<char[]> stack;
  dim3 place;
  bool is_done = false;
};

struct Board {
  std::deque<Fiber> fibers;  // threads of a block
  jmp_buf scheduler;
  Fiber* current = nullptr;
  bool has_waited = false;  // some thread, at a barrier
  std::function<void()> thread;
  std::set<const void*> without_barriers;  // kernels that are known to have none
};

inline Board& board() {
  static Board the_one;
  return the_one;
}

inline void leave_fiber() {
  if (_setjmp(board().current->place_in_code) == 0) _longjmp(board().scheduler, 1);
}

inline void run_fiber() {
  for (;;) {
    board().thread();
    board().current->is_done = true;
    leave_fiber();
  }
}

inline void enter_fiber(Fiber* fiber) {
  board().current = fiber;
  threadIdx = fiber->place;
  if (_setjmp(board().scheduler) != 0) return;
  if (fiber->stack) _longjmp(fiber->place_in_code, 1);
  fiber->stack.reset(new char[kStack]);
  getcontext(&fiber->start);
  fiber->start.uc_stack.ss_sp = fiber->stack.get();
  fiber->start.uc_stack.ss_size = kStack;
  fiber->start.uc_link = nullptr;
  makecontext(&fiber->start, run_fiber, 0);
  setcontext(&fiber->start);
}

inline void wait_for_block() {
  if (!board().current) {
    fprintf(stderr, "a kernel that had no barrier in its first block has one later\n");
    abort();
  }
  board().has_waited = true;
  leave_fiber();
}

inline dim3 place_of(unsigned int number, dim3 block) {
  return dim3(number % block.x, number / block.x % block.y, number / block.x / block.y);
}

// One block, all its threads from barrier to barrier.
inline void run_with_barriers(dim3 block) {
  Board& b = board();
  const unsigned int count = block.x * block.y * block.z;
  while (b.fibers.size() < count) b.fibers.emplace_back();
  for (unsigned int k = 0; k < count; ++k) {
    b.fibers[k].place = place_of(k, block);
    b.fibers[k].is_done = false;
  }
  unsigned int done = 0;
  while (done == 0) {
    const unsigned int first = state().random() % count;
    const unsigned int step = state().random() % 2 ? 1 : count - 1;  // or backwards
    for (unsigned int k = 0; k < count; ++k) {
      Fiber* const fiber = &b.fibers[(first + k * step) % count];
      enter_fiber(fiber);
      done += fiber->is_done;
    }
    if (done != 0 && done != count) {
      fprintf(stderr, "%u of %u threads have ended, and others wait for them\n", done,
              count);
      abort();
    }
  }
  b.current = nullptr;
}

inline void run_without(dim3 block) {
  const unsigned int count = block.x * block.y * block.z;
  for (unsigned int k = 0; k < count; ++k) {
    threadIdx = place_of(k, block);
    board().thread();
  }
}

inline void run_grid(const void* kernel, dim3 grid, dim3 block,
                     const std::function<void()>& thread) {
  Board& b = board();
  b.thread = thread;
  gridDim = grid;
  blockDim = block;
  const unsigned int first = state().random() % grid.x;
  for (unsigned int k = 0; k < grid.x; ++k) {
    blockIdx = dim3((first + k) % grid.x);
    if (b.without_barriers.count(kernel)) {
      run_without(block);
    } else {
      b.has_waited = false;
      run_with_barriers(block);
      if (!b.has_waited) b.without_barriers.insert(kernel);
    }
  }
}

template <class... P, size_t... K>
std::tuple<P...> taken(void** places, std::index_sequence<K...>) {
  return std::tuple<P...>(*static_cast<P*>(places[K])...);
}

}  // namespace simulated

inline void __syncthreads() { simulated::wait_for_block(); }

template <class... P>
cudaError_t cudaLaunchKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** places,
                             size_t, cudaStream_t stream) {
  if (grid.x < 1 || block.x * block.y * block.z > 1024) {
    return simulated::result(cudaErrorInvalidValue);
  }
  const auto given = std::make_shared<std::tuple<P...>>(
      simulated::taken<P...>(places, std::index_sequence_for<P...>()));
  simulated::ask(stream, [=] {
    simulated::run_grid(reinterpret_cast<const void*>(kernel), grid, block,
                        [&] { std::apply(kernel, *given); });
  });
  return cudaSuccess;
}
