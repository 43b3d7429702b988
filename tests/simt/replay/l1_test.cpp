#include "sim/simt/replay/l1.hpp"

#include <doctest/doctest.h>

#include <random>
#include <utility>
#include <vector>

using namespace flashlab;
using namespace flashlab::simt;

namespace {

using Misses = std::vector<std::pair<std::uint64_t, SectorMask>>;

Misses misses(SectoredCache& cache, const LineRun& run) {
  Misses all;
  for (int i = 0; i < run.lines; ++i) {
    if (const SectorMask missed = cache.read(run.at(i), run.of(i))) all.emplace_back(run.at(i), missed);
  }
  return all;
}

Misses misses(L1Cache& cache, const LineRun& run) {
  Misses all;
  cache.read(run, [&](std::uint64_t line, SectorMask missed) {
    if (missed != 0) all.emplace_back(line, missed);
  });
  return all;
}

/// Reads the same random runs through both: a few that come again and again, others once, single lines among them.
void compare(const CacheShape& shape, std::uint64_t lines, std::uint32_t first_time = 1) {
  std::mt19937_64 random(lines);
  const auto draw = [&](std::uint64_t below) { return random() % below; };
  const auto new_run = [&] {
    LineRun run;
    run.lines = draw(4) == 0 ? 1 + static_cast<int>(draw(64)) : 1 << draw(6);
    run.stride = draw(2) == 0 ? 1 : 1 + static_cast<std::int64_t>(draw(5));
    run.line = 1000 + draw(lines);
    if (draw(4) == 0) run.stride = -run.stride;
    run.first = 1 + static_cast<SectorMask>(draw(15));
    run.middle = 1 + static_cast<SectorMask>(draw(15));
    run.last = 1 + static_cast<SectorMask>(draw(15));
    return run;
  };
  SectoredCache plain(shape);
  L1Cache by_run(shape, first_time);
  std::vector<LineRun> known(20);
  for (LineRun& run : known) run = new_run();
  std::size_t different = 0, missed = 0;
  for (int i = 0; i < 60'000; ++i) {
    LineRun run = draw(8) == 0 ? new_run() : known[draw(known.size())];
    if (draw(100) == 0) known[draw(known.size())] = new_run();
    if (draw(10) == 0) run.middle = 1 + static_cast<SectorMask>(draw(15));
    const Misses expected = misses(plain, run);
    different += misses(by_run, run) != expected;
    missed += expected.size();
  }
  CHECK(different == 0);
  CHECK(missed > 0);
}

}  // namespace

TEST_SUITE_BEGIN("simt");

TEST_CASE("an L1 that takes runs misses what a cache that takes lines misses") {
  for (const std::uint64_t lines : {100, 900, 1500, 4000, 1'000'000}) {
    CAPTURE(lines);
    compare({.capacity_bytes = 1024 * kLineBytes, .ways = 8, .index = SetIndex::hashed}, lines);
    compare({.capacity_bytes = 960 * kLineBytes, .ways = 20, .index = SetIndex::hashed}, lines);
    compare({.capacity_bytes = 512 * kLineBytes, .ways = 4, .index = SetIndex::modulo}, lines);
  }
}

TEST_CASE("an L1 keeps its order when its clock starts anew") {
  compare({.capacity_bytes = 1024 * kLineBytes, .ways = 8, .index = SetIndex::hashed}, 1500, ~0u - 100'000);
}

TEST_CASE("a run that is resident is known, until a sector or a line of it is not there") {
  L1Cache l1({.capacity_bytes = 1024 * kLineBytes, .ways = 8, .index = SetIndex::hashed});
  const LineRun run{.line = 100, .stride = 2, .lines = 32, .first = 1, .middle = 1, .last = 1};
  int visits = 0;
  const auto count = [&](std::uint64_t, SectorMask) { ++visits; };
  CHECK_FALSE(l1.read(run, count).known);
  CHECK(visits == 32);
  CHECK(l1.read(run, count).known);
  CHECK(visits == 32);
  LineRun more = run;
  more.middle = 2;
  CHECK_FALSE(l1.read(more, count).known);
  CHECK(l1.read(run, count).known);
  for (std::uint64_t line = 0; line < 4096; ++line) l1.read({.line = 5000 + line, .first = 1}, count);
  CHECK_FALSE(l1.read(run, count).known);
}

TEST_SUITE_END();
