#include "sim/simt/replay/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <deque>
#include <memory_resource>

#include "sim/core/error.hpp"
#include "sim/core/text.hpp"
#include "sim/simt/replay/deal.hpp"
#include "sim/simt/replay/huge_pages.hpp"
#include "sim/simt/replay/sm.hpp"

namespace flashlab::simt {
namespace {

constexpr Time kLineTicks = 4, kTicksPerCycle = 4, kNever = ~Time{0};

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
        pace_{static_cast<Time>(resources.pace.shared), static_cast<Time>(resources.pace.arithmetic),
              static_cast<Time>(resources.pace.special)},
        block_count_(source.block_count()),
        hbm_sector_cost_(replay.profile_.hbm_bytes_per_cycle == 0 ? 0
                                                                  : kHbmParts * kTicksPerCycle * kSectorBytes /
                                                                        replay.profile_.hbm_bytes_per_cycle) {
    if (loads_in_flight_ < 1 || loads_in_flight_ > ReplayOptions::kMostInFlight) {
      throw UsageError(fmt::format("a warp has 1 to {} loads under way", ReplayOptions::kMostInFlight));
    }
    if (std::min({resources.pace.shared, resources.pace.arithmetic, resources.pace.special}) < 0)
      throw UsageError("a warp's pace is no less than 0");
    if (options.shared_in_a_row < 1 || options.visit_ticks < 1)
      throw UsageError("ReplayOptions: shared_in_a_row and visit_ticks are 1 or more");
    const Occupancy occupancy = simt::occupancy(resources, replay.profile_);
    gpc_ends_ = gpc_ends(replay.profile_);
    merger_ = ReadMerger(gpc_ends_.size());
    const auto sms = static_cast<std::size_t>(replay.profile_.sm_count);
    sms_.reserve(sms);
    for (std::size_t i = 0, gpc = 0; i < sms; ++i) {
      if (i == gpc_ends_[gpc]) ++gpc;
      sms_.push_back({.gpc = gpc,
                      .side = gpc % 2,
                      .number = i,
                      .warps = std::pmr::vector<ReplayWarp>(&memory_),
                      .l1 = L1Cache(l1_shape(replay.profile_, occupancy.l1_bytes), 1, &memory_),
                      .arrivals = Arrivals<8>(&memory_)});
      for (int slot = 0; slot < occupancy.blocks_per_sm; ++slot)
        sms_.back().slots.push_back({.requests = std::pmr::vector<LineRequest>(&memory_)});
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
    for (Sm& sm : sms_)
      if (sm.live_blocks == 0) sm.clock = kNever;
    for (std::uint64_t shown = 0; ended_blocks_ < block_count_;) {
      clock_ += options_.visit_ticks;
      for (std::size_t i = 0; i < sms_.size(); ++i) {
        sms_[i + 1 < sms_.size() ? i + 1 : 0].ask_for_streams();
        visit(sms_[i]);
      }
      if (options_.progress && ended_blocks_ * 100 / block_count_ != shown) {
        shown = ended_blocks_ * 100 / block_count_;
        options_.progress(ended_blocks_, block_count_);
      }
    }
    for (const Sm& sm : sms_)
      counters_.cycles = std::max<std::uint64_t>(counters_.cycles, sm.last_end / kTicksPerCycle);
    for (const PatternTable& table : pattern_tables_) count(table);
    count_hits();
    return std::move(counters_);
  }

 private:
  void place_next_block(Sm& sm, std::size_t slot_index, Time start) {
    while (next_block_ < block_count_) {
      Slot& slot = sm.slots[slot_index];
      const BlockTrace trace = source_.run(next_block_++);
      const std::size_t warps = trace.warps.size();
      if (warps > warps_per_block_) {
        throw UsageError(fmt::format("block {} left the traces of {} warps: the launch has {} a block",
                                     next_block_ - 1, warps, warps_per_block_));
      }
      ReplayPattern* const patterns = patterns_of(slot, trace.patterns);
      std::size_t requests = 0;
      for (const auto& stream : trace.warps) requests += stream.size();
      slot.requests.clear();
      slot.requests.reserve(requests);
      slot.live = 0;
      slot.waiting = 0;
      slot.last = 0;
      for (std::size_t i = 0; i < warps; ++i) {
        const std::vector<LineRequest>& stream = trace.warps[i];
        if (stream.empty()) continue;
        const std::size_t warp = slot_index * warps_per_block_ + i;
        sm.warps[warp] = {.next = slot.requests.data() + slot.requests.size(),
                          .patterns = patterns,
                          .left = static_cast<std::uint32_t>(stream.size()),
                          .slot = static_cast<std::uint8_t>(slot_index)};
        slot.requests.insert(slot.requests.end(), stream.begin(), stream.end());
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
  ReplayPattern* patterns_of(Slot& slot, const std::vector<LinePattern>& patterns) {
    for (PatternTable& known : pattern_tables_)
      if (std::ranges::equal(known, patterns, {}, &ReplayPattern::pattern)) return known.data();
    PatternTable& table =
        pattern_tables_.size() < kPatternTables ? pattern_tables_.emplace_back() : slot.patterns;
    table.clear();
    for (const LinePattern& pattern : patterns) table.push_back({pattern});
    return table.data();
  }

  void visit(Sm& sm) {
    while (sm.clock < clock_) {
      if (sm.asleep != 0 && sm.next_wake <= sm.clock) {
        sm.wake_up();
        turn_rule_.draw(sm, lots_);
      }
      if (sm.ready == 0) {
        sm.clock = std::min(sm.next_wake, clock_);
        continue;
      }
      serve_instruction(sm, sm.take_turn());
      turn_rule_.draw(sm, lots_);
    }
  }

  [[gnu::always_inline]] void serve_instruction(Sm& sm, std::size_t index) {
    ReplayWarp& warp = sm.warps[index];
    const LineRequest request = *warp.next;
    ReplayPattern& served = warp.patterns[request.pattern()];
    const LineOp op = served.pattern.op;
    if (op == LineOp::barrier) return arrive(sm, index);
    if (op == LineOp::work) return serve_work(sm, index);
    Time lines = served.pattern.lines, data_at = 0;
    if (served.pattern.more) {
      data_at = serve_scattered(sm, warp, lines);
    } else {
      ++served.served;
      ++warp.next;
      --warp.left;
      data_at = serve(sm, request.line(), served.pattern);
    }
    Time& there = op == LineOp::load_no_l1 ? warp.copies_at : warp.data_at;
    there = std::max(there, data_at);
    sm.clock += std::max(lines * kLineTicks, options_.instruction_ticks);
    if (warp.left == 0) {
      sm.ready ^= std::uint64_t{1} << index;
      end_warp(sm, index);
    } else if (op == LineOp::load || op == LineOp::atomic) {
      // the next one has to wait until the oldest has returned
      warp.returns[warp.oldest] = static_cast<std::uint32_t>(data_at);
      if (++warp.oldest == loads_in_flight_) warp.oldest = 0;
      auto wait = static_cast<std::int32_t>(warp.returns[warp.oldest] - static_cast<std::uint32_t>(sm.clock));
      if (has_tiles_) wait = std::max(wait, static_cast<std::int32_t>(options_.load_ticks));
      if (wait > 0) {
        sm.ready ^= std::uint64_t{1} << index;
        sm.sleep(index, sm.clock + static_cast<Time>(wait));
      }
    }
  }

  /// Performs the requests of one instruction of scattered lines, and says how many lines it has.
  [[gnu::noinline]] Time serve_scattered(Sm& sm, ReplayWarp& warp, Time& lines) {
    const LineRequest* const end = warp.next + warp.left;
    const auto pattern = [&](const LineRequest& of) -> ReplayPattern& { return warp.patterns[of.pattern()]; };
    const LineRequest* last = warp.next;
    while (last + 1 < end && pattern(*last).pattern.more) ++last;
    // The sets that it will look at are misses of the host's caches.
    for (const LineRequest* at = warp.next; at <= last; ++at) sm.l1.prefetch(replay_.pages_.rename(at->line()));
    Time data_at = 0;
    lines = 0;
    for (const LineRequest* at = warp.next; at <= last; ++at) {
      ReplayPattern& served = pattern(*at);
      ++served.served;
      lines += served.pattern.lines;
      data_at = std::max(data_at, serve(sm, at->line(), served.pattern));
    }
    warp.left = static_cast<std::uint32_t>(end - last - 1);
    warp.next = last + 1;
    return data_at;
  }

  void arrive(Sm& sm, std::size_t index) {
    ReplayWarp& warp = sm.warps[index];
    ++warp.next;
    --warp.left;
    sm.at_barrier |= std::uint64_t{1} << index;
    sm.ready ^= std::uint64_t{1} << index;
    Slot& slot = sm.slots[warp.slot];
    ++slot.waiting;
    slot.last = std::max({slot.last, sm.clock, warp.data_at, warp.copies_at});
    release_if_all_wait(sm, warp.slot);
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
      return whole * (warp.turns_done + 1u) / turns - whole * warp.turns_done / turns;
    };
    const WarpWork now{
        std::min(options_.shared_in_a_row, all.shared - warp.turns_done * options_.shared_in_a_row),
        part(all.arithmetic), part(all.special)};
    sm.ready ^= std::uint64_t{1} << index;
    const Time until =
        sm.clock + now.shared * pace_.shared + now.arithmetic * pace_.arithmetic + now.special * pace_.special;
    sm.clock += std::max(now.shared * options_.shared_ticks,
                         now.arithmetic * options_.arithmetic_ticks + now.special * options_.special_ticks);
    if (++warp.turns_done == turns) {
      warp.turns_done = 0;
      ++warp.next;
      --warp.left;
    }
    warp.data_at = until;
    if (warp.left == 0) {
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
      const std::uint64_t bit = std::uint64_t{1} << index;
      if ((sm.at_barrier & bit) == 0) continue;
      sm.at_barrier ^= bit;
      ReplayWarp& warp = sm.warps[index];
      warp.data_at = now;
      if (warp.left == 0) {
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
    slot.last = std::max({slot.last, sm.clock, warp.data_at});
    if (--slot.live > 0) {
      release_if_all_wait(sm, slot_index);  // the others may wait for this one only
      return;
    }
    count(slot.patterns);
    slot.patterns.clear();
    --sm.live_blocks;
    sm.last_end = slot.last;
    ++ended_blocks_;
    place_next_block(sm, slot_index,
                     slot.last + options_.block_start_ticks + lots_.draw(options_.block_start_spread + 1));
    if (sm.live_blocks == 0) sm.clock = kNever;
  }

  /// Performs a request, and returns when its data are there. What misses is counted; the rest is known from the patterns.
  [[gnu::always_inline]] Time serve(Sm& sm, std::uint64_t line, const LinePattern& p) {
    if (p.op != LineOp::load) return serve_other(sm, line, p);
    if (p.lines == 1) return load_line(sm, rename(line), p.first.touched(), p.site);
    const std::uint64_t last = line + static_cast<std::uint64_t>(std::int64_t{p.stride} * (p.lines - 1));
    if (!Replay::Pages::same(line, last)) [[unlikely]]
      return load_from_pages(sm, line, p);
    const LineRun run{rename(line), p.stride, p.lines, p.first.touched(), p.middle.touched(), p.last.touched()};
    return load_run(sm, run, p.site);
  }
  Time load_line(Sm& sm, std::uint64_t line, SectorMask sectors, std::uint32_t site) {
    const SectorMask missed = sm.l1.read_line(line, sectors);
    const Time ready = sm.clock + options_.l1_ticks;
    return std::max(ready, missed == 0 ? sm.arrivals.of(line, ready) : fetch_into_l1(sm, line, missed, site));
  }
  Time load_run(Sm& sm, const LineRun& run, std::uint32_t site) {
    const Time ready = sm.clock + options_.l1_ticks;
    Time last = 0;  // of the lines that are still on their way
    const L1Cache::Read read = sm.l1.read(
        run,
        [&](std::uint64_t line, SectorMask missed) {
          last =
              std::max(last, missed == 0 ? sm.arrivals.of(line, ready) : fetch_into_l1(sm, line, missed, site));
        },
        [&](std::uint64_t line, SectorMask sectors) { merger_.prefetch(sm.gpc, line, sectors); });
    if (read.note != nullptr) (read.known ? last : *read.note) = read.known ? *read.note : last;
    return std::max(ready, last);
  }
  [[gnu::noinline]] Time load_from_pages(Sm& sm, std::uint64_t line, const LinePattern& pattern) {
    Time ready = 0;
    each_line(line, pattern, [&](std::uint64_t l, SectorMask touched, SectorMask) {
      ready = std::max(ready, load_line(sm, l, touched, pattern.site));
    });
    return ready;
  }
  [[gnu::noinline]] Time serve_other(Sm& sm, std::uint64_t line, const LinePattern& pattern) {
    Time ready = sm.clock;
    switch (pattern.op) {
      case LineOp::load_no_l1:
        each_line(line, pattern, [&](std::uint64_t l, SectorMask touched, SectorMask) {
          missed(pattern.site).l1 += popcount(touched);
          ready = std::max(ready, fetch(sm, l, touched, pattern.site));
        });
        break;
      case LineOp::store:
        each_line(line, pattern, [&](std::uint64_t l, SectorMask touched, SectorMask whole) {
          const std::uint64_t written_back = replay_.l2_.written_back_sectors();
          missed_writes_ += popcount(replay_.l2_.write(l, touched, whole));
          pass_hbm(sm.clock, replay_.l2_.written_back_sectors() - written_back);
          if (whole != 0) sm.l1.read_line(l, whole);  // L1 keeps what it wrote through
        });
        break;
      case LineOp::atomic:  // L2 reads, changes and keeps the sector
        each_line(line, pattern, [&](std::uint64_t l, SectorMask touched, SectorMask) {
          const std::uint64_t fetched = popcount(replay_.l2_.read(sm.side, l, touched).hbm);
          counters_.hbm_read_bytes += fetched * kSectorBytes;
          missed(pattern.site).fetched += fetched;
          replay_.l2_.write(l, touched, touched);
          ready = std::max(ready, sm.clock + l2_latency(sm, l));
        });
        break;
      case LineOp::load:
      case LineOp::work:
      case LineOp::barrier:
        break;
    }
    return ready;
  }

  /// The lines of a request under their new names, with the sectors touched and those written in full.
  template <class Body>
  void each_line(std::uint64_t line, const LinePattern& p, const Body& body) {
    for (int i = 0; i < p.lines; ++i) {
      const TouchedSectors sectors = p.of(i);
      body(rename(line + static_cast<std::uint64_t>(std::int64_t{p.stride} * i)), sectors.touched(),
           sectors.whole());
    }
  }
  std::uint64_t rename(std::uint64_t line) {
    const std::uint64_t renamed = replay_.pages_.rename(line);
    if (renamed >= line_limit_) [[unlikely]]
      refuse();
    return renamed;
  }
  [[noreturn]] [[gnu::noinline]] void refuse() const {
    throw EnvironmentError(
        fmt::format("the kernel touches more than {} of memory: the cache model names no more",
                    format_bytes(line_limit_ * kLineBytes)));
  }

  Time fetch_into_l1(Sm& sm, std::uint64_t line, SectorMask sectors, std::uint32_t site) {
    missed(site).l1 += popcount(sectors);
    const Time arrival = fetch(sm, line, sectors, site);
    sm.arrivals.put(line, arrival);
    return arrival;
  }

  /// Reads what L1 lacks, except what another SM of the GPC has asked for and L2 has not answered yet: that comes with
  /// the other's, at the same time. Only the same sectors are merged. Returns when they are there.
  Time fetch(Sm& sm, std::uint64_t line, SectorMask sectors, std::uint32_t site) {
    MergedRead& read = merger_.at(sm.gpc, line, sectors);
    if (!read.takes(ReadMerger::key(line, sectors), sm.number, sm.clock, options_.visit_ticks)) {
      Time arrival = sm.clock;  // HBM brings a line by halves
      const SectorMask fetched = read_l2(sm.side, line, sectors, site);
      for (const auto& [half, half_key] :
           {std::pair{SectorMask{3}, line << 1}, {SectorMask{12}, line << 1 | 1}}) {
        if (fetched & half) {
          hbm_arrivals_.put(half_key, pass_hbm(sm.clock, popcount(half)) + options_.hbm_ticks +
                                          part_of(options_.hbm_spread_lines, line / 8) +
                                          lots_.draw(options_.hbm_spread + 1));
        }
        if (sectors & half) arrival = std::max(arrival, hbm_arrivals_.of(half_key, arrival));
      }
      read = {.key = ReadMerger::key(line, sectors),
              .asked = sm.clock,
              .open = static_cast<std::uint32_t>(arrival - sm.clock + options_.merge_ticks +
                                                 part_of(options_.merge_spread, line)),
              .arrival = static_cast<std::uint32_t>(arrival - sm.clock),
              .sm = static_cast<std::uint16_t>(sm.number)};
    }
    ++read.reads;
    sm.fill_free = std::max(sm.fill_free, sm.clock) + popcount(sectors) * options_.fill_ticks;
    return std::max(sm.fill_free, read.asked + read.arrival) + l2_latency(sm, line);
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

  SectorMask read_l2(std::size_t side, std::uint64_t line, SectorMask sectors, std::uint32_t site) {
    const PartitionedL2::Missed lacks = replay_.l2_.read(side, line, sectors);
    ++counters_.l2_read_requests;
    counters_.l2_read_sectors += popcount(sectors);
    counters_.l2_read_hit_sectors += popcount(sectors) - popcount(lacks.l2);
    counters_.hbm_read_bytes += popcount(lacks.hbm) * kSectorBytes;
    missed(site).l2 += popcount(lacks.hbm & sectors);
    missed(site).fetched += popcount(lacks.hbm);
    return lacks.hbm;
  }

  /// Of one site, or of all.
  struct MissedSectors {
    std::uint64_t l1 = 0, l2 = 0;  ///< of those asked for; L2's are brought by HBM
    std::uint64_t fetched = 0;     ///< by HBM, asked for or not
  };
  MissedSectors& missed(std::uint32_t site) {
    if (!options_.per_site) site = 0;
    if (site >= missed_.size()) [[unlikely]]
      missed_.resize(site + 1);
    return missed_[site];
  }

  /// Where requests and sectors of an operation are counted; null for those that ask for none.
  std::pair<std::uint64_t*, std::uint64_t*> counted_in(LineOp op) {
    switch (op) {
      case LineOp::load:
        return {&counters_.load_requests, &counters_.load_sectors};
      case LineOp::load_no_l1:
        return {&counters_.no_l1_load_requests, &counters_.no_l1_load_sectors};
      case LineOp::store:
        return {&counters_.store_requests, &counters_.store_sectors};
      case LineOp::atomic:
        return {&counters_.atomic_requests, &counters_.atomic_sectors};
      case LineOp::work:
      case LineOp::barrier:
        break;
    }
    return {};
  }
  /// What the requests of these patterns asked for.
  void count(const PatternTable& table) {
    for (const auto& [pattern, served] : table) {
      const auto [all_requests, all_sectors] = counted_in(pattern.op);
      if (all_requests == nullptr) continue;
      const std::uint64_t requests = pattern.more ? 0 : served, sectors = served * pattern.sectors();
      *all_requests += requests;
      *all_sectors += sectors;
      if (!options_.per_site || served == 0) continue;
      if (pattern.site >= counters_.sites.size()) counters_.sites.resize(pattern.site + 1);
      ReplaySiteCounters& site = counters_.sites[pattern.site];
      site.requests += requests;
      site.sectors += sectors;
      if (pattern.op == LineOp::load || pattern.op == LineOp::load_no_l1) site.l1_hits += sectors;  // or misses
    }
  }
  /// What did not miss, when all is counted.
  void count_hits() {
    counters_.l2_write_sectors = counters_.store_sectors;
    counters_.l2_write_hit_sectors = counters_.store_sectors - missed_writes_;
    counters_.load_l1_hit_sectors = counters_.load_sectors + counters_.no_l1_load_sectors;
    for (std::size_t i = 0; i < missed_.size(); ++i) {
      counters_.load_l1_hit_sectors -= missed_[i].l1;
      if (i >= counters_.sites.size()) continue;
      ReplaySiteCounters& site = counters_.sites[i];
      site.l1_hits -= missed_[i].l1;
      site.l2_hits = missed_[i].l1 - missed_[i].l2;
      site.hbm_sectors = missed_[i].fetched;
    }
  }

  Replay& replay_;
  BlockSource& source_;
  const ReplayOptions& options_;
  bool has_tiles_;
  int loads_in_flight_;
  struct {
    Time shared, arithmetic, special;
  } pace_;
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
  std::deque<PatternTable> pattern_tables_;
  Time clock_ = 0;
  Lots lots_;
  TurnRule turn_rule_{};
  HugePages huge_pages_;
  std::pmr::unsynchronized_pool_resource memory_{{.largest_required_pool_block = std::size_t{1} << 22},
                                                 &huge_pages_};
  std::vector<Sm> sms_;
  ReplayCounters counters_;
  std::vector<MissedSectors> missed_{1};
  std::uint64_t missed_writes_ = 0;
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
