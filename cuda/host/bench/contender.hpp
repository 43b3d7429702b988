#pragma once
/// \file
/// Who takes part in a bench, and the run itself: check first, then time in interleaved rounds. Knows neither CUDA nor
/// Python: a card's kernels, cuBLAS and PyTorch are contenders, and so are the fakes of the tests.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda/host/bench/bench.hpp"

namespace flashlab::gpu {

/// Q (batch, heads, N, d), K and V (batch, kv_heads, N, d): normal random numbers, rounded to the shape's type.
struct BenchInputs {
  BenchShape shape;
  std::vector<float> q, k, v;
};

class Contender {
 public:
  Contender(std::string name, bool is_peer, std::string without = "")
      : name_(std::move(name)), without_(std::move(without)), is_peer_(is_peer) {}
  virtual ~Contender() = default;
  const std::string& name() const { return name_; }
  const std::string& without() const { return without_; }
  bool is_peer() const { return is_peer_; }

  /// Whether it computes in that type at all; where it does not, it gets no row.
  virtual bool takes(DType) const { return true; }
  /// Takes the inputs over, which live until release(). Returns why it cannot take part at this shape; "" when it can.
  virtual std::string prepare(const BenchInputs& inputs) = 0;
  /// One pass into an O that was filled with NaN before: (batch, heads, N, d), widened to float.
  virtual std::vector<float> answer() = 0;
  /// `warm_up` passes, then `runs` timed ones, the L2 emptied before each: milliseconds.
  virtual std::vector<double> time(int runs, int warm_up) = 0;
  /// Lets go of the inputs.
  virtual void release() {}

 private:
  std::string name_, without_;
  bool is_peer_;
};

/// Clock and power while something runs.
struct Load {
  double clock_mhz = kUnknown, power_w = kUnknown;
};
class LoadMeter {
 public:
  virtual ~LoadMeter() = default;
  virtual void start() {}
  virtual Load stop() { return {}; }  ///< means since start()
};

struct BenchOptions {
  std::vector<BenchShape> shapes;
  BenchMethod method;
  std::uint64_t seed = 1;
  std::function<void(const std::string&)> progress = [](const std::string&) {};
  std::function<void(const BenchRun&)> case_done = [](const BenchRun&) {};  ///< to save what there is so far
};

/// Runs every contender at every shape and appends the cases to `run`. One that refuses gets a row with the reason;
/// one whose answer is wrong gets `wrong` and no time, and so does a stage that throws (memory apart); a peer that
/// throws EnvironmentError gets its message. What a shorter N shows to take longer than method.seconds a pass is left
/// out. When `usable` says no after such an error (a kernel that faulted takes the whole context with it), the bench stops
/// with what it has, and a note.
void run_bench(
    BenchRun& run, const std::vector<std::unique_ptr<Contender>>& contenders, LoadMeter& meter,
    const BenchOptions& options, const std::function<bool()>& usable = [] { return true; });

/// The largest relative error of O that rounding to that type explains for such inputs, with room: fp32 1e-4 (a product
/// in TF32 fails), fp16 2e-3, bf16 1e-2.
double bench_tolerance(DType dtype);

/// Normal random numbers, the same for a shape on every machine.
BenchInputs bench_inputs(const BenchShape& shape, std::uint64_t seed);

/// Rows of O, counted over batch · heads · N, and their values in double.
struct ReferenceRows {
  std::vector<std::size_t> rows;  ///< sorted; all of them when they are few
  std::vector<double> O;          ///< (rows, d)
};
/// At most about `count` rows drawn at random, the first and the last of every head always among them.
ReferenceRows reference_rows(const BenchInputs& inputs, int count, std::uint64_t seed);

/// ‖O − reference‖ / ‖reference‖ over the reference's rows; NaN when any element of the whole O is not finite.
double checked_error(const std::vector<float>& O, const ReferenceRows& reference, int dim);

}  // namespace flashlab::gpu
