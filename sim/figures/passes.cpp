// The N × N passes of each stage: counted by the tile machine, not drawn by hand.

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "sim/core/stages.hpp"
#include "sim/core/text.hpp"
#include "sim/figures/drawing.hpp"
#include "sim/figures/figures.hpp"
#include "sim/report/report.hpp"

namespace flashlab::figures {

std::string passes() {
  const Problem problem{.heads = 1, .seq = 8192, .dim = 64};
  const DeviceProfile& device = device_from_name("h100");
  std::vector<const StageInfo*> stages;
  for (const StageInfo& stage : flashlab::stages()) stages.push_back(&stage);
  const report::Report report = report::make_report(
      {.problem = problem, .device = device, .options = {.sram_bytes = device.sram_bytes}, .stages = stages});
  const double matrix = static_cast<double>(problem.seq) * static_cast<double>(problem.seq) * 4;
  constexpr double kLeft = 110, kRow = 48, kTop = 96, kBox = 62;
  std::string svg =
      open(780, static_cast<int>(kTop + kRow * static_cast<double>(report.rows.size()) + 24),
           "The N × N passes of each stage",
           fmt::format("N = {}, d = {}, fp32, one head on the tile machine; one pass of S or P is {}",
                       problem.seq, problem.dim, format_bytes(static_cast<Bytes>(matrix))));
  struct Column {
    const char* label;
    TensorId tensor;
    bool write;
  };
  constexpr std::array columns{Column{"S out", TensorId::S, true}, Column{"S in", TensorId::S, false},
                               Column{"P out", TensorId::P, true}, Column{"P in", TensorId::P, false}};
  for (std::size_t c = 0; c < columns.size(); ++c) {
    svg += text_at(kLeft + (kBox + 10) * static_cast<double>(c) + kBox / 2, kTop - 12, columns[c].label,
                   "small", "middle");
  }
  const double after = kLeft + (kBox + 10) * 4 + 24;
  svg += text_at(after, kTop - 12, "products Q·Kᵀ and P·V", "small");
  svg += text_at(764, kTop - 12, "HBM bytes in all", "small", "end");
  for (std::size_t r = 0; r < report.rows.size(); ++r) {
    const report::StageRow& row = report.rows[r];
    const double y = kTop + kRow * static_cast<double>(r);
    svg += text_at(kLeft - 12, y + 22, row.stage->slug, "", "end");
    if (!row.refusal.empty()) {
      svg += text_at(kLeft, y + 22, row.refusal, "small");
      continue;
    }
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const auto& bytes = row.run.traffic.hbm[columns[c].tensor];
      const double count = static_cast<double>(columns[c].write ? bytes.written : bytes.read) / matrix;
      const double x = kLeft + (kBox + 10) * static_cast<double>(c);
      svg += rect(x, y, kBox, 34, count > 0 ? (c < 2 ? "c3" : "c4") : "faint");
      svg += text_at(x + kBox / 2, y + 22, count > 0 ? fmt::format("{:.3g} ×", count) : "–",
                     count > 0 ? "on" : "small", "middle");
    }
    // A product of N × N by d takes 2·N²·d FLOPs.
    const double products = static_cast<double>(row.run.traffic.product_flops) /
                            (2.0 * static_cast<double>(problem.seq) * static_cast<double>(problem.seq) *
                             static_cast<double>(problem.dim));
    for (int p = 0; p < static_cast<int>(std::lround(products)); ++p)
      svg += rect(after + 34 * p, y, 28, 34, "c0");
    svg += text_at(764, y + 22, format_bytes(row.run.traffic.hbm.total().total()), "", "end");
  }
  return svg + "</svg>\n";
}

}  // namespace flashlab::figures
