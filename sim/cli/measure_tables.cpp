#include "sim/cli/measure_tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "sim/core/text.hpp"
#include "sim/report/table.hpp"

namespace flashlab::cli {
namespace {

std::string deviation(double simulated, double measured) {
  if (std::isnan(measured) || std::isnan(simulated)) return "–";
  if (simulated == measured) return "=";
  if (measured == 0) return "+" + format_bytes(static_cast<Bytes>(simulated));
  return fmt::format("{:+.1f} %", 100 * (simulated / measured - 1));
}

}  // namespace

bool has_ffma(const std::vector<Comparison>& rows) {
  return std::ranges::any_of(
      rows, [](const Comparison& row) { return !std::isnan(row.measured.at(kCounters[kFfma].metric)); });
}

std::string to_table(const std::vector<Comparison>& rows) {
  using enum report::TextTable::Align;
  report::TextTable table;
  for (const char* heading : {"kernel", "heads", "N", "d", "mask"}) table.column(heading, left);
  for (const char* heading : {"exact", "ld wavefr.", "st wavefr.", "L2 sim", "card", "diff", "HBM read sim",
                              "card", "diff", "HBM written sim", "card"}) {
    table.column(heading, right);
  }
  const bool ffma = has_ffma(rows);
  if (ffma) table.column("FFMA", right);
  for (const Comparison& row : rows) {
    std::size_t equal = 0, measured = 0;
    for (std::size_t c = 0; c < kExact; ++c) {
      const double value = row.measured.at(kCounters[c].metric);
      measured += !std::isnan(value);
      equal += row.simulated.at(kCounters[c].metric) == value;
    }
    const auto cell = [&](std::size_t c) {
      const Counter& counter = kCounters[c];
      const double s = row.simulated.at(counter.metric), m = row.measured.at(counter.metric);
      return deviation(s, m) + (within(counter, s, m) ? " " : "!");
    };
    const auto bytes = [](double value) {
      return std::isnan(value) ? std::string("–") : format_bytes(static_cast<Bytes>(value));
    };
    const auto sim = [&](std::size_t c) { return row.simulated.at(kCounters[c].metric); };
    const auto card = [&](std::size_t c) { return row.measured.at(kCounters[c].metric); };
    const auto& [stage, heads, seq, dim, causal] = row.shape;
    const bool written_ok = within(kCounters[kHbmWritten], sim(kHbmWritten), card(kHbmWritten));
    std::vector<std::string> cells{row.kernel,
                                   fmt::to_string(heads),
                                   fmt::to_string(seq),
                                   fmt::to_string(dim),
                                   causal ? "causal" : "full",
                                   fmt::format("{} of {}{}", equal, measured, equal == measured ? " " : "!"),
                                   cell(kLoadWavefronts),
                                   cell(kStoreWavefronts),
                                   bytes(32 * sim(kL2Read)),
                                   bytes(32 * card(kL2Read)),
                                   cell(kL2Read),
                                   bytes(sim(kHbmRead)),
                                   bytes(card(kHbmRead)),
                                   cell(kHbmRead),
                                   bytes(sim(kHbmWritten)),
                                   bytes(card(kHbmWritten)) + (written_ok ? " " : "!")};
    if (ffma) cells.push_back(deviation(sim(kFfma), card(kFfma)));
    table.row(std::move(cells));
  }
  return table.str(false);
}

std::string outside(const std::vector<Comparison>& rows) {
  std::vector<std::string> counts;
  for (std::size_t c = 0; c < kFfma; ++c) {
    const Counter& counter = kCounters[c];
    const auto count = std::ranges::count_if(rows, [&](const Comparison& row) {
      return !within(counter, row.simulated.at(counter.metric), row.measured.at(counter.metric));
    });
    if (count > 0) counts.push_back(fmt::format("{} {}", counter.heading, count));
  }
  return fmt::format("Outside a band, of {} launch{} of a kernel: {}.\n", rows.size(),
                     rows.size() == 1 ? "" : "es",
                     counts.empty() ? "none" : fmt::to_string(fmt::join(counts, ", ")));
}

std::string to_card_table(const std::vector<Comparison>& rows) {
  using enum report::TextTable::Align;
  report::TextTable table;
  for (const char* heading : {"kernel", "heads", "N", "d", "mask"}) table.column(heading, left);
  for (const char* heading :
       {"load requests", "load sectors", "shared loads", "wavefronts", "L2 → L1", "HBM read", "HBM written"}) {
    table.column(heading, right);
  }
  for (const Comparison& row : rows) {
    const auto card = [&](std::size_t c) { return static_cast<Bytes>(row.measured.at(kCounters[c].metric)); };
    const auto& [stage, heads, seq, dim, causal] = row.shape;
    table.row({row.kernel, fmt::to_string(heads), fmt::to_string(seq), fmt::to_string(dim),
               causal ? "causal" : "full", format_count(card(0)), format_count(card(2)), format_count(card(4)),
               format_count(card(kLoadWavefronts)), format_bytes(kSectorBytes * card(kL2Read)),
               format_bytes(card(kHbmRead)), format_bytes(card(kHbmWritten))});
  }
  return table.str(false);
}

std::string to_csv(const std::vector<Comparison>& rows) {
  std::string text = "stage,kernel,heads,seq,dim,causal,metric,simulated,measured,within\n";
  for (const Comparison& row : rows) {
    const auto& [stage, heads, seq, dim, causal] = row.shape;
    for (const Counter& counter : kCounters) {
      const double s = row.simulated.at(counter.metric), m = row.measured.at(counter.metric);
      if (std::isnan(s) || std::isnan(m)) continue;  // not counted on one side
      text += fmt::format("{},{},{},{},{},{},{},{:.0f},{:.0f},{}\n", stage, row.kernel, heads, seq, dim,
                          causal ? 1 : 0, counter.metric, s, m, within(counter, s, m) ? 1 : 0);
    }
  }
  return text;
}

std::string to_replay_table(const MeasureArguments& a, const std::vector<gpu::Measurement>& measurements) {
  using enum report::TextTable::Align;
  report::TextTable table;
  for (const char* heading : {"kernel", "heads", "N", "d", "mask"}) table.column(heading, left);
  for (const char* heading : {"warps an SM", "loads", "added", "a million, other warp", "stores", "added", "%"})
    table.column(heading, right);
  for (const gpu::Measurement& measurement : measurements) {
    for (const gpu::MeasuredLaunch& launch : measurement.launches) {
      const auto value = [&](std::string_view metric) { return measurement.value(launch, metric); };
      const double loads = value("smsp__inst_executed_op_shared_ld.sum");
      const double stores = value("smsp__inst_executed_op_shared_st.sum");
      if (!wanted(a, launch) || !(loads > 0) || !(stores > 0)) continue;
      const double warps = value("sm__warps_active.avg.per_cycle_active");
      const double more_loads = value("l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum") - loads;
      const double more_stores = value("l1tex__data_pipe_lsu_wavefronts_mem_shared_op_st.sum") - stores;
      constexpr double kBlockWarps = 4;
      const double others = warps - kBlockWarps;
      table.row({launch.kernel, fmt::to_string(launch.heads), fmt::to_string(launch.seq),
                 fmt::to_string(launch.dim), launch.causal ? "causal" : "full", fmt::format("{:.1f}", warps),
                 fmt::format("{:.0f}", loads), fmt::format("{:.0f}", more_loads),
                 more_loads == 0 || others < 1 ? "" : fmt::format("{:.0f}", 1e6 * more_loads / loads / others),
                 fmt::format("{:.0f}", stores), fmt::format("{:.0f}", more_stores),
                 fmt::format("{:.1f}", 100 * more_stores / stores)});
    }
  }
  return table.str(false);
}

}  // namespace flashlab::cli
