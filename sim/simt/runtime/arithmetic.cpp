#include "sim/simt/runtime/arithmetic.hpp"

#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/simt/runtime/worker.hpp"

namespace {

struct Row {
  std::uint64_t* (*counters)();  // of the calling thread; null: an access tells
  std::uint64_t where;           // the counter's index, or the access's return address
  flashlab::simt::ArithmeticCounts counts;
};

}  // namespace

extern "C" {
/// The added code adds to it.
__thread flashlab::simt::ArithmeticWork flashlab_counted_work __attribute__((tls_model("initial-exec")));
extern const Row __start_flashlab_arithmetic[] __attribute__((weak, visibility("hidden")));
extern const Row __stop_flashlab_arithmetic[] __attribute__((weak, visibility("hidden")));
}

namespace flashlab::simt {
namespace {

struct Table {
  std::vector<const Row*> counted;                        // with counters
  std::unordered_map<std::uint32_t, const Row*> by_site;  // with accesses
};

const Table& table() {
  static const Table* const made = [] {
    auto* const t = new Table;
    for (const Row* row = __start_flashlab_arithmetic; row < __stop_flashlab_arithmetic; ++row) {
      if (row->counters != nullptr) {
        t->counted.push_back(row);
      } else {
        t->by_site[site_of(reinterpret_cast<const void*>(row->where))] = row;
      }
    }
    return t;
  }();
  return *made;
}

void add(const Row& row, std::uint64_t times, ArithmeticCounts& total) {
  for (std::size_t i = 0; i < kArithmeticClasses; ++i) total[i] += times * row.counts[i];
}

// By site, direct-mapped; what must make room goes to the map.
struct Uncounted {
  struct Slot {
    std::uint32_t site = 0;
    std::uint64_t times = 0;
    ArithmeticWork work{};
  } recent[256];
  std::unordered_map<std::uint32_t, std::uint64_t> others;
};
Uncounted& uncounted() {
  thread_local Uncounted u;
  return u;
}

}  // namespace

void note_uncounted(std::uint32_t site) {
  Uncounted& u = uncounted();
  Uncounted::Slot& slot = u.recent[site * 0x9E3779B1u >> 24];
  if (slot.site != site) {
    if (slot.times != 0) u.others[slot.site] += slot.times;
    slot = {site, 0, arithmetic_work_at(site)};
  }
  ++slot.times;
  if (slot.work.arithmetic + slot.work.special != 0) running.worker->add_work_of_lane(slot.work);
}

void forget_arithmetic() {
  for (const Row* row : table().counted) row->counters()[row->where] = 0;
  uncounted() = {};
  flashlab_counted_work = {};
}

void add_arithmetic(ArithmeticCounts& total) {
  for (const Row* row : table().counted) add(*row, row->counters()[row->where], total);
  for (const auto& slot : uncounted().recent) add_arithmetic_at(slot.site, slot.times, total);
  for (const auto& [site, times] : uncounted().others) add_arithmetic_at(site, times, total);
}

void add_arithmetic_at(std::uint32_t site, std::uint64_t threads, ArithmeticCounts& total) {
  const auto it = table().by_site.find(site);
  if (it != table().by_site.end()) add(*it->second, threads, total);
}

ArithmeticWork arithmetic_work_at(std::uint32_t site) {
  ArithmeticCounts counts{};
  add_arithmetic_at(site, 1, counts);
  return work_of(counts);
}

ArithmeticWork take_counted_work() { return std::exchange(flashlab_counted_work, {}); }

}  // namespace flashlab::simt
