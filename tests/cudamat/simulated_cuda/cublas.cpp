// A cuBLAS that is simulated, for blas_cuda.cu to open: a product adds one to the first
// element of C when its stream comes to it, and notes in which memory it worked.
#include "cuda_runtime.h"

struct Handle {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
};

extern "C" {

int handles = 0;  // that there are

int cublasCreate_v2(Handle** handle) {
  void* own = nullptr;
  if (cudaMalloc(&own, 64) != cudaSuccess) return 3;  // as cuBLAS does
  free(own);
  *handle = new Handle();
  ++handles;
  return 0;
}

int cublasDestroy_v2(Handle* handle) {
  delete handle;
  --handles;
  return 0;
}

int cublasSetStream_v2(Handle* handle, cudaStream_t stream) {
  handle->stream = stream;
  handle->workspace = nullptr;
  return 0;
}

int cublasSetWorkspace_v2(Handle* handle, void* memory, size_t) {
  handle->workspace = memory;
  return 0;
}

const char* cublasGetStatusName(int) { return "a simulated status"; }

// Writes into its memory first, and into C what it finds there: two products at the same
// time in one memory would be seen.
int cublasSgemm_v2(Handle* handle, int, int, int, int, int, const float*, const float*, int,
                   const float*, int, const float*, float* c, int) {
  float* const memory = static_cast<float*>(handle->workspace);
  if (!memory) return 13;  // it would take some of its own
  simulated::ask(handle->stream, [=] { *memory = *c + 1; });
  simulated::ask(handle->stream, [=] { *c = *memory; });
  return 0;
}
}
