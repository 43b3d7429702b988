#pragma once
/// \file
/// An SM in a replay: the blocks and warps on it, which of them sleep, and whose turn it is.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory_resource>
#include <vector>

#include "sim/simt/replay/l1.hpp"
#include "sim/simt/replay/replay.hpp"
#include "sim/simt/replay/under_way.hpp"
#include "sim/simt/trace.hpp"

namespace flashlab::simt {

inline constexpr int kMaxWarps = 64;  ///< of an SM: bits of a word
inline constexpr int kTurnsAhead = 3;

enum class WarpState : std::uint8_t { running, at_barrier, ended };

/// A LinePattern, and how often it was served.
struct ReplayPattern {
  LinePattern pattern;
  std::uint64_t served = 0;
};
using PatternTable = std::vector<ReplayPattern>;

/// What a load looks at comes first, in one cache line of the host where no more than eight loads are under way.
struct alignas(64) ReplayWarp {
  const LineRequest* end = nullptr;
  ReplayPattern* patterns = nullptr;
  Time data_at = 0;              ///< when the last of its loads returns
  std::uint16_t slot = 0;        ///< of its block, in the SM
  std::uint16_t turns_done = 0;  ///< of those that the work that is its next request takes
  WarpState state = WarpState::ended;
  std::uint8_t oldest = 0;  ///< of its loads under way
  std::array<std::uint32_t, ReplayOptions::kMostInFlight>
      returns{};       ///< of its last loads, low bits of the time
  Time copies_at = 0;  ///< when the last of its asynchronous copies returns
};

/// A place for a block on an SM.
struct Slot {
  std::pmr::vector<LineRequest> requests;  ///< of all its warps
  PatternTable patterns;                   ///< its own, unless it shares a table with other blocks
  int live = 0;                            ///< warps that have not ended
  int waiting = 0;                         ///< of those, at the barrier
  Time last = 0;  ///< when the last of those came to the barrier, or the last warp ended
};

/// Chance, the same in every launch.
class Lots {
 public:
  std::uint64_t draw(std::uint64_t below) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (state_ >> 32) * below >> 32;
  }

 private:
  std::uint64_t state_ = 0x853C49E6748FEA9Bu;
};

struct Sm {
  L1Cache l1;
  std::size_t gpc = 0;   ///< reads are merged within it
  std::size_t side = 0;  ///< its partition of the L2
  std::uint64_t number = 0;
  std::vector<Slot> slots{};
  std::pmr::vector<ReplayWarp> warps;                            ///< of all slots, in order of slot
  alignas(64) std::array<const LineRequest*, kMaxWarps> next{};  ///< of each warp
  std::array<Time, kMaxWarps> wake{};                            ///< when each of those asleep has its data
  std::uint64_t ready = 0, asleep = 0;                           ///< bit i: warp i
  Time next_wake = 0;                                            ///< the first of those asleep
  /// The warps that go on next, drawn from the ready ones some turns ahead, so that their streams can be fetched.
  std::uint32_t turns = 0;  ///< a byte each
  int turn_count = 0;
  std::uint64_t drawn = 0;                       ///< bit i: warp i is among them
  std::uint64_t next_turn = 0;                   ///< the warp after the one that was drawn last
  std::uint64_t turns_made = 0, next_place = 0;  ///< where blocks share the SM
  int live_blocks = 0;
  Time clock = 0;
  Time last_end = 0;     ///< of a block
  Time fill_free = 0;    ///< when the way from L2 has room
  Arrivals<8> arrivals;  ///< of lines in L1

  void sleep(std::size_t warp, Time until) {
    wake[warp] = until;
    next_wake = asleep == 0 ? until : std::min(next_wake, until);
    asleep |= std::uint64_t{1} << warp;
  }
  /// Those whose data have come are ready.
  void wake_up() {
    Time first = ~Time{0};
    for (std::uint64_t left = asleep; left != 0; left &= left - 1) {
      const auto warp = static_cast<unsigned>(std::countr_zero(left));
      if (wake[warp] <= clock) {
        asleep ^= left & -left;
        ready |= left & -left;
        __builtin_prefetch(next[warp]);
      } else {
        first = std::min(first, wake[warp]);
      }
    }
    next_wake = first;
  }
  /// The warp whose turn it is; there is one.
  std::size_t take_turn() {
    const std::size_t warp = turn(0);
    drawn ^= std::uint64_t{1} << warp;
    --turn_count;
    turns >>= 8;
    return warp;
  }
  std::size_t turn(int i) const { return turns >> 8 * i & 0xFF; }
};

/// Whose turn it is on the SMs of one launch.
struct TurnRule {
  bool has_tiles;                 ///< the kernel uses shared memory
  std::uint64_t warps_per_block;  ///< that a slot has room for
  std::uint64_t oldest_first;     ///< so many turns of 256 begin at the front

  void draw(Sm& sm, Lots& lots) const {
    while (sm.turn_count < kTurnsAhead) {
      const std::uint64_t open = sm.ready & ~sm.drawn;
      if (open == 0) return;
      const unsigned warp = next_of(sm, open, lots);
      sm.turns |= warp << 8 * sm.turn_count++;
      sm.drawn |= std::uint64_t{1} << warp;
      sm.next_turn = (warp + 1) % kMaxWarps;
      __builtin_prefetch(&sm.warps[warp]);
      __builtin_prefetch(sm.next[warp]);
    }
  }

 private:
  // The first warp that is ready from some place on: for part of the turns from the first place that has one, for the others
  // from each place in turn, and there from each of a block's warps in turn. In kernels without shared memory, whose warps
  // no barrier brings together, from the first warp on, or from any, by lot.
  unsigned next_of(Sm& sm, std::uint64_t open, Lots& lots) const {
    if (!has_tiles) return first_from(open, lots.draw(256) < oldest_first ? 0 : lots.draw(kMaxWarps));
    if (sm.slots.size() == 1) return first_from(open, sm.next_turn);
    const std::uint64_t place = ++sm.turns_made * oldest_first % 256 < oldest_first
                                    ? static_cast<std::uint64_t>(std::countr_zero(open)) / warps_per_block
                                    : sm.next_place++ % sm.slots.size();
    return first_from(open, place * warps_per_block + sm.next_turn % warps_per_block);
  }
  static unsigned first_from(std::uint64_t warps, std::uint64_t from) {
    const std::uint64_t after = warps & ~std::uint64_t{0} << from;
    return static_cast<unsigned>(std::countr_zero(after != 0 ? after : warps));
  }
};

}  // namespace flashlab::simt
