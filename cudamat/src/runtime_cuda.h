// A CUDA board, its memory and its stream: what of portable.h needs no kernel. Everything
// goes to the one stream.
#pragma once

#include <cuda_runtime.h>

#include <string>

#include "error.h"

namespace cm {

// ------------------------------------------------------------------ boards, memory

// "out of memory (cudaErrorMemoryAllocation)": the runtime's words and its own name.
inline std::string cuda_text(cudaError_t code) {
  return std::string(cudaGetErrorString(code)) + " (" + cudaGetErrorName(code) + ")";
}

inline void check_cuda(cudaError_t code, const char* what) {
  if (code == cudaSuccess) return;
  cudaGetLastError();  // clear it: the next call must not report this one again
  const char* hint = code == cudaErrorInitializationError
                         ? "; a process that was forked from one that used a board cannot "
                           "use it, so start it in another way (spawn)"
                         : "";
  throw Error(kBoard, std::string(what) + ": " + cuda_text(code) + hint);
}

// What work is asked of at present: the one stream, or that of a branch (graph_cuda.cu).
inline cudaStream_t& stream_slot() {
  static cudaStream_t slot = nullptr;
  return slot;
}

// How many there have been: one may lie where an older one was.
inline int& streams_made() {
  static int count = 0;
  return count;
}

inline void end_stream() {
  if (!stream_slot()) return;
  check_cuda(cudaStreamSynchronize(stream_slot()), "waiting for the board");
  check_cuda(cudaStreamDestroy(stream_slot()), "ending a stream");
  stream_slot() = nullptr;
}

inline cudaStream_t stream() {
  if (!stream_slot()) {
    // A stream that waits for the default one, and that one for it: other libraries that
    // share our memory work there. The default one itself cannot be captured.
    check_cuda(cudaStreamCreate(&stream_slot()), "creating a stream");
    ++streams_made();
  }
  return stream_slot();
}

inline int board_count() {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code == cudaSuccess) return count;
  cudaGetLastError();
  if (code == cudaErrorNoDevice) return 0;
  int driver = 0;
  cudaDriverGetVersion(&driver);
  if (driver == 0) throw Error(kBoard, "no CUDA driver is installed on this machine");
  throw Error(kBoard, "asking for CUDA boards: " + cuda_text(code));
}

inline void board_select(int board) {
  end_stream();
  check_cuda(cudaSetDevice(board), "selecting the CUDA board");
  stream();
}

// Asks another board something; the stream stays where it is.
inline void board_visit(int board) {
  check_cuda(cudaSetDevice(board), "turning to a CUDA board");
}

// The board that memory is on; the one in use for a null pointer.
inline int board_of(const void* data) {
  int board = 0;
  if (!data) {
    check_cuda(cudaGetDevice(&board), "asking which board is in use");
    return board;
  }
  cudaPointerAttributes found;
  check_cuda(cudaPointerGetAttributes(&found, data), "asking where memory is");
  return found.device;
}

inline void board_memory(size_t* free_bytes, size_t* total_bytes) {
  check_cuda(cudaMemGetInfo(free_bytes, total_bytes), "asking for free memory");
}

inline std::string board_name(int board, int* major, int* minor) {
  cudaDeviceProp found;
  check_cuda(cudaGetDeviceProperties(&found, board), "asking for the board's name");
  *major = found.major;
  *minor = found.minor;
  return found.name;
}

inline void synchronize() {
  check_cuda(cudaStreamSynchronize(stream()), "waiting for the board");
}

inline void* raw_allocate(size_t bytes) {
  void* data = nullptr;
  const cudaError_t code = cudaMalloc(&data, bytes);
  if (code == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check_cuda(code, "allocating memory");
  return data;
}

inline void raw_release(void* data) { check_cuda(cudaFree(data), "freeing memory"); }

// Memory of the host that kernels reach under the same address; what they write there is
// seen at the latest when the stream has been waited for.
inline void* raw_allocate_seen(size_t bytes) {
  void* data = nullptr;
  const cudaError_t code =
      cudaHostAlloc(&data, bytes, cudaHostAllocPortable | cudaHostAllocMapped);
  if (code == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check_cuda(code, "allocating memory that the board and the host see");
  return data;
}

inline void raw_release_seen(void* data) {
  synchronize();  // unlike cudaFree, this one need not wait for kernels that write there
  check_cuda(cudaFreeHost(data), "freeing memory");
}

inline void copy_in(void* device, const void* host, size_t bytes) {
  check_cuda(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream()),
             "copying to the board");
}

// The same beside the work that was asked for before; the host's memory may change at once
// (upload_cuda.cu).
void upload(void* device, const void* host, size_t bytes);

inline void copy_out(void* host, const void* device, size_t bytes) {
  check_cuda(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream()),
             "copying from the board");
  check_cuda(cudaStreamSynchronize(stream()), "copying from the board");
}

inline void copy_within(void* target, const void* source, size_t bytes) {
  check_cuda(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDeviceToDevice, stream()),
             "copying on the board");
}

// Memory of the host that copies to and from the board are to be fast with.
inline void page_lock(void* host, size_t bytes) {
  check_cuda(cudaHostRegister(host, bytes, cudaHostRegisterDefault), "locking memory");
}

inline void page_unlock(void* host) {
  check_cuda(cudaHostUnregister(host), "unlocking memory");
}

}  // namespace cm
