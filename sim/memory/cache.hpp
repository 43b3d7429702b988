#pragma once
/// \file
/// A sectored, set-associative cache with least-recently-used replacement: 128-byte lines of four 32-byte sectors, a
/// tag a line, valid and dirty a sector, as the L1 and L2 of NVIDIA GPUs have them.
///
/// **Example**
///
///     SectoredCache l2({.capacity_bytes = Bytes{48} << 20, .ways = 32, .index = SetIndex::hashed});
///     const SectorMask fetched = l2.read(line, 0b0011);  // the sectors that had to come from below
///     l2.write(line, 0b1000, 0b1000);                    // sector 3, written in full: nothing is fetched

#include <bit>
#include <cstdint>
#include <memory>
#include <span>

#include "sim/core/problem.hpp"
#include "sim/memory/line_locator.hpp"
#include "sim/memory/set_scan.hpp"

namespace flashlab {

inline constexpr Bytes kSectorBytes = 32;
inline constexpr Bytes kLineBytes = 128;
inline constexpr int kSectorsPerLine = 4;

/// Bit i stands for sector i of a line; only the low four bits are used.
using SectorMask = std::uint32_t;

/// Shape of a cache, and two rules by which dirty lines are cleaned (written back, and kept) before they are evicted:
/// - `dirty_ways`: no more than so many lines of a set are dirty; a write that would exceed it cleans the least
///   recently used dirty line. 0: no bound.
/// - `clean_from_way`: a dirty line is cleaned when it has aged to this place in the set's order of recency (0 is the
///   most recent). 0: no such rule.
struct CacheShape {
  Bytes capacity_bytes = 0;  ///< a multiple of ways × 128 B
  int ways = 1;
  SetIndex index = SetIndex::modulo;
  int dirty_ways = 0;
  int clean_from_way = 0;
};

/// What a cache has counted since it was made or `reset_counters` was called. A *line hit* found the tag; a *sector
/// hit* found the data of that sector too, so sector_hits + sector_misses is the number of sectors asked for.
struct CacheCounters {
  std::uint64_t line_hits = 0;
  std::uint64_t line_misses = 0;
  std::uint64_t read_sector_hits = 0;
  std::uint64_t read_sector_misses = 0;  ///< sectors fetched from the level below
  std::uint64_t write_sector_hits = 0;
  std::uint64_t write_sector_misses = 0;  ///< written without a fetch
  std::uint64_t written_back_sectors =
      0;  ///< dirty sectors sent below, by eviction, by the dirty bound or by flush
  std::uint64_t partial_write_backs = 0;  ///< of those, sectors of which only some bytes were written

  std::uint64_t sector_hits() const { return read_sector_hits + write_sector_hits; }
  std::uint64_t sector_misses() const { return read_sector_misses + write_sector_misses; }
  bool operator==(const CacheCounters&) const = default;
};

/// One access of a batch. A write names the sectors touched in `sectors` and
/// those of them that it fills from first to last byte in `whole`; a read leaves `whole` 0.
struct CacheAccess {
  std::uint64_t line;  ///< address / 128
  std::uint8_t sectors;
  std::uint8_t whole;
  bool is_write;
};

/// The cache. `Scan` is ScalarScan or Avx2Scan: the same counts at different speed; use the alias SectoredCache.
///
/// Memory: 4 bytes a line (1.5 MiB for a 48 MiB cache). A sector written in part is dirty but not valid: a read of it
/// is a miss that fetches the rest, its write-back is counted in `partial_write_backs`.
template <class Scan>
class BasicSectoredCache {
 public:
  /// Throws UsageError for a shape with no sets, a capacity that is no multiple of ways × 128 B, more than 4096 ways
  /// or a dirty rule outside 0 … ways.
  explicit BasicSectoredCache(const CacheShape& shape);

  /// Reads `sectors` of `line`; returns those that missed (now resident: they were fetched). O(ways).
  SectorMask read(std::uint64_t line, SectorMask sectors) {
    ++tally_.accesses;
    tally_.read_sectors += std::popcount(sectors);
    return read_at(place_of(line), padded_ways_, sectors, tally_);
  }

  /// Writes `sectors` of `line`, of which `whole` are written in full; nothing is fetched. Returns the sectors that
  /// were not resident. O(ways).
  SectorMask write(std::uint64_t line, SectorMask sectors, SectorMask whole) {
    ++tally_.accesses;
    tally_.written_sectors += std::popcount(sectors);
    return write_at(place_of(line), padded_ways_, sectors, whole, tally_);
  }

  /// Every access of a batch in order, sets prefetched ahead: the fast way when the accesses are known beforehand.
  void run(std::span<const CacheAccess> accesses);

  /// Brings the set of `line` near, for an access that will follow soon.
  void prefetch(std::uint64_t line) const {
    const std::uint32_t* set = place_of(line).set;
    for (int way = 0; way < padded_ways_; way += 16) __builtin_prefetch(set + way, 1);
  }

