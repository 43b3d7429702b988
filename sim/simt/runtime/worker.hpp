#pragma once
/// \file
/// A worker runs blocks, one after the other, on one OS thread. Every CUDA thread of the block is a *lane*: a fiber
/// with a stack of its own, which runs until it must wait (barrier, collective, full log) and then hands over to the
/// next lane of its warp. Lanes log their accesses; when a warp can go no further its 32 logs are merged into
/// warp accesses, which are counted, checked and traced.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/simt/launch.hpp"
#include "sim/simt/runtime/fiber.hpp"
#include "sim/simt/runtime/loops.hpp"
#include "sim/simt/runtime/shadow.hpp"
#include "sim/simt/runtime/tally.hpp"

namespace flashlab::simt {

class Worker;
struct Lane;

/// What the hooks need of the running lane, in thread-local storage. While no lane runs, log is full and worker null.
struct Running {
  Entry* cursor = nullptr;
  Entry* end = nullptr;
  Worker* worker = nullptr;
  Lane* lane = nullptr;
  Entry entry_origin = 0;
};
extern __thread Running running __attribute__((tls_model("initial-exec")));

inline constexpr int kWarp = 32;
inline constexpr std::uint64_t kMatrixTurns = 8;  // of a scheduler, that a warp's matrix product takes
inline constexpr int kMaxBlockThreads = 1024;
inline constexpr int kLogEntries =
    256;  // by trial: longer logs leave the L1 and L2 caches, shorter ones switch lanes more often
inline constexpr int kMarkRoom = 64;  // beyond them, for marks of loops, which do not wait
inline constexpr int kLogStride =
    kLogEntries + kMarkRoom + 8;  // logs of neighbouring lanes fall into different cache sets
inline constexpr std::size_t kStackBytes = std::size_t{256} << 10;
// Stacks at distances of a power of two would all live in the same few sets of the processor's caches: each begins a page
// further, and every sixteenth a few cache lines further down (make_lane), which spreads 1024 of them over a 64 KiB period.
inline constexpr std::size_t kStackStride = kStackBytes + 4096;

enum class CollectiveKind : std::uint8_t { sync, shuffle, vote, match, reduce, matrix, active };

/// A warp collective under way: the lanes of `mask` meet, leave a value each, and read the others'.
struct Meeting {
  std::uint32_t mask = 0, arrived = 0, left = 0;
  CollectiveKind kind = CollectiveKind::sync;
  std::uint32_t site = 0;
  std::uint32_t step = kOutOfStep;  // of those who leave it, in LaneSteps
  std::uint64_t values[kWarp];
};

/// From the entry `at` of its log on a lane is in another step.
struct NewStep {
  std::uint32_t at, step;
};

struct alignas(64) Lane {  // one line of the processor's cache
  Fiber fiber = nullptr;
  Entry* cursor = nullptr;     // of its log
  Entry* end = nullptr;        // where it is full
  std::byte* stack = nullptr;  // lowest address
  Meeting* meeting = nullptr;  // that it waits for
  std::uint32_t tid[3] = {0, 0, 0};
  std::uint32_t site = 0;   // where it waits
  std::uint16_t index = 0;  // in its warp
  std::uint16_t warp = 0;

