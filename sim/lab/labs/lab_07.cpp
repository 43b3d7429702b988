// Lab 7: loop order and tile sizes for three devices: the least HBM traffic that fits in SRAM, on the tile machine.

#include <fmt/format.h>

#include <algorithm>

#include "sim/core/stages.hpp"
#include "sim/lab/judge.hpp"
#include "sim/tile/run.hpp"

namespace flashlab::lab {
namespace {

constexpr double kSlack = 1.02;

struct Question {
  std::string name;
  std::int64_t N, d, sram;
};

std::uint64_t bytes_of(std::int64_t order, std::int64_t rows, std::int64_t cols, const Question& q) {
  const tile::StageRun run =
      tile::count(stage_from_slug(order == 0 ? "online-q" : "online-kv"), {.seq = q.N, .dim = q.d},
                  {.sram_bytes = static_cast<Bytes>(q.sram), .rows = rows, .cols = cols});
  return run.traffic.hbm.total().total();
}

/// The least: long row tiles and single columns with the Q loop outside, or the other way round.
std::uint64_t least(const Question& q) {
  const std::int64_t M = q.sram / 4;
  const std::int64_t rows = std::min(q.N, (M - 2 * q.d) / (2 * q.d + 4));
  const std::int64_t cols = std::min(q.N, (M - 2 * q.d - 3) / (2 * q.d + 1));
  return std::min(bytes_of(0, rows, 1, q), bytes_of(1, 1, cols, q));
}

class Lab07 final : public Lab {
 public:
  int number() const override { return 7; }
  std::string_view slug() const override { return "07-registers"; }
  std::string_view title() const override { return "Loop order and tiles for three devices"; }

  std::vector<Item> items(const Conditions& c) const override {
    Draw draw(c.seed, "lab07");
    std::vector<std::vector<Question>> sets = {{{"T4", 4096, 64, 64 << 10}, {"T4", 2048, 128, 64 << 10}},
                                               {{"A100", 4096, 64, 163 << 10}, {"A100", 8192, 128, 163 << 10}},
                                               {{"H100", 4096, 64, 227 << 10}, {"H100", 256, 64, 227 << 10}},
                                               {{"small", 512, 64, 12 << 10}, {"one tile", 64, 32, 100 << 10}}};
    if (c.hidden) {
      for (auto& set : sets)
        set.push_back({set[0].name, draw.between(300, 6000), 32 * draw.between(1, 4),
                       set[0].sram + 4 * draw.between(0, 999)});
    }
    std::vector<Item> list;
    const char* const titles[] = {"T4: 64 KiB of SRAM", "A100: 163 KiB", "H100: 227 KiB",
                                  "little SRAM, and much of it"};
    for (std::size_t i = 0; i < sets.size(); ++i) {
      Case one;
      one.title = titles[i];
      one.job.numbers = {static_cast<std::int64_t>(sets[i].size())};
      for (const Question& q : sets[i]) one.job.numbers.insert(one.job.numbers.end(), {q.N, q.d, q.sram});
      one.job.unwritten = false;
      list.push_back({.id = i == 0   ? "t4"
                            : i == 1 ? "a100"
                            : i == 2 ? "h100"
                                     : "edges",
                      .title = titles[i],
                      .points = 25,
                      .cases = {one},
                      .judge = [set = sets[i]](auto ran, auto& e) { return judge(set, ran[0], e); }});
    }
    return list;
  }

  std::string figures() const override {
    const Question q{"A100", 4096, 64, 163 << 10};
    return table(
        {{"A100, N = 4096, d = 64", "bytes"},
         {"baseline: Q outside, Br = 64, Bc = 64", grouped(bytes_of(0, 64, 64, q))},
         {"ideal: what the best choice moves", grouped(least(q))},
         {"gate: 2 % more", grouped(static_cast<std::uint64_t>(kSlack * static_cast<double>(least(q))))}});
  }

 private:
  static Verdict judge(const std::vector<Question>& set, const Ran& ran, const Evidence& evidence) {
    Verdict v = sound(ran, evidence);
    if (!v.passed()) return v;
    const auto& a = ran.result.answers;
    if (a.size() != 3 * set.size()) return {.text = "choose was not answered"};
    double passed = 0;
    std::string first, last;
    for (std::size_t i = 0; i < set.size(); ++i) {
      const Question& q = set[i];
      const std::int64_t order = a[3 * i], rows = a[3 * i + 1], cols = a[3 * i + 2];
      const std::string where = fmt::format("N = {}, d = {}, {} bytes of SRAM: {}, Br = {}, Bc = {}", q.N, q.d,
                                            q.sram, order == 0 ? "Q outside" : "K/V outside", rows, cols);
      std::string wrong;
      if (order < 0 || order > 1 || rows < 1 || cols < 1 || rows > q.N || cols > q.N) {
        wrong = "no choice: order is 0 or 1, and 1 ≤ Br, Bc ≤ N";
      } else {
        const std::int64_t floats = rows * (2 * q.d + 3) + cols * 2 * q.d + rows * cols;
        const std::uint64_t best = least(q);
        if (4 * floats > q.sram) {
          wrong =
              fmt::format("takes {} bytes and does not fit", grouped(static_cast<std::uint64_t>(4 * floats)));
        } else if (const std::uint64_t bytes = bytes_of(order, rows, cols, q);
                   static_cast<double>(bytes) > kSlack * static_cast<double>(best)) {
          wrong = fmt::format("moves {} bytes; the best choice {}", grouped(bytes), grouped(best));
        } else {
          last = fmt::format("{}: {} bytes", where, grouped(bytes));
          passed += 1;
        }
      }
      if (!wrong.empty() && first.empty()) first = where + " " + wrong;
    }
    v.share = passed == static_cast<double>(set.size()) ? 1 : 0;
    v.text = first.empty() ? last : first;
    return v;
  }
};

}  // namespace

std::unique_ptr<Lab> make_lab_07() { return std::make_unique<Lab07>(); }

}  // namespace flashlab::lab
