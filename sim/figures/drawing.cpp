#include "sim/figures/drawing.hpp"

#include <fmt/format.h>

namespace flashlab::figures {

std::string open(int width, int height, std::string_view title, std::string_view subtitle) {
  std::string svg = report::open_svg(width, height, title);
  svg += R"(<style>
  .box { fill: none; stroke: #59636e; stroke-width: 1.2 } .faint { fill: #59636e; fill-opacity: 0.14 }
  text.on { fill: #ffffff; font-weight: 600 } text.mono { font-family: ui-monospace, monospace }
  .arrow { stroke: #59636e; stroke-width: 1.6 } .head { fill: #59636e }
  .c0 { fill: #3a5fc4 } .c1 { fill: #1f7a66 } .c2 { fill: #2b7d3e } .c3 { fill: #b93a26 } .c4 { fill: #8a5d00 }
  .c5 { fill: #7a3fc0 } .c6 { fill: #0b6e8f } .c7 { fill: #8f3b6b }
  @media (prefers-color-scheme: dark) {
    .box { stroke: #9198a1 } .faint { fill: #9198a1; fill-opacity: 0.2 } .arrow { stroke: #9198a1 } .head { fill: #9198a1 }
    .c0 { fill: #4f73d6 } .c1 { fill: #27806c } .c2 { fill: #33874a } .c3 { fill: #c9503c } .c4 { fill: #946600 }
    .c5 { fill: #8a56cc } .c6 { fill: #1a7c9c } .c7 { fill: #a04f7d }
    text.on { fill: #ffffff }
  }
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="head" d="M0 0 L8 4 L0 8 z" style="stroke:none"/></marker></defs>
)";
  // The head's fill must win over the frame's `path { fill: none }`.
  svg +=
      "<style>path.head { fill: #59636e } @media (prefers-color-scheme: dark) { path.head { fill: #9198a1 } "
      "}</style>\n";
  svg += text_at(16, 26, title, "title");
  svg += text_at(16, 45, subtitle, "small");
  return svg;
}

std::string rect(double x, double y, double width, double height, std::string_view style, double radius) {
  return fmt::format(
      "<rect class=\"{}\" x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" rx=\"{:.1f}\"/>\n",
      style, x, y, width, height, radius);
}

std::string line(double x0, double y0, double x1, double y1, std::string_view style) {
  return fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", style,
                     x0, y0, x1, y1);
}

std::string arrow(double x0, double y0, double x1, double y1, std::string_view style) {
  return fmt::format(
      "<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" "
      "marker-end=\"url(#head)\"/>\n",
      style, x0, y0, x1, y1);
}

}  // namespace flashlab::figures
