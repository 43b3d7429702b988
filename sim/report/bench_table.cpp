#include <fmt/format.h>

#include <cxxabi.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <tuple>

#include "sim/core/error.hpp"
#include "sim/core/stages.hpp"
#include "sim/core/text.hpp"
#include "sim/report/bench_report.hpp"
#include "sim/report/table.hpp"

namespace flashlab::report {
namespace {

using gpu::BenchCase;
using gpu::BenchRow;
using gpu::BenchRun;
using gpu::BenchShape;
using enum TextTable::Align;

std::string or_dash(double value, int decimals) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, decimals) : "–";
}
/// Three digits: 0.153, 17.5, 612.
std::string three_digits(double value) {
  if (!std::isfinite(value)) return "–";
  return fmt::format("{:.{}f}", value, value >= 99.95 ? 0 : value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3);
}
std::string milliseconds(double ms) {
  if (!std::isfinite(ms)) return "–";
  return ms < 0.9995  ? three_digits(ms * 1e3) + " µs"
         : ms < 999.5 ? three_digits(ms) + " ms"
                      : three_digits(ms * 1e-3) + " s";
}
std::string tera(double flops_per_s) { return three_digits(flops_per_s * 1e-12); }

/// Cases that differ in N (and batch) alone share a table.
using Group = std::tuple<DType, int, bool, int, int>;
Group group_of(const BenchShape& s) { return {s.dtype, s.dim, s.causal, s.heads, s.kv_heads}; }

std::vector<std::pair<Group, std::vector<const BenchCase*>>> groups_of(const BenchRun& run) {
  std::vector<std::pair<Group, std::vector<const BenchCase*>>> groups;
  for (const BenchCase& at : run.cases) {
    const Group group = group_of(at.shape);
    auto found = std::ranges::find(groups, group, [](const auto& g) { return g.first; });
    if (found == groups.end()) found = groups.insert(groups.end(), {group, {}});
    found->second.push_back(&at);
  }
  for (auto& [group, cases] : groups)
    std::ranges::stable_sort(cases, {}, [](const BenchCase* at) { return at->shape.seq; });
  return groups;
}

std::string title_of(const BenchShape& s) {
  return fmt::format("{} · d = {} · {} · {} head{}{}", name_of(s.dtype), s.dim, s.causal ? "causal" : "full",
                     s.heads, s.heads > 1 ? "s" : "",
                     s.kv_heads == s.heads ? "" : fmt::format(", {} of K and V", s.kv_heads));
}

const BenchRow* fastest_peer(const BenchCase& at) {
  const BenchRow* best = nullptr;
  for (const BenchRow& row : at.rows) {
    if (row.is_peer && row.measured() && (!best || row.time.median_ms < best->time.median_ms)) best = &row;
  }
  return best;
}

std::string head_of(const BenchRun& run) {
  std::string text = fmt::format("Flashlab bench · {}\n\n", run.card);
  std::string software;
  for (const auto& [name, version] : run.software) software += fmt::format(" · {} {}", name, version);
  text += fmt::format("  measured {} · driver {} · CUDA {}{}\n", run.date, run.driver, run.toolkit, software);
  const gpu::Roof& r = run.roof;
  const auto at = [](double clock, double power) {
    return std::isfinite(clock) ? fmt::format(" ({:.0f} MHz, {} W)", clock, or_dash(power, 0)) : std::string();
  };
  text += fmt::format("  roof     copy {} TB/s{} · bf16 product {} TFLOP/s{} · fp32 product {} TFLOP/s{}\n",
                      tera(r.copy_bytes_per_s), at(r.copy_clock_mhz, r.copy_power_w),
                      tera(r.bf16_product_flops_per_s), at(r.bf16_clock_mhz, r.bf16_power_w),
                      tera(r.fp32_product_flops_per_s), at(r.fp32_clock_mhz, r.fp32_power_w));
  text += fmt::format(
      "  method   events around each call, L2 emptied before it, up to {} runs in {} rounds that take the "
      "contenders "
      "in turn\n",
      run.method.runs, run.method.rounds);
  for (const std::string& note : run.notes) text += fmt::format("  note     {}\n", note);
  return text;
}

