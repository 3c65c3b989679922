// Products on the CPU through a CBLAS that is opened at run time.
//
// Names tried in a library: those of scipy-openblas32 (prefix scipy_), then plain CBLAS;
// then the same with integers of 64 bits, which end in 64_ and are what numpy brings.
#include <dlfcn.h>

#include <climits>

#include "blas.h"
#include "portable.h"

namespace cm {
namespace blas {

namespace {

const int kColumnMajor = 102, kNoTrans = 111, kTrans = 112;

template <class Int>
using Gemm = void (*)(int, int, int, Int, Int, Int, real, const real*, Int, const real*,
                      Int, real, real*, Int);
typedef void (*SetThreads)(int);
typedef const char* (*GetText)();

struct Library {
  void* handle = nullptr;
  std::string path;
  Gemm<int> gemm = nullptr;        // one of the two
  Gemm<int64_t> gemm64 = nullptr;
  SetThreads set_threads = nullptr;
  GetText config = nullptr;  // OpenBLAS's own account of itself
  GetText core = nullptr;    // and the processor that its kernels are for
};

Library library;

const char* gemm_name() { return sizeof(real) == 8 ? "cblas_dgemm" : "cblas_sgemm"; }

void* find(void* handle, const std::string& name) {
  void* symbol = dlsym(handle, ("scipy_" + name).c_str());
  return symbol ? symbol : dlsym(handle, name.c_str());
}

// A function that does not depend on the width of integers.
template <class Function>
void find_any(Function* function, void* handle, const std::string& name) {
  void* symbol = find(handle, name);
  if (!symbol) symbol = find(handle, name + "64_");
  *function = reinterpret_cast<Function>(symbol);
}

// Adds to `tried` why a path was no use.
bool try_open(const std::string& path, std::string* tried) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* why = dlerror();
    *tried += "\n  " + path + (why ? std::string(": ") + why : "");
    return false;
  }
  library.gemm = reinterpret_cast<Gemm<int>>(find(handle, gemm_name()));
  library.gemm64 =
      reinterpret_cast<Gemm<int64_t>>(find(handle, gemm_name() + std::string("64_")));
  if (!library.gemm && !library.gemm64) {
    *tried += "\n  " + path + ": it has no " + gemm_name();
    dlclose(handle);
    return false;
  }
  find_any(&library.set_threads, handle, "openblas_set_num_threads");
  find_any(&library.config, handle, "openblas_get_config");
  find_any(&library.core, handle, "openblas_get_corename");
  library.handle = handle;
  library.path = path;
  if (library.set_threads) library.set_threads(threads());
  return true;
}

int narrow(index_t n) {
  if (n > INT_MAX) {
    throw Error(kBlas, text("a product with a dimension of %lld; this BLAS counts to %d",
                            static_cast<long long>(n), INT_MAX));
  }
  return static_cast<int>(n);
}

}  // namespace

void open(const char* path) {
  if (library.handle) return;
  std::string tried;
  if (path && *path) {
    if (try_open(path, &tried)) return;
    throw Error(kBlas, "this BLAS cannot be used:" + tried);
  }
  for (const char* usual : {"libopenblas.so.0", "libopenblas.so", "libcblas.so.3",
                            "libblas.so.3", "libopenblas.dylib"}) {
    if (try_open(usual, &tried)) return;
  }
  throw Error(kBlas, "no BLAS library was found; 'pip install scipy-openblas32' brings one. "
                     "Tried:" + tried);
}

std::string describe() {
  open(nullptr);
  if (!library.config) return library.path;
  const std::string config = library.config();  // "OpenBLAS 0.3.34 DYNAMIC_ARCH ..."
  const size_t version_end = config.find(' ', config.find(' ') + 1);
  const std::string kernels = library.core ? library.core() : "unknown";
  return config.substr(0, version_end) + " with " + kernels + " kernels";
}

void set_threads(int count) {
  if (library.set_threads) library.set_threads(count);
}

bool rounds_operands() { return false; }

void gemm(const Product& p, Operands) {
  if (!library.handle) open(nullptr);
  const int op_a = p.trans_a ? kTrans : kNoTrans, op_b = p.trans_b ? kTrans : kNoTrans;
  if (library.gemm) {
    library.gemm(kColumnMajor, op_a, op_b, narrow(p.m), narrow(p.n), narrow(p.k), p.alpha,
                 p.a, narrow(p.lda), p.b, narrow(p.ldb), p.beta, p.c, narrow(p.ldc));
  } else {
    library.gemm64(kColumnMajor, op_a, op_b, p.m, p.n, p.k, p.alpha, p.a, p.lda, p.b, p.ldb,
                   p.beta, p.c, p.ldc);
  }
}

}  // namespace blas
}  // namespace cm
