// What graph_cuda.cu, upload_cuda.cu and blas_cuda.cu do with streams and events, on the
// simulated CUDA of cuda_runtime.h and cublas.cpp: streams CUBLAS SEED... runs every check with
// each seed and prints what went wrong. Links with what it opens as cuBLAS, which works on
// its streams.
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "blas.h"
#include "graph.h"
#include "runtime_cuda.h"

namespace cm {

std::string text(const char* format, ...) { return format; }

// What graph.cu has of this.
static int current = 0;
int branch() { return current; }
void check_may_take_memory() {
  if (graph::is_noting()) throw Error(kArgument, "memory");
}

namespace {

int failures = 0;

void expect(bool holds, const char* what, unsigned int seed) {
  if (holds) return;
  ++failures;
  printf("seed %u: %s\n", seed, what);
}

// A kernel: it reads and writes when it is done, not when it is asked for.
void launch_kernel(std::function<void()> kernel) { simulated::ask(stream(), kernel); }

// ------------------------------------------------------------------ uploads

// Batches of changing sizes, each read by a kernel, while the host changes its memory at
// once and something else goes on in the one stream.
void check_uploads(unsigned int seed) {
  const size_t most = 5u << 20;  // numbers: 20 MB, of which some are more than fit a piece
  std::vector<int> host(most);
  int* board = static_cast<int*>(raw_allocate(most * sizeof(int)));
  std::vector<long long> sums, expected;
  for (int step = 0; step < 8; ++step) {
    const size_t sizes[] = {most, most / 3, 1000, most - 7, (4u << 20) / sizeof(int)};
    const size_t n = sizes[(static_cast<size_t>(step) + seed) % 5];
    for (size_t k = 0; k < n; ++k) host[k] = static_cast<int>(k * 7 + 31 * step) % 1001;
    expected.push_back(std::accumulate(host.begin(), host.begin() + n, 0ll));
    upload(board, host.data(), n * sizeof(int));
    std::fill(host.begin(), host.end(), -1);
    launch_kernel([&sums, board, n] {
      sums.push_back(std::accumulate(board, board + n, 0ll));
    });
    if (step % 3 == 2) {  // nobody else's copies are in the way
      int value = step;
      copy_in(board, &value, sizeof value);
      copy_out(&value, board, sizeof value);
      expect(value == step, "a small copy came back as another", seed);
    }
  }
  synchronize();
  expect(sums == expected, "a kernel has seen another batch than its own", seed);
  raw_release(board);
}

// ------------------------------------------------------------------ graphs

struct Numbers {
  double a = 0, b = 0, c = 0, d = 0;
};

void step(Numbers* x) {
  launch_kernel([x] { x->a += 1; });
  graph::fork();
  graph::enter(0);
  launch_kernel([x] { x->b = x->a * 2; });
  launch_kernel([x] { x->b += 1; });
  graph::enter(1);
  launch_kernel([x] { x->c = x->a * 3; });
  launch_kernel([x] { x->c += 5; });
  graph::enter(2);
  launch_kernel([x] { x->d -= x->a; });
  graph::enter(0);
  graph::join(7);
  launch_kernel([x] { x->a = x->b + x->c + x->d; });
}

void step_in_numbers(Numbers* x) {
  x->a += 1;
  x->b = x->a * 2 + 1;
  x->c = x->a * 3 + 5;
  x->d -= x->a;
  x->a = x->b + x->c + x->d;
}

void check_graphs(unsigned int seed) {
  Numbers board, expected, once;
  graph::begin();
  step(&board);
  void* made = graph::end();
  expect(board.a == 0, "noted work has been done", seed);
  step(&once);  // without a graph all of it is in the one stream
  for (int k = 0; k < 5; ++k) {
    step_in_numbers(&expected);
    graph::launch(made);
    launch_kernel([&board] { board.d += 0.5; });  // what comes between two launches
    expected.d += 0.5;
  }
  synchronize();
  expect(board.a == expected.a && board.d == expected.d, "launches give another result",
         seed);
  Numbers first;
  step_in_numbers(&first);
  expect(once.a == first.a && once.d == first.d, "work without a graph is wrong", seed);
  graph::release(made);
}

// A batch for each launch, which comes while the one before may still be read.
void check_batches_of_graphs(unsigned int seed) {
  const size_t n = 3u << 20;
  std::vector<int> host(n);
  int* board = static_cast<int*>(raw_allocate(n * sizeof(int)));
  long long total = 0, sum = 0, expected = 0;
  graph::begin();
  graph::fork();
  graph::enter(0);
  launch_kernel([&sum, board] { sum = std::accumulate(board, board + n / 2, 0ll); });
  graph::enter(1);
  launch_kernel([&total, board] {
    total += std::accumulate(board + n / 2, board + n, 0ll);
  });
  graph::enter(0);
  graph::join(3);
  launch_kernel([&total, &sum] { total += sum; });
  void* made = graph::end();
  for (int k = 0; k < 4; ++k) {
    std::fill(host.begin(), host.end(), k + 1);
    expected += static_cast<long long>(n) * (k + 1);
    upload(board, host.data(), n * sizeof(int));
    graph::launch(made);
  }
  graph::release(made);
  expect(total == expected, "a launch has seen another batch than its own", seed);
  raw_release(board);
}

// ------------------------------------------------------------------ products

void enter(int wanted) {
  graph::enter(wanted);
  current = wanted;
}

void add_one(float* c) {
  static const float one = 1;
  blas::gemm({false, false, 1, 1, 1, 1, &one, 1, &one, 1, 1, c, 1}, blas::Operands::kWhole);
}

void products(float* board) {
  graph::fork();
  for (int k = 0; k < 3; ++k) {
    enter(k);
    for (int times = 0; times < 4; ++times) add_one(board + k);
  }
  enter(0);
  graph::join(7);
  add_one(board);
}

// Those of branches do not meet in cuBLAS's memory, whether work is done or noted, before
// another board is selected and after it.
void check_products(unsigned int seed) {
  float* board = static_cast<float*>(raw_allocate(3 * sizeof(float)));
  const float zeros[3] = {0, 0, 0};
  for (int selected = 0; selected < 2; ++selected) {
    copy_in(board, zeros, sizeof zeros);
    products(board);
    graph::begin();
    products(board);
    void* made = graph::end();
    for (int k = 0; k < 3; ++k) graph::launch(made);
    float sums[3];
    copy_out(sums, board, sizeof sums);
    expect(sums[0] == 20 && sums[1] == 16 && sums[2] == 16, "products have met", seed);
    graph::release(made);
    board_select(0);
  }
  raw_release(board);
}

// The first product takes memory, which a graph cannot do: that is said.
void check_first_product() {
  float* board = static_cast<float*>(raw_allocate(sizeof(float)));
  graph::begin();
  bool refused = false;
  try {
    add_one(board);
  } catch (const Error& error) {
    refused = error.what() == std::string("memory");
  }
  graph::give_up();
  expect(refused, "cuBLAS was started while work was noted", 0);
  raw_release(board);
}

// ------------------------------------------------------------------ what goes wrong

bool raises(std::function<void()> work) {
  try {
    work();
  } catch (const Error&) {
    return true;
  }
  return false;
}

void check_errors(unsigned int seed) {
  expect(raises([] { graph::end(); }), "a graph ends that was not begun", seed);
  graph::give_up();
  graph::begin();
  expect(raises([] { graph::begin(); }), "two graphs at a time", seed);
  expect(raises([] { synchronize(); }), "the board is waited for while work is noted",
         seed);
  const cudaStream_t before = stream();
  graph::fork();
  graph::enter(1);
  expect(stream() != before, "a branch is in the one stream", seed);
  launch_kernel([] {});
  graph::give_up();  // with a branch that has not come back
  expect(stream() == before, "the one stream is not in use again", seed);
  graph::begin();
  graph::fork();
  graph::enter(1);
  launch_kernel([] {});
  graph::enter(0);
  expect(raises([] { graph::end(); }), "a branch has not come back", seed);
  check_graphs(seed);
}

}  // namespace
}  // namespace cm

int main(int count, char** seeds) {
  cm::check_graphs(0);  // nobody has selected a board yet
  cm::blas::open(seeds[1]);
  cm::check_first_product();
  ++seeds, --count;
  for (int k = 1; k < count; ++k) {
    const unsigned int seed = static_cast<unsigned int>(atoi(seeds[k]));
    simulated::seed(seed);
    cm::check_uploads(seed);
    cm::check_graphs(seed);
    cm::check_batches_of_graphs(seed);
    cm::check_products(seed);
    cm::check_errors(seed);
  }
  printf("%d failures\n", cm::failures);
  return cm::failures ? 1 : 0;
}
