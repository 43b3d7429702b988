#pragma once
/// \file
/// How a stage is launched, for the files that compile kernels: one StageLaunch a stage and one for each idea that its
/// kernel can leave out.

#include <cuda_runtime.h>

#include <span>
#include <string_view>

#include "cuda/host/stage_runner.hpp"

namespace flashlab::gpu {

/// A pass as the launch functions take it.
struct Pass {
  KernelShape shape;
  PassBuffers buffers;
  cudaStream_t stream;

  template <class T = float>
  const T* Q() const {
    return static_cast<const T*>(buffers.Q);
  }
  template <class T = float>
  const T* K() const {
    return static_cast<const T*>(buffers.K);
  }
  template <class T = float>
  const T* V() const {
    return static_cast<const T*>(buffers.V);
  }
  template <class T = float>
  T* O() const {
    return static_cast<T*>(buffers.O);
  }
};

struct StageLaunch {
  std::string_view slug;
  std::string_view without;  ///< the idea left out; "" for the whole kernel
  cudaError_t (*launch)(const Pass&);
};

/// The launches of hopper.cu, which is compiled for sm_90a alone; only in a build with FLASHLAB_HOPPER.
std::span<const StageLaunch> hopper_launches();

}  // namespace flashlab::gpu
