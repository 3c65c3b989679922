// A CUDA runtime that is simulated, so that the CUDA library can be tested where there is
// no board: compiled by the host's compiler with __CUDACC__ defined, it runs on this one.
//
// What is asked for lies in streams until it is done, in any order that streams and events
// allow: who forgets to wait reads what is not there yet. With an even `simulated::seed` a
// piece of work may be done during any call; which, and how many, is drawn. With an odd one
// nothing is done before somebody waits for it, and then only what that needs.
// Copies from or to locked pages of the host look at them when they are done, others at
// once. While a stream is captured, calls that CUDA forbids then return its error.
//
// As in CUDA, the null stream is one that cannot be captured, an event stands for what its stream had been asked for when it was recorded,
// a wait makes all later work of a stream wait, and a stream that waits for an event of a
// capture takes part in it and has to come back to it by another event.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <vector>

#define CUDART_VERSION 12000

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInitializationError = 3,
  cudaErrorNoDevice = 100,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureUnjoined = 904
};
enum cudaMemcpyKind {
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3
};
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
const unsigned int cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;
const unsigned int cudaHostAllocDefault = 0, cudaHostAllocPortable = 1;
const unsigned int cudaHostAllocMapped = 2, cudaHostRegisterDefault = 0;

// ------------------------------------------------------------------ what is asked for

namespace simulated {

const size_t kMemory = size_t(4) << 30;  // of the board

struct Work;
typedef std::shared_ptr<Work> Piece;

struct Work {
  std::function<void()> run;
  std::vector<Piece> before;  // has to be done first
  bool done = false;
};

struct Graph {
  std::vector<Piece> pieces;  // in the order in which they were asked for
};

struct Stream {
  Piece last;                  // what was asked for last
  std::vector<Piece> waits;    // what the next piece waits for, too
  Graph* capture = nullptr;    // that its work goes into
  Piece outside;               // what was asked for last before that
  bool is_origin = false;      // of the capture
};

struct Event {
  Piece piece;
  Graph* capture = nullptr;
};

struct State {
  std::mt19937 random;
  bool is_lazy = false;
  std::vector<Piece> waiting;
  std::map<char*, size_t> locked;  // pages of the host
  std::set<Stream*> streams;
  int captures = 0;
  cudaError_t last = cudaSuccess;
};

inline State& state() {
  static State the_one;
  return the_one;
}

// Held by whoever asks or does something: threads of the host take turns.
struct Turn {
  static std::recursive_mutex& mutex() {
    static std::recursive_mutex the_one;
    return the_one;
  }
  const std::lock_guard<std::recursive_mutex> lock{mutex()};
};

inline void seed(unsigned int value) {
  state().random.seed(value);
  state().is_lazy = value % 2;
}

inline void do_this(const Piece piece) {
  std::vector<Piece>& waiting = state().waiting;
  waiting.erase(std::find(waiting.begin(), waiting.end(), piece));
  if (piece->run) piece->run();
  piece->done = true;
  piece->before.clear();
}

inline bool is_ready(const Work& work) {
  for (const Piece& piece : work.before) {
    if (!piece->done) return false;
  }
  return true;
}

// Does one piece that is ready, any of them; false where there is none.
inline bool do_one() {
  const Turn turn;
  std::vector<size_t> ready;
  std::vector<Piece>& waiting = state().waiting;
  for (size_t k = 0; k < waiting.size(); ++k) {
    if (is_ready(*waiting[k])) ready.push_back(k);
  }
  if (ready.empty()) return false;
  do_this(waiting[ready[state().random() % ready.size()]]);
  return true;
}

// Time passes: mostly nothing is done, sometimes something.
inline void pass() {
  const Turn turn;
  if (state().is_lazy || state().random() % 3) return;
  for (unsigned int k = state().random() % 4; k > 0 && do_one(); --k) {
  }
}

inline void finish(const Piece& piece) {
  const Turn turn;
  if (!piece || piece->done) return;
  if (state().is_lazy) {
    const std::vector<Piece> before = piece->before;
    for (const Piece& other : before) finish(other);
    do_this(piece);
  }
  while (!piece->done && do_one()) {
  }
}

// The null stream is one, too. That it waits for others and they for it is left out.
inline Stream* found(Stream* stream) {
  static Stream legacy;
  return stream ? stream : &legacy;
}

// Asks a stream for something.
inline void ask(Stream* stream, std::function<void()> run) {
  const Turn turn;
  stream = found(stream);
  const Piece piece = std::make_shared<Work>();
  piece->run = run;
  piece->before = stream->waits;
  if (stream->last) piece->before.push_back(stream->last);
  stream->waits.clear();
  stream->last = piece;
  if (stream->capture) {
    stream->capture->pieces.push_back(piece);
  } else {
    state().waiting.push_back(piece);
    pass();
  }
}

// What an event recorded now stands for.
inline Piece marker(Stream* stream) {
  const Turn turn;
  stream = found(stream);
  if (!stream->waits.empty()) ask(stream, nullptr);
  return stream->last;
}

inline cudaError_t result(cudaError_t code) {
  if (code != cudaSuccess) state().last = code;
  return code;
}

// Of a call that waits or takes memory, which a captured thread may not make.
inline cudaError_t unless_captured() {
  return result(state().captures ? cudaErrorStreamCaptureUnsupported : cudaSuccess);
}

inline bool is_locked(const void* host) {
  const char* place = static_cast<const char*>(host);
  for (const auto& pages : state().locked) {
    if (place >= pages.first && place < pages.first + pages.second) return true;
  }
  return false;
}

}  // namespace simulated

