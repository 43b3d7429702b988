#include "sim/simt/runtime/worker.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "sim/core/error.hpp"
#include "sim/simt/runtime/arithmetic.hpp"
#include "sim/simt/runtime/async_copies.hpp"
#include "sim/simt/runtime/builtins.hpp"
#include "sim/simt/runtime/lane_call.hpp"
#include "sim/simt/runtime/memory.hpp"

namespace flashlab::simt {

__thread Running running;

namespace {

constexpr std::size_t kGuardBytes = 4096;

std::string threads_of(std::uint32_t mask) {
  return mask == 0xFFFFFFFFu ? std::string("all lanes") : fmt::format("lanes {:#010x}", mask);
}

}  // namespace

Worker::Worker(int number)
    : number_(number),
      shared_base_(kSharedBegin + static_cast<Offset>(number) * kSharedStride),
      lanes_(kMaxBlockThreads + 1),  // one more to be prefetched
      warps_(kMaxBlockThreads / kWarp),
      logs_(new Entry[kWarp * kLogStride + 8]()),
      new_steps_(kMaxBlockThreads) {
  if (number >= kMaxWorkers)
    throw EnvironmentError("more processors than the simt machine has shared memories");
  reserve_window();
  const std::size_t bytes = kMaxBlockThreads * kStackStride;
  void* stacks =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stacks == MAP_FAILED) throw EnvironmentError("no address space left for the stacks of 1024 lanes");
  stacks_ = static_cast<std::byte*>(stacks);
  for (int i = 0; i < kMaxBlockThreads; ++i) {
    Lane& lane = lanes_[i];
    lane.stack = stacks_ + i * kStackStride;
    lane.index = static_cast<std::uint16_t>(i % kWarp);
    lane.warp = static_cast<std::uint16_t>(i / kWarp);
    lane.end = logs_.get() + lane.index * kLogStride + kLogEntries;
    mprotect(lane.stack, kGuardBytes, PROT_NONE);
  }
}

Worker::~Worker() { munmap(stacks_, kMaxBlockThreads * kStackStride); }

// A lane's fiber lives as long as its worker: it runs the kernel, reports that it is done, and waits for the next block.
void lane_main() {
  for (;;) {
    Worker& worker = *running.worker;
    flashlab_call_lane(worker.job_->call, worker.job_->arguments);
    finish_copies();
    Lane& lane = *running.lane;
    Warp& warp = worker.warps_[lane.warp];
    warp.ready &= ~(1u << lane.index);
    warp.done |= 1u << lane.index;
    ++worker.done_;
    worker.hand_over();
  }
}

void Worker::make_lane(Lane& lane) {
  const std::size_t stagger = static_cast<std::size_t>((&lane - lanes_.data()) / 16 % 16) * 256;
  lane.fiber = make_fiber(lane.stack + kStackBytes - stagger, kStackBytes - stagger - kGuardBytes, lane_main);
}

[[gnu::always_inline]] inline void Worker::resume(Lane& lane) {
  running.cursor = lane.cursor;
  running.end = lane.end;
  running.lane = &lane;
  set_thread_index(lane.tid);
}

// Leaves the running lane for the next ready lane of its warp, or for the worker when there is none. Inlined wherever
// it is used: after a switch of stacks the processor guesses the target of every return wrongly.
[[gnu::always_inline]] inline void Worker::hand_over() {
  Lane& self = *running.lane;
  self.cursor = running.cursor;
  const Warp& warp = warps_[self.warp];
  const std::uint32_t later = warp.ready & ~1u << self.index;
  if (later != 0 && !failed_) [[likely]] {
    Lane& next = (&self)[std::countr_zero(later) - self.index];
    resume(next);
    // The stacks of a block do not fit the first caches: that of the lane after the next is asked for already.
    const auto* const top = static_cast<const std::byte*>((&next + 1)->fiber);
    for (int line = 0; line < 3; ++line) __builtin_prefetch(top + line * 64);
    switch_fiber(&self.fiber, next.fiber);
  } else {
    switch_fiber(&self.fiber, home_);
  }
}

void Worker::begin_launch(const Job& job) {
  job_ = &job;
  written_words_ = device_memory::written_words();
  forget_copies();
  forget_arithmetic();
  tallies_.clear();
  counters_ = {};
  failed_ = false;
  static_shared_bytes_ = 0;
  requests_a_warp_ = 0;
  slots_seen_.assign(slots_seen_.size(), false);
}

