#pragma once
/// \file
/// Running what cannot be trusted: a process apart, with limits on time, memory, files and output, killed with all it
/// started.

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace flashlab::lab {

struct Limits {
  double wall_s = 20;  ///< then the whole process group is killed
  int cpu_s = 20;      ///< RLIMIT_CPU of each process
  std::uint64_t resident_bytes = std::uint64_t{2}
                                 << 30;  ///< of the first process; looked at every few milliseconds
  std::uint64_t address_bytes = 0;       ///< RLIMIT_AS; 0: none (the simt machine reserves 64 GiB)
  std::uint64_t file_bytes = 0;          ///< the largest file that it may write
  std::uint64_t printed_bytes = std::uint64_t{64}
                                << 10;  ///< kept of stdout and stderr; what comes after is dropped
  std::uint64_t result_bytes = std::uint64_t{256} << 20;  ///< on the result's pipe; more ends the process
  bool may_start_processes = false;                       ///< compilers do
  int open_files = 128;
  std::string folder = "/";  ///< where it runs
};

/// Either a program or a function of this one, which must not return by an exception.
struct Contained {
  std::vector<std::string> arguments;  ///< the program and its arguments
  std::function<int()> body;           ///< or: runs in a fork; its value is the exit code
  std::string input;                   ///< what it finds at descriptor 3, read-only
  Limits limits;
};

struct Outcome {
  int exit_code = -1;  ///< -1 when it was killed
  int signal = 0;      ///< that ended it
  bool out_of_time = false, out_of_memory = false, too_much_result = false;
  bool skipped = false;  ///< not started, for another ran out of time
  std::string printed;   ///< stdout and stderr together, cut off at the limit
  std::string result;    ///< all that came through descriptor 4
  double wall_s = 0;
  bool well() const { return exit_code == 0 && !out_of_time && !out_of_memory && !too_much_result; }
};

struct RunOptions {
  int at_once = 1;       ///< jobs at a time
  bool give_up = false;  ///< none is started any more once one has run out of time
  std::function<void(std::size_t job, const Outcome&)> ended;  ///< called as soon as each has ended
};

/// Runs them and waits; outcomes in the order of the jobs. What they started is dead afterwards. Throws EnvironmentError
/// when no process can be made, Interrupted after interrupt().
std::vector<Outcome> run_contained(const std::vector<Contained>& jobs, const RunOptions& options);

/// Somebody wants the program to end (Ctrl-C): run_contained kills what runs and throws this.
struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};
/// For a signal's handler: every run_contained, now and later, throws Interrupted.
void interrupt() noexcept;
bool interrupted() noexcept;

/// "it ran longer than 20 s", "it used more than …", "killed by signal 11 (…)"; "" when it ended by itself.
std::string how_it_ended(const Outcome& outcome, const Limits& limits);

}  // namespace flashlab::lab
