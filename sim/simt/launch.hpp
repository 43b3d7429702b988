#pragma once
/// \file
/// A kernel launch as seen from outside: its shape, its blocks to be run on demand, what they counted.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sim/simt/checks.hpp"
#include "sim/simt/counters.hpp"
#include "sim/simt/trace.hpp"

namespace flashlab::simt {

struct LaunchShape {
  std::string kernel;  ///< as written at the launch: "naive_scores<64>"
  Dim3 grid, block;
  std::uint32_t dynamic_shared_bytes = 0;
  std::uint32_t static_shared_bytes = 0;  ///< of the __shared__ variables that block 0 reached
  std::uint64_t number = 0;               ///< of the launch in this program, from 0
};

/// A launch whose blocks have not all run yet. As a BlockSource it hands out their traces in order; other processors run
/// ahead of what is asked for, by up to 256 MiB of traces. What an observer does not ask for runs without traces when
/// the observer returns. After a block that failed the traces are empty.
class Launch : public BlockSource {
 public:
  virtual const LaunchShape& shape() const = 0;
  /// Runs what is left, then answers.
  virtual const LaunchCounters& counters() = 0;
};

/// Sees every launch of the process, on the thread that launches.
using LaunchObserver = std::function<void(Launch&)>;

/// How kernels run in this process. Set it before the first launch.
struct RunOptions {
  int processors = 0;  ///< OS threads that run blocks; 0: one a core
  CheckOptions checks;
  LaunchObserver observer;  ///< may be empty
};
void set_run_options(RunOptions options);
const RunOptions& run_options();

/// Called after every launch with what it counted, also without an observer and after a failure.
using LaunchFinished = std::function<void(const Launch&, const LaunchCounters&)>;
void set_launch_finished(LaunchFinished finished);

/// A finding of the host's, beside those of the launches.
void add_finding(Finding finding);
/// What was found in all launches since the last call.
std::vector<Finding> take_findings();

}  // namespace flashlab::simt
