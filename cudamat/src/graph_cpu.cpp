// The library for the CPU has no graphs of its own, and one stream: graph.h.
#include "error.h"
#include "graph.h"

namespace cm {
namespace graph {

namespace {

[[noreturn]] void refuse() {
  throw Error(kArgument, "the library for the CPU has no graphs: its work is done when it "
                         "is asked for");
}

}  // namespace

bool is_noting() { return false; }

void begin() { refuse(); }
void* end() { refuse(); }
void give_up() { refuse(); }
void launch(void*) { refuse(); }
void release(void*) { refuse(); }

void fork() {}
void enter(int) {}
void join(unsigned) {}

}  // namespace graph
}  // namespace cm
