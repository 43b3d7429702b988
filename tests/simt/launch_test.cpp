#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

#include "sim/simt/launch.hpp"
#include "tests/simt/kernels.hpp"

using namespace flashlab::simt;

namespace {

// Runs with these options and answers the counters of the last launch.
template <class F>
LaunchCounters counted(F run, RunOptions options = {}) {
  LaunchCounters last;
  set_run_options(std::move(options));
  set_launch_finished([&](const Launch&, const LaunchCounters& c) { last = c; });
  CHECK(run() == 0);
  set_launch_finished({});
  set_run_options({});
  return last;
}

std::uint64_t metric(const LaunchCounters& c, std::string_view name) {
  for (const Metric& m : c.metrics()) {
    if (m.name == name) return m.value;
  }
  FAIL("no metric " << name);
  return 0;
}

RunOptions on(int processors) {
  RunOptions options;
  options.processors = processors;
  return options;
}

}  // namespace

TEST_SUITE_BEGIN("simt");

TEST_CASE("the textbook product of queries and keys counts what an H100 counted") {
  const LaunchCounters c = counted([] { return simt_tests::naive_scores(1024, 64); });
  CHECK(metric(c, "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum") == 69206016);  // measured
  CHECK(metric(c, "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum") == 2 * 64 * 32768);
  CHECK(metric(c, "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum") == 4 * 32768);
}

TEST_CASE("a padded tile loads in as many wavefronts as an H100 needed") {
  const LaunchCounters c = counted([] { return simt_tests::tiled_scores(1024, 64, true); });
  CHECK(metric(c, "smsp__inst_executed_op_shared_ld.sum") == 2621440);                  // measured
  CHECK(metric(c, "l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum") == 2621440);  // measured
  CHECK(metric(c, "l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum") == 0);
  CHECK(c.merged_loads == 0);
}

TEST_CASE("the merging of an unpadded tile's loads is foreseen") {
  const LaunchCounters c = counted([] { return simt_tests::tiled_scores(1024, 64, false); });
  CHECK(metric(c, "smsp__inst_executed_op_shared_ld.sum") == 655360);                   // measured
  CHECK(metric(c, "l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum") == 5242880);  // measured
}

TEST_CASE("float4 copies are one request of sixteen sectors, and its shared loads go by quarters") {
  const LaunchCounters c = counted([] { return simt_tests::widths(); });
  CHECK(metric(c, "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum") == 8);
  CHECK(metric(c, "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum") == 8 * 16);
  CHECK(metric(c, "smsp__inst_executed_op_shared_st.sum") == 8);
  CHECK(metric(c, "l1tex__data_pipe_lsu_wavefronts_mem_shared_op_st.sum") == 8 * 4);
}

TEST_CASE("lanes that part in loops meet again in the iteration where they parted") {
  const int n = 100;
  const LaunchCounters c = counted([&] { return simt_tests::divergent(n); });
  // A row: two stores by all, one by lane 0, three by the lanes that loop longest.
  CHECK(metric(c, "l1tex__t_requests_pipe_lsu_mem_global_op_st.sum") == n * (2 + 1 + 3));
}

TEST_CASE("counts and results are the same on one processor and on several") {
  const auto one = counted([] { return simt_tests::tiled_scores(256, 64, false); }, on(1));
  const auto three = counted([] { return simt_tests::tiled_scores(256, 64, false); }, on(3));
  CHECK(one.memory == three.memory);
  CHECK(one.barriers == three.barriers);
  REQUIRE(one.sites.size() == three.sites.size());
  for (std::size_t i = 0; i < one.sites.size(); ++i) CHECK(one.sites[i].counted == three.sites[i].counted);
  std::vector<float> sums[2];
  counted(
      [&] {
        sums[0] = simt_tests::ordered_sum(500);
        return 0;
      },
      on(1));
  counted(
      [&] {
        sums[1] = simt_tests::ordered_sum(500);
        return 0;
      },
      on(4));
  CHECK(sums[0] == sums[1]);  // to the last bit, though float addition depends on the order
}

