#pragma once
/// \file
/// cuBLAS, opened at run time: the program needs it neither to be built nor to start.

#include <span>
#include <string>

namespace flashlab::gpu {

enum class ElementType : int { f32 = 0, f16 = 2, bf16 = 14 };  ///< as cudaDataType counts them

/// C = alpha · op(A) · op(B), column-major, `batch` of them at the given strides (in elements), accumulated in fp32.
/// fp32 inputs are multiplied as fp32: TF32 stays off.
struct Gemm {
  bool transpose_a = false;
  int m, n, k;
  float alpha = 1;
  const void* A;
  const void* B;
  void* C;
  ElementType input, output;
  int lda, ldb, ldc;
  long long stride_a = 0, stride_b = 0, stride_c = 0;
  int batch = 1;
};

class Cublas {
 public:
  /// Throws EnvironmentError, saying where it looked, when no libcublas can be opened.
  Cublas(std::span<const std::string> folders, void* stream);
  ~Cublas();
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;
  std::string version() const;  ///< "13.0.0"
  /// Throws EnvironmentError when cuBLAS returns an error.
  void multiply(const Gemm& gemm) const;

 private:
  // The functions of cublas_api.h that are used; their C interface is stable from 11 on.
  int (*create_)(void**) = nullptr;
  int (*destroy_)(void*) = nullptr;
  int (*set_stream_)(void*, void*) = nullptr;
  int (*set_math_mode_)(void*, int) = nullptr;
  int (*get_version_)(void*, int*) = nullptr;
  int (*gemm_)(void*, int, int, int, int, int, const void*, const void*, int, int, long long, const void*, int,
               int, long long, const void*, void*, int, int, long long, int, int, int) = nullptr;
  void* handle_ = nullptr;
};

}  // namespace flashlab::gpu
