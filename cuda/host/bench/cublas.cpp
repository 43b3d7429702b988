#include "cuda/host/bench/cublas.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "sim/core/error.hpp"

namespace flashlab::gpu {
namespace {

void* open_library(std::span<const std::string> folders) {
  constexpr const char* kVersions[] = {".13", ".12", ".11"};
  // PyTorch's own first: then both sides use the same; then wherever the loader looks ("").
  std::vector<std::string> places(folders.begin(), folders.end());
  for (const char* place : {"", "/usr/local/cuda/lib64/", "/opt/cuda/lib64/"}) places.emplace_back(place);
  for (std::string place : places) {
    if (!place.empty() && !place.ends_with('/')) place += '/';
    for (const char* version : kVersions) {
      // First the library that it needs, which the loader would look for elsewhere.
      dlopen(fmt::format("{}libcublasLt.so{}", place, version).c_str(), RTLD_NOW | RTLD_GLOBAL);
      if (void* const library = dlopen(fmt::format("{}libcublas.so{}", place, version).c_str(), RTLD_NOW))
        return library;
    }
  }
  throw EnvironmentError(
      "no libcublas was found (LD_LIBRARY_PATH, /usr/local/cuda/lib64, PyTorch's folders): products without it "
      "are not measured");
}

void check_cublas(int status, const char* what) {
  if (status != 0) throw EnvironmentError(fmt::format("{}: cuBLAS status {}", what, status));
}

}  // namespace

Cublas::Cublas(std::span<const std::string> folders, void* stream) {
  void* const library = open_library(folders);
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (!function) throw EnvironmentError(fmt::format("libcublas has no {}", name));
  };
  find(create_, "cublasCreate_v2");
  find(destroy_, "cublasDestroy_v2");
  find(set_stream_, "cublasSetStream_v2");
  find(set_math_mode_, "cublasSetMathMode");
  find(get_version_, "cublasGetVersion_v2");
  find(gemm_, "cublasGemmStridedBatchedEx");
  check_cublas(create_(&handle_), "starting cuBLAS");
  constexpr int kDefaultMath = 0;  // CUBLAS_DEFAULT_MATH: no TF32
  check_cublas(set_stream_(handle_, stream), "giving cuBLAS a stream");
  check_cublas(set_math_mode_(handle_, kDefaultMath), "turning TF32 off");
}

Cublas::~Cublas() {
  if (handle_) destroy_(handle_);
}

std::string Cublas::version() const {
  int version = 0;
  get_version_(handle_, &version);
  return version >= 100000 ? fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100)
                           : fmt::format("{}", version);
}

void Cublas::multiply(const Gemm& g) const {
  constexpr int kCompute32F = 68, kDefaultAlgorithm = -1;  // CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT
  const float beta = 0;
  const int input = static_cast<int>(g.input);
  check_cublas(gemm_(handle_, g.transpose_a ? 1 : 0, 0, g.m, g.n, g.k, &g.alpha, g.A, input, g.lda, g.stride_a,
                     g.B, input, g.ldb, g.stride_b, &beta, g.C, static_cast<int>(g.output), g.ldc, g.stride_c,
                     g.batch, kCompute32F, kDefaultAlgorithm),
               "a matrix product");
}

}  // namespace flashlab::gpu
