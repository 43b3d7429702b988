#pragma once
/// \file
/// What is on its way in a replay: lines to a cache, and reads to L2 that others may join.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <vector>

#include "sim/memory/cache.hpp"

namespace flashlab::simt {

using Time = std::uint64_t;  ///< in ticks: quarter cycles of an SM

/// Lines that are on their way, by the time of their arrival. Direct-mapped: a collision forgets one.
template <int kBits>
class Arrivals {
 public:
  explicit Arrivals(std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : entries_(std::size_t{1} << kBits, memory) {}
  /// When this line arrives, or 0 when nothing arrives later than `now`.
  Time of(std::uint64_t line, Time now) const {
    if (last_ <= now) return 0;
    const Entry& entry = entries_[place(line)];
    return entry.line == line ? entry.time : 0;
  }
  void put(std::uint64_t line, Time time) {
    entries_[place(line)] = {line, time};
    last_ = std::max(last_, time);
  }

 private:
  struct Entry {
    std::uint64_t line = ~std::uint64_t{0};
    Time time = 0;
  };
  static std::size_t place(std::uint64_t line) { return line * 0x9E3779B97F4A7C15u >> (64 - kBits); }
  std::pmr::vector<Entry> entries_;
  Time last_ = 0;
};

/// A read of L2 that one SM of a GPC asked for and others may join: cuda/measured/h100-micro/merging.csv.
struct alignas(32) MergedRead {
  static constexpr int kMost = 4;
  std::uint64_t key = ~std::uint64_t{0};
  Time asked = 0;
  std::uint32_t open = 0;     ///< to others, for so long
  std::uint32_t arrival = 0;  ///< so much later the data are at L2
  std::uint16_t sm = 0;       ///< that asked first
  std::uint16_t reads = 0;

  /// SMs run one after the other, `slack` ticks at a time: who asks a little earlier than the first one joins it too.
  bool takes(std::uint64_t wanted, std::uint64_t by, Time now, Time slack) const {
    return key == wanted && sm != by && reads < kMost && now <= asked + open && now + slack >= asked;
  }
};

/// The reads under way from each GPC. Direct-mapped: a collision forgets one.
class ReadMerger {
 public:
  explicit ReadMerger(std::size_t gpcs = 0) : reads_(gpcs) {}
  /// Only reads of the same sectors are merged.
  static std::uint64_t key(std::uint64_t line, SectorMask sectors) { return line << 4 | sectors; }
  MergedRead& at(std::size_t gpc, std::uint64_t line, SectorMask sectors) {
    return reads_[gpc][key(line, sectors) * 0x9E3779B97F4A7C15u >> (64 - kBits)];
  }
  void prefetch(std::size_t gpc, std::uint64_t line, SectorMask sectors) {
    __builtin_prefetch(&at(gpc, line, sectors), 1);
  }

 private:
  static constexpr int kBits = 11;
  std::vector<std::array<MergedRead, std::size_t{1} << kBits>> reads_;
};

}  // namespace flashlab::simt
