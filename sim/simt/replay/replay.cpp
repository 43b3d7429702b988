#include "sim/simt/replay/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "sim/core/error.hpp"
#include "sim/core/text.hpp"

namespace flashlab::simt {
namespace {

enum class WarpState : std::uint8_t { ready, at_barrier, ended };

struct Warp {
  const LineRequest* next = nullptr;
  const LineRequest* end = nullptr;
  const LinePattern* patterns = nullptr;
  std::uint32_t slot = 0;  ///< of its block, in the SM
  WarpState state = WarpState::ended;
};

/// A place for a block on an SM.
struct Slot {
  BlockTrace trace;
  int live = 0;     ///< warps that have not ended
  int waiting = 0;  ///< of those, at the barrier
};

struct Sm {
  L1Cache l1;
  std::size_t side = 0;  ///< its partition of the L2
  std::vector<Slot> slots;
  std::vector<Warp> warps;  ///< of all slots, in order of slot
  int live_blocks = 0;
  int live_warps = 0;
  std::size_t next_warp = 0;
  std::uint64_t clock = 0;
};

std::uint64_t popcount(SectorMask sectors) { return static_cast<std::uint64_t>(std::popcount(sectors)); }

/// SMs are numbered in the order in which the card deals them their first block; the first eight are on one side.
std::size_t side_of(std::uint64_t sm) { return sm < 8 ? 0 : (sm - 8) / 2 % 2; }

CacheShape l1_shape(const ReplayProfile& profile, Bytes bytes) {
  const Bytes row = static_cast<Bytes>(profile.l1_ways) * kLineBytes;
  return {.capacity_bytes = bytes / row * row, .ways = profile.l1_ways, .index = SetIndex::hashed};
}

}  // namespace

/// One launch under way.
class LaunchRun {
 public:
  LaunchRun(Replay& replay, BlockSource& source, const Occupancy& occupancy, const ReplayOptions& options)
      : replay_(replay), source_(source), options_(options), block_count_(source.block_count()) {
    const std::uint64_t sms = std::min<std::uint64_t>(replay.profile_.sm_count, block_count_);
    sms_.reserve(sms);
    for (std::uint64_t i = 0; i < sms; ++i) {
      sms_.push_back({L1Cache(l1_shape(replay.profile_, occupancy.l1_bytes)), side_of(i), {}, {}});
      sms_.back().slots.resize(static_cast<std::size_t>(occupancy.blocks_per_sm));
      sms_.back().warps.resize(sms_.back().slots.size() * static_cast<std::size_t>(occupancy.warps_per_block));
    }
    line_limit_ = std::min(replay.l2_.line_limit(), sms_.empty() ? ~std::uint64_t{0} : sms_[0].l1.line_limit());
    warps_per_block_ = static_cast<std::size_t>(occupancy.warps_per_block);
  }

  ReplayCounters run() {
    for (std::size_t slot = 0; !sms_.empty() && slot < sms_[0].slots.size(); ++slot) {
      for (Sm& sm : sms_) place_next_block(sm, slot);
    }
    counters_.resident_blocks = next_block_;
    for (std::uint64_t shown = 0; ended_blocks_ < block_count_;) {
      clock_ += options_.visit_ticks;
      for (Sm& sm : sms_) visit(sm);
      if (options_.progress && ended_blocks_ * 100 / block_count_ != shown) {
        shown = ended_blocks_ * 100 / block_count_;
        options_.progress(ended_blocks_, block_count_);
      }
    }
    return std::move(counters_);
  }

 private:
  void place_next_block(Sm& sm, std::size_t slot_index) {
    while (next_block_ < block_count_) {
      Slot& slot = sm.slots[slot_index];
      slot.trace = source_.run(next_block_++);
      const std::size_t warps = slot.trace.warps.size();
      if (warps > warps_per_block_) {
        throw UsageError(fmt::format("block {} left the traces of {} warps: the launch has {} a block",
                                     next_block_ - 1, warps, warps_per_block_));
      }
      slot.live = 0;
      slot.waiting = 0;
      for (std::size_t i = 0; i < warps; ++i) {
        const std::vector<LineRequest>& stream = slot.trace.warps[i];
        if (stream.empty()) continue;
        sm.warps[slot_index * warps_per_block_ + i] = {
            stream.data(), stream.data() + stream.size(), slot.trace.patterns.data(),
            static_cast<std::uint32_t>(slot_index), WarpState::ready};
        ++slot.live;
        ++sm.live_warps;
      }
      if (slot.live > 0) {
        ++sm.live_blocks;
        return;
      }
      ++ended_blocks_;  // a block that touches no global memory
    }
  }

