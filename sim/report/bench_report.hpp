#pragma once
/// \file
/// A bench run for people: tables, a CSV, the ladder as a table and as a picture.

#include <optional>
#include <string>
#include <vector>

#include "cuda/host/bench/card.hpp"
#include "sim/report/report.hpp"

namespace flashlab::report {

/// Which cases of a run to show; empty means all.
struct BenchFilter {
  std::vector<std::string> stages;  ///< peers are always shown
  std::vector<int> seqs, dims;
  std::vector<DType> dtypes;
  std::optional<bool> causal;
};
gpu::BenchRun filtered(const gpu::BenchRun& run, const BenchFilter& filter);

struct BenchView {
  std::vector<std::string> against;  ///< peers to divide by; empty: the fastest one at each shape
  bool brief = false;                ///< rates only, without the table of every time
};

/// Card, roof and method; a table of TFLOP/s by N for each type, d and mask; then every time beside its floor.
std::string bench_table(const gpu::BenchRun& run, const BenchView& view);
std::string bench_csv(const gpu::BenchRun& run);
/// TFLOP/s over N of every contender, for the run's first type, d and mask. UsageError when nothing was measured.
std::string bench_svg(const gpu::BenchRun& run);

/// The rungs at one shape, each in its fastest type, and the peers.
struct Ladder {
  struct Rung {
    const gpu::BenchCase* at;
    const gpu::BenchRow* row;
    double flops_per_s() const { return at->flops_per_s(*row); }
  };
  gpu::BenchShape shape;  ///< without its type
  std::vector<Rung> stages, peers;
};
/// At the shape where most stages were measured (among those the longest N, the first mask and d).
/// Throws UsageError when no stage was measured anywhere.
Ladder ladder_of(const gpu::BenchRun& run);
/// The stage's idea in a few words, from the registry; "" for what is no stage.
std::string idea_of(std::string_view slug);
std::string ladder_table(const gpu::BenchRun& run);
std::string ladder_svg(const gpu::BenchRun& run);

/// "_ZN8flashlab8online_qILi64ELb0EEEv…" → "online_q".
std::string plain_kernel_name(const std::string& mangled);
/// A line a kernel: registers, spills, shared memory, occupancy.
std::string resources_table(const std::vector<gpu::KernelResources>& kernels);
std::string resources_csv(const std::vector<gpu::KernelResources>& kernels);

}  // namespace flashlab::report
