#include "sim/simt/launch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "sim/core/error.hpp"
#include "sim/simt/runtime/arithmetic.hpp"
#include "sim/simt/runtime/device_facts.hpp"
#include "sim/simt/runtime/launcher.hpp"
#include "sim/simt/runtime/matrix_sites.hpp"
#include "sim/simt/runtime/memory.hpp"
#include "sim/simt/runtime/status.hpp"
#include "sim/simt/runtime/worker.hpp"

namespace flashlab::simt {
namespace {

RunOptions& options() {
  static auto* const o = new RunOptions;  // never destroyed: reports are written while the program ends
  return *o;
}

std::vector<Finding>& all_findings() {
  static auto* const findings = new std::vector<Finding>;
  return *findings;
}

void keep(std::vector<Finding> findings) {
  for (Finding& f : findings) add_finding(all_findings(), std::move(f));
}

using Said =
    std::map<std::uint64_t, std::pair<std::string, std::vector<Finding>>>;  // what blocks printed and found

// What one worker leaves behind in one launch.
struct Share {
  LaunchCounters counters;
  TallyTable tallies;
  Said blocks;
};

// OS threads that live as long as the process, for each keeps a worker with its stacks and shared memory.
class Pool {
 public:
  /// Starts task(0) … task(count − 1) on other threads; `task` must live until wait() returns.
  static void start(int count, const std::function<void(int)>& task) {
    {
      const std::lock_guard lock(pool().mutex_);
      for (; pool().threads_ < count; ++pool().threads_) std::thread([] { pool().serve(); }).detach();
      pool().task_ = &task;
      pool().next_ = 0;
      pool().count_ = pool().left_ = count;
    }
    pool().changed_.notify_all();
  }
  static void wait() {
    std::unique_lock lock(pool().mutex_);
    pool().changed_.wait(lock, [] { return pool().left_ == 0; });
  }

 private:
  static Pool& pool() {
    static Pool& one = *new Pool;  // its threads wait until the process ends
    return one;
  }
  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return next_ < count_; });
      const int mine = next_++;
      lock.unlock();
      (*task_)(mine);
      lock.lock();
      if (--left_ == 0) changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int threads_ = 0;
  const std::function<void(int)>* task_ = nullptr;
  int next_ = 0, count_ = 0, left_ = 0;
};

/// How far blocks run ahead of the observer: traces that nobody has asked for yet.
constexpr std::size_t kTraceBytesAhead = std::size_t{256} << 20;

std::size_t bytes_of(const BlockTrace& trace) {
  std::size_t bytes = 512 + trace.patterns.capacity() * sizeof(LinePattern);
  for (const auto& warp : trace.warps) bytes += warp.capacity() * sizeof(LineRequest);
  return bytes;
}

/// Blocks are taken in order, by the thread that launches and by those of the pool. While an observer asks for traces
/// the others run ahead of it; what is found, printed and counted does not depend on who ran what.
class RunningLaunch final : public Launch {
 public:
  RunningLaunch(const RawLaunch& raw, LaunchShape shape) : shape_(std::move(shape)) {
    job_.shape = &shape_;
    job_.call = raw.call;
    job_.arguments = raw.arguments;
    job_.checks = options().checks;
    job_.scheduler = this;
    // The shape names the static shared memory, which only a run tells: block 0 goes first.
    this_worker().begin_launch(job_);
    traced_ = options().observer != nullptr;
    run_block(take(), mine_);
    shape_.static_shared_bytes = this_worker().static_shared_bytes();
  }
  ~RunningLaunch() override {
    {
      const std::lock_guard lock(mutex_);
      end_ = 0;  // an observer that throws leaves blocks behind
      changed_.notify_all();
    }
    wait_for_others();
  }

  const LaunchShape& shape() const override { return shape_; }
  std::uint64_t block_count() const override { return shape_.grid.count(); }

  BlockTrace run(std::uint64_t block) override {
    if (block != asked_ || finished_)
      throw std::logic_error("the blocks of a launch are run in order, each once");
    start_others();
    std::unique_lock lock(mutex_);
    ++asked_;
    for (;;) {
      if (error_) std::rethrow_exception(error_);
      if (block > failed_block_) return {};
      if (const auto ready = ahead_.find(block); ready != ahead_.end()) {
        BlockTrace trace = std::move(ready->second);
        bytes_ahead_ -= bytes_of(trace);
        ahead_.erase(ready);
        changed_.notify_all();
        return trace;
      }
      if (may_take()) {
        const std::uint64_t mine = take();
        lock.unlock();
        run_block(mine, mine_);
        lock.lock();
      } else {
        changed_.wait(lock);
      }
    }
  }

