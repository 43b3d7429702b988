// Lab 2: stable and online softmax in plain C++, run by one simulated thread, so that every read is counted.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sim/lab/judge.hpp"

namespace flashlab::lab {
namespace {

constexpr double kTolerance = 2e-6, kSumTolerance = 2e-5;
constexpr std::int64_t kPieces = 16;

// Numbers: n, pieces. Buffers: x, p (output), order of merges (pairs), statistics (output): of one pass, of the merges.
Case make_case(std::string title, std::vector<float> x, std::uint64_t seed) {
  Draw draw(seed, title);
  Case c;
  c.title = std::move(title);
  const auto n = static_cast<std::int64_t>(x.size());
  const std::int64_t pieces = std::min(n, kPieces);
  c.job.numbers = {n, pieces};
  std::vector<float> pairs;
  std::vector<std::int64_t> left;
  for (std::int64_t i = 0; i < pieces; ++i) left.push_back(i);
  while (left.size() > 1) {  // any tree over the pieces, in any order
    const auto a = static_cast<std::size_t>(draw.between(0, static_cast<std::int64_t>(left.size()) - 1));
    auto b = static_cast<std::size_t>(draw.between(0, static_cast<std::int64_t>(left.size()) - 2));
    if (b >= a) ++b;
    pairs.push_back(static_cast<float>(left[a])), pairs.push_back(static_cast<float>(left[b]));
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(b));
  }
  pairs.push_back(static_cast<float>(left[0]));
  const auto floats = [](std::vector<float> v) {
    return BufferSpec{.count = v.size(), .values = std::move(v)};
  };
  c.job.buffers.push_back(floats(std::move(x)));
  c.job.buffers.push_back({.count = static_cast<std::uint64_t>(n), .output = true});
  c.job.buffers.push_back(floats(std::move(pairs)));
  c.job.buffers.push_back({.count = 4, .output = true});
  return c;
}

struct Truth {
  double m, l;
  std::vector<double> p;
};
Truth truth(const Case& c) {
  const auto& x = c.job.buffers[0].values;
  Truth t{-std::numeric_limits<double>::infinity(), 0, {}};
  for (const float v : x) t.m = std::max(t.m, static_cast<double>(v));
  for (const float v : x) t.l += std::exp(static_cast<double>(v) - t.m);
  for (const float v : x) t.p.push_back(std::exp(static_cast<double>(v) - t.m) / t.l);
  return t;
}

class Lab02 final : public Lab {
 public:
  int number() const override { return 2; }
  std::string_view slug() const override { return "02-memory"; }
  std::string_view title() const override {
    return "Stable and online softmax: statistics that merge in any order";
  }

  std::vector<Item> items(const Conditions& c) const override {
    Draw draw(c.seed, "lab02");
    const auto row = [&](std::int64_t n, float shift, float scale) {
      std::vector<float> x = input({1, n, 1}, Values::normal, 0, c.seed + static_cast<std::uint64_t>(n));
      for (float& v : x) v = v * scale + shift;
      return x;
    };
    std::vector<Case> cases = {make_case("n = 1", {0.5f}, c.seed), make_case("n = 4", row(4, 0, 1), c.seed),
                               make_case("n = 100", row(c.hidden ? draw.between(65, 130) : 100, 0, 1), c.seed)};
    std::vector<Case> hard = {make_case("n = 64, around 500", row(64, 500, 3), c.seed),
                              make_case("n = 64, around -500", row(64, -500, 3), c.seed),
                              make_case("n = 50, from -300 to 300", row(50, 0, 120), c.seed)};
    std::vector<float> masked = row(96, 0, 1);
    std::fill_n(masked.begin(), 40, -std::numeric_limits<float>::infinity());
    hard.push_back(make_case("n = 96, the first 40 masked (-inf)", masked, c.seed));
    const std::vector<Case> counted = {
        make_case("n = 256", row(c.hidden ? 32 * draw.between(6, 12) : 256, 0, 1), c.seed)};
    cases.insert(cases.end(), counted.begin(), counted.end());
    std::vector<Item> list;
    list.push_back({.id = "stable",
                    .title = "stable_softmax is right",
                    .points = 15,
                    .cases = cases,
                    .judge = [](auto ran, auto& e) { return each(ran, e, 0); }});
    list.push_back({.id = "online",
                    .title = "online: m and l in one pass are right",
                    .points = 15,
                    .cases = cases,
                    .judge = [](auto ran, auto& e) { return each(ran, e, 1); }});
    list.push_back({.id = "values",
                    .title = "merge gives the same for any order of merging",
                    .points = 25,
                    .cases = cases,
                    .judge = [](auto ran, auto& e) { return each(ran, e, 2); }});
    list.push_back({.id = "hard",
                    .title = "all three for huge, tiny and masked scores",
                    .points = 20,
                    .cases = hard,
                    .judge = [](auto ran, auto& e) { return each(ran, e, 3); }});
    list.push_back({.id = "reads",
                    .title = "online reads each score once",
                    .points = 25,
                    .after = {"online"},
                    .cases = counted,
                    .judge = reads,
                    .counted = true});
    return list;
  }

