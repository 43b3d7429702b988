// Lab 5: `tiled`: Q Kᵀ from tiles in shared memory, without bank conflicts.

#include <fmt/format.h>

#include "sim/lab/judge.hpp"

namespace flashlab::lab {
namespace {

constexpr double kTolerance = 1e-5, kSlack = 1.1, kStrictConflicts = 0.02;
constexpr std::int64_t kTile = 32;

/// Sectors when each tile of S reads its rows of Q and K once: 2·N²·d / tile of floats, and N² written.
double sectors_of_tiles(const Shape& s, std::int64_t tile) {
  const auto T = static_cast<double>((s.N + tile - 1) / tile), N = static_cast<double>(s.N);
  return static_cast<double>(s.heads) * (2 * T * N * static_cast<double>(s.d) + N * N) / 8;
}

class Lab05 final : public Lab {
 public:
  int number() const override { return 5; }
  std::string_view slug() const override { return "05-tiled"; }
  std::string_view title() const override { return "Tiled: Q Kᵀ from shared memory, without bank conflicts"; }

  std::vector<Item> items(const Conditions& c) const override {
    Draw draw(c.seed, "lab05");
    const auto make = [&](const Shape& s) {
      return attention_case(s, Values::normal, c.seed, static_cast<std::uint64_t>(s.heads * s.N * s.N));
    };
    std::vector<Case> shapes = {make({1, 32, 32}), make({2, 64, 64}), make({1, 1, 32}),
                                make({2, c.hidden ? draw.between(33, 63) : 45, 64})};
    const std::vector<Case> counted = {make({1, c.hidden ? 32 * draw.between(4, 7) : 128, 64})};
    shapes.insert(shapes.end(), counted.begin(), counted.end());
    std::vector<Item> list;
    list.push_back(
        {.id = "values",
         .title = "S is right for any N",
         .points = 20,
         .cases = shapes,
         .judge = [](auto ran, auto& e) { return right(ran, e, "S", true, scores_of, kTolerance); }});
    list.push_back({.id = "traffic",
                    .title = "Q and K are read once a tile of 32 × 32",
                    .points = 40,
                    .after = {"values"},
                    .cases = counted,
                    .judge = [](auto ran, auto& e) {
                      return gate(sums_of(ran[0].result).global_sectors,
                                  kSlack * sectors_of_tiles(shape_of(*ran[0].of), kTile), "sectors", ran[0], e,
                                  sectors_at);
                    }});
    list.push_back({.id = "banks",
                    .title = "shared memory without bank conflicts",
                    .points = 40,
                    .after = {"values", "traffic"},
                    .cases = counted,
                    .judge = [](auto ran, auto& e) {
                      const Sums s = sums_of(ran[0].result);
                      if (s.all_shared.wavefronts == 0) return Verdict{.text = "shared memory is not used"};
                      return gate(s.all_shared.conflicts,
                                  kStrictConflicts * static_cast<double>(s.all_shared.wavefronts), "conflicts",
                                  ran[0], e, conflicts_at);
                    }});
    return list;
  }

  std::optional<Score> score(std::span<const Ran> ran) const override {
    if (ran.empty() || !ran[0].failure.empty()) return std::nullopt;
    const Sums s = sums_of(ran[0].result);
    return Score{"shared wavefronts at " + ran[0].of->title, "", static_cast<double>(s.all_shared.wavefronts)};
  }

  std::string figures() const override {
    const Shape s{1, 128, 64};
    const auto text = [](double b) { return grouped(static_cast<std::uint64_t>(b)); };
    return table(
        {{"at N = 128, d = 64", "sectors", "conflicts"},
         {"baseline: a warp a row, no shared memory", text((128.0 * 128 * 64 + 128 * 64 + 128 * 128) / 8), "-"},
         {"ideal: tiles of 32 × 32", text(sectors_of_tiles(s, kTile)), "0"},
         {"gate", text(kSlack * sectors_of_tiles(s, kTile)), "2 % of the wavefronts"}});
  }
};

}  // namespace

std::unique_ptr<Lab> make_lab_05() { return std::make_unique<Lab05>(); }

}  // namespace flashlab::lab
