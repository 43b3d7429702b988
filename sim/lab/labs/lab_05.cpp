// Lab 5: `tiled`: two passes over K with tiles in shared memory, for any N, without a bank conflict.

#include <fmt/format.h>

#include <algorithm>

#include "sim/lab/judge.hpp"

namespace flashlab::lab {
namespace {

constexpr double kTolerance =
    2e-4;                        // fp32 sums of some hundred terms, exponentials of scores up to some hundreds
constexpr double kSlack = 1.05;  // of the traffic gates
constexpr std::int64_t kGateRows = 32, kKeys = 32;

/// Bytes that two passes load: Q once; K twice and V once a row block; in a causal run the tiles of keys that it sees.
double loaded_bytes(const Shape& s, std::int64_t rows, bool causal) {
  return bytes_loaded(s, rows, kKeys, causal, 3);
}

bool causal_of(const Case& c) { return c.job.numbers.at(3) != 0; }

class Lab05 final : public Lab {
 public:
  int number() const override { return 5; }
  std::string_view slug() const override { return "05-tiled"; }
  std::string_view title() const override { return "Tiled: two passes over K, any N, no bank conflicts"; }

  std::vector<Item> items(const Conditions& c) const override {
    Draw draw(c.seed, "lab05");
    const auto make = [&](const Shape& s, bool causal = false, Values v = Values::normal) {
      Case one = attention_case(s, v, c.seed, static_cast<std::uint64_t>(s.heads * s.N * s.d));
      if (causal) one.title += ", causal";
      one.job.numbers.push_back(causal ? 1 : 0);
      return one;
    };
    std::vector<Case> whole = {make({1, 32, 32}), make({1, 64, 64}), make({1, 64, 128})};
    std::vector<Case> ragged = {make({1, 1, 32}), make({1, 7, 128}),
                                make({2, c.hidden ? draw.between(33, 63) : 45, 32}),
                                make({1, c.hidden ? 64 + draw.between(1, 63) : 77, 64})};
    std::vector<Case> causal = {make({1, 32, 32}, true),
                                make({2, c.hidden ? draw.between(33, 63) : 45, 64}, true)};
    const std::vector<Case> hard = {make({1, 70, 64}, false, Values::large),
                                    make({1, 64, 64}, false, Values::real)};
    if (c.hidden) whole.push_back(make({draw.between(2, 3), 32 * draw.between(1, 3), 32 * draw.between(1, 2)}));
    const std::int64_t d = c.hidden ? 64 * draw.between(1, 2) : 64;
    const std::vector<Case> counted = {make({1, c.hidden ? 64 * draw.between(2, 3) : 192, 64}),
                                       make({1, 128, d}, true)};
    std::vector<Case> conflicts = counted;  // every d: one pad may suit one d alone
    conflicts.push_back(whole[0]);
    conflicts.push_back(whole[2]);
    whole.push_back(counted[0]), causal.push_back(counted[1]);

    std::vector<Item> list;
    list.push_back({.id = "values",
                    .title = "O is right where N is a multiple of 32",
                    .points = 15,
                    .cases = whole,
                    .judge = values});
    list.push_back(
        {.id = "ragged", .title = "O is right for any N", .points = 10, .cases = ragged, .judge = values});
    list.push_back({.id = "causal",
                    .title = "O is right with the causal mask",
                    .points = 10,
                    .cases = causal,
                    .judge = values});
    list.push_back({.id = "hard",
                    .title = "O is right for huge scores and on real inputs",
                    .points = 5,
                    .cases = hard,
                    .judge = values});
    list.push_back({.id = "stores",
                    .title = "nothing but O is stored: no S or P in HBM",
                    .points = 10,
                    .after = {"values", "causal"},
                    .cases = counted,
                    .judge = stores,
                    .counted = true});
    list.push_back({.id = "loads",
                    .title = "K and V are loaded no more than by row tiles of 32",
                    .points = 20,
                    .after = {"values", "causal"},
                    .cases = counted,
                    .judge = loads,
                    .counted = true});
    list.push_back({.id = "banks",
                    .title = "no bank conflicts",
                    .points = 30,
                    .after = {"values", "causal", "loads"},
                    .cases = conflicts,
                    .judge = banks,
                    .counted = true});
    return list;
  }