TEST_CASE("an observer gets every block's line requests, whose sectors are those that the launch counts") {
  RunOptions options;
  std::uint64_t sectors[2] = {0, 0}, blocks = 0, barriers = 0, shared = 0, arithmetic = 0;
  bool ends_well = true;
  options.observer = [&](Launch& launch) {
    CHECK(launch.shape().block == Dim3{32, 8, 1});
    CHECK(launch.shape().static_shared_bytes == 2 * 32 * 33 * 4);
    for (std::uint64_t b = 0; b < launch.block_count(); ++b) {
      const BlockTrace trace = launch.run(b);
      ++blocks;
      CHECK(trace.warps.size() == 8);
      for (const auto& warp : trace.warps) {
        for (std::size_t i = 0; i < warp.size(); ++i) {
          const LinePattern& p = trace.patterns.at(warp[i].pattern());
          barriers += p.op == LineOp::barrier;
          if (p.op == LineOp::work) {
            shared += WarpWork::of(warp[i].line()).shared;
            arithmetic += WarpWork::of(warp[i].line()).arithmetic;
          }
          sectors[p.op == LineOp::store] += p.lines == 0 ? 0 : p.sectors();
          for (int line = 0; p.op == LineOp::store && line < p.lines; ++line)
            ends_well &= p.of(line).whole() == p.of(line).touched();
          if (p.more)
            ends_well &= i + 1 < warp.size() && trace.patterns.at(warp[i + 1].pattern()).site == p.site;
        }
      }
    }
  };
  const LaunchCounters c = counted([] { return simt_tests::tiled_scores(128, 64, true); }, std::move(options));
  CHECK(blocks == 16);
  CHECK(sectors[0] == c.of(Space::global, Op::load).sectors);
  CHECK(sectors[1] == c.of(Space::global, Op::store).sectors);
  CHECK(barriers == c.barriers);
  CHECK(shared == c.of(Space::shared, Op::load).requests + c.of(Space::shared, Op::store).requests);
  const auto warp_instructions = [&](Arithmetic which) {
    return c.arithmetic[static_cast<std::size_t>(which)] / 32;
  };
  CHECK(warp_instructions(Arithmetic::ffma) == 128 * 128 * 64 / 32);
  CHECK(arithmetic >= warp_instructions(Arithmetic::ffma));
  CHECK(arithmetic <= warp_instructions(Arithmetic::ffma) + warp_instructions(Arithmetic::fmul));
  CHECK(ends_well);
}

TEST_CASE("an observer may leave blocks for the launch to run") {
  RunOptions options;
  options.observer = [](Launch& launch) {
    launch.run(0);
    launch.run(1);
    CHECK_THROWS_AS(launch.run(7), std::logic_error);
  };
  const LaunchCounters some = counted([] { return simt_tests::naive_scores(128, 64); }, std::move(options));
  const LaunchCounters none = counted([] { return simt_tests::naive_scores(128, 64); });
  CHECK(some.memory == none.memory);
}

TEST_CASE("traces come in order and are the same when other processors run ahead") {
  const auto trace_of = [](int processors, auto launch_something) {
    std::vector<std::uint64_t> all;
    RunOptions options = on(processors);
    options.observer = [&](Launch& launch) {
      for (std::uint64_t b = 0; b < launch.block_count(); ++b) {
        const BlockTrace trace = launch.run(b);
        for (const auto& warp : trace.warps) {
          for (const LineRequest& request : warp) {
            const LinePattern& p = trace.patterns.at(request.pattern());
            all.insert(all.end(), {b, request.line(), p.site, p.lines, p.first.touched(),
                                   static_cast<std::uint64_t>(p.stride)});
          }
        }
      }
    };
    counted(launch_something, std::move(options));
    return all;
  };
  const auto tiles = [] { return simt_tests::tiled_scores(256, 64, true); };
  const auto atomics = [] { return static_cast<int>(simt_tests::ordered_sum(300).size()) - 32; };
  CHECK(trace_of(1, tiles).size() > 1000);
  CHECK(trace_of(1, tiles) == trace_of(4, tiles));
  CHECK(trace_of(1, atomics) == trace_of(4, atomics));
}

TEST_CASE("after a block that fails an observer gets empty traces, and one finding") {
  for (const int processors : {1, 4}) {
    CAPTURE(processors);
    take_findings();
    std::vector<std::size_t> requests;
    RunOptions options = on(processors);
    options.observer = [&](Launch& launch) {
      for (std::uint64_t b = 0; b < launch.block_count(); ++b) {
        const BlockTrace trace = launch.run(b);
        requests.push_back(trace.warps.empty() ? 0 : trace.warps[0].size());
      }
    };
    set_run_options(std::move(options));
    CHECK(simt_tests::stopping(40, 7) != 0);
    set_run_options({});
    REQUIRE(requests.size() == 40);
    CHECK(requests[6] == 1);
    CHECK(requests[8] == 0);
    CHECK(requests[39] == 0);
    const std::vector<Finding> findings = take_findings();
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].kind == FindingKind::trap);
    CHECK(findings[0].block.x == 7);
  }
}

TEST_CASE("an observer that throws ends the launch") {
  RunOptions options = on(4);
  options.observer = [](Launch& launch) {
    launch.run(0);
    launch.run(1);
    throw std::runtime_error("enough");
  };
  set_run_options(std::move(options));
  CHECK_THROWS_AS(simt_tests::naive_scores(128, 64), std::runtime_error);
  set_run_options({});
}

TEST_CASE("barriers are counted a warp and a thread") {
  const LaunchCounters c = counted([] { return simt_tests::barriers(3, 1024, 50); });
  CHECK(c.barriers == 3 * 50 * 32);
  CHECK(c.thread_barriers == 3 * 50 * 1024);
}

TEST_SUITE_END();
