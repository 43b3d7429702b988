#include "cuda/host/stage_runner.hpp"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "cuda/host/device.cuh"
#include "cuda/host/stage_launch.cuh"
#include "cuda/kernels/fused.cuh"
#include "cuda/kernels/naive.cuh"
#include "cuda/kernels/online_kv.cuh"
#include "cuda/kernels/online_q.cuh"
#include "cuda/kernels/tiled.cuh"

namespace flashlab::gpu {
namespace {

// One line a stage; what a kernel can leave out would follow as further lines of its slug.
constexpr StageLaunch kLaunches[] = {
    {"naive", "",
     [](const Pass& p) {
       const auto& [S, P] = p.buffers.scratch;
       return launch_naive(p.Q(), p.K(), p.V(), p.O(), S, P, p.shape.heads, p.shape.seq, p.shape.dim,
                           p.shape.causal, p.stream);
     },
     [](int, int) { return BlockShape{kWarpSize * kNaiveRows}; }},
    {"fused", "",
     [](const Pass& p) {
       return launch_fused(p.Q(), p.K(), p.V(), p.O(), p.shape.heads, p.shape.seq, p.shape.dim, p.shape.causal,
                           p.stream);
     },
     [](int dim, int seq) {
       return BlockShape{kWarpSize * kWarps, fused_shared_bytes(seq, dim)};
     }},
    {"tiled", "",
     [](const Pass& p) {
       return launch_tiled(p.Q(), p.K(), p.V(), p.O(), p.shape.heads, p.shape.seq, p.shape.dim, p.shape.causal,
                           p.stream);
     }},
    {"online-kv", "",
     [](const Pass& p) {
       const auto& [m, l] = p.buffers.scratch;
       return launch_online_kv(p.Q(), p.K(), p.V(), p.O(), m, l, p.shape.heads, p.shape.seq, p.shape.dim,
                               p.shape.causal, p.stream);
     }},
    {"online-q", "",
     [](const Pass& p) {
       return launch_online_q(p.Q(), p.K(), p.V(), p.O(), p.buffers.L, p.shape.heads, p.shape.seq, p.shape.dim,
                              p.shape.causal, p.stream);
     }},
};

template <class Use>
void for_each_launch(Use use) {
  for (const StageLaunch& launch : kLaunches) use(launch);
#ifdef FLASHLAB_UPPER_LAUNCHES
  for (const StageLaunch& launch : upper_launches()) use(launch);
#endif
#ifdef FLASHLAB_CARD_LAUNCHES
  for (const StageLaunch& launch : ablation_launches()) use(launch);
  for (const StageLaunch& launch : hopper_launches()) use(launch);
#endif
}

/// Whether a pass leaves L = m + log l in a buffer of its own.
bool leaves_L(std::string_view slug) {
  return slug != "naive" && slug != "fused" && slug != "tiled" && slug != "online-kv";
}

const StageLaunch* find_launch(std::string_view slug, std::string_view without) {
  const StageLaunch* found = nullptr;
  for_each_launch([&](const StageLaunch& launch) {
    if (launch.slug == slug && launch.without == without) found = &launch;
  });
  return found;
}

const KernelStage& stage_of(std::string_view slug) {
  for (const KernelStage& stage : kKernelStages) {
    if (stage.slug == slug) return stage;
  }
  std::string known;
  for (const KernelStage& stage : kKernelStages) known += (known.empty() ? "" : ", ") + std::string(stage.slug);
  throw UsageError(std::string(slug) + " has no kernel: the stages that have one are " + known);
}

/// Values of the shape's type, on the card. CUDA's own types round as the card does.
DeviceBuffer upload(const float* values, std::size_t size, DType dtype) {
  if (dtype == DType::f32) return DeviceBuffer(values, size);
  std::vector<float> packed((size + 1) / 2);  // two 16-bit values each
  const auto fill = [&](auto zero) {
    using Half = decltype(zero);
    for (std::size_t i = 0; i < size; ++i) {
      const Half rounded(values[i]);
      std::memcpy(reinterpret_cast<char*>(packed.data()) + 2 * i, &rounded, 2);
    }
  };
  if (dtype == DType::f16) {
    fill(__half(0.0f));
  } else {
    fill(__nv_bfloat16(0.0f));
  }
  return DeviceBuffer(packed.data(), packed.size());
}

std::vector<float> download(const DeviceBuffer& buffer, std::size_t size, DType dtype) {
  std::vector<float> stored = buffer.to_host();
  if (dtype == DType::f32) return stored;
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i) {
    const char* const at = reinterpret_cast<const char*>(stored.data()) + 2 * i;
    if (dtype == DType::f16) {
      __half value;
      std::memcpy(&value, at, 2);
      values[i] = static_cast<float>(value);
    } else {
      __nv_bfloat16 value;
      std::memcpy(&value, at, 2);
      values[i] = static_cast<float>(value);
    }
  }
  return values;
}

}  // namespace

