// Boards and their memory: what there is, which is used, allocation, copies, and how many
// bytes are in use.
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "blas.h"
#include "matrix.h"

namespace cm {

// What was allocated, by address: only that is freed, and once. Never destroyed itself,
// because matrices may go as late as the process does.
struct Memory {
  size_t bytes;
  bool seen;  // by the host, too
};

struct Ledger {
  std::mutex guard;
  std::unordered_map<void*, Memory> blocks;
  long long bytes = 0;
};

static Ledger& ledger() {
  static Ledger* const the_one = new Ledger();
  return *the_one;
}

// Uses another board while it lives.
class Visit {
 public:
  explicit Visit(int board) : home_(board_of(nullptr)) { board_visit(board); }
  ~Visit() {
    try {
      board_visit(home_);
    } catch (const Error&) {  // a board that is lost; the next call will say so
    }
  }

 private:
  const int home_;
};

static void* allocate(size_t bytes, bool seen) {
  if (bytes == 0) return nullptr;
  void* data = seen ? raw_allocate_seen(bytes) : raw_allocate(bytes);
  if (!data) {
    size_t free_bytes = 0, total_bytes = 0;
    board_memory(&free_bytes, &total_bytes);
    throw Error(kMemory, text("out of memory: %.1f MB were wanted and %.1f of %.1f MB are "
                              "free",
                              bytes / 1e6, free_bytes / 1e6, total_bytes / 1e6));
  }
  std::lock_guard<std::mutex> lock(ledger().guard);
  ledger().blocks[data] = {bytes, seen};
  ledger().bytes += static_cast<long long>(bytes);
  return data;
}

static void release(void* data, size_t bytes) {
  if (!data) return;
  bool seen;
  {
    std::lock_guard<std::mutex> lock(ledger().guard);
    const auto found = ledger().blocks.find(data);
    if (found == ledger().blocks.end() || found->second.bytes != bytes) {
      throw Error(kArgument, text("%zu bytes at %p were not allocated here, or are freed "
                                  "already",
                                  bytes, data));
    }
    seen = found->second.seen;
    ledger().blocks.erase(found);
    ledger().bytes -= static_cast<long long>(bytes);
  }
  seen ? raw_release_seen(data) : raw_release(data);
}

static void check_memory(const void* device, size_t bytes) {
  if (bytes > 0 && !device) {
    throw Error(kArgument, text("the matrix has no memory for %zu bytes (was it freed?)",
                                bytes));
  }
}

static void check_board(int board) {
  const int count = board_count();
  if (board >= 0 && board < count) return;
  throw Error(kArgument, text("there is no board %d; there are %d, counted from 0", board,
                              count));
}

}  // namespace cm

using namespace cm;

// ------------------------------------------------------------------ boards

// 1 for the CUDA library, 0 for the CPU library; bytes of a real number.
CM_EXPORT cm_flavour(int* cuda, int* real_bytes) {
  return guard("flavour", [&] {
    check_place(cuda, "the kind");
    check_place(real_bytes, "the size of a real");
    *cuda = kCuda;
    *real_bytes = sizeof(real);
  });
}

CM_EXPORT cm_board_count(int* count) {
  return guard("board_count", [&] {
    check_place(count, "the count");
    *count = board_count();
  });
}

CM_EXPORT cm_board_select(int board) {
  return guard("board_select", [&] {
    check_board(board);
    board_select(board);
  });
}

// name: room for `room` characters.
CM_EXPORT cm_board_name(int board, char* name, int room, int* major, int* minor) {
  return guard("board_name", [&] {
    check_place(room > 0 ? name : nullptr, "the name");
    check_place(major, "the version");
    check_place(minor, "the version");
    check_board(board);
    strncpy(name, board_name(board, major, minor).c_str(), room - 1);
    name[room - 1] = 0;
  });
}

CM_EXPORT cm_board_memory(int board, size_t* free_bytes, size_t* total_bytes) {
  return guard("board_memory", [&] {
    check_place(free_bytes, "the free bytes");
    check_place(total_bytes, "all bytes");
    check_board(board);
    const Visit visit(board);
    board_memory(free_bytes, total_bytes);
  });
}

// The board that memory is on; the one in use for a null pointer.
CM_EXPORT cm_board_of(const void* data, int* board) {
  return guard("board_of", [&] {
    check_place(board, "the number");
    *board = board_of(data);
  });
}

CM_EXPORT cm_synchronize() {
  return guard("synchronize", [&] { synchronize(); });
}

// ------------------------------------------------------------------ threads

CM_EXPORT cm_threads(int* count) {
  return guard("threads", [&] {
    check_place(count, "the count");
    *count = threads();
  });
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
  return guard("allocate", [&] {
    check_place(out, "the address");
    *out = allocate(bytes, false);
  });
}

// Memory that kernels write and the host reads, without waiting, under the same address;
// cm_release frees it.
CM_EXPORT cm_allocate_seen(size_t bytes, void** out) {
  return guard("allocate_seen", [&] {
    check_place(out, "the address");
    *out = allocate(bytes, true);
  });
}

CM_EXPORT cm_release(void* data, size_t bytes) {
  return guard("release", [&] { release(data, bytes); });
}

CM_EXPORT cm_bytes_in_use(long long* out) {
  return guard("bytes_in_use", [&] {
    check_place(out, "the number");
    std::lock_guard<std::mutex> lock(ledger().guard);
    *out = ledger().bytes;
  });
}

// Locks the pages of memory of the host, which makes copies between it and a CUDA board
// fast and lets them go on by themselves. It has to be unlocked before it is freed.
CM_EXPORT cm_page_lock(void* host, size_t bytes) {
  return guard("page_lock", [&] {
    if (bytes == 0) return;
    check_place(host, "the pages");
    page_lock(host, bytes);
  });
}

CM_EXPORT cm_page_unlock(void* host) {
  return guard("page_unlock", [&] {
    check_place(host, "the pages");
    page_unlock(host);
  });
}

CM_EXPORT cm_copy_in(void* device, const void* host, size_t bytes) {
  return guard("copying to the board", [&] {
    check_memory(device, bytes);
    if (bytes) check_place(host, "what is copied");
    if (bytes) copy_in(device, host, bytes);
  });
}

// As cm_copy_in, on a CUDA board beside the work that was asked for before; `host` may
// change as soon as this returns.
CM_EXPORT cm_upload(void* device, const void* host, size_t bytes) {
  return guard("copying to the board", [&] {
    check_memory(device, bytes);
    if (bytes) check_place(host, "what is copied");
    if (bytes) upload(device, host, bytes);
  });
}

CM_EXPORT cm_copy_out(void* host, const void* device, size_t bytes) {
  return guard("copying from the board", [&] {
    check_memory(device, bytes);
    if (bytes) check_place(host, "the copy");
    if (bytes) copy_out(host, device, bytes);
  });
}
