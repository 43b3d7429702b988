#pragma once
/// \file
/// Which SM gets which block, as the H100 deals them: cuda/measured/h100-micro/deal.csv and schedule.csv.

#include <cstdint>
#include <vector>

#include "sim/simt/replay/profiles.hpp"

namespace flashlab::simt {

/// How many SMs the first GPC of the card has, the first two, … SMs are numbered GPC by GPC here; a GPC has whole TPCs
/// (pairs of SMs), and the last ones have one more where they cannot all have as many.
std::vector<std::uint64_t> gpc_ends(const ReplayProfile& profile);

/// The SMs to which the card deals `blocks` blocks, no more than it has SMs, one each, in order: GPC by GPC. Eight SMs of
/// the first GPC always have one; where there are fewer blocks than SMs, every GPC has as many of the others, as far as it
/// has room.
std::vector<std::size_t> deal(std::uint64_t blocks, const std::vector<std::uint64_t>& gpc_ends);

}  // namespace flashlab::simt
