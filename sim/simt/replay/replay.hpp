#pragma once
/// \file
/// The second step of the simt machine: the line requests of all resident blocks, interleaved, through the L1 of each
/// SM and the shared L2 to HBM.
///
/// **Example**
///
///     Replay replay(replay_profile("h100"));
///     const ReplayCounters cold = replay.launch(source, resources);  // L2 starts empty
///     const ReplayCounters next = replay.launch(other, resources);   // and keeps what the first launch left
///     replay.flush_caches();                                         // what `ncu --cache-control all` does

#include <array>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/memory/cache.hpp"
#include "sim/simt/replay/l1.hpp"
#include "sim/simt/replay/l2.hpp"
#include "sim/simt/replay/occupancy.hpp"
#include "sim/simt/trace.hpp"

namespace flashlab::simt {

/// What one source instruction (LinePattern::site) caused. Sectors of 32 B.
struct ReplaySiteCounters {
  std::uint64_t requests = 0;  ///< warp instructions
  std::uint64_t sectors = 0;
  std::uint64_t l1_hits = 0;  ///< loads only
  std::uint64_t l2_hits = 0;
  /// Fetched, by twos: more than were asked for where their neighbours were not.
  std::uint64_t hbm_sectors = 0;
};

/// What one launch caused. Sectors of 32 B; "requests" are warp instructions.
struct ReplayCounters {
  std::uint64_t load_requests = 0, load_sectors = 0, load_l1_hit_sectors = 0;
  std::uint64_t no_l1_load_requests = 0, no_l1_load_sectors = 0;  ///< loads that pass L1 by
  std::uint64_t store_requests = 0, store_sectors = 0;
  std::uint64_t atomic_requests = 0, atomic_sectors = 0;
  std::uint64_t l2_read_requests = 0;  ///< of one line each, for what L1 lacks; merged ones count once
  std::uint64_t l2_read_sectors = 0, l2_read_hit_sectors = 0;
  std::uint64_t l2_write_sectors = 0, l2_write_hit_sectors = 0;
  std::uint64_t hbm_read_bytes = 0;
  std::uint64_t hbm_write_bytes = 0;  ///< what left L2 while the kernel ran
  std::uint64_t l2_dirty_bytes = 0;   ///< what stayed in L2, to be written later
  std::uint64_t resident_blocks = 0;  ///< the most at a time
  std::uint64_t cycles = 0;           ///< of the replay's clock: what orders the requests, no forecast of time
  std::vector<ReplaySiteCounters> sites;  ///< by LinePattern::site; empty unless asked for

  /// (Nsight Compute's metric name, value), in a fixed order. Rates are in percent, 0 where nothing was asked.
  std::vector<std::pair<std::string_view, double>> metrics() const;
};

struct ReplayOptions {
  bool per_site = false;

  // Time is counted in ticks, quarter cycles of an SM. Where each value comes from: docs/replay-model.md.