Card require_card() {
  int count = 0, device = 0;
  check(cudaGetDeviceCount(&count), "looking for a GPU");
  if (count == 0) check(cudaErrorNoDevice, "looking for a GPU");
  check(cudaGetDevice(&device), "choosing a GPU");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "asking for the GPU's properties");
  Card card{.name = properties.name,
            .compute_capability = 10 * properties.major + properties.minor,
            .sm_count = properties.multiProcessorCount,
            .memory_bytes = properties.totalGlobalMem,
            .shared_bytes_per_block = properties.sharedMemPerBlockOptin};
  check(cudaDriverGetVersion(&card.driver_cuda_version), "asking for the driver's version");
  check(cudaRuntimeGetVersion(&card.runtime_cuda_version), "asking for the runtime's version");
  return card;
}

int fused_max_seq(int dim, std::size_t shared_bytes_per_block) {
  int fits = 0, too_large = 1 << 24;
  while (too_large - fits > 1) {
    const int middle = (fits + too_large) / 2;
    (fused_shared_bytes(middle, dim) <= shared_bytes_per_block ? fits : too_large) = middle;
  }
  return fits;
}

std::optional<BlockShape> block_of(std::string_view slug, int dim, int seq) {
  const StageLaunch* const found = find_launch(slug, "");
  return found ? std::optional(found->block(dim, seq)) : std::nullopt;
}

std::string refusal(std::string_view slug, const KernelShape& shape, const Card& card) {
  constexpr int kMaxSeq = 65535 * kNaiveRows, kMaxHeads = 65535;  // a grid has at most 65535 blocks in y and z
  const KernelStage& takes = stage_of(slug);
  const std::string stage = std::string(slug) + ": ";
  if (shape.heads < 1 || shape.seq < 1) return stage + "heads and N must be 1 or more";
  if (shape.dtype == DType::f32 ? !takes.in_f32 : !takes.in_16_bits) {
    return stage + "the kernel takes " + (takes.in_f32 ? "fp32" : "fp16 and bf16") + ", not " +
           std::string(name_of(shape.dtype));
  }
  if (shape.key_heads() < 1 || shape.heads % shape.key_heads() != 0) {
    return stage + std::to_string(shape.key_heads()) + " heads of K and V do not divide " +
           std::to_string(shape.heads) + " heads of Q";
  }
  if (shape.key_heads() != shape.heads && !takes.grouped) {
    return stage + "the kernel wants a K and V for every head of Q, not " + std::to_string(shape.key_heads()) +
           " for " + std::to_string(shape.heads);
  }
  if (shape.dim < 1 || std::ranges::find(takes.dims, shape.dim) == takes.dims.end()) {
    std::string dims;
    for (const int dim : takes.dims) {
      if (dim == 0) continue;
      const bool last = dim == *std::ranges::max_element(takes.dims);
      dims += (dims.empty() ? "" : last ? " or " : ", ") + std::to_string(dim);
    }
    return stage + "the kernel takes d = " + dims + ", not " + std::to_string(shape.dim);
  }
  const int capability = std::max(takes.capability, shape.dtype == DType::bf16 ? 80 : 0);
  if (slug == "hopper" ? card.compute_capability != capability : card.compute_capability < capability) {
    return stage + std::string(name_of(shape.dtype)) + " needs a card of compute capability " +
           std::to_string(capability / 10) + "." + std::to_string(capability % 10) +
           (slug == "hopper" ? " (H100, H200)" : " or more") + ", and " + card.name + " has " +
           std::to_string(card.compute_capability / 10) + "." + std::to_string(card.compute_capability % 10);
  }
  if (!find_launch(slug, "")) return stage + "the kernel is not in this build";
  if (shape.heads > kMaxHeads) {
    return stage + "the kernel takes up to " + std::to_string(kMaxHeads) + " heads (batch × heads), not " +
           std::to_string(shape.heads);
  }
  if (shape.seq > kMaxSeq) {
    return stage + "the kernel takes N up to " + std::to_string(kMaxSeq) + ", not " + std::to_string(shape.seq);
  }
  if (slug != "fused") return "";
  const int bound = fused_max_seq(shape.dim, card.shared_bytes_per_block);
  if (shape.seq <= bound) return "";
  return stage + std::to_string(kFusedRows) + " rows of N = " + std::to_string(shape.seq) +
         " scores and the tiles need " + std::to_string(fused_shared_bytes(shape.seq, shape.dim)) +
         " bytes of shared memory, and " + card.name + " grants a block " +
         std::to_string(card.shared_bytes_per_block) + ": N is at most " + std::to_string(bound) +
         " at d = " + std::to_string(shape.dim);
}

