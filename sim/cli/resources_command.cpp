// flashlab resources: what every kernel takes of an SM.

#include <fmt/format.h>

#include <algorithm>

#include "cuda/host/bench/card.hpp"
#include "sim/cli/prepare.hpp"
#include "sim/core/error.hpp"
#include "sim/core/stages.hpp"
#include "sim/core/text.hpp"
#include "sim/report/bench_report.hpp"

namespace flashlab::cli {

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
  gpu::require_card();
  std::vector<gpu::KernelResources> kernels;
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
