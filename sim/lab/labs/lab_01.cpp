// Lab 1: predict the bytes. A file of numbers, or of expressions that give them for any shape, checked against the
// written-out formulas and the tile machine's counts, which must agree.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>
#include <stdexcept>

#include "sim/core/stages.hpp"
#include "sim/lab/judge.hpp"
#include "sim/lab/labs/expression.hpp"
#include "sim/tile/run.hpp"

namespace flashlab::lab {
namespace {

constexpr Bytes kSram = Bytes{227} << 10;

/// One head, fp32, no mask, tiles of Br rows of Q and Bc rows of K and V.
struct Asked {
  Index N, d, Br, Bc;
  Index Tr() const { return (N + Br - 1) / Br; }
  Index Tc() const { return (N + Bc - 1) / Bc; }
  std::string title() const { return fmt::format("N = {}, d = {}, Br = {}, Bc = {}", N, d, Br, Bc); }
  Letters letters() const {
    const auto of = [](Index i) { return static_cast<double>(i); };
    return {{"N", of(N)}, {"d", of(d)}, {"Br", of(Br)}, {"Bc", of(Bc)}, {"Tr", of(Tr())}, {"Tc", of(Tc())}};
  }
};

constexpr Asked kShown{1024, 64, 64, 32}, kSecond{1000, 48, 48, 40};

/// The shape in the text first; the others are shown, or the seed's.
std::vector<Asked> shapes_of(const Conditions& c) {
  if (!c.hidden) return {kShown, kSecond};
  Draw draw(c.seed, "lab01");
  std::vector<Asked> all = {kShown};
  for (int i = 0; i < 3; ++i)
    all.push_back(
        {draw.between(300, 2000), 16 * draw.between(1, 8), 8 * draw.between(2, 8), 8 * draw.between(1, 8)});
  return all;
}

struct Hbm {
  double read, written;
};

/// As the tile machine counts it.
Hbm counted(std::string_view stage, const Asked& s) {
  const Problem problem{.seq = s.N, .dim = s.d};
  const tile::StageRun run =
      tile::count(stage_from_slug(stage), problem, {.sram_bytes = kSram, .rows = s.Br, .cols = s.Bc});
  return {static_cast<double>(run.traffic.hbm.total().read),
          static_cast<double>(run.traffic.hbm.total().written)};
}
/// As docs/formulas.md has it.
Hbm written_out(std::string_view stage, const Asked& s) {
  const auto N = static_cast<double>(s.N), d = static_cast<double>(s.d), Tr = static_cast<double>(s.Tr());
  if (stage == "naive") return {4 * (2 * N * N + (1 + 2 * Tr) * N * d), 4 * (2 * N * N + N * d)};
  return {4 * (1 + 2 * Tr) * N * d, 4 * (N * d + N)};
}
/// Both, which must be the same: else it is the grader that is wrong.
Hbm hbm(std::string_view stage, const Asked& s) {
  const Hbm a = counted(stage, s), b = written_out(stage, s);
  if (a.read != b.read || a.written != b.written)
    throw std::logic_error(fmt::format("{} at {}: the tile machine and the formula differ", stage, s.title()));
  return a;
}

double elements(const Asked& s) { return static_cast<double>(s.N * s.d); }
double scores(const Asked& s) { return static_cast<double>(s.N * s.N); }
double operations(const Asked& s) { return 4 * scores(s) * static_cast<double>(s.d); }
double intensity(std::string_view stage, const Asked& s) {
  const Hbm bytes = hbm(stage, s);
  return operations(s) / (bytes.read + bytes.written);
}

struct Question {
  std::string_view key, title;
  double points, tolerance;  ///< relative
  double (*answer)(const Asked&);
};
constexpr double kExact = 0;
const Question kQuestions[] = {
    {"q_bytes", "bytes of Q", 5, kExact, [](const Asked& s) { return 4 * elements(s); }},
    {"s_bytes", "bytes of S", 5, kExact, [](const Asked& s) { return 4 * scores(s); }},
    {"flops", "floating-point operations of Q Kᵀ and P V", 10, kExact, operations},
    {"naive_read_bytes", "naive: bytes read from HBM", 15, kExact,
     [](const Asked& s) { return hbm("naive", s).read; }},
    {"naive_write_bytes", "naive: bytes written to HBM", 15, kExact,
     [](const Asked& s) { return hbm("naive", s).written; }},
    {"online_q_read_bytes", "online-q: bytes read from HBM", 15, kExact,
     [](const Asked& s) { return hbm("online-q", s).read; }},
    {"online_q_write_bytes", "online-q: bytes written to HBM", 15, kExact,
     [](const Asked& s) { return hbm("online-q", s).written; }},
    {"naive_intensity", "naive: FLOPs of Q Kᵀ and P V a byte of HBM", 10, 0.01,
     [](const Asked& s) { return intensity("naive", s); }},
    {"online_q_intensity", "online-q: FLOPs of Q Kᵀ and P V a byte of HBM", 10, 0.01,
     [](const Asked& s) { return intensity("online-q", s); }},
};

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r"), end = text.find_last_not_of(" \t\r");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

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