  bool in(std::uint32_t lanes) const { return (lanes >> index & 1) != 0; }
};

struct Warp {
  std::uint32_t lanes = 0;  // that exist
  std::uint32_t ready = 0, full = 0, at_barrier = 0, done = 0;
  // What the trace does not mention yet: the warp's, and what was counted lane by lane.
  WarpWork work, work_of_lanes;
  std::uint64_t shuffles = 0;
  bool uses_shared = false;      // so far in this block
  LaneSteps steps{};             // as far as the lanes' logs are merged
  std::uint32_t steps_made = 0;  // collectives of all lanes
  std::vector<std::unique_ptr<Meeting>> meetings;
  Meeting* last_meeting = nullptr;  // the one that lanes came to last
};

inline void add_work(WarpWork& sum, const ArithmeticWork& work) {
  sum.arithmetic += work.arithmetic;
  sum.special += work.special;
}

enum class BarrierKind : std::uint8_t { plain, count, all, any };

/// A launch as workers see it.
struct Job {
  const LaunchShape* shape = nullptr;
  void (*call)(const void* arguments) = nullptr;
  const void* arguments = nullptr;
  CheckOptions checks;
  /// Waits until every earlier block has run: global atomics happen in the order of the blocks.
  void (*wait_for_earlier_blocks)(const Job& job, std::uint64_t block) = nullptr;
  void* scheduler = nullptr;
};

/// The words of a finding.
struct Complaint {
  std::string what, cause;
};
Complaint misaligned(int width_bytes, Offset where);

/// Ends a launch from within the scheduler of lanes.
struct LaunchFailure {};

class Worker {
 public:
  explicit Worker(int number);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void begin_launch(const Job& job);
  /// Runs one block; `trace` may be null. Throws LaunchFailure after a fatal finding.
  void run_block(std::uint64_t block, BlockTrace* trace);
  /// Adds what was counted since begin_launch to `total`.
  void add_to(LaunchCounters& total, TallyTable& tallies) const;

  // For the lanes of the running block:
  int barrier(std::uint32_t site);                                        // 0, for a hook that ends with it
  int barrier_with(BarrierKind kind, int predicate, std::uint32_t site);  // one that counts
  Meeting& meet(CollectiveKind kind, std::uint32_t mask, std::uint64_t value, std::uint32_t site);
  void leave(Meeting& meeting);
  /// The lanes of the warp that come here together: those that have come when no other can go on.
  std::uint32_t converged_lanes(std::uint32_t site);
  void wait_for_log();     // the running lane's log is full
  void let_others_come();  // each ready lane of the warp runs until it stops somewhere
  void before_global_atomic();
  void count_matrix_product(std::uint64_t flops) {
    ++counters_.matrix_products;
    warps_[running.lane->warp].work.arithmetic += kMatrixTurns;
    counters_.matrix_flops += flops;
  }
  void add_work_of_lane(const ArithmeticWork& work) {
    add_work(warps_[running.lane->warp].work_of_lanes, work);
  }
  void* shared_slot(std::uint32_t offset, std::uint32_t bytes);
  void* dynamic_shared() const;
  void print(const char* text, std::size_t length) { printed_.append(text, length); }
  bool on_stack_of_lane(const void* p) const;
  /// Whether an access to the lane's stack meets a return address or a saved frame pointer of the chain that begins with
  /// `frame`, or what lies above it: for code that was compiled with frame pointers.
  bool meets_a_frame(const void* p, std::size_t bytes, const void* frame) const;
  /// Records a finding about the running lane; when it is fatal the lane never returns.
  void find(FindingKind kind, std::uint32_t site, std::string what, std::string cause);

  std::string take_printed() { return std::exchange(printed_, {}); }
  std::vector<Finding> take_findings() { return std::exchange(findings_, {}); }
  std::uint32_t static_shared_bytes() const { return static_shared_bytes_; }

 private:
  friend void lane_main();
  void make_lane(Lane& lane);
  void resume(Lane& lane);
  void hand_over();
  void come_to_barrier(std::uint32_t site);
  std::uint32_t waiting_at_barrier() const;
  static Meeting* find_meeting(Warp& warp, std::uint32_t mask, std::uint32_t self);
  void run_warp(int warp);
  static void close_open_meetings(Warp& warp);
  bool release_barrier();
  [[noreturn]] void report_deadlock();
  void record(Finding finding);
  void check_barrier_sites(const Lane& lane);
  void check_barrier_left(int warp_index);
  void check_meeting_sites(const Meeting& meeting, CollectiveKind kind, std::uint32_t site);
  void run_all_warps();
  void run_until_done();
  Finding about(FindingKind kind, const Lane& lane, std::uint32_t site) const;

