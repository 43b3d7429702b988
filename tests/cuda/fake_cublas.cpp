// As much of cuBLAS as the bench uses, in plain C++ on memory of the host, which the simt machine's memory is. It insists on
// what the bench must ask for: no TF32, fp32 accumulation, beta = 0.
#include "sim/core/float_formats.hpp"

using namespace flashlab;

namespace {

enum Type { kF32 = 0, kF16 = 2, kBf16 = 14 };  // of cudaDataType

float load(const void* at, long long i, int type) {
  const auto bits = [&] { return static_cast<const std::uint16_t*>(at)[i]; };
  return type == kF32   ? static_cast<const float*>(at)[i]
         : type == kF16 ? from_f16_bits(bits())
                        : from_bf16_bits(bits());
}

void store(void* at, long long i, int type, float value) {
  if (type == kF32) {
    static_cast<float*>(at)[i] = value;
  } else {
    static_cast<std::uint16_t*>(at)[i] = type == kF16 ? to_f16_bits(value) : to_bf16_bits(value);
  }
}

}  // namespace

extern "C" {

int cublasCreate_v2(void** handle) {
  static int one;
  *handle = &one;
  return 0;
}
int cublasDestroy_v2(void*) { return 0; }
int cublasSetStream_v2(void*, void*) { return 0; }
int cublasSetMathMode(void*, int mode) { return mode == 0 ? 0 : 7; }
int cublasGetVersion_v2(void*, int* version) {
  *version = 130102;
  return 0;
}

int cublasGemmStridedBatchedEx(void*, int transpose_a, int transpose_b, int m, int n, int k, const void* alpha,
                               const void* A, int type_a, int lda, long long stride_a, const void* B,
                               int type_b, int ldb, long long stride_b, const void* beta, void* C, int type_c,
                               int ldc, long long stride_c, int batch, int compute, int algorithm) {
  if (transpose_b != 0 || compute != 68 || algorithm != -1 || *static_cast<const float*>(beta) != 0) return 7;
  for (int b = 0; b < batch; ++b) {
    for (int j = 0; j < n; ++j) {
      for (int i = 0; i < m; ++i) {
        double sum = 0;
        for (int x = 0; x < k; ++x) {
          const long long at =
              transpose_a ? x + static_cast<long long>(i) * lda : i + static_cast<long long>(x) * lda;
          sum += static_cast<double>(load(A, b * stride_a + at, type_a)) *
                 static_cast<double>(load(B, b * stride_b + x + static_cast<long long>(j) * ldb, type_b));
        }
        store(C, b * stride_c + i + static_cast<long long>(j) * ldc, type_c,
              *static_cast<const float*>(alpha) * static_cast<float>(sum));
      }
    }
  }
  return 0;
}

}  // extern "C"
