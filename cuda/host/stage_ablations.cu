// tensor-core with one idea left out: a struct says which, a line in the table names it. bf16, d = 64 and 128 (see
// variant_refusal); each costs four kernels of compile time.
#include "cuda/host/stage_launch.cuh"
#include "cuda/kernels/tensor_core.cuh"

namespace flashlab::gpu {
namespace {

struct OneStage : TensorCoreOptions {
  static constexpr int stages = 1;
};
struct OneRowTile : TensorCoreOptions {
  static constexpr int row_tiles = 1;
};
struct NoSwizzle : TensorCoreOptions {
  static constexpr bool swizzle = false;
};
struct PThroughShared : TensorCoreOptions {
  static constexpr bool p_in_registers = false;
};
struct PlainExp : TensorCoreOptions {
  static constexpr bool exp2_folded = false;
};
struct LazyRescale : TensorCoreOptions {
  static constexpr int lazy_log2 = 8;
};
struct RescaleAlways : TensorCoreOptions {
  static constexpr int lazy_log2 = -1;
};
struct InOrder : TensorCoreOptions {
  static constexpr bool heavy_first = false;
};

template <class Options>
cudaError_t launch(const Pass& p) {
  using T = __nv_bfloat16;
  const auto with = [&](auto launch_d) {
    return launch_d(p.Q<T>(), p.K<T>(), p.V<T>(), p.O<T>(), p.buffers.L, attention_shape(p.shape), p.stream);
  };
  if (p.shape.dtype != DType::bf16) return cudaErrorInvalidValue;
  switch (p.shape.dim) {
    case 64:
      return with(launch_tensor_core_with<64, Options, T>);
    case 128:
      return with(launch_tensor_core_with<128, Options, T>);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace

std::span<const StageLaunch> ablation_launches() {
  static constexpr StageLaunch kLaunches[] = {
      {"tensor-core", "swizzle", launch<NoSwizzle>},
      {"tensor-core", "copies ahead", launch<OneStage>},
      {"tensor-core", "P in registers", launch<PThroughShared>},
      {"tensor-core", "second row tile", launch<OneRowTile>},
      {"tensor-core", "exp2 with the scale", launch<PlainExp>},
      {"tensor-core", "rescaling only when needed", launch<RescaleAlways>},
      {"tensor-core", "exact rescaling", launch<LazyRescale>},
      {"tensor-core", "heavy tiles first", launch<InOrder>},
  };
  return kLaunches;
}

}  // namespace flashlab::gpu