void Worker::run_block(std::uint64_t block, BlockTrace* trace) {
  const LaunchShape& shape = *job_->shape;
  block_ = block;
  block_index_ = {static_cast<unsigned>(block % shape.grid.x),
                  static_cast<unsigned>(block / shape.grid.x % shape.grid.y),
                  static_cast<unsigned>(block / shape.grid.x / shape.grid.y)};
  lane_count_ = static_cast<int>(shape.block.count());
  warp_count_ = (lane_count_ + kWarp - 1) / kWarp;
  trace_ = trace;
  if (trace_ != nullptr) {
    trace_writer_.begin(*trace_, static_cast<std::size_t>(warp_count_));
    for (auto& warp : trace_->warps) warp.reserve(requests_a_warp_);  // blocks of a kernel are much alike
  }
  done_ = 0;
  barrier_site_ = kNoSite;
  barrier_sum_ = 0;
  rounds_stuck_ = 0;
  ++segment_;
  may_use_atomics_ = job_->wait_for_earlier_blocks == nullptr;
  shadow_.begin_block();
  set_block_index(block_index_, shape);

  for (int w = 0; w < warp_count_; ++w) {
    Warp& warp = warps_[w];
    const int lanes = std::min(kWarp, lane_count_ - w * kWarp);
    warp.lanes = lanes == kWarp ? ~0u : (1u << lanes) - 1;
    warp.ready = warp.lanes;
    warp.full = warp.at_barrier = warp.done = 0;
    warp.work = warp.work_of_lanes = {};
    warp.shuffles = 0;
    warp.uses_shared = false;
    warp.steps = {};
    warp.steps_made = 0;
    for (auto& meeting : warp.meetings) meeting->mask = 0;
    warp.last_meeting = nullptr;
  }
  for (int i = 0; i < lane_count_; ++i) {
    Lane& lane = lanes_[i];
    const unsigned t = static_cast<unsigned>(i);
    lane.tid[0] = t % shape.block.x;
    lane.tid[1] = t / shape.block.x % shape.block.y;
    lane.tid[2] = t / shape.block.x / shape.block.y;
    lane.meeting = nullptr;
    lane.cursor = lane.end - kLogEntries;
    new_steps_[static_cast<std::size_t>(i)].clear();
    if (lane.fiber == nullptr) make_lane(lane);
  }

  try {
    run_all_warps();
  } catch (const LaunchFailure&) {
    running = {};
    // Lanes stay where they stand, with whatever their stacks hold, and start afresh in the next launch.
    for (int i = 0; i < lane_count_; ++i) {
      if (!lanes_[i].in(warps_[i / kWarp].done)) lanes_[i].fiber = nullptr;
    }
    throw;
  }
}

void Worker::run_all_warps() {
  run_until_done();
  if (trace_ == nullptr) return;
  for (int w = 0; w < warp_count_; ++w) trace_work(w);
  for (const auto& warp : trace_->warps) requests_a_warp_ = std::max(requests_a_warp_, warp.size());
}

void Worker::run_until_done() {
  while (done_ < static_cast<std::uint32_t>(lane_count_)) {
    bool progress = false;
    for (int w = 0; w < warp_count_; ++w) {
      if ((warps_[w].ready | warps_[w].full) == 0) continue;
      progress = true;
      run_warp(w);
    }
    if (!progress && !release_barrier()) report_deadlock();
  }
}

void Worker::run_warp(int index) {
  Warp& warp = warps_[index];
  current_warp_ = index;
  ++segment_;
  diverged_ = false;
  last_site_ = 0;
  int rounds = 0;
  for (;;) {
    while (warp.ready != 0) {
      Lane& first = lanes_[index * kWarp + std::countr_zero(warp.ready)];
      running.worker = this;
      running.entry_origin = entry_origin(code_base);
      resume(first);
      switch_fiber(&home_, first.fiber);
      running = {};
      if (failed_) throw LaunchFailure{};
    }
    add_work(warp.work_of_lanes, take_counted_work());
    // A lane that spins until another lane or warp acts must let it: after many full logs everything logged counts.
    const bool force = ++rounds % 64 == 0;
    merge(warp, force || warp.full == 0);
    for (std::uint32_t left = warp.full; left != 0; left &= left - 1) {
      Lane& lane = lanes_[index * kWarp + std::countr_zero(left)];
      if (lane.cursor >= lane.end) continue;
      warp.full &= ~(1u << lane.index);
      warp.ready |= 1u << lane.index;
    }
    if (warp.ready == 0 && warp.full == 0) close_open_meetings(warp);
    if (warp.ready == 0 && warp.full == 0) return;
    if (force && warp_count_ > 1 && rounds >= 1024) return;  // let the other warps run
  }
}

