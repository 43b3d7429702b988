#pragma once
/// \file
/// What the checks remember about shared memory: who touched each word since the last barrier, and which words have
/// been written at all.

#include <array>
#include <cstdint>
#include <vector>

#include "sim/simt/banks.hpp"
#include "sim/simt/runtime/tally.hpp"

namespace flashlab::simt {

/// Since when the lanes of a warp are in step, by lane: equal numbers, since the same __syncwarp or collective of all of
/// them; kOutOfStep for a lane of which that is not known.
using LaneSteps = std::array<std::uint32_t, kLanes>;
inline constexpr std::uint32_t kOutOfStep = ~0u;

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
    LaneStamp of(std::size_t word) const { return first + static_cast<LaneStamp>(word >> shift); }
  };

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
  static void note(Words& w, std::size_t first, std::size_t count, Stamp mine, std::uint32_t site, bool writes);
  static void note_lanes(Words& w, std::size_t first, std::size_t count, Stamp mine, Lanes lanes,
                         std::uint32_t site, bool writes);

  Words static_words_, dynamic_words_;
  std::uint32_t epoch_ = 0, block_ = 0;
};

}  // namespace flashlab::simt