typedef simulated::Stream* cudaStream_t;
typedef simulated::Event* cudaEvent_t;
typedef simulated::Graph* cudaGraph_t;
typedef simulated::Graph* cudaGraphExec_t;

struct cudaPointerAttributes {
  int device;
};
struct cudaDeviceProp {
  int major, minor;
  char name[256];
};

// ------------------------------------------------------------------ errors, boards

inline const char* cudaGetErrorString(cudaError_t) { return "a simulated error"; }
inline const char* cudaGetErrorName(cudaError_t code) {
  switch (code) {
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureUnjoined: return "cudaErrorStreamCaptureUnjoined";
    default: return "another";
  }
}
inline cudaError_t cudaGetLastError() {
  const cudaError_t found = simulated::state().last;
  simulated::state().last = cudaSuccess;
  return found;
}
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaDriverGetVersion(int* driver) { return *driver = 1, cudaSuccess; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaGetDevice(int* board) { return *board = 0, cudaSuccess; }
inline cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  *free_bytes = *total_bytes = simulated::kMemory;
  return cudaSuccess;
}
inline cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* found, const void*) {
  found->device = 0;
  return cudaSuccess;
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* found, int) {
  found->major = 9;
  found->minor = 0;
  strcpy(found->name, "simulated");
  return cudaSuccess;
}

// ------------------------------------------------------------------ memory

// As bad as it gets: full of another value than zero.
inline void* simulated_memory(size_t bytes) { return memset(malloc(bytes), 0x7e, bytes); }

inline cudaError_t cudaMalloc(void** data, size_t bytes) {
  if (simulated::unless_captured() != cudaSuccess) return simulated::unless_captured();
  if (bytes > simulated::kMemory) return simulated::result(cudaErrorMemoryAllocation);
  *data = simulated_memory(bytes);
  return cudaSuccess;
}
inline cudaError_t cudaHostAlloc(void** data, size_t bytes, unsigned int) {
  const simulated::Turn turn;
  const cudaError_t code = cudaMalloc(data, bytes);
  if (code != cudaSuccess) return code;
  simulated::state().locked[static_cast<char*>(*data)] = bytes;
  return cudaSuccess;
}
// Waits for everything, as CUDA does.
inline cudaError_t cudaFree(void* data) {
  while (simulated::do_one()) {
  }
  free(data);
  return simulated::unless_captured();
}
inline cudaError_t cudaFreeHost(void* data) {
  const simulated::Turn turn;
  simulated::state().locked.erase(static_cast<char*>(data));
  return cudaFree(data);
}
inline cudaError_t cudaHostRegister(void*, size_t, unsigned int) { return cudaSuccess; }
inline cudaError_t cudaHostUnregister(void*) { return cudaSuccess; }

// ------------------------------------------------------------------ streams, events

