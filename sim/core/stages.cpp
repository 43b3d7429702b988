#include "sim/core/stages.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "sim/core/error.hpp"
#include "sim/core/text.hpp"

namespace flashlab {
namespace {

constexpr std::array kStages{
    StageInfo{"naive", "three kernels; S and P live in HBM", 3},
    StageInfo{"fused", "one kernel; whole rows of S in SRAM", 4},
    StageInfo{"tiled", "tiles of K and V; two passes over K", 5},
    StageInfo{"online-kv", "online softmax, K/V outside: FlashAttention-1", 6},
    StageInfo{"online-q", "online softmax, Q outside: FlashAttention-2", 6},
};

constexpr std::array kUpperRungs{
    StageInfo{"registers", "tiles of S and O in registers, wide loads without conflicts", 7},
    StageInfo{"tensor-core", "mma.sync in 16 bits, P stays in registers, tiles copied ahead", 8},
    StageInfo{"hopper", "wgmma and TMA: warps that fetch beside warps that multiply", 9},
};

}  // namespace

std::span<const StageInfo> stages() { return kStages; }
std::span<const StageInfo> upper_rungs() { return kUpperRungs; }

const StageInfo& stage_from_slug(std::string_view slug) {
  std::string wanted(slug);
  std::ranges::replace(wanted, '_', '-');
  std::vector<std::string_view> slugs;
  for (const std::span<const StageInfo> part : {stages(), upper_rungs()}) {
    for (const StageInfo& stage : part) {
      if (stage.slug == wanted) return stage;
      slugs.push_back(stage.slug);
    }
  }
  const std::string nearest = nearest_name(wanted, slugs);
  throw UsageError(fmt::format("unknown stage \"{}\"{}: the stages are {}", slug,
                               nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest),
                               fmt::join(slugs, ", ")));
}

}  // namespace flashlab
