// Graphs and branches: graph.h says what they are.
#include "graph.h"

#include <mutex>
#include <set>
#include <vector>

#include "matrix.h"

namespace cm {

namespace {

thread_local int current = 0;
thread_local unsigned used = 0;  // which branches since the fork, a bit for each
thread_local bool forked = false;

// The graphs that there are, and memory that waits for the last of them to go. Never
// destroyed, because graphs may go as late as the process does.
struct Graphs {
  std::mutex guard;
  std::set<void*> made;
  std::vector<void*> memory;
};

Graphs& graphs() {
  static Graphs* const the_one = new Graphs();
  return *the_one;
}

void check_made(void* graph) {
  std::lock_guard<std::mutex> lock(graphs().guard);
  if (graphs().made.count(graph) == 0) {
    throw Error(kArgument, text("there is no graph at %p, or none any more", graph));
  }
}

void add(void* graph) {
  std::lock_guard<std::mutex> lock(graphs().guard);
  graphs().made.insert(graph);
}

void remove(void* graph) {
  std::vector<void*> memory;
  {
    std::lock_guard<std::mutex> lock(graphs().guard);
    graphs().made.erase(graph);
    if (graphs().made.empty()) memory.swap(graphs().memory);
  }
  for (void* each : memory) raw_release(each);
}

void enter(int wanted) {
  graph::enter(wanted);
  current = wanted;
  used |= 1u << wanted;
}

}  // namespace

int branch() { return current; }

void check_may_take_memory() {
  if (!graph::is_noting()) return;
  throw Error(kArgument, "this needs memory that is not there yet, and a graph takes none; "
                         "the work has to be done once before it is noted");
}

void release_after_graphs(void* memory) {
  {
    std::lock_guard<std::mutex> lock(graphs().guard);
    if (!graphs().made.empty()) {
      graphs().memory.push_back(memory);
      return;
    }
  }
  synchronize();
  raw_release(memory);
}

void Scratch::release() {
  void* const old = memory_;
  memory_ = nullptr;
  room_ = 0;
  if (old) release_after_graphs(old);
}

Scratch::~Scratch() {
  try {
    release();
  } catch (const std::exception&) {  // the board is gone, and its memory with it
  }
}

void* Scratch::take(size_t bytes, size_t wanted, const char* purpose) {
  const int here = board_of(nullptr);
  if (memory_ && room_ >= bytes && board_ == here) return memory_;
  check_may_take_memory();
  release();
  memory_ = raw_allocate(wanted);
  if (!memory_) {
    throw Error(kMemory, text("out of memory: %.1f MB for %s", wanted / 1e6, purpose));
  }
  room_ = wanted;
  board_ = here;
  return memory_;
}

}  // namespace cm

using namespace cm;

// ------------------------------------------------------------------ exports

// From now on the calling thread's work is noted and not done; cm_graph_end makes a graph
// of it, cm_graph_give_up forgets it. On a CUDA board alone.
CM_EXPORT cm_graph_begin() {
  return guard("graph", [&] { graph::begin(); });
}

CM_EXPORT cm_graph_end(void** out) {
  return guard("graph", [&] {
    check_place(out, "the graph");
    *out = graph::end();
    add(*out);
  });
}

CM_EXPORT cm_graph_give_up() {
  return guard("graph", [&] { graph::give_up(); });
}

CM_EXPORT cm_graph_launch(void* made) {
  return guard("graph", [&] {
    check_made(made);
    graph::launch(made);
  });
}

CM_EXPORT cm_graph_release(void* made) {
  return guard("graph", [&] {
    check_made(made);
    graph::release(made);
    remove(made);
  });
}

// Work that is asked for from now on may be divided into branches, until cm_join.
CM_EXPORT cm_fork() {
  return guard("fork", [&] {
    if (forked) throw Error(kArgument, "the work is divided already, and once is the most");
    graph::fork();
    forked = true;
    used = 0;
  });
}

CM_EXPORT cm_branch(int wanted) {
  return guard("branch", [&] {
    if (!forked || wanted < 0 || wanted >= kBranches) {
      throw Error(kArgument, text("there is no branch %d; after a fork there are %d, "
                                  "counted from 0",
                                  wanted, kBranches));
    }
    enter(wanted);
  });
}

CM_EXPORT cm_join() {
  return guard("join", [&] {
    if (!forked) throw Error(kArgument, "there is nothing to join: no fork came before");
    forked = false;
    enter(0);
    graph::join(used);
  });
}
