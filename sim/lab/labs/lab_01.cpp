// Lab 1: predict the bytes. A file of numbers, checked against the tile machine's counts.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <sstream>

#include "sim/core/stages.hpp"
#include "sim/lab/judge.hpp"
#include "sim/tile/run.hpp"

namespace flashlab::lab {
namespace {

constexpr Index kN = 1024, kDim = 64, kRows = 64, kCols = 32;
constexpr Bytes kSram = Bytes{227} << 10;

struct Hbm {
  double read, written;
};
Hbm counted(std::string_view stage) {
  const Problem problem{.seq = kN, .dim = kDim};
  const tile::StageRun run =
      tile::count(stage_from_slug(stage), problem, {.sram_bytes = kSram, .rows = kRows, .cols = kCols});
  return {static_cast<double>(run.traffic.hbm.total().read),
          static_cast<double>(run.traffic.hbm.total().written)};
}

struct Question {
  std::string_view key, title;
  double points, tolerance;  ///< relative
  double (*answer)();
};
constexpr double kExact = 0;
const Question kQuestions[] = {
    {"q_bytes", "bytes of Q", 5, kExact, [] { return 4.0 * kN * kDim; }},
    {"s_bytes", "bytes of S", 5, kExact, [] { return 4.0 * kN * kN; }},
    {"flops", "floating-point operations of Q Kᵀ and P V", 10, kExact, [] { return 4.0 * kN * kN * kDim; }},
    {"naive_read_bytes", "naive: bytes read from HBM", 15, kExact, [] { return counted("naive").read; }},
    {"naive_write_bytes", "naive: bytes written to HBM", 15, kExact, [] { return counted("naive").written; }},
    {"online_q_read_bytes", "online-q: bytes read from HBM", 15, kExact,
     [] { return counted("online-q").read; }},
    {"online_q_write_bytes", "online-q: bytes written to HBM", 15, kExact,
     [] { return counted("online-q").written; }},
    {"naive_intensity", "naive: FLOPs of Q Kᵀ and P V a byte of HBM", 10, 0.01,
     [] { return 4.0 * kN * kN * kDim / (counted("naive").read + counted("naive").written); }},
    {"online_q_intensity", "online-q: FLOPs of Q Kᵀ and P V a byte of HBM", 10, 0.01,
     [] { return 4.0 * kN * kN * kDim / (counted("online-q").read + counted("online-q").written); }},
};

class Lab01 final : public Lab {
 public:
  int number() const override { return 1; }
  std::string_view slug() const override { return "01-attention"; }
  std::string_view title() const override { return "Predict the bytes"; }
  std::string_view file() const override { return "answers.txt"; }
  bool has_kernels() const override { return false; }

  std::vector<Item> items(const Conditions&) const override {
    std::vector<Item> list;
    for (const Question& q : kQuestions)
      list.push_back({.id = std::string(q.key), .title = std::string(q.title), .points = q.points});
    return list;
  }

  std::vector<Verdict> judge_text(const std::string& text, const Conditions&) const override {
    std::map<std::string, std::string> given;
    std::string odd;
    std::istringstream lines(text);
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
      ++number;
      line = line.substr(0, line.find('#'));
      std::string key, equals, value, more;
      std::istringstream words(line);
      if (!(words >> key)) continue;
      const bool whole = static_cast<bool>(words >> equals >> value) && equals == "=" && !(words >> more);
      const bool known = std::ranges::any_of(kQuestions, [&](const Question& q) { return q.key == key; });
      if (!whole || !known) {
        odd = fmt::format("answers.txt:{}: a line is `name = number` with a name of the starter's", number);
      } else if (!given.emplace(key, value).second) {
        odd = fmt::format("answers.txt:{}: {} is answered twice", number, key);
      }
      if (!odd.empty()) break;
    }
    std::vector<Verdict> verdicts;
    for (const Question& q : kQuestions)
      verdicts.push_back(odd.empty() ? judge(q, given) : Verdict{.text = odd});
    return verdicts;
  }

  std::string figures() const override {
    const auto text = [](double b) { return grouped(static_cast<std::uint64_t>(b)); };
    return table({{"at N = 512, d = 64 (the lab asks for another N)", "bytes of HBM"},
                  {"baseline: S and P as matrices, written and read", text(4.0 * 4 * 512 * 512)},
                  {"ideal: Q, K, V read and O written once", text(4.0 * 4 * 512 * 64)},
                  {"gate", "the exact number"}});
  }

 private:
  static Verdict judge(const Question& q, const std::map<std::string, std::string>& given) {
    const auto it = given.find(std::string(q.key));
    if (it == given.end()) return {.text = fmt::format("{} is not answered", q.key)};
    if (it->second == "?") return {.text = fmt::format("{} is not answered yet", q.key)};
    char* end = nullptr;
    const double value = std::strtod(it->second.c_str(), &end);
    if (*end != '\0' || !std::isfinite(value) ||
        it->second.find_first_not_of("0123456789.eE+") != std::string::npos)
      return {.text =
                  fmt::format("{} = {} is no number: digits, and a point", q.key, it->second.substr(0, 40))};
    const double right = q.answer();
    if (std::fabs(value - right) <= q.tolerance * right)
      return {.share = 1, .text = fmt::format("{} = {}", q.key, it->second)};
    const double ratio = value / right;
    return {.text = fmt::format("{} = {}: {}", q.key, it->second,
                                ratio == 0.25  ? "four times too few: an element has four bytes"
                                : ratio == 0.5 ? "half of what is right"
                                : ratio == 2   ? "twice what is right"
                                : ratio < 1    ? "too few"
                                               : "too many")};
  }
};

}  // namespace

std::unique_ptr<Lab> make_lab_01() { return std::make_unique<Lab01>(); }

}  // namespace flashlab::lab