std::array<std::size_t, 2> scratch_floats(std::string_view slug, const KernelShape& shape) {
  if (slug == "naive") return {shape.rows() * shape.seq, shape.rows() * shape.seq};
  if (slug == "online-kv") return {shape.rows(), shape.rows()};
  return {0, 0};
}

std::vector<std::string_view> variants_of(std::string_view slug) {
  std::vector<std::string_view> variants;
  for_each_launch([&](const StageLaunch& launch) {
    if (launch.slug == slug && !launch.without.empty()) variants.push_back(launch.without);
  });
  return variants;
}

void launch_stage(std::string_view slug, std::string_view without, const KernelShape& shape,
                  const PassBuffers& buffers, void* stream) {
  const StageLaunch* const found = find_launch(slug, without);
  if (!found) {
    stage_of(slug);  // throws for a name that is no stage
    throw EnvironmentError(std::string(slug) + ": this build cannot leave out \"" + std::string(without) + '"');
  }
  check(found->launch({shape, buffers, static_cast<cudaStream_t>(stream)}), "launching " + std::string(slug));
}

struct StageRunner::Buffers {
  std::string slug;
  KernelShape shape;
  DeviceBuffer Q, K, V, O, L;
  std::array<DeviceBuffer, 2> scratch;
};

StageRunner::StageRunner(std::string_view slug, const KernelShape& shape, const float* q, const float* k,
                         const float* v, bool fill)
    : buffers_(std::make_unique<Buffers>()) {
  if (const std::string why = refusal(slug, shape, require_card()); !why.empty()) throw UsageError(why);
  Buffers& b = *buffers_;
  b.slug = slug;
  b.shape = shape;
  b.Q = upload(q, shape.query_elements(), shape.dtype);
  b.K = upload(k, shape.key_elements(), shape.dtype);
  b.V = upload(v, shape.key_elements(), shape.dtype);
  b.O = DeviceBuffer(b.Q.size());
  const auto scratch = scratch_floats(slug, shape);
  for (std::size_t i = 0; i < scratch.size(); ++i) b.scratch[i] = DeviceBuffer(scratch[i]);
  if (leaves_L(slug)) b.L = DeviceBuffer(shape.rows());
  if (fill) poison();
}

StageRunner::~StageRunner() = default;
StageRunner::StageRunner(StageRunner&&) noexcept = default;

void StageRunner::launch() {
  const Buffers& b = *buffers_;
  const PassBuffers pass{b.Q.data(), b.K.data(), b.V.data(),
                         b.O.data(), b.L.data(), {b.scratch[0].data(), b.scratch[1].data()}};
  launch_stage(b.slug, "", b.shape, pass, nullptr);
}

void StageRunner::wait() { check(cudaDeviceSynchronize(), "running " + buffers_->slug); }

double StageRunner::timed_pass_ms() {
  Event start, end;
  start.record();
  launch();
  end.record();
  return end.milliseconds_since(start);
}

void StageRunner::poison() {
  Buffers& b = *buffers_;
  for (DeviceBuffer* buffer : {&b.O, &b.L, &b.scratch[0], &b.scratch[1]}) buffer->poison();
}

std::vector<float> StageRunner::output() const {
  const Buffers& b = *buffers_;
  return download(b.O, b.shape.query_elements(), b.shape.dtype);
}

std::vector<float> StageRunner::statistics() const {
  if (leaves_L(buffers_->slug)) return buffers_->L.to_host();
  if (buffers_->slug != "online-kv") return {};
  std::vector<float> L = buffers_->scratch[0].to_host();  // m
  const std::vector<float> l = buffers_->scratch[1].to_host();
  for (std::size_t row = 0; row < L.size(); ++row) L[row] += std::log(l[row]);
  return L;
}

}  // namespace flashlab::gpu
