#include "sim/lab/contain.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "sim/core/error.hpp"

namespace flashlab::lab {
namespace {

using Clock = std::chrono::steady_clock;

volatile std::sig_atomic_t stop_wanted = 0;

void limit(int what, rlim_t value) {
  const rlimit both{value, value};
  setrlimit(static_cast<__rlimit_resource>(what), &both);
}

int sealed_input(const std::string& bytes) {
  const int fd = memfd_create("flashlab-input", MFD_ALLOW_SEALING);
  if (fd < 0) throw EnvironmentError("cannot make a file in memory (memfd_create)");
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t n = write(fd, bytes.data() + at, bytes.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      close(fd);
      throw EnvironmentError("not enough memory for a lab's input");
    }
    at += static_cast<std::size_t>(n);
  }
  fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  lseek(fd, 0, SEEK_SET);
  return fd;
}

// In the child, between fork and what it is to run. Descriptors: 0 nothing, 1 and 2 printed, 3 the input, 4 the result.
void enter(const Contained& job, int printed, int input, int result) {
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_DUMPABLE, 0);
  const int nothing = open("/dev/null", O_RDONLY);
  // All to high numbers first, so that none stands where another shall be.
  const int p = fcntl(printed, F_DUPFD, 32), i = fcntl(input, F_DUPFD, 32), r = fcntl(result, F_DUPFD, 32),
            z = fcntl(nothing, F_DUPFD, 32);
  if (p < 0 || i < 0 || r < 0 || z < 0) _exit(126);
  dup2(z, 0), dup2(p, 1), dup2(p, 2), dup2(i, 3), dup2(r, 4);
  if (close_range(5, ~0u, 0) != 0) {  // older kernels, and containers whose filters do not know the call
    for (int fd = 5; fd < 4096; ++fd) close(fd);
  }
  if (chdir(job.limits.folder.c_str()) != 0) _exit(126);
  (void)unshare(
      CLONE_NEWNET);  // where that is allowed; the system-call filter of the child needs no permission
  limit(RLIMIT_CORE, 0);
  // The hard limit lies a second higher: at the soft one comes SIGXCPU, which tells time from other ends.
  const rlimit cpu{static_cast<rlim_t>(job.limits.cpu_s), static_cast<rlim_t>(job.limits.cpu_s) + 1};
  setrlimit(RLIMIT_CPU, &cpu);
  limit(RLIMIT_FSIZE, job.limits.file_bytes);
  if (job.limits.address_bytes != 0) limit(RLIMIT_AS, job.limits.address_bytes);
  limit(RLIMIT_NOFILE, static_cast<rlim_t>(job.limits.open_files));
  if (!job.limits.may_start_processes) limit(RLIMIT_NPROC, 0);
  for (const int reset : {SIGPIPE, SIGXFSZ, SIGINT, SIGTERM}) signal(reset, SIG_DFL);
}

