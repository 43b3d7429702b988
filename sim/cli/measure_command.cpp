// flashlab measure: the hardware's counters beside the simulated ones and the tile machine's bytes.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "cuda/host/measure.hpp"
#include "cuda/host/stage_runner.hpp"
#include "sim/cli/prepare.hpp"
#include "sim/core/error.hpp"
#include "sim/core/text.hpp"
#include "sim/core/text_file.hpp"
#include "sim/report/table.hpp"
#include "sim/simt/stages/run.hpp"

namespace flashlab::cli {
namespace {

namespace fs = std::filesystem;

/// How near a simulated counter must come to the card's.
struct Counter {
  std::string_view metric, heading;
  double relative = 0;  ///< allowed deviation; 0: equal
  double absolute = 0;  ///< or this much, whichever is larger (the metric's unit)
};
constexpr double kMega = 1e6;
constexpr Bytes kSectorBytes = 32;
constexpr std::array kCounters{
    Counter{"l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum", "load requests"},
    Counter{"l1tex__t_requests_pipe_lsu_mem_global_op_st.sum", "store requests"},
    Counter{"l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum", "load sectors"},
    Counter{"l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum", "store sectors"},
    Counter{"smsp__inst_executed_op_shared_ld.sum", "shared loads"},
    Counter{"smsp__inst_executed_op_shared_st.sum", "shared stores"},
    Counter{"smsp__inst_executed_op_ldgsts.sum", "asynchronous copies"},
    Counter{"smsp__inst_executed_op_ldsm.sum", "ldmatrix"},
    Counter{"sm__inst_executed_pipe_tensor_op_hmma.sum", "tensor-core products"},
    Counter{"l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum", "load wavefronts", 0.001},
    Counter{"l1tex__data_pipe_lsu_wavefronts_mem_shared_op_st.sum", "store wavefronts", 0.15},
    Counter{"lts__t_sectors_srcunit_tex_op_read.sum", "L2 read sectors", 0.15},
    Counter{"dram__bytes_read.sum", "HBM read", 0.05, kMega},
    Counter{"dram__bytes_write.sum", "HBM written", 0.10, 2 * kMega},
    // Which products and sums become one instruction is the compiler's choice; shown, not judged.
    Counter{"smsp__sass_thread_inst_executed_op_ffma_pred_on.sum", "FFMA", 0.01},
};
constexpr std::size_t kExact = 9;  // of them, the first
constexpr std::size_t kSharedLoads = 4, kCopies = 6, kProducts = 8;
static_assert(kCounters[kSharedLoads].heading == "shared loads" &&
              kCounters[kCopies].heading == "asynchronous copies" &&
              kCounters[kProducts].heading == "tensor-core products");
constexpr std::size_t kLoadWavefronts = 9, kStoreWavefronts = 10, kL2Read = 11, kHbmRead = 12, kHbmWritten = 13,
                      kFfma = 14;
static_assert(kCounters[kLoadWavefronts].heading == "load wavefronts" && kCounters[kFfma].heading == "FFMA");

/// What the card had no counter for, an older measurement did not ask for, or no profile simulates, is not judged.
bool within(const Counter& counter, double simulated, double measured) {
  return std::isnan(measured) || std::isnan(simulated) ||
         std::abs(simulated - measured) <= std::max(counter.relative * measured, counter.absolute);
}

using Shape = std::tuple<std::string, int, int, int, bool>;  // stage, heads, seq, dim, causal

/// The kernels of one stage on one shape: what the card counted, and what the machines say.
struct Comparison {
  Shape shape;
  std::string kernel;
  std::map<std::string_view, double> simulated, measured;
};

/// Instructions that the card's compiler adds for reasons of its own are not compared. Beside asynchronous copies it puts
/// shared loads that are switched off (three before each run of copies), and it writes a copy that may fill zeros twice,
/// for either case; the counters of executed instructions count them all. And it loads some constants with the tensor
/// cores' pipe (HFMA2.MMA), which counts where a kernel has no products.
void leave_out_the_compilers_own(Comparison& row) {
  const auto simulated = [&](std::size_t c) { return row.simulated.at(kCounters[c].metric); };
  if (simulated(kCopies) > 0) {
    for (const std::size_t c : {kSharedLoads, kCopies}) row.measured[kCounters[c].metric] = std::nan("");
  }
  if (simulated(kProducts) == 0) row.measured[kCounters[kProducts].metric] = std::nan("");
}

double value_of(const simt::KernelRun& kernel, std::string_view name) {
  for (const simt::Metric& metric : kernel.counters.metrics()) {
    if (metric.name == name) return static_cast<double>(metric.value);
  }
  if (kernel.caches) {
    for (const auto& [metric, value] : kernel.caches->metrics()) {
      if (metric == name) return value;
    }
  }
  return std::nan("");
}

/// The profile of a card that names itself so, "NVIDIA A100-SXM4-80GB"; empty when there is none.
std::string_view profile_of(std::string_view card_name) {
  for (const simt::ReplayProfile& profile : simt::replay_profiles()) {
    std::string word;
    for (const char c : std::string(card_name) + ' ') {
      if (std::isalnum(static_cast<unsigned char>(c))) {
        word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      } else if (std::exchange(word, {}) == profile.name) {
        return profile.name;
      }
    }
  }
  return {};
}

constexpr std::string_view kKeptFile = "simulated.json", kKeptSchema = "flashlab.simulated/1";

/// Measurements of one card.
struct OneCard {
  gpu::MeasuredCard card;
  fs::path folder;
  std::vector<gpu::Measurement> measurements;  ///< a stage each, in order

