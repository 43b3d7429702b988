// Lab 8: open: the fewest bytes of HBM on shapes that the seed draws, for a leaderboard.

#include <fmt/format.h>

#include <utility>

#include "sim/lab/judge.hpp"

namespace flashlab::lab {
namespace {

constexpr double kSlack = 1.05;  // ragged tiles may round up

class Lab08 final : public Lab {
 public:
  int number() const override { return 8; }
  std::string_view slug() const override { return "08-tensor-cores"; }
  std::string_view title() const override { return "Open: the fewest bytes"; }

  std::vector<Item> items(const Conditions& c) const override {
    Draw draw(c.seed, "lab08");
    const auto make = [&](const Shape& s, Values v) {
      return attention_case(s, v, c.seed, static_cast<std::uint64_t>(s.heads * s.N * s.d));
    };
    std::vector<Case> cases = {make({1, 1, 64}, Values::normal), make({1, 64, 64}, Values::normal),
                               make({2, 45, 64}, Values::large),
                               make({1, c.hidden ? draw.between(65, 200) : 130, 64}, Values::real)};
    const std::vector<Case> counted = {make({1, c.hidden ? draw.between(380, 400) : 384, 64}, Values::normal)};
    cases.insert(cases.end(), counted.begin(), counted.end());
    std::vector<Item> list;
    list.push_back({.id = "values",
                    .title = "O is right for any N, huge scores and real inputs",
                    .points = 40,
                    .cases = cases,
                    .judge = [](auto ran, auto& e) {
                      return right(ran, e, "O", false, attention_of, kAttentionTolerance);
                    }});
    for (const auto& [rows, points] : {std::pair{64, 20}, std::pair{96, 20}, std::pair{128, 20}}) {
      list.push_back({.id = fmt::format("rows-{}", rows),
                      .title = fmt::format("at most the bytes of row tiles of {}", rows),
                      .points = static_cast<double>(points),
                      .after = {"values"},
                      .cases = counted,
                      .judge =
                          [rows = rows](auto ran, auto& e) {
                            return gate(sums_of(ran[0].result).global_sectors,
                                        kSlack * bytes_of_rows(shape_of(*ran[0].of), rows) / 32, "sectors",
                                        ran[0], e, sectors_at);
                          },
                      .counted = true});
    }
    return list;
  }

  std::optional<Score> score(std::span<const Ran> ran) const override {
    if (ran.empty() || !ran[0].failure.empty()) return std::nullopt;
    return Score{"HBM bytes at " + ran[0].of->title, "B",
                 static_cast<double>(sums_of(ran[0].result).global_bytes())};
  }

  std::string figures() const override {
    const Shape s{1, 384, 64};
    const auto bytes = [&](double b) { return grouped(static_cast<std::uint64_t>(b)); };
    return table({{"at N = 384, d = 64", "bytes"},
                  {"baseline: row tiles of 32", bytes(bytes_of_rows(s, 32))},
                  {"gate: row tiles of 128, and 5 %", bytes(kSlack * bytes_of_rows(s, 128))},
                  {"ideal: K and V pass by once", bytes(bytes_of_rows(s, 384))}});
  }
};

}  // namespace

std::unique_ptr<Lab> make_lab_08() { return std::make_unique<Lab08>(); }

}  // namespace flashlab::lab
