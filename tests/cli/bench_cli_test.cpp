// flashlab bench as a user meets it, without a card: kept runs, wrong usage. The run is synthetic.

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/cli/program.hpp"

using Json = nlohmann::json;

namespace {

Json row(const char* contender, double ms, bool peer) {
  return {{"contender", contender},
          {"peer", peer},
          {"relative_error", 1e-6},
          {"runs", 30},
          {"median_ms", ms},
          {"quartiles_ms", {ms, ms}},
          {"least_ms", ms},
          {"clock_mhz", nullptr},
          {"power_w", nullptr},
          {"floor_ms", {{"hbm", 0.1}, {"products", 1.0}, {"exp", 0.5}, {"shared", nullptr}}}};
}

/// A run of a card that does not exist, with one shape of that N.
std::string write_run(const std::string& path, int seq, double ms, const char* card = "synthetic card") {
  const Json roof{{"rate", nullptr}, {"clock_mhz", nullptr}, {"power_w", nullptr}};
  const Json json{
      {"schema", "flashlab.bench/1"},
      {"card",
       {{"name", card},
        {"compute_capability", 90},
        {"sm_count", 1},
        {"memory_bytes", 1},
        {"driver", "1"},
        {"toolkit", "1"}}},
      {"date", "2026-01-02"},
      {"software", Json::object()},
      {"notes", Json::array()},
      {"method", {{"runs", 30}, {"rounds", 5}, {"seconds", 3}, {"flush_bytes", 1}, {"checked_rows", 1}}},
      {"roof",
       {{"copy_bytes_per_s", roof}, {"fp32_product_flops_per_s", roof}, {"bf16_product_flops_per_s", roof}}},
      {"cases",
       {{{"dtype", "fp32"},
         {"batch", 1},
         {"heads", 4},
         {"kv_heads", 4},
         {"seq", seq},
         {"dim", 64},
         {"causal", false},
         {"rows", {row("online-q", ms, false), row("cublas", 2 * ms, true)}}}}}};
  std::ofstream(path) << json;
  return path;
}

}  // namespace

TEST_SUITE_BEGIN("cli");

TEST_CASE("a bench that was kept is shown without a card, in every format") {
  const Scratch scratch;
  fs::create_directories(scratch.path / "kept" / "synthetic-card");
  write_run(scratch / "kept/synthetic-card/bench.json", 1024, 2.0);
  const std::string kept = "bench --measured '" + (scratch / "kept") + "' --saved ";
  const Outcome table = run(kept);
  CHECK(table.code == 0);
  CHECK(table.err.empty());
  CHECK(table.out.find("2.00×") != std::string::npos);
  CHECK(run(kept + "--ladder").out.find("FlashAttention-2") != std::string::npos);
  CHECK(run(kept + "--ladder --format svg").out.starts_with("<svg"));
  CHECK(run(kept + "--format svg").out.starts_with("<svg"));
  CHECK(run(kept + "--format csv").out.starts_with("dtype,"));
  CHECK(Json::parse(run(kept + "--format json").out).at("cases").size() == 1);
  check_refused(kept + "--ablate", 3, "no ablations.json is kept there");
  fs::copy_file(scratch / "kept/synthetic-card/bench.json", scratch / "kept/synthetic-card/ablations.json");
  CHECK(run(kept + "--ablate").code == 0);
  check_refused(kept + "--causal", 2, "nothing that was measured fits");
  check_refused(kept + "--seq 4K", 2, "nothing that was measured fits");
}

TEST_CASE("several runs of a card are put together by shape, the later one counting") {
  const Scratch scratch;
  const std::string first = write_run(scratch / "a.json", 1024, 2.0),
                    second = write_run(scratch / "b.json", 2048, 8.0),
                    again = write_run(scratch / "c.json", 1024, 1.0),
                    other = write_run(scratch / "d.json", 1024, 1.0, "another synthetic card");
  const Outcome merged = run("bench --format json --from '" + first + "' --from '" + second + "' --from '" +
                             again + "' --out '" + (scratch / "all.json") + "'");
  CHECK(merged.code == 0);
  const Json cases = Json::parse(merged.out).at("cases");
  REQUIRE(cases.size() == 2);
  CHECK(cases[0]["rows"][0]["median_ms"] == 1.0);
  CHECK(read_file(scratch / "all.json") == merged.out);
  check_refused("bench --from '" + first + "' --from '" + other + "'", 2, "is of another card");
}

TEST_CASE("bench's wrong usage is one line and exit code 2, whether there is a card or not") {
  check_refused("bench onlin-q", 2, "did you mean online-q?");
  check_refused("bench online-q --dtype bf16", 2, "take --dtype fp32");
  check_refused("bench tensor-core --dtype fp32", 2, "take --dtype bf16");
  check_refused("bench --shapes 1x2x3", 2, "BATCHxHEADSxKVHEADSxNxD");
  check_refused("bench --shapes 1x4x3x64x64", 2, "do not divide");
  check_refused("bench --shapes 1x2x2x64x64 --seq 4", 2, "leave --seq");
  check_refused("bench --shapes 9999x9999x9999x9999x64", 2, "would not fit");
  check_refused("bench --seconds nan", 2, "--seconds");
  check_refused("bench --runs 0", 2, "--runs");
  check_refused("bench --format xml", 2, "--format");
  check_refused("bench --peers maybe", 2, "--peers");
  check_refused("bench --saved --shapes 1x2x2x64x64", 2, "measure nothing");
  check_refused("bench --from run.json --ablate", 2, "--ablate chooses");
  check_refused("bench fused --saved --ablate", 2, "nothing that was measured fits");
  check_refused("bench --from /no/such/file", 3, "cannot read");
  check_refused("bench --measured /no/such/folder --saved", 3, "flashlab bench --save");
  check_refused("bench --measured /no/such/folder --saved --ablate", 3, "flashlab bench --ablate --save");
  check_refused("resources nosuch", 2, "has no kernel");
  check_refused("resources --dim 1000", 2, "--dim");
}

TEST_CASE("without a card, bench is one line and exit code 3") {
  if (run("run online-q --machine gpu --seq 4").code == 0) {
    MESSAGE("there is a GPU here");
    return;
  }
  check_refused("bench --seq 64", 3, "");
}

TEST_SUITE_END();
