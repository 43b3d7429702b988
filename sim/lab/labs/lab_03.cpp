// Lab 3: S = Q Kᵀ / √d with reads that are not coalesced, brought to four sectors a request.

#include <fmt/format.h>

#include <algorithm>

#include "sim/lab/judge.hpp"

namespace flashlab::lab {
namespace {

constexpr double kTolerance = 1e-5;
constexpr double kSectorsGate = 4.0;  // 32 lanes × 4 bytes / 32 bytes
constexpr double kTrafficSlack = 1.25;

/// Sectors when a warp reads each row of K once for each of its rows of Q: N²·d/8 of K, N·d/8 of Q, N²/8 of S.
double warp_per_row(const Shape& s) {
  const auto N = static_cast<double>(s.N), d = static_cast<double>(s.d);
  return static_cast<double>(s.heads) * (N * N * d + N * d + N * N) / 8;
}

class Lab03 final : public Lab {
 public:
  int number() const override { return 3; }
  std::string_view slug() const override { return "03-naive"; }
  std::string_view title() const override { return "Four sectors a request: Q Kᵀ with coalesced reads"; }

  std::vector<Item> items(const Conditions& c) const override {
    Draw draw(c.seed, "lab03");
    const auto make = [&](const Shape& s) {
      return attention_case(s, Values::normal, c.seed, static_cast<std::uint64_t>(s.heads * s.N * s.N));
    };
    std::vector<Case> shapes = {make({1, 8, 32}), make({1, 64, 64}), make({2, 45, 32}),
                                make({1, c.hidden ? draw.between(33, 95) : 70, 64})};
    if (c.hidden) shapes.push_back(make({draw.between(2, 3), draw.between(1, 31), 64}));
    const std::vector<Case> counted = {make({1, c.hidden ? 32 * draw.between(3, 5) : 128, 64})};
    shapes.insert(shapes.end(), counted.begin(), counted.end());
    std::vector<Item> list;
    list.push_back(
        {.id = "values", .title = "S is right for any N", .points = 5, .cases = shapes, .judge = values});
    list.push_back({.id = "loads",
                    .title = "no load instruction takes more than 4 sectors a request",
                    .points = 40,
                    .after = {"values"},
                    .cases = counted,
                    .judge = [](auto ran, auto& e) { return requests(ran, e, simt::Op::load); },
                    .counted = true});
    list.push_back({.id = "stores",
                    .title = "no store instruction takes more than 4 sectors a request",
                    .points = 15,
                    .after = {"values"},
                    .cases = counted,
                    .judge = [](auto ran, auto& e) { return requests(ran, e, simt::Op::store); },
                    .counted = true});
    list.push_back({.id = "traffic",
                    .title = "no more sectors than one warp a row of S needs",
                    .points = 40,
                    .after = {"values"},
                    .cases = counted,
                    .judge = traffic,
                    .counted = true});
    return list;
  }

  std::optional<Score> score(std::span<const Ran> ran) const override {
    if (ran.empty() || !ran[0].failure.empty()) return std::nullopt;
    return Score{"bytes at " + ran[0].of->title, "B",
                 static_cast<double>(sums_of(ran[0].result).global_bytes())};
  }

  std::string figures() const override {
    const Shape s{1, 128, 64};
    const double N2d = 128.0 * 128 * 64;
    const auto text = [](double sectors) { return grouped(static_cast<std::uint64_t>(sectors)); };
    return table({{"at N = 128, d = 64", "sectors a load of K", "sectors"},
                  {"baseline: a lane a key", "32", text(N2d * 33 / 32 + 128.0 * 128 / 8)},
                  {"ideal: a warp a row, lanes along d", "4", text(warp_per_row(s))},
                  {"gate", "4", text(kTrafficSlack * warp_per_row(s))}});
  }

 private:
  static Verdict values(std::span<const Ran> ran, const Evidence& evidence) {
    return right(ran, evidence, "S", true, scores_of, kTolerance);
  }

  static Verdict requests(std::span<const Ran> ran, const Evidence& evidence, simt::Op op) {
    double worst = 0;
    std::uint64_t address = 0;
    for (const LaunchRecord& l : ran[0].result.launches) {
      for (const SiteRecord& s : l.sites) {
        if (s.space != simt::Space::global || s.op != op || s.counters.requests == 0) continue;
        const double each = static_cast<double>(s.counters.sectors) / static_cast<double>(s.counters.requests);
        // A wider access may take more: 16 bytes a lane are 16 sectors a request.
        const double fair = each * 4 / std::max(4, s.width_bytes);
        if (fair > worst) worst = fair, address = s.address;
      }
    }
    Verdict v{.text =
                  fmt::format("the worst takes {:.1f} sectors a request; at most {:.0f}", worst, kSectorsGate)};
    v.share = worst <= kSectorsGate + 1e-9 && worst > 0 ? 1 : 0;
    if (!v.passed()) {
      v.detail = "the line: " + evidence.place(address) + "\nsectors beyond four a request, by line:\n" +
                 worst_lines(ran[0].result, evidence, excess_sectors_at, "sectors");
    }
    return v;
  }

  static Verdict traffic(std::span<const Ran> ran, const Evidence& evidence) {
    const Ran& r = ran[0];
    const auto sectors = static_cast<double>(sums_of(r.result).global_sectors);
    const double gate = kTrafficSlack * warp_per_row(shape_of(*r.of));
    Verdict v{.text = fmt::format("{} sectors at {}; at most {}", grouped(static_cast<std::uint64_t>(sectors)),
                                  r.of->title, grouped(static_cast<std::uint64_t>(gate)))};
    v.share = sectors <= gate ? 1 : 0;
    if (!v.passed())
      v.detail = "32-byte sectors, by line:\n" + worst_lines(r.result, evidence, sectors_at, "sectors");
    return v;
  }
};

}  // namespace

std::unique_ptr<Lab> make_lab_03() { return std::make_unique<Lab03>(); }

}  // namespace flashlab::lab
