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

/// A LinePattern, and how often it was served.
struct ReplayPattern {
  LinePattern pattern;
  std::uint64_t served = 0;
};
using PatternTable = std::vector<ReplayPattern>;

/// What a load looks at comes first, in one cache line of the host where no more than eight loads are under way.
struct alignas(64) ReplayWarp {
  const LineRequest* next = nullptr;
  ReplayPattern* patterns = nullptr;
  Time data_at = 0;              ///< when the last of its loads returns
  std::uint32_t left = 0;        ///< requests, with the next
  std::uint16_t turns_done = 0;  ///< of those that the work that is its next request takes
  std::uint8_t slot = 0;         ///< of its block, in the SM
  std::uint8_t oldest = 0;       ///< of its loads under way
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
  // What every turn looks at comes first, in a cache line of the host.
  Time clock = 0;
  Time next_wake = 0;                   ///< the first of those asleep
  std::uint64_t ready = 0, asleep = 0;  ///< bit i: warp i
  std::uint64_t drawn = 0;              ///< bit i: warp i is among the turns
  std::uint64_t next_turn = 0;          ///< the warp after the one that was drawn last
  std::uint32_t turns = 0;              ///< the warps that go on next, drawn some turns ahead, a byte each
  int turn_count = 0;
  int live_blocks = 0;
  std::uint64_t at_barrier = 0;  ///< bit i: warp i
  Time fill_free = 0;            ///< when the way from L2 has room
  std::size_t gpc = 0;           ///< reads are merged within it
  std::size_t side = 0;          ///< its partition of the L2
  std::uint64_t number = 0;
  std::pmr::vector<ReplayWarp> warps;            ///< of all slots, in order of slot
  std::uint64_t turns_made = 0, next_place = 0;  ///< where blocks share the SM
  std::vector<Slot> slots{};
  Time last_end = 0;  ///< of a block
  L1Cache l1;
  Arrivals<8> arrivals;                ///< of lines in L1
  std::array<Time, kMaxWarps> wake{};  ///< when each of those asleep has its data

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
      } else {
        first = std::min(first, wake[warp]);
      }
    }
    next_wake = first;
  }
  // The host waits for its memory mostly: an SM's warps and their streams are far away when its turn comes again. A warp
  // is asked for when its turn is drawn; its stream one turn before its own, and once more one SM before this one.
  void add_turn(unsigned warp) {
    turns |= warp << 8 * turn_count++;
    drawn |= std::uint64_t{1} << warp;
    next_turn = (warp + 1) % kMaxWarps;
    __builtin_prefetch(&warps[warp], 1);
  }
  /// The warp whose turn it is; there is one.
  std::size_t take_turn() {
    const std::size_t warp = turns & 0xFF;
    drawn ^= std::uint64_t{1} << warp;
    --turn_count;
    turns >>= 8;
    __builtin_prefetch(stream(0));
    return warp;
  }
  void ask_for_streams() const {
    __builtin_prefetch(stream(0));
    __builtin_prefetch(stream(1));
  }
  /// What the warp of a turn does next; that of warp 0, when there is no such turn.
  const LineRequest* stream(int turn) const { return warps[turns >> 8 * turn & 0xFF].next; }
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
      sm.add_turn(next_of(sm, open, lots));
    }
  }

 private:
  // The first warp that is ready from some place on: for part of the turns from the first place that has one, for the others
  // from each place in turn, and there from each of a block's warps in turn. In kernels without shared memory, whose warps
  // no barrier brings together, from the first warp on, or from any, by lot.
  unsigned next_of(Sm& sm, std::uint64_t open, Lots& lots) const {
    if (!has_tiles) {
      Lots other = lots;  // computed in any case: the host would guess wrongly which one it is
      const bool front = other.draw(256) < oldest_first;
      lots = other;
      const std::uint64_t any = other.draw(kMaxWarps);
      if (!front) lots = other;
      return first_from(open, front ? 0 : any);
    }
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
