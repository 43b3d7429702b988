#include "sim/simt/replay/deal.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <vector>

#include "tests/simt/measured_csv.hpp"

using namespace flashlab::simt;

namespace {

/// The GPC of each of the measured card's SMs: those that merge their reads (micro kernels "merging", who).
std::map<int, int> measured_gpcs() {
  std::map<int, int> gpc_of;
  for (const MeasuredRow& row : measured_rows("merging")) {
    if (row.text("case") != "who") continue;
    const std::vector<int> sms = row.parameters("sms");
    gpc_of[sms.at(0)] = sms.at(0) / 2;
    const double ratio = row.number("l2_read_sectors") / row.number("load_misses");
    CHECK((ratio < 0.55 || ratio > 0.95));  // nothing between: they do or they do not
    if (ratio < 0.55) gpc_of[sms.at(1)] = sms.at(0) / 2;
  }
  return gpc_of;
}

std::map<std::size_t, int> sizes(const std::vector<std::uint64_t>& ends, const std::vector<std::size_t>& sms) {
  std::map<std::size_t, int> count;
  for (const std::size_t sm : sms) ++count[std::ranges::upper_bound(ends, sm) - ends.begin()];
  return count;
}

std::vector<int> sorted(const auto& counts) {
  std::vector<int> values;
  for (const auto& [gpc, count] : counts) values.push_back(count);
  std::ranges::sort(values);
  return values;
}

}  // namespace

TEST_SUITE_BEGIN("simt");

TEST_CASE("the H100's GPCs have as many SMs as those that merge on the card") {
  std::map<int, int> measured;
  for (const auto& [sm, gpc] : measured_gpcs()) ++measured[gpc];
  const std::vector<std::uint64_t> ends = gpc_ends(replay_profile("h100"));
  std::vector<std::size_t> all(132);
  for (std::size_t sm = 0; sm < all.size(); ++sm) all[sm] = sm;
  CHECK(sorted(sizes(ends, all)) == sorted(measured));
}

TEST_CASE("blocks go GPC by GPC, and as many to each as on the card when there are too few for all SMs") {
  const std::map<int, int> gpc_of = measured_gpcs();
  const std::vector<std::uint64_t> ends = gpc_ends(replay_profile("h100"));
  std::map<int, std::vector<int>> grids;
  for (const MeasuredRow& row : measured_rows("deal")) grids[row.integer("grid")].push_back(row.integer("sm"));
  for (const auto& [grid, sms] : grids) {
    CAPTURE(grid);
    const int before = grid > 132 ? 132 : 0;  // a first block on every SM, then these
    std::map<int, int> card;
    for (std::size_t block = static_cast<std::size_t>(before); block < sms.size(); ++block)
      ++card[gpc_of.at(sms[block])];
    const std::vector<std::size_t> dealt = deal(static_cast<std::uint64_t>(grid - before), ends);
    CHECK(dealt.size() == static_cast<std::size_t>(grid - before));
    CHECK(std::set(dealt.begin(), dealt.end()).size() == dealt.size());
    const std::vector<int> ours = sorted(sizes(ends, dealt)), theirs = sorted(card);
    REQUIRE(ours.size() == theirs.size());
    for (std::size_t gpc = 0; gpc < ours.size(); ++gpc) CHECK(std::abs(ours[gpc] - theirs[gpc]) <= 2);
  }
}

TEST_CASE("every card's SMs are dealt once") {
  for (const ReplayProfile& profile : replay_profiles()) {
    const std::vector<std::uint64_t> ends = gpc_ends(profile);
    CHECK(ends.back() == static_cast<std::uint64_t>(profile.sm_count));
    CHECK(std::ranges::is_sorted(ends));
    for (std::uint64_t blocks = 0; blocks <= ends.back(); ++blocks) {
      const std::vector<std::size_t> sms = deal(blocks, ends);
      CHECK(std::set(sms.begin(), sms.end()).size() == blocks);
    }
  }
}

TEST_SUITE_END();
