// flashlab bench: the stages' speed on the card, beside libraries and the card's roof.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "cuda/host/bench/card.hpp"
#include "cuda/host/bench/nvml.hpp"
#include "cuda/host/bench/peers.hpp"
#include "cuda/host/measure.hpp"
#include "cuda/host/process.hpp"
#include "sim/cli/prepare.hpp"
#include "sim/core/atomic_file.hpp"
#include "sim/core/error.hpp"
#include "sim/core/text.hpp"
#include "sim/report/bench_report.hpp"

namespace flashlab::cli {
namespace {

namespace fs = std::filesystem;
using gpu::BenchCase;
using gpu::BenchRun;
using gpu::BenchShape;
using gpu::KernelStage;

constexpr std::array kDefaultSeqs{512, 1024, 2048, 4096, 8192, 16384};
constexpr std::array kDefaultDims{64, 128};

int whole(const std::string& text, std::string_view option, int least, int most) {
  const Bytes value = parse_size(text, option);
  if (value < static_cast<Bytes>(least) || value > static_cast<Bytes>(most))
    throw UsageError(fmt::format("{} is {}: take {} to {}", option, text, least, most));
  return static_cast<int>(value);
}

std::vector<int> whole_list(const std::vector<std::string>& texts, std::string_view option, int most,
                            std::span<const int> instead) {
  std::vector<int> values;
  for (const std::string& text : texts) values.push_back(whole(text, option, 1, most));
  if (values.empty()) values.assign(instead.begin(), instead.end());
  return values;
}

double seconds_of(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value > 0 && value <= 3600))
    throw UsageError(fmt::format("--seconds is \"{}\": take a number above 0, up to 3600", text));
  return value;
}

const KernelStage& kernel_stage(const std::string& slug) {
  std::vector<std::string_view> slugs;
  for (const KernelStage& stage : gpu::kKernelStages) {
    if (stage.slug == slug) return stage;
    slugs.push_back(stage.slug);
  }
  const std::string nearest = nearest_name(slug, slugs);
  throw UsageError(fmt::format("\"{}\" has no kernel{}: the stages that have one are {}", slug,
                               nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest),
                               fmt::join(slugs, ", ")));
}

bool takes(const KernelStage& stage, DType dtype) {
  return dtype == DType::f32 ? stage.in_f32 : stage.in_16_bits;
}

/// The types to measure: those asked for, or fp32 and bf16 where a wanted stage computes in them.
std::vector<DType> dtypes_of(const BenchArguments& a) {
  std::vector<DType> dtypes;
  for (const std::string& name : a.dtype) dtypes.push_back(dtype_from_name(name));
  if (dtypes.empty()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const bool wanted = a.stages.empty() || std::ranges::any_of(a.stages, [&](const std::string& slug) {
                            return takes(kernel_stage(slug), dtype);
                          });
      if (wanted) dtypes.push_back(dtype);
    }
  }
  for (const std::string& slug : a.stages) {
    const KernelStage& stage = kernel_stage(slug);
    if (std::ranges::none_of(dtypes, [&](DType dtype) { return takes(stage, dtype); }))
      throw UsageError(fmt::format("{} computes in {}: take --dtype {}", slug,
                                   stage.in_f32 ? "fp32" : "fp16 and bf16", stage.in_f32 ? "fp32" : "bf16"));
  }
  return dtypes;
}

std::vector<bool> masks_of(const BenchArguments& a) {
  if (a.causal == a.full) return {false, true};
  return {a.causal};
}

/// "4x32x8x2048x128": batch, heads, heads of K and V, N, d.
BenchShape shape_from(const std::string& text) {
  std::array<int, 5> extents{};
  std::size_t at = 0;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    const std::size_t end = i + 1 < extents.size() ? text.find('x', at) : text.size();
    if (end == std::string::npos)
      throw UsageError(fmt::format("--shapes \"{}\": write BATCHxHEADSxKVHEADSxNxD, as 4x32x8x2048x128", text));
    extents[i] = whole(text.substr(at, end - at), "--shapes", 1, 1 << 24);
    at = end + 1;
  }
  const auto [batch, heads, kv_heads, seq, dim] = extents;
  return {DType::f32, batch, heads, kv_heads, seq, dim, false};
}