  std::string figures() const override {
    return table({{"loads of 4 bytes, n = 256", "of online()"},
                  {"baseline: maximum first, then the sum", "512"},
                  {"ideal and gate: one pass", "256"}});
  }

 private:
  static bool near(double got, double want, double tolerance) {
    return got == want || std::fabs(got - want) <= tolerance * std::max(1e-30, std::fabs(want));
  }
  static Verdict each(std::span<const Ran> ran, const Evidence& evidence, int what) {
    for (const Ran& r : ran) {
      Verdict v = sound(r, evidence);
      if (v.passed()) {
        const Truth t = truth(*r.of);
        if (what == 0 || what == 3)
          v = compare({"p", 1, 1, static_cast<std::int64_t>(t.p.size())}, r.result.outputs[0], t.p, kTolerance);
        for (int k = 0; k < 2 && v.passed(); ++k) {
          if (what != 3 && what != k + 1) continue;
          const auto& s = r.result.outputs[1];
          const auto at = static_cast<std::size_t>(2 * k);
          if (!near(s[at], t.m, 0) || !near(s[at + 1], t.l, kSumTolerance))
            v = {.text = fmt::format("{} gives m = {:g}, l = {:g}; expected m = {:g}, l = {:g}",
                                     k == 0 ? "online" : "merging the pieces", s[at], s[at + 1], t.m, t.l)};
        }
      }
      if (v.passed()) continue;
      v.share = 0;
      v.text = fmt::format("at {}: {}", r.of->title, v.text);
      return v;
    }
    return {.share = 1, .text = fmt::format("{} cases, up to {}", ran.size(), ran.back().of->title)};
  }

  // Launches: stable_softmax, online on the whole row, online on the pieces with merges.
  static Verdict reads(std::span<const Ran> ran, const Evidence& evidence) {
    const Ran& r = ran[0];
    Verdict v = sound(r, evidence);
    if (!v.passed()) return v;
    if (r.result.launches.size() != 3) return {.text = "the launches are not complete"};
    const std::uint64_t n = static_cast<std::uint64_t>(r.of->job.numbers[0]);
    RunResult online;
    online.launches = {r.result.launches[1]};
    const std::uint64_t bytes = sums_of(online).global_load.bytes;
    v = {.text = fmt::format("{} bytes read of {} scores; at most {}", bytes, n, 4 * n)};
    v.share = bytes <= 4 * n ? 1 : 0;
    if (!v.passed()) v.detail = worst_lines(online, evidence, sectors_at, "sectors");
    return v;
  }
};

}  // namespace

std::unique_ptr<Lab> make_lab_02() { return std::make_unique<Lab02>(); }

}  // namespace flashlab::lab