  void visit(Sm& sm) {
    const std::size_t warps = sm.warps.size();
    for (std::size_t i = sm.next_warp; sm.live_blocks > 0 && sm.clock < clock_;) {
      if (draw(static_cast<std::size_t>(options_.lot_every)) == 0) i = draw(warps);
      for (std::size_t seen = 0; seen < 8; ++seen) {
        Warp& warp = sm.warps[i];
        i = i + 1 == warps ? 0 : i + 1;
        if (i + 1 < warps) prefetch_stream(sm.warps[i + 1]);
        if (warp.state == WarpState::ready) serve_instruction(sm, warp);
      }
      sm.next_warp = i;
    }
    if (sm.live_blocks == 0) sm.clock = clock_;
  }

  std::size_t draw(std::size_t below) {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>((random_ >> 32) * below >> 32);
  }

  // A warp's stream is a miss of the host's caches nearly every time: it is asked for before it is needed.
  static void prefetch_stream(const Warp& warp) { __builtin_prefetch(warp.next); }

  // So are the sets that an instruction of scattered lines will look at.
  void prefetch_sets(const Sm& sm, const Warp& warp) {
    for (const LineRequest* request = warp.next; request != warp.end; ++request) {
      sm.l1.prefetch(replay_.pages_.rename(request->line()));
      if (!warp.patterns[request->pattern()].more) break;
    }
  }

  void serve_instruction(Sm& sm, Warp& warp) {
    const LinePattern* pattern = &warp.patterns[warp.next->pattern()];
    if (pattern->op == LineOp::barrier) {
      ++warp.next;
      warp.state = WarpState::at_barrier;
      ++sm.slots[warp.slot].waiting;
      release_if_all_wait(sm, warp.slot);
    } else {
      std::uint64_t lines = 0;
      if (pattern->more) prefetch_sets(sm, warp);
      for (;;) {
        serve(sm, warp.next->line(), *pattern);
        lines += pattern->lines;
        ++warp.next;
        if (!pattern->more || warp.next == warp.end) break;
        pattern = &warp.patterns[warp.next->pattern()];
      }
      sm.clock += std::max({lines, options_.instruction_ticks,
                            options_.latency_ticks / static_cast<std::uint64_t>(sm.live_warps)});
    }
    if (warp.next == warp.end && warp.state == WarpState::ready) end_warp(sm, warp);
  }

  void release_if_all_wait(Sm& sm, std::uint32_t slot_index) {
    Slot& slot = sm.slots[slot_index];
    if (slot.live == 0 || slot.waiting < slot.live) return;
    slot.waiting = 0;
    for (std::size_t i = 0; i < warps_per_block_; ++i) {
      Warp& warp = sm.warps[slot_index * warps_per_block_ + i];
      if (warp.state != WarpState::at_barrier) continue;
      warp.state = WarpState::ready;
      if (warp.next == warp.end) end_warp(sm, warp);
    }
  }

  void end_warp(Sm& sm, Warp& warp) {
    const std::uint32_t slot_index = warp.slot;
    Slot& slot = sm.slots[slot_index];
    warp.state = WarpState::ended;
    --sm.live_warps;
    const std::size_t place = static_cast<std::size_t>(&warp - sm.warps.data()) - slot_index * warps_per_block_;
    std::vector<LineRequest>().swap(slot.trace.warps[place]);
    if (--slot.live > 0) {
      release_if_all_wait(sm, slot_index);  // the others may wait for this one only
      return;
    }
    --sm.live_blocks;
    ++ended_blocks_;
    place_next_block(sm, slot_index);
  }

