#include "sim/simt/replay/profiles.hpp"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <string>

#include "sim/core/error.hpp"

namespace flashlab::simt {
namespace {

constexpr Bytes kMiB = Bytes{1} << 20;

constexpr std::array kCarveouts75{32, 64};
constexpr std::array kCarveouts80{0, 8, 16, 32, 64, 100, 132, 164};
constexpr std::array kCarveouts90{0, 8, 16, 32, 64, 100, 132, 164, 196, 228};

constexpr SmLimits kSm75{.threads = 1024,
                         .warps = 32,
                         .blocks = 16,
                         .registers = 65536,
                         .shared_unit = 256,
                         .shared_reserved = 0,
                         .shared_per_block = 64 * 1024,
                         .unified_bytes = 96 * 1024,
                         .carveouts_kib = kCarveouts75};
constexpr SmLimits kSm80{.threads = 2048,
                         .warps = 64,
                         .blocks = 32,
                         .registers = 65536,
                         .shared_per_block = 163 * 1024,
                         .unified_bytes = 192 * 1024,
                         .carveouts_kib = kCarveouts80};
constexpr SmLimits kSm90{.threads = 2048,
                         .warps = 64,
                         .blocks = 32,
                         .registers = 65536,
                         .shared_per_block = 227 * 1024,
                         .unified_bytes = 256 * 1024,
                         .carveouts_kib = kCarveouts90,
                         .small_split_holds = 4 * 1024,  // seen: 2 KiB get 8 KiB, 6 and 8 KiB get 32
                         .next_split = 32 * 1024};

constexpr int kL1Ways = 8;
constexpr int kL2Ways = 96;
constexpr Bytes kProfilerDirt = 2300 * 1024;  // what a kernel that only reads 36 to 256 MiB writes back

/// The policy that fits the H100, for any size: 0.89 of the nominal size acts as cache, a little more than half of a set
/// may be dirty, and a dirty line is cleaned in the last eighth of its life.
constexpr CacheShape fitted_l2(Bytes nominal_bytes) {
  constexpr Bytes kRow = kL2Ways * kLineBytes;
  return {.capacity_bytes = nominal_bytes / 100 * 89 / kRow * kRow,
          .ways = kL2Ways,
          .index = SetIndex::hashed,
          .dirty_ways = 51,
          .clean_from_way = 84};
}

// Bytes a cycle of HBM: the H100's from its softmax; of the others the same part, 0.70, of what their data sheets give at
// the highest clock.
constexpr std::array kProfiles{
    ReplayProfile{"t4", "NVIDIA T4", 40, 5, kSm75, kL1Ways, fitted_l2(4 * kMiB), 1, 141},
    ReplayProfile{"a100", "NVIDIA A100 SXM", 108, 7, kSm80, kL1Ways, fitted_l2(40 * kMiB), 2, 772},
    ReplayProfile{"h100", "NVIDIA H100 SXM", 132, 8, kSm90, kL1Ways, fitted_l2(50 * kMiB), 2, 1190,
                  kProfilerDirt},
    ReplayProfile{"h200", "NVIDIA H200 SXM", 132, 8, kSm90, kL1Ways, fitted_l2(50 * kMiB), 2, 1697,
                  kProfilerDirt},
};

}  // namespace

std::span<const ReplayProfile> replay_profiles() { return kProfiles; }

const ReplayProfile& replay_profile(std::string_view name) {
  std::string wanted(name);
  for (char& c : wanted) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string known;
  for (const ReplayProfile& profile : kProfiles) {
    if (profile.name == wanted) return profile;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", profile.name);
  }
  throw UsageError(fmt::format("unknown device \"{}\": the simt machine knows {}", name, known));
}

}  // namespace flashlab::simt
