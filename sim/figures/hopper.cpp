// Who waits for whom in cuda/kernels/hopper.cuh: a scheme of its structure. Lengths are chosen, not measured.

#include <fmt/format.h>

#include "sim/figures/drawing.hpp"
#include "sim/figures/figures.hpp"

namespace flashlab::figures {

std::string hopper() {
  std::string svg = open(
      780, 372, "The hopper kernel: a producer and two consumers",
      "a scheme of cuda/kernels/hopper.cuh, not a measurement: lengths are chosen; time runs to the right");
  constexpr double kLeft = 132, kStep = 112;
  constexpr double kY[] = {84, 142, 180, 238, 276};
  const char* names[] = {"TMA", "group 0: products", "softmax", "group 1: products", "softmax"};
  for (int row = 0; row < 5; ++row)
    svg += text_at(kLeft - 12, kY[row] + 19, names[row], row % 2 == 0 && row > 0 ? "small" : "", "end");
  // Keys are walked from the last tile to the first; two stages of K and V are in flight.
  const auto block = [&](double x, int row, double width, const char* style, const std::string& label) {
    svg += rect(x, kY[row], width - 3, 28, style);
    svg += text_at(x + (width - 3) / 2, kY[row] + 19, label, "on", "middle");
  };
  constexpr int kTilesOfKeys = 4;
  block(kLeft, 0, 46, "c0", "K3");
  for (int step = 0; step < kTilesOfKeys; ++step) {
    const int j = kTilesOfKeys - 1 - step;
    const double x = kLeft + 46 + kStep * step;
    if (j > 0) block(x, 0, 50, "c0", fmt::format("K{}", j - 1));
    block(j > 0 ? x + 50 : x, 0, 50, "c1", fmt::format("V{}", j));
  }
  for (int group = 0; group < 2; ++group) {
    const double start = kLeft + 50 + 52.0 * group;
    const int products = 1 + 2 * group, softmax = products + 1;
    block(start, products, 50, "c3", "QK3");
    block(start + 50, softmax, 64, "c5", "3");
    for (int step = 0; step < kTilesOfKeys; ++step) {
      const int j = kTilesOfKeys - 1 - step;
      const double x = start + 118 + kStep * step;
      if (j > 0) {
        block(x, products, 46, "c3", fmt::format("QK{}", j - 1));
        block(x + 48, softmax, 62, "c5", fmt::format("{}", j - 1));
      }
      block(j > 0 ? x + 46 : x, products, 46, "c4", fmt::format("PV{}", j));
    }
    // The turn passes to the other group when the products are issued.
    if (group == 0) svg += arrow(start + 44, kY[1] + 30, start + 60, kY[3] - 3);
  }
  svg += arrow(kLeft + 44, kY[0] + 30, kLeft + 56, kY[1] - 3);
  double y = 330;
  svg += text_at(16, y,
                 "K, V: tiles on their way into a ring of two stages; a consumer waits for \"it is here\", the "
                 "producer for \"it may go\" (mbarriers).",
                 "small");
  svg += text_at(16, y + 16,
                 "QK: S of the next tile, PV: P·V of this one, issued together; the softmax of a tile runs "
                 "while products of the other group, and PV, do.",
                 "small");
  return svg + "</svg>\n";
}

}  // namespace flashlab::figures
