// flashlab view: a run as one HTML page.

#include "sim/cli/view_command.hpp"

#include <fmt/format.h>

#include <fstream>
#include <memory>

#include "cuda/host/bench/bench.hpp"
#include "sim/cli/prepare.hpp"
#include "sim/core/atomic_file.hpp"
#include "sim/core/error.hpp"
#include "sim/core/temporary_folder.hpp"
#include "sim/core/text.hpp"
#include "sim/report/bench_report.hpp"
#include "sim/simt/compile/compile.hpp"
#include "sim/view/page.hpp"
#include "sim/view/profile_page.hpp"

namespace flashlab::cli {
namespace {

namespace fs = std::filesystem;

struct ViewArguments {
  ReportArguments report;
  std::string stage, versus, head;
  std::string profile;
  simt::ProfileOptions profile_options;
  std::vector<std::string> program_arguments;
  std::string out, svg;
};

Index parse_head(const std::string& text, const Problem& problem) {
  if (text.empty()) return 0;
  const Bytes head = parse_size(text, "--head");
  if (head >= static_cast<Bytes>(problem.head_count())) {
    throw UsageError(fmt::format("--head {}: heads are numbered 0 to {}", text, problem.head_count() - 1));
  }
  return static_cast<Index>(head);
}

/// The ladder as it was measured, from the one run kept in the tree; nothing when there is none, or several.
view::Ladder saved_ladder() {
  std::error_code error;
  std::vector<fs::path> files;
  for (const fs::directory_entry& card : fs::directory_iterator(FLASHLAB_MEASURED_DIR, error)) {
    if (fs::is_regular_file(card.path() / "bench.json", error)) files.push_back(card.path() / "bench.json");
  }
  if (files.size() != 1) return {};
  const gpu::BenchRun run = gpu::read_bench(files.front());
  const report::Ladder ladder = report::ladder_of(run);
  view::Ladder made{.title = fmt::format("{}: batch {}, {} heads, N = {}, d = {}, {}; measured, not computed",
                                         run.card, ladder.shape.batch, ladder.shape.heads, ladder.shape.seq,
                                         ladder.shape.dim, ladder.shape.causal ? "causal" : "full")};
  for (const auto* rungs : {&ladder.stages, &ladder.peers}) {
    for (const report::Ladder::Rung& rung : *rungs) {
      made.rungs.push_back({.name = rung.row->contender,
                            .dtype = std::string(name_of(rung.at->shape.dtype)),
                            .tflops_per_s = rung.flops_per_s() / 1e12,
                            .peer = rungs == &ladder.peers});
    }
  }
  return made;
}

void write_svgs(const view::StagePage& page, const std::string& folder) {
  const fs::path program = view::assets_folder() / "charts.mjs";
  const TemporaryFolder desk("charts");
  const fs::path data = desk.path() / "data.json";
  std::ofstream(data) << view::stage_json(page);
  simt::CommandResult drawn;
  try {
    drawn = simt::run_command({"node", program.string(), data.string(), folder});
  } catch (const EnvironmentError&) {
    throw EnvironmentError(
        "--svg wants node, which is not here: install nodejs (Debian: apt install nodejs), or leave "
        "--svg out");
  }
  if (drawn.exit_code != 0)
    throw EnvironmentError(fmt::format("--svg {}: {}", folder, drawn.output.substr(0, 500)));
  fmt::print(stderr, "{}", drawn.output);
}

/// `file` was opened before the work: a place that cannot be written shows then, not after it.
void write_page(AtomicFile& file, const std::string& path, const std::string& html) {
  file.write(std::as_bytes(std::span(html)));
  file.commit();
  fmt::print(stderr, "flashlab: {} is written, {}: open it in a browser\n", path, format_bytes(html.size()));
}

int view_stages(const ViewArguments& arguments) {
  std::vector<const StageInfo*> wanted{&stage_from_slug(arguments.stage)};
  if (!arguments.versus.empty()) wanted.push_back(&stage_from_slug(arguments.versus));
  if (wanted.size() > 1 && wanted[0] == wanted[1]) {
    throw UsageError(fmt::format("--versus {}: take another stage than the first", arguments.versus));
  }
  Prepared prepared = prepare(arguments.report);
  report::Request& request = prepared.request;
  view::StagePage page{.head = parse_head(arguments.head, request.problem)};
  for (const StageInfo* stage : wanted)
    tile::choose_tiles(*stage, request.problem, request.options);  // refuses early
  const view::Assets assets = view::load_assets();
  AtomicFile file(arguments.out);

  const bool numbers = prepared.inputs && !arguments.report.count_only;
  for (const StageInfo* stage : wanted) {
    page.films.push_back(view::make_film(*stage, request.problem, request.options,
                                         numbers ? &*prepared.inputs : nullptr, page.head));
    if (!page.films.back().left_out.empty() && !arguments.report.count_only) {
      fmt::print(stderr, "flashlab: {}: {}\n", stage->slug, page.films.back().left_out);
    }
  }
  page.report = report::make_report(request);
  if (prepared.inputs) page.report.input = prepared.inputs->source;
  page.report.notes = prepared.notes;
  page.ladder = saved_ladder();
  if (!arguments.svg.empty()) write_svgs(page, arguments.svg);
  write_page(file, arguments.out, view::stage_page(page, assets));
  return static_cast<int>(ExitCode::well);
}

int view_profile(const ViewArguments& arguments) {
  if (!arguments.versus.empty() || !arguments.svg.empty()) {
    throw UsageError("--profile shows a program of yours: leave --versus and --svg out");
  }
  const view::Assets assets = view::load_assets();
  AtomicFile file(arguments.out);
  simt::ProfileOptions options = arguments.profile_options;
  options.source = arguments.profile;
  options.arguments = arguments.program_arguments;  // after the first, which stands where STAGE would
  if (!arguments.stage.empty()) options.arguments.insert(options.arguments.begin(), arguments.stage);
  options.by_instruction = true;
  if (!arguments.report.device.empty()) options.card = arguments.report.device;
  const simt::Profile profile = simt::profile(options);
  fmt::print(stderr, "{}", profile.output);
  write_page(file, arguments.out, view::profile_page(profile, options, assets));
  return static_cast<int>(profile.exit_code != 0 ? ExitCode::check_failed : ExitCode::well);
}

int view_command(ViewArguments arguments) {
  if (!arguments.profile.empty()) return view_profile(arguments);
  if (arguments.stage.empty()) {
    throw UsageError("view wants a STAGE (naive, fused, tiled, online-kv, online-q), or --profile FILE.cu");
  }
  if (!arguments.program_arguments.empty()) {
    throw UsageError(
        fmt::format("\"{}\": view takes one STAGE, and --versus for a second", arguments.program_arguments[0]));
  }
  return view_stages(arguments);
}

constexpr std::string_view kExamples = R"(
Examples:
  flashlab view online-q                         the shipped real tensors: flashlab-view.html
  flashlab view naive --versus online-q          both on one clock of bytes
  flashlab view online-kv --seq 256 --sram 32K --causal --out kv.html
  flashlab view naive --svg charts               the charts as SVG files too (wants node)
  flashlab view --profile transpose.cu -- 512    a CUDA program: counters by line, lanes over sectors and banks
)";

}  // namespace

