#include "sim/simt/stages/run.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cuda/host/stage_runner.hpp"
#include "sim/core/error.hpp"
#include "sim/core/stages.hpp"
#include "sim/simt/launch.hpp"
#include "sim/simt/replay/posing.hpp"

namespace flashlab::simt {
namespace {

/// Restores how kernels run in this process, and on what.
struct ScopedOptions {
  RunOptions before = run_options();
  DeviceFacts card = device_facts();
  ~ScopedOptions() {
    set_run_options(before);
    set_launch_finished({});
    set_device_facts(card);
  }
};

const gpu::KernelStage& kernels_of(std::string_view slug) {
  const StageInfo& stage = stage_from_slug(slug);  // names what is no stage
  if (stage.slug == "hopper") {
    throw UsageError(
        "hopper does not run on the simt machine: TMA, mbarriers and wgmma are not simulated; take "
        "tensor-core, the "
        "rung below, or --machine tile for its traffic");
  }
  return *std::ranges::find(gpu::kKernelStages, stage.slug, &gpu::KernelStage::slug);
}

}  // namespace

StageRun run_stage(std::string_view slug, const Problem& problem, const Tensor& Q, const Tensor& K,
                   const Tensor& V, const StageOptions& options) {
  problem.validate();
  const gpu::KernelStage& stage = kernels_of(slug);
  slug = stage.slug;
  if (problem.head_count() > INT32_MAX || problem.seq > INT32_MAX) {
    throw UsageError(fmt::format("{}: heads and N of a kernel must fit in 32 bits", slug));
  }
  const gpu::KernelShape shape{.heads = static_cast<int>(problem.head_count()),
                               .seq = static_cast<int>(problem.seq),
                               .dim = static_cast<int>(problem.dim),
                               .causal = problem.causal,
                               .kv_heads = static_cast<int>(K.batch() * K.heads()),
                               .dtype = problem.dtype};
  StageRun run;
  std::optional<Replay> replay;
  if (!options.card.empty()) replay.emplace(replay_profile(options.card));

  const ScopedOptions restore;
  if (replay) pose_as(replay->profile());
  const int registers = options.registers_per_thread.value_or(stage.registers);
  RunOptions run_options_now;
  run_options_now.checks = {.races = options.checks, .unwritten = options.checks};
  if (replay) {
    run_options_now.observer = [&](Launch& launch) {
      const LaunchShape& s = launch.shape();
      KernelResources resources{.threads_per_block = static_cast<int>(s.block.count()),
                                .registers_per_thread = registers,
                                .static_shared_bytes = s.static_shared_bytes,
                                .dynamic_shared_bytes = s.dynamic_shared_bytes,
                                .loads_in_flight = stage.loads_in_flight};
      if (stage.pace) resources.pace = {(*stage.pace)[0], (*stage.pace)[1], (*stage.pace)[2]};
      ReplayOptions replay_options;
      const std::string_view kernel = stage.kernels.at(run.kernels.size());
      if (options.traces) {
        options.traces(kernel, launch, resources);
        run.kernels.emplace_back();
        return;
      }
      if (options.progress) {
        replay_options.progress = [&](std::uint64_t done, std::uint64_t total) {
          options.progress(kernel, done, total);
        };
      }
      replay->flush_caches_as_profiler();
      const ReplayCounters caches = replay->launch(launch, resources, replay_options);
      run.kernels.push_back(
          {.caches = caches, .blocks_per_sm = occupancy(resources, replay->profile()).blocks_per_sm});
    };
  }
  set_run_options(run_options_now);
  take_findings();
  std::size_t finished = 0;
  set_launch_finished([&](const Launch& launch, const LaunchCounters& counters) {
    if (!replay) run.kernels.emplace_back();
    KernelRun& kernel = run.kernels.at(finished);
    kernel.kernel = stage.kernels.at(finished++);
    kernel.grid = launch.shape().grid;
    kernel.block = launch.shape().block;
    kernel.counters = counters;
  });

  gpu::StageRunner runner(slug, shape, Q.data(), K.data(), V.data(), !options.checks);
  runner.launch();
  runner.wait();
  const std::vector<float> output = runner.output();
  run.O = Tensor(problem.batch, problem.heads, problem.seq, problem.dim);
  std::ranges::copy(output, run.O.data());
  run.L = runner.statistics();
  run.findings = take_findings();
  return run;
}

}  // namespace flashlab::simt
