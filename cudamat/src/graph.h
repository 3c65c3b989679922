// Work of a board that is noted once and then done again with one call (a CUDA graph), and
// pieces of work that a board may do at the same time.
//
// The library for the CPU has neither: cudamat/graph.py notes its calls and repeats them,
// and pieces of work are done one after the other.
#pragma once

#include <cstddef>

namespace cm {

// ------------------------------------------------------------------ branches

const int kBranches = 4;

// The piece of work that the calling thread asks for at present, 0 unless it has said
// otherwise. Two of them share no memory that one writes: what an operation needs for
// itself it has once for each branch.
int branch();

// ------------------------------------------------------------------ graphs

namespace graph {

bool is_noting();           // whether work is noted at present and not done
// What the two libraries do of it (graph_cpu.cpp, graph_cuda.cu).
void begin();              // from now on the stream's work is noted and not done
void* end();               // a graph of what was noted
void give_up();            // forgets what was noted
void launch(void* graph);
void release(void* graph);
// Branches are streams of their own while work is noted, and else one after the other.
void fork();               // branches start after what was asked for so far
void enter(int branch);
void join(unsigned used);  // what follows comes after these branches, a bit for each

}  // namespace graph

// Throws while work is noted: whoever needs memory then should have it already.
void check_may_take_memory();

// Board memory that a graph may use: freed at once or, where there are graphs, whosever
// they are, with the last of them.
void release_after_graphs(void* memory);

// ------------------------------------------------------------------ scratch

// Board memory of an operation, kept from call to call because it is slow to get.
class Scratch {
 public:
  ~Scratch();
  // At least so many bytes; `wanted` is what to have where there is not enough. `purpose`
  // stands in the message of what is thrown where the board has no more.
  void* take(size_t bytes, size_t wanted, const char* purpose);
  // Gives it back; no other call may run at that time.
  void release();

 private:
  void* memory_ = nullptr;
  size_t room_ = 0;
  int board_ = 0;  // where it is
};

}  // namespace cm
