// The launches of registers and tensor-core.
#include "cuda/host/stage_launch.cuh"
#include "cuda/kernels/registers.cuh"
#include "cuda/kernels/tensor_core.cuh"

namespace flashlab::gpu {

std::span<const StageLaunch> upper_launches() {
  static constexpr StageLaunch kLaunches[] = {
      {"registers", "",
       [](const Pass& p) {
         return launch_registers(p.Q(), p.K(), p.V(), p.O(), p.buffers.L, attention_shape(p.shape), p.stream);
       }},
      {"tensor-core", "",
       [](const Pass& p) {
         return with_16_bits(p, [&](auto zero) {
           using T = decltype(zero);
           return launch_tensor_core(p.Q<T>(), p.K<T>(), p.V<T>(), p.O<T>(), p.buffers.L,
                                     attention_shape(p.shape), p.stream);
         });
       }},
  };
  return kLaunches;
}

}  // namespace flashlab::gpu
