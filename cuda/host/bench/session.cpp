#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "cuda/host/bench/contender.hpp"
#include "sim/core/error.hpp"
#include "sim/core/float_formats.hpp"
#include "sim/core/parallel.hpp"
#include "sim/core/random.hpp"

namespace flashlab::gpu {
namespace {

constexpr int kLeastRuns = 3;

/// A contender at one shape, with its row and its times so far.
struct Entry {
  Contender* contender;
  BenchRow row;
  int runs = 0, warm_up = 1;
  std::vector<double> ms;
  double clock_sum = 0, power_sum = 0;
  int clock_count = 0, power_count = 0;

  bool alive() const { return row.problem.empty(); }
  void add(const Load& load) {
    if (!std::isnan(load.clock_mhz)) clock_sum += load.clock_mhz, ++clock_count;
    if (!std::isnan(load.power_w)) power_sum += load.power_w, ++power_count;
  }
};

std::string describe(const BenchShape& s) {
  return fmt::format("{} {}, d = {}, N = {}, batch {}, heads {}{}", name_of(s.dtype),
                     s.causal ? "causal" : "full", s.dim, s.seq, s.batch, s.heads,
                     s.kv_heads == s.heads ? "" : fmt::format("/{}", s.kv_heads));
}

/// Calls and turns an error into the entry's problem. A stage of ours must not fail; but the card may be too small.
template <class Call>
void guarded(Entry& entry, Call call) {
  try {
    call();
  } catch (const EnvironmentError& error) {
    entry.row.problem = error.what();
    entry.row.wrong = !entry.row.is_peer && entry.row.problem.find("out of memory") == std::string::npos;
  } catch (const UsageError& error) {
    entry.row.problem = error.what();
  } catch (const std::bad_alloc&) {
    entry.row.problem = "not enough memory on the host";
  }
}

void check(Entry& entry, const BenchInputs& inputs, const ReferenceRows& reference) {
  guarded(entry, [&] { entry.row.problem = entry.contender->prepare(inputs); });
  if (!entry.alive()) return;
  guarded(entry, [&] {
    entry.row.relative_error = checked_error(entry.contender->answer(), reference, inputs.shape.dim);
    const double tolerance = bench_tolerance(inputs.shape.dtype);
    if (entry.row.relative_error <= tolerance) return;
    entry.row.wrong = true;
    entry.row.problem = std::isnan(entry.row.relative_error)
                            ? "wrong: O holds NaN or infinity"
                            : fmt::format("wrong: relative error {:.1e}, and {:.0e} is allowed",
                                          entry.row.relative_error, tolerance);
  });
}

/// How often this contender is timed: fewer runs when it is slow.
int runs_for(double pass_ms, const BenchMethod& method) {
  const double fit = 1e3 * method.seconds / std::max(pass_ms, 1e-6);
  return fit >= method.runs ? method.runs : std::max(kLeastRuns, static_cast<int>(fit));
}

/// What the times at shorter N let a pass take here; 0 where there are none.
double expected_pass_ms(const BenchRun& run, const BenchShape& shape, const BenchRow& row) {
  double ms = 0;
  for (const BenchCase& at : run.cases) {
    const BenchShape& s = at.shape;
    const BenchRow* const before = at.find(row.contender, row.without);
    if (!before || s.dtype != shape.dtype || s.dim != shape.dim || s.causal != shape.causal) continue;
    if (before->measured() && s.seq <= shape.seq) ms = before->time.median_ms * shape.flops() / s.flops();
  }
  return ms;
}

}  // namespace

double bench_tolerance(DType dtype) { return dtype == DType::f32 ? 1e-4 : dtype == DType::f16 ? 2e-3 : 1e-2; }

BenchInputs bench_inputs(const BenchShape& shape, std::uint64_t seed) {
  BenchInputs inputs{.shape = shape};
  const KernelShape kernel = shape.kernel_shape();
  const auto fill = [&](std::vector<float>& values, int heads, std::uint64_t tensor) {
    const std::size_t size = static_cast<std::size_t>(shape.seq) * shape.dim;
    values.resize(size * heads);
    parallel_for(heads, [&](Index head) {
      const std::span<float> part(values.data() + head * size, size);
      fill_normal(part, seed, (tensor << 32) + static_cast<std::uint64_t>(head));
      round_to(shape.dtype, part);
    });
  };
  fill(inputs.q, kernel.heads, 1);
  fill(inputs.k, kernel.key_heads(), 2);
  fill(inputs.v, kernel.key_heads(), 3);
  return inputs;
}

ReferenceRows reference_rows(const BenchInputs& inputs, int count, std::uint64_t seed) {
  const KernelShape shape = inputs.shape.kernel_shape();
  const std::size_t N = shape.seq, d = shape.dim, all = shape.rows();
  ReferenceRows reference;
  if (all <= static_cast<std::size_t>(count)) {
    reference.rows.resize(all);
    std::iota(reference.rows.begin(), reference.rows.end(), std::size_t{0});
  } else {
    std::set<std::size_t> chosen;
    for (std::size_t head = 0; head < static_cast<std::size_t>(shape.heads); ++head)
      chosen.insert({head * N, head * N + N - 1});
    std::mt19937_64 random(seed);
    while (chosen.size() < static_cast<std::size_t>(count)) chosen.insert(random() % all);
    reference.rows.assign(chosen.begin(), chosen.end());
  }
  reference.O.resize(reference.rows.size() * d);
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Floats = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
  const std::size_t group = static_cast<std::size_t>(shape.heads / shape.key_heads());
  parallel_for(shape.key_heads(), [&](Index key_head) {
    // The chosen rows whose heads read this K and V stand together.
    const std::size_t first_row = static_cast<std::size_t>(key_head) * group * N;
    const auto begin = std::ranges::lower_bound(reference.rows, first_row);
    const auto end = std::ranges::lower_bound(reference.rows, first_row + group * N);
    if (begin == end) return;
    const auto n = static_cast<Eigen::Index>(N), columns = static_cast<Eigen::Index>(d);
    const std::size_t keys_at = static_cast<std::size_t>(key_head) * N * d;
    const Matrix K = Floats(inputs.k.data() + keys_at, n, columns).cast<double>();
    const Matrix V = Floats(inputs.v.data() + keys_at, n, columns).cast<double>();
    Matrix Q(end - begin, columns);
    for (auto row = begin; row != end; ++row)
      Q.row(row - begin) = Floats(inputs.q.data() + *row * d, 1, columns).cast<double>();
    Matrix S = Q * K.transpose() / std::sqrt(static_cast<double>(d));  // (rows, N)
    for (auto row = begin; row != end; ++row) {
      auto scores = S.row(row - begin);
      const auto seen = shape.causal ? static_cast<Eigen::Index>(*row % N) + 1 : n;
      const double m = scores.head(seen).maxCoeff();
      scores.head(seen) = (scores.head(seen).array() - m).exp();
      scores.tail(n - seen).setZero();
      scores /= scores.head(seen).sum();
    }
    const Matrix O = S * V;
    std::ranges::copy(std::span(O.data(), static_cast<std::size_t>(O.size())),
                      reference.O.data() + static_cast<std::size_t>(begin - reference.rows.begin()) * d);
  });
  return reference;
}

double checked_error(const std::vector<float>& O, const ReferenceRows& reference, int dim) {
  if (!std::ranges::all_of(O, [](float value) { return std::isfinite(value); })) return kUnknown;
  const std::size_t d = static_cast<std::size_t>(dim);
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < reference.rows.size(); ++i) {
    for (std::size_t c = 0; c < d; ++c) {
      const std::size_t at = reference.rows[i] * d + c;
      if (at >= O.size()) return kUnknown;  // an answer that is too short is no answer
      const double want = reference.O[i * d + c], delta = static_cast<double>(O[at]) - want;
      difference += delta * delta;
      norm += want * want;
    }
  }
  return std::sqrt(difference / norm);
}

