#pragma once
/// \file
/// What the replay must know of a card: the limits that decide how many blocks are resident, and the caches.

#include <span>
#include <string_view>

#include "sim/memory/cache.hpp"

namespace flashlab::simt {

/// Limits of one SM, from NVIDIA's table of compute capabilities (CUDA C++ Programming Guide).
struct SmLimits {
  int threads = 0;
  int warps = 0;
  int blocks = 0;
  int registers = 0;
  int registers_per_thread = 255;
  int register_unit = 256;             ///< registers are handed out to a warp in multiples of this
  int partitions = 4;                  ///< a warp's registers come from one of these, each with its share
  Bytes shared_unit = 128;             ///< shared memory is handed out to a block in multiples of this
  Bytes shared_reserved = 1024;        ///< the system's own, a block
  Bytes shared_per_block = 0;          ///< the most that a kernel can opt in to
  Bytes unified_bytes = 0;             ///< L1 and shared memory together
  std::span<const int> carveouts_kib;  ///< how much of it can be shared memory, ascending
  /// Unless asked for, a split smaller than `next_split` is given only to launches that need no more than this.
  Bytes small_split_holds = 0, next_split = 0;
};

/// A card for the replay. The L1's organisation and the L2's policy are fitted: docs/replay-model.md.
struct ReplayProfile {
  std::string_view name;  ///< "h100"
  std::string_view card;  ///< "NVIDIA H100 SXM"
  int sm_count = 0;
  int gpc_count = 1;  ///< SMs of one GPC merge their reads before L2
  SmLimits sm;
  int l1_ways = 0;
  CacheShape l2;
  int l2_partitions = 1;          ///< l2.capacity_bytes is the sum of them
  Bytes hbm_bytes_per_cycle = 0;  ///< of an SM's clock, that kernels see; 0: no bound
  Bytes profiler_dirt_bytes = 0;  ///< dirty in L2 when a profiled kernel starts
};

/// T4, A100, H100, H200.
std::span<const ReplayProfile> replay_profiles();
/// The profile of that name, upper or lower case; throws UsageError that lists the names.
const ReplayProfile& replay_profile(std::string_view name);

}  // namespace flashlab::simt
