#pragma once
/// \file
/// The L1 of an SM as the replay uses it: a sectored cache with least-recently-used replacement, like SectoredCache with
/// reads alone and equal to it miss for miss, that takes the lines of a warp instruction at once.

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory_resource>
#include <vector>

#include "sim/memory/cache.hpp"

namespace flashlab::simt {

/// Evenly spaced lines that one warp instruction reads, one after the other.
struct LineRun {
  std::uint64_t line = 0;
  std::int64_t stride = 1;  ///< never 0 when there are two or more
  int lines = 1;            ///< 1 to 64
  SectorMask first = 0, middle = 0,
             last = 0;  ///< of the first line, of those between, of the last of two or more

  std::uint64_t at(int i) const { return line + static_cast<std::uint64_t>(stride * i); }
  SectorMask of(int i) const { return i == 0 ? first : i + 1 == lines ? last : middle; }
  std::uint32_t sectors() const { return first | middle << 8 | last << 16; }
};

/// Kernels read the same runs over and over. A run all of whose lines are resident *owns* them: the next read of it is a
/// look at one table, which notes the time of the read for all of its lines. A line's time is its own or that of the run
/// that owns it, whichever is later; only evictions ask for it. A line that is read alone or in another run leaves its
/// owner, and an owner that has lost a line is read line by line again.
class L1Cache {
 public:
  /// `shape` without dirty rules; times start at `first_time` ≥ 1 (near 2³² for tests). Throws what SectoredCache throws.
  explicit L1Cache(const CacheShape& shape, std::uint32_t first_time = 1,
                   std::pmr::memory_resource* memory = std::pmr::get_default_resource());

  /// Reads a run. `visit(line, missed)` is called, in order, with the sectors of each line that were not there (now they
  /// are; often none), but for a run that was read before and is still resident: then nothing is visited and the cost is
  /// O(1), else O(lines · ways). A long run keeps a note for the caller until it loses a line.
  struct Read {
    bool known;           ///< nothing was visited
    std::uint64_t* note;  ///< null for a short run; what the caller left there, when known
  };
  template <class Visit>
  Read read(const LineRun& run, const Visit& visit) {
    return read(run, visit, [](std::uint64_t, SectorMask) {});
  }
  /// Before `visit` sees any line of a long run that is not known, `ahead(line, sectors)` sees each of them.
  template <class Visit, class Ahead>
  Read read(const LineRun& run, const Visit& visit, const Ahead& ahead) {
    if (now_ > ~std::uint32_t{0} - 128) [[unlikely]]
      restart_clock();
    const std::uint32_t begin = now_;
    now_ += static_cast<std::uint32_t>(run.lines);
    const auto read_lines = [&](int owner) {
      for (int i = 0; i < run.lines; ++i) {
        const std::uint64_t line = run.at(i);
        visit(line, touch(line, run.of(i), owner == kNobody ? kNobody : owner << 6 | i,
                          begin + static_cast<std::uint32_t>(i)));
      }
    };
    if (run.lines < kOwners) {
      read_lines(kNobody);
      return {false, nullptr};
    }
    Owner& owner = owner_of(run);
    const bool known = owner.knows(run);
    if (!known) {
      owner.learn(run);  // unless a line of the run evicts another
      for (int i = 0; i < run.lines; ++i) {
        prefetch(run.at(i));
        ahead(run.at(i), run.of(i));
      }
      read_lines(static_cast<int>(&owner - owners_.data()));
    }
    owner.time = begin;
    return {known, &owner.note};
  }

  /// Reads one line, and answers which of the sectors were not there. O(ways).
  SectorMask read_line(std::uint64_t line, SectorMask sectors) {
    if (now_ > ~std::uint32_t{0} - 128) [[unlikely]]
      restart_clock();
    return touch(line, sectors, kNobody, now_++);
  }

  /// Brings near what a read of this line alone will look at.
  void prefetch(std::uint64_t line) const { __builtin_prefetch(tags_of(locate_(line).set), 1); }
  std::uint64_t line_limit() const { return locate_.line_limit(); }

 private:
  static constexpr int kOwners = 6;  ///< runs of so many lines can own them
  static constexpr int kNobody = -1;
  static constexpr int kGroupSize = 4, kGroupBits = 4;  ///< few: they shall stay near while 132 SMs take turns
  static constexpr std::uint32_t kOwned = 0x10;         ///< in a tag's low byte, beside the valid bits

