// Both loop orders over the tiles of S, with the bytes that the tile machine counts for each.

#include <fmt/format.h>

#include "sim/core/stages.hpp"
#include "sim/core/text.hpp"
#include "sim/figures/drawing.hpp"
#include "sim/figures/figures.hpp"
#include "sim/report/report.hpp"

namespace flashlab::figures {
namespace {

constexpr Index kTiles = 4;

/// Tr × Tc tiles of S, numbered in the order in which they are visited; Q and O at the left, K and V on top.
std::string grid(double x, double y, bool columns_first) {
  constexpr double kCell = 44;
  std::string svg;
  for (int j = 0; j < kTiles; ++j) {
    svg += rect(x + kCell * j, y - 34, kCell - 4, 26, columns_first ? "c0" : "faint");
    svg += text_at(x + kCell * j + 20, y - 16, fmt::format("K{0} V{0}", j + 1), columns_first ? "on" : "small",
                   "middle");
  }
  for (int i = 0; i < kTiles; ++i) {
    svg += rect(x - 62, y + kCell * i, 54, kCell - 4, columns_first ? "faint" : "c3");
    svg += text_at(x - 35, y + kCell * i + 25, fmt::format("Q{0} O{0}", i + 1), columns_first ? "small" : "on",
                   "middle");
    for (int j = 0; j < kTiles; ++j) {
      const int outer = columns_first ? j : i, inner = columns_first ? i : j;
      svg += rect(x + kCell * j, y + kCell * i, kCell - 4, kCell - 4, "box");
      svg += text_at(x + kCell * j + 20, y + kCell * i + 25, fmt::format("{}", outer * kTiles + inner + 1),
                     outer == 0 ? "" : "small", "middle");
    }
  }
  return columns_first ? svg + arrow(x + 34, y + 6, x + 34, y + kCell * kTiles - 8)
                       : svg + arrow(x + 4, y + 34, x + kCell * kTiles - 8, y + 34);
}

}  // namespace

std::string loops() {
  const Problem problem{.heads = 1, .seq = 1024, .dim = 64};
  const DeviceProfile& device = device_from_name("h100");
  tile::RunOptions options{.sram_bytes = device.sram_bytes};
  options.rows = problem.seq / kTiles;
  options.cols = problem.seq / kTiles;
  options.sram_bytes = 1 << 20;  // large enough for tiles of this size in either order
  const report::Report report =
      report::make_report({.problem = problem,
                           .device = device,
                           .options = options,
                           .stages = {&stage_from_slug("online-kv"), &stage_from_slug("online-q")}});
  std::string svg =
      open(780, 428, "Two orders of the same tiles",
           fmt::format("Tr = Tc = {} tiles of S, visited in the order of the numbers; coloured: what "
                       "stays on chip during the inner loop; "
                       "bytes for N = {}, d = {}, fp32",
                       kTiles, problem.seq, problem.dim));
  for (int side = 0; side < 2; ++side) {
    const double x = 90 + 390.0 * side;
    const report::StageRow& row = report.rows[static_cast<std::size_t>(side)];
    const auto& hbm = row.run.traffic.hbm;
    svg += text_at(x - 62, 82, side == 0 ? "online-kv: K and V outside" : "online-q: Q outside", "title");
    svg += grid(x, 138, side == 0);
    const auto passes = [&](TensorId tensor, bool write) {
      const auto& bytes = hbm[tensor];
      return static_cast<double>(write ? bytes.written : bytes.read) /
             (static_cast<double>(problem.seq) * static_cast<double>(problem.dim) * 4);
    };
    double y = 340;
    for (const std::string& said : {fmt::format("K and V read {:.0f} ×, Q read {:.0f} ×",
                                                passes(TensorId::K, false), passes(TensorId::Q, false)),
                                    fmt::format("O written {:.0f} ×, read back {:.0f} ×",
                                                passes(TensorId::O, true), passes(TensorId::O, false)),
                                    fmt::format("{} over the HBM boundary", format_bytes(hbm.total().total())),
                                    std::string(side == 0 ? "column by column: rows of O are never done"
                                                          : "rows are independent: each a block of its own")}) {
      svg += text_at(x - 62, y, said, y > 390 ? "small" : "");
      y += 22;
    }
  }
  return svg + "</svg>\n";
}

}  // namespace flashlab::figures
