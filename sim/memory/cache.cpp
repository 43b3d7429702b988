#include "sim/memory/cache.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "sim/core/error.hpp"
#include "sim/core/text.hpp"

namespace flashlab {
namespace {

constexpr std::uint64_t kMaxSets = std::uint64_t{1} << 20;
constexpr std::align_val_t kEntryAlignment{64};

void check(const CacheShape& shape) {
  if (shape.ways < 1 || shape.ways > 4096) {
    throw UsageError(fmt::format("a cache of {} ways cannot be: take 1 to 4096", shape.ways));
  }
  const Bytes way_bytes = static_cast<Bytes>(shape.ways) * kLineBytes;
  if (shape.capacity_bytes == 0 || shape.capacity_bytes % way_bytes != 0) {
    throw UsageError(fmt::format("a cache of {} B cannot have {} ways: its size must be a multiple of {} B",
                                 shape.capacity_bytes, shape.ways, way_bytes));
  }
  if (shape.capacity_bytes > Bytes{1} << 36) {
    throw UsageError(
        fmt::format("a cache of {} is too large: at most 64 GiB", format_bytes(shape.capacity_bytes)));
  }
  for (const auto& [value, name] :
       {std::pair{shape.dirty_ways, "dirty_ways"}, {shape.clean_from_way, "clean_from_way"}}) {
    if (value < 0 || value > shape.ways) {
      throw UsageError(
          fmt::format("{} is {}: it must be 0 (no such rule) to ways ({})", name, value, shape.ways));
    }
  }
}

}  // namespace

template <class Scan>
void BasicSectoredCache<Scan>::Free::operator()(std::uint32_t* entries) const {
  ::operator delete[](entries, kEntryAlignment);
}

template <class Scan>
BasicSectoredCache<Scan>::BasicSectoredCache(const CacheShape& shape) : shape_(shape) {
  check(shape);
  sets_ = shape.capacity_bytes / (static_cast<Bytes>(shape.ways) * kLineBytes);
  padded_ways_ = (shape.ways + kScanWidth - 1) / kScanWidth * kScanWidth;
  const std::size_t entries = static_cast<std::size_t>(sets_) * static_cast<std::size_t>(padded_ways_);
  try {
    entries_.reset(
        static_cast<std::uint32_t*>(::operator new[](entries * sizeof(std::uint32_t), kEntryAlignment)));
  } catch (const std::bad_alloc&) {
    throw EnvironmentError(
        fmt::format("not enough memory for the tags of a cache of {}", format_bytes(shape.capacity_bytes)));
  }
  locate_ = LineLocator(sets_, shape.index);
  invalidate();
}

template <class Scan>
void BasicSectoredCache<Scan>::run(std::span<const CacheAccess> accesses) {
  switch (padded_ways_) {  // a constant number of ways unrolls the scans
    case 8:
      return run_chunks<8>(accesses);
    case 16:
      return run_chunks<16>(accesses);
    default:
      return run_chunks<0>(accesses);
  }
}

template <class Scan>
template <int kPaddedWays>
void BasicSectoredCache<Scan>::run_chunks(std::span<const CacheAccess> accesses) {
  // Chunk by chunk: find the sets and start their fetch, then do the accesses on sets that are near by then. Reads of
  // one line in a row are done as one: what the first brought in, the others would hit.
  struct Step {
    Place place;
    std::uint8_t sectors, whole;
    bool is_write;
  };
  std::array<Step, 32> steps;
  const LineLocator locate = locate_;  // copies, to stay in registers
  std::uint32_t* const entries = entries_.get();
  Tally tally = tally_;
  const int padded_ways = kPaddedWays > 0 ? kPaddedWays : padded_ways_;
  while (!accesses.empty()) {
    std::size_t taken = 0;
    std::size_t count = 0;
    for (std::uint64_t read_line = ~std::uint64_t{0}; taken < accesses.size(); ++taken) {
      const CacheAccess& access = accesses[taken];
      if (access.line == read_line && !access.is_write) {
        steps[count - 1].sectors |= access.sectors;
        ++tally.accesses;
        tally.read_sectors += std::popcount(access.sectors);
        continue;
      }
      if (count == steps.size()) break;
      read_line = access.is_write ? ~std::uint64_t{0} : access.line;
      Step& step = steps[count++];
      const LineLocator::Place at = locate(access.line);
      step = {{entries + at.set * static_cast<std::uint64_t>(padded_ways), at.key},
              access.sectors,
              access.whole,
              access.is_write};
      for (int way = 0; way < padded_ways; way += 16) __builtin_prefetch(step.place.set + way, 1);
      ++tally.accesses;
      (access.is_write ? tally.written_sectors : tally.read_sectors) += std::popcount(access.sectors);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const Step& step = steps[i];
      if (step.is_write) {
        write_at(step.place, padded_ways, step.sectors, step.whole, tally);
      } else {
        read_at(step.place, padded_ways, step.sectors, tally);
      }
    }
    accesses = accesses.subspan(taken);
  }
  tally_ = tally;
}

template <class Scan>
void BasicSectoredCache<Scan>::bound_dirty(std::uint32_t* set, Tally& tally) {
  if (Scan::count_dirty(set, padded_ways_) <= shape_.dirty_ways) return;
  int way = shape_.ways - 1;
  while ((set[way] & 0xF0u) == 0) --way;
  count_write_back(set[way], tally);
  set[way] &= ~0xF0u;
}

template <class Scan>
std::uint64_t BasicSectoredCache<Scan>::flush() {
  const std::uint64_t before = tally_.written_back;
  std::uint32_t* const end = entries_.get() + sets_ * padded_ways_;
  for (std::uint32_t* entry = entries_.get(); entry != end; ++entry) {
    count_write_back(*entry, tally_);
    *entry &= ~0xF0u;
  }
  return tally_.written_back - before;
}

template <class Scan>
void BasicSectoredCache<Scan>::invalidate() {
  std::fill_n(entries_.get(), sets_ * padded_ways_, 0u);
}

template <class Scan>
std::uint64_t BasicSectoredCache<Scan>::dirty_sectors() const {
  std::uint64_t dirty = 0;
  std::for_each_n(entries_.get(), sets_ * padded_ways_,
                  [&](std::uint32_t entry) { dirty += std::popcount(entry & 0xF0u); });
  return dirty;
}

template class BasicSectoredCache<ScalarScan>;
#if defined(__AVX2__)
template class BasicSectoredCache<Avx2Scan>;
#endif

}  // namespace flashlab