ViewCommand declare_view(CLI::App& app, void (*add_problem_options)(CLI::App&, ReportArguments&)) {
  const auto a = std::make_shared<ViewArguments>();
  CLI::App* const view = app.add_subcommand("view", "A run as one interactive HTML page: see the bytes move");
  view->add_option("STAGE", a->stage, "naive, fused, tiled, online-kv or online-q");
  view->add_option("ARGUMENTS", a->program_arguments, "of the program that --profile runs, after --");
  view->add_option("--versus", a->versus, "a second stage beside it, on one clock of bytes");
  view->add_option("--profile", a->profile, "instead of a stage: a CUDA program, on the simt machine");
  view->add_option("--flag", a->profile_options.flags, "with --profile: for the compiler, as --flag=-DN=64")
      ->allow_extra_args(false);
  add_problem_options(*view, a->report);
  view->add_flag("--count-only", a->report.count_only, "no numbers of rows, only bytes")->group("Problem");
  view->add_option("--head", a->head, "whose numbers are shown, from 0 (default 0)")->group("Problem");
  view->add_option("--out", a->out, "the page (default flashlab-view.html)")
      ->default_val("flashlab-view.html")
      ->group("Output");
  view->add_option("--svg", a->svg, "a folder: write the charts there as SVG")->group("Output");
  view->footer(std::string(kExamples));
  return {view, [a] { return view_command(*a); }};
}

}  // namespace flashlab::cli
