#include "sim/simt/replay/deal.hpp"

#include <algorithm>

namespace flashlab::simt {

std::vector<std::uint64_t> gpc_ends(const ReplayProfile& profile) {
  const auto gpcs = static_cast<std::uint64_t>(profile.gpc_count);
  const std::uint64_t sms = static_cast<std::uint64_t>(profile.sm_count), tpcs = sms / 2;
  std::vector<std::uint64_t> ends;
  for (std::uint64_t gpc = 0, end = 0; gpc < gpcs; ++gpc) {
    end += 2 * (tpcs / gpcs + (gpc >= gpcs - tpcs % gpcs));
    ends.push_back(gpc + 1 < gpcs ? end : sms);
  }
  return ends;
}

std::vector<std::size_t> deal(std::uint64_t blocks, const std::vector<std::uint64_t>& ends) {
  const std::uint64_t first = std::min<std::uint64_t>({8, blocks, ends[0]});
  std::vector<std::uint64_t> shares(ends.size(), 0);
  for (std::uint64_t left = blocks - first, turn = 0; left > 0; ++turn) {
    const std::uint64_t gpc = turn % ends.size();
    const std::uint64_t room = gpc == 0 ? ends[0] - first : ends[gpc] - ends[gpc - 1];
    // Of the first GPC half the SMs are dealt already: it has a turn in every second round.
    if (shares[gpc] == room || (gpc == 0 && turn / ends.size() % 2 == 1 && left > ends.size())) continue;
    ++shares[gpc], --left;
  }
  std::vector<std::size_t> order;
  for (std::uint64_t sm = 0; sm < first; ++sm) order.push_back(sm);
  for (std::size_t gpc = 0; gpc < ends.size(); ++gpc) {
    const std::uint64_t begin = gpc == 0 ? first : ends[gpc - 1];
    for (std::uint64_t i = 0; i < shares[gpc]; ++i) order.push_back(begin + i);
  }
  return order;
}

}  // namespace flashlab::simt
