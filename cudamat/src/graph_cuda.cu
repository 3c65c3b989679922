// CUDA graphs, captured from the library's stream, with streams beside it for branches.
#include "graph.h"
#include "runtime_cuda.h"

namespace cm {
namespace graph {

namespace {

// What is needed beside the stream, for the board that it was made for.
struct Sides {
  int board = -1;
  cudaStream_t streams[kBranches] = {};  // [0] is never made: the stream itself
  cudaEvent_t forked = nullptr;
  cudaEvent_t finished[kBranches] = {};
};

Sides sides;
cudaStream_t home = nullptr;  // the stream that is captured; null while none is

void end_sides() {
  for (int k = 1; k < kBranches; ++k) {
    if (sides.finished[k]) cudaEventDestroy(sides.finished[k]);
    if (sides.streams[k]) cudaStreamDestroy(sides.streams[k]);
  }
  if (sides.forked) cudaEventDestroy(sides.forked);
  sides = Sides();
}

void make_sides() {
  const int board = board_of(nullptr);
  if (sides.board == board) return;
  const unsigned int no_time = cudaEventDisableTiming;
  const char* what = "preparing a graph";
  end_sides();  // what an attempt before this one may have left
  check_cuda(cudaEventCreateWithFlags(&sides.forked, no_time), what);
  for (int k = 1; k < kBranches; ++k) {
    check_cuda(cudaStreamCreateWithFlags(&sides.streams[k], cudaStreamNonBlocking), what);
    check_cuda(cudaEventCreateWithFlags(&sides.finished[k], no_time), what);
  }
  sides.board = board;
}

void go_home() {
  stream_slot() = home;
  home = nullptr;
}

cudaGraphExec_t instantiated(cudaGraph_t noted) {
  cudaGraphExec_t graph = nullptr;
#if CUDART_VERSION >= 12000
  const cudaError_t code = cudaGraphInstantiate(&graph, noted, 0);
#else
  const cudaError_t code = cudaGraphInstantiate(&graph, noted, nullptr, nullptr, 0);
#endif
  cudaGraphDestroy(noted);
  check_cuda(code, "making a graph");
  return graph;
}

}  // namespace

bool is_noting() { return home != nullptr; }

void begin() {
  if (home) throw Error(kArgument, "a graph is being made already, and one is the most");
  make_sides();
  check_cuda(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeThreadLocal),
             "beginning a graph");
  home = stream();
}

void* end() {
  if (!home) throw Error(kArgument, "no graph was begun");
  go_home();
  cudaGraph_t noted = nullptr;
  check_cuda(cudaStreamEndCapture(stream(), &noted), "ending a graph");
  return instantiated(noted);
}

void give_up() {
  if (!home) return;
  go_home();
  cudaGraph_t noted = nullptr;
  cudaStreamEndCapture(stream(), &noted);
  if (noted) cudaGraphDestroy(noted);
  cudaGetLastError();  // what was noted in vain may have been wrong
}

void launch(void* graph) {
  check_cuda(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), stream()),
             "launching a graph");
}

void release(void* graph) {
  synchronize();
  check_cuda(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)),
             "freeing a graph");
}

void fork() {
  if (home) check_cuda(cudaEventRecord(sides.forked, home), "dividing the work");
}

void enter(int branch) {
  if (!home) return;
  const bool is_side = branch > 0;
  stream_slot() = is_side ? sides.streams[branch] : home;
  if (is_side) {
    check_cuda(cudaStreamWaitEvent(stream(), sides.forked, 0), "beginning a branch");
  }
}

void join(unsigned used) {
  if (!home) return;
  for (int k = 1; k < kBranches; ++k) {
    if (!(used >> k & 1)) continue;
    check_cuda(cudaEventRecord(sides.finished[k], sides.streams[k]), "ending a branch");
    check_cuda(cudaStreamWaitEvent(home, sides.finished[k], 0), "waiting for a branch");
  }
}

}  // namespace graph
}  // namespace cm
