// Lab 4: `fused`: whole rows of S in shared memory, one kernel, and the N at which that must fail.

#include <fmt/format.h>

#include "sim/lab/judge.hpp"

namespace flashlab::lab {
namespace {

constexpr double kTolerance = 2e-4, kSlack = 1.05;
constexpr std::int64_t kGateRows = 4;  // Br of the gate: a block reads K and V once for so many rows
constexpr std::int64_t kSram[] = {48 << 10, 96 << 10, 227 << 10};

/// Bytes when row tiles of `rows` rows read K and V once each.
double bytes_of_rows(const Shape& s, std::int64_t rows) {
  const auto Tr = static_cast<double>((s.N + rows - 1) / rows);
  return 4.0 * static_cast<double>(s.heads * s.N * s.d) * (2 + 2 * Tr);
}

class Lab04 final : public Lab {
 public:
  int number() const override { return 4; }
  std::string_view slug() const override { return "04-fused"; }
  std::string_view title() const override { return "Fused: rows of S in shared memory, and where that ends"; }

  std::vector<Item> items(const Conditions& c) const override {
    Draw draw(c.seed, "lab04");
    const auto make = [&](const Shape& s, std::int64_t sram) {
      Case one = attention_case(s, Values::normal, c.seed, static_cast<std::uint64_t>(s.heads * s.N * s.d));
      one.title += fmt::format(", {} KiB of shared memory", sram >> 10);
      one.job.numbers.push_back(sram);
      return one;
    };
    std::vector<Case> values = {make({1, 32, 32}, kSram[0]), make({2, 64, 64}, kSram[0]),
                                make({1, 1, 32}, kSram[0]), make({2, 45, 32}, kSram[1]),
                                make({1, c.hidden ? draw.between(65, 120) : 77, 64}, kSram[2])};
    const std::vector<Case> counted = {make({1, c.hidden ? 32 * draw.between(4, 6) : 160, 64}, kSram[0])};
    values.insert(values.end(), counted.begin(), counted.end());
    // No tensors here: the plan alone is asked, at many N.
    std::vector<Case> plans;
    for (const std::int64_t sram : kSram) {
      Case one;
      one.title = fmt::format("{} KiB of shared memory", sram >> 10);
      one.job.numbers = {0, 0, c.hidden && draw.between(0, 1) == 1 ? 32 : 64, sram};
      one.job.unwritten = false;
      plans.push_back(std::move(one));
    }
    std::vector<Item> list;
    list.push_back(
        {.id = "values",
         .title = "O is right for any N that fits",
         .points = 40,
         .cases = values,
         .judge = [](auto ran, auto& e) { return right(ran, e, "O", false, attention_of, kTolerance); }});
    list.push_back({.id = "limit",
                    .title = "the largest N is the largest that fits, and one more is refused",
                    .points = 30,
                    .after = {"values"},
                    .cases = plans,
                    .judge = limits});
    list.push_back({.id = "traffic",
                    .title = "no S or P in HBM: at most the bytes of row tiles of 4",
                    .points = 30,
                    .after = {"values"},
                    .cases = counted,
                    .judge = traffic});
    return list;
  }

  std::optional<Score> score(std::span<const Ran> ran) const override {
    if (ran.empty() || !ran[0].failure.empty()) return std::nullopt;
    return Score{"HBM bytes at " + ran[0].of->title, "B",
                 static_cast<double>(sums_of(ran[0].result).global_bytes())};
  }

  std::string figures() const override {
    const Shape s{1, 160, 64};
    const auto text = [](double b) { return grouped(static_cast<std::uint64_t>(b)); };
    return table({{"at N = 160, d = 64", "bytes"},
                  {"baseline: a row of S a block", text(bytes_of_rows(s, 1))},
                  {"gate: row tiles of 4, and 5 %", text(kSlack * bytes_of_rows(s, kGateRows))},
                  {"ideal: row tiles of 16", text(bytes_of_rows(s, 16))}}) +
           "\n" +
           table({{"one row of S and nothing else", "N is at most"},
                  {"48 KiB of shared memory", grouped(static_cast<std::uint64_t>(kSram[0] / 4))},
                  {"96 KiB", grouped(static_cast<std::uint64_t>(kSram[1] / 4))},
                  {"227 KiB", grouped(static_cast<std::uint64_t>(kSram[2] / 4))}});
  }

 private:
  // Answers: largest_N, then rows and shared_bytes of plan() at 1, half of it, largest_N, largest_N + 1, twice as many.
  static Verdict limits(std::span<const Ran> ran, const Evidence& evidence) {
    std::string all;
    for (const Ran& r : ran) {
      Verdict v = sound(r, evidence);
      if (!v.passed()) return v;
      const auto& a = r.result.answers;
      const std::int64_t sram = r.of->job.numbers[3];
      if (a.size() != 11) return {.text = "the plan was not answered"};
      const std::int64_t largest = a[0];
      const auto fail = [&](std::string text) {
        return Verdict{.text = "with " + r.of->title + ": " + std::move(text)};
      };
      // A row of S takes 4 N bytes; whatever else a block keeps, 1 KiB a row and 16 KiB are room enough for it.
      if (largest > sram / 4)
        return fail(fmt::format("largest_N is {}: a row of S would take {} bytes", largest, 4 * largest));
      if (largest < (sram - (16 << 10)) / 4)
        return fail(fmt::format("largest_N is {}: a row of S would take {} bytes, and much is left", largest,
                                4 * largest));
      for (std::size_t i = 0; i < 5; ++i) {
        const std::int64_t N = i == 0   ? 1
                               : i == 1 ? largest / 2
                               : i == 2 ? largest
                               : i == 3 ? largest + 1
                                        : 2 * largest;
        const std::int64_t rows = a[1 + 2 * i], bytes = a[2 + 2 * i];
        if (N <= largest && (rows < 1 || bytes < 4 * N * rows || bytes > sram))
          return fail(
              fmt::format("plan(N = {}) answers {} rows and {} bytes: rows of S take {}, and {} are there", N,
                          rows, bytes, 4 * N * rows, sram));
        if (N > largest && rows != 0)
          return fail(fmt::format("plan(N = {}) answers {} rows, though largest_N is {}: it must answer 0", N,
                                  rows, largest));
      }
      all += fmt::format("{}{} at {} KiB", all.empty() ? "" : ", ", largest, sram >> 10);
    }
    return {.share = 1, .text = "largest N: " + all};
  }

  static Verdict traffic(std::span<const Ran> ran, const Evidence& evidence) {
    return gate(sums_of(ran[0].result).global_sectors,
                kSlack * bytes_of_rows(shape_of(*ran[0].of), kGateRows) / 32, "sectors", ran[0], evidence,
                sectors_at);
  }
};

}  // namespace

std::unique_ptr<Lab> make_lab_04() { return std::make_unique<Lab04>(); }

}  // namespace flashlab::lab