void run_bench(BenchRun& run, const std::vector<std::unique_ptr<Contender>>& contenders, LoadMeter& meter,
               const BenchOptions& options, const std::function<bool()>& usable) {
  run.method = options.method;
  for (const BenchShape& shape : options.shapes) {
    options.progress(fmt::format("{}: making inputs and reference", describe(shape)));
    const BenchInputs inputs = bench_inputs(shape, options.seed);
    const ReferenceRows reference = reference_rows(inputs, options.method.checked_rows, options.seed);
    std::vector<Entry> entries;
    bool stopped = false;
    const auto stop_if_unusable = [&](Entry& entry) {
      stopped = !entry.alive() && !usable();
      if (stopped) {
        entry.row.wrong = true;
        run.notes.push_back(fmt::format("stopped at {}: after {} the card takes no more work ({})",
                                        describe(shape), entry.row.name(), entry.row.problem));
        options.progress(run.notes.back());
      }
      return stopped;
    };
    for (const auto& contender : contenders) {
      if (!contender->takes(shape.dtype)) continue;
      Entry entry{.contender = contender.get()};
      entry.row.contender = contender->name();
      entry.row.without = contender->without();
      entry.row.is_peer = contender->is_peer();
      entry.row.floor = floor_of(contender->name(), shape, run);
      const double expected_ms = expected_pass_ms(run, shape, entry.row);
      if (expected_ms > 1e3 * options.method.seconds) {
        entry.row.problem = fmt::format("left out: about {:.0f} s a pass, and --seconds is {:g}",
                                        expected_ms * 1e-3, options.method.seconds);
      } else {
        check(entry, inputs, reference);
      }
      if (entry.alive()) {
        guarded(entry, [&] {
          const double pass_ms = contender->time(1, 0).at(0);
          entry.runs = runs_for(pass_ms, options.method);
          entry.warm_up = pass_ms > 50 ? 0 : 1;  // what a first pass pays is nothing beside such a pass
        });
      }
      if (!entry.alive()) options.progress(fmt::format("  {}: {}", entry.row.name(), entry.row.problem));
      entries.push_back(std::move(entry));
      if (stop_if_unusable(entries.back())) break;
    }
    const int rounds = std::max(1, options.method.rounds);
    for (int round = 0; round < rounds && !stopped; ++round) {
      options.progress(fmt::format("{}: round {} of {}", describe(shape), round + 1, rounds));
      for (Entry& entry : entries) {
        const int runs = entry.runs * (round + 1) / rounds - entry.runs * round / rounds;
        if (!entry.alive() || runs == 0) continue;
        guarded(entry, [&] {
          meter.start();
          const std::vector<double> ms = entry.contender->time(runs, entry.warm_up);
          entry.add(meter.stop());
          entry.ms.insert(entry.ms.end(), ms.begin(), ms.end());
        });
        if (stop_if_unusable(entry)) break;
      }
    }
    BenchCase& at = run.cases.emplace_back(BenchCase{.shape = shape});
    for (Entry& entry : entries) {
      entry.contender->release();
      if (entry.alive()) {
        entry.row.time = spread_of(entry.ms);
        if (entry.clock_count > 0) entry.row.clock_mhz = entry.clock_sum / entry.clock_count;
        if (entry.power_count > 0) entry.row.power_w = entry.power_sum / entry.power_count;
      }
      at.rows.push_back(std::move(entry.row));
    }
    options.case_done(run);
    if (stopped) return;
  }
}

}  // namespace flashlab::gpu