[[noreturn]] void become(const Contained& job) {
  if (job.body) {
    int code = 125;
    try {
      code = job.body();
    } catch (...) {
      code = 125;
    }
    std::fflush(nullptr);
    _exit(code);
  }
  std::vector<char*> argv;
  for (const std::string& a : job.arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", lang[] = "LC_ALL=C";
  char* environment[] = {path, lang, nullptr};
  execve(argv[0], argv.data(), environment);
  _exit(127);
}

class Child {
 public:
  Child(std::size_t number, const Contained& job) : number_(number), job_(&job), started_(Clock::now()) {
    std::array<int, 2> printed{}, result{};
    const int input = sealed_input(job.input);
    if (pipe2(printed.data(), O_CLOEXEC) != 0 || pipe2(result.data(), O_CLOEXEC) != 0)
      throw EnvironmentError("cannot make a pipe");
    std::fflush(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      enter(job, printed[1], input, result[1]);
      become(job);
    }
    close(printed[1]), close(result[1]), close(input);
    if (pid_ < 0) throw EnvironmentError("cannot start a process: too many of them are running");
    fds_ = {printed[0], result[0]};
    for (const int fd : fds_) fcntl(fd, F_SETFL, O_NONBLOCK);
  }
  Child(Child&& other) noexcept
      : number_(other.number_),
        job_(other.job_),
        started_(other.started_),
        pid_(std::exchange(other.pid_, -1)),
        fds_(std::exchange(other.fds_, {-1, -1})),
        out_(std::move(other.out_)) {}
  Child& operator=(Child&&) = delete;
  ~Child() {
    if (pid_ > 0) {
      kill(-pid_, SIGKILL), kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    for (const int fd : fds_) {
      if (fd >= 0) close(fd);
    }
  }

  const std::array<int, 2>& fds() const { return fds_; }
  std::size_t number() const { return number_; }

  /// Reads, looks at the limits. The outcome when it has ended.
  std::optional<Outcome> look() {
    drain(fds_[0], out_.printed, job_->limits.printed_bytes, false);
    drain(fds_[1], out_.result, job_->limits.result_bytes, true);
    out_.wall_s = std::chrono::duration<double>(Clock::now() - started_).count();
    if (out_.wall_s > job_->limits.wall_s) out_.out_of_time = true;
    if (resident_bytes() > job_->limits.resident_bytes) out_.out_of_memory = true;
    if (out_.out_of_time || out_.out_of_memory || out_.too_much_result)
      kill(-pid_, SIGKILL), kill(pid_, SIGKILL);
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
    kill(-pid_, SIGKILL);  // whatever it left running
    pid_ = -1;
    if (WIFEXITED(status)) out_.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) out_.signal = WTERMSIG(status);
    if (out_.signal == SIGXCPU) out_.out_of_time = true;
    drain(fds_[0], out_.printed, job_->limits.printed_bytes, false);
    drain(fds_[1], out_.result, job_->limits.result_bytes, true);
    return std::move(out_);
  }

 private:
  void drain(int fd, std::string& into, std::uint64_t most, bool strict) {
    std::array<char, 65536> buffer;
    for (;;) {
      const ssize_t n = read(fd, buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;
      const std::size_t room = most - std::min<std::uint64_t>(most, into.size());
      if (strict && static_cast<std::size_t>(n) > room) {
        out_.too_much_result = true;
        return;
      }
      into.append(buffer.data(), std::min(room, static_cast<std::size_t>(n)));
    }
  }
  std::uint64_t resident_bytes() const {
    std::FILE* file = std::fopen(fmt::format("/proc/{}/statm", pid_).c_str(), "r");
    if (file == nullptr) return 0;
    unsigned long long total = 0, resident = 0;
    const int read = std::fscanf(file, "%llu %llu", &total, &resident);
    std::fclose(file);
    return read == 2 ? resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
  }

  std::size_t number_;
  const Contained* job_;
  Clock::time_point started_;
  pid_t pid_ = -1;
  std::array<int, 2> fds_{-1, -1};
  Outcome out_;
};

}  // namespace

void interrupt() noexcept { stop_wanted = 1; }
bool interrupted() noexcept { return stop_wanted != 0; }

std::vector<Outcome> run_contained(const std::vector<Contained>& jobs, const RunOptions& options) {
  const auto at_once = static_cast<std::size_t>(std::max(options.at_once, 1));
  std::vector<Outcome> outcomes(jobs.size());
  std::vector<Child> running;
  running.reserve(at_once);
  std::size_t next = 0;
  while (next < jobs.size() || !running.empty()) {
    if (interrupted()) throw Interrupted();  // the children's destructors kill what runs
    while (next < jobs.size() && running.size() < at_once) {
      running.emplace_back(next, jobs[next]);
      ++next;
    }
    std::vector<pollfd> waits;
    for (const Child& child : running) {
      for (const int fd : child.fds()) waits.push_back({fd, POLLIN, 0});
    }
    poll(waits.data(), waits.size(), 5);
    bool hung_up = false;
    for (const pollfd& w : waits) hung_up = hung_up || (w.revents & POLLHUP) != 0;
    std::vector<Child> still;
    still.reserve(running.capacity());
    for (Child& child : running) {
      if (auto outcome = child.look()) {
        if (options.give_up && outcome->out_of_time) {
          for (; next < jobs.size(); ++next) outcomes[next].skipped = true;
        }
        outcomes[child.number()] = std::move(*outcome);
        if (options.ended) options.ended(child.number(), outcomes[child.number()]);
      } else {
        still.push_back(std::move(child));
      }
    }
    const bool none_ended = still.size() == running.size();
    running.swap(still);
    if (hung_up && none_ended) usleep(1000);  // a closed pipe answers poll at once
  }
  return outcomes;
}

std::string how_it_ended(const Outcome& o, const Limits& limits) {
  if (o.skipped) return "not run: another case ran out of time";
  if (o.out_of_time)
    return fmt::format("it ran longer than {:g} s and was stopped",
                       o.wall_s > limits.wall_s ? limits.wall_s : static_cast<double>(limits.cpu_s));
  if (o.out_of_memory)
    return fmt::format("it used more than {} MiB of memory and was stopped", limits.resident_bytes >> 20);
  if (o.too_much_result) return "it wrote more than its results can be, and was stopped";
  if (o.signal == SIGSYS)
    return "it asked the system for something that a submission may not have, and was stopped";
  if (o.signal == SIGSEGV || o.signal == SIGBUS)
    return "it touched memory that is not there, or its stack ran over (recursion, or a very large array)";
  if (o.signal == SIGILL || o.signal == SIGTRAP) return "an index ran past the end of an array";
  if (o.signal != 0) return fmt::format("it was ended by signal {} ({})", o.signal, strsignal(o.signal));
  return "";
}

}  // namespace flashlab::lab