  /// An SM serves a line in four ticks, and an instruction in no less than this.
  std::uint64_t instruction_ticks = 5;
  /// A warp with KernelResources::loads_in_flight (kMostInFlight at most) waits for the oldest before the next one, and
  /// for all of them before shared accesses and barriers; for asynchronous copies at barriers only. In kernels with
  /// shared memory the next instruction comes no sooner than load_ticks after a load.
  static constexpr int kMostInFlight = 16;
  std::uint64_t load_ticks = 240;
  /// A load that hits L1 returns after this, or when the line's miss returns.
  std::uint64_t l1_ticks = 132;
  /// A load that hits L2 returns after l2_ticks, and up to so much later: by GPC, by line, and by way from SM to line.
  std::uint64_t l2_ticks = 800, l2_spread_gpcs = 480, l2_spread_lines = 160, l2_spread_ways = 20;
  /// A sector keeps the SM's way from L2 busy for so long.
  std::uint64_t fill_ticks = 2;
  /// What L2 lacks comes this much later, up to hbm_spread_lines more by line, and up to hbm_spread more by chance.
  std::uint64_t hbm_ticks = 1200, hbm_spread_lines = 900, hbm_spread = 240;
  /// What a warp does between its requests keeps the SM busy, and the warp for longer (KernelResources::pace). An access
  /// of shared memory takes the whole SM, arithmetic one of its four schedulers, so that the longer of both counts. A
  /// warp makes so many accesses in a row, with their part of the arithmetic.
  std::uint64_t shared_ticks = 4, arithmetic_ticks = 1, special_ticks = 8;
  std::uint64_t shared_in_a_row = 2;
  /// Of 256 turns so many go to the block that came first, or near to it (in a kernel without shared memory, to the first
  /// warp that is ready); the others to all in turn (by lot).
  std::uint64_t oldest_first = 64, oldest_first_with_tiles = 160;
  /// The first blocks start one after the other, so far apart.
  std::uint64_t deal_ticks = 4;
  /// A place that is free gets its next block so much later, and up to the spread more.
  std::uint64_t block_start_ticks = 1776, block_start_spread = 760;
  /// Reads of the same sectors by SMs of one GPC go to L2 as one, up to four of them, until L2 has answered the first:
  /// after merge_ticks, up to merge_spread later by line, and later by what HBM takes.
  std::uint64_t merge_ticks = 170, merge_spread = 200;
  /// How long an SM runs before the next has its turn: small is a finer interleaving, large is faster.
  std::uint64_t visit_ticks = 128;

  /// Called now and then with the number of blocks that have ended, of how many.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

/// A card's memory system. The L2 lives as long as the object; every L1 is empty when a kernel starts.
///
/// Blocks become resident in order of their index, first one an SM, then a second one, …; when a block ends its SM takes
/// the next. Each SM has a clock: its warps' instructions take time, and a warp that waits for its loads lets the others
/// go on (ReplayOptions). That decides which SMs meet at a line and which of them come too late. Chance has a part (how long
/// HBM takes, when a next block starts, which warp goes on in a kernel without shared memory), from a generator that every
/// launch starts anew, so that the counts depend on nothing but the traces: pages of 2 MiB are renamed in order of their
/// first touch, so the addresses of the host do not matter as long as each allocation keeps its place within a page.
class Replay {
 public:
  explicit Replay(const ReplayProfile& profile);

  /// Runs every block of `source`. Throws UsageError when no block fits an SM or an option is out of range, EnvironmentError when the kernel touches
  /// more memory than the cache model can name (at least 32 GiB).
  ReplayCounters launch(BlockSource& source, const KernelResources& resources,
                        const ReplayOptions& options = {});

  /// Empties the L2, dirty sectors too; they count for no launch.
  void flush_caches();
  /// The same as Nsight Compute does it: some dirty lines of its own stay, and leave while the kernel runs.
  void flush_caches_as_profiler();

  const ReplayProfile& profile() const { return profile_; }

 private:
  friend class LaunchRun;

  /// 2 MiB pages, renamed to 0, 1, 2, … as they are first touched.
  class Pages {
   public:
    std::uint64_t rename(std::uint64_t line) {
      const std::uint64_t page = line >> kLineBits;
      Entry& entry = recent_[place(page)];
      if (entry.page != page) [[unlikely]]
        entry = {page, (look_up(page) - page) << kLineBits};
      return line + entry.distance;
    }
    static bool same(std::uint64_t line, std::uint64_t other) {
      return line >> kLineBits == other >> kLineBits;
    }
    std::uint64_t line_count() const { return static_cast<std::uint64_t>(names_.size()) << kLineBits; }

   private:
    static constexpr int kLineBits = 14;
    struct Entry {
      std::uint64_t page = ~std::uint64_t{0};
      std::uint64_t distance = 0;  ///< from a line's own number to the new one
    };
    std::uint64_t look_up(std::uint64_t page) { return names_.try_emplace(page, names_.size()).first->second; }

    static std::size_t place(std::uint64_t page) { return page * 0x9E3779B97F4A7C15u >> 56; }

    std::array<Entry, 256> recent_;
    std::unordered_map<std::uint64_t, std::uint64_t> names_;
  };

  ReplayProfile profile_;
  PartitionedL2 l2_;
  Pages pages_;
};

}  // namespace flashlab::simt