  std::string figures() const override {
    const Shape s{1, 192, 64}, half{1, 128, 64};
    const auto text = [](double b) { return grouped(static_cast<std::uint64_t>(b)); };
    const auto row = [&](const std::string& name, std::int64_t rows, double slack) -> std::vector<std::string> {
      return {name, text(slack * loaded_bytes(s, rows, false)), text(slack * loaded_bytes(half, rows, true))};
    };
    return table({{"bytes loaded at d = 64", "N = 192", "N = 128, causal"},
                  row("baseline: fused's 8 rows a block", 8, 1),
                  row("ideal: row tiles of 64", 64, 1),
                  row("gate \"loads\": row tiles of 32, and 5 %", kGateRows, kSlack)}) +
           "\n" +
           table({{"bytes stored at d = 64", "N = 192", "N = 128, causal"},
                  {"ideal: O", text(bytes_stored(s)), text(bytes_stored(half))},
                  {"gate \"stores\": O, and 5 %", text(kSlack * bytes_stored(s)),
                   text(kSlack * bytes_stored(half))}}) +
           "\n" +
           table({{"wavefronts of one shared load of a column, 32 lanes", "d = 32", "d = 64", "d = 128"},
                  {"baseline: rows of d floats", wavefronts(32), wavefronts(64), wavefronts(128)},
                  {"ideal and gate \"banks\": rows of d + 1 floats", wavefronts(33), wavefronts(65),
                   wavefronts(129)}});
  }

 private:
  /// Of 32 lanes that read floats `stride` floats apart: the most lanes that meet one of the 32 banks.
  static std::string wavefronts(int stride) {
    std::vector<int> lanes(32);
    for (int lane = 0; lane < 32; ++lane) ++lanes[static_cast<std::size_t>(lane * stride % 32)];
    return std::to_string(*std::ranges::max_element(lanes));
  }

  static Verdict values(std::span<const Ran> ran, const Evidence& evidence) {
    for (const Ran& r : ran) {
      const Shape s = shape_of(*r.of);
      Verdict v = sound(r, evidence);
      if (v.passed())
        v = compare({"O", s.heads, s.N, s.d}, r.result.outputs[0], attention_of(*r.of, causal_of(*r.of)),
                    kTolerance);
      if (v.passed()) continue;
      v.share = 0;
      v.text = fmt::format("at {}: {}", r.of->title, v.text);
      return v;
    }
    return {.share = 1, .text = fmt::format("{} cases, up to {}", ran.size(), ran.back().of->title)};
  }

  static Verdict stores(std::span<const Ran> ran, const Evidence& evidence) {
    return gated(ran, evidence, "stored", stored_at,
                 [](const Case& c) { return kSlack * bytes_stored(shape_of(c)); });
  }
  static Verdict loads(std::span<const Ran> ran, const Evidence& evidence) {
    return gated(ran, evidence, "loaded", loaded_at,
                 [](const Case& c) { return kSlack * loaded_bytes(shape_of(c), kGateRows, causal_of(c)); });
  }

  static Verdict banks(std::span<const Ran> ran, const Evidence& evidence) {
    Verdict v{.share = 1};
    for (const Ran& r : ran) {
      const simt::MemoryCounters shared = sums_of(r.result).all_shared;
      if (!r.failure.empty() || shared.wavefronts == 0)
        return {.text = r.failure.empty() ? fmt::format("at {} shared memory is not used", r.of->title)
                                          : r.failure};
      if (shared.conflicts == 0) continue;
      v.share = 0;
      v.text = fmt::format("{} bank conflicts in {} wavefronts at {}; none is allowed",
                           grouped(shared.conflicts), grouped(shared.wavefronts), r.of->title);
      v.detail = "wavefronts that are conflicts, by line:\n" +
                 worst_lines(r.result, evidence, conflicts_at, "conflicts");
      return v;
    }
    v.text = fmt::format("{} cases, up to {}: none", ran.size(), ran.back().of->title);
    return v;
  }
};

}  // namespace

std::unique_ptr<Lab> make_lab_05() { return std::make_unique<Lab05>(); }

}  // namespace flashlab::lab
