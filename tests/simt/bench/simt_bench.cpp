/// \file
/// Speed of the simt machine, a benchmark a figure:
///
///   thread_accesses       accesses of threads, coalescing and sectors counted   accesses/s a core
///   thread_accesses_checked   the same, races and unwritten words looked at     accesses/s a core
///   traced                the same, with a trace that nobody reads              accesses/s a core
///   with_caches           trace and replay through L1 and L2 of an H100         accesses/s
///   shared_accesses       shared memory: banks, predicted merges                accesses/s a core
///   thread_barriers       blocks that do nothing else                           thread-barriers/s a core
///
/// on the textbook product of queries and keys at N = 1024, d = 64. "A core" divides by the time of the processor, the
/// others by that of the wall: `processors` of them work. Others' figures of one core: HIP-CPU 87 to 96 million
/// thread-barriers/s, counting nothing; Accel-Sim, which also tells time, 27.5 thousand instructions/s for an H100.
/// Run: build with -DFLASHLAB_BENCHMARKS=ON, then `tests/simt/bench/bench_simt`.
#include <benchmark/benchmark.h>

#include "sim/simt/launch.hpp"
#include "sim/simt/replay/replay.hpp"
#include "tests/simt/kernels.hpp"

using namespace flashlab::simt;

namespace {

void use(int processors, bool checks = false, LaunchObserver observer = {}) {
  RunOptions options;
  options.processors = processors;
  options.checks = {checks, checks};
  options.observer = std::move(observer);
  set_run_options(std::move(options));
}

constexpr int kN = 1024, kD = 64;
constexpr double kAccesses = 2.0 * kN * kN * kD + kN * kN;

benchmark::Counter rate(double of_one_iteration) {
  return {of_one_iteration, benchmark::Counter::kIsIterationInvariantRate};
}

void scores(benchmark::State& state) {
  for (auto _ : state) simt_tests::naive_scores(kN, kD);
  state.counters["accesses/s"] = rate(kAccesses);
}

void thread_accesses(benchmark::State& state) {
  use(static_cast<int>(state.range(0)));
  scores(state);
}
BENCHMARK(thread_accesses)->ArgName("processors")->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(thread_accesses)->ArgName("processors")->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

void thread_accesses_checked(benchmark::State& state) {
  use(1, true);
  scores(state);
}
BENCHMARK(thread_accesses_checked)->Unit(benchmark::kMillisecond);

void traced(benchmark::State& state) {
  use(1, false, [](Launch& launch) {
    for (std::uint64_t b = 0; b < launch.block_count(); ++b) benchmark::DoNotOptimize(launch.run(b));
  });
  scores(state);
}
BENCHMARK(traced)->Unit(benchmark::kMillisecond);

// As `flashlab run STAGE --machine simt` counts.
void with_caches(benchmark::State& state) {
  Replay replay(replay_profile("h100"));
  use(static_cast<int>(state.range(0)), false, [&](Launch& launch) {
    replay.flush_caches();
    const KernelResources resources{.threads_per_block = static_cast<int>(launch.shape().block.count())};
    benchmark::DoNotOptimize(replay.launch(launch, resources).hbm_read_bytes);
  });
  scores(state);
}
BENCHMARK(with_caches)->ArgName("processors")->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(with_caches)->ArgName("processors")->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

void shared_accesses(benchmark::State& state) {
  use(1);
  for (auto _ : state) simt_tests::tiled_scores(kN, kD, state.range(0) != 0);
  state.counters["accesses/s"] = rate(1.25 * kN * kN * kD);
}
BENCHMARK(shared_accesses)->ArgName("padded")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

void thread_barriers(benchmark::State& state) {
  use(1);
  for (auto _ : state) simt_tests::barriers(4, static_cast<int>(state.range(0)), 1000);
  state.counters["thread-barriers/s"] = rate(4.0 * 1000 * static_cast<double>(state.range(0)));
}
BENCHMARK(thread_barriers)->ArgName("threads")->Arg(256)->Arg(1024)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