void Worker::wait_for_log() {
  Lane& lane = *running.lane;
  Warp& warp = warps_[lane.warp];
  warp.ready &= ~(1u << lane.index);
  warp.full |= 1u << lane.index;
  hand_over();
}

void Worker::let_others_come() {
  if (job_->checks.races) note_step(*running.lane, kOutOfStep, 1);  // from this access on
  hand_over();
}

void Worker::note_step(const Lane& lane, std::uint32_t step, std::uint32_t entries_ago) {
  std::vector<NewStep>& steps = new_steps_[static_cast<std::size_t>(&lane - lanes_.data())];
  const Entry* const log = logs_.get() + lane.index * kLogStride;
  const auto at = static_cast<std::uint32_t>(running.cursor - log) - entries_ago;
  if (!steps.empty() && steps.back().at == at) {  // nothing was logged since: no more of them than entries
    steps.back().step = step;
  } else {
    steps.push_back({at, step});
  }
}

[[gnu::always_inline]] inline void Worker::come_to_barrier(std::uint32_t site) {
  Lane& lane = *running.lane;
  Warp& warp = warps_[lane.warp];
  lane.site = site;
  warp.ready &= ~(1u << lane.index);
  warp.at_barrier |= 1u << lane.index;
  if (site != barrier_site_) [[unlikely]]
    check_barrier_sites(lane);
}

// Needs nothing of its own stack when the lane goes on: fetching that made a barrier a fifth slower.
int Worker::barrier(std::uint32_t site) {
  come_to_barrier(site);
  hand_over();
  return 0;
}

int Worker::barrier_with(BarrierKind kind, int predicate, std::uint32_t site) {
  barrier_sum_ += predicate != 0;
  come_to_barrier(site);
  const std::uint32_t parity = barriers_passed_ & 1;
  const int threads = lane_count_ - static_cast<int>(done_);
  hand_over();
  const int sum = barrier_result_[parity];
  switch (kind) {
    case BarrierKind::plain:
      return 0;
    case BarrierKind::count:
      return sum;
    case BarrierKind::any:
      return sum != 0;
    case BarrierKind::all:
      return sum >= threads;
  }
  return 0;
}

std::uint32_t Worker::waiting_at_barrier() const {
  std::uint32_t sum = 0;
  for (int w = 0; w < warp_count_; ++w) sum += static_cast<std::uint32_t>(std::popcount(warps_[w].at_barrier));
  return sum;
}

// Opens the barrier when every lane that has not ended waits at it.
bool Worker::release_barrier() {
  const std::uint32_t waiting = waiting_at_barrier();
  if (waiting + done_ != static_cast<std::uint32_t>(lane_count_) || waiting == 0) return false;
  for (int w = 0; w < warp_count_; ++w) {
    Warp& warp = warps_[w];
    if (warp.at_barrier == 0) continue;
    if (warp.done != 0) check_barrier_left(w);
    warp.ready = warp.at_barrier;
    warp.at_barrier = 0;
    warp.steps = {};
    counters_.barriers += 1;
    trace_work(w);
    if (trace_ != nullptr)
      trace_writer_.add(static_cast<std::size_t>(w), 0,
                        {.site = barrier_site_, .op = LineOp::barrier, .lines = 0});
  }
  counters_.thread_barriers += waiting;
  barrier_site_ = kNoSite;
  barrier_result_[barriers_passed_++ & 1] = std::exchange(barrier_sum_, 0);
  shadow_.barrier();
  return true;
}

// Whether lanes stand there already, and not this one.
static bool waits_for(const Meeting& meeting, std::uint32_t self) {
  return meeting.kind != CollectiveKind::active && meeting.arrived != meeting.mask &&
         (meeting.arrived & self) == 0;
}

// The meeting that waits for this lane, or else one that is free.
Meeting* Worker::find_meeting(Warp& warp, std::uint32_t mask, std::uint32_t self) {
  Meeting* free = nullptr;
  for (auto& m : warp.meetings) {
    if (m->mask == mask && waits_for(*m, self)) return m.get();
    if (m->mask == 0) free = m.get();
  }
  return free != nullptr ? free : warp.meetings.emplace_back(std::make_unique<Meeting>()).get();
}

