#include "sim/report/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "sim/core/text.hpp"
#include "sim/report/report.hpp"

namespace flashlab::report {

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

void TextTable::column(std::string heading, Align align) { columns_.emplace_back(std::move(heading), align); }
void TextTable::row(std::vector<std::string> cells) { rows_.push_back({std::move(cells), {}}); }
void TextTable::span(std::vector<std::string> leading_cells, std::string text) {
  rows_.push_back({std::move(leading_cells), std::move(text)});
}

std::string TextTable::str(bool color) const {
  std::vector<std::size_t> widths;
  for (const auto& [heading, align] : columns_) widths.push_back(display_width(heading));
  for (const Row& row : rows_) {
    for (std::size_t c = 0; c < row.cells.size(); ++c)
      widths[c] = std::max(widths[c], display_width(row.cells[c]));
  }
  const auto line = [&](const std::vector<std::string>& cells, std::string_view tail) {
    std::string text;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string padding(widths[c] - display_width(cells[c]), ' ');
      text += columns_[c].second == Align::left ? cells[c] + padding : padding + cells[c];
      text += "  ";
    }
    text += tail;
    text.erase(text.find_last_not_of(' ') + 1);
    return text + '\n';
  };
  std::vector<std::string> headings;
  for (const auto& column : columns_) headings.push_back(column.first);
  std::string text = line(headings, "");
  if (color) text = fmt::format("\x1b[2m{}\x1b[0m\n", std::string_view(text).substr(0, text.size() - 1));
  for (const Row& row : rows_) text += line(row.cells, row.tail);
  return text;
}

std::string wrapped(std::string_view text, std::size_t width) {
  std::string out;
  std::size_t used = 0;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    const std::size_t columns = display_width(word);
    if (used > 0 && used + 1 + columns > width) {
      out += "\n  ";
      used = 2;
    } else if (used > 0) {
      out += ' ';
      ++used;
    }
    out += word;
    used += columns;
  }
  return out + '\n';
}

std::string bar(double share, int width) {
  constexpr std::array eighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int filled = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * width * 8));
  std::string text;
  for (int i = 0; i < filled / 8; ++i) text += "█";
  text += eighths[static_cast<std::size_t>(filled % 8)];
  return text.empty() && share > 0 ? "▏" : text;
}

namespace {

constexpr int kBarWidth = 22;
constexpr std::size_t kTextWidth = 108;

std::string duration(double ms) {
  return ms < 1     ? fmt::format("{:.3g} µs", 1e3 * ms)
         : ms < 1e3 ? fmt::format("{:.3g} ms", ms)
                    : fmt::format("{:.4g} s", ms / 1e3);
}

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }

std::string header(const Report& report, const Style& style) {
  const Problem& p = report.problem;
  const auto bold = [&](std::string_view text) {
    return style.color ? fmt::format("\x1b[1m{}\x1b[0m", text) : std::string(text);
  };
  std::string text = bold("Flashlab IO report") + " · tile machine: HBM ↔ SRAM ↔ compute units\n\n";
  text +=
      fmt::format("  problem  {}{} head{} · N = {} · d = {} · {} · {}\n",
                  p.batch > 1 ? fmt::format("batch {} × ", p.batch) : "", p.heads,
                  p.head_count() > 1 ? "s" : "", p.seq, p.dim, name_of(p.dtype), p.causal ? "causal" : "full");
  text += fmt::format("  input    {}\n", report.input);
  text += fmt::format("  device   {} · M = {} of SRAM · HBM {}B/s · {} {}FLOP/s\n", report.device.title,
                      format_bytes(report.options.sram_bytes), format_si(report.device.hbm_bytes_per_s),
                      name_of(p.dtype), format_si(report.device.peak_flops_per_s(p.dtype)));
  text +=
      fmt::format("  tiles    {}\n\n",
                  report.options.rows && report.options.cols
                      ? "Br and Bc as given"
                      : "the paper's rule, Bc = ⌈M/4d⌉ and Br = min(Bc, d), where a stage's tiles fit in M");
  return text;
}

