// Batches on their way to a CUDA board, beside the work that the board still has to do.
//
// The host's memory is copied in pieces into pages that are locked, because only from those
// a board copies by itself; so the caller may change it at once, and need not wait.
//
// In the one stream a copy waits for the step before. So a large batch goes, in a stream of
// its own, into memory beside the matrix that it is for, and from there in the one stream,
// board to board, which takes next to no time. Of that memory there are two, so that one
// can be filled while the other is read.
#include <cstring>

#include "runtime_cuda.h"

namespace cm {

namespace {

const size_t kPiece = size_t(4) << 20;
const size_t kLarge = size_t(1) << 20;  // what takes long enough to go beside
const int kPieces = 4, kStages = 2;

struct Piece {
  void* memory = nullptr;     // the host's, locked
  cudaEvent_t sent = nullptr;  // the board has read it
};

struct Stage {
  void* memory = nullptr;  // the board's
  size_t room = 0;
  cudaEvent_t read = nullptr;  // the one stream has taken what was in it
};

struct Uploads {
  int board = -1;  // that all of it is for
  cudaStream_t stream = nullptr;
  cudaEvent_t arrived = nullptr;
  Piece pieces[kPieces];
  Stage stages[kStages];
  int piece = 0, stage = 0;  // the next ones
};

Uploads uploads;

const char* const kWhat = "copying a batch to the board";

void check(cudaError_t code) { check_cuda(code, kWhat); }

void make(Uploads* u, int board) {
  check(cudaStreamCreateWithFlags(&u->stream, cudaStreamNonBlocking));
  check(cudaEventCreateWithFlags(&u->arrived, cudaEventDisableTiming));
  for (Piece& piece : u->pieces) {
    check(cudaHostAlloc(&piece.memory, kPiece, cudaHostAllocDefault));
    check(cudaEventCreateWithFlags(&piece.sent, cudaEventDisableTiming));
  }
  for (Stage& stage : u->stages) {
    check(cudaEventCreateWithFlags(&stage.read, cudaEventDisableTiming));
  }
  u->board = board;
}

// Another board is in use now. What is freed may have failed to be made.
void end(Uploads* u) {
  if (u->stream) cudaStreamSynchronize(u->stream);
  for (Piece& piece : u->pieces) {
    if (piece.memory) cudaFreeHost(piece.memory);
    if (piece.sent) cudaEventDestroy(piece.sent);
  }
  for (Stage& stage : u->stages) {
    if (stage.memory) cudaFree(stage.memory);
    if (stage.read) cudaEventDestroy(stage.read);
  }
  if (u->arrived) cudaEventDestroy(u->arrived);
  if (u->stream) cudaStreamDestroy(u->stream);
  cudaGetLastError();
  *u = Uploads();
}

// Whether there is room; where the board has none left, the batch goes without.
bool make_room(Stage* stage, size_t bytes) {
  if (stage->room >= bytes) return true;
  check(cudaEventSynchronize(stage->read));
  if (stage->memory) raw_release(stage->memory);
  stage->room = 0;
  stage->memory = raw_allocate(bytes);
  if (stage->memory) stage->room = bytes;
  return stage->memory != nullptr;
}

// To the board, in pieces and in a stream.
void send(Uploads* u, char* target, const char* host, size_t bytes, cudaStream_t on) {
  for (size_t done = 0; done < bytes; done += kPiece) {
    Piece& piece = u->pieces[u->piece];
    u->piece = (u->piece + 1) % kPieces;
    const size_t part = bytes - done < kPiece ? bytes - done : kPiece;
    check(cudaEventSynchronize(piece.sent));
    memcpy(piece.memory, host + done, part);
    check(cudaMemcpyAsync(target + done, piece.memory, part, cudaMemcpyHostToDevice, on));
    check(cudaEventRecord(piece.sent, on));
  }
}

}  // namespace

void upload(void* device, const void* host, size_t bytes) {
  Uploads& u = uploads;
  const int board = board_of(nullptr);
  if (u.board != board) {
    end(&u);
    make(&u, board);
  }
  const char* source = static_cast<const char*>(host);
  Stage& stage = u.stages[u.stage];
  if (bytes < kLarge || !make_room(&stage, bytes)) {
    return send(&u, static_cast<char*>(device), source, bytes, stream());
  }
  u.stage = (u.stage + 1) % kStages;
  check(cudaStreamWaitEvent(u.stream, stage.read, 0));
  send(&u, static_cast<char*>(stage.memory), source, bytes, u.stream);
  check(cudaEventRecord(u.arrived, u.stream));
  check(cudaStreamWaitEvent(stream(), u.arrived, 0));
  copy_within(device, stage.memory, bytes);
  check(cudaEventRecord(stage.read, stream()));
}

}  // namespace cm
