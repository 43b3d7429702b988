#include "sim/simt/replay/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <deque>

#include "sim/core/error.hpp"
#include "sim/core/text.hpp"
#include "sim/simt/replay/deal.hpp"
#include "sim/simt/replay/sm.hpp"

namespace flashlab::simt {
namespace {

constexpr Time kLineTicks = 4, kTicksPerCycle = 4;

std::uint64_t popcount(SectorMask sectors) { return static_cast<std::uint64_t>(std::popcount(sectors)); }

CacheShape l1_shape(const ReplayProfile& profile, Bytes bytes) {
  const Bytes row = static_cast<Bytes>(profile.l1_ways) * kLineBytes;
  return {.capacity_bytes = bytes / row * row, .ways = profile.l1_ways, .index = SetIndex::hashed};
}

}  // namespace

/// One launch under way.
class LaunchRun {
 public:
  LaunchRun(Replay& replay, BlockSource& source, const KernelResources& resources, const ReplayOptions& options)
      : replay_(replay),
        source_(source),
        options_(options),
        has_tiles_(resources.static_shared_bytes + resources.dynamic_shared_bytes > 0),
        loads_in_flight_(resources.loads_in_flight),
        block_count_(source.block_count()),
        hbm_sector_cost_(replay.profile_.hbm_bytes_per_cycle == 0 ? 0
                                                                  : kHbmParts * kTicksPerCycle * kSectorBytes /
                                                                        replay.profile_.hbm_bytes_per_cycle) {
    if (loads_in_flight_ < 1 || loads_in_flight_ > ReplayOptions::kMostInFlight) {
      throw UsageError(fmt::format("a warp has 1 to {} loads under way", ReplayOptions::kMostInFlight));
    }
    if (options.shared_in_a_row < 1 || options.visit_ticks < 1)
      throw UsageError("ReplayOptions: shared_in_a_row and visit_ticks are 1 or more");
    const Occupancy occupancy = simt::occupancy(resources, replay.profile_);
    gpc_ends_ = gpc_ends(replay.profile_);
    merger_ = ReadMerger(gpc_ends_.size());
    const auto sms = static_cast<std::size_t>(replay.profile_.sm_count);
    sms_.reserve(sms);
    for (std::size_t i = 0, gpc = 0; i < sms; ++i) {
      if (i == gpc_ends_[gpc]) ++gpc;
      sms_.push_back({.l1 = L1Cache(l1_shape(replay.profile_, occupancy.l1_bytes)),
                      .gpc = gpc,
                      .side = gpc % 2,
                      .number = i});
      sms_.back().slots.resize(static_cast<std::size_t>(occupancy.blocks_per_sm));
      sms_.back().warps.resize(sms_.back().slots.size() * static_cast<std::size_t>(occupancy.warps_per_block));
    }
    line_limit_ = std::min(replay.l2_.line_limit(), sms_[0].l1.line_limit());
    warps_per_block_ = static_cast<std::size_t>(occupancy.warps_per_block);
    turn_rule_ = {has_tiles_, warps_per_block_,
                  has_tiles_ ? options.oldest_first_with_tiles : options.oldest_first};
  }

  ReplayCounters run() {
    for (std::size_t slot = 0; slot < sms_[0].slots.size(); ++slot) {
      const std::uint64_t left = block_count_ - next_block_;
      for (const std::size_t sm : deal(std::min<std::uint64_t>(left, sms_.size()), gpc_ends_))
        place_next_block(sms_[sm], slot, next_block_ * options_.deal_ticks);
    }
    counters_.resident_blocks = next_block_;
    for (std::uint64_t shown = 0; ended_blocks_ < block_count_;) {
      clock_ += options_.visit_ticks;
      for (std::size_t i = 0; i < sms_.size(); ++i) {
        if (i + 3 < sms_.size()) {
          const Sm& third = sms_[i + 3];
          if (third.turn_count > 0) __builtin_prefetch(&third.warps[third.turns[0]]);
          prefetch_turn(sms_[i + 2], 0);
          prefetch_lines(sms_[i + 1]);
        }
        visit(sms_[i]);
      }
      if (options_.progress && ended_blocks_ * 100 / block_count_ != shown) {
        shown = ended_blocks_ * 100 / block_count_;
        options_.progress(ended_blocks_, block_count_);
      }
    }
    for (const Sm& sm : sms_)
      counters_.cycles = std::max<std::uint64_t>(counters_.cycles, sm.last_end / kTicksPerCycle);
    return std::move(counters_);
  }