  void note_step(const Lane& lane, std::uint32_t step, std::uint32_t entries_ago);
  std::vector<NewStep>& new_steps(int lane) {  // of the current warp
    return new_steps_[static_cast<std::size_t>(current_warp_ * kWarp + lane)];
  }

  // merge.cpp
  void merge(Warp& warp, bool all);
  long take_steps(Warp& warp, int lane, const Entry* head);
  int merge_uniform(std::uint32_t mask, const Entry* const* heads, int count);
  std::uint32_t merge_first(std::uint32_t mask, const Entry* const* heads);
  void account(std::uint32_t key, WarpAccess& a);
  void account_part(std::uint32_t key, const WarpAccess& a, bool shared);
  [[gnu::cold]] void begin_tally(SiteTally& tally, const WarpAccess& a);
  void trace_work(int index);
  void check_bounds(SiteTally& tally, const WarpAccess& a, Offset low, Offset high);
  [[gnu::cold]] void report_misaligned(const SiteTally& tally, const WarpAccess& a);
  void check_shared(const SiteTally& tally, const WarpAccess& a);
  void check_written(const SiteTally& tally, const WarpAccess& a);
  bool all_written(const WarpAccess& a) const;
  const Lane& lane_of(int index) const { return lanes_[current_warp_ * kWarp + index]; }

  int number_;
  Offset shared_base_;
  std::byte* stacks_ = nullptr;
  std::vector<Lane> lanes_;
  std::vector<Warp> warps_;
  std::unique_ptr<Entry[]> logs_;
  std::vector<std::vector<NewStep>> new_steps_;  // of each lane, in order; only where races are looked for
  Fiber home_ = nullptr;

  const Job* job_ = nullptr;
  std::uint64_t block_ = 0;
  Dim3 block_index_;
  int lane_count_ = 0;
  int warp_count_ = 0;
  int current_warp_ = 0;
  bool failed_ = false;
  bool may_use_atomics_ = false;
  int barrier_result_[2] = {0, 0};
  std::uint32_t barriers_passed_ = 0;
  int barrier_sum_ = 0;
  std::uint32_t done_ = 0;
  static constexpr std::uint32_t kNoSite = ~0u;
  std::uint32_t barrier_site_ = kNoSite;  // of those who wait
  std::uint64_t segment_ = 0;
  std::uint32_t rounds_stuck_ = 0;
  std::uint32_t static_shared_bytes_ = 0;
  std::vector<bool> slots_seen_;

  // The merge of the current warp: whether its lanes are at different places, and where each stands.
  bool diverged_ = false;
  std::uint32_t placed_ = 0;     // lanes whose place is that of the next entry of their log
  std::uint32_t last_site_ = 0;  // where all lanes stood last
  std::array<Place, kWarp> places_;

  TallyTable tallies_;
  LaunchCounters counters_;
  SharedShadow shadow_;
  const std::uint8_t* written_words_ = nullptr;  // of global memory
  BlockTrace* trace_ = nullptr;
  TraceWriter trace_writer_;
  std::size_t requests_a_warp_ = 0;  // the longest stream so far
  std::vector<Finding> findings_;
  std::string printed_;
};

/// The worker of the calling OS thread, made on first use.
Worker& this_worker();

/// Whether two instructions stand in the same line of source; false when that is unknown.
bool same_source_line(std::uint32_t a, std::uint32_t b);
/// Without look-ups (they start a program) every two instructions pass as of one line.
void allow_line_lookups(bool allowed);
/// The return address that a site stands for.
std::uintptr_t address_of_site(std::uint32_t site);
/// Called by every kernel file before main, with an address in its code. Ends the program when the code lies
/// further away than sites can tell.
void register_code(const void* address);
extern std::uintptr_t code_base;
/// The instruction before a return address, as a number that fits an Entry.
inline std::uint32_t site_of(const void* return_address) {
  return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(return_address) - code_base) &
         (kSiteLimit - 1);
}

}  // namespace flashlab::simt
