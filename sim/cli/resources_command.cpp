// flashlab resources: what every kernel takes of an SM.

#include <fmt/format.h>

#include <algorithm>

#include "cuda/host/bench/card.hpp"
#include "cuda/host/machine_code.hpp"
#include "sim/cli/prepare.hpp"
#include "sim/core/error.hpp"
#include "sim/core/stages.hpp"
#include "sim/core/text.hpp"
#include "sim/report/bench_report.hpp"
#include "sim/simt/replay/occupancy.hpp"

namespace flashlab::cli {
namespace {

/// "registers<64, true, 4>", "tensor_core<__nv_bfloat16, 64, true, flashlab::TensorCoreOptions>", …: whether that is the
/// whole kernel for this shape.
bool is_for(std::string_view compiled, std::string_view kernel, DType dtype, int dim, bool causal,
            int threads) {
  const std::string_view type = dtype == DType::f16 ? "__half" : "__nv_bfloat16";
  const std::string mask = causal ? "true" : "false";
  for (const std::string& form :
       {fmt::format("{}<{}>", kernel, mask), fmt::format("{}<{}, {}>", kernel, dim, mask),
        fmt::format("{}<{}, {}, {}>", kernel, dim, mask, threads / 32),
        fmt::format("{}<{}, {}, {}, flashlab::TensorCoreOptions>", kernel, type, dim, mask),
        fmt::format("{}<{}, {}, {}, flashlab::HopperOptions>", kernel, type, dim, mask)}) {
    if (compiled == form) return true;
  }
  return false;
}

/// Without a card: what ptxas left in this program, and the occupancy by the rule that the card's own answers settled
/// (cuda/measured/h100-micro). Kernels with an idea left out are not told apart there. Throws EnvironmentError when there
/// is no machine code either.
std::vector<gpu::KernelResources> from_machine_code(const std::vector<const gpu::KernelStage*>& stages,
                                                    const std::vector<int>& dims, const std::string& no_card) {
  const std::vector<gpu::CompiledKernel> compiled = gpu::compiled_kernels_of("/proc/self/exe");
  int architecture = 0;
  std::string_view card;
  for (const auto& [capability, name] : {std::pair{75, "t4"}, std::pair{80, "a100"}, std::pair{90, "h100"}}) {
    if (std::ranges::find(compiled, capability, &gpu::CompiledKernel::architecture) == compiled.end()) continue;
    architecture = capability, card = name;
  }
  if (architecture == 0) {
    throw EnvironmentError(
        fmt::format("{}. Without a card the figures are in the kernels' machine code, which this build has for "
                    "none of sm_75, "
                    "sm_80 and sm_90: put nvcc on PATH and build again",
                    no_card));
  }
  fmt::print(stderr,
             "flashlab: no GPU here: read from this program's machine code for sm_{}, occupancy by the rule\n",
             architecture);
  const simt::ReplayProfile& profile = simt::replay_profile(card);
  std::vector<gpu::KernelResources> rows;
  constexpr int kSeq = 1024;
  for (const gpu::KernelStage* stage : stages) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      if (dtype == DType::f32 ? !stage->in_f32 : !stage->in_16_bits) continue;
      for (const int dim : dims) {
        if (std::ranges::find(stage->dims, dim) == stage->dims.end()) continue;
        const std::optional<gpu::BlockShape> block = gpu::block_of(stage->slug, dim, kSeq);
        if (!block) continue;
        for (const bool causal : {false, true}) {
          for (const std::string_view name : stage->kernels) {
            const auto found = std::ranges::find_if(compiled, [&](const gpu::CompiledKernel& k) {
              return k.architecture == architecture && !name.empty() &&
                     is_for(k.short_name(), name, dtype, dim, causal, block->threads);
            });
            if (found == compiled.end()) continue;
            const simt::Occupancy resident =
                simt::occupancy({.threads_per_block = block->threads,
                                 .registers_per_thread = found->registers,
                                 .static_shared_bytes = found->static_shared_bytes,
                                 .dynamic_shared_bytes = block->dynamic_shared_bytes},
                                profile);
            gpu::KernelResources& row = rows.emplace_back();
            row.stage = stage->slug;
            row.kernel = std::string(name);
            row.shape = {dtype, 1, 1, 1, kSeq, dim, causal};
            row.threads = block->threads;
            row.registers = found->registers;
            row.local_bytes = found->local_bytes;
            row.static_shared_bytes = found->static_shared_bytes;
            row.dynamic_shared_bytes = block->dynamic_shared_bytes;
            row.blocks_per_sm = resident.blocks_per_sm;
            row.occupancy =
                static_cast<double>(resident.blocks_per_sm * resident.warps_per_block) / profile.sm.warps;
          }
        }
      }
    }
  }
  return rows;
}

}  // namespace

int resources_command(const ResourcesArguments& a) {
  require_one_of("--format", a.format, {"table", "csv"});
  std::vector<int> dims{64, 128};
  if (!a.dim.empty()) dims.clear();
  for (const std::string& text : a.dim) {
    const Bytes dim = parse_size(text, "--dim");
    if (dim < 1 || dim > static_cast<Bytes>(kMaxDim))
      throw UsageError(fmt::format("--dim is {}: take 1 to {}", text, kMaxDim));
    dims.push_back(static_cast<int>(dim));
  }
  std::vector<const gpu::KernelStage*> stages;
  for (const gpu::KernelStage& stage : gpu::kKernelStages) {
    if (a.stages.empty() || std::ranges::find(a.stages, stage.slug) != a.stages.end()) stages.push_back(&stage);
  }
  for (const std::string& slug : a.stages) {
    if (std::ranges::none_of(stages, [&](const auto* stage) { return stage->slug == slug; }))
      throw UsageError(fmt::format("\"{}\" has no kernel: see flashlab bench --help", slug));
  }
  std::vector<gpu::KernelResources> kernels;
  std::string no_card;
  try {
    gpu::require_card();
  } catch (const EnvironmentError& error) {
    no_card = error.what();
  }
  if (!no_card.empty()) {
    kernels = from_machine_code(stages, dims, no_card);
    if (kernels.empty()) throw UsageError("no kernel is compiled for these stages and dimensions");
    print(a.format == "csv" ? report::resources_csv(kernels) : report::resources_table(kernels));
    return static_cast<int>(ExitCode::well);
  }
  for (const gpu::KernelStage* stage : stages) {
    std::vector<std::string_view> variants = gpu::variants_of(stage->slug);
    variants.insert(variants.begin(), "");
    for (const std::string_view without : variants) {
      for (const DType dtype : {DType::f32, DType::bf16}) {
        for (const int dim : dims) {
          for (const bool causal : {false, true}) {
            const gpu::BenchShape shape{dtype, 1, 1, 1, 1024, dim, causal};
            for (gpu::KernelResources& kernel : gpu::kernel_resources(stage->slug, without, shape))
              kernels.push_back(std::move(kernel));
          }
        }
      }
    }
  }
  print(a.format == "csv" ? report::resources_csv(kernels) : report::resources_table(kernels));
  return static_cast<int>(ExitCode::well);
}

}  // namespace flashlab::cli
