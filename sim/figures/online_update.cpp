// The online update on a row of six scores in three tiles: every number is computed here, in double precision.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "sim/figures/drawing.hpp"
#include "sim/figures/figures.hpp"

namespace flashlab::figures {

namespace {

std::string number(double x, int decimals) {
  return fmt::format("{}{:.{}f}", x < 0 ? "−" : "", std::abs(x), decimals);
}

}  // namespace

std::string online_update() {
  constexpr std::array scores{1.0, 3.0, 2.0, 5.0, 4.0, 0.0}, values{2.0, -1.0, 4.0, 1.0, 3.0, 6.0};
  std::string svg = open(
      780, 392, "The online update of one row",
      "six scores s, values v of d = 1, tiles of two keys: m, l and o after each tile, o not yet divided by l");
  constexpr double kX = 92, kTile = 216, kCell = 96;
  for (std::size_t k = 0; k < scores.size(); ++k) {
    const double x = kX + kTile * static_cast<double>(k / 2) + (kCell + 4) * static_cast<double>(k % 2);
    svg += rect(x, 62, kCell, 48, k / 2 == 0 ? "c0" : k / 2 == 1 ? "c1" : "c5");
    svg += text_at(x + kCell / 2, 82, fmt::format("s = {:g}", scores[k]), "on", "middle");
    svg += text_at(x + kCell / 2, 101, "v = " + number(values[k], 0), "on", "middle");
  }
  constexpr const char* kLabels[] = {"m", "α", "p", "l", "o"};
  for (int i = 0; i < 5; ++i) {
    svg += line(16, 132 + 40.0 * i, 764, 132 + 40.0 * i);
    svg += text_at(16, 158 + 40.0 * i, kLabels[i], "mono");
  }
  double m = -INFINITY, l = 0, o = 0;
  for (std::size_t tile = 0; tile < 3; ++tile) {
    const double* s = &scores[2 * tile];
    const double* v = &values[2 * tile];
    const double m_new = std::max(m, std::max(s[0], s[1])), alpha = std::exp(m - m_new);
    const double p0 = std::exp(s[0] - m_new), p1 = std::exp(s[1] - m_new);
    const double l_new = alpha * l + p0 + p1, o_new = alpha * o + p0 * v[0] + p1 * v[1];
    const double x = kX + kTile * static_cast<double>(tile);
    if (tile > 0) svg += arrow(x - 18, 154, x - 4, 154);
    svg += text_at(x, 158,
                   tile == 0 ? fmt::format("max(−∞, {:g}, {:g}) = {:g}", s[0], s[1], m_new)
                             : fmt::format("max({:g}, {:g}, {:g}) = {:g}", m, s[0], s[1], m_new),
                   "mono");
    svg += text_at(x, 198, fmt::format("{:.4f}", alpha), "mono");
    svg += text_at(x, 238, fmt::format("{:.4f}, {:.4f}", p0, p1), "mono");
    svg += text_at(x, 278, fmt::format("{:.4f}", l_new), "mono");
    svg += text_at(x, 318, number(o_new, 4), "mono");
    m = m_new, l = l_new, o = o_new;
  }
  const double largest = *std::ranges::max_element(scores);
  double sum = 0, weighted = 0;
  for (std::size_t k = 0; k < scores.size(); ++k) {
    sum += std::exp(scores[k] - largest);
    weighted += std::exp(scores[k] - largest) * values[k];
  }
  svg += line(16, 332, 764, 332);
  svg += text_at(16, 356,
                 fmt::format("o / l = {:.4f}, as from all six scores at once: {:.4f} / {:.4f} = {:.4f}", o / l,
                             weighted, sum, weighted / sum));
  svg += text_at(16, 376,
                 "α = e^(old m − new m) is what a larger maximum leaves of l and o; p = e^(s − m); a new l is "
                 "α·l + Σ p, a new o is α·o + Σ p·v",
                 "small");
  return svg + "</svg>\n";
}

}  // namespace flashlab::figures
