#include "sim/report/bench_report.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "sim/core/error.hpp"

using namespace flashlab;
using namespace flashlab::gpu;
using namespace flashlab::report;

TEST_SUITE_BEGIN("cuda");

namespace {

BenchRow timed(std::string contender, double tflops, const BenchShape& shape, bool is_peer = false) {
  BenchRow row;
  row.contender = std::move(contender);
  row.is_peer = is_peer;
  row.relative_error = 1e-3;
  const double ms = shape.flops() / (tflops * 1e9);
  row.time = {30, ms, 0.99 * ms, 1.02 * ms, 0.98 * ms};
  row.clock_mhz = 1755;
  row.power_w = 600;
  BenchRun card;
  card.compute_capability = 90, card.sm_count = 132, card.memory_bytes = 85e9;
  row.floor = floor_of(row.contender, shape, card);
  return row;
}

/// Invented numbers, of no card: for the look of tables alone.
BenchRun synthetic_run() {
  BenchRun run;
  run.card = "synthetic card <1>";
  run.date = "2026-01-02";
  run.driver = "1.2";
  run.toolkit = "13.0";
  run.software["torch"] = "9.9";
  run.roof.copy_bytes_per_s = 3e12;
  run.roof.bf16_product_flops_per_s = 700e12;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const int seq : {1024, 4096}) {
      const BenchShape shape{dtype, 16384 / seq, 16, 16, seq, 128, false};
      BenchCase at{.shape = shape};
      const double grows = seq == 1024 ? 0.8 : 1.0;
      if (dtype == DType::f32) {
        at.rows = {timed("naive", 0.2, shape), timed("online-q", 5 * grows, shape),
                   timed("cublas", 14, shape, true)};
        BenchRow refused;
        refused.contender = "fused";
        refused.problem = "fused: N is at most 1500";
        at.rows.push_back(refused);
      } else {
        at.rows = {timed("tensor-core", 330 * grows, shape), timed("torch-flash", 320 * grows, shape, true),
                   timed("torch-cudnn", 600 * grows, shape, true)};
        BenchRow variant = timed("tensor-core", 110 * grows, shape);
        variant.without = "swizzle";
        at.rows.push_back(variant);
      }
      run.cases.push_back(at);
    }
  }
  return run;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// Every opened element is closed, and no bare & or < stands in a text.
bool is_balanced_xml(const std::string& svg) {
  int depth = 0;
  for (std::size_t at = svg.find('<'); at != std::string::npos; at = svg.find('<', at + 1)) {
    const std::size_t end = svg.find('>', at);
    if (end == std::string::npos) return false;
    if (svg[at + 1] == '/') {
      --depth;
    } else if (svg[end - 1] != '/') {
      ++depth;
    }
  }
  return depth == 0;
}

}  // namespace

TEST_CASE("the table shows rates by N, ratios to the fastest peer, and every time beside its floor") {
  const std::string table = bench_table(synthetic_run(), {});
  CHECK(contains(table, "bf16 · d = 128 · full · 16 heads"));
  CHECK(contains(table, "tensor-core                    264     330"));
  CHECK(contains(table, "tensor-core ÷ fastest peer   0.55×   0.55×"));
  CHECK(contains(table, "tensor-core without swizzle  1024"));
  CHECK(contains(table, "3.00\n"));  // three times slower without
  CHECK(contains(table, "fused: N is at most 1500"));
  CHECK(contains(table, "−1.0 +2.0 %"));
  CHECK(contains(table, "shared"));
  CHECK(contains(table, "copy 3.00 TB/s"));
  const std::string brief = bench_table(synthetic_run(), {.against = {"torch-flash"}, .brief = true});
  CHECK(contains(brief, "tensor-core ÷ torch-flash   1.03×   1.03×"));
  CHECK_FALSE(contains(brief, "quartiles"));
}

TEST_CASE("a run is narrowed to what was asked for, peers included") {
  const BenchRun one =
      filtered(synthetic_run(), {.stages = {"online-q"}, .seqs = {4096}, .dtypes = {DType::f32}});
  REQUIRE(one.cases.size() == 1);
  REQUIRE(one.cases[0].rows.size() == 2);
  CHECK(one.cases[0].rows[0].contender == "online-q");
  CHECK(one.cases[0].rows[1].contender == "cublas");
  CHECK(filtered(synthetic_run(), {.causal = true}).cases.empty());
}

TEST_CASE("the ladder takes each stage in its fastest type, at the longest N that has the most") {
  const BenchRun run = synthetic_run();
  const Ladder ladder = ladder_of(run);
  CHECK(ladder.shape.seq == 4096);
  REQUIRE(ladder.stages.size() == 3);
  CHECK(ladder.stages[0].row->contender == "naive");
  CHECK(ladder.stages[2].row->contender == "tensor-core");
  CHECK(ladder.peers.size() == 3);
  const std::string table = ladder_table(run);
  CHECK(contains(table, "online softmax, Q outside: FlashAttention-2"));
  CHECK(contains(table, "66.0"));  // tensor-core over online-q
  CHECK_THROWS_AS(ladder_of(BenchRun{}), UsageError);
}

TEST_CASE("pictures are whole, and no name in them breaks the markup") {
  const BenchRun run = synthetic_run();
  for (const std::string& svg : {bench_svg(run), ladder_svg(run)}) {
    CHECK(is_balanced_xml(svg));
    CHECK(contains(svg, "synthetic card &lt;1&gt;"));
    CHECK_FALSE(contains(svg, "nan"));
    CHECK_FALSE(contains(svg, "inf"));
  }
  CHECK_THROWS_AS(bench_svg(BenchRun{}), UsageError);
  if (const char* folder = std::getenv("FLASHLAB_TEST_PICTURES")) {  // to look at them
    std::ofstream(std::string(folder) + "/bench.svg") << bench_svg(run);
    std::ofstream(std::string(folder) + "/bench16.svg") << bench_svg(filtered(run, {.dtypes = {DType::bf16}}));
    std::ofstream(std::string(folder) + "/ladder.svg") << ladder_svg(run);
    std::ofstream(std::string(folder) + "/bench.txt") << bench_table(run, {}) << '\n' << ladder_table(run);
  }
}

TEST_CASE("the CSV has a line a row and a quoted reason") {
  const std::string csv = bench_csv(synthetic_run());
  CHECK(std::ranges::count(csv, '\n') == 1 + 2 * 4 + 2 * 4);
  CHECK(contains(csv, "fp32,4,16,16,4096,128,0,fused,,0,0,,,,,,,,,,,,,,,0,\"fused: N is at most 1500\"\n"));
}

TEST_CASE("a kernel's mangled name becomes the one in its source") {
  CHECK(plain_kernel_name("_ZN8flashlab8online_qILi64ELb0EEEvPKfS2_S2_PfS3_if") == "online_q");
  CHECK(plain_kernel_name("plain") == "plain");
  KernelResources kernel;
  kernel.stage = "online-q";
  kernel.kernel = "_ZN8flashlab8online_qILi64ELb0EEEvPKfS2_S2_PfS3_if";
  kernel.registers = 96;
  kernel.occupancy = 0.25;
  CHECK(contains(resources_table({kernel}), "96"));
  CHECK(contains(resources_csv({kernel}), "\"online_q\""));
}

TEST_SUITE_END();