  const LaunchCounters& counters() override {
    finish();
    return counters_;
  }

  /// Runs what is left, on all processors, and gathers.
  void finish() {
    if (finished_) return;
    finished_ = true;
    {
      const std::lock_guard lock(mutex_);
      traced_ = false;
      ahead_.clear();
      changed_.notify_all();
    }
    start_others();
    take_blocks(mine_);
    wait_for_others();
    if (error_) std::rethrow_exception(error_);
    this_worker().add_to(counters_, tallies_);
    auto said = std::move(mine_.blocks);
    for (Share& share : others_) {
      add(share.counters);
      for (const auto& [id, tally] : share.tallies.all()) tallies_.add(id, tally);
      said.merge(share.blocks);
    }
    emit(said);
    close();
  }

  bool failed() const { return failed_block_ != kNone; }

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  // Under the mutex, but for block 0:
  bool may_take() const {
    if (next_ >= std::min(block_count(), end_) || next_ > failed_block_) return false;
    return !traced_ || next_ < asked_ || bytes_ahead_ < kTraceBytesAhead;
  }
  std::uint64_t take() { return next_++; }

  void start_others() {
    if (started_) return;
    started_ = true;
    const std::uint64_t left = block_count() - next_;
    int processors =
        options().processors > 0 ? options().processors : static_cast<int>(std::thread::hardware_concurrency());
    processors = static_cast<int>(
        std::min<std::uint64_t>({static_cast<std::uint64_t>(std::max(processors, 1)), left, 32}));
    if (processors <= 1 || failed()) return;
    job_.wait_for_earlier_blocks = &wait_for_earlier_blocks;
    others_.resize(static_cast<std::size_t>(processors - 1));
    working_ = true;
    Pool::start(processors - 1, task_);
  }
  void wait_for_others() {
    if (std::exchange(working_, false)) Pool::wait();
  }

  void work(Share& share) {
    try {
      Worker& worker = this_worker();
      worker.begin_launch(job_);
      take_blocks(share);
      worker.add_to(share.counters, share.tallies);
    } catch (...) {  // run_block() has kept it
    }
  }

