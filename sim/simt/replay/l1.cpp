#include "sim/simt/replay/l1.hpp"

#include <algorithm>
#include <utility>

namespace flashlab::simt {

L1Cache::L1Cache(const CacheShape& shape, std::uint32_t first_time, std::pmr::memory_resource* memory)
    : now_(first_time), sets_(memory), owned_by_(memory) {
  const SectoredCache like(shape);  // throws for a shape that cannot be
  set_count_ = like.sets();
  ways_ = shape.ways;
  padded_ways_ = (shape.ways + kScanWidth - 1) / kScanWidth * kScanWidth;
  vectors_ = static_cast<std::size_t>(padded_ways_ / kScanWidth);
  locate_ = LineLocator(set_count_, shape.index);
  sets_.resize(set_count_ * vectors_);
  owned_by_.resize(entry_of(set_count_, 0));
}

std::uint32_t L1Cache::time_of(std::uint64_t set, int way) const {
  const std::uint32_t tag = tags_of(set)[way], time = times_of(set)[way];
  if ((tag & kOwned) == 0) return tag == 0 ? 0 : time;
  const unsigned owner = owned_by_[entry_of(set, way)];
  return std::max(time, owners_[owner >> 6].time + (owner & 63));
}

int L1Cache::victim(std::uint64_t set) const {
  int oldest = 0;
  std::uint32_t time = ~std::uint32_t{0};
  for (int way = 0; way < ways_ && time != 0; ++way) {
    if (const std::uint32_t t = time_of(set, way); t < time) {
      time = t;
      oldest = way;
    }
  }
  return oldest;
}

L1Cache::Owner& L1Cache::new_owner(Owner* owners, const LineRun& run) {
  Owner* const taken = std::min_element(owners, owners + kGroupSize, [](const Owner& a, const Owner& b) {
    return std::pair(a.intact, a.time) < std::pair(b.intact, b.time);
  });
  release(*taken);
  *taken = {.line = run.line,
            .stride = static_cast<std::int32_t>(run.stride),
            .lines = static_cast<std::uint8_t>(run.lines)};
  return *taken;
}

// The lines that it still owns get its time for their own.
void L1Cache::release(Owner& owner) {
  const int number = static_cast<int>(&owner - owners_.data());
  for (int i = 0; i < owner.lines; ++i) {
    const LineLocator::Place place =
        locate_(owner.line + static_cast<std::uint64_t>(std::int64_t{owner.stride} * i));
    std::uint32_t* const tags = tags_of(place.set);
    const int way = NativeScan::find(tags, padded_ways_, place.key, ways_ - 1);
    const std::size_t entry = entry_of(place.set, way);
    if ((tags[way] & (kEntryTagMask | kOwned)) != (place.key | kOwned) || owned_by_[entry] != (number << 6 | i))
      continue;
    times_of(place.set)[way] = time_of(place.set, way);
    tags[way] &= ~kOwned;
  }
  owner.lines = 0;
  owner.intact = false;
}

// Only the order of the lines of one set matters: they are numbered anew.
void L1Cache::restart_clock() {
  for (Owner& owner : owners_) release(owner);
  std::vector<std::uint32_t*> order(static_cast<std::size_t>(ways_));
  for (std::uint64_t set = 0; set < set_count_; ++set) {
    for (std::size_t way = 0; way < order.size(); ++way) order[way] = times_of(set) + way;
    std::ranges::sort(order, {}, [](const std::uint32_t* time) { return *time; });
    for (std::size_t i = 0; i < order.size(); ++i) *order[i] = static_cast<std::uint32_t>(i) + 1;
  }
  now_ = static_cast<std::uint32_t>(ways_) + 1;
}

}  // namespace flashlab::simt
