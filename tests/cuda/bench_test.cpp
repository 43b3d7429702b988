// The bench without a card: fakes take part, and what the run makes of them is looked at.
#include "cuda/host/bench/bench.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <numeric>

#include "cuda/host/bench/contender.hpp"
#include "sim/core/error.hpp"
#include "sim/reference/attention.hpp"

using namespace flashlab;
using namespace flashlab::gpu;

TEST_SUITE_BEGIN("cuda");

namespace {

constexpr BenchShape kSmall{DType::f32, 2, 4, 2, 33, 16, true};

BenchRun h100() {
  BenchRun run;
  run.card = "a card for tests";
  run.compute_capability = 90;
  run.sm_count = 132;
  run.memory_bytes = 85e9;
  return run;
}

/// Answers with the reference, moved by `off`, and takes `pass_ms` each time.
class Fake : public Contender {
 public:
  explicit Fake(std::string name, float off = 0, double pass_ms = 2, bool is_peer = false)
      : Contender(std::move(name), is_peer), off_(off), pass_ms_(pass_ms) {}
  std::string prepare(const BenchInputs& inputs) override {
    inputs_ = &inputs;
    return refuse;
  }
  std::vector<float> answer() override {
    const BenchInputs& in = *inputs_;
    std::vector<float> O;
    for (const double value : reference_rows(in, 1 << 30, 1).O) O.push_back(static_cast<float>(value));
    O.back() += off_;
    return O;
  }
  std::vector<double> time(int runs, int) override {
    calls.push_back(runs);
    if (!fail_in_time.empty()) throw EnvironmentError(fail_in_time);
    return std::vector<double>(static_cast<std::size_t>(runs), pass_ms_);
  }
  void release() override { ++released; }

  std::string refuse, fail_in_time;
  std::vector<int> calls;
  int released = 0;

 private:
  float off_;
  double pass_ms_;
  const BenchInputs* inputs_ = nullptr;
};

struct Bench {
  std::vector<std::unique_ptr<Contender>> contenders;
  BenchOptions options{.shapes = {kSmall},
                       .method = {.runs = 30, .rounds = 5, .seconds = 1, .checked_rows = 100}};
  LoadMeter meter;

  Fake& add(auto&&... arguments) {
    contenders.push_back(std::make_unique<Fake>(arguments...));
    return static_cast<Fake&>(*contenders.back());
  }
  BenchRun run(bool usable = true) {
    BenchRun result = h100();
    run_bench(result, contenders, meter, options, [&] { return usable; });
    return result;
  }
};

Tensor tensor_of(const std::vector<float>& values, Index batch, Index heads, Index seq, Index dim) {
  Tensor tensor(batch, heads, seq, dim);
  std::ranges::copy(values, tensor.data());
  return tensor;
}

}  // namespace

TEST_CASE("the spread of times is their median and quartiles") {
  const Spread spread = spread_of({5, 1, 2, 4, 3});
  CHECK(spread.runs == 5);
  CHECK(spread.median_ms == 3);
  CHECK(spread.low_ms == 2);
  CHECK(spread.high_ms == 4);
  CHECK(spread.least_ms == 1);
  CHECK(spread_of({1, 2}).median_ms == 1.5);
  CHECK(spread_of({}).runs == 0);
  CHECK(std::isnan(spread_of({}).median_ms));
}

TEST_CASE("FLOPs are counted as the papers count, bytes once a tensor") {
  const BenchShape full{DType::bf16, 2, 16, 4, 1024, 128, false};
  CHECK(full.flops() == 4.0 * 2 * 16 * 1024 * 1024 * 128);
  BenchShape causal = full;
  causal.causal = true;
  CHECK(causal.flops() == full.flops() / 2);
  CHECK(full.compulsory_bytes() == 2.0 * (2 * 16 + 2 * 4) * 2 * 1024 * 128 + 4.0 * 2 * 16 * 1024);
}

TEST_CASE("sampled rows of the reference equal the oracle's, causal and with shared keys") {
  const BenchInputs in = bench_inputs(kSmall, 7);
  // The oracle knows no shared keys: it gets them repeated.
  const Problem problem{.batch = 2, .heads = 4, .seq = 33, .dim = 16, .causal = true};
  const std::size_t head = 33 * 16;
  std::vector<float> k, v;
  for (const std::size_t from : {0, 0, 1, 1, 2, 2, 3, 3}) {
    k.insert(k.end(), in.k.begin() + from * head, in.k.begin() + (from + 1) * head);
    v.insert(v.end(), in.v.begin() + from * head, in.v.begin() + (from + 1) * head);
  }
  const auto oracle = reference::attention(problem, tensor_of(in.q, 2, 4, 33, 16), tensor_of(k, 2, 4, 33, 16),
                                           tensor_of(v, 2, 4, 33, 16));
  const ReferenceRows rows = reference_rows(in, 40, 3);
  REQUIRE(rows.rows.size() == 40);
  CHECK(rows.rows.front() == 0);
  CHECK(rows.rows.back() == 8 * 33 - 1);
  double largest = 0;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    for (std::size_t c = 0; c < 16; ++c)
      largest = std::max(largest, std::abs(rows.O[i * 16 + c] - oracle.O[rows.rows[i] * 16 + c]));
  }
  CHECK(largest < 1e-12);
}