  void take_blocks(Share& share) {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (may_take()) {
        const std::uint64_t block = take();
        lock.unlock();
        run_block(block, share);
        lock.lock();
      } else if (next_ >= std::min(block_count(), end_) || next_ > failed_block_) {
        return;
      } else {
        changed_.wait(lock);
      }
    }
  }

  void run_block(std::uint64_t block, Share& share) {
    std::optional<BlockTrace> trace;
    if (traced_) trace.emplace();
    Worker& worker = this_worker();
    bool failed = false;
    try {
      worker.run_block(block, trace ? &*trace : nullptr);
    } catch (const LaunchFailure&) {
      failed = true;
    } catch (...) {
      const std::lock_guard lock(mutex_);
      error_ = std::current_exception();
      end_ = 0;
      changed_.notify_all();
      throw;
    }
    auto printed = worker.take_printed();
    auto found = worker.take_findings();
    if (!printed.empty() || !found.empty()) share.blocks[block] = {std::move(printed), std::move(found)};
    const std::lock_guard lock(mutex_);
    if (failed) failed_block_ = std::min(failed_block_.load(), block);
    if (trace && traced_) {
      bytes_ahead_ += bytes_of(*trace);
      ahead_.emplace(block, std::move(*trace));
    }
    done_.insert(block);
    for (; done_.erase(done_below_) != 0; ++done_below_) {
    }
    changed_.notify_all();
  }

  static void wait_for_earlier_blocks(const Job& job, std::uint64_t block) {
    auto& self = *static_cast<RunningLaunch*>(job.scheduler);
    std::unique_lock lock(self.mutex_);
    self.changed_.wait(lock,
                       [&] { return self.done_below_ >= block || self.error_ || self.failed_block_ < block; });
  }

  void add(const LaunchCounters& c) {
    counters_.barriers += c.barriers;
    counters_.thread_barriers += c.thread_barriers;
    counters_.collectives += c.collectives;
    counters_.matrix_products += c.matrix_products;
    counters_.matrix_flops += c.matrix_flops;
    for (std::size_t i = 0; i < kArithmeticClasses; ++i) counters_.arithmetic[i] += c.arithmetic[i];
  }

  // Sums over instructions, with the merges that the card's compiler is expected to make.
  void close() {
    for (auto& [id, tally] : tallies_.all()) {
      SiteCounters site;
      const Kind kind = kind_of_key(tally.key);
      site.site = site_of_key(tally.key);
      site.op = is_matrix_site(site.site) ? Op::matrix_load : op_of(kind);
      site.space = tally.shared ? Space::shared : Space::global;
      site.width_bytes = width_of(kind);
      site.counted = tally.counted;
      site.sample = tally.sample;
      if (tally.merge) {
        site.merged_width_bytes = tally.merge->merged_width_bytes();
        site.merged = tally.merge->merged();
      }
      if (site.op != Op::matrix_load) counters_.divergent_requests += tally.divergent;
      counters_.merged_loads += site.counted.requests - site.expected().requests;
      counters_.memory[static_cast<int>(site.space)][static_cast<int>(site.op)] += site.expected();
      add_arithmetic_at(site.site, site.counted.threads, counters_.arithmetic);
      counters_.sites.push_back(site);
    }
    std::sort(counters_.sites.begin(), counters_.sites.end(), [](const SiteCounters& a, const SiteCounters& b) {
      return std::tuple(a.site, a.op, a.space, a.width_bytes) <
             std::tuple(b.site, b.op, b.space, b.width_bytes);
    });
  }

  // In the order of the blocks, whoever ran them; nothing of what comes after the block that failed.
  void emit(Said& said) {
    for (auto& [block, words] : said) {
      if (block > failed_block_) break;
      std::fwrite(words.first.data(), 1, words.first.size(), stdout);
      keep(std::move(words.second));
    }
  }

  LaunchShape shape_;
  Job job_;
  LaunchCounters counters_;
  TallyTable tallies_;
  Share mine_;
  std::vector<Share> others_;
  const std::function<void(int)> task_ = [this](int i) { work(others_[static_cast<std::size_t>(i)]); };
  bool started_ = false, working_ = false, finished_ = false;
  std::uint64_t asked_ = 0;  ///< the block that the observer asks for next

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> traced_{false};
  std::uint64_t next_ = 0;     ///< the block that is taken next
  std::uint64_t end_ = kNone;  ///< none is taken from here on
  std::map<std::uint64_t, BlockTrace> ahead_;
  std::size_t bytes_ahead_ = 0;
  std::uint64_t done_below_ = 0;
  std::set<std::uint64_t> done_;  ///< not below that
  std::atomic<std::uint64_t> failed_block_{kNone};
  std::exception_ptr error_;
};

}  // namespace

void set_run_options(RunOptions wanted) {
  options() = std::move(wanted);
  device_memory::track_writes(options().checks.unwritten);
  device_memory::close_image(options().checks.closed);
  allow_line_lookups(!options().checks.closed);
}
const RunOptions& run_options() { return options(); }

namespace {
LaunchFinished& finished() {
  static auto* const f = new LaunchFinished;
  return *f;
}
}  // namespace
void set_launch_finished(LaunchFinished f) { finished() = std::move(f); }

void add_finding(Finding finding) { all_findings().push_back(std::move(finding)); }
std::vector<Finding> take_findings() { return std::exchange(all_findings(), {}); }

int launch(const RawLaunch& raw) {
  static std::uint64_t number = 0;
  LaunchShape shape;
  shape.kernel = raw.kernel;
  shape.grid = {raw.grid[0], raw.grid[1], raw.grid[2]};
  shape.block = {raw.block[0], raw.block[1], raw.block[2]};
  shape.dynamic_shared_bytes = static_cast<std::uint32_t>(raw.dynamic_shared_bytes);
  shape.number = number++;
  if (running.worker != nullptr) {
    running.worker->find(FindingKind::trap, site_of(__builtin_return_address(0)),
                         fmt::format("device code launches {}", raw.kernel),
                         "a kernel that a kernel launches (dynamic parallelism) is not run here");
  }
  if (status::sticky()) return status::last();
  const auto& [g, b] = std::pair(shape.grid, shape.block);
  if (g.count() == 0 || b.count() == 0 || b.count() > kMaxBlockThreads || b.z > 64 || g.x > 0x7FFFFFFF ||
      g.y > 65535 || g.z > 65535) {
    return status::set(status::kInvalidConfiguration);
  }
  if (raw.dynamic_shared_bytes > device_facts().shared_bytes_per_block)
    return status::set(status::kInvalidValue);
  RunningLaunch launch(raw, std::move(shape));
  if (options().observer && !launch.failed()) options().observer(launch);
  launch.finish();
  if (finished()) finished()(launch, launch.counters());
  return launch.failed() ? status::set_sticky(status::kLaunchFailure) : 0;
}

}  // namespace flashlab::simt