  /// Writes back every dirty sector (counted); the lines stay, clean. Returns the sectors written. O(capacity).
  std::uint64_t flush();
  /// Forgets all lines, dirty ones too, without a write-back; the counters stay. O(capacity).
  void invalidate();
  void reset_counters() { tally_ = {}; }

  /// Sectors that are dirty now. O(capacity).
  std::uint64_t dirty_sectors() const;
  std::uint64_t written_back_sectors() const { return tally_.written_back; }
  CacheCounters counters() const {
    return {.line_hits = tally_.accesses - tally_.line_misses,
            .line_misses = tally_.line_misses,
            .read_sector_hits = tally_.read_sectors - tally_.read_misses,
            .read_sector_misses = tally_.read_misses,
            .write_sector_hits = tally_.written_sectors - tally_.write_misses,
            .write_sector_misses = tally_.write_misses,
            .written_back_sectors = tally_.written_back,
            .partial_write_backs = tally_.partial_write_backs};
  }
  const CacheShape& shape() const { return shape_; }
  std::uint64_t sets() const { return sets_; }
  /// Lines must be below this (at least 2³² lines of 128 B for every cache of 512 sets or more): tags have 23 bits.
  std::uint64_t line_limit() const { return locate_.line_limit(); }

 private:
  struct Place {
    std::uint32_t* set;
    std::uint32_t key;  ///< the tag in an entry's place, low byte 0
  };
  struct Found {
    int way;
    std::uint32_t entry;
  };
  /// What is counted on the way; the hits follow.
  struct Tally {
    std::uint64_t accesses = 0, line_misses = 0;
    std::uint64_t read_sectors = 0, read_misses = 0, written_sectors = 0, write_misses = 0;
    std::uint64_t written_back = 0, partial_write_backs = 0;
  };

  Place place_of(std::uint64_t line) const {
    const LineLocator::Place place = locate_(line);
    return {entries_.get() + place.set * static_cast<std::uint64_t>(padded_ways_), place.key};
  }

  SectorMask read_at(Place place, int padded_ways, SectorMask sectors, Tally& tally) {
    const Found found = find_or_allocate(place, padded_ways, tally);
    const SectorMask missed = sectors & ~found.entry;
    tally.read_misses += std::popcount(missed);
    put_first(place.set, padded_ways, found.way, found.entry | sectors, tally);
    return missed;
  }

  SectorMask write_at(Place place, int padded_ways, SectorMask sectors, SectorMask whole, Tally& tally) {
    const Found found = find_or_allocate(place, padded_ways, tally);
    const SectorMask missed = sectors & ~found.entry;
    tally.write_misses += std::popcount(missed);
    put_first(place.set, padded_ways, found.way, found.entry | sectors << 4 | whole, tally);
    if (shape_.dirty_ways > 0 && (found.entry & 0xF0u) == 0) bound_dirty(place.set, tally);
    return missed;
  }

  /// The line's entry; a missing line takes the way of the least recently used, no sector valid. Without a branch on
  /// hit or miss, which no processor can predict.
  Found find_or_allocate(Place place, int padded_ways, Tally& tally) const {
    const int last = shape_.ways - 1;
    const int way = Scan::find(place.set, padded_ways, place.key, last);
    const std::uint32_t entry = place.set[way];
    const bool hit = (entry & kEntryTagMask) == place.key;
    tally.line_misses += !hit;
    count_write_back(hit ? 0 : entry, tally);
    return {way, hit ? entry : place.key};
  }

  void put_first(std::uint32_t* set, int padded_ways, int way, std::uint32_t entry, Tally& tally) const {
    if (way == 0) {
      set[0] = entry;
      return;
    }
    Scan::move_to_front(set, padded_ways, way, entry);
    const int clean_from = shape_.clean_from_way;
    if (clean_from > 0 && way >= clean_from && (set[clean_from] & 0xF0u) != 0) {
      count_write_back(set[clean_from], tally);
      set[clean_from] &= ~0xF0u;
    }
  }

  static void count_write_back(std::uint32_t entry, Tally& tally) {
    if ((entry & 0xF0u) == 0) return;
    tally.written_back += std::popcount(entry & 0xF0u);
    tally.partial_write_backs += std::popcount(entry >> 4 & ~entry & 0xFu);
  }

  template <int kPaddedWays>
  void run_chunks(std::span<const CacheAccess> accesses);
  void bound_dirty(std::uint32_t* set, Tally& tally);

  struct Free {
    void operator()(std::uint32_t* entries) const;
  };

  CacheShape shape_;
  std::uint64_t sets_ = 0;
  int padded_ways_ = 0;
  LineLocator locate_;
  std::unique_ptr<std::uint32_t[], Free> entries_;
  Tally tally_;
};

using SectoredCache = BasicSectoredCache<NativeScan>;

}  // namespace flashlab
