// flashlab measure: the hardware's counters beside the simulated ones and the tile machine's bytes.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "cuda/host/stage_runner.hpp"
#include "sim/cli/measure_tables.hpp"
#include "sim/cli/measured.hpp"
#include "sim/cli/prepare.hpp"
#include "sim/core/error.hpp"
#include "sim/simt/stages/run.hpp"

namespace flashlab::cli {
namespace {

namespace fs = std::filesystem;

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
  KeptFile kept(one.folder);
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