inline cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  const simulated::Turn turn;
  *stream = new simulated::Stream();
  simulated::state().streams.insert(*stream);
  return cudaSuccess;
}
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int) {
  return cudaStreamCreate(stream);
}
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const simulated::Turn turn;
  simulated::finish(stream->last);
  simulated::state().streams.erase(stream);
  delete stream;
  return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (simulated::unless_captured() != cudaSuccess) return simulated::unless_captured();
  simulated::finish(simulated::marker(stream));
  return cudaSuccess;
}
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) {
  *event = new simulated::Event();
  return cudaSuccess;
}
inline cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const simulated::Turn turn;
  event->piece = simulated::marker(stream);
  event->capture = simulated::found(stream)->capture;
  simulated::pass();
  return cudaSuccess;
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (simulated::unless_captured() != cudaSuccess) return simulated::unless_captured();
  simulated::finish(event->piece);
  return cudaSuccess;
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event,
                                       unsigned int) {
  const simulated::Turn turn;
  stream = simulated::found(stream);
  if (event->capture && !stream->capture) {  // it takes part from now on
    stream->outside = simulated::marker(stream);
    stream->last = nullptr;
    stream->capture = event->capture;
  }
  if (event->capture != stream->capture) {
    return simulated::result(cudaErrorInvalidValue);
  }
  if (event->piece) stream->waits.push_back(event->piece);
  simulated::pass();
  return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes,
                                   cudaMemcpyKind kind, cudaStream_t stream) {
  std::function<void()> copy = [=] { memcpy(target, source, bytes); };
  if (kind == cudaMemcpyHostToDevice && !simulated::is_locked(source)) {
    const char* begin = static_cast<const char*>(source);
    const auto staged = std::make_shared<std::vector<char>>(begin, begin + bytes);
    copy = [=] { memcpy(target, staged->data(), bytes); };
  }
  simulated::ask(stream, copy);
  return cudaSuccess;
}

// ------------------------------------------------------------------ graphs

inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const simulated::Turn turn;
  if (!stream || stream->capture) return simulated::result(cudaErrorInvalidValue);
  stream->outside = simulated::marker(stream);
  stream->last = nullptr;
  stream->capture = new simulated::Graph();
  stream->is_origin = true;
  ++simulated::state().captures;
  return cudaSuccess;
}

inline cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const simulated::Turn turn;
  if (!stream->capture || !stream->is_origin) {
    return simulated::result(cudaErrorInvalidValue);
  }
  const simulated::Piece end = simulated::marker(stream);
  simulated::Graph* const made = stream->capture;
  // all that was captured has to come before the end of the stream
  std::set<simulated::Work*> reached;
  std::vector<simulated::Piece> open;
  if (end) open.push_back(end);
  while (!open.empty()) {
    const simulated::Piece piece = open.back();
    open.pop_back();
    if (!reached.insert(piece.get()).second) continue;
    open.insert(open.end(), piece->before.begin(), piece->before.end());
  }
  --simulated::state().captures;
  for (simulated::Stream* each : simulated::state().streams) {
    if (each->capture != made) continue;
    each->capture = nullptr;
    each->last = each->outside;
    each->waits.clear();
  }
  stream->is_origin = false;
  for (const simulated::Piece& piece : made->pieces) {
    if (reached.count(piece.get())) continue;
    delete made;
    *graph = nullptr;
    return simulated::result(cudaErrorStreamCaptureUnjoined);
  }
  *graph = made;
  return cudaSuccess;
}

inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph,
                                        unsigned long long) {
  *made = new simulated::Graph(*graph);
  return cudaSuccess;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  return cudaGraphDestroy(graph);
}

// Its pieces once more, each after those that it came after; all of them after what the
// stream has been asked for, and before what it is asked for next.
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  const simulated::Turn turn;
  stream = simulated::found(stream);
  if (stream->capture) return simulated::result(cudaErrorStreamCaptureUnsupported);
  const simulated::Piece before = simulated::marker(stream);
  std::map<simulated::Work*, simulated::Piece> copies;
  for (const simulated::Piece& piece : graph->pieces) {
    const simulated::Piece copy = std::make_shared<simulated::Work>();
    copy->run = piece->run;
    if (before) copy->before.push_back(before);
    for (const simulated::Piece& other : piece->before) {
      copy->before.push_back(copies.at(other.get()));
    }
    copies[piece.get()] = copy;
    simulated::state().waiting.push_back(copy);
    stream->waits.push_back(copy);
  }
  simulated::pass();
  return cudaSuccess;
}

#include "kernels.h"
