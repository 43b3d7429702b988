// From 32 logs to warp accesses.
//
// The rule: of all places where lanes of the warp stand, the one that comes first in the program is executed, by all
// lanes that stand there. First means: the earlier iteration of the loops that hold both, then the lower instruction
// address. So lanes that skipped a branch wait behind it, and lanes that left a loop wait for the others: what the
// hardware does when code lies in the order of the source, as our compiler is told to lay it. It can err where a lane
// goes through a great many loops without any access, in device functions that the compiler did not inline, and where the card's compiler turns a branch into something else.

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "sim/simt/runtime/arithmetic.hpp"
#include "sim/simt/runtime/line_runs.hpp"
#include "sim/simt/runtime/memory.hpp"
#include "sim/simt/runtime/worker.hpp"

namespace flashlab::simt {

// Fewer shared accesses than this between two global ones are put off: the stores of a tile that is being loaded, say,
// which on the card come after its loads.
constexpr std::uint64_t kSharedTogether = 64;

Complaint misaligned(int width_bytes, Offset where) {
  return {fmt::format("an access of {} bytes at {}, which is no multiple of {}", width_bytes,
                      device_memory::hex_address(where), width_bytes),
          "an access of float2, float4 or the like needs an address that its size divides: check the row "
          "length and the offset"};
}

namespace {
LineOp line_op(Kind kind) {
  switch (op_of(kind)) {
    case Op::store:
      return LineOp::store;
    case Op::atomic:
      return LineOp::atomic;
    default:
      return kind == Kind::async16 ? LineOp::load_no_l1 : LineOp::load;
  }
}
WarpSample sample_of(const WarpAccess& a, std::uint64_t block, int warp, Offset allocation) {
  WarpSample sample{.block = block, .warp = warp, .mask = a.mask, .allocation = allocation};
  for (std::uint32_t m = a.mask; m != 0; m &= m - 1) {
    const int lane = std::countr_zero(m);
    sample.addresses[static_cast<std::size_t>(lane)] = a.of(lane);
  }
  return sample;
}
}  // namespace

/// The lane's step at this entry of its log. Answers how many entries it keeps it.
long Worker::take_steps(Warp& warp, int lane, const Entry* head) {
  const long at = head - (logs_.get() + lane * kLogStride);
  std::vector<NewStep>& next = new_steps(lane);
  std::size_t passed = 0;
  while (passed < next.size() && next[passed].at <= at) ++passed;
  if (passed > 0) {
    warp.steps.set(lane, next[passed - 1].step);
    next.erase(next.begin(), next.begin() + static_cast<std::ptrdiff_t>(passed));
  }
  return next.empty() ? kLogEntries + kMarkRoom : next.front().at - at;
}

/// Merges what the warp's lanes have logged. While a lane may still log more (its log was full), the lanes can only be
/// followed until that lane's log is used up; with `all`, everything goes.
void Worker::merge(Warp& warp, bool all) {
  const Entry* heads[kWarp];
  const Entry* ends[kWarp];
  Lane* const lanes = &lanes_[current_warp_ * kWarp];
  std::uint32_t left = 0;
  for (std::uint32_t m = warp.lanes; m != 0; m &= m - 1) {
    const int i = std::countr_zero(m);
    heads[i] = logs_.get() + i * kLogStride;
    ends[i] = lanes[i].cursor;
    if (heads[i] != ends[i]) left |= 1u << i;
  }
  const bool in_steps = job_->checks.races;
  if (left == 0 && !in_steps) return;
  while (left != 0 && (all || (warp.full & ~left) == 0)) {
    std::uint32_t moved = left;
    int steps = 0;
    if (!diverged_) {
      long count = kLogEntries;
      for (std::uint32_t m = left; m != 0; m &= m - 1) {
        const int i = std::countr_zero(m);
        count = std::min(count, static_cast<long>(ends[i] - heads[i]));
        if (in_steps) count = std::min(count, take_steps(warp, i, heads[i]));
      }
      steps = merge_uniform(left, heads, static_cast<int>(count));
      if (steps == 0) {
        // From here on lanes are at different places. Where they stood together before is the same for all.
        diverged_ = true;
        placed_ = 0;
        Place together;
        if (last_site_ != 0) together.move_to(last_site_);
        places_.fill(together);
      } else {
        const std::uint32_t key = key_of(heads[std::countr_zero(left)][steps - 1]);
        const CodeLoop* loop = kind_of_key(key) == Kind::mark ? loop_closed_by(site_of_key(key)) : nullptr;
        last_site_ = loop != nullptr ? loop->begin : site_of_key(key);
      }
    }
    if (diverged_) {
      for (std::uint32_t m = in_steps ? left : 0; m != 0; m &= m - 1)
        take_steps(warp, std::countr_zero(m), heads[std::countr_zero(m)]);
      for (std::uint32_t m = left & ~placed_; m != 0; m &= m - 1) {
        const int i = std::countr_zero(m);
        places_[static_cast<std::size_t>(i)].move_to(site_of_key(key_of(*heads[i])));
      }
      placed_ |= left;
      moved = merge_first(left, heads);
      placed_ &= ~moved;
      steps = 1;
      if (moved == left &&
          kind_of_key(key_of(*heads[std::countr_zero(left)])) != Kind::mark) {  // together again
        diverged_ = false;
        last_site_ = site_of_key(key_of(*heads[std::countr_zero(left)]));
      }
    }
    for (std::uint32_t m = moved; m != 0; m &= m - 1) {
      const int i = std::countr_zero(m);
      heads[i] += steps;
      if (heads[i] == ends[i]) left &= ~(1u << i);
    }
  }
  for (std::uint32_t m = warp.lanes; m != 0; m &= m - 1) {
    const int i = std::countr_zero(m);
    Entry* log = logs_.get() + i * kLogStride;
    if (in_steps) {
      take_steps(warp, i, heads[i]);
      for (NewStep& step : new_steps(i)) step.at -= static_cast<std::uint32_t>(heads[i] - log);
    }
    lanes[i].cursor = left >> i & 1 ? std::copy(heads[i], ends[i], log) : log;
  }
}

/// Merges up to `count` entries of each lane while all lanes of the mask are at the same instruction; answers how many.
int Worker::merge_uniform(std::uint32_t mask, const Entry* const* heads, int count) {
  constexpr int kBatch = 32;
  const int first = std::countr_zero(mask), last = 31 - std::countl_zero(mask);
  const std::uint32_t rest = mask & (mask - 1);
  for (std::uint32_t m = rest; m != 0; m &= m - 1) {
    if (key_of(*heads[std::countr_zero(m)]) != key_of(*heads[first])) return 0;
  }
  const int second = rest == 0 ? first : std::countr_zero(rest);
  WarpAccess a;
  a.mask = mask;
  for (int done = 0; done < count; done += kBatch) {
    // Which of the next entries grow by the same step from lane to lane? One subtraction compares instruction,
    // kind and address at once.
    const int batch = std::min(kBatch, count - done);
    Entry step[kBatch], expected[kBatch], wrong[kBatch];
    const Entry* base = heads[first] + done;
    for (int k = 0; k < batch; ++k) {
      const std::int64_t distance = static_cast<std::int64_t>(heads[second][done + k] - base[k]);
      step[k] = second == first + 1 ? static_cast<Entry>(distance)
                : rest == 0         ? 0
                                    : static_cast<Entry>(distance / (second - first));
      expected[k] = base[k];
      wrong[k] = 0;
    }
    for (int i = first + 1; i <= last; ++i) {
      for (int k = 0; k < batch; ++k) expected[k] += step[k];
      if ((mask >> i & 1) == 0) continue;
      const Entry* log = heads[i] + done;
      for (int k = 0; k < batch; ++k) wrong[k] |= log[k] ^ expected[k];
    }
    for (int k = 0; k < batch; ++k) {
      const std::uint32_t key = key_of(base[k]);
      if (kind_of_key(key) ==
          Kind::mark) {  // no access; but lanes that went back more often are in another iteration
        if (wrong[k] != 0 || step[k] != 0) return done + k;
        continue;
      }
      a.width = width_of(kind_of_key(key));
      if (wrong[k] == 0 && key_of(heads[last][done + k]) == key) {
        a.linear = true;
        a.stride = static_cast<std::int64_t>(step[k]);
        a.base = where_of(base[k]) - static_cast<Offset>(a.stride * first);
      } else {
        bool same = true;
        for (std::uint32_t m = mask; m != 0; m &= m - 1) {
          const int i = std::countr_zero(m);
          const Entry e = heads[i][done + k];
          same &= key_of(e) == key;
          a.where[i] = where_of(e);
        }
        if (!same) return done + k;
        a.linear = false;
      }
      account(key, a);
    }
  }
  return count;
}

/// Merges one entry of the lanes that stand at the first place; answers which those are.
std::uint32_t Worker::merge_first(std::uint32_t mask, const Entry* const* heads) {
  int first = std::countr_zero(mask);
  std::uint32_t group = mask & -mask;
  for (std::uint32_t m = mask & (mask - 1); m != 0; m &= m - 1) {
    const int i = std::countr_zero(m);
    auto order = places_[static_cast<std::size_t>(i)] <=> places_[static_cast<std::size_t>(first)];
    if (order == 0) order = key_of(*heads[i]) <=> key_of(*heads[first]);
    if (order < 0) first = i, group = 0;
    if (order <= 0) group |= 1u << i;
  }
  if (kind_of_key(key_of(*heads[first])) == Kind::mark) {
    for (std::uint32_t m = group; m != 0; m &= m - 1) {
      const int i = std::countr_zero(m);
      places_[static_cast<std::size_t>(i)].go_back(site_of_key(key_of(*heads[i])),
                                                   static_cast<std::uint32_t>(where_of(*heads[i])));
    }
    return group;
  }
  WarpAccess a;
  a.mask = group;
  a.width = width_of(kind_of_key(key_of(*heads[first])));
  for (std::uint32_t m = group; m != 0; m &= m - 1) {
    const int i = std::countr_zero(m);
    a.where[i] = where_of(*heads[i]);
  }
  account(key_of(*heads[first]), a);
  return group;
}

void Worker::account(std::uint32_t key, WarpAccess& a) {
  if (op_of(kind_of_key(key)) == Op::async_copy) {  // without the lanes that fill zeros
    WarpAccess read = a;
    for (std::uint32_t m = a.mask; m != 0; m &= m - 1) {
      const int i = std::countr_zero(m);
      read.where[i] = a.of(i);
      if (read.where[i] == kNowhere) read.mask &= ~(1u << i);
    }
    if (read.mask == 0) return;
    if (read.mask != a.mask) {
      read.linear = false;
      account_part(key, read, is_shared(read.of(std::countr_zero(read.mask))));
      return;
    }
  }
  const bool shared = is_shared(a.of(std::countr_zero(a.mask)));
  if (a.linear) {
    account_part(key, a, shared);
    return;
  }
  std::uint32_t in_shared = 0;
  for (std::uint32_t m = a.mask; m != 0; m &= m - 1) {
    const int i = std::countr_zero(m);
    in_shared |= static_cast<std::uint32_t>(is_shared(a.where[i])) << i;
  }
  const std::uint32_t mask = a.mask;
  for (const std::uint32_t part : {in_shared, mask & ~in_shared}) {
    if (part == 0) continue;
    a.mask = part;
    account_part(key, a, part == in_shared);
  }
  a.mask = mask;
}

void Worker::account_part(std::uint32_t key, const WarpAccess& a, bool shared) {
  SiteTally& tally = tallies_.at(key, shared);
  const auto lanes = static_cast<std::uint64_t>(std::popcount(a.mask));
  const Offset width = static_cast<Offset>(a.width);
  Offset low, high, bits;  // bits: set in some lane's address
  if (a.linear) {
    const Offset one = a.of(std::countr_zero(a.mask)), other = a.of(31 - std::countl_zero(a.mask));
    low = std::min(one, other);
    high = std::max(one, other) + width;
    bits = one | (lanes > 1 ? static_cast<Offset>(a.stride) : 0);
  } else {
    low = ~Offset{0}, high = bits = 0;
    for (std::uint32_t m = a.mask; m != 0; m &= m - 1) {
      const Offset where = a.where[std::countr_zero(m)];
      low = std::min(low, where);
      high = std::max(high, where);
      bits |= where;
    }
    high += width;
  }
  if (low < tally.low || high > tally.high) [[unlikely]]
    check_bounds(tally, a, low, high);
  if ((bits & (width - 1)) != 0) [[unlikely]]
    report_misaligned(tally, a);
  if (tally.counted.requests == 0) [[unlikely]]
    begin_tally(tally, a);
  tally.counted.requests += 1;
  add_work(warps_[current_warp_].work, tally.work);
  tally.counted.threads += lanes;
  tally.counted.bytes += lanes * width;
  tally.divergent += a.mask != warps_[current_warp_].lanes;
  if (!shared) {
    const std::uint64_t sectors = count_sectors(a);
    const std::uint64_t dense = a.linear && a.stride == 0 ? 1 : (lanes * width + 31) / 32;
    tally.counted.sectors += sectors;
    tally.counted.ideal_sectors += std::min(sectors, dense);
    if (trace_ != nullptr) {
      const Warp& warp = warps_[current_warp_];
      if (warp.work.shared + warp.shuffles >= kSharedTogether) trace_work(current_warp_);
      add_lines(trace_writer_, static_cast<std::size_t>(current_warp_), site_of_key(key),
                line_op(kind_of_key(key)), a);
    }
    if (job_->checks.unwritten) check_written(tally, a);
    return;
  }
  ++warps_[current_warp_].work.shared;
  const Wavefronts w = count_wavefronts(a, op_of(kind_of_key(key)) == Op::store);
  tally.counted.wavefronts += static_cast<std::uint64_t>(w.count);
  tally.counted.conflicts += static_cast<std::uint64_t>(w.count - w.ideal);
  if (tally.merge) {
    tally.merge->add(a, segment_);
  } else if (op_of(kind_of_key(key)) != Op::load) {
    ++segment_;
  }
  if (job_->checks.races || job_->checks.unwritten) check_shared(tally, a);
}

/// The first request of an instruction.
void Worker::begin_tally(SiteTally& tally, const WarpAccess& a) {
  tally.sample = sample_of(a, block_, current_warp_, tally.low);
  tally.work = arithmetic_work_at(site_of_key(tally.key));
}

/// Mentions in a warp's trace what it did beside its requests: the replay needs to know how long that keeps it. As
/// long as it touches no shared memory its requests say enough.
void Worker::trace_work(int index) {
  Warp& warp = warps_[index];
  WarpWork done = std::exchange(warp.work, {});
  WarpWork& lanes = warp.work_of_lanes;
  done.arithmetic += lanes.arithmetic / kWarp;
  done.special += lanes.special / kWarp;
  lanes = {0, lanes.arithmetic % kWarp, lanes.special % kWarp};
  const std::uint64_t shuffles = std::exchange(warp.shuffles, 0);
  warp.uses_shared |= done.shared != 0;
  if (trace_ == nullptr || !warp.uses_shared) return;
  done.shared += shuffles;
  trace_writer_.add(static_cast<std::size_t>(index), done);
}

void Worker::check_bounds(SiteTally& tally, const WarpAccess& a, Offset low, Offset high) {
  const std::uint32_t dynamic = job_->shape->dynamic_shared_bytes;
  const Allocation* found = device_memory::find(low, shared_base_, dynamic);
  // An atomic on half a word counts as one on its word, of which the last may be half an array's.
  const auto end_of = [&](const Allocation& in) {
    return in.end + (kind_of_key(tally.key) == Kind::atomic4 && in.end % 4 == 2 ? 2 : 0);
  };
  if (found != nullptr && high <= end_of(*found)) {
    tally.low = found->begin;
    tally.high = end_of(*found);
    return;
  }
  for (std::uint32_t m = a.mask; m != 0; m &= m - 1) {  // a warp may well reach into two allocations
    const int lane = std::countr_zero(m);
    const Offset where = a.of(lane);
    const Allocation* one = device_memory::find(where, shared_base_, dynamic);
    if (one != nullptr && where + static_cast<Offset>(a.width) <= end_of(*one)) continue;
    const std::uint32_t site = site_of_key(tally.key);
    Finding finding = about(FindingKind::out_of_bounds, lane_of(lane), site);
    const Op op = op_of(kind_of_key(tally.key));
    finding.what = fmt::format("{} of {} bytes at {}, {}",
                               op == Op::load    ? "a load"
                               : op == Op::store ? "a store"
                                                 : "an access",
                               a.width, device_memory::hex_address(where),
                               one != nullptr ? fmt::format("across the end of {}", one->name)
                                              : device_memory::neighbourhood(where, shared_base_, dynamic));
    finding.cause =
        "an index runs past its array: compare the thread's index with the extent, also in the last block";
    record(std::move(finding));
    throw LaunchFailure{};
  }
}

void Worker::report_misaligned(const SiteTally& tally, const WarpAccess& a) {
  for (std::uint32_t m = a.mask; m != 0; m &= m - 1) {
    const int lane = std::countr_zero(m);
    if (a.of(lane) % static_cast<Offset>(a.width) == 0) continue;
    Finding finding = about(FindingKind::misaligned, lane_of(lane), site_of_key(tally.key));
    Complaint c = misaligned(a.width, a.of(lane));
    finding.what = std::move(c.what);
    finding.cause = std::move(c.cause);
    record(std::move(finding));
    throw LaunchFailure{};
  }
}

/// A look at each lane's sector. False when in doubt: for the program's own variables, or words narrower than four bytes.
bool Worker::all_written(const WarpAccess& a) const {
  if (written_words_ == nullptr || a.width < 4) return false;
  const unsigned words = (1u << a.width / 4) - 1;
  unsigned missing = 0;
  for (std::uint32_t m = a.mask; m != 0; m &= m - 1) {
    const Offset where = a.of(std::countr_zero(m));
    if (where >= kImageBegin) return false;
    missing |= ~unsigned{written_words_[where / 32]} & words << where % 32 / 4;
    if (a.linear && a.stride == 0) break;
  }
  return missing == 0;
}

void Worker::check_written(const SiteTally& tally, const WarpAccess& a) {
  const Op op = op_of(kind_of_key(tally.key));
  if (op != Op::store && all_written(a)) return;
  const auto width = static_cast<std::size_t>(a.width);
  const bool dense = a.linear && a.mask == ~0u && a.stride == a.width;
  for (std::uint32_t m = a.mask; m != 0; m &= m - 1) {
    const int lane = std::countr_zero(m);
    const Offset where = a.of(lane);
    const std::size_t bytes = dense ? 32 * width : width;
    if (op == Op::store) {
      device_memory::mark_written(where, bytes);
    } else if (const Offset bad = device_memory::first_unwritten(where, bytes); bad < where + bytes) {
      const Allocation* in = device_memory::find(bad, shared_base_, 0);
      Finding finding =
          about(FindingKind::unwritten_read, lane_of(dense ? static_cast<int>((bad - where) / width) : lane),
                site_of_key(tally.key));
      finding.what = fmt::format("global memory at {}, byte {} of {}, has never been written",
                                 device_memory::hex_address(bad), in != nullptr ? bad - in->begin : 0,
                                 in != nullptr ? in->name : "nothing");
      finding.cause =
          "cudaMalloc does not clear memory: copy the input, or cudaMemset, before the kernel reads it";
      record(std::move(finding));
      return;
    }
    if (dense || (a.linear && a.stride == 0)) return;
  }
}

void Worker::check_shared(const SiteTally& tally, const WarpAccess& a) {
  const Op op = op_of(kind_of_key(tally.key));
  const std::uint32_t site = site_of_key(tally.key);
  const bool writes = op != Op::load;
  if (job_->checks.races) {
    const auto conflict = shadow_.touch(a, shared_base_, static_cast<std::uint32_t>(current_warp_),
                                        warps_[current_warp_].steps, site, writes, op == Op::atomic);
    if (conflict.found) {
      Finding finding = about(FindingKind::race, lane_of(conflict.lane), site);
      finding.other_site = conflict.other_site;
      finding.within_warp = conflict.within_warp;
      if (writes && !conflict.other_wrote)
        std::swap(finding.site, finding.other_site);  // the read is the one to look at
      const char* const now = writes ? "writes" : "reads";
      const char* const before = conflict.other_wrote ? "wrote" : "read";
      if (conflict.within_warp) {
        finding.what = fmt::format(
            "lane {} of warp {} {} shared byte {} that another lane {} since they were last in step",
            conflict.lane, current_warp_, now, conflict.where, before);
        finding.cause =
            "lanes of a warp need not run in step (Volta and later): a __syncwarp() is missing between the two";
      } else {
        const std::string other =
            conflict.other_warp < kWarp ? fmt::format("warp {}", conflict.other_warp) : "more than one warp";
        finding.what = fmt::format("warp {} {} shared byte {} that {} {} since the last barrier", current_warp_,
                                   now, conflict.where, other, before);
        finding.cause = "nothing orders the two accesses: a __syncthreads() is missing between them";
      }
      record(std::move(finding));
    }
  }
  if (job_->checks.unwritten && op != Op::atomic) {
    const int lane = shadow_.written(a, shared_base_, writes);
    if (lane >= 0) {
      Finding finding = about(FindingKind::unwritten_read, lane_of(lane), site);
      finding.what = fmt::format("shared memory at byte {} holds nothing that this block wrote",
                                 a.of(lane) - shared_base_);
      finding.cause =
          "shared memory starts with arbitrary contents: not every element that is read was filled before";
      record(std::move(finding));
    }
  }
}

}  // namespace flashlab::simt
