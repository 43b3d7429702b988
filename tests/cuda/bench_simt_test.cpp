// The card's side of the bench, word for word, with the simt machine as the card and a fake of cuBLAS.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "cuda/host/bench/card.hpp"

using namespace flashlab;
using namespace flashlab::gpu;

TEST_SUITE_BEGIN("cuda");

TEST_CASE("stages and cuBLAS answer right in every type, mask and grouping, and are timed") {
  BenchCard card(/*flush_bytes=*/4096);
  BenchRun run;
  card.describe(run);
  CHECK(run.compute_capability == 90);
  CHECK(run.sm_count == 132);
  CHECK(card.flush_bytes() == 4096);
  std::string problem;
  const std::vector<std::string> folders{FLASHLAB_FAKE_CUBLAS_DIR};
  CHECK(card.open_cublas(folders, problem) == "13.1.2");
  std::vector<std::string> slugs{"naive", "fused", "tiled", "online-kv", "online-q"};
  auto contenders = card.stages(slugs, /*ablate=*/true);
  contenders.push_back(card.cublas());
  BenchOptions options{.method = {.runs = 2, .rounds = 1, .seconds = 100, .checked_rows = 1 << 20}};
  for (const bool causal : {false, true}) {
    options.shapes.push_back({DType::f32, 2, 1, 1, 37, 32, causal});
    options.shapes.push_back({DType::f32, 1, 4, 2, 9, 32, causal});
    options.shapes.push_back({DType::bf16, 2, 4, 2, 21, 32, causal});
    options.shapes.push_back({DType::f16, 1, 2, 2, 21, 64, causal});
  }
  LoadMeter meter;
  run_bench(run, contenders, meter, options, [&] { return card.usable(); });
  REQUIRE(run.cases.size() == options.shapes.size());
  CHECK(run.passed());
  for (const BenchCase& at : run.cases) {
    CHECK(at.find("cublas")->measured());
    CHECK((at.find("online-q") == nullptr) ==
          (at.shape.dtype != DType::f32));  // no row in a type it does not take
    for (const BenchRow& row : at.rows) {
      CAPTURE(row.name());
      CAPTURE(row.problem);
      const bool grouped = at.shape.heads != at.shape.kv_heads;
      CHECK(row.measured() == (row.contender == "cublas" || !grouped));
      if (grouped && row.contender != "cublas")
        CHECK(row.problem.find("wants a K and V for every head") != std::string::npos);
    }
  }
}

TEST_CASE("the roof is left open where cuBLAS is not") {
  BenchCard card(4096);
  CHECK(card.cublas() == nullptr);
  CHECK(card.usable());
}

TEST_SUITE_END();