 private:
  void place_next_block(Sm& sm, std::size_t slot_index, Time start) {
    while (next_block_ < block_count_) {
      Slot& slot = sm.slots[slot_index];
      slot.trace = source_.run(next_block_++);
      const std::size_t warps = slot.trace.warps.size();
      if (warps > warps_per_block_) {
        throw UsageError(fmt::format("block {} left the traces of {} warps: the launch has {} a block",
                                     next_block_ - 1, warps, warps_per_block_));
      }
      const LinePattern* const patterns = shared_patterns(slot.trace);
      slot.live = 0;
      slot.waiting = 0;
      slot.last = 0;
      for (std::size_t i = 0; i < warps; ++i) {
        const std::vector<LineRequest>& stream = slot.trace.warps[i];
        if (stream.empty()) continue;
        const std::size_t warp = slot_index * warps_per_block_ + i;
        sm.warps[warp] = {stream.data(), stream.data() + stream.size(), patterns,
                          static_cast<std::uint32_t>(slot_index), WarpState::running};
        sm.sleep(warp, start);
        ++slot.live;
      }
      if (slot.live > 0) {
        ++sm.live_blocks;
        return;
      }
      ++ended_blocks_;  // a block that touches no global memory
    }
  }

  /// Blocks of a kernel mostly have the same patterns: one copy of them stays in the host's caches.
  const LinePattern* shared_patterns(BlockTrace& trace) {
    for (std::vector<LinePattern>& known : pattern_tables_) {
      if (known == trace.patterns) {
        std::vector<LinePattern>().swap(trace.patterns);
        return known.data();
      }
    }
    if (pattern_tables_.size() == kPatternTables) return trace.patterns.data();
    return pattern_tables_.emplace_back(std::move(trace.patterns)).data();
  }

  void visit(Sm& sm) {
    while (sm.live_blocks > 0 && sm.clock < clock_) {
      if (sm.asleep != 0 && sm.next_wake <= sm.clock) sm.wake_up();
      if (sm.ready == 0) {
        sm.clock = std::min(sm.next_wake, clock_);
        continue;
      }
      turn_rule_.draw(sm, lots_);
      serve_instruction(sm, sm.take_turn());
      turn_rule_.draw(sm, lots_);
      prefetch_turn(sm, 1);
      prefetch_lines(sm);
    }
    if (sm.live_blocks == 0) sm.clock = clock_;
  }

  // A warp's state, its stream and what its next instruction looks at in L1 are misses of the host's caches nearly every
  // time: they are asked for in this order, a turn apart.
  static void prefetch_turn(const Sm& sm, int turn) {
    if (turn < sm.turn_count) __builtin_prefetch(sm.warps[sm.turns[static_cast<std::size_t>(turn)]].next);
  }
  void prefetch_lines(const Sm& sm) {
    if (sm.turn_count == 0) return;
    const ReplayWarp& warp = sm.warps[sm.turns[0]];
    const LinePattern& pattern = warp.patterns[warp.next->pattern()];
    if (pattern.lines != 0)
      sm.l1.prefetch_run(replay_.pages_.rename(warp.next->line()), pattern.stride, pattern.lines);
  }
  // So are the sets that an instruction of scattered lines will look at.
  void prefetch_sets(const Sm& sm, const ReplayWarp& warp) {
    for (const LineRequest* request = warp.next; request != warp.end; ++request) {
      sm.l1.prefetch(replay_.pages_.rename(request->line()));
      if (!warp.patterns[request->pattern()].more) break;
    }
  }