  /// Of the replay; empty when it has none for this card.
  std::string_view profile() const { return profile_of(card.name); }
};

std::vector<OneCard> read_measured(const fs::path& folder) {
  std::vector<OneCard> all;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (!entry.is_directory()) continue;
    OneCard one{.card = {}, .folder = entry.path(), .measurements = {}};
    for (const fs::directory_entry& file : fs::directory_iterator(entry.path())) {
      const fs::path name = file.path().filename();
      if (name.extension() == ".json" && name != "card.json" && name != "bench.json" &&
          name != "ablations.json" && name != kKeptFile) {
        one.measurements.push_back(gpu::read_measurement(file.path()));
      }
    }
    if (one.measurements.empty()) continue;
    // Files come in any order.
    std::ranges::stable_sort(one.measurements, {}, [](const gpu::Measurement& m) {
      return m.launches.empty() ? std::string() : m.launches.front().stage;
    });
    one.card = one.measurements.front().card;
    all.push_back(std::move(one));
  }
  std::ranges::sort(all, {}, &OneCard::folder);
  if (all.empty())
    throw EnvironmentError(fmt::format(
        "{}: no measurements there: run flashlab measure on a machine with a GPU", folder.string()));
  return all;
}

/// The card that `device` names by its profile or its folder; empty: the only one, or the H100. Throws UsageError when
/// that is none, or several.
OneCard one_of(std::vector<OneCard> all, const std::string& device) {
  std::vector<std::string> names;
  for (const OneCard& one : all) names.push_back(one.folder.filename().string());
  if (!device.empty() || all.size() > 1) {
    const std::string wanted = device.empty() ? "h100" : device;
    std::erase_if(all, [&](const OneCard& one) {
      return one.folder.filename() != wanted && (one.profile().empty() || one.profile() != wanted);
    });
  }
  if (all.size() != 1) {
    throw UsageError(fmt::format("--device {}: {} measured: choose from {}", device.empty() ? "h100" : device,
                                 all.empty() ? "no such card was" : "several such cards were",
                                 fmt::join(names, ", ")));
  }
  return std::move(all.front());
}

bool wanted(const MeasureArguments& a, const gpu::MeasuredLaunch& launch) {
  if (!a.stages.empty() && std::ranges::find(a.stages, launch.stage) == a.stages.end()) return false;
  // The quick part: every kernel and mask, on the smallest shape.
  if (!a.seq.empty() && static_cast<Bytes>(launch.seq) != parse_size(a.seq, "--seq")) return false;
  return !a.quick || (launch.heads == 4 && launch.seq == 512 && launch.dim == 64);
}

using ByShape = std::map<Shape, std::vector<Comparison>>;

ByShape measured_rows(const MeasureArguments& a, const std::vector<gpu::Measurement>& measurements) {
  ByShape by_shape;
  for (const gpu::Measurement& measurement : measurements) {
    for (const gpu::MeasuredLaunch& launch : measurement.launches) {
      if (!wanted(a, launch)) continue;
      const Shape shape{launch.stage, launch.heads, launch.seq, launch.dim, launch.causal};
      Comparison& row = by_shape[shape].emplace_back(Comparison{.shape = shape, .kernel = launch.kernel});
      for (const Counter& counter : kCounters)
        row.measured[counter.metric] = measurement.value(launch, counter.metric);
    }
  }
  return by_shape;
}

/// What was simulated of the measured launches, kept beside them: a long run is not repeated to print its result.
class KeptFile {
 public:
  /// Reads `path` if it is there. Throws UsageError when it is no such file.
  explicit KeptFile(fs::path path) : path_(std::move(path)) {
    if (!fs::exists(path_)) return;
    try {
      const nlohmann::json data = nlohmann::json::parse(read_text(path_));
      if (data.at("schema") != kKeptSchema) throw UsageError("not of this schema");
      for (const auto& launch : data.at("launches")) {
        std::map<std::string, double> values;
        for (std::size_t i = 0; i < data.at("metrics").size(); ++i)
          if (const auto& value = launch.at("values").at(i); !value.is_null())
            values[data.at("metrics")[i]] = value;
        rows_[{Shape{launch.at("stage"), launch.at("heads"), launch.at("seq"), launch.at("dim"),
                     launch.at("causal")},
               launch.at("kernel")}] = std::move(values);
      }
    } catch (const std::exception& error) {
      throw UsageError(fmt::format("{}: {}", path_.string(), error.what()));
    }
  }

