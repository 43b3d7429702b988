#pragma once
/// \file
/// What flashlab measure prints.

#include <string>
#include <vector>

#include "sim/cli/measured.hpp"

namespace flashlab::cli {

/// Whether the card counted fused multiply-adds in any of these.
bool has_ffma(const std::vector<Comparison>& rows);
/// Simulated beside measured, a launch a line.
std::string to_table(const std::vector<Comparison>& rows);
/// "Outside a band, of 98 launches of a kernel: load wavefronts 4, L2 read sectors 3."
std::string outside(const std::vector<Comparison>& rows);
/// What the card counted, nothing beside it.
std::string to_card_table(const std::vector<Comparison>& rows);
std::string to_csv(const std::vector<Comparison>& rows);
/// Of each measured launch that uses shared memory: the wavefronts that the card adds to those of its instructions
/// (in these kernels no two lanes meet in a bank), beside the warps that share an SM.
std::string to_replay_table(const MeasureArguments& a, const std::vector<gpu::Measurement>& measurements);

}  // namespace flashlab::cli