TEST_CASE("an answer with a NaN anywhere, or too short, has no error that could pass") {
  const BenchInputs in = bench_inputs(kSmall, 7);
  const ReferenceRows few = reference_rows(in, 16, 3);
  std::vector<float> O(in.q.size(), 0.0f);
  CHECK(checked_error(O, few, 16) == doctest::Approx(1));
  O[1234] = NAN;  // whether that row was drawn or not
  CHECK(std::isnan(checked_error(O, few, 16)));
  CHECK(std::isnan(checked_error({}, few, 16)));
  CHECK_FALSE(kUnknown <= bench_tolerance(DType::bf16));
}

TEST_CASE("contenders are checked first and timed in rounds") {
  Bench bench;
  Fake& stage = bench.add("online-q");
  Fake& peer = bench.add("cublas", 0.0f, 1.0, true);
  const BenchRun run = bench.run();
  REQUIRE(run.cases.size() == 1);
  const BenchRow& row = run.cases[0].rows.at(0);
  CHECK(row.measured());
  CHECK(row.time.runs == 30);
  CHECK(row.time.median_ms == 2);
  CHECK(row.relative_error < 1e-6);
  CHECK(row.floor.ms() > 0);
  CHECK(run.cases[0].rows.at(1).is_peer);
  CHECK(run.passed());
  CHECK(stage.calls == std::vector{1, 6, 6, 6, 6, 6});
  CHECK(peer.released == 1);
  CHECK(run.cases[0].flops_per_s(row) == doctest::Approx(kSmall.flops() / 2e-3));
}

TEST_CASE("a wrong answer is marked, not timed, and fails the run") {
  Bench bench;
  Fake& wrong = bench.add("tiled", 10.0f);
  bench.add("fused", NAN);
  bench.add("online-q");
  const BenchRun run = bench.run();
  CHECK(wrong.calls.empty());
  CHECK_FALSE(run.passed());
  CHECK(run.cases[0].find("tiled")->wrong);
  CHECK(run.cases[0].find("tiled")->problem.starts_with("wrong: relative error"));
  CHECK(run.cases[0].find("fused")->problem == "wrong: O holds NaN or infinity");
  CHECK(run.cases[0].find("online-q")->measured());
}

TEST_CASE("who refuses or breaks gets a line with the reason, and the others go on") {
  Bench bench;
  bench.add("fused").refuse = "N is at most 4";
  bench.add("torch-math", 0.0f, 1.0, true).fail_in_time = "CUDA out of memory";
  bench.add("online-q");
  const BenchRun run = bench.run();
  CHECK(run.cases[0].find("fused")->problem == "N is at most 4");
  CHECK(run.cases[0].find("torch-math")->problem == "CUDA out of memory");
  CHECK(run.cases[0].find("online-q")->measured());
  CHECK(run.passed());  // nothing of ours was wrong
  bench.add("tiled").fail_in_time = "launching tiled: invalid argument";
  CHECK_FALSE(bench.run().passed());
}

TEST_CASE("after a fault that the card does not survive, the bench stops with what it has") {
  Bench bench;
  bench.options.shapes.push_back({DType::f32, 1, 1, 1, 8, 16, false});
  bench.add("online-q").fail_in_time = "running online-q: an illegal memory access was encountered";
  Fake& next = bench.add("tiled");
  const BenchRun run = bench.run(/*usable=*/false);
  CHECK(run.cases.size() == 1);
  CHECK(next.calls.empty());
  CHECK_FALSE(run.passed());
  REQUIRE(run.notes.size() == 1);
  CHECK(run.notes[0].find("illegal memory access") != std::string::npos);
}