std::vector<BenchShape> base_shapes(const BenchArguments& a) {
  std::vector<BenchShape> shapes;
  if (!a.shapes.empty()) {
    if (!a.seq.empty() || !a.dim.empty() || !a.kv_heads.empty())
      throw UsageError("--shapes states N, d and heads: leave --seq, --dim and --kv-heads out");
    for (const std::string& text : a.shapes) shapes.push_back(shape_from(text));
  } else {
    const int tokens = whole(a.tokens, "--tokens", 1, 1 << 28),
              hidden = whole(a.hidden, "--hidden", 1, 1 << 20);
    for (const int dim : whole_list(a.dim, "--dim", static_cast<int>(kMaxDim), kDefaultDims)) {
      for (const int seq : whole_list(a.seq, "--seq", 1 << 24, kDefaultSeqs)) {
        const int heads = std::max(1, hidden / dim);
        const int kv_heads = a.kv_heads.empty() ? heads : whole(a.kv_heads, "--kv-heads", 1, heads);
        shapes.push_back({DType::f32, std::max(1, tokens / seq), heads, kv_heads, seq, dim, false});
      }
    }
  }
  for (const BenchShape& s : shapes) {
    if (s.heads % s.kv_heads != 0)
      throw UsageError(fmt::format("{} heads of K and V do not divide {} heads", s.kv_heads, s.heads));
    Problem{.batch = s.batch, .heads = s.heads, .seq = s.seq, .dim = s.dim}.validate();
    if (s.compulsory_bytes() > 1e12 || 1.0 * s.batch * s.heads > 1e9)
      throw UsageError(fmt::format("batch {} × heads {} × N {} × d {}: the tensors would not fit on a card",
                                   s.batch, s.heads, s.seq, s.dim));
  }
  return shapes;
}

std::vector<BenchShape> all_shapes(const BenchArguments& a) {
  std::vector<BenchShape> shapes;
  const std::vector<BenchShape> bases = base_shapes(a);
  std::vector<int> dims;
  for (const BenchShape& base : bases) {
    if (std::ranges::find(dims, base.dim) == dims.end()) dims.push_back(base.dim);
  }
  for (const DType dtype : dtypes_of(a)) {
    for (const int dim : dims) {
      for (const bool causal : masks_of(a)) {
        for (BenchShape shape : bases) {
          if (shape.dim != dim) continue;
          shape.dtype = dtype;
          shape.causal = causal;
          shapes.push_back(shape);
        }
      }
    }
  }
  return shapes;
}

void write_text(const fs::path& path, const std::string& text) {
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

std::string today() {
  char date[16];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
  return date;
}

void say(const std::string& line) { fmt::print(stderr, "flashlab: {}\n", line); }

/// PyTorch's back ends; null when there are none and none are required.
std::unique_ptr<gpu::Peers> start_peers(const BenchArguments& a, double flush_bytes, BenchRun& run) {
  if (a.peers == "none") return nullptr;
  const char* const named = std::getenv("FLASHLAB_PYTHON");
  const auto found = gpu::find_program("python3");
  std::string why = "no python3 on PATH";
  if (named || found) {
    try {
      say("starting PyTorch");
      return std::make_unique<gpu::Peers>(named ? named : found->string(), flush_bytes);
    } catch (const EnvironmentError& error) {
      why = error.what();
    }
  }
  const std::string told = fmt::format("no PyTorch beside it: {}", why);
  if (a.peers == "require")
    throw EnvironmentError(
        told + ": let FLASHLAB_PYTHON name a Python that has torch with CUDA, or take --peers none");
  run.notes.push_back(told);
  say(told);
  return nullptr;
}

BenchRun measure(const BenchArguments& a) {
  gpu::BenchOptions options;
  options.shapes = all_shapes(a);
  options.method = {.runs = whole(a.runs, "--runs", 1, 10000),
                    .rounds = whole(a.rounds, "--rounds", 1, 1000),
                    .seconds = seconds_of(a.seconds),
                    .checked_rows = 4096};
  std::vector<std::string> slugs = a.stages;
  if (slugs.empty()) {
    for (const KernelStage& stage : gpu::kKernelStages) slugs.emplace_back(stage.slug);
  }
  gpu::BenchCard card;  // throws where there is none
  BenchRun run;
  run.date = today();
  card.describe(run);
  options.method.flush_bytes = card.flush_bytes();
  gpu::NvmlMeter meter(gpu::pci_bus_id());
  run.driver = meter.driver_version();
  if (!meter.problem().empty()) run.notes.push_back(meter.problem());

  const std::unique_ptr<gpu::Peers> peers = start_peers(a, card.flush_bytes(), run);
  if (peers) run.software = peers->software();
  std::string problem;
  const std::string cublas = card.open_cublas(
      peers ? std::span<const std::string>(peers->library_folders()) : std::span<const std::string>(), problem);
  if (cublas.empty()) {
    run.notes.push_back(problem);
    say(problem);
  } else {
    run.software["cuBLAS"] = cublas;
  }
  say(fmt::format("{}: the roof", run.card));
  try {
    run.roof = card.measure_roof(20, meter);
  } catch (const EnvironmentError& error) {
    run.notes.push_back(fmt::format("the roof was not measured: {}", error.what()));
    say(run.notes.back());
    if (!card.usable()) throw;
  }
  std::vector<std::unique_ptr<gpu::Contender>> contenders = card.stages(slugs, a.ablate);
  if (auto library = card.cublas(); library && a.peers != "none") contenders.push_back(std::move(library));
  if (peers) {
    for (auto& peer : peers->contenders()) contenders.push_back(std::move(peer));
  }
  options.progress = say;
  if (!a.out.empty()) {
    write_text(a.out, bench_json(run));  // a place that cannot be written shows before the hour, not after
    options.case_done = [&](const BenchRun& so_far) { write_text(a.out, bench_json(so_far)); };
  }
  gpu::run_bench(run, contenders, meter, options, [&] { return card.usable(); });
  return run;
}

fs::path measured_folder(const BenchArguments& a) {
  return a.measured.empty() ? fs::path(FLASHLAB_MEASURED_DIR) : fs::path(a.measured);
}

/// What a kept run is called: a run of stages without their ideas stands beside the ladder, and does not replace it.
std::string_view kept_name(const BenchArguments& a) { return a.ablate ? "ablations.json" : "bench.json"; }

/// The kept run, or the files asked for, put together: where two hold the same shape, the later one counts.
BenchRun read_runs(const BenchArguments& a) {
  std::vector<fs::path> files(a.from.begin(), a.from.end());
  if (files.empty()) {
    std::error_code error;
    for (const fs::directory_entry& card : fs::directory_iterator(measured_folder(a), error)) {
      if (fs::path file = card.path() / kept_name(a); fs::is_regular_file(file, error)) files.push_back(file);
    }
    std::ranges::sort(files);
    if (files.empty())
      throw EnvironmentError(
          fmt::format("{}: no {} is kept there: run flashlab bench{} --save on a machine with a GPU",
                      measured_folder(a).string(), kept_name(a), a.ablate ? " --ablate" : ""));
    if (files.size() > 1) {
      std::vector<std::string> names;
      for (const fs::path& file : files) names.push_back(file.string());
      throw UsageError(fmt::format("benches of several cards are kept: choose with --from {}",
                                   fmt::join(names, " or --from ")));
    }
  }
  BenchRun run = gpu::read_bench(files.front());
  for (std::size_t i = 1; i < files.size(); ++i) {
    BenchRun more = gpu::read_bench(files[i]);
    if (more.card != run.card)
      throw UsageError(
          fmt::format("{} is of another card ({}, not {})", files[i].string(), more.card, run.card));
    for (BenchCase& at : more.cases) {
      const auto same = std::ranges::find(run.cases, at.shape, &BenchCase::shape);
      if (same == run.cases.end()) {
        run.cases.push_back(std::move(at));
      } else {
        *same = std::move(at);
      }
    }
    for (const std::string& note : more.notes) {
      if (std::ranges::find(run.notes, note) == run.notes.end()) run.notes.push_back(note);
    }
    run.software.insert(more.software.begin(), more.software.end());
  }
  return run;
}

report::BenchFilter filter_of(const BenchArguments& a) {
  report::BenchFilter filter{.stages = a.stages};
  filter.seqs = whole_list(a.seq, "--seq", 1 << 24, {});
  filter.dims = whole_list(a.dim, "--dim", static_cast<int>(kMaxDim), {});
  for (const std::string& name : a.dtype) filter.dtypes.push_back(dtype_from_name(name));
  if (a.causal != a.full) filter.causal = a.causal;
  return filter;
}

}  // namespace