Meeting& Worker::meet(CollectiveKind kind, std::uint32_t mask, std::uint64_t value, std::uint32_t site) {
  Lane& lane = *running.lane;
  Warp& warp = warps_[lane.warp];
  const std::uint32_t self = 1u << lane.index;
  mask &= warp.lanes & ~warp.done;
  if ((mask & self) == 0) {
    find(FindingKind::divergent_collective, site,
         fmt::format("the mask {:#010x} does not name the calling lane {}", mask, lane.index),
         "a lane may call a collective only when its own bit is set in the mask");
    mask |= self;
  }
  Meeting* meeting = warp.last_meeting;
  if (meeting == nullptr || meeting->mask != mask || !waits_for(*meeting, self)) {
    meeting = warp.last_meeting = find_meeting(warp, mask, self);
    if (meeting->mask == 0) {
      meeting->mask = mask;
      meeting->arrived = meeting->left = 0;
      meeting->kind = kind;
      meeting->site = site;
    }
  }
  if (meeting->site != site) [[unlikely]]
    check_meeting_sites(*meeting, kind, site);
  meeting->values[lane.index] = value;
  meeting->arrived |= self;
  if (meeting->arrived == mask) {
    meeting->step = (mask | warp.done) == warp.lanes ? ++warp.steps_made : kOutOfStep;
    counters_.collectives += kind != CollectiveKind::matrix;
    warp.shuffles += kind == CollectiveKind::shuffle;
    warp.ready |= mask & ~self;
  } else {
    lane.site = site;
    lane.meeting = meeting;
    warp.ready &= ~self;
    hand_over();
    lane.meeting = nullptr;
  }
  if (job_->checks.races) note_step(lane, meeting->step, 0);
  return *meeting;
}

void Worker::leave(Meeting& meeting) {
  meeting.left |= 1u << running.lane->index;
  if (meeting.left == meeting.mask) meeting.mask = 0;
}

std::uint32_t Worker::converged_lanes(std::uint32_t site) {
  Lane& lane = *running.lane;
  Warp& warp = warps_[lane.warp];
  const std::uint32_t self = 1u << lane.index, live = warp.lanes & ~warp.done;
  Meeting* meeting = nullptr;
  for (auto& m : warp.meetings) {
    const bool open = m->kind == CollectiveKind::active && m->mask != 0 && m->arrived != m->mask;
    if (open && m->site == site && (m->arrived & self) == 0) meeting = m.get();
  }
  if (meeting == nullptr) {
    for (auto& m : warp.meetings) {
      if (m->mask == 0) meeting = m.get();
    }
    if (meeting == nullptr) meeting = warp.meetings.emplace_back(std::make_unique<Meeting>()).get();
    meeting->mask = live;
    meeting->arrived = meeting->left = 0;
    meeting->kind = CollectiveKind::active;
    meeting->site = site;
  }
  meeting->arrived |= self;
  if (meeting->arrived == meeting->mask) {
    warp.ready |= meeting->mask & ~self;
  } else {
    lane.site = site;
    lane.meeting = meeting;
    warp.ready &= ~self;
    hand_over();
    lane.meeting = nullptr;
  }
  const std::uint32_t mask = meeting->mask;
  leave(*meeting);
  return mask;
}

// No lane can go on: those who asked who is here are all there are.
void Worker::close_open_meetings(Warp& warp) {
  for (auto& m : warp.meetings) {
    if (m->kind != CollectiveKind::active || m->mask == 0 || m->arrived == m->mask) continue;
    m->mask = m->arrived;
    warp.ready |= m->arrived;
  }
}

void Worker::before_global_atomic() {
  if (may_use_atomics_) return;
  job_->wait_for_earlier_blocks(*job_, block_);
  may_use_atomics_ = true;
}

void* Worker::shared_slot(std::uint32_t offset, std::uint32_t bytes) {
  const std::size_t index = offset / 128;
  if (index >= slots_seen_.size()) slots_seen_.resize(index + 1, false);
  if (!slots_seen_[index]) {
    slots_seen_[index] = true;
    static_shared_bytes_ += (bytes + 15) / 16 * 16;
  }
  return pointer_of(shared_base_ + offset);
}

void* Worker::dynamic_shared() const { return pointer_of(shared_base_ + kDynamicShared); }

bool Worker::on_stack_of_lane(const void* p) const {
  const std::byte* b = static_cast<const std::byte*>(p);
  return b >= running.lane->stack && b < running.lane->stack + kStackBytes;
}

// Frame pointers lead from frame to frame, each with the next one's address and a return address above it; the saved
// ones are what may not be changed, so the chain can be trusted. What lies above the last frame is ours.
bool Worker::meets_a_frame(const void* p, std::size_t bytes, const void* frame) const {
  const auto* const begin = static_cast<const std::byte*>(p);
  const auto* at = static_cast<const std::byte*>(frame);
  while (on_stack_of_lane(at)) {
    constexpr std::size_t kSaved = 2 * sizeof(void*);
    if (begin < at + kSaved && begin + bytes > at) return true;
    const std::byte* next = nullptr;
    std::memcpy(&next, at, sizeof next);
    if (next <= at) return begin >= at;
    at = next;
  }
  return begin >= at;
}