  void serve_instruction(Sm& sm, std::size_t index) {
    ReplayWarp& warp = sm.warps[index];
    const std::uint64_t bit = std::uint64_t{1} << index;
    const LinePattern* pattern = &warp.patterns[warp.next->pattern()];
    if (pattern->op == LineOp::barrier) {
      ++warp.next;
      warp.state = WarpState::at_barrier;
      sm.ready ^= bit;
      Slot& slot = sm.slots[warp.slot];
      ++slot.waiting;
      slot.last = std::max({slot.last, sm.clock, warp.data_at, warp.copies_at});
      release_if_all_wait(sm, warp.slot);
      return;
    }
    if (pattern->op == LineOp::work) {
      serve_work(sm, index);
      return;
    }
    const LineOp op = pattern->op;
    if (pattern->more) prefetch_sets(sm, warp);
    Time lines = 0, data_at = 0;
    for (;;) {
      data_at = std::max(data_at, serve(sm, warp.next->line(), *pattern));
      lines += pattern->lines;
      ++warp.next;
      if (!pattern->more || warp.next == warp.end) break;
      pattern = &warp.patterns[warp.next->pattern()];
    }
    Time& there = op == LineOp::load_no_l1 ? warp.copies_at : warp.data_at;
    there = std::max(there, data_at);
    sm.clock += std::max(lines * kLineTicks, options_.instruction_ticks);
    if (warp.next == warp.end) {
      sm.ready ^= bit;
      end_warp(sm, index);
    } else if (op == LineOp::load ||
               op == LineOp::atomic) {  // the next one has to wait until the oldest has returned
      warp.returns[warp.oldest] = static_cast<std::uint32_t>(data_at);
      if (++warp.oldest == loads_in_flight_) warp.oldest = 0;
      auto wait = static_cast<std::int32_t>(warp.returns[warp.oldest] - static_cast<std::uint32_t>(sm.clock));
      if (has_tiles_) wait = std::max(wait, static_cast<std::int32_t>(options_.load_ticks));
      if (wait > 0) {
        sm.ready ^= bit;
        sm.sleep(index, sm.clock + static_cast<Time>(wait));
      }
    }
  }

  /// Some of a warp's work: it keeps the SM busy for a while, and the warp for longer.
  void serve_work(Sm& sm, std::size_t index) {
    ReplayWarp& warp = sm.warps[index];
    if (warp.data_at > sm.clock) {  // what it loaded goes to shared memory first
      sm.ready ^= std::uint64_t{1} << index;
      sm.sleep(index, warp.data_at);
      return;
    }
    const WarpWork all = WarpWork::of(warp.next->line());
    const std::uint64_t turns =
        std::max<std::uint64_t>(1, (all.shared + options_.shared_in_a_row - 1) / options_.shared_in_a_row);
    const auto part = [&](std::uint64_t whole) {
      return whole * (warp.turns_done + 1) / turns - whole * warp.turns_done / turns;
    };
    const WarpWork now{
        std::min(options_.shared_in_a_row, all.shared - warp.turns_done * options_.shared_in_a_row),
        part(all.arithmetic), part(all.special)};
    sm.ready ^= std::uint64_t{1} << index;
    const Time until = sm.clock + now.shared * options_.shared_warp_ticks +
                       now.arithmetic * options_.arithmetic_warp_ticks +
                       now.special * options_.special_warp_ticks;
    sm.clock += std::max(now.shared * options_.shared_ticks,
                         now.arithmetic * options_.arithmetic_ticks + now.special * options_.special_ticks);
    if (++warp.turns_done == turns) {
      warp.turns_done = 0;
      ++warp.next;
    }
    warp.data_at = until;
    if (warp.next == warp.end) {
      end_warp(sm, index);
    } else {
      sm.sleep(index, until);
    }
  }

  void release_if_all_wait(Sm& sm, std::uint32_t slot_index) {
    Slot& slot = sm.slots[slot_index];
    if (slot.live == 0 || slot.waiting < slot.live) return;
    slot.waiting = 0;
    const Time now = std::exchange(slot.last, 0);
    for (std::size_t i = 0; i < warps_per_block_; ++i) {
      const std::size_t index = slot_index * warps_per_block_ + i;
      ReplayWarp& warp = sm.warps[index];
      if (warp.state != WarpState::at_barrier) continue;
      warp.state = WarpState::running;
      warp.data_at = now;
      if (warp.next == warp.end) {
        end_warp(sm, index);
      } else {
        sm.sleep(index, now);
      }
    }
  }

  void end_warp(Sm& sm, std::size_t index) {
    ReplayWarp& warp = sm.warps[index];
    const std::uint32_t slot_index = warp.slot;
    Slot& slot = sm.slots[slot_index];
    warp.state = WarpState::ended;
    slot.last = std::max({slot.last, sm.clock, warp.data_at});
    std::vector<LineRequest>().swap(slot.trace.warps[index - slot_index * warps_per_block_]);
    if (--slot.live > 0) {
      release_if_all_wait(sm, slot_index);  // the others may wait for this one only
      return;
    }
    --sm.live_blocks;
    sm.last_end = slot.last;
    ++ended_blocks_;
    place_next_block(sm, slot_index,
                     slot.last + options_.block_start_ticks + lots_.draw(options_.block_start_spread + 1));
  }