  void serve(Sm& sm, std::uint64_t line, const LinePattern& pattern) {
    const std::uint64_t requests = !pattern.more, sectors = pattern.sectors();
    const std::uint64_t l1_hits_before = counters_.load_l1_hit_sectors, hbm_before = counters_.hbm_read_bytes;
    switch (pattern.op) {
      case LineOp::load:
        counters_.load_requests += requests;
        counters_.load_sectors += sectors;
        counters_.load_l1_hit_sectors += sectors;
        each_run(line, pattern, [&](const LineRun& run) {
          sm.l1.read(run, [&](std::uint64_t l, SectorMask missed) {
            if (missed == 0) return std::uint64_t{0};
            counters_.load_l1_hit_sectors -= popcount(missed);
            read_l2(sm.side, l, merged(sm, l, missed));
            return std::uint64_t{0};
          });
        });
        break;
      case LineOp::load_no_l1:
        counters_.no_l1_load_requests += requests;
        counters_.no_l1_load_sectors += sectors;
        each_line(line, pattern, [&](std::uint64_t l, SectorMask touched, SectorMask) {
          read_l2(sm.side, l, merged(sm, l, touched));
        });
        break;
      case LineOp::store:
        counters_.store_requests += requests;
        counters_.store_sectors += sectors;
        counters_.l2_write_sectors += sectors;
        counters_.l2_write_hit_sectors += sectors;
        each_line(line, pattern, [&](std::uint64_t l, SectorMask touched, SectorMask whole) {
          counters_.l2_write_hit_sectors -= popcount(replay_.l2_.write(l, touched, whole));
          if (whole != 0)
            sm.l1.read({.line = l, .first = whole},
                       [](auto...) { return std::uint64_t{0}; });  // L1 keeps what it wrote through
        });
        break;
      case LineOp::atomic:  // L2 reads, changes and keeps the sector
        counters_.atomic_requests += requests;
        counters_.atomic_sectors += sectors;
        each_line(line, pattern, [&](std::uint64_t l, SectorMask touched, SectorMask) {
          counters_.hbm_read_bytes += popcount(replay_.l2_.read(sm.side, l, touched).hbm) * kSectorBytes;
          replay_.l2_.write(l, touched, touched);
        });
        break;
      case LineOp::barrier:
        break;
    }
    if (options_.per_site)
      count_site(pattern, counters_.load_l1_hit_sectors - l1_hits_before,
                 counters_.hbm_read_bytes - hbm_before);
  }

  /// The lines of a request under their new names: as one run where they lie in one page.
  template <class Body>
  void each_run(std::uint64_t line, const LinePattern& p, const Body& body) {
    const std::uint64_t last = line + static_cast<std::uint64_t>(std::int64_t{p.stride} * (p.lines - 1));
    if (p.lines == 1 || Replay::Pages::same(line, last)) {
      body(LineRun{rename(line), p.stride, p.lines, p.first.touched, p.middle.touched, p.last.touched});
    } else {
      each_line(line, p, [&](std::uint64_t l, SectorMask touched, SectorMask) {
        body(LineRun{.line = l, .first = touched});
      });
    }
  }
  /// The lines of a request under their new names, with the sectors touched and those written in full.
  template <class Body>
  void each_line(std::uint64_t line, const LinePattern& p, const Body& body) {
    for (int i = 0; i < p.lines; ++i) {
      const TouchedSectors sectors = p.of(i);
      body(rename(line + static_cast<std::uint64_t>(std::int64_t{p.stride} * i)), sectors.touched,
           sectors.whole);
    }
  }
  std::uint64_t rename(std::uint64_t line) {
    const std::uint64_t renamed = replay_.pages_.rename(line);
    if (renamed >= line_limit_) {
      throw EnvironmentError(
          fmt::format("the kernel touches more than {} of memory: the cache model names no more",
                      format_bytes(line_limit_ * kLineBytes)));
    }
    return renamed;
  }

  /// What is left of a read when the sectors that other SMs of the side have just asked for are taken out.
  SectorMask merged(const Sm& sm, std::uint64_t line, SectorMask sectors) {
    Recent& recent = recent_[sm.side][line * 0x9E3779B97F4A7C15u >> (64 - kRecentBits)];
    const std::uint64_t apart = sm.clock > recent.clock ? sm.clock - recent.clock : recent.clock - sm.clock;
    if (recent.line != line || recent.sm == &sm || apart > options_.merge_ticks ||
        recent.reads == kMergedReads) {
      recent = {line, sm.clock, &sm, 0, 0};
    }
    const SectorMask left = sectors & ~recent.sectors;
    recent.sectors |= sectors;
    ++recent.reads;
    return left;
  }

