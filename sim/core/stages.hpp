#pragma once
/// \file
/// The stage registry: what the machines share. A stage has one slug everywhere.

#include <span>
#include <string_view>

namespace flashlab {

/// One rung of the ladder.
struct StageInfo {
  std::string_view slug;   ///< "online-q": in commands, file names and JSON
  std::string_view title;  ///< a few words: the idea
  int chapter;             ///< the chapter that teaches it
};

/// The stages that differ in what they move, in the order in which the book teaches them.
std::span<const StageInfo> stages();

/// The rungs above them, in order: they move what `online-q` moves, with tiles of their own, and differ as kernels.
std::span<const StageInfo> upper_rungs();

/// The stage or upper rung of that slug ("online_q" is taken for "online-q");
/// throws UsageError that lists them all and names the nearest.
const StageInfo& stage_from_slug(std::string_view slug);

/// Br rows of Q and Bc rows of K and V.
struct KernelTile {
  int rows = 0, cols = 0;
};

/// The tile of an upper rung's kernel at head dimension d, on a card with 100 KB of shared memory a block or more;
/// (0, 0) for the other stages, whose tiles follow from M. The kernels' own constants are held to it where they are
/// compiled (cuda/host/stage_upper.cu, stage_hopper.cu).
constexpr KernelTile kernel_tile(std::string_view slug, int d) {
  if (slug == "registers") return {128, d <= 64 ? 64 : 32};
  if (slug == "tensor-core") return {d > 128 ? 64 : 128, d > 128 ? 32 : d > 64 ? 64 : 128};
  if (slug == "hopper") return {d <= 64 ? 192 : 128, d > 128 ? 80 : 128};
  return {};
}

}  // namespace flashlab