  /// Counts a request, and returns when its data are there.
  Time serve(Sm& sm, std::uint64_t line, const LinePattern& pattern) {
    const std::uint64_t requests = !pattern.more, sectors = pattern.sectors();
    const std::uint64_t l1_hits_before = counters_.load_l1_hit_sectors, hbm_before = counters_.hbm_read_bytes,
                        missed_before = missed_sectors_;
    Time ready = sm.clock;
    switch (pattern.op) {
      case LineOp::load:
        counters_.load_requests += requests;
        counters_.load_sectors += sectors;
        counters_.load_l1_hit_sectors += sectors;
        ready = sm.clock + options_.l1_ticks;
        each_run(line, pattern, [&](const LineRun& run) {
          Time last = 0;  // of the lines that are still on their way
          const L1Cache::Read read = sm.l1.read(run, [&](std::uint64_t l, SectorMask missed) {
            if (missed == 0) {
              last = std::max(last, sm.arrivals.of(l));
              return;
            }
            counters_.load_l1_hit_sectors -= popcount(missed);
            const Time arrival = fetch(sm, l, missed);
            sm.arrivals.put(l, arrival);
            last = std::max(last, arrival);
          });
          if (read.note != nullptr) (read.known ? last : *read.note) = read.known ? *read.note : last;
          ready = std::max(ready, last);
        });
        break;
      case LineOp::load_no_l1:
        counters_.no_l1_load_requests += requests;
        counters_.no_l1_load_sectors += sectors;
        each_line(line, pattern, [&](std::uint64_t l, SectorMask touched, SectorMask) {
          ready = std::max(ready, fetch(sm, l, touched));
        });
        break;
      case LineOp::store:
        counters_.store_requests += requests;
        counters_.store_sectors += sectors;
        counters_.l2_write_sectors += sectors;
        counters_.l2_write_hit_sectors += sectors;
        each_line(line, pattern, [&](std::uint64_t l, SectorMask touched, SectorMask whole) {
          const std::uint64_t written_back = replay_.l2_.written_back_sectors();
          counters_.l2_write_hit_sectors -= popcount(replay_.l2_.write(l, touched, whole));
          pass_hbm(sm.clock, replay_.l2_.written_back_sectors() - written_back);
          if (whole != 0)
            sm.l1.read({.line = l, .first = whole}, [](auto...) {});  // L1 keeps what it wrote through
        });
        break;
      case LineOp::atomic:  // L2 reads, changes and keeps the sector
        counters_.atomic_requests += requests;
        counters_.atomic_sectors += sectors;
        each_line(line, pattern, [&](std::uint64_t l, SectorMask touched, SectorMask) {
          counters_.hbm_read_bytes += popcount(replay_.l2_.read(sm.side, l, touched).hbm) * kSectorBytes;
          replay_.l2_.write(l, touched, touched);
          ready = std::max(ready, sm.clock + l2_latency(sm, l));
        });
        break;
      case LineOp::work:
      case LineOp::barrier:
        break;
    }
    if (options_.per_site)
      count_site(pattern, counters_.load_l1_hit_sectors - l1_hits_before, missed_sectors_ - missed_before,
                 counters_.hbm_read_bytes - hbm_before);
    return ready;
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

  /// Reads what L1 lacks, except what another SM of the GPC has asked for and L2 has not answered yet: that comes with
  /// the other's, at the same time. Only the same sectors are merged. Returns when they are there.
  Time fetch(Sm& sm, std::uint64_t line, SectorMask sectors) {
    MergedRead& read = merger_.at(sm.gpc, line, sectors);
    if (!read.takes(ReadMerger::key(line, sectors), sm.number, sm.clock, options_.visit_ticks)) {
      Time arrival = sm.clock;  // HBM brings a line by halves
      const SectorMask fetched = read_l2(sm.side, line, sectors);
      for (const auto& [half, half_key] :
           {std::pair{SectorMask{3}, line << 1}, {SectorMask{12}, line << 1 | 1}}) {
        if (fetched & half) {
          hbm_arrivals_.put(half_key, pass_hbm(sm.clock, popcount(half)) + options_.hbm_ticks +
                                          part_of(options_.hbm_spread_lines, line / 8) +
                                          lots_.draw(options_.hbm_spread + 1));
        }
        if (sectors & half) arrival = std::max(arrival, hbm_arrivals_.of(half_key));
      }
      read = {.key = ReadMerger::key(line, sectors),
              .sm = sm.number,
              .asked = sm.clock,
              .until = arrival + options_.merge_ticks + part_of(options_.merge_spread, line),
              .arrival = arrival};
    }
    ++read.reads;
    sm.fill_free = std::max(sm.fill_free, sm.clock) + popcount(sectors) * options_.fill_ticks;
    return std::max(sm.fill_free, read.arrival) + l2_latency(sm, line);
  }

  /// HBM moves so many sectors after those that were asked for before. Returns when.
  Time pass_hbm(Time now, std::uint64_t sectors) {
    hbm_free_ = std::max(hbm_free_, now * kHbmParts) + sectors * hbm_sector_cost_;
    return hbm_free_ / kHbmParts;
  }

  /// The way to L2 and back: longer for some TPCs and for some lines.
  Time l2_latency(const Sm& sm, std::uint64_t line) const {
    return options_.l2_ticks + part_of(options_.l2_spread_gpcs, sm.gpc) +
           part_of(options_.l2_spread_lines, line) + part_of(options_.l2_spread_ways, line * 256 + sm.number);
  }
  static Time part_of(Time whole, std::uint64_t number) {
    const std::uint64_t mixed = (number + 1) * 0x9E3779B97F4A7C15u;
    return ((mixed ^ mixed >> 29) * 0xBF58476D1CE4E5B9u >> 32) * whole >> 32;
  }

  SectorMask read_l2(std::size_t side, std::uint64_t line, SectorMask sectors) {
    const PartitionedL2::Missed missed = replay_.l2_.read(side, line, sectors);
    ++counters_.l2_read_requests;
    counters_.l2_read_sectors += popcount(sectors);
    counters_.l2_read_hit_sectors += popcount(sectors) - popcount(missed.l2);
    counters_.hbm_read_bytes += popcount(missed.hbm) * kSectorBytes;
    missed_sectors_ += popcount(missed.hbm & sectors);
    return missed.hbm;
  }

  void count_site(const LinePattern& pattern, std::uint64_t l1_hits, std::uint64_t missed,
                  std::uint64_t hbm_bytes) {
    if (pattern.site >= counters_.sites.size()) counters_.sites.resize(pattern.site + 1);
    ReplaySiteCounters& site = counters_.sites[pattern.site];
    const std::uint64_t sectors = pattern.sectors();
    site.requests += !pattern.more;
    site.sectors += sectors;
    site.hbm_sectors += hbm_bytes / kSectorBytes;
    if (pattern.op == LineOp::load || pattern.op == LineOp::load_no_l1) {
      site.l1_hits += l1_hits;
      site.l2_hits += sectors - l1_hits - missed;
    }
  }

  Replay& replay_;
  BlockSource& source_;
  const ReplayOptions& options_;
  bool has_tiles_;
  int loads_in_flight_;
  std::uint64_t block_count_;
  std::uint64_t next_block_ = 0;
  std::uint64_t ended_blocks_ = 0;
  std::uint64_t line_limit_ = 0;
  std::size_t warps_per_block_ = 0;
  ReadMerger merger_;
  std::vector<std::uint64_t> gpc_ends_;
  Arrivals<14> hbm_arrivals_;
  static constexpr Time kHbmParts = 1024;  // of a tick
  Time hbm_sector_cost_;
  Time hbm_free_ = 0;  ///< when it has moved all that was asked for; both in parts of a tick
  static constexpr std::size_t kPatternTables = 16;
  std::deque<std::vector<LinePattern>> pattern_tables_;
  Time clock_ = 0;
  Lots lots_;
  TurnRule turn_rule_{};
  std::vector<Sm> sms_;
  ReplayCounters counters_;
  std::uint64_t missed_sectors_ = 0;  ///< of those asked for, what neither L1 nor L2 had
};

Replay::Replay(const ReplayProfile& profile) : profile_(profile), l2_(profile) {}

ReplayCounters Replay::launch(BlockSource& source, const KernelResources& resources,
                              const ReplayOptions& options) {
  LaunchRun run(*this, source, resources, options);
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

}  // namespace flashlab::simt
