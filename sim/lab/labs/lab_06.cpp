// Lab 6: a whole FlashAttention forward kernel. Gates: no matrix of N × N travels, wide row tiles, no bank conflicts.

#include <fmt/format.h>

#include "sim/lab/judge.hpp"

namespace flashlab::lab {
namespace {

constexpr std::int64_t kGateRows = 32, kFineRows = 64;  // Br of the two gates
constexpr double kSlack = 1.05;                         // ragged tiles may round up
constexpr double kConflictsGate = 0.05;

class Lab06 final : public Lab {
 public:
  int number() const override { return 6; }
  std::string_view slug() const override { return "06-online-softmax"; }
  std::string_view title() const override { return "Online softmax: a whole FlashAttention forward kernel"; }

  std::vector<Item> items(const Conditions& c) const override {
    Draw draw(c.seed, "lab06");
    const auto make = [&](const Shape& s, Values v) {
      return attention_case(s, v, c.seed, static_cast<std::uint64_t>(s.heads * s.N * s.d));
    };
    std::vector<Case> whole = {make({1, 64, 32}, Values::normal), make({2, 128, 64}, Values::normal)};
    std::vector<Case> ragged = {
        make({1, 1, 32}, Values::normal), make({1, 7, 64}, Values::normal), make({2, 100, 32}, Values::normal),
        make({1, c.hidden ? 64 * draw.between(1, 2) + draw.between(1, 63) : 77, 64}, Values::normal)};
    std::vector<Case> hard = {make({1, 70, 64}, Values::large), make({1, 96, 64}, Values::real)};
    if (c.hidden) {
      whole.push_back(
          make({draw.between(1, 3), 64 * draw.between(1, 3), 32 * draw.between(1, 2)}, Values::normal));
      ragged.push_back(make({3, draw.between(33, 90), 32}, Values::normal));
    }
    const std::vector<Case> counted = {make({1, c.hidden ? 64 * draw.between(3, 5) : 256, 64}, Values::normal)};
    std::vector<Case> all = whole;
    all.insert(all.end(), counted.begin(), counted.end());

    std::vector<Item> list;
    list.push_back({.id = "values",
                    .title = "O is right where N is a multiple of 64",
                    .points = 25,
                    .cases = all,
                    .judge = values});
    list.push_back(
        {.id = "ragged", .title = "O is right for any N", .points = 20, .cases = ragged, .judge = values});
    list.push_back({.id = "hard",
                    .title = "O is right for huge scores and on real inputs",
                    .points = 10,
                    .cases = hard,
                    .judge = values});
    list.push_back({.id = "traffic",
                    .title = "no S or P in HBM: at most the bytes of row tiles of 32",
                    .points = 20,
                    .after = {"values"},
                    .cases = counted,
                    .judge = [](auto ran, auto& e) { return traffic(ran, e, kGateRows); },
                    .counted = true});
    list.push_back({.id = "rows",
                    .title = "K and V pass by seldom: at most the bytes of row tiles of 64",
                    .points = 15,
                    .after = {"values"},
                    .cases = counted,
                    .judge = [](auto ran, auto& e) { return traffic(ran, e, kFineRows); },
                    .counted = true});
    list.push_back({.id = "banks",
                    .title = "at most 5 % of the shared wavefronts are bank conflicts",
                    .points = 10,
                    .after = {"values"},
                    .cases = counted,
                    .judge = banks,
                    .counted = true});
    return list;
  }

  std::optional<Score> score(std::span<const Ran> ran) const override {
    if (ran.empty() || !ran[0].failure.empty()) return std::nullopt;
    return Score{"HBM bytes at " + ran[0].of->title, "B",
                 static_cast<double>(sums_of(ran[0].result).global_bytes())};
  }

  std::string figures() const override {
    const Shape s{1, 256, 64};
    const auto bytes = [&](double b) { return grouped(static_cast<std::uint64_t>(b)); };
    const double naive = 4.0 * (4 * 256.0 * 256 + (2 + 2 * 4) * 256 * 64);
    return table({{"at N = 256, d = 64", "bytes"},
                  {"baseline: naive, S and P written and read twice, tiles of 64", bytes(naive)},
                  {"ideal: row tiles of 64 rows", bytes(bytes_of_rows(s, 64))},
                  {"gate \"traffic\": row tiles of 32, and 5 %", bytes(kSlack * bytes_of_rows(s, kGateRows))},
                  {"gate \"rows\": row tiles of 64, and 5 %", bytes(kSlack * bytes_of_rows(s, kFineRows))}});
  }

 private:
  static Verdict values(std::span<const Ran> ran, const Evidence& evidence) {
    return right(ran, evidence, "O", false, attention_of, kAttentionTolerance);
  }

  static Verdict traffic(std::span<const Ran> ran, const Evidence& evidence, std::int64_t rows) {
    const Ran& r = ran[0];
    const auto bytes = static_cast<double>(sums_of(r.result).global_bytes());
    const double gate = kSlack * bytes_of_rows(shape_of(*r.of), rows);
    Verdict v{.text = fmt::format("{} bytes at {}; at most {}", grouped(static_cast<std::uint64_t>(bytes)),
                                  r.of->title, grouped(static_cast<std::uint64_t>(gate)))};
    v.share = bytes <= gate ? 1 : 0;
    if (!v.passed())
      v.detail = "32-byte sectors, by line:\n" + worst_lines(r.result, evidence, sectors_at, "sectors");
    return v;
  }

  static Verdict banks(std::span<const Ran> ran, const Evidence& evidence) {
    const Sums s = sums_of(ran[0].result);
    const double share = s.all_shared.wavefronts == 0 ? 1.0
                                                      : static_cast<double>(s.all_shared.conflicts) /
                                                            static_cast<double>(s.all_shared.wavefronts);
    Verdict v{.text = s.all_shared.wavefronts == 0
                          ? "shared memory is not used"
                          : fmt::format("{} of {} wavefronts are conflicts ({:.1f} %)",
                                        grouped(s.all_shared.conflicts), grouped(s.all_shared.wavefronts),
                                        100 * share)};
    v.share = share <= kConflictsGate ? 1 : 0;
    if (!v.passed()) v.detail = worst_lines(ran[0].result, evidence, conflicts_at, "conflicts");
    return v;
  }
};

}  // namespace

std::unique_ptr<Lab> make_lab_06() { return std::make_unique<Lab06>(); }

}  // namespace flashlab::lab