  const fs::path& path() const { return path_; }

  /// Fills in what is known of a launch; false when it was not kept. A counter that was not kept is NaN.
  bool fill(Comparison& row) const {
    const auto found = rows_.find({row.shape, row.kernel});
    if (found == rows_.end()) return false;
    for (const Counter& counter : kCounters) {
      const auto value = found->second.find(std::string(counter.metric));
      row.simulated[counter.metric] = value == found->second.end() ? std::nan("") : value->second;
    }
    return true;
  }

  void put(const Comparison& row) {
    auto& values = rows_[{row.shape, row.kernel}];
    for (const auto& [metric, value] : row.simulated) values[std::string(metric)] = value;
  }

  /// A launch a line, in order, so that a change shows as such. Old or new, never half.
  void write() const {
    nlohmann::json metrics = nlohmann::json::array();
    for (const Counter& counter : kCounters) metrics.push_back(counter.metric);
    std::string text =
        fmt::format("{{\n\"schema\": \"{}\",\n\"metrics\": {},\n\"launches\": [", kKeptSchema, metrics.dump());
    std::string_view separator = "\n  ";
    for (const auto& [key, values] : rows_) {
      const auto& [stage, heads, seq, dim, causal] = key.first;
      nlohmann::ordered_json launch{{"stage", stage}, {"kernel", key.second}, {"heads", heads},
                                    {"seq", seq},     {"dim", dim},           {"causal", causal}};
      for (const Counter& counter : kCounters) {
        const auto value = values.find(std::string(counter.metric));
        const bool known = value != values.end() && !std::isnan(value->second);
        nlohmann::ordered_json& kept = launch["values"].emplace_back();  // null: not counted
        if (known) kept = static_cast<std::uint64_t>(value->second);
      }
      text += separator;
      text += launch.dump();
      separator = ",\n  ";
    }
    text += "\n]}\n";
    write_text(path_, text);
  }

