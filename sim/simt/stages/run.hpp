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
  bool checks = false;  ///< look for races and reads of unwritten memory too; slower
  /// For the occupancy. On sm_90 the naive and fused kernels take 30 to 32; the others take 53 to 72, and their shared
  /// memory allows no more blocks than those do.
  int registers_per_thread = 32;
  std::function<void(std::string_view kernel, std::uint64_t done, std::uint64_t total)> progress{};
};

/// Runs a stage: fp32, d in {32, 64, 96, 128}, any N ≥ 1. Not to be called from two threads at once: the runtime is
/// one device. Costs about 10 ns a thread access of the kernel on one core; memory as on the card, and the traces of
/// the resident blocks when a card is named.
/// Throws UsageError for an unknown stage or a shape that the kernel refuses.
[[gnu::visibility("default")]] StageRun run_stage(std::string_view slug, const Problem& problem,
                                                  const Tensor& Q, const Tensor& K, const Tensor& V,
                                                  const StageOptions& options = {});

}  // namespace flashlab::simt
