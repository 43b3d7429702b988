#pragma once
/// \file
/// What the checks remember about shared memory: who touched each word since the last barrier, and which words have
/// been written at all.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "sim/simt/banks.hpp"
#include "sim/simt/runtime/tally.hpp"

namespace flashlab::simt {

inline constexpr std::uint32_t kOutOfStep = ~0u;

/// Since when the lanes of a warp are in step: equal numbers, since the same __syncwarp or collective of all of them;
/// kOutOfStep for a lane of which that is not known.
class LaneSteps {
 public:
  std::uint32_t of(int lane) const { return steps_[static_cast<std::size_t>(lane)]; }
  void set(int lane, std::uint32_t step) {
    steps_[static_cast<std::size_t>(lane)] = step;
    looked_ = false;
  }
  /// Whether these lanes have one number. Cheap as long as all lanes of a warp have, and no number changes.
  bool alike(std::uint32_t mask) const {
    if (!looked_) {
      looked_ = true;
      all_alike_ = std::ranges::all_of(steps_, [&](std::uint32_t step) { return step == steps_[0]; });
    }
    if (all_alike_) return true;
    const int leader = std::countr_zero(mask);
    for (std::uint32_t left = mask; left != 0; left &= left - 1)
      if (of(std::countr_zero(left)) != of(leader)) return false;
    return true;
  }

 private:
  std::array<std::uint32_t, kLanes> steps_{};
  mutable bool looked_ = true, all_alike_ = true;
};

/// Shared memory of one worker.
class SharedShadow {
 public:
  /// A race as the shadow sees it: who was there before.
  struct Conflict {
    bool found = false;
    Offset where = 0;  ///< byte of static or of dynamic shared memory
    int lane = 0;      ///< of the access that met the conflict
    std::uint32_t other_warp = 0;
    bool within_warp = false;
    std::uint32_t other_site = 0;
    bool other_wrote = false;
  };

  void begin_block();
  void barrier();
  /// Notes a warp's access and answers whether another warp touched one of its words in the same epoch, one of the
  /// two writing; or another lane of this warp by another instruction, since they were in step.
  Conflict touch(const WarpAccess& a, Offset shared_base, std::uint32_t warp, const LaneSteps& steps,
                 std::uint32_t site, bool writes, bool atomic);
  /// Marks the words written; for reads answers the first lane that reads a word which nothing wrote, or -1.
  int written(const WarpAccess& a, Offset shared_base, bool writes);

 private:
  /// Epoch · 128 + warp · 2 + 1 if atomic. Warp kMany: several have read.
  using Stamp = std::uint32_t;
  static constexpr std::uint32_t kEpochShift = 7, kMany = 32;
  static constexpr std::uint32_t kEpochLimit = 1u << (32 - kEpochShift);
  /// Step · 64 + lane, of the warp that the Stamp names. Lane 63: several.
  using LaneStamp = std::uint32_t;
  static constexpr LaneStamp kManyLanes = 63, kNoLane = ~0u;
  static constexpr std::uint32_t kStepShift = 6;
  /// Those of the lanes of a stretch: a lane every 1 << shift words, from the first on.
  struct Lanes {
    LaneStamp first;
    unsigned shift;
    LaneStamp of(std::uint32_t word) const { return first + (word >> shift); }
  };
  /// 1 where two stamps are of one step but not of the same lane.
  static std::uint32_t in_same_step(LaneStamp one, LaneStamp other) {
    return static_cast<std::uint32_t>((one ^ other) - 1 < kManyLanes);
  }

  /// Static or dynamic shared memory, an element a word. Apart, so that dense accesses go eight words at a time.
  struct Words {
    std::vector<Stamp> written_by, read_by;
    std::vector<LaneStamp> write_lane, read_lane;
    std::vector<std::uint32_t> write_site, read_site;
    std::vector<std::uint32_t> written_in_block;
    void grow(std::size_t words);
  };
  /// Calls body(words, first, count, lane) for stretches of words until it answers false; those of lane `lane` and, in
  /// a dense access, of the lanes after it.
  template <class Body>
  void each_stretch(const WarpAccess& a, Offset shared_base, const Body& body);
  static bool conflicts(const Words& w, std::size_t first, std::size_t count, Stamp mine, bool writes);
  static bool conflict_of_lanes(const Words& w, std::size_t first, std::size_t count, Stamp mine, Lanes lanes,
                                std::uint32_t site, bool writes);
  static bool is_noted(const Words& w, std::size_t first, std::size_t count, Stamp mine, Lanes lanes);
  static void note(Words& w, std::size_t first, std::size_t count, Stamp mine, std::uint32_t site, bool writes);
  static void note_lanes(Words& w, std::size_t first, std::size_t count, Stamp mine, Lanes lanes,
                         std::uint32_t site, bool writes);

  /// Whether a warp has written in this epoch, and the last step in which it did; kOutOfStep: in several at once.
  struct LastWrite {
    std::uint32_t epoch = 0, step = 0;
    bool any = false;
  };

  Words static_words_, dynamic_words_;
  std::array<LastWrite, 32> last_writes_{};
  std::uint32_t epoch_ = 0, block_ = 0;
};

}  // namespace flashlab::simt
