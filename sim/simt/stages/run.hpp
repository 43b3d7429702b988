#pragma once
/// \file
/// The stages on the simt machine: the CUDA sources of cuda/, unmodified, executed on the CPU and counted.

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "sim/core/tensor.hpp"
#include "sim/simt/checks.hpp"
#include "sim/simt/replay/replay.hpp"

namespace flashlab::simt {

/// One kernel of a stage, counted.
struct KernelRun {
  std::string kernel;  ///< "naive_scores"
  Dim3 grid, block;
  LaunchCounters counters;  ///< registers ↔ shared memory, SM ↔ L1: deterministic on the card too
  std::optional<ReplayCounters> caches;  ///< L1 ↔ L2, L2 ↔ HBM: modelled; absent when no card was named
  int blocks_per_sm = 0;                 ///< resident at once, with `caches`
};

/// What the simt machine answers.
struct StageRun {
  Tensor O;                        ///< (batch, heads, N, d)
  std::vector<float> L;            ///< m + log l (batch, heads, N), of the stages that keep their statistics
  std::vector<KernelRun> kernels;  ///< in order of their launch
  std::vector<Finding> findings;   ///< races, reads out of bounds, …: none in a sound kernel
};

struct StageOptions {
  std::string_view
      card;  ///< "h100": replay through its caches, left by a profiler before each kernel; empty: count only
  bool checks = false;                        ///< look for races and reads of unwritten memory too; slower
  std::optional<int> registers_per_thread{};  ///< for the occupancy; by default what sm_90 gives the stage
  std::function<void(std::string_view kernel, std::uint64_t done, std::uint64_t total)> progress{};
  /// With a card: takes the traces of each kernel in place of its caches.
  std::function<void(std::string_view kernel, BlockSource& blocks, const KernelResources& resources)> traces{};
};

/// Runs a stage on Q (batch, heads, N, d), K and V (batch, kv_heads, N, d): any N ≥ 1, the types and d that its kernel
/// takes (gpu::kKernelStages); kv_heads may be less than heads, dividing it, where the kernel groups queries. Values are
/// rounded to the problem's type. With a card, the kernel sees that card's limits. Not to be called from two threads at
/// once: the runtime is one device. Costs about 10 ns a thread access of the kernel on one core; memory as on the
/// card, and the traces of the resident blocks when a card is named.
/// Throws UsageError for an unknown stage, for `hopper`, and for a shape that the kernel refuses.
[[gnu::visibility("default")]] StageRun run_stage(std::string_view slug, const Problem& problem,
                                                  const Tensor& Q, const Tensor& K, const Tensor& V,
                                                  const StageOptions& options = {});

}  // namespace flashlab::simt
