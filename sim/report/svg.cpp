// Pictures that stand alone in a README: no script, text as text, light and dark by the reader's own setting.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/core/text.hpp"
#include "sim/report/report.hpp"
#include "sim/report/svg.hpp"
#include "sim/report/sweep.hpp"

namespace flashlab::report {

namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '"' ? "&quot;" : std::string(1, c);
  }
  return out;
}

}  // namespace

std::string open_svg(int width, int height, std::string_view title) {
  return fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">
<title>{2}</title>
<style>
  text {{ font: 13px system-ui, sans-serif; fill: #1f2328 }}
  .title {{ font-size: 15px; font-weight: 600 }} .small {{ font-size: 11.5px; fill: #59636e }}
  .back {{ fill: #ffffff }} .grid {{ stroke: #d1d9e0; stroke-width: 1 }}
  .c0 {{ fill: #4269d0 }} .c1 {{ fill: #6cc5b0 }} .c2 {{ fill: #3ca951 }} .c3 {{ fill: #e0533d }} .c4 {{ fill: #efb118 }}
  .l0 {{ stroke: #e0533d }} .l1 {{ stroke: #efb118 }} .l2 {{ stroke: #3ca951 }} .l3 {{ stroke: #a463f2 }} .l4 {{ stroke: #4269d0 }}
  .lb {{ stroke: #59636e; stroke-dasharray: 5 4 }} path {{ fill: none; stroke-width: 2 }}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #f0f6fc }} .small {{ fill: #9198a1 }} .back {{ fill: #0d1117 }} .grid {{ stroke: #3d444d }}
    .c0 {{ fill: #6d8cf0 }}
  }}
</style>
<rect class="back" width="{0}" height="{1}" rx="6"/>
)",
      width, height, escaped(title));
}

std::string text_at(double x, double y, std::string_view text, std::string_view style,
                    std::string_view anchor) {
  return fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", style, x, y,
                     anchor, escaped(text));
}

namespace {

struct Group {
  const char* label;
  std::vector<TensorId> tensors;
};
const std::vector<Group>& groups() {
  static const std::vector<Group> all{{"Q", {TensorId::Q}},
                                      {"K and V", {TensorId::K, TensorId::V}},
                                      {"O and statistics", {TensorId::O, TensorId::stats}},
                                      {"S", {TensorId::S}},
                                      {"P", {TensorId::P}}};
  return all;
}

}  // namespace

std::string to_svg(const Report& report) {
  constexpr int kWidth = 780, kLeft = 96, kRight = 96, kTop = 84, kRowHeight = 34;
  const Problem& p = report.problem;
  const std::string title = "HBM traffic of attention, by stage";
  const int height = kTop + kRowHeight * static_cast<int>(report.rows.size()) + 14;
  std::string svg = open_svg(kWidth, height, title);
  svg += text_at(16, 26, title, "title");
  svg += text_at(
      16, 46,
      fmt::format("{} head{}, N = {}, d = {}, {}, {}; {} of SRAM ({})", p.head_count(),
                  p.head_count() > 1 ? "s" : "", p.seq, p.dim, name_of(p.dtype), p.causal ? "causal" : "full",
                  format_bytes(report.options.sram_bytes), report.device.title),
      "small");
  double legend = kLeft;
  for (std::size_t g = 0; g < groups().size(); ++g) {
    svg += fmt::format("<rect class=\"c{}\" x=\"{:.0f}\" y=\"58\" width=\"11\" height=\"11\" rx=\"2\"/>\n", g,
                       legend);
    svg += text_at(legend + 16, 68, groups()[g].label, "small");
    legend += 34 + 6.6 * static_cast<double>(std::string_view(groups()[g].label).size());
  }
  Bytes largest = 1;
  for (const StageRow& row : report.rows) largest = std::max(largest, row.run.traffic.hbm.total().total());
  const double scale = (kWidth - kLeft - kRight) / static_cast<double>(largest);
  for (std::size_t r = 0; r < report.rows.size(); ++r) {
    const StageRow& row = report.rows[r];
    const double y = kTop + kRowHeight * static_cast<double>(r);
    svg += text_at(kLeft - 10, y + 17, row.stage->slug, "", "end");
    if (!row.refusal.empty()) {
      svg += text_at(kLeft, y + 17, "refuses: whole rows of S do not fit in SRAM", "small");
      continue;
    }
    double x = kLeft;
    for (std::size_t g = 0; g < groups().size(); ++g) {
      Bytes bytes = 0;
      for (const TensorId tensor : groups()[g].tensors) bytes += row.run.traffic.hbm[tensor].total();
      if (bytes == 0) continue;
      const double width = scale * static_cast<double>(bytes);
      svg += fmt::format(
          "<rect class=\"c{}\" x=\"{:.2f}\" y=\"{:.0f}\" width=\"{:.2f}\" height=\"22\"><title>{} {}: "
          "{}</title></rect>\n",
          g, x, y + 2, width, row.stage->slug, groups()[g].label, format_bytes(bytes));
      x += width;
    }
    svg += text_at(x + 8, y + 17, format_bytes(row.run.traffic.hbm.total().total()), "small");
  }
  return svg + "</svg>\n";
}

std::string to_svg(const Sweep& sweep) {
  constexpr double kWidth = 780, kHeight = 440, kLeft = 84, kRight = 100, kTop = 56, kBottom = 52;
  double low = INFINITY, high = 0;
  for (const Sweep::Point& point : sweep.points) {
    for (const Sweep::Cell& cell : point.cells) {
      if (!cell.hbm_bytes) continue;
      low = std::min(low, static_cast<double>(*cell.hbm_bytes));
      high = std::max(high, static_cast<double>(*cell.hbm_bytes));
    }
    low = std::min(low, std::max(1.0, point.lower_bound_bytes));
    high = std::max(high, point.lower_bound_bytes);
  }
  const double first = std::log2(static_cast<double>(std::ranges::min(sweep.spec.values)));
  const double last =
      std::max(first + 1e-9, std::log2(static_cast<double>(std::ranges::max(sweep.spec.values))));
  const double bottom = std::floor(std::log10(low)), top = std::max(bottom + 1, std::ceil(std::log10(high)));
  const auto x_of = [&](Bytes value) {
    return kLeft + (kWidth - kLeft - kRight) * (std::log2(static_cast<double>(value)) - first) / (last - first);
  };
  const auto y_of = [&](double bytes) {
    return kHeight - kBottom - (kHeight - kTop - kBottom) * (std::log10(bytes) - bottom) / (top - bottom);
  };
  constexpr std::array axis{"sequence length N", "SRAM, bytes", "side of the outer tile, rows"};
  const std::string title =
      fmt::format("HBM traffic against {}", axis[static_cast<std::size_t>(sweep.spec.variable)]);
  std::string svg = open_svg(static_cast<int>(kWidth), static_cast<int>(kHeight), title);
  svg += text_at(16, 26, title, "title");
  const Problem& p = sweep.base.problem;
  svg +=
      text_at(16, 44,
              fmt::format("{} head{}, {}d = {}, {}, {}; bytes read and written, log scale", p.head_count(),
                          p.head_count() > 1 ? "s" : "",
                          sweep.spec.variable == SweepSpec::Variable::seq ? "" : fmt::format("N = {}, ", p.seq),
                          p.dim, flashlab::name_of(p.dtype), p.causal ? "causal" : "full"),
              "small");
  for (double exponent = bottom; exponent <= top; ++exponent) {
    const double y = y_of(std::pow(10.0, exponent));
    svg += fmt::format("<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>\n", kLeft,
                       kWidth - kRight, y, y);
    svg += text_at(kLeft - 8, y + 4, format_si(std::pow(10.0, exponent)) + "B", "small", "end");
  }
  const std::size_t every = std::max<std::size_t>(1, (sweep.points.size() + 7) / 8);
  for (std::size_t i = 0; i < sweep.points.size(); i += every) {
    svg += text_at(x_of(sweep.points[i].value), kHeight - kBottom + 20, format_count(sweep.points[i].value),
                   "small", "middle");
  }
  svg += text_at((kLeft + kWidth - kRight) / 2, kHeight - 10,
                 axis[static_cast<std::size_t>(sweep.spec.variable)], "small", "middle");
  struct Label {
    double x, y;
    std::string text;
  };
  std::vector<Label> labels;
  const auto curve = [&](std::string_view css, const std::string& label, auto&& value_of) {
    std::string path;
    Label end{.text = label};
    for (const Sweep::Point& point : sweep.points) {
      const double bytes = value_of(point);
      if (!(bytes > 0)) continue;
      end.x = x_of(point.value);
      end.y = y_of(bytes);
      path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "M" : " L", end.x, end.y);
    }
    if (path.empty()) return;
    svg += fmt::format("<path class=\"{}\" d=\"{}\"/>\n", css, path);
    labels.push_back(end);
  };
  for (std::size_t s = 0; s < sweep.base.stages.size(); ++s) {
    curve(fmt::format("l{}", s % 5), std::string(sweep.base.stages[s]->slug), [&](const Sweep::Point& point) {
      return point.cells[s].hbm_bytes ? static_cast<double>(*point.cells[s].hbm_bytes) : 0.0;
    });
  }
  curve("lb", "N²d²/M", [](const Sweep::Point& point) { return point.lower_bound_bytes; });
  std::ranges::sort(labels, {}, &Label::y);
  double next_free = 0;
  for (const Label& label : labels) {  // labels at the right edge that would cover each other move down
    const bool at_edge = label.x > kWidth - kRight - 1;
    const double y = at_edge ? std::max(label.y + 4, next_free) : label.y - 6;
    svg += text_at(label.x + 8, y, label.text, "small");
    if (at_edge) next_free = y + 14;
  }
  return svg + "</svg>\n";
}

}  // namespace flashlab::report
