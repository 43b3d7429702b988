#pragma once
/// \file
/// A card of the replay as the program under it sees it.

#include <utility>

#include "sim/simt/replay/profiles.hpp"
#include "sim/simt/runtime/device_facts.hpp"

namespace flashlab::simt {

/// What cudaGetDeviceProperties answers from now on, and what a block may ask for, is this card's.
inline void pose_as(const ReplayProfile& profile) {
  DeviceFacts facts;
  const bool t4 = profile.name == "t4", hopper = profile.name.starts_with("h");
  facts.card = profile.card;
  facts.major = t4 ? 7 : hopper ? 9 : 8;
  facts.minor = t4 ? 5 : 0;
  facts.sm_count = profile.sm_count;
  facts.threads_per_sm = profile.sm.threads;
  facts.blocks_per_sm = profile.sm.blocks;
  facts.shared_bytes_per_block = profile.sm.shared_per_block;
  facts.shared_bytes_per_sm = static_cast<std::size_t>(profile.sm.carveouts_kib.back()) << 10;
  facts.shared_bytes_reserved = profile.sm.shared_reserved;
  facts.l2_bytes = std::size_t{t4 ? 4u : hopper ? 50u : 40u} << 20;
  if (profile.name != "h100") facts.clock_khz = facts.memory_clock_khz = facts.memory_bus_bits = 0;
  set_device_facts(std::move(facts));
}

}  // namespace flashlab::simt
