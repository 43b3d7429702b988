// The memories of a card, areas to scale: the profile's sizes, and rates that follow from it.

#include <fmt/format.h>

#include <cmath>

#include "sim/core/text.hpp"
#include "sim/figures/drawing.hpp"
#include "sim/figures/figures.hpp"
#include "sim/memory/device.hpp"

namespace flashlab::figures {

std::string memory() {
  const DeviceProfile& card = device_from_name("h100");
  const auto sms = static_cast<double>(card.sm_count);
  const double registers = 4.0 * card.registers_per_sm * sms,
               shared = static_cast<double>(card.l1_bytes_per_sm) * sms;
  // 128 fused multiply-adds a cycle and SM give the clock; shared memory delivers 32 banks × 4 B a cycle and SM.
  const double clock = card.fp32_flops_per_s / (256 * sms), shared_rate = 128 * sms * clock;
  // Three operands of 4 B for each fused multiply-add.
  const double register_rate = card.fp32_flops_per_s / 2 * 12;
  std::string svg =
      open(780, 500, "The memories of an H100, areas to scale",
           fmt::format("{}: the large square is {} of HBM, the specks are all that a kernel may reuse",
                       card.title, format_bytes(card.hbm_bytes)));
  constexpr double kSide = 384, kX = 24, kY = 78;
  const double scale = kSide / std::sqrt(static_cast<double>(card.hbm_bytes));
  svg += rect(kX, kY, kSide, kSide, "c0", 4);
  svg += text_at(kX + 16, kY + 30, fmt::format("HBM, {}", format_bytes(card.hbm_bytes)), "on");
  struct Level {
    std::string name;
    double bytes, rate;
    const char* style;
  };
  const Level levels[] = {{"registers", registers, register_rate, "c3"},
                          {"shared memory and L1", shared, shared_rate, "c4"},
                          {"L2", static_cast<double>(card.l2_bytes), 0, "c1"},
                          {"HBM", static_cast<double>(card.hbm_bytes), card.hbm_bytes_per_s, "c0"}};
  // The specks, at the edge of the square, with a line to their names.
  constexpr double kText = 448;
  for (int i = 0; i < 3; ++i) {
    const double side = scale * std::sqrt(levels[i].bytes), y = kY + 40 + 48.0 * i;
    svg += rect(kX + kSide + 8, y - side / 2, side, side, levels[i].style, 0);
    svg += line(kX + kSide + 12 + side, y, kText - 6, y);
    svg += text_at(kText, y - 2, levels[i].name);
    svg += text_at(
        kText, y + 14,
        i == 2 ? fmt::format("{}, shared by all SMs", format_bytes(static_cast<Bytes>(levels[i].bytes)))
               : fmt::format("{} in all {} SMs: {} each", format_bytes(static_cast<Bytes>(levels[i].bytes)),
                             card.sm_count, format_bytes(static_cast<Bytes>(levels[i].bytes / sms))),
        "small");
  }
  svg += text_at(kText, 282, "Bytes a second, lengths to scale", "title");
  const double widest = 764 - kText;
  double y = 306;
  for (const Level& level : levels) {
    if (level.rate == 0) continue;
    svg += text_at(kText, y, fmt::format("{}: {}B/s", level.name, format_si(level.rate)), "small");
    svg += rect(kText, y + 6, std::max(1.0, widest * level.rate / register_rate), 14, level.style, 1);
    y += 46;
  }
  svg += text_at(kText, y + 2, "registers: three operands of 4 B a multiply-add;", "small");
  svg += text_at(kText, y + 18, "shared memory: 128 B a cycle and SM. The", "small");
  svg += text_at(kText, y + 34, "profile holds no rate of the L2.", "small");
  return svg + "</svg>\n";
}

}  // namespace flashlab::figures