TEST_CASE("a slow contender is timed less often, and left out where a pass would outlast the limit") {
  Bench bench;
  bench.options.shapes.push_back(kSmall);
  bench.options.shapes.back().seq = 132;  // 16 times the work
  Fake& slow = bench.add("naive", 0.0f, 400.0);
  const BenchRun run = bench.run();
  CHECK(run.cases[0].rows[0].time.runs == 3);
  CHECK(std::accumulate(slow.calls.begin(), slow.calls.end(), 0) == 1 + 3);
  CHECK_FALSE(run.cases[1].rows[0].measured());
  CHECK(run.cases[1].rows[0].problem == "left out: about 6 s a pass, and --seconds is 1");
  CHECK(run.passed());
}

TEST_CASE("floors are what must be moved and computed, at the card's nominal rates") {
  const BenchRun card = h100();
  const BenchShape shape{DType::f32, 8, 32, 32, 2048, 64, false};
  const double scores = 8.0 * 32 * 2048 * 2048, clocks = 66.9e12 / 256;  // of all SMs, a second
  const Floor online = floor_of("online-q", shape, card);
  CHECK(online.hbm_ms == doctest::Approx(1e3 * shape.compulsory_bytes() / 3.35e12));
  CHECK(online.products_ms == doctest::Approx(1e3 * shape.flops() / 66.9e12));
  CHECK(online.exp_ms == doctest::Approx(1e3 * scores / (16 * clocks)));
  // 64 · 9 / 256 wavefronts a score for Q Kᵀ, 10 / 8 for P V: shared memory is what holds.
  CHECK(online.shared_ms == doctest::Approx(1e3 * 3.5 * scores / clocks));
  CHECK(online.bound() == "shared");
  CHECK(online.ms() == online.shared_ms);

  const Floor naive = floor_of("naive", shape, card);
  CHECK(naive.hbm_ms == doctest::Approx(1e3 * (shape.compulsory_bytes() + 16 * scores) / 3.35e12));
  CHECK(floor_of("tiled", shape, card).products_ms == doctest::Approx(1.5 * online.products_ms));
  BenchShape half = shape;
  half.dtype = DType::bf16;
  CHECK(floor_of("torch-flash", half, card).products_ms == doctest::Approx(1e3 * shape.flops() / 989.4e12));
  // At d = 64 the tensor cores and the exponentials want nearly the same time.
  CHECK(floor_of("torch-flash", half, card).exp_ms / floor_of("torch-flash", half, card).products_ms ==
        doctest::Approx(1).epsilon(0.1));

  BenchRun unknown = card;
  unknown.sm_count = 7;
  CHECK(std::isnan(floor_of("naive", shape, unknown).ms()));
  CHECK(floor_of("naive", shape, unknown).bound().empty());
}

TEST_CASE("a run that is written as JSON comes back as it was") {
  Bench bench;
  bench.add("online-q");
  bench.add("cublas", 0.0f, 1.0, true);
  bench.add("fused").refuse = "says \"no\"";
  BenchRun run = bench.run();
  run.driver = "580.1";
  run.toolkit = "13.0";
  run.date = "2026-01-02";
  run.software["torch"] = "2.11";
  run.notes = {"a note"};
  run.roof.copy_bytes_per_s = 2.98e12;
  run.roof.copy_clock_mhz = 1980;
  const std::string text = bench_json(run);
  const BenchRun read = bench_from_json(text, "run.json");
  CHECK(bench_json(read) == text);
  CHECK(read.cases[0].shape == kSmall);
  CHECK(read.cases[0].rows[2].problem == "says \"no\"");
  CHECK(read.cases[0].rows[1].is_peer);
  CHECK(read.roof.copy_bytes_per_s == 2.98e12);
  CHECK(std::isnan(read.roof.fp32_product_flops_per_s));
  CHECK(read.software.at("torch") == "2.11");

  BenchRun empty = h100();
  CHECK(bench_json(bench_from_json(bench_json(empty), "x")) == bench_json(empty));
}

TEST_CASE("what is no bench is refused with its name") {
  Bench bench;
  bench.add("online-q");
  const std::string good = bench_json(bench.run());
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  for (const std::string& text :
       {std::string("{"), std::string("[]"), with("bench/1", "bench/9"), with("\"seq\":33", "\"seq\":0"),
        with("\"seq\":33", "\"seq\":1e99"), with("\"seq\":33", "\"seq\":\"33\""), with("fp32", "fp31"),
        with("\"median_ms\":2.0", "\"median_ms\":-2.0"), with("\"runs\":30,\"", "\"runs\":-3,\""),
        with("\"causal\":true", "\"causal\":1")}) {
    CAPTURE(text.substr(0, 300));
    CHECK_THROWS_WITH_AS(bench_from_json(text, "run.json"), doctest::Contains("run.json: "), UsageError);
  }
  CHECK_THROWS_AS(read_bench("/no/such/file"), EnvironmentError);
}

TEST_SUITE_END();
