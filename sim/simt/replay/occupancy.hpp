#pragma once
/// \file
/// How many blocks of a kernel an SM holds at once, as CUDA's occupancy calculator counts them.

#include <string_view>

#include "sim/simt/replay/profiles.hpp"

namespace flashlab::simt {

/// How long a warp is busy with one of these, waits included, in quarter cycles: the compiler's choice, as it decides
/// which of them it does side by side.
struct WarpPace {
  int shared = 24;     ///< an access of shared memory
  int arithmetic = 4;  ///< a sum or product
  int special = 80;    ///< an exponential, a division
};

/// What one block of a launch asks for.
struct KernelResources {
  int threads_per_block = 1;
  int registers_per_thread = 32;  ///< as ptxas reports
  Bytes static_shared_bytes = 0;
  Bytes dynamic_shared_bytes = 0;
  int loads_in_flight = 8;  ///< of a warp, as the compiler's code has them; for the replay, as is the pace
  WarpPace pace;
};

struct Occupancy {
  int blocks_per_sm = 0;
  int warps_per_block = 0;
  Bytes shared_carveout_bytes = 0;  ///< the smallest split that holds those blocks
  Bytes l1_bytes = 0;               ///< what it leaves to L1
  std::string_view limited_by;      ///< "threads", "blocks", "registers" or "shared memory"
};

/// Throws UsageError, naming the limit, when not even one block fits.
Occupancy occupancy(const KernelResources& kernel, const ReplayProfile& profile);

}  // namespace flashlab::simt
