// Who waits for whom in cuda/kernels/hopper.cuh: a scheme of its structure. Lengths are chosen, not measured.

#include <fmt/format.h>

#include "sim/figures/drawing.hpp"
#include "sim/figures/figures.hpp"

namespace flashlab::figures {

std::string hopper() {
  std::string svg = open(
      780, 372, "The hopper kernel: a producer and two consumers",
      "a scheme of cuda/kernels/hopper.cuh, not a measurement: lengths are chosen; time runs to the right");
  constexpr double kLeft = 132, kStep = 146;
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
  for (int j = kTilesOfKeys - 1; j >= 1; --j) {
    const double x = kLeft + 46 + kStep * (kTilesOfKeys - 1 - j) * 0.86;
    block(x, 0, 52, "c0", fmt::format("K{}", j - 1));
    block(x + 52, 0, 52, "c1", fmt::format("V{}", j));
  }
  block(kLeft + 46 + kStep * 3 * 0.86, 0, 52, "c1", "V0");
  for (int group = 0; group < 2; ++group) {
    const double start = kLeft + 50 + 73.0 * group;
    const int products = 1 + 2 * group, softmax = products + 1;
    block(start, products, 50, "c3", "QK3");
    block(start + 50, softmax, 70, "c5", "3");
    for (int j = kTilesOfKeys - 1; j >= 1; --j) {
      const double x = start + 50 + 74 + (kStep - 4) * (kTilesOfKeys - 1 - j);
      if (x + 100 > 776) break;
      block(x, products, 46, "c3", fmt::format("QK{}", j - 1));
      block(x + 46, products, std::min(46.0, 776 - x - 46), "c4", fmt::format("PV{}", j));
      if (x + 50 + 66 < 776) block(x + 48, softmax, 66, "c5", fmt::format("{}", j - 1));
    }
    // The turn passes to the other group when both products are issued.
    if (group == 0) svg += arrow(start + 50, kY[1] + 30, start + 73, kY[3] - 3);
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
