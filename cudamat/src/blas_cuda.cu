// Products on a CUDA board through cuBLAS, opened at run time: one binary serves several
// CUDA versions, and neither header nor library is needed to build it.
#include <dlfcn.h>

#include <climits>

#include "blas.h"
#include "graph.h"
#include "runtime_cuda.h"

namespace cm {
namespace blas {

namespace {

// The few declarations of cublas_v2.h, and numbers of its enums, that are used; they are
// the same in CUDA 11 to 13.
typedef void* Handle;
typedef int Status;
typedef Status (*Create)(Handle*);
typedef Status (*Destroy)(Handle);
typedef Status (*SetStream)(Handle, cudaStream_t);
typedef Status (*SetWorkspace)(Handle, void*, size_t);
typedef Status (*GetVersion)(Handle, int*);
typedef const char* (*StatusName)(Status);
typedef Status (*Gemm)(Handle, int, int, int, int, int, const real*, const real*, int,
                       const real*, int, const real*, real*, int);
// With the type of each matrix, of the arithmetic, and which of cuBLAS's ways to take.
typedef Status (*GemmEx)(Handle, int, int, int, int, int, const void*, const void*, int,
                         int, const void*, int, int, const void*, void*, int, int, int,
                         int);
const int kFloats = 0;       // CUDA_R_32F
const int kFastBf16 = 75;    // CUBLAS_COMPUTE_32F_FAST_16BF
const int kFastTf32 = 77;    // CUBLAS_COMPUTE_32F_FAST_TF32
const int kChosenByIt = -1;  // CUBLAS_GEMM_DEFAULT

// Each branch has its own, because two streams may not share one's workspace.
struct Context {
  Handle handle = nullptr;
  int board = -1;  // that the handle belongs to
  cudaStream_t stream = nullptr;
  int streams_made = 0;  // when it was given its stream
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
};

struct Library {
  void* shared = nullptr;
  std::string path;
  Context contexts[kBranches];
  SetStream set_stream = nullptr;
  SetWorkspace set_workspace = nullptr;
  StatusName status_name = nullptr;
  Create create = nullptr;
  Destroy destroy = nullptr;
  GetVersion version = nullptr;
  Gemm gemm = nullptr;
  GemmEx gemm_ex = nullptr;
};

Library library;

const char* gemm_name() { return sizeof(real) == 8 ? "cublasDgemm_v2" : "cublasSgemm_v2"; }

void check(Status status, const char* what) {
  if (status == 0) return;
  const char* name = library.status_name ? library.status_name(status) : "?";
  throw Error(kBlas, text("%s: cuBLAS status %d (%s)", what, status, name));
}

template <class Function>
void find(Function* function, const char* name) {
  *function = reinterpret_cast<Function>(dlsym(library.shared, name));
}

bool try_open(const std::string& path, std::string* tried) {
  void* shared = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!shared) {
    const char* why = dlerror();
    *tried += "\n  " + path + (why ? std::string(": ") + why : "");
    return false;
  }
  library.shared = shared;
  library.path = path;
  find(&library.create, "cublasCreate_v2");
  find(&library.destroy, "cublasDestroy_v2");
  find(&library.set_stream, "cublasSetStream_v2");
  find(&library.set_workspace, "cublasSetWorkspace_v2");
  find(&library.version, "cublasGetVersion_v2");
  find(&library.status_name, "cublasGetStatusName");
  find(&library.gemm, gemm_name());
  find(&library.gemm_ex, "cublasGemmEx");
  if (library.create && library.set_stream && library.gemm) return true;
  *tried += "\n  " + path + ": it is no cuBLAS";
  dlclose(shared);
  library.shared = nullptr;
  return false;
}

// cuBLAS chooses its kernels by the memory that it has, so that is the same whether work
// is done or noted, and it takes none of its own while work is noted. So much is what it
// would take itself, on boards from compute capability 9.0 on and on others.
size_t workspace_bytes(int board) {
  int major = 0, minor = 0;
  board_name(board, &major, &minor);
  return size_t(major >= 9 ? 32 : 8) << 20;
}

void end_context(Context* context) {
  if (context->handle && library.destroy) library.destroy(context->handle);
  if (context->workspace) raw_release(context->workspace);
  *context = Context();
}

void make_context(Context* context, int board) {
  check_may_take_memory();
  end_context(context);
  check(library.create(&context->handle), "starting cuBLAS");
  if (library.set_workspace) {
    context->workspace_bytes = workspace_bytes(board);
    context->workspace = raw_allocate(context->workspace_bytes);
  }
  context->board = board;
}

// The handle, made for the board in use and on the stream in use. A new stream makes
// cuBLAS forget its workspace.
Handle handle() {
  if (!library.shared) open(nullptr);
  Context& context = library.contexts[branch()];
  const int board = board_of(nullptr);
  if (context.board != board) make_context(&context, board);
  if (context.stream != stream() || context.streams_made != streams_made()) {
    check(library.set_stream(context.handle, stream()), "giving cuBLAS its stream");
    if (context.workspace) {
      check(library.set_workspace(context.handle, context.workspace,
                                  context.workspace_bytes),
            "giving cuBLAS its memory");
    }
    context.stream = stream();
    context.streams_made = streams_made();
  }
  return context.handle;
}

int narrow(index_t n) {
  if (n > INT_MAX) {
    throw Error(kBlas, text("a product with a dimension of %lld; cuBLAS counts to %d",
                            static_cast<long long>(n), INT_MAX));
  }
  return static_cast<int>(n);
}

}  // namespace

void open(const char* path) {
  if (library.shared) return;
  std::string tried;
  if (path && *path) {
    if (try_open(path, &tried)) return;
    throw Error(kBlas, "this BLAS cannot be used:" + tried);
  }
  for (const char* usual : {"libcublas.so.13", "libcublas.so.12", "libcublas.so.11",
                            "libcublas.so"}) {
    if (try_open(usual, &tried)) return;
  }
  throw Error(kBlas, "cuBLAS was not found; it comes with the CUDA toolkit, or with 'pip "
                     "install nvidia-cublas'. Tried:" + tried);
}

std::string describe() {
  int version = 0;
  Handle current = handle();
  if (library.version) library.version(current, &version);
  return text("cuBLAS %d from %s", version, library.path.c_str());
}

void set_threads(int) {}

bool rounds_operands() { return true; }

namespace {

// The fast types allow cuBLAS to round operands of float32 on the way in, FAST_16BF to
// bfloat16 or to TF32, and oblige it to nothing: how it rounds is its own affair, boards
// before compute capability 8.0 compute in float32, and NVIDIA_TF32_OVERRIDE=0 in the
// environment forbids TF32. Sums are float32.
void gemm_fast(const Product& p, int arithmetic) {
  const Handle current = handle();
  if (!library.gemm_ex) {
    throw Error(kBlas, library.path + " has no cublasGemmEx, which products with fewer bits "
                                      "need; the cuBLAS of CUDA 11 and later has it");
  }
  check(library.gemm_ex(current, p.trans_a, p.trans_b, narrow(p.m), narrow(p.n),
                        narrow(p.k), &p.alpha, p.a, kFloats, narrow(p.lda), p.b, kFloats,
                        narrow(p.ldb), &p.beta, p.c, kFloats, narrow(p.ldc), arithmetic,
                        kChosenByIt),
        "a matrix product with fewer bits");
}

}  // namespace

void gemm(const Product& p, Operands operands) {
  if (operands == Operands::kTf32) return gemm_fast(p, kFastTf32);
  if (operands == Operands::kBf16) return gemm_fast(p, kFastBf16);
  const Handle current = handle();
  check(library.gemm(current, p.trans_a, p.trans_b, narrow(p.m), narrow(p.n), narrow(p.k),
                     &p.alpha, p.a, narrow(p.lda), p.b, narrow(p.ldb), &p.beta, p.c,
                     narrow(p.ldc)),
        "a matrix product");
}

}  // namespace blas
}  // namespace cm