 private:
  fs::path path_;
  std::map<std::pair<Shape, std::string>, std::map<std::string, double>> rows_;
};

/// Whether two simulations counted the same, as far as both counted.
bool agree(const Comparison& a, const Comparison& b) {
  return std::ranges::all_of(kCounters, [&](const Counter& counter) {
    const double x = a.simulated.at(counter.metric), y = b.simulated.at(counter.metric);
    return x == y || std::isnan(x) || std::isnan(y);
  });
}

/// Simulates every shape, the shortest first. What was kept of a shape and comes out otherwise now is said: then another
/// model wrote it.
std::vector<Comparison> simulate(ByShape by_shape, std::string_view profile, KeptFile* keep,
                                 const KeptFile& kept, bool& as_kept) {
  std::vector<ByShape::value_type*> order;
  for (auto& entry : by_shape) order.push_back(&entry);
  std::ranges::stable_sort(order, {}, [](const auto* entry) {
    const auto& [stage, heads, seq, dim, causal] = entry->first;
    return static_cast<double>(heads) * seq * seq * dim * (causal ? 1 : 2);
  });
  Progress progress("stages × shapes");
  Index done = 0;
  for (ByShape::value_type* entry : order) {
    const auto& [stage, heads, seq, dim, causal] = entry->first;
    const auto kernel = std::ranges::find(gpu::kKernelStages, stage, &gpu::KernelStage::slug);
    const DType dtype = kernel == gpu::kKernelStages.end() || kernel->in_f32 ? DType::f32 : DType::bf16;
    const Problem problem{.heads = heads, .seq = seq, .dim = dim, .dtype = dtype, .causal = causal};
    const Inputs in = random_inputs(problem, 1);
    const simt::StageRun run = simt::run_stage(stage, problem, in.q, in.k, in.v, {.card = profile});
    for (std::size_t k = 0; k < entry->second.size(); ++k) {
      Comparison& row = entry->second[k];
      for (const Counter& counter : kCounters)
        row.simulated[counter.metric] = value_of(run.kernels.at(k), counter.metric);
      leave_out_the_compilers_own(row);
      Comparison before = row;
      if (keep != nullptr) {
        keep->put(row);
      } else if (kept.fill(before) && !agree(before, row)) {
        as_kept = false;
        fmt::print(stderr,
                   "flashlab: {} at N = {} is no longer what {} keeps: flashlab measure --saved --keep "
                   "--device {}\n",
                   row.kernel, seq, kept.path().string(), kept.path().parent_path().filename().string());
      }
    }
    if (keep != nullptr) keep->write();
    progress(++done, static_cast<Index>(by_shape.size()));
  }
  std::vector<Comparison> all;
  for (auto& [shape, rows] : by_shape) std::ranges::move(rows, std::back_inserter(all));
  return all;
}

/// What was kept of the launches, and how many of them were not.
std::vector<Comparison> recall(ByShape by_shape, const KeptFile& kept, std::size_t& missing) {
  std::vector<Comparison> all;
  for (auto& [shape, rows] : by_shape) {
    for (Comparison& row : rows) {
      if (kept.fill(row)) {
        leave_out_the_compilers_own(row);
        all.push_back(std::move(row));
      } else {
        ++missing;
      }
    }
  }
  return all;
}

std::string deviation(double simulated, double measured) {
  if (std::isnan(measured) || std::isnan(simulated)) return "–";
  if (simulated == measured) return "=";
  if (measured == 0) return "+" + format_bytes(static_cast<Bytes>(simulated));
  return fmt::format("{:+.1f} %", 100 * (simulated / measured - 1));
}

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

/// "Outside a band, of 98 launches of a kernel: load wavefronts 4, L2 read sectors 3."
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

/// What the card counted, nothing beside it.
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

/// When what fits the options was measured: "2026-11-22", or "2026-11-22 and 2026-11-26".
std::string measured_on(const MeasureArguments& a, const std::vector<gpu::Measurement>& measurements) {
  std::set<std::string> dates;
  for (const gpu::Measurement& m : measurements) {
    if (std::ranges::any_of(m.launches, [&](const gpu::MeasuredLaunch& l) { return wanted(a, l); }))
      dates.insert(m.card.date);
  }
  return fmt::format("{}", fmt::join(dates, " and "));
}

/// Says which of the stages asked for were never measured; throws EnvironmentError when none of them was.
void tell_unmeasured(const std::vector<std::string>& slugs, const std::vector<gpu::Measurement>& measurements,
                     const fs::path& folder) {
  std::vector<std::string> unmeasured;
  for (const std::string& slug : slugs) {
    const bool known = std::ranges::any_of(measurements, [&](const gpu::Measurement& m) {
      return std::ranges::any_of(m.launches, [&](const gpu::MeasuredLaunch& l) { return l.stage == slug; });
    });
    if (!known) unmeasured.push_back(slug);
  }
  if (!unmeasured.empty() && unmeasured.size() == slugs.size()) {
    throw EnvironmentError(
        fmt::format("{0}: no measurement in {1}: run flashlab measure {0} on a machine with a GPU",
                    fmt::join(unmeasured, " "), folder.string()));
  }
  for (const std::string& slug : unmeasured) {
    fmt::print(stderr, "flashlab: {}: not measured yet{}\n", slug,
               slug == "hopper"
                   ? ""
                   : fmt::format(": its simulated counters alone: flashlab run {} --machine simt", slug));
  }
}

/// Of each measured launch that uses shared memory: the wavefronts that the card adds to those of its instructions
/// (in these kernels no two lanes meet in a bank), beside the warps that share an SM.
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

}  // namespace