/// Contenders of a group in the order in which they first appear.
std::vector<std::pair<std::string, std::string>> contenders_of(const std::vector<const BenchCase*>& cases) {
  std::vector<std::pair<std::string, std::string>> names;
  for (const BenchCase* at : cases) {
    for (const BenchRow& row : at->rows) {
      const std::pair name{row.contender, row.without};
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

std::string rates_table(const std::vector<const BenchCase*>& cases, const BenchView& view) {
  TextTable table;
  table.column("TFLOP/s", left);
  for (const BenchCase* at : cases)
    table.column(fmt::format("N = {}", at->shape.seq % 1024 == 0 ? fmt::format("{}K", at->shape.seq / 1024)
                                                                 : fmt::to_string(at->shape.seq)),
                 right);
  const auto names = contenders_of(cases);
  for (const auto& [contender, without] : names) {
    if (!without.empty()) continue;
    std::vector<std::string> cells{contender};
    for (const BenchCase* at : cases) {
      const BenchRow* const row = at->find(contender);
      cells.push_back(!row || !row->measured() ? (row && row->wrong ? "wrong" : "–")
                                               : tera(at->flops_per_s(*row)));
    }
    table.row(std::move(cells));
  }
  const auto ratios = [&](const std::string& stage, const std::string& peer) {
    std::vector<std::string> cells{fmt::format("{} ÷ {}", stage, peer.empty() ? "fastest peer" : peer)};
    bool any = false;
    for (const BenchCase* at : cases) {
      const BenchRow* const ours = at->find(stage);
      const BenchRow* const theirs = peer.empty() ? fastest_peer(*at) : at->find(peer);
      const bool both = ours && theirs && ours->measured() && theirs->measured();
      cells.push_back(both ? fmt::format("{:.2f}×", theirs->time.median_ms / ours->time.median_ms) : "–");
      any |= both;
    }
    if (any) table.row(std::move(cells));
  };
  for (const auto& [contender, without] : names) {
    const bool is_stage = without.empty() && std::ranges::any_of(cases, [&](const BenchCase* at) {
                            const BenchRow* const row = at->find(contender);
                            return row && !row->is_peer;
                          });
    if (!is_stage) continue;
    if (view.against.empty()) ratios(contender, "");
    for (const std::string& peer : view.against) ratios(contender, peer);
  }
  return table.str(false);
}

/// What leaving out each idea costs; "" when nothing was left out.
std::string ablation_table(const std::vector<const BenchCase*>& cases) {
  TextTable table;
  table.column("left out", left);
  for (const char* heading : {"N", "time", "× slower"}) table.column(heading, right);
  bool any = false;
  for (const BenchCase* at : cases) {
    for (const BenchRow& row : at->rows) {
      if (row.without.empty()) continue;
      any = true;
      const BenchRow* const whole = at->find(row.contender);
      const bool both = whole && whole->measured() && row.measured();
      table.row({row.name(), fmt::to_string(at->shape.seq),
                 row.measured() ? milliseconds(row.time.median_ms)
                 : row.wrong    ? "wrong"
                                : "–",
                 both ? fmt::format("{:.2f}", row.time.median_ms / whole->time.median_ms) : "–"});
    }
  }
  return any ? table.str(false) : "";
}

std::string times_table(const std::vector<const BenchCase*>& cases) {
  TextTable table;
  table.column("N", right);
  table.column("contender", left);
  for (const char* heading : {"time", "quartiles", "TFLOP/s", "GB/s", "MHz", "W", "rel. error", "floor"})
    table.column(heading, right);
  table.column("by", left);
  table.column("of it", right);
  for (const BenchCase* at : cases) {
    for (const BenchRow& row : at->rows) {
      std::vector<std::string> cells{fmt::to_string(at->shape.seq), row.name()};
      if (!row.measured()) {
        table.span(std::move(cells), row.problem);
        continue;
      }
      const gpu::Spread& t = row.time;
      const double floor = row.floor.ms();
      cells.insert(
          cells.end(),
          {milliseconds(t.median_ms),
           fmt::format("−{:.1f} +{:.1f} %", 100 * (1 - t.low_ms / t.median_ms),
                       100 * (t.high_ms / t.median_ms - 1)),
           tera(at->flops_per_s(row)), three_digits(at->bytes_per_s(row) * 1e-9), or_dash(row.clock_mhz, 0),
           or_dash(row.power_w, 0), fmt::format("{:.1e}", row.relative_error), milliseconds(floor),
           std::string(row.floor.bound()),
           std::isfinite(floor) ? fmt::format("{:.0f} %", 100 * floor / t.median_ms) : "–"});
      table.row(std::move(cells));
    }
  }
  return table.str(false);
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::string csv_number(double value) { return std::isfinite(value) ? fmt::format("{:.6g}", value) : ""; }

}  // namespace

BenchRun filtered(const BenchRun& run, const BenchFilter& filter) {
  const auto wants = [](const auto& list, const auto& value) {
    return list.empty() || std::ranges::find(list, value) != list.end();
  };
  BenchRun out = run;
  std::erase_if(out.cases, [&](const BenchCase& at) {
    const BenchShape& s = at.shape;
    return !wants(filter.seqs, s.seq) || !wants(filter.dims, s.dim) || !wants(filter.dtypes, s.dtype) ||
           filter.causal.value_or(s.causal) != s.causal;
  });
  for (BenchCase& at : out.cases) {
    std::erase_if(at.rows,
                  [&](const BenchRow& row) { return !row.is_peer && !wants(filter.stages, row.contender); });
  }
  std::erase_if(out.cases, [](const BenchCase& at) { return at.rows.empty(); });
  return out;
}

std::string bench_table(const BenchRun& run, const BenchView& view) {
  std::string text = head_of(run);
  for (const auto& [group, cases] : groups_of(run)) {
    text += '\n' + title_of(cases.front()->shape) + "\n\n" + rates_table(cases, view);
    if (const std::string ablation = ablation_table(cases); !ablation.empty()) text += '\n' + ablation;
    if (!view.brief) text += '\n' + times_table(cases);
  }
  text += "\nTFLOP/s counts 4·B·H·N²·d, half of it for causal. GB/s: Q, K, V, O and L once, by the time.\n";
  if (!view.brief) {
    text +=
        "floor: the largest of bytes, products, exponentials and shared-memory wavefronts at the card's "
        "nominal "
        "rates; \"by\" says which.\n";
  }
  return text;
}

std::string bench_csv(const BenchRun& run) {
  std::string text =
      "dtype,batch,heads,kv_heads,seq,dim,causal,contender,without,peer,runs,median_ms,low_quartile_ms,"
      "high_quartile_ms,least_ms,flops_per_s,bytes_per_s,clock_mhz,power_w,relative_error,floor_hbm_ms,"
      "floor_products_ms,floor_exp_ms,floor_shared_ms,bound,wrong,problem\n";
  for (const BenchCase& at : run.cases) {
    const BenchShape& s = at.shape;
    for (const BenchRow& row : at.rows) {
      const auto n = csv_number;
      text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
                          name_of(s.dtype), s.batch, s.heads, s.kv_heads, s.seq, s.dim, s.causal ? 1 : 0,
                          row.contender, row.without, row.is_peer ? 1 : 0, row.time.runs, n(row.time.median_ms),
                          n(row.time.low_ms), n(row.time.high_ms), n(row.time.least_ms), n(at.flops_per_s(row)),
                          n(at.bytes_per_s(row)), n(row.clock_mhz), n(row.power_w), n(row.relative_error),
                          n(row.floor.hbm_ms), n(row.floor.products_ms), n(row.floor.exp_ms),
                          n(row.floor.shared_ms), row.floor.bound(), row.wrong ? 1 : 0,
                          row.problem.empty() ? "" : quoted(row.problem));
    }
  }
  return text;
}

Ladder ladder_of(const BenchRun& run) {
  // Shapes that differ in their type alone are one shape of the ladder.
  Ladder best;
  std::size_t most = 0;
  for (const BenchCase& candidate : run.cases) {
    Ladder ladder{.shape = candidate.shape};
    ladder.shape.dtype = DType::f32;
    for (const BenchCase& at : run.cases) {
      BenchShape shape = at.shape;
      shape.dtype = DType::f32;
      if (shape != ladder.shape) continue;
      for (const BenchRow& row : at.rows) {
        if (!row.measured() || !row.without.empty()) continue;
        auto& list = row.is_peer ? ladder.peers : ladder.stages;
        const auto same = std::ranges::find_if(list, [&](const Ladder::Rung& rung) {
          // A peer in fp32 and in 16 bits are two peers; a stage is one rung.
          return rung.row->contender == row.contender &&
                 (!row.is_peer || rung.at->shape.dtype == at.shape.dtype);
        });
        if (same == list.end()) {
          list.push_back({&at, &row});
        } else if (row.time.median_ms < same->row->time.median_ms) {
          *same = {&at, &row};
        }
      }
    }
    const bool longer = ladder.stages.size() == most && most > 0 && ladder.shape.seq > best.shape.seq;
    if (ladder.stages.size() > most || longer) {
      most = ladder.stages.size();
      best = std::move(ladder);
    }
  }
  if (most == 0) throw UsageError("no stage was measured at these shapes");
  // Whatever order they were measured in, a rung stands on the one before it in the book.
  std::ranges::stable_sort(best.stages, {}, [](const Ladder::Rung& rung) {
    return std::ranges::find(gpu::kKernelStages, rung.row->contender, &gpu::KernelStage::slug) -
           std::begin(gpu::kKernelStages);
  });
  return best;
}

std::string ladder_table(const BenchRun& run) {
  const Ladder ladder = ladder_of(run);
  const BenchShape& s = ladder.shape;
  TextTable table;
  for (const char* heading : {"rung", "idea", "type"}) table.column(heading, left);
  for (const char* heading : {"time", "TFLOP/s", "× below", "floor"}) table.column(heading, right);
  table.column("by", left);
  table.column("of it", right);
  double below = gpu::kUnknown;
  const auto add = [&](const Ladder::Rung& rung, const std::string& idea, bool climbs) {
    const double floor = rung.row->floor.ms(), rate = rung.flops_per_s();
    table.row({rung.row->contender, idea, std::string(name_of(rung.at->shape.dtype)),
               milliseconds(rung.row->time.median_ms), tera(rate),
               climbs && std::isfinite(below) ? fmt::format("{:.2f}", rate / below) : "", milliseconds(floor),
               std::string(rung.row->floor.bound()),
               std::isfinite(floor) ? fmt::format("{:.0f} %", 100 * floor / rung.row->time.median_ms) : "–"});
    if (climbs) below = rate;
  };
  for (const Ladder::Rung& rung : ladder.stages) add(rung, idea_of(rung.row->contender), true);
  for (const Ladder::Rung& rung : ladder.peers) add(rung, "peer", false);
  return fmt::format("The ladder on {}: batch {}, {} head{}, N = {}, d = {}, {} ({})\n\n", run.card, s.batch,
                     s.heads, s.heads > 1 ? "s" : "", s.seq, s.dim, s.causal ? "causal" : "full", run.date) +
         table.str(false);
}

std::string idea_of(std::string_view slug) {
  for (const std::span<const StageInfo> part : {stages(), upper_rungs()}) {
    for (const StageInfo& stage : part) {
      if (stage.slug == slug) return std::string(stage.title);
    }
  }
  return "";
}

std::string resources_table(const std::vector<gpu::KernelResources>& kernels) {
  TextTable table;
  for (const char* heading : {"stage", "kernel", "type", "mask"}) table.column(heading, left);
  for (const char* heading : {"d", "threads", "registers", "local B", "shared", "blocks/SM", "occupancy"})
    table.column(heading, right);
  for (const gpu::KernelResources& k : kernels) {
    table.row({k.without.empty() ? k.stage : k.stage + " without " + k.without, plain_kernel_name(k.kernel),
               std::string(name_of(k.shape.dtype)), k.shape.causal ? "causal" : "full",
               fmt::to_string(k.shape.dim), fmt::to_string(k.threads), fmt::to_string(k.registers),
               fmt::to_string(k.local_bytes), format_bytes(k.static_shared_bytes + k.dynamic_shared_bytes),
               fmt::to_string(k.blocks_per_sm), fmt::format("{:.0f} %", 100 * k.occupancy)});
  }
  return table.str(false);
}

std::string resources_csv(const std::vector<gpu::KernelResources>& kernels) {
  std::string text =
      "stage,without,kernel,dtype,dim,causal,threads,registers,local_bytes,static_shared_bytes,"
      "dynamic_shared_bytes,blocks_per_sm,occupancy\n";
  for (const gpu::KernelResources& k : kernels) {
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{:.4g}\n", k.stage, k.without,
                        quoted(plain_kernel_name(k.kernel)), name_of(k.shape.dtype), k.shape.dim,
                        k.shape.causal ? 1 : 0, k.threads, k.registers, k.local_bytes, k.static_shared_bytes,
                        k.dynamic_shared_bytes, k.blocks_per_sm, k.occupancy);
  }
  return text;
}

std::string plain_kernel_name(const std::string& mangled) {
  int status = 0;
  char* const text = abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status);
  std::string name = status == 0 && text ? text : mangled;
  std::free(text);
  if (const std::size_t space = name.find("flashlab::"); space != std::string::npos) name.erase(0, space + 10);
  return name.substr(0, name.find_first_of("<("));
}

}  // namespace flashlab::report
