// flashlab measure: the hardware's counters beside the simulated ones and the tile machine's bytes.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "cuda/host/measure.hpp"
#include "cuda/host/stage_runner.hpp"
#include "sim/cli/prepare.hpp"
#include "sim/core/error.hpp"
#include "sim/core/text.hpp"
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
constexpr std::size_t kLoadWavefronts = 9, kStoreWavefronts = 10, kL2Read = 11, kHbmRead = 12, kHbmWritten = 13,
                      kFfma = 14;
static_assert(kCounters[kLoadWavefronts].heading == "load wavefronts" && kCounters[kFfma].heading == "FFMA");

/// What the card had no counter for, or an older measurement did not ask for, is not judged.
bool within(const Counter& counter, double simulated, double measured) {
  return std::isnan(measured) ||
         std::abs(simulated - measured) <= std::max(counter.relative * measured, counter.absolute);
}

using Shape = std::tuple<std::string, int, int, int, bool>;  // stage, heads, seq, dim, causal

/// The kernels of one stage on one shape: what the card counted, and what the machines say.
struct Comparison {
  Shape shape;
  std::string kernel;
  std::map<std::string_view, double> simulated, measured;
};

double value_of(const simt::KernelRun& kernel, std::string_view name) {
  for (const simt::Metric& metric : kernel.counters.metrics()) {
    if (metric.name == name) return static_cast<double>(metric.value);
  }
  for (const auto& [metric, value] : kernel.caches->metrics()) {
    if (metric == name) return value;
  }
  return std::nan("");
}

std::vector<gpu::Measurement> read_measured(const fs::path& folder) {
  std::vector<gpu::Measurement> all;
  if (fs::is_directory(folder)) {
    for (const fs::directory_entry& card : fs::directory_iterator(folder)) {
      if (!card.is_directory()) continue;
      for (const fs::directory_entry& file : fs::directory_iterator(card.path())) {
        const fs::path name = file.path().filename();
        if (name.extension() == ".json" && name != "card.json" && name != "bench.json") {
          all.push_back(gpu::read_measurement(file.path()));
        }
      }
    }
  }
  if (all.empty())
    throw EnvironmentError(fmt::format(
        "{}: no measurements there: run flashlab measure on a machine with a GPU", folder.string()));
  return all;
}

bool wanted(const MeasureArguments& a, const gpu::MeasuredLaunch& launch) {
  if (!a.stages.empty() && std::ranges::find(a.stages, launch.stage) == a.stages.end()) return false;
  // The quick part: every kernel and mask, on the smallest shape.
  return !a.quick || (launch.heads == 4 && launch.seq == 512 && launch.dim == 64);
}

std::vector<Comparison> compare(const MeasureArguments& a, const std::vector<gpu::Measurement>& measurements) {
  std::map<Shape, std::vector<Comparison>> by_shape;
  for (const gpu::Measurement& measurement : measurements) {
    for (const gpu::MeasuredLaunch& launch : measurement.launches) {
      if (!wanted(a, launch)) continue;
      const Shape shape{launch.stage, launch.heads, launch.seq, launch.dim, launch.causal};
      Comparison& row = by_shape[shape].emplace_back(Comparison{.shape = shape, .kernel = launch.kernel});
      for (const Counter& counter : kCounters)
        row.measured[counter.metric] = measurement.value(launch, counter.metric);
    }
  }
  std::vector<Comparison> all;
  Progress progress("stages × shapes");
  Index done = 0;
  for (auto& [shape, rows] : by_shape) {
    const auto& [stage, heads, seq, dim, causal] = shape;
    if (stage == "hopper") {  // measured it can be
      ++done;
      continue;
    }
    const auto kernel = std::ranges::find(gpu::kKernelStages, stage, &gpu::KernelStage::slug);
    const DType dtype = kernel == gpu::kKernelStages.end() || kernel->in_f32 ? DType::f32 : DType::bf16;
    const Problem problem{.heads = heads, .seq = seq, .dim = dim, .dtype = dtype, .causal = causal};
    const Inputs in = random_inputs(problem, 1);
    const simt::StageRun run = simt::run_stage(stage, problem, in.q, in.k, in.v, {.card = "h100"});
    for (std::size_t k = 0; k < rows.size(); ++k) {
      for (const Counter& counter : kCounters) {
        rows[k].simulated[counter.metric] = value_of(run.kernels.at(k), counter.metric);
      }
      all.push_back(std::move(rows[k]));
    }
    progress(++done, static_cast<Index>(by_shape.size()));
  }
  return all;
}

std::string deviation(double simulated, double measured) {
  if (std::isnan(measured)) return "–";
  if (simulated == measured) return "=";
  if (measured == 0) return "+" + format_bytes(static_cast<Bytes>(simulated));
  return fmt::format("{:+.1f} %", 100 * (simulated / measured - 1));
}

