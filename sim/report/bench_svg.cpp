// The bench as pictures: rates over N, and the ladder.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "sim/core/error.hpp"
#include "sim/report/bench_report.hpp"
#include "sim/report/svg.hpp"

namespace flashlab::report {
namespace {

using gpu::BenchCase;
using gpu::BenchRow;
using gpu::BenchRun;
using gpu::BenchShape;

std::string rate_text(double flops_per_s) {
  const double tera = flops_per_s * 1e-12;
  return fmt::format("{:.{}f}", tera, tera >= 99.95 ? 0 : tera >= 9.995 ? 1 : 2);
}

/// A logarithmic axis from `low` to `high` (values above 0), widened a little.
struct LogAxis {
  double low, high, from, to;
  LogAxis(double least, double most, double from_, double to_)
      : low(std::log10(least) - 0.08), high(std::log10(most) + 0.08), from(from_), to(to_) {
    if (high - low < 0.5) low -= 0.2, high += 0.2;
  }
  double at(double value) const { return from + (to - from) * (std::log10(value) - low) / (high - low); }
  /// 1, 2, 5, 10, … within the axis.
  std::vector<double> ticks() const {
    std::vector<double> all;
    for (int exponent = static_cast<int>(std::floor(low)); exponent <= high; ++exponent) {
      for (const double digit : {1.0, 2.0, 5.0}) {
        const double value = digit * std::pow(10.0, exponent);
        if (std::log10(value) >= low && std::log10(value) <= high) all.push_back(value);
      }
    }
    return all;
  }
};

std::string tick_text(double tera) { return fmt::format("{:g}", tera); }

std::string describe(const BenchShape& s) {
  return fmt::format("d = {}, {}, {} head{}{}", s.dim, s.causal ? "causal" : "full", s.heads,
                     s.heads > 1 ? "s" : "",
                     s.kv_heads == s.heads ? "" : fmt::format(" ({} of K and V)", s.kv_heads));
}

}  // namespace

std::string bench_svg(const BenchRun& run) {
  constexpr double kWidth = 780, kHeight = 460, kLeft = 64, kRight = 150, kTop = 60, kBottom = 52;
  if (run.cases.empty()) throw UsageError("nothing was measured at these shapes");
  const BenchShape& first = run.cases.front().shape;
  struct Curve {
    std::string label;
    bool is_peer;
    std::map<int, double> tera;  // N → TFLOP/s
  };
  std::vector<Curve> curves;
  double least = INFINITY, most = 0;
  std::vector<int> seqs;
  for (const BenchCase& at : run.cases) {
    const BenchShape& s = at.shape;
    if (s.dtype != first.dtype || s.dim != first.dim || s.causal != first.causal || s.heads != first.heads ||
        s.kv_heads != first.kv_heads)
      continue;
    for (const BenchRow& row : at.rows) {
      if (!row.measured() || !row.without.empty()) continue;
      auto curve = std::ranges::find(curves, row.contender, &Curve::label);
      if (curve == curves.end()) curve = curves.insert(curves.end(), {row.contender, row.is_peer, {}});
      const double tera = at.flops_per_s(row) * 1e-12;
      curve->tera[s.seq] = tera;
      least = std::min(least, tera);
      most = std::max(most, tera);
      if (std::ranges::find(seqs, s.seq) == seqs.end()) seqs.push_back(s.seq);
    }
  }
  if (curves.empty()) throw UsageError("nothing was measured at these shapes");
  std::ranges::sort(seqs);
  const LogAxis rates(least, most, kHeight - kBottom, kTop);
  const double low = std::log2(seqs.front()), span = std::max(1e-9, std::log2(seqs.back()) - low);
  const auto x_of = [&](int seq) {
    return seqs.size() == 1 ? (kLeft + kWidth - kRight) / 2
                            : kLeft + 12 + (kWidth - kLeft - kRight - 24) * (std::log2(seq) - low) / span;
  };
  const std::string title = fmt::format("Attention forward on {}, {}", run.card, name_of(first.dtype));
  std::string svg = open_svg(static_cast<int>(kWidth), static_cast<int>(kHeight), title);
  svg += text_at(16, 26, title, "title");
  svg += text_at(16, 45, fmt::format("{}; TFLOP/s, log scale; dashed: libraries", describe(first)), "small");
  for (const double tick : rates.ticks()) {
    const double y = rates.at(tick);
    svg += fmt::format("<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>\n", kLeft,
                       kWidth - kRight, y, y);
    svg += text_at(kLeft - 8, y + 4, tick_text(tick), "small", "end");
  }
  for (const int seq : seqs)
    svg += text_at(x_of(seq), kHeight - kBottom + 20, fmt::to_string(seq), "small", "middle");
  svg += text_at((kLeft + kWidth - kRight) / 2, kHeight - 10, "sequence length N", "small", "middle");
  struct Label {
    double x, y;
    std::string text;
  };
  std::vector<Label> labels;
  int stage = 0;
  for (const Curve& curve : curves) {
    std::string path;
    Label end{.text = curve.label};
    for (const auto& [seq, tera] : curve.tera) {
      end.x = x_of(seq);
      end.y = rates.at(tera);
      path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "M" : " L", end.x, end.y);
      svg += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"none\"/>\n",
                         curve.is_peer ? "lb" : fmt::format("l{}", stage % 5), end.x, end.y);
    }
    svg += fmt::format("<path class=\"{}\" d=\"{}\"/>\n", curve.is_peer ? "lb" : fmt::format("l{}", stage % 5),
                       path);
    end.text += " " + rate_text(curve.tera.rbegin()->second * 1e12);
    labels.push_back(end);
    stage += !curve.is_peer;
  }
  std::ranges::sort(labels, {}, &Label::y);
  double next_free = 0;
  for (const Label& label : labels) {  // those that would cover each other move down
    const double y = std::max(label.y + 4, next_free);
    svg += text_at(std::max(label.x, x_of(seqs.back())) + 10, y, label.text, "small");
    next_free = y + 14;
  }
  return svg + "</svg>\n";
}

