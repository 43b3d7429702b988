#pragma once
/// \file
/// What a kernel launch counted, under the names that Nsight Compute gives the hardware's counters.
///
/// What is counted: every load, store and atomic of the kernel's source on global and shared memory, barriers and warp
/// collectives, and the floating-point instructions of the kernel's own code, after the CPU compiler's ordinary
/// optimisation, which fuses products and sums as the card's does. What is not: integer arithmetic, half arithmetic (it
/// runs, and counts, as fp32), what a division or an exponential costs beside the special function unit, local memory
/// (a lane's own stack), instruction fetch, and what the card's compiler adds or removes on its own (spills, re-loads of
/// constants).

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/simt/arithmetic.hpp"

namespace flashlab::simt {

/// Operations of one direction on one memory.
struct MemoryCounters {
  std::uint64_t requests = 0;       ///< warp instructions
  std::uint64_t threads = 0;        ///< thread accesses: requests × active lanes
  std::uint64_t bytes = 0;          ///< bytes that the threads asked for
  std::uint64_t sectors = 0;        ///< global: distinct 32-byte sectors of each request
  std::uint64_t ideal_sectors = 0;  ///< global: sectors, were the same distinct bytes packed densely
  std::uint64_t wavefronts = 0;     ///< shared: passes through the banks
  std::uint64_t conflicts = 0;      ///< shared: passes beyond those that the width of the access needs

  MemoryCounters& operator+=(const MemoryCounters& other);
  bool operator==(const MemoryCounters&) const = default;
};

/// What a warp instruction does, as far as the hooks can tell.
enum class Op : std::uint8_t { load, store, atomic, async_copy, matrix_load };
enum class Space : std::uint8_t { global, shared };
inline constexpr int kOps = 5, kSpaces = 2;

/// One warp instruction as an example: where each active lane reached.
struct WarpSample {
  std::uint64_t block = 0;       ///< linear index
  int warp = 0;                  ///< in the block
  std::uint32_t mask = 0;        ///< active lanes
  std::uint64_t allocation = 0;  ///< address where what it reached begins
  std::array<std::uint64_t, 32>
      addresses{};  ///< of the active lanes; shared memory begins at a multiple of 128
};

/// One source instruction on one memory: a load of `C[i]` is one, wherever its loop takes it.
struct SiteCounters {
  std::uint32_t site = 0;  ///< names the instruction in LinePattern::site and to source_line()
  Op op = Op::load;
  Space space = Space::global;
  int width_bytes = 0;         ///< of one lane's access
  MemoryCounters counted;      ///< as the source says
  int merged_width_bytes = 0;  ///< 8 or 16 when the card's compiler is expected to merge neighbours, else 0
  MemoryCounters merged;       ///< the same accesses after that merge; meaningless when merged_width_bytes is 0
  WarpSample sample;           ///< its first request in the lowest block that made one

  /// What the card is expected to count: `merged` where a merge is expected, else `counted`.
  const MemoryCounters& expected() const { return merged_width_bytes != 0 ? merged : counted; }
};

/// A counter with the hardware's name.
struct Metric {
  std::string_view name;  ///< l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum …
  std::string_view unit;  ///< sector, request, inst …
  std::uint64_t value;
};

/// Everything that one launch counted. Sums do not depend on how many processors executed the blocks.
struct LaunchCounters {
  std::array<std::array<MemoryCounters, kOps>, kSpaces> memory{};  ///< [space][op], with expected merges
  std::uint64_t barriers = 0;         ///< __syncthreads and its kin, warp instructions
  std::uint64_t collectives = 0;      ///< shuffles, votes, reductions, matches, __syncwarp: warp instructions
  std::uint64_t thread_barriers = 0;  ///< barriers, counted a thread
  std::uint64_t matrix_products = 0;  ///< warp matrix multiply-accumulates, warp instructions
  std::uint64_t matrix_flops = 0;     ///< of those: 2 · 16 · 8 · k each
  ArithmeticCounts arithmetic{};      ///< thread instructions of the kernel's own code
  std::uint64_t divergent_requests = 0;  ///< requests by fewer lanes than the warp still had
  std::uint64_t merged_loads = 0;        ///< shared loads that a predicted merge took away
  std::vector<SiteCounters> sites;       ///< ascending by site, op, space

  const MemoryCounters& of(Space space, Op op) const {
    return memory[static_cast<int>(space)][static_cast<int>(op)];
  }
  std::uint64_t arithmetic_of(Arithmetic a) const { return arithmetic[static_cast<std::size_t>(a)]; }
  /// Floating-point operations, a fused one counted twice; fp32 and fp64 together, special functions not among them.
  std::uint64_t flops() const;
  /// The counters under Nsight Compute's names, in a fixed order; `flashlab__` marks those that it has no name for.
  std::vector<Metric> metrics() const;
};

/// "kernels/naive.cuh" and 42 for a site; line 0 when the program carries no debug information.
struct SourceLine {
  std::string file;
  int line = 0;
  bool operator==(const SourceLine&) const = default;
};

/// Where the instructions stand in the source, in the order asked. Costs one run of addr2line (binutils).
std::vector<SourceLine> source_lines(const std::vector<std::uint32_t>& sites);

/// The kernel that an instruction belongs to, without return type and parameters: "flashlab::online_q<64, false>"; "" when
/// the program carries no debug information. Costs one run of addr2line.
std::string kernel_of(std::uint32_t site);

}  // namespace flashlab::simt