int measure_command(const MeasureArguments& typed) {
  MeasureArguments a = typed;
  require_one_of("--format", a.format, {"table", "csv"});
  for (std::string& stage : a.stages) stage = stage_from_slug(stage).slug;
  if ((a.card || a.keep || a.kept || a.replays) && !a.saved)
    throw UsageError("--card, --keep, --kept and --replays go with --saved");
  if (a.card + a.keep + a.kept + a.replays > 1)
    throw UsageError("take one of --card, --keep, --kept and --replays");
  if (a.rest && !a.keep) throw UsageError("--rest goes with --keep");
  if ((a.card || a.replays) && a.format != "table")
    throw UsageError("--card and --replays show a table: no --format goes with them");
  const fs::path folder = a.measured.empty() ? fs::path(FLASHLAB_MEASURED_DIR) : fs::path(a.measured);
  const auto take_over = [&](const gpu::Measurement& measurement) {
    for (const fs::path& path : gpu::write_measurement(measurement, folder))
      fmt::print(stderr, "flashlab: wrote {}\n", path.string());
    if (a.device.empty()) a.device = gpu::card_slug(measurement.card.name);
  };
  if (!a.from.empty()) {
    take_over(gpu::read_measured_folder(a.from));
  } else if (!a.saved) {
    gpu::MeasureOptions options;
    options.count_program = fs::read_symlink("/proc/self/exe").parent_path() / "flashlab_gpu_count";
    options.stages = a.stages;
    options.progress = [](const std::string& line) { fmt::print(stderr, "flashlab: {}\n", line); };
    take_over(gpu::measure(options));
  }
  const OneCard one = one_of(read_measured(folder), a.device);
  const std::vector<gpu::Measurement>& measurements = one.measurements;
  tell_unmeasured(a.stages, measurements, one.folder);
  ByShape measured = measured_rows(a, measurements);
  if (measured.empty()) throw UsageError("nothing that was measured fits these options");
  if (a.card) {
    std::vector<Comparison> rows;
    for (auto& [shape, of_shape] : measured) std::ranges::move(of_shape, std::back_inserter(rows));
    print(fmt::format("Counted by {} (driver {}, toolkit {}, {}), caches cold\n\n", one.card.name,
                      one.card.driver, one.card.toolkit, measured_on(a, measurements)) +
          to_card_table(rows));
    return static_cast<int>(ExitCode::well);
  }
  std::erase_if(measured, [](const auto& entry) { return std::get<0>(entry.first) == "hopper"; });
  if (a.replays) {
    print(to_replay_table(a, measurements));
    return static_cast<int>(ExitCode::well);
  }
  KeptFile kept(one.folder / kKeptFile);
  if (!a.kept && one.profile().empty()) {
    fmt::print(stderr,
               "flashlab: the simt machine does not know the caches of {} (flashlab profile --help lists those "
               "that it knows): what the caches decide is left out\n",
               one.card.name);
  }
  bool sound = true;
  std::size_t missing = 0;
  if (a.rest) {
    std::erase_if(measured, [&](const auto& entry) {
      return std::ranges::all_of(entry.second, [&](Comparison row) { return kept.fill(row); });
    });
    if (measured.empty()) throw UsageError("all that fits these options is kept already: --kept shows it");
  }
  const std::vector<Comparison> rows =
      a.kept ? recall(std::move(measured), kept, missing)
             : simulate(std::move(measured), one.profile(), a.keep ? &kept : nullptr, kept, sound);
  if (rows.empty()) {
    throw UsageError(
        a.kept ? "nothing is kept of what fits these options: flashlab measure --saved --keep simulates it"
               : "no machine here simulates hopper: --card shows what was measured of it");
  }
  if (a.format == "csv") {
    print(to_csv(rows));
  } else {
    print(fmt::format("Simulated beside measured on {} (driver {}, toolkit {}, {}), caches cold\n\n",
                      one.card.name, one.card.driver, one.card.toolkit, measured_on(a, measurements)) +
          to_table(rows) + "\n" + outside(rows) +
          "\nexact: global load and store requests and sectors, shared loads and stores, ldmatrix and "
          "tensor-core "
          "products,\n"
          "equal to the last one. Beside asynchronous copies the card's compiler executes shared loads and "
          "copies "
          "that are\n"
          "switched off: where there are any, neither is compared.\n"
          "Wavefronts of shared loads within 0.1 %, of stores 15 %; L1 → L2 reads 15 %; HBM reads 5 % or 1 MB, "
          "writes\n"
          "10 % or 2 MB, whichever is larger. \"=\": equal. \"!\": outside.\n" +
          (has_ffma(rows) ? "FFMA: thread instructions. The products' are equal; of an exponential, one "
                            "instruction here, the card's\n"
                            "compiler makes several, some of them FFMA.\n"
                          : "") +
          (missing == 0
               ? ""
               : fmt::format("Measured, but no simulation kept: {} launches of a kernel.\n", missing)));
  }
  if (a.kept) return static_cast<int>(ExitCode::well);  // shown; the run that kept them judged them
  // The counters that the hardware determines must agree; the caches' model is shown, and judged by the reader.
  for (const Comparison& row : rows) {
    for (std::size_t c = 0; c < kExact + 2; ++c) {
      const Counter& counter = kCounters[c];
      const double s = row.simulated.at(counter.metric), m = row.measured.at(counter.metric);
      if (within(counter, s, m)) continue;
      sound = false;
      fmt::print(stderr, "flashlab: {} at N = {}: {}: simulated {:.0f}, measured {:.0f}\n", row.kernel,
                 std::get<2>(row.shape), counter.heading, s, m);
    }
  }
  return static_cast<int>(sound ? ExitCode::well : ExitCode::check_failed);
}

}  // namespace flashlab::cli