Finding Worker::about(FindingKind kind, const Lane& lane, std::uint32_t site) const {
  Finding finding{};
  finding.kind = kind;
  finding.kernel = job_->shape->kernel;
  finding.block = block_index_;
  finding.thread = {lane.tid[0], lane.tid[1], lane.tid[2]};
  finding.site = site;
  return finding;
}

void Worker::record(Finding finding) { add_finding(findings_, std::move(finding)); }

void Worker::find(FindingKind kind, std::uint32_t site, std::string what, std::string cause) {
  Finding finding = about(kind, *running.lane, site);
  finding.what = std::move(what);
  finding.cause = std::move(cause);
  record(std::move(finding));
  if (!is_fatal(kind)) return;
  failed_ = true;
  Fiber lost = nullptr;
  switch_fiber(&lost, home_);
  std::abort();
}

void Worker::check_barrier_sites(const Lane& lane) {
  if (barrier_site_ == kNoSite) {  // the first to come
    barrier_site_ = lane.site;
    return;
  }
  if (same_source_line(lane.site, barrier_site_)) return;
  Finding finding = about(FindingKind::divergent_barrier, lane, lane.site);
  finding.other_site = barrier_site_;
  finding.what = "threads of one block wait at two different barriers, and each opens the other";
  finding.cause = "a __syncthreads() stands in a branch that only some threads of the block take";
  record(std::move(finding));
}

void Worker::check_barrier_left(int warp_index) {
  const Warp& warp = warps_[warp_index];
  const Lane& lane = lanes_[warp_index * kWarp + std::countr_zero(warp.done)];
  Finding finding = about(FindingKind::divergent_barrier, lane, barrier_site_);
  finding.what = fmt::format("{} of warp {} had left the kernel while the others wait at the barrier",
                             threads_of(warp.done), warp_index);
  finding.cause =
      "a return before __syncthreads(), often a bounds check: guard the work and let every thread reach the "
      "barrier";
  record(std::move(finding));
}

void Worker::check_meeting_sites(const Meeting& meeting, CollectiveKind kind, std::uint32_t site) {
  if (meeting.kind == kind && same_source_line(meeting.site, site)) return;
  Finding finding = about(FindingKind::divergent_collective, *running.lane, site);
  finding.other_site = meeting.site;
  finding.what =
      fmt::format("lanes of one warp meet at two different collectives under the mask {:#010x}", meeting.mask);
  finding.cause =
      "a shuffle or vote with a full mask stands in a branch that only some lanes take: narrow the mask, or "
      "move it out of the branch";
  record(std::move(finding));
}

void Worker::report_deadlock() {
  int waiting = -1, collective = -1;
  for (int i = 0; i < lane_count_; ++i) {
    if (lanes_[i].in(warps_[i / kWarp].at_barrier) && waiting < 0) waiting = i;
    if (lanes_[i].meeting != nullptr && collective < 0) collective = i;
  }
  const Lane& lane = lanes_[std::max(collective >= 0 ? collective : waiting, 0)];
  Finding finding = about(FindingKind::deadlock, lane, lane.site);
  if (collective >= 0) {
    const Meeting& m = *lane.meeting;
    finding.what = fmt::format("a warp collective with the mask {:#010x} waits for {}, which never come",
                               m.mask, threads_of(m.mask & ~m.arrived));
    if (waiting >= 0) finding.other_site = lanes_[waiting].site;
    finding.cause = "the mask names lanes that took another branch or wait at a barrier";
  } else {
    finding.what = fmt::format("{} of {} threads wait at a barrier that the others never reach",
                               waiting_at_barrier(), lane_count_);
    finding.cause = "a __syncthreads() stands in a branch that only some threads of the block take";
  }
  record(std::move(finding));
  throw LaunchFailure{};
}

void Worker::add_to(LaunchCounters& total, TallyTable& tallies) const {
  total.barriers += counters_.barriers;
  total.thread_barriers += counters_.thread_barriers;
  total.collectives += counters_.collectives;
  total.matrix_products += counters_.matrix_products;
  total.matrix_flops += counters_.matrix_flops;
  add_arithmetic(total.arithmetic);
  for (const auto& [id, tally] : tallies_.all()) tallies.add(id, tally);
}

Worker& this_worker() {
  static std::atomic<int> next{0};
  thread_local Worker worker(next++);
  return worker;
}

}  // namespace flashlab::simt