std::string traffic_table(const Report& report, const Style& style) {
  using enum TextTable::Align;
  TextTable table;
  table.column("stage", left);
  for (const char* heading : {"Br", "Bc", "HBM read", "HBM written", "HBM total", "of naive", "S and P"}) {
    table.column(heading, right);
  }
  table.column("", left);
  Bytes largest = 1;
  for (const StageRow& row : report.rows) largest = std::max(largest, row.run.traffic.hbm.total().total());
  const StageRow* const naive = report.find("naive");
  for (const StageRow& row : report.rows) {
    if (!row.refusal.empty()) {
      table.span({std::string(row.stage->slug)}, row.refusal.substr(row.stage->slug.size() + 1));
      continue;
    }
    const ReadWrite hbm = row.run.traffic.hbm.total();
    const Bytes matrices = row.run.traffic.hbm[TensorId::S].total() + row.run.traffic.hbm[TensorId::P].total();
    std::string of_naive = "–";
    if (naive) {
      of_naive = fmt::format("{:.3f}×", static_cast<double>(hbm.total()) /
                                            static_cast<double>(naive->run.traffic.hbm.total().total()));
    }
    const std::string graph = bar(static_cast<double>(hbm.total()) / static_cast<double>(largest), kBarWidth);
    table.row({std::string(row.stage->slug), fmt::to_string(row.run.tiles.size.rows),
               fmt::to_string(row.run.tiles.size.cols), format_bytes(hbm.read), format_bytes(hbm.written),
               format_bytes(hbm.total()), of_naive, matrices == 0 ? "0" : format_bytes(matrices),
               style.color ? fmt::format("\x1b[36m{}\x1b[0m", graph) : graph});
  }
  return table.str(style.color);
}

std::string cost_table(const Report& report, const Style& style) {
  using enum TextTable::Align;
  TextTable table;
  table.column("stage", left);
  for (const char* heading : {"SRAM traffic", "SRAM peak", "footprint", "FLOPs", "FLOP/B", "floor", "by",
                              "waits", "rel. error", "max |error|"}) {
    table.column(heading, right);
  }
  for (const StageRow& row : report.rows) {
    if (!row.refusal.empty()) continue;
    const Traffic& t = row.run.traffic;
    const auto error = [&](double reference::Error::*member) {
      return row.error ? fmt::format("{:.1e}{}", (*row.error).*member, row.passed() ? "" : " FAILED") : "–";
    };
    table.row({std::string(row.stage->slug), format_bytes(t.sram.total().total()),
               format_bytes(t.sram_peak_bytes), format_bytes(t.hbm_footprint_bytes),
               format_si(static_cast<double>(t.flops())), fmt::format("{:.1f}", arithmetic_intensity(t)),
               duration(row.floor.floor_ms()), std::string(row.floor.bound()), percent(row.floor.wait_share()),
               error(&reference::Error::relative_frobenius), error(&reference::Error::largest_absolute)});
  }
  return table.str(style.color);
}

}  // namespace

std::string to_table(const Report& report, const Style& style) {
  std::string text =
      header(report, style) + traffic_table(report, style) + '\n' + cost_table(report, style) + '\n';
  for (const StageRow& row : report.rows) {
    for (const std::string& note : row.run.notes) text += fmt::format("{}.\n", note);
    if (row.run.tiles.rule.starts_with("as many")) {
      text += fmt::format("{}: Br = {}, {} beside tiles of Bc = {}.\n", row.stage->slug,
                          row.run.tiles.size.rows, row.run.tiles.rule, row.run.tiles.size.cols);
    } else if (row.run.tiles.rule.starts_with("paper's") || row.run.tiles.rule.starts_with("the kernel's")) {
      text += fmt::format("{}: Br = {}, Bc = {}: {}{}.\n", row.stage->slug, row.run.tiles.size.rows,
                          row.run.tiles.size.cols, row.run.tiles.rule.starts_with("the ") ? "" : "the ",
                          row.run.tiles.rule);
    }
  }
  for (const std::string& sentence : conclusions(report)) text += wrapped(sentence, kTextWidth);
  for (const std::string& note : report.notes) text += wrapped(note, kTextWidth);
  return text;
}

}  // namespace flashlab::report