  struct Owner {
    std::uint64_t line = 0;
    std::int32_t stride = 0;
    std::uint32_t time = 0;     ///< of its line 0 when it was last read; line i came i later
    std::uint32_t sectors = 0;  ///< that are surely there, as LineRun has them
    std::uint8_t lines = 0;
    bool intact = false;     ///< owns all of its lines
    std::uint64_t note = 0;  ///< the caller's

    bool is_of(const LineRun& run) const {
      return line == run.line && stride == run.stride && lines == run.lines;
    }
    bool knows(const LineRun& run) const { return intact && (run.sectors() & ~sectors) == 0; }
    void learn(const LineRun& run) {
      sectors = intact ? sectors | run.sectors() : run.sectors();
      intact = true;
    }
  };

  static std::size_t group(std::uint64_t line, std::int64_t stride) {
    return static_cast<std::size_t>((line + static_cast<std::uint64_t>(stride) * 0x85EBCA6Bu) *
                                        0x9E3779B97F4A7C15u >>
                                    (64 - kGroupBits)) *
           kGroupSize;
  }
  Owner& owner_of(const LineRun& run) {
    Owner* const owners = &owners_[group(run.line, run.stride)];
    for (int i = 0; i < kGroupSize; ++i) {
      if (owners[i].is_of(run)) return owners[i];
    }
    return new_owner(owners, run);
  }
  Owner& new_owner(Owner* owners, const LineRun& run);
  void release(Owner& owner);

  /// Answers which of the sectors were not there.
  SectorMask touch(std::uint64_t line, SectorMask sectors, int owner, std::uint32_t time) {
    const LineLocator::Place place = locate_(line);
    std::uint32_t* const tags = tags_of(place.set);
    int way = NativeScan::find(tags, padded_ways_, place.key, ways_ - 1);
    if ((tags[way] & kEntryTagMask) != place.key) {
      way = victim(place.set);
      leave_owner(place.set, way, kNobody);
      tags[way] = place.key;
    } else {
      leave_owner(place.set, way, owner);
    }
    const SectorMask missed = sectors & ~tags[way];
    tags[way] = (tags[way] & ~kOwned) | sectors | (owner == kNobody ? 0 : kOwned);
    times_of(place.set)[way] = time;
    if (owner != kNobody) owned_by_[entry_of(place.set, way)] = static_cast<std::uint16_t>(owner);
    return missed;
  }
  void leave_owner(std::uint64_t set, int way, int stays_with) {
    if ((tags_of(set)[way] & kOwned) == 0) return;
    const int owner = owned_by_[entry_of(set, way)];
    if (owner != stays_with) owners_[static_cast<std::size_t>(owner >> 6)].intact = false;
  }
  int victim(std::uint64_t set) const;
  std::uint32_t time_of(std::uint64_t set, int way) const;
  void restart_clock();

  std::uint32_t* tags_of(std::uint64_t set) { return sets_[set * vectors_].words; }
  const std::uint32_t* tags_of(std::uint64_t set) const { return sets_[set * vectors_].words; }
  std::uint32_t* times_of(std::uint64_t set) { return tags_of(set) + padded_ways_; }
  const std::uint32_t* times_of(std::uint64_t set) const { return tags_of(set) + padded_ways_; }
  std::size_t entry_of(std::uint64_t set, int way) const {
    return set * static_cast<std::size_t>(padded_ways_) + static_cast<std::size_t>(way);
  }

  struct alignas(64) Words {
    std::uint32_t words[2 * kScanWidth] = {};
  };
  LineLocator locate_;
  std::uint64_t set_count_ = 0;
  int ways_ = 0, padded_ways_ = 0;
  std::size_t vectors_ = 0;  ///< a set
  std::uint32_t now_;
  /// Of each set the tags (entries as in SectoredCache, with kOwned for the dirty bits), then the times at which the
  /// lines were touched last, other than by a look at their owner. Eight ways lie in one cache line of the host.
  std::pmr::vector<Words> sets_;
  std::pmr::vector<std::uint16_t> owned_by_;  ///< where kOwned: number of the owner · 64 + place in its run
  alignas(64) std::array<Owner, kGroupSize << kGroupBits> owners_;
};

}  // namespace flashlab::simt