  void read_l2(std::size_t side, std::uint64_t line, SectorMask sectors) {
    if (sectors == 0) return;
    const PartitionedL2::Missed missed = replay_.l2_.read(side, line, sectors);
    counters_.l2_read_sectors += popcount(sectors);
    counters_.l2_read_hit_sectors += popcount(sectors) - popcount(missed.l2);
    counters_.hbm_read_bytes += popcount(missed.hbm) * kSectorBytes;
  }

  void count_site(const LinePattern& pattern, std::uint64_t l1_hits, std::uint64_t hbm_bytes) {
    if (pattern.site >= counters_.sites.size()) counters_.sites.resize(pattern.site + 1);
    ReplaySiteCounters& site = counters_.sites[pattern.site];
    const std::uint64_t sectors = pattern.sectors(), hbm_sectors = hbm_bytes / kSectorBytes;
    site.requests += !pattern.more;
    site.sectors += sectors;
    site.hbm_sectors += hbm_sectors;
    if (pattern.op == LineOp::load || pattern.op == LineOp::load_no_l1) {
      site.l1_hits += l1_hits;
      site.l2_hits += sectors - l1_hits - hbm_sectors;
    }
  }

  Replay& replay_;
  BlockSource& source_;
  const ReplayOptions& options_;
  std::uint64_t block_count_;
  std::uint64_t next_block_ = 0;
  std::uint64_t ended_blocks_ = 0;
  std::uint64_t line_limit_ = 0;
  std::size_t warps_per_block_ = 0;
  static constexpr int kRecentBits = 12;
  static constexpr int kMergedReads = 4;
  struct Recent {
    std::uint64_t line = ~std::uint64_t{0};
    std::uint64_t clock = 0;
    const Sm* sm = nullptr;  ///< that asked first
    SectorMask sectors = 0;
    int reads = 0;
  };
  std::array<std::array<Recent, std::size_t{1} << kRecentBits>, 2> recent_;
  std::uint64_t clock_ = 0;
  std::uint64_t random_ = 0x853C49E6748FEA9Bu;
  std::vector<Sm> sms_;
  ReplayCounters counters_;
};

Replay::Replay(const ReplayProfile& profile) : profile_(profile), l2_(profile) {}

ReplayCounters Replay::launch(BlockSource& source, const KernelResources& resources,
                              const ReplayOptions& options) {
  LaunchRun run(*this, source, occupancy(resources, profile_), options);
  l2_.reset_counters();
  ReplayCounters counters = run.run();
  const CacheCounters l2 = l2_.counters();
  counters.hbm_write_bytes = l2.written_back_sectors * kSectorBytes;
  counters.l2_dirty_bytes = l2_.dirty_sectors() * kSectorBytes;
  return counters;
}

void Replay::flush_caches() { l2_.invalidate(); }

void Replay::flush_caches_as_profiler() {
  l2_.invalidate();
  l2_.soil(profile_.profiler_dirt_bytes);
}

std::vector<std::pair<std::string_view, double>> ReplayCounters::metrics() const {
  const auto percent = [](std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  };
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  return {
      {"l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum", number(load_requests)},
      {"l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum", number(load_sectors)},
      {"l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_hit.sum", number(load_l1_hit_sectors)},
      {"l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_miss.sum",
       number(load_sectors - load_l1_hit_sectors)},
      {"l1tex__t_requests_pipe_lsu_mem_global_op_st.sum", number(store_requests)},
      {"l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum", number(store_sectors)},
      {"l1tex__t_sector_pipe_lsu_mem_global_op_ld_hit_rate.pct", percent(load_l1_hit_sectors, load_sectors)},
      {"lts__t_sectors_srcunit_tex_op_read.sum", number(l2_read_sectors)},
      {"lts__t_sectors_srcunit_tex_op_write.sum", number(l2_write_sectors)},
      {"lts__t_sectors_srcunit_tex_op_atom.sum", number(atomic_sectors)},
      {"lts__t_sector_op_read_hit_rate.pct", percent(l2_read_hit_sectors, l2_read_sectors)},
      {"dram__bytes_read.sum", number(hbm_read_bytes)},
      {"dram__bytes_write.sum", number(hbm_write_bytes)},
  };
}

}  // namespace flashlab::simt
