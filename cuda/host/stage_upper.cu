// The launches of registers and tensor-core.
#include "cuda/host/stage_launch.cuh"
#include "cuda/kernels/registers.cuh"
#include "cuda/kernels/tensor_core.cuh"
#include "sim/core/stages.hpp"

namespace flashlab::gpu {
namespace {

// What the other machines are told of the kernels' tiles.
template <int d>
constexpr bool tiles_are_known() {
  using TensorCore = TensorCoreTile<d, TensorCoreOptions>;
  constexpr KernelTile registers = kernel_tile("registers", d), tensor_core = kernel_tile("tensor-core", d);
  return registers.rows == 128 && registers.cols == kRegistersKeys<d> && tensor_core.rows == TensorCore::Br &&
         tensor_core.cols == TensorCore::Bc;
}
static_assert(tiles_are_known<32>() && tiles_are_known<64>() && tiles_are_known<96>() &&
              tiles_are_known<128>() && tiles_are_known<256>());

/// call(d) with the head dimension as a constant; an empty block for one that is not compiled.
template <class Call>
BlockShape with_dim(int dim, Call call) {
  BlockShape block;
  const auto try_one = [&](auto d) {
    if (dim == d) block = call(d);
  };
  try_one(std::integral_constant<int, 32>{}), try_one(std::integral_constant<int, 64>{});
  try_one(std::integral_constant<int, 96>{}), try_one(std::integral_constant<int, 128>{});
  try_one(std::integral_constant<int, 256>{});
  return block;
}

}  // namespace

std::span<const StageLaunch> upper_launches() {
  static constexpr StageLaunch kLaunches[] = {
      {"registers", "",
       [](const Pass& p) {
         return launch_registers(p.Q(), p.K(), p.V(), p.O(), p.buffers.L, attention_shape(p.shape), p.stream);
       },
       [](int dim, int) {
         return with_dim(dim, [](auto d) { return BlockShape{128, kRegistersBytes<d, 4>}; });
       }},
      {"tensor-core", "",
       [](const Pass& p) {
         return with_16_bits(p, [&](auto zero) {
           using T = decltype(zero);
           return launch_tensor_core(p.Q<T>(), p.K<T>(), p.V<T>(), p.O<T>(), p.buffers.L,
                                     attention_shape(p.shape), p.stream);
         });
       },
       [](int dim, int) {
         return with_dim(dim, [](auto d) {
           using Tile = TensorCoreTile<d, TensorCoreOptions>;
           return BlockShape{Tile::threads, Tile::bytes};
         });
       }},
  };
  return kLaunches;
}

}  // namespace flashlab::gpu
