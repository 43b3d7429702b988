// The launches of hopper, whole and with one idea left out (bf16, d = 64 and 128); compiled for sm_90a alone.
#include "cuda/host/stage_launch.cuh"
#include "cuda/kernels/hopper_launch.cuh"
#include "sim/core/stages.hpp"

namespace flashlab::gpu {
namespace {

struct NoSwizzle : HopperOptions {
  static constexpr bool swizzle = false;
};
struct NoFetchingWarp : HopperOptions {
  static constexpr bool specialised = false;
};
struct NoPingPong : HopperOptions {
  static constexpr bool ping_pong = false;
};
struct NoOverlap : HopperOptions {
  static constexpr bool overlap = false;
};
struct WithSeams : HopperOptions {
  static constexpr bool seamless = false;
};
struct LazyRescale : HopperOptions {
  static constexpr int lazy_log2 = 8;
};
struct NotPersistent : HopperOptions {
  static constexpr bool persistent = false;
};
struct OneStage : HopperOptions {
  static constexpr int stages = 1;
};

// What the tile machine is told of the kernel's tiles.
template <int d>
constexpr bool tile_is_known() {
  using Tile = HopperTile<d, HopperOptions>;
  return kernel_tile("hopper", d).rows == Tile::Br && kernel_tile("hopper", d).cols == Tile::Bc;
}
static_assert(tile_is_known<64>() && tile_is_known<128>() && tile_is_known<256>());

template <int d>
BlockShape block() {
  using Tile = HopperTile<d, HopperOptions>;
  return {Tile::threads, sizeof(HopperShared<__nv_bfloat16, d, Tile>)};
}

template <class Options>
cudaError_t launch(const Pass& p) {
  using T = __nv_bfloat16;
  const AttentionShape shape = attention_shape(p.shape);
  if (p.shape.dtype != DType::bf16) return cudaErrorInvalidValue;
  return with_bools(shape.causal, [&](auto causal) {
    switch (shape.dim) {
      case 64:
        return launch_hopper_shape<T, 64, causal, Options>(p.Q<T>(), p.K<T>(), p.V<T>(), p.O<T>(), p.buffers.L,
                                                           shape, p.stream);
      case 128:
        return launch_hopper_shape<T, 128, causal, Options>(p.Q<T>(), p.K<T>(), p.V<T>(), p.O<T>(), p.buffers.L,
                                                            shape, p.stream);
      default:
        return cudaErrorInvalidValue;
    }
  });
}

}  // namespace

std::span<const StageLaunch> hopper_launches() {
  static constexpr StageLaunch kLaunches[] = {
      {"hopper", "",
       [](const Pass& p) {
         return with_16_bits(p, [&](auto zero) {
           using T = decltype(zero);
           return launch_hopper(p.Q<T>(), p.K<T>(), p.V<T>(), p.O<T>(), p.buffers.L, attention_shape(p.shape),
                                p.stream);
         });
       },
       [](int dim, int) { return dim == 64    ? block<64>()
                                 : dim == 128 ? block<128>()
                                              : block<256>(); }},
      {"hopper", "swizzle", launch<NoSwizzle>},
      {"hopper", "copies ahead", launch<OneStage>},
      {"hopper", "a fetching warp", launch<NoFetchingWarp>},
      {"hopper", "ping-pong", launch<NoPingPong>},
      {"hopper", "overlap", launch<NoOverlap>},
      {"hopper", "tiles without a seam", launch<WithSeams>},
      {"hopper", "exact rescaling", launch<LazyRescale>},
      {"hopper", "persistent blocks", launch<NotPersistent>},
  };
  return kLaunches;
}

}  // namespace flashlab::gpu