int bench_command(const BenchArguments& a) {
  require_one_of("--format", a.format, {"table", "json", "csv", "svg"});
  require_one_of("--peers", a.peers, {"auto", "none", "require"});
  for (const std::string& slug : a.stages) kernel_stage(slug);
  const bool reads = a.saved || !a.from.empty();
  if (reads && !a.shapes.empty()) throw UsageError("--saved and --from measure nothing: leave --shapes out");
  if (a.ablate && !a.from.empty())
    throw UsageError("--from shows what its files hold: --ablate chooses what to measure, or the kept run");
  if (a.saved && !a.from.empty()) throw UsageError("take --saved or --from, not both");
  const BenchRun whole_run = reads ? read_runs(a) : measure(a);
  if (!a.out.empty()) write_text(a.out, bench_json(whole_run));
  if (a.save) {
    const fs::path path = measured_folder(a) / gpu::card_slug(whole_run.card) / kept_name(a);
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    write_text(path, bench_json(whole_run));
    say(fmt::format("wrote {}", path.string()));
  }
  const BenchRun run = reads ? report::filtered(whole_run, filter_of(a)) : whole_run;
  if (run.cases.empty()) throw UsageError("nothing that was measured fits these options");
  const auto picture = [&] { return a.ladder ? report::ladder_svg(run) : report::bench_svg(run); };
  if (!a.svg.empty()) write_text(a.svg, picture());
  if (a.format == "json") {
    print(bench_json(run));
  } else if (a.format == "csv") {
    print(report::bench_csv(run));
  } else if (a.format == "svg") {
    print(picture());
  } else {
    print(a.ladder ? report::ladder_table(run) : report::bench_table(run, {a.against, a.brief}));
  }
  for (const BenchCase& at : run.cases) {
    for (const gpu::BenchRow& row : at.rows) {
      if (row.wrong)
        say(fmt::format("{} at N = {}, d = {}: {}", row.name(), at.shape.seq, at.shape.dim, row.problem));
    }
  }
  const ExitCode code = run.passed() ? ExitCode::well : ExitCode::check_failed;
  if (gpu::BenchCard::hangs()) std::_Exit(static_cast<int>(code));  // all is printed; CUDA's own end would wait
  return static_cast<int>(code);
}

}  // namespace flashlab::cli