  std::vector<Verdict> judge_text(const std::string& text, const Conditions& conditions) const override {
    std::map<std::string, std::string> given;
    std::string odd;
    std::istringstream lines(text);
    int number = 0;
    for (std::string line; odd.empty() && std::getline(lines, line);) {
      ++number;
      line = trimmed(line.substr(0, line.find('#')));
      if (line.empty()) continue;
      const std::size_t equals = line.find('=');
      const std::string key = trimmed(line.substr(0, equals)),
                        value = equals == std::string::npos ? "" : trimmed(line.substr(equals + 1));
      const bool known = std::ranges::any_of(kQuestions, [&](const Question& q) { return q.key == key; });
      if (!known || value.empty()) {
        odd = fmt::format("answers.txt:{}: a line is `name = number` with a name of the starter's", number);
      } else if (!given.emplace(key, value).second) {
        odd = fmt::format("answers.txt:{}: {} is answered twice", number, key);
      }
    }
    const std::vector<Asked> shapes = shapes_of(conditions);
    std::vector<Verdict> verdicts;
    for (const Question& q : kQuestions)
      verdicts.push_back(odd.empty() ? judge(q, given, shapes) : Verdict{.text = odd});
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
  static Verdict judge(const Question& q, const std::map<std::string, std::string>& given,
                       const std::vector<Asked>& shapes) {
    const auto it = given.find(std::string(q.key));
    if (it == given.end()) return {.text = fmt::format("{} is not answered", q.key)};
    if (it->second == "?") return {.text = fmt::format("{} is not answered yet", q.key)};
    const std::string answer = fmt::format("{} = {}", q.key, it->second.substr(0, 80));
    for (const Asked& s : shapes) {
      std::string why;
      const std::optional<double> value = evaluate(it->second, s.letters(), why);
      if (!value) return {.text = fmt::format("{} is no number and no expression: {}", answer, why)};
      const double right = q.answer(s);
      if (std::fabs(*value - right) <= q.tolerance * right) continue;
      const double ratio = *value / right;
      const std::string how = ratio == 0.25  ? "four times too few: an element has four bytes"
                              : ratio == 0.5 ? "half of what is right"
                              : ratio == 2   ? "twice what is right"
                              : ratio < 1    ? "too few"
                                             : "too many";
      if (&s == &shapes.front()) return {.text = fmt::format("{}: {}", answer, how)};
      return {.share = 0.5,
              .text = fmt::format("{}: right at {}, but at {} it is {:.10g}: {}", answer,
                                  shapes.front().title(), s.title(), *value, how),
              .detail = "write it with the letters N, d, Br, Bc, Tr = ceil(N / Br), Tc = ceil(N / Bc)\n"};
    }
    return {.share = 1, .text = fmt::format("{}, at {} shapes", answer, shapes.size())};
  }
};

}  // namespace

std::unique_ptr<Lab> make_lab_01() { return std::make_unique<Lab01>(); }

}  // namespace flashlab::lab
