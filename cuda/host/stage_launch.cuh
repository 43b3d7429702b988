#pragma once
/// \file
/// How a stage is launched, for the files that compile kernels: one StageLaunch a stage and one for each idea that its
/// kernel can leave out.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <span>
#include <string_view>

#include "cuda/host/stage_runner.hpp"
#include "cuda/kernels/shape.cuh"

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
  BlockShape (*block)(int dim, int seq) = [](int, int) { return BlockShape{128}; };  ///< of the whole kernel
};

/// What stands in files of their own, so that they compile at the same time: `registers` and `tensor-core`; what
/// `tensor-core` can leave out; `hopper` with what it can leave out, for sm_90a alone. stage_runner.cu knows of the
/// first with FLASHLAB_UPPER_LAUNCHES, of the other two with FLASHLAB_CARD_LAUNCHES (they are not for the simt machine).
std::span<const StageLaunch> upper_launches();
std::span<const StageLaunch> ablation_launches();
std::span<const StageLaunch> hopper_launches();

/// The shape as the upper rungs take it: head h reads key head h / (heads / kv_heads), whatever the batch.
inline AttentionShape attention_shape(const KernelShape& s) {
  return {1, s.heads, s.key_heads(), s.seq, s.dim, s.causal};
}

/// launch(T{}) for the 16-bit type of the pass; what is not 16 bits is no value that the kernel takes.
template <class Launch>
cudaError_t with_16_bits(const Pass& pass, Launch launch) {
  switch (pass.shape.dtype) {
    case DType::f16:
      return launch(__half{});
    case DType::bf16:
      return launch(__nv_bfloat16{});
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace flashlab::gpu
