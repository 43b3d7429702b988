#pragma once
/// \file
/// Running a stage on the tile machine: tile sizes, counting, execution.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/core/error.hpp"
#include "sim/core/stages.hpp"
#include "sim/core/tensor.hpp"
#include "sim/tile/attention.hpp"

namespace flashlab::tile {

/// What a run is given beside the problem.
struct RunOptions {
  Bytes sram_bytes = 0;       ///< M
  std::optional<Index> rows;  ///< Br; by default from M
  std::optional<Index> cols;  ///< Bc; by default from M
  RegisterTile register_tile{};
};

/// The tile sizes of one run, and where they come from.
struct TileChoice {
  TileSizes size;
  std::string rule;  ///< "paper", "given", or what had to shrink: for the report
};

/// The stage cannot run this problem in this SRAM, whatever the tiles (or with the tiles that were given).
/// The message names the bound.
struct StageRefusal : UsageError {
  using UsageError::UsageError;
};

/// The answer of the tile machine for all heads.
struct StageRun {
  const StageInfo* stage = nullptr;
  TileChoice tiles;
  Traffic traffic;
  std::vector<std::string> notes;
  std::optional<Tensor> O;  ///< (batch, heads, N, d); absent when only counted
  std::optional<Tensor> L;  ///< (batch, heads, N, 1); of online-q and the rungs above
};

/// Tile sizes for a stage: those given, the others from M by the paper's rule, Bc = ceil(M/4d) and Br = min(Bc, d)
/// with M in elements, at most N, and smaller where the stage's working set would not fit.
/// `fused` takes Bc ≤ 32 instead, and as many whole rows of S as fit; an upper rung takes its kernel's tile.
/// Throws StageRefusal when nothing fits. Costs some dozens of counted tile visits.
TileChoice choose_tiles(const StageInfo& stage, const Problem& problem, const RunOptions& options);

/// Largest N at which `stage` runs with this d, type and SRAM (and the tiles given): 0 when none, nullopt when any N does.
std::optional<Index> largest_seq(const StageInfo& stage, const Problem& problem, const RunOptions& options);

/// Traffic alone, without arithmetic or memory; equal tiles are visited once. O(Tr) at worst.
/// Throws StageRefusal, and UsageError when a count does not fit in 64 bits.
StageRun count(const StageInfo& stage, const Problem& problem, const RunOptions& options);

/// Traffic of one head with an event for each step; no arithmetic. O(Tr·Tc).
StageRun trace(const StageInfo& stage, const Problem& problem, const RunOptions& options,
               const EventSink& sink);

/// The same with numbers, for head `head` of Q, K, V (batch, heads, N, d): each event of an operation then shows what
/// it left (Event::result). O(N²·d). Throws as count() and require_memory() do.
StageRun trace(const StageInfo& stage, const Problem& problem, const RunOptions& options, const Tensor& Q,
               const Tensor& K, const Tensor& V, Index head, const EventSink& sink);

/// Throws EnvironmentError when running these stages with numbers, and checking them, would not fit in memory.
void require_memory(std::span<const StageInfo* const> stages, const Problem& problem);

/// Runs several stages with numbers. Every (stage, head) is a task of its own; all cores are used.
/// Q, K, V (batch, heads, N, d) as problem says. A stage that refuses is left to the caller: count() it first.
/// `progress(done, all)` is called after each task, from any thread.
/// Throws what require_memory throws.
std::vector<StageRun> execute(std::span<const StageInfo* const> stages, const Problem& problem, const Tensor& Q,
                              const Tensor& K, const Tensor& V, const RunOptions& options,
                              const std::function<void(Index, Index)>& progress = {});

}  // namespace flashlab::tile