/// Text that stays readable where a line crosses it.
constexpr std::string_view kHalo =
    "<style>\n"
    "  .halo { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round }\n"
    "  @media (prefers-color-scheme: dark) { .halo { stroke: #0d1117 } }\n"
    "</style>\n";

std::string ladder_svg(const BenchRun& run) {
  const Ladder ladder = ladder_of(run);
  constexpr double kWidth = 780, kLeft = 104, kRight = 84, kRow = 46;
  std::vector<const Ladder::Rung*> peers;
  double least = INFINITY, most = 0;
  for (const auto* rungs : {&ladder.stages, &ladder.peers}) {
    for (const Ladder::Rung& rung : *rungs) {
      least = std::min(least, rung.flops_per_s() * 1e-12);
      most = std::max(most, rung.flops_per_s() * 1e-12);
    }
  }
  for (const Ladder::Rung& rung : ladder.peers) peers.push_back(&rung);
  std::ranges::sort(peers, {}, [](const Ladder::Rung* rung) { return rung->flops_per_s(); });
  // A peer's label hangs on its line, in a row of its own when the last one would reach into it.
  const LogAxis rates(least * 0.6, most, kLeft, kWidth - kRight);
  struct Label {
    double x, right;
    int row;
    std::string text;
  };
  std::vector<Label> labels;
  int label_rows = 0;
  for (const Ladder::Rung* peer : peers) {
    const std::string text = fmt::format("{} {} {}", peer->row->contender, name_of(peer->at->shape.dtype),
                                         rate_text(peer->flops_per_s()));
    const double x = rates.at(peer->flops_per_s() * 1e-12), half = 3.2 * static_cast<double>(text.size());
    const double middle = std::min(x, kWidth - 8 - half);
    int row = 0;
    for (bool clash = true; clash; row += clash) {
      clash = std::ranges::any_of(labels,
                                  [&](const Label& l) { return l.row == row && l.right + 8 > middle - half; });
    }
    labels.push_back({middle, middle + half, row, text});
    label_rows = std::max(label_rows, row + 1);
  }
  const double top = 66 + 15.0 * label_rows, bottom = top + kRow * static_cast<double>(ladder.stages.size());
  const double height = bottom + 34;
  const BenchShape& s = ladder.shape;
  const std::string title = fmt::format("The ladder on {}", run.card);
  std::string svg = open_svg(static_cast<int>(kWidth), static_cast<int>(height), title);
  svg += kHalo;
  svg += text_at(16, 26, title, "title");
  svg += text_at(16, 45,
                 fmt::format("batch {}, N = {}, {}; TFLOP/s, log scale; dashed: libraries, same run", s.batch,
                             s.seq, describe(s)),
                 "small");
  for (const double tick : rates.ticks()) {
    const double x = rates.at(tick);
    svg += fmt::format("<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/>\n",
                       x, top, bottom);
    svg += text_at(x, bottom + 18, tick_text(tick), "small", "middle");
  }
  std::string texts;  // above all lines
  for (std::size_t i = 0; i < ladder.stages.size(); ++i) {
    const Ladder::Rung& rung = ladder.stages[i];
    const double y = top + kRow * static_cast<double>(i), end = rates.at(rung.flops_per_s() * 1e-12);
    const std::string type(name_of(rung.at->shape.dtype));
    texts += text_at(kLeft - 10, y + 20, rung.row->contender, "", "end");
    svg +=
        fmt::format("<rect class=\"c0\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"18\" rx=\"2\"/>\n",
                    kLeft, y + 6, std::max(1.0, end - kLeft));
    texts += text_at(end + 6, y + 20, fmt::format("{} {}", rate_text(rung.flops_per_s()), type), "small halo");
    texts += text_at(kLeft + 2, y + 37, idea_of(rung.row->contender), "small halo");
  }
  for (std::size_t i = 0; i < peers.size(); ++i) {
    const double x = rates.at(peers[i]->flops_per_s() * 1e-12), y = 64 + 15.0 * labels[i].row;
    texts += text_at(labels[i].x, y, labels[i].text, "small halo", "middle");
    svg += fmt::format("<path class=\"lb\" d=\"M{0:.1f},{1:.1f} L{0:.1f},{2:.1f}\"/>\n", x, y + 4, bottom);
  }
  return svg + texts + "</svg>\n";
}

}  // namespace flashlab::report
