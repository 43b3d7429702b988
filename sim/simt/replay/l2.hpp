#pragma once
/// \file
/// The L2 as the replay uses it: one cache, or two partitions that each serve half of the SMs.

#include <vector>

#include "sim/memory/cache.hpp"
#include "sim/simt/replay/profiles.hpp"

namespace flashlab::simt {

/// Every line has a home partition, the one whose memory controllers it belongs to. An SM asks the partition on its
/// own side; what is not there comes from the home, or through the home from HBM, and stays in both. Stores go to the
/// home, which alone holds dirty data.
class PartitionedL2 {
 public:
  explicit PartitionedL2(const ReplayProfile& profile) : has_copies_(profile.l2_partitions > 1) {
    CacheShape shape = profile.l2;
    const Bytes row = static_cast<Bytes>(shape.ways) * kLineBytes;
    shape.capacity_bytes = shape.capacity_bytes / static_cast<Bytes>(profile.l2_partitions) / row * row;
    for (int i = 0; i < profile.l2_partitions; ++i) sides_.emplace_back(shape);
  }

  struct Missed {
    SectorMask l2 = 0;   ///< not on the SM's side
    SectorMask hbm = 0;  ///< fetched: nor at home, and their neighbours
  };
  /// HBM brings sectors by twos.
  Missed read(std::size_t side, std::uint64_t line, SectorMask sectors) {
    const std::size_t home = home_of(line), near = has_copies_ ? side : 0;
    const SectorMask missed = sides_[near].read(line, sectors);
    SectorMask fetched = missed == 0 || home == near ? missed : sides_[home].read(line, missed);
    if (const SectorMask beside = neighbours(fetched) & ~fetched) {
      fetched |= sides_[home].read(line, beside);
      if (home != near) sides_[near].read(line, beside);
    }
    return {missed, fetched};
  }
  /// Returns the sectors that the home did not hold.
  SectorMask write(std::uint64_t line, SectorMask sectors, SectorMask whole) {
    return sides_[home_of(line)].write(line, sectors, whole);
  }
  std::uint64_t line_limit() const { return sides_[0].line_limit(); }
  void invalidate() {
    for (SectoredCache& side : sides_) side.invalidate();
  }
  /// Leaves so many bytes of whole dirty lines of someone else, the least recent ones.
  void soil(Bytes bytes) {
    for (Bytes i = 0; i < bytes / kLineBytes; ++i) write(line_limit() - 1 - i, 0xF, 0xF);
  }
  std::uint64_t dirty_sectors() const {
    std::uint64_t sum = 0;
    for (const SectoredCache& side : sides_) sum += side.dirty_sectors();
    return sum;
  }
  std::uint64_t written_back_sectors() const {
    std::uint64_t sum = 0;
    for (const SectoredCache& side : sides_) sum += side.written_back_sectors();
    return sum;
  }
  void reset_counters() {
    for (SectoredCache& side : sides_) side.reset_counters();
  }
  CacheCounters counters() const {
    CacheCounters sum = sides_[0].counters();
    for (std::size_t i = 1; i < sides_.size(); ++i) {
      const CacheCounters one = sides_[i].counters();
      sum.written_back_sectors += one.written_back_sectors;
      sum.partial_write_backs += one.partial_write_backs;
    }
    return sum;
  }

 private:
  static SectorMask neighbours(SectorMask sectors) { return (sectors & 5) << 1 | (sectors & 10) >> 1; }
  std::size_t home_of(std::uint64_t line) const {
    if (!has_copies_) return 0;
    return line * 0xD6E8FEB86659FD93u >> 63;
  }
  bool has_copies_;
  std::vector<SectoredCache> sides_;
};

}  // namespace flashlab::simt
