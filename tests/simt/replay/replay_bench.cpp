/// \file
/// Speed of the replay: line requests a second, traces included, on the textbook product of Q and K (nearly all hits in
/// L1) and on a copy (none).

#include <benchmark/benchmark.h>

#include "sim/simt/replay/replay.hpp"
#include "tests/simt/replay/streams.hpp"

namespace {

using namespace flashlab::simt;

/// Hands out traces made beforehand, so that only the replay is timed.
struct Ready : BlockSource {
  std::uint64_t block_count() const override { return blocks.size(); }
  BlockTrace run(std::uint64_t block) override { return std::move(blocks[block]); }
  std::vector<BlockTrace> blocks;
};

void replay_speed(benchmark::State& state, Stream stream) {
  std::int64_t requests = 0;
  for (auto _ : state) {
    state.PauseTiming();
    Ready source;
    for (std::uint64_t block = 0; block < stream.block_count(); ++block) {
      source.blocks.push_back(stream.run(block));
      for (const auto& warp : source.blocks.back().warps) requests += static_cast<std::int64_t>(warp.size());
    }
    Replay replay(replay_profile("h100"));
    state.ResumeTiming();
    benchmark::DoNotOptimize(replay.launch(source, stream.resources()).hbm_read_bytes);
  }
  state.SetItemsProcessed(requests);
}

void textbook_qk(benchmark::State& state) { replay_speed(state, qk_stream(1024, 64, 32)); }
void copy(benchmark::State& state) { replay_speed(state, copy_stream(64)); }

BENCHMARK(textbook_qk)->Unit(benchmark::kMillisecond);
BENCHMARK(copy)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
