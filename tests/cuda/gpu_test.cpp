// The gpu machine on a real card; each case skips by its name where there is none.
#include "cuda/host/gpu.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <iostream>

#include "cuda/host/bench/card.hpp"
#include "cuda/host/stage_runner.hpp"
#include "sim/core/error.hpp"
#include "sim/core/random.hpp"
#include "sim/core/stages.hpp"
#include "sim/reference/attention.hpp"

using namespace flashlab;
using namespace flashlab::gpu;

namespace {

bool has_card() {
  try {
    require_card();
    return true;
  } catch (const EnvironmentError&) {
    return false;
  }
}

void skip_unless(bool condition, const char* why) {
  if (condition) return;
  std::cerr << "skipped: " << why << '\n';
  std::exit(77);
}

Tensor random_tensor(const Problem& p, std::uint64_t stream) {
  Tensor tensor(p.batch, p.heads, p.seq, p.dim);
  fill_normal(tensor.values(), 1, stream);
  return tensor;
}

}  // namespace

TEST_SUITE_BEGIN("gpu");

TEST_CASE("every stage on the card equals the oracle, with batch and heads") {
  skip_unless(has_card(), "no GPU here");
  for (const bool causal : {false, true}) {
    const Problem problem{.batch = 2, .heads = 3, .seq = 77, .dim = 64, .causal = causal};
    const Tensor Q = random_tensor(problem, 1), K = random_tensor(problem, 2), V = random_tensor(problem, 3);
    const auto expected = reference::attention(problem, Q, K, V);
    for (const StageInfo& stage : stages()) {
      CAPTURE(stage.slug);
      const GpuResult result = run_stage(stage.slug, problem, Q, K, V, {.warm_up = 1, .repeats = 3});
      CHECK(reference::compare(result.O.values(), expected.O).within(1e-5));
      if (!result.L.empty()) CHECK(reference::compare(result.L, expected.L).within(1e-5));
      CHECK(result.pass_ms.size() == 3);
      CHECK(result.median_ms > 0);
    }
  }
}

TEST_CASE("on a card, what a kernel cannot do is refused with the bound") {
  skip_unless(has_card(), "no GPU here");
  const Problem wide{.seq = 4, .dim = 48}, half{.seq = 4, .dim = 64, .dtype = DType::f16},
      long_rows{.seq = 20000, .dim = 32};
  const auto run = [](const char* slug, const Problem& p) {
    run_stage(slug, p, random_tensor(p, 1), random_tensor(p, 2), random_tensor(p, 3));
  };
  CHECK_THROWS_WITH_AS(run("tiled", wide), doctest::Contains("d = 32, 64, 96 or 128"), UsageError);
  CHECK_THROWS_WITH_AS(run("tiled", half), doctest::Contains("--dtype fp32"), UsageError);
  CHECK_THROWS_WITH_AS(run("fused", long_rows), doctest::Contains("N is at most"), UsageError);
}

TEST_CASE("on a card, every stage and cuBLAS pass the bench's own check and are timed") {
  skip_unless(has_card(), "no GPU here");
  BenchCard card;
  BenchRun run;
  card.describe(run);
  std::vector<std::string> slugs;
  for (const KernelStage& stage : kKernelStages) slugs.emplace_back(stage.slug);
  auto contenders = card.stages(slugs, /*ablate=*/true);
  std::string problem;
  if (!card.open_cublas({}, problem).empty()) contenders.push_back(card.cublas());
  LoadMeter meter;
  BenchOptions options{.method = {.runs = 4, .rounds = 2, .checked_rows = 1 << 20}};
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    for (const bool causal : {false, true}) {
      options.shapes.push_back({dtype, 2, 4, 4, 333, 64, causal});
      options.shapes.push_back({dtype, 2, 4, 2, 200, 128, causal});
    }
  }
  run_bench(run, contenders, meter, options, [&] { return card.usable(); });
  for (const BenchCase& at : run.cases) {
    for (const BenchRow& row : at.rows) {
      CAPTURE(row.name());
      CAPTURE(row.problem);
      CHECK_FALSE(row.wrong);
      if (row.problem.empty()) CHECK(row.time.median_ms > 0);
    }
  }
  CHECK(run.cases.front().find("online-q")->measured());
}

TEST_CASE("on a card, the resources of a stage's kernels are read from its launch") {
  skip_unless(has_card(), "no GPU here");
  const auto kernels = kernel_resources("naive", "", {DType::f32, 1, 2, 2, 256, 64, false});
  REQUIRE(kernels.size() == 3);
  for (const KernelResources& kernel : kernels) {
    CHECK(kernel.kernel.find("naive_") != std::string::npos);
    CHECK(kernel.threads == 256);
    CHECK(kernel.registers > 0);
    CHECK(kernel.occupancy > 0);
  }
}

TEST_CASE("without a card, the gpu machine says what is missing") {
  skip_unless(!has_card(), "there is a GPU here");
  const Problem problem{.seq = 4, .dim = 64};
  const Tensor X = random_tensor(problem, 1);
  CHECK_THROWS_AS(run_stage("tiled", problem, X, X, X), EnvironmentError);
  CHECK_THROWS_WITH_AS(run_stage("tield", problem, X, X, X), doctest::Contains("did you mean tiled?"),
                       UsageError);
}

TEST_CASE("the median of repeated times is the middle one") {
  CHECK(median({3, 1, 2}) == 2);
  CHECK(median({4, 1, 2, 3}) == 2.5);
  CHECK(std::isnan(median({})));
}

TEST_SUITE_END();