std::string to_table(const std::vector<Comparison>& rows) {
  using enum report::TextTable::Align;
  report::TextTable table;
  for (const char* heading : {"kernel", "heads", "N", "d", "mask"}) table.column(heading, left);
  for (const char* heading : {"exact", "ld wavefr.", "st wavefr.", "L2 sim", "card", "diff", "HBM read sim",
                              "card", "diff", "HBM written sim", "card", "FFMA"}) {
    table.column(heading, right);
  }
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
    const auto bytes = [](double value) { return format_bytes(static_cast<Bytes>(value)); };
    const auto sim = [&](std::size_t c) { return row.simulated.at(kCounters[c].metric); };
    const auto card = [&](std::size_t c) { return row.measured.at(kCounters[c].metric); };
    const auto& [stage, heads, seq, dim, causal] = row.shape;
    const bool written_ok = within(kCounters[kHbmWritten], sim(kHbmWritten), card(kHbmWritten));
    table.row({row.kernel, fmt::to_string(heads), fmt::to_string(seq), fmt::to_string(dim),
               causal ? "causal" : "full",
               fmt::format("{} of {}{}", equal, measured, equal == measured ? " " : "!"), cell(kLoadWavefronts),
               cell(kStoreWavefronts), bytes(32 * sim(kL2Read)), bytes(32 * card(kL2Read)), cell(kL2Read),
               bytes(sim(kHbmRead)), bytes(card(kHbmRead)), cell(kHbmRead), bytes(sim(kHbmWritten)),
               bytes(card(kHbmWritten)) + (written_ok ? " " : "!"), deviation(sim(kFfma), card(kFfma))});
  }
  return table.str(false);
}

std::string to_csv(const std::vector<Comparison>& rows) {
  std::string text = "stage,kernel,heads,seq,dim,causal,metric,simulated,measured,within\n";
  for (const Comparison& row : rows) {
    const auto& [stage, heads, seq, dim, causal] = row.shape;
    for (const Counter& counter : kCounters) {
      const double s = row.simulated.at(counter.metric), m = row.measured.at(counter.metric);
      text += fmt::format("{},{},{},{},{},{},{},{:.0f},{:.0f},{}\n", stage, row.kernel, heads, seq, dim,
                          causal ? 1 : 0, counter.metric, s, m, within(counter, s, m) ? 1 : 0);
    }
  }
  return text;
}

}  // namespace

int measure_command(const MeasureArguments& typed) {
  MeasureArguments a = typed;
  require_one_of("--format", a.format, {"table", "csv"});
  for (std::string& stage : a.stages) stage = stage_from_slug(stage).slug;
  const fs::path folder = a.measured.empty() ? fs::path(FLASHLAB_MEASURED_DIR) : fs::path(a.measured);
  if (!a.from.empty()) {
    for (const fs::path& path : gpu::write_measurement(gpu::read_measured_folder(a.from), folder)) {
      fmt::print(stderr, "flashlab: wrote {}\n", path.string());
    }
  } else if (!a.saved) {
    gpu::MeasureOptions options;
    options.count_program = fs::read_symlink("/proc/self/exe").parent_path() / "flashlab_gpu_count";
    options.stages = a.stages;
    options.progress = [](const std::string& line) { fmt::print(stderr, "flashlab: {}\n", line); };
    for (const fs::path& path : gpu::write_measurement(gpu::measure(options), folder)) {
      fmt::print(stderr, "flashlab: wrote {}\n", path.string());
    }
  }
  const std::vector<gpu::Measurement> measurements = read_measured(folder);
  std::vector<std::string> missing;
  for (const std::string& slug : a.stages) {
    const auto is_of = [&](const gpu::Measurement& m) {
      return std::ranges::any_of(m.launches, [&](const gpu::MeasuredLaunch& l) { return l.stage == slug; });
    };
    if (std::ranges::any_of(measurements, is_of)) {
      if (slug == "hopper")
        fmt::print(stderr, "flashlab: hopper is measured, but no machine here simulates it\n");
      continue;
    }
    missing.push_back(slug);
    fmt::print(stderr, "flashlab: {}: not measured yet{}\n", slug,
               slug == "hopper"
                   ? ""
                   : fmt::format(": its simulated counters alone: flashlab run {} --machine simt", slug));
  }
  const std::vector<Comparison> rows = compare(a, measurements);
  if (rows.empty() && !missing.empty()) {
    throw EnvironmentError(
        fmt::format("{0}: no measurement in {1}: run flashlab measure {0} on a machine with a GPU",
                    fmt::join(missing, " "), folder.string()));
  }
  if (rows.empty()) throw UsageError("nothing that was measured fits these options");
  if (a.format == "csv") {
    print(to_csv(rows));
  } else {
    const gpu::MeasuredCard& card = measurements.front().card;
    print(fmt::format("Simulated beside measured on {} (driver {}, toolkit {}, {}), caches cold\n\n", card.name,
                      card.driver, card.toolkit, card.date) +
          to_table(rows) +
          "\nexact: global load and store requests and sectors, shared loads and stores, and where they were "
          "measured\n"
          "asynchronous copies, ldmatrix and tensor-core products, equal to the last one.\n"
          "Wavefronts of shared loads within 0.1 %, of stores 15 %; L1 → L2 reads 15 %; HBM reads 5 % or 1 MB, "
          "writes\n"
          "10 % or 2 MB, whichever is larger. \"=\": equal. \"!\": outside.\n"
          "FFMA: thread instructions. The products' are equal; of an exponential, one instruction here, the "
          "card's compiler\n"
          "makes several, some of them FFMA.\n");
  }
  // The counters that the hardware determines must agree; the caches' model is shown, and judged by the reader.
  bool sound = true;
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
