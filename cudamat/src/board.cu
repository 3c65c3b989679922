// Boards and their memory: what there is, which is used, allocation, copies, and how many
// bytes are in use.
#include <atomic>
#include <cstring>

#include "blas.h"
#include "matrix.h"

namespace cm {

static std::atomic<long long> bytes_in_use(0);

static void* allocate(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* data = raw_allocate(bytes);
  if (!data) {
    size_t free_bytes = 0, total_bytes = 0;
    board_memory(&free_bytes, &total_bytes);
    throw Error(kMemory, text("out of memory: %.1f MB were wanted and %.1f of %.1f MB are "
                              "free",
                              bytes / 1e6, free_bytes / 1e6, total_bytes / 1e6));
  }
  bytes_in_use += static_cast<long long>(bytes);
  return data;
}

static void check_memory(const void* device, size_t bytes) {
  if (bytes > 0 && !device) {
    throw Error(kArgument, text("the matrix has no memory for %zu bytes (was it freed?)",
                                bytes));
  }
}

static void release(void* data, size_t bytes) {
  if (!data) return;
  raw_release(data);
  bytes_in_use -= static_cast<long long>(bytes);
}

}  // namespace cm

using namespace cm;

// ------------------------------------------------------------------ boards

// 1 for the CUDA library, 0 for the CPU library; bytes of a real number.
CM_EXPORT cm_flavour(int* cuda, int* real_bytes) {
  *cuda = kCuda;
  *real_bytes = sizeof(real);
  return kOk;
}

CM_EXPORT cm_board_count(int* count) {
  return guard("board_count", [&] { *count = board_count(); });
}

CM_EXPORT cm_board_select(int board) {
  return guard("board_select", [&] { board_select(board); });
}

// name: room for `room` characters.
CM_EXPORT cm_board_name(int board, char* name, int room, int* major, int* minor) {
  return guard("board_name", [&] {
    strncpy(name, board_name(board, major, minor).c_str(), room - 1);
    name[room - 1] = 0;
  });
}

CM_EXPORT cm_board_memory(size_t* free_bytes, size_t* total_bytes) {
  return guard("board_memory", [&] { board_memory(free_bytes, total_bytes); });
}

CM_EXPORT cm_synchronize() {
  return guard("synchronize", [&] { synchronize(); });
}

// ------------------------------------------------------------------ threads

CM_EXPORT cm_threads(int* count) {
  *count = threads();
  return kOk;
}

CM_EXPORT cm_set_threads(int count) {
  return guard("set_threads", [&] {
    // OpenMP ends the program where it cannot start as many as it was asked for.
    if (count < 1 || count > 1024) {
      throw Error(kArgument, text("%d threads; there may be 1 to 1024", count));
    }
    set_threads(count);
    blas::set_threads(count);
  });
}

// ------------------------------------------------------------------ memory

CM_EXPORT cm_allocate(size_t bytes, void** out) {
  return guard("allocate", [&] { *out = allocate(bytes); });
}

CM_EXPORT cm_release(void* data, size_t bytes) {
  return guard("release", [&] { release(data, bytes); });
}

CM_EXPORT cm_bytes_in_use(long long* out) {
  *out = bytes_in_use;
  return kOk;
}

CM_EXPORT cm_copy_in(void* device, const void* host, size_t bytes) {
  return guard("copying to the board", [&] {
    check_memory(device, bytes);
    if (bytes) copy_in(device, host, bytes);
  });
}

CM_EXPORT cm_copy_out(void* host, const void* device, size_t bytes) {
  return guard("copying from the board", [&] {
    check_memory(device, bytes);
    if (bytes) copy_out(host, device, bytes);
  });
}
