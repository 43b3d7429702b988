#pragma once
/// \file
/// Counting: warp accesses in, requests, sectors and wavefronts by instruction out.

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "sim/simt/banks.hpp"
#include "sim/simt/counters.hpp"
#include "sim/simt/runtime/arithmetic.hpp"
#include "sim/simt/runtime/entry.hpp"

namespace flashlab::simt {

/// One warp instruction on memory: which lanes, and where each of them reaches.
struct WarpAccess {
  std::uint32_t mask = 0;  ///< active lanes, never 0
  int width = 4;           ///< bytes a lane
  bool linear = false;     ///< lane i reaches base + i · stride for every active lane
  std::int64_t stride = 0;
  Offset base = 0;   ///< of lane 0, were it active
  Offset where[32];  ///< of each active lane; filled only when !linear

  WarpAccess() = default;
  WarpAccess(const WarpAccess& o) { *this = o; }
  WarpAccess& operator=(const WarpAccess& o);  // copies addresses only where they count
  Offset of(int lane) const { return linear ? base + static_cast<Offset>(stride * lane) : where[lane]; }
};

/// Distinct 32-byte sectors that the access touches. [M: equal to the card's on all kernels tried]
std::uint32_t count_sectors(const WarpAccess& a);

/// Passes through the 32 banks of 4 bytes, by the rule that the card has settled: shared_wavefronts() in banks.hpp.
Wavefronts count_wavefronts(const WarpAccess& a, bool store);

/// Follows one instruction's 32-bit shared loads and tells whether the card's compiler will merge neighbours into
/// 64- or 128-bit loads: between barriers and shared stores, each run of its occurrences must walk up word by word
/// in every lane, start aligned in every lane, and have a length that the merge divides. Then it also knows what
/// the merged loads cost. It cannot see whether the compiler unrolls the loop, which merging needs.
class MergePredictor {
 public:
  /// `segment` changes wherever merging must stop: at a barrier, a shared store, a change of warp.
  void add(const WarpAccess& a, std::uint64_t segment);
  void finish();
  void join(const MergePredictor& other);
  int merged_width_bytes() const { return any_ && ok_[1] ? 16 : any_ && ok_[0] ? 8 : 0; }
  const MemoryCounters& merged() const { return counted_[ok_[1] ? 1 : 0]; }

 private:
  // A run that may go on: the access expected next, and how many it has.
  struct Run {
    WarpAccess last;
    std::uint32_t length = 0;
  };
  static constexpr int kOpenRuns = 16;  // rows that a loop walks along in turn
  static bool continues(const WarpAccess& a, const WarpAccess& last);
  void open(const WarpAccess& a);
  void close(Run& run);
  void count(const WarpAccess& a, std::uint32_t words);

  bool any_ = false;
  bool ok_[2] = {true, true};  // pairs, quadruples
  MemoryCounters counted_[2];
  std::uint64_t segment_ = ~0ull;
  std::vector<Run> runs_;  // open ones first
  std::size_t open_ = 0, oldest_ = 0;
};

/// Counters of one instruction on one memory.
struct SiteTally {
  std::uint32_t key = 0;
  bool shared = false;
  MemoryCounters counted;
  std::uint64_t divergent = 0;
  ArithmeticWork work;                  ///< of its block of code, a request
  WarpSample sample;                    ///< the first request
  Offset low = 1, high = 0;             ///< the allocation that it reached last: [low, high)
  std::optional<MergePredictor> merge;  ///< 32-bit shared loads only
};

/// The tallies of one worker in one launch.
class TallyTable {
 public:
  SiteTally& at(std::uint32_t key, bool shared) {
    const std::uint64_t id = std::uint64_t{key} << 1 | static_cast<std::uint64_t>(shared);
    Slot& slot = recent_[(id * 0x9E3779B97F4A7C15ull) >> (64 - kRecentBits)];
    if (slot.id != id) [[unlikely]]
      slot = {id, &find(key, shared, id)};
    return *slot.tally;
  }
  void clear();
  void add(std::uint64_t id, const SiteTally& tally);
  const std::unordered_map<std::uint64_t, SiteTally>& all() const { return tallies_; }
  std::unordered_map<std::uint64_t, SiteTally>& all() { return tallies_; }

 private:
  static constexpr int kRecentBits = 8;
  struct Slot {
    std::uint64_t id = ~0ull;
    SiteTally* tally = nullptr;
  };
  SiteTally& find(std::uint32_t key, bool shared, std::uint64_t id);

  Slot recent_[1 << kRecentBits];
  std::unordered_map<std::uint64_t, SiteTally> tallies_;
};

}  // namespace flashlab::simt
