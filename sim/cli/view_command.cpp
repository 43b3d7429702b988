// flashlab view: a run as one HTML page.

#include "sim/cli/view_command.hpp"

#include <fmt/format.h>

#include <memory>

#include "sim/cli/prepare.hpp"
#include "sim/core/atomic_file.hpp"
#include "sim/core/error.hpp"
#include "sim/core/text.hpp"
#include "sim/view/page.hpp"

namespace flashlab::cli {
namespace {

struct ViewArguments {
  ReportArguments report;
  std::string stage, versus, head;
  std::string out;
};

void write_file(const std::filesystem::path& path, const std::string& text) {
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

Index parse_head(const std::string& text, const Problem& problem) {
  if (text.empty()) return 0;
  const Bytes head = parse_size(text, "--head");
  if (head >= static_cast<Bytes>(problem.head_count())) {
    throw UsageError(fmt::format("--head {}: heads are numbered 0 to {}", text, problem.head_count() - 1));
  }
  return static_cast<Index>(head);
}

int view_stages(ViewArguments arguments) {
  std::vector<const StageInfo*> wanted{&stage_from_slug(arguments.stage)};
  if (!arguments.versus.empty()) wanted.push_back(&stage_from_slug(arguments.versus));
  if (wanted.size() > 1 && wanted[0] == wanted[1]) {
    throw UsageError(fmt::format("--versus {}: take another stage than the first", arguments.versus));
  }
  const view::Assets assets = view::load_assets();
  Prepared prepared = prepare(arguments.report);
  report::Request& request = prepared.request;

  view::StagePage page{.head = parse_head(arguments.head, request.problem)};
  const bool numbers = prepared.inputs && !arguments.report.count_only;
  for (const StageInfo* stage : wanted) {
    page.films.push_back(view::make_film(*stage, request.problem, request.options,
                                         numbers ? &*prepared.inputs : nullptr, page.head));
    if (!page.films.back().left_out.empty()) {
      fmt::print(stderr, "flashlab: {}: {}\n", stage->slug, page.films.back().left_out);
    }
  }
  page.report = report::make_report(request);
  if (prepared.inputs) page.report.input = prepared.inputs->source;
  page.report.notes = prepared.notes;
  const std::string html = view::stage_page(page, assets);
  write_file(arguments.out, html);
  fmt::print(stderr, "flashlab: {} is written, {}: open it in a browser\n", arguments.out,
             format_bytes(html.size()));
  return static_cast<int>(ExitCode::well);
}

constexpr std::string_view kExamples = R"(
Examples:
  flashlab view online-q                         the shipped real tensors: flashlab-view.html
  flashlab view naive --versus online-q          both on one clock of bytes
  flashlab view online-kv --seq 256 --sram 32K --causal --out kv.html
)";

}  // namespace

ViewCommand declare_view(CLI::App& app, void (*add_problem_options)(CLI::App&, ReportArguments&)) {
  const auto arguments = std::make_shared<ViewArguments>();
  CLI::App* const view = app.add_subcommand("view", "A run as one interactive HTML page: see the bytes move");
  view->add_option("STAGE", arguments->stage, "naive, fused, tiled, online-kv or online-q")->required();
  view->add_option("--versus", arguments->versus, "a second stage beside it, on one clock of bytes");
  add_problem_options(*view, arguments->report);
  view->add_flag("--count-only", arguments->report.count_only, "no numbers of rows, only bytes")
      ->group("Problem");
  view->add_option("--head", arguments->head, "whose numbers are shown, from 0 (default 0)")->group("Problem");
  view->add_option("--out", arguments->out, "the page (default flashlab-view.html)")
      ->default_val("flashlab-view.html")
      ->group("Output");
  view->footer(std::string(kExamples));
  return {view, [arguments] { return view_stages(*arguments); }};
}

}  // namespace flashlab::cli
