// The flashlab program: takes the arguments apart, calls a command, turns errors into one line and an exit code.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <new>

#include "sim/cli/commands.hpp"
#include "sim/cli/lab_command.hpp"
#include "sim/cli/view_command.hpp"
#include "sim/core/error.hpp"
#include "sim/core/text.hpp"
#include "sim/simt/profile/profile.hpp"

namespace flashlab::cli {
namespace {

constexpr std::string_view kReportExamples = R"(
Examples:
  flashlab                                       the shipped real tensors, every stage, numbers checked
  flashlab report --seq 8K --dim 64 --count-only --device h100-sxm
  flashlab report --q Q.npy --k K.npy --v V.npy --causal
  flashlab report --input attention.safetensors --dtype bf16 --format json
  flashlab report --sweep seq=1K..1M --dim 64 --format svg > curve.svg
  flashlab report --sweep sram=32K..1M --seq 4K --dim 64
  flashlab report --preset gpt2-medium-a100
)";

constexpr std::string_view kRunExamples = R"(
Examples:
  flashlab run online-q                          on the shipped real tensors
  flashlab run online-kv --q Q.npy --k K.npy --v V.npy --out O.npy
  flashlab run fused --seq 300 --dim 64 --sram 96K
  flashlab run online-q --machine simt --seq 256     the CUDA source on the CPU, counted as on an H100
  flashlab run online-q --machine gpu                the same source on this machine's GPU
  flashlab run tensor-core --machine simt --dtype fp16 --seq 256 --heads 4 --kv-heads 2
)";

void add_problem_options(CLI::App& app, ReportArguments& a) {
  app.add_option("--seq", a.seq, "N, queries and keys (4096, 8K, 1M); random inputs")->group("Problem");
  app.add_option("--dim", a.dim, "d, the head dimension, 1 to 256 (default 64)")->group("Problem");
  app.add_option("--heads", a.heads, "heads (default 1)")->group("Problem");
  app.add_option("--batch", a.batch, "batch (default 1)")->group("Problem");
  app.add_option("--dtype", a.dtype, "fp32, fp16 or bf16: the type in HBM (default: the input's, or fp32)")
      ->group("Problem");
  app.add_flag("--causal", a.causal, "row i sees columns 0 to i only")->group("Problem");
  app.add_option("--seed", a.seed, "of random inputs (default 1)")->group("Problem");
  app.add_option("--q", a.q, "Q as .npy: (N, d), (heads, N, d) or (batch, heads, N, d)")->group("Input files");
  app.add_option("--k", a.k, "K as .npy")->group("Input files");
  app.add_option("--v", a.v, "V as .npy")->group("Input files");
  app.add_option("--input", a.input, "a .safetensors file with tensors q, k, v")->group("Input files");
  app.add_option("--device", a.device, "a GPU (see flashlab devices) or FILE.json (default h100-sxm)")
      ->group("Machine");
  app.add_option("--sram", a.sram, "M, bytes of SRAM (227K); default: the device's")->group("Machine");
  app.add_option("--tile-rows,--br", a.tile_rows, "Br, rows of Q a tile; default from M")->group("Machine");
  app.add_option("--tile-cols,--bc", a.tile_cols, "Bc, rows of K and V a tile; default from M")
      ->group("Machine");
  app.add_option("--register-tile", a.register_tile,
                 "how operands are reused in registers, as RxC (default 1x1: not)")
      ->group("Machine");
  app.add_option("--color", a.color, "auto, always or never")->group("Output");
}

void print_line(const std::string& message) {
  // Names of files and tensors come from outside: no control character of theirs reaches the terminal. The lines of a
  // message stay lines, for a compiler has several things to say; all but the first are indented.
  std::string line;
  for (const char c : message) {
    if (c == '\n') {
      line += "\n  ";
    } else {
      line += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    }
  }
  fmt::print(stderr, "flashlab: {}\n", line);
}

void refuse_unknown_command(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-' || argv[1][0] == '\0') return;
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  if (std::ranges::find(names, argv[1]) != names.end()) {
    const CLI::App* const command = app.get_subcommand(argv[1]);
    if (!command->get_subcommands([](const CLI::App*) { return true; }).empty())
      refuse_unknown_command(*command, argc - 1, argv + 1);
    return;
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string nearest = nearest_name(argv[1], views);
  const std::string parent = app.get_parent() == nullptr ? "" : app.get_name() + " ";
  throw UsageError(fmt::format("unknown command \"{}{}\"{}: see flashlab {}--help", parent, argv[1],
                               nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest), parent));
}

int run_program(int argc, char** argv) {
  CLI::App app{
      "Flashlab: FlashAttention, one byte at a time.\n"
      "Without a command: the IO report of every stage on the shipped real tensors."};
  app.set_version_flag("--version", "flashlab " FLASHLAB_VERSION);
  app.require_subcommand(0, 1);
  app.footer(
      "\nflashlab COMMAND --help shows a command's options and examples.\n"
      "Exit codes: 0 well, 1 a check failed, 2 wrong usage, 3 the environment lacks something.");
  ReportArguments report_arguments, run_arguments;
  std::string devices_format = "table";

  CLI::App* const report =
      app.add_subcommand("report", "The IO table: what every stage moves, needs and costs");
  add_problem_options(*report, report_arguments);
  report->add_option("--stages", report_arguments.stages, "only these (naive,online-q)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group("Problem");
  report->add_flag("--count-only", report_arguments.count_only, "count bytes, compute nothing: any N")
      ->group("Machine");
  report->add_option("--preset", report_arguments.preset, "gpt2-medium-a100: the paper's Figure 2 setting")
      ->group("Problem");
  report
      ->add_option("--sweep", report_arguments.sweep,
                   "seq=1K..1M, sram=32K..1M:50 or tile=16..512: curves with the lower bound")
      ->group("Output");
  report->add_option("--format", report_arguments.format, "table, json, csv or svg")->group("Output");
  report->footer(std::string(kReportExamples));

  CLI::App* const run = app.add_subcommand("run", "One stage, checked against the oracle");
  run->add_option("STAGE", run_arguments.stages,
                  "naive, fused, tiled, online-kv, online-q, registers, tensor-core or hopper")
      ->required()
      ->expected(1);
  run->add_option("--machine", run_arguments.machine, "tile (default), simt or gpu");
  add_problem_options(*run, run_arguments);
  run->add_option(
         "--kv-heads", run_arguments.kv_heads,
         "heads of K and V, dividing the heads: the first K and V of each group serve all of it (simt and "
         "gpu; registers, tensor-core, hopper)")
      ->group("Problem");
  run->add_option("--out", run_arguments.out, "write O there, as .npy")->group("Output");
  run->add_option("--format", run_arguments.format, "table, json or csv")->group("Output");
  run->footer(std::string(kRunExamples));

  CLI::App* const devices = app.add_subcommand("devices", "The built-in device profiles and their sources");
  devices->add_option("--format", devices_format, "table or json");

  MeasureArguments measure_arguments;
  CLI::App* const measure =
      app.add_subcommand("measure", "Hardware counters of every kernel beside the simulated ones");
  measure->add_option("STAGE", measure_arguments.stages, "only these stages");
  measure->add_flag("--saved", measure_arguments.saved,
                    "measure nothing: simulate what was measured before (no GPU)");
  measure->add_option("--from", measure_arguments.from, "take over a folder that cuda/measure.sh wrote");
  measure->add_option("--measured", measure_arguments.measured,
                      "where measurement files lie (default: the tree's)");
  measure->add_flag("--quick", measure_arguments.quick, "the smallest shape alone");
  measure->add_option("--seq", measure_arguments.seq, "this N alone (4K)");
  measure->add_option("--device", measure_arguments.device,
                      "whose counters: t4, a100, h100, h200 or a card's folder (default: of the card just "
                      "measured; with --saved h100)");
  measure->add_flag("--card", measure_arguments.card, "with --saved: the card's counters, nothing simulated");
  measure->add_flag("--keep", measure_arguments.keep,
                    "keep what was simulated beside the measurements, shape by shape");
  measure->add_flag("--rest", measure_arguments.rest, "with --keep: only shapes that are not kept yet");
  measure->add_flag("--kept", measure_arguments.kept, "simulate nothing: show what was kept");
  measure->add_flag("--replays", measure_arguments.replays,
                    "simulate nothing: show where the card repeated accesses of shared memory");
  measure->add_option("--format", measure_arguments.format, "table or csv");
  measure->footer(
      "\nExamples:\n"
      "  flashlab measure --saved --quick      simulated beside the H100's saved counters, half a minute\n"
      "  flashlab measure naive --saved --card --seq 4K   what the H100 counted, at once\n"
      "  flashlab measure --saved --kept       every measured shape, as simulated when it was last kept\n"
      "  flashlab measure --saved --keep       simulate every measured shape anew (many minutes), and keep it\n"
      "  flashlab measure --saved --kept --device h200      of another card\n"
      "  flashlab measure online-q             on a GPU with Nsight Compute: measure, save, compare");

  BenchArguments b;
  CLI::App* const bench =
      app.add_subcommand("bench", "On a GPU: the ladder's speed beside libraries and its roof");
  bench->add_option("STAGE", b.stages, "only these stages (default: all)");
  bench->add_option("--seq", b.seq, "N, a list (default 512,1K,2K,4K,8K,16K)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group("Shapes");
  bench->add_option("--dim", b.dim, "d, a list (default 64,128)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group("Shapes");
  bench->add_option("--dtype", b.dtype, "fp32, fp16, bf16 (default fp32,bf16)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group("Shapes");
  bench->add_flag("--causal", b.causal, "causal only (default: both)")->group("Shapes");
  bench->add_flag("--full", b.full, "without a mask only")->group("Shapes");
  bench->add_option("--tokens", b.tokens, "batch is tokens / N (default 16K)")->group("Shapes");
  bench->add_option("--hidden", b.hidden, "heads are hidden / d (default 2K)")->group("Shapes");
  bench->add_option("--kv-heads", b.kv_heads, "heads of K and V (default: as many as heads)")->group("Shapes");
  bench->add_option("--shapes", b.shapes, "instead of the above: BATCHxHEADSxKVHEADSxNxD, a list")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group("Shapes");
  bench->add_option("--runs", b.runs, "timed runs of each (default 30)")->group("Method");
  bench->add_option("--rounds", b.rounds, "in which contenders take turns (default 5)")->group("Method");
  bench->add_option("--seconds", b.seconds, "a slow contender runs less often, for this long (default 3)")
      ->group("Method");
  bench
      ->add_flag("--ablate", b.ablate,
                 "each stage also without each of its ideas; with --saved: the kept run of that")
      ->group("Method");
  bench->add_option("--peers", b.peers, "PyTorch's attention: auto (if found), none or require")
      ->group("Method");
  bench->add_flag("--saved", b.saved, "measure nothing: show the run kept in the tree")->group("Input");
  bench->add_option("--from", b.from, "measure nothing: show these files, merged")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group("Input");
  bench->add_option("--measured", b.measured, "where kept runs lie (default: the tree's)")->group("Input");
  bench->add_option("--against", b.against, "peers to divide by (default: the fastest)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group("Output");
  bench->add_flag("--brief", b.brief, "rates only")->group("Output");
  bench->add_flag("--ladder", b.ladder, "one shape, a line a rung")->group("Output");
  bench->add_option("--format", b.format, "table, json, csv or svg")->group("Output");
  bench->add_option("--out", b.out, "write the run there, as JSON")->group("Output");
  bench->add_option("--svg", b.svg, "write the picture there")->group("Output");
  bench->add_flag("--save", b.save, "keep the run in the tree, for --saved")->group("Output");
  bench->footer(
      "\nExamples:\n"
      "  flashlab bench --out run.json                every stage and peer; minutes\n"
      "  flashlab bench hopper --dtype bf16 --dim 128 --causal --against torch-cudnn,torch-flash\n"
      "  flashlab bench tensor-core --ablate --seq 4K --peers none\n"
      "  flashlab bench tensor-core --ablate --saved  what each idea bought on the H100, without a GPU\n"
      "  flashlab bench --saved --ladder              the kept run, without a GPU");

  ResourcesArguments resources_arguments;
  CLI::App* const resources =
      app.add_subcommand("resources", "Registers, spills, shared memory and occupancy of every kernel");
  resources->add_option("STAGE", resources_arguments.stages, "only these stages (default: all)");
  resources->add_option("--dim", resources_arguments.dim, "d, a list (default 64,128)")
      ->delimiter(',')
      ->allow_extra_args(false);
  resources->add_option("--format", resources_arguments.format, "table or csv");

  simt::ProfileOptions profile_options;
  std::string profile_source, profile_format = "table";
  CLI::App* const profile = app.add_subcommand("profile", "Any CUDA program, unmodified, on the simt machine");
  profile->add_option("FILE.cu", profile_source, "the program; its arguments follow after --")->required();
  profile->add_option("ARGUMENTS", profile_options.arguments, "of the program");
  profile->add_option("--flag", profile_options.flags, "for the compiler, as --flag=-DN=64 or --flag=-Isrc")
      ->allow_extra_args(false);
  profile->add_flag("--lines", profile_options.lines, "the counters of each source line too");
  profile->add_option("--device", profile_options.card,
                      "t4, a100, h100 (default) or h200: its caches, and the card that the program sees; none: "
                      "no caches, faster");
  profile
      ->add_option("--launches", profile_options.launches,
                   "end the program after so many: for those that repeat a launch a thousand times")
      ->check(CLI::PositiveNumber);
  profile->add_option("--registers", profile_options.registers_per_thread,
                      "a thread, for the occupancy (default 32; nvcc -Xptxas -v prints them)");
  profile->add_option("--format", profile_format, "table, csv or json");
  profile->add_flag_callback(
      "--csv", [&] { profile_format = "csv"; }, "the same as --format csv");
  profile->add_flag_callback(
      "--json", [&] { profile_format = "json"; }, "the same as --format json");
  profile->footer(
      "\nExamples:\n"
      "  flashlab profile transpose.cu            counters a launch, findings, and what to do about them\n"
      "  flashlab profile matmul.cu --lines --device a100 -- 512\n"
      "  flashlab profile softmax.cu --csv > counters.csv\n"
      "Counted: memory, banks, caches (a model), barriers, collectives, tensor cores, arithmetic by class. "
      "Inline PTX runs\n"
      "where it is known; what is not known is named by line (exit code 3).");

  std::string doctor_format = "table", doctor_color = "auto";
  CLI::App* const doctor = app.add_subcommand("doctor", "What works on this machine, and how to mend the rest");
  doctor->add_option("--format", doctor_format, "table or json");
  doctor->add_option("--color", doctor_color, "auto, always or never");

  DocsArguments docs_arguments;
  CLI::App* const docs =
      app.add_subcommand("docs", "Write the outputs, code and figures in README, docs and chapters anew");
  docs->add_option("PAGE", docs_arguments.only,
                   "only these pages or folders (default: README.md, docs, chapters)");
  docs->add_flag("--check", docs_arguments.check, "only say what differs; exit code 1 when something does");
  docs->add_flag("--slow", docs_arguments.slow, "run the commands that are marked slow, too");
  docs->add_flag("--times", docs_arguments.times, "say how long each command took");
  docs->add_option("--tree", docs_arguments.folder, "the source tree (default: here)");
  docs->footer(
      "\nExamples:\n"
      "  flashlab docs chapters/03-naive    after an edit: its outputs, code and tables, as they are today\n"
      "  flashlab docs --check              what the test does\n"
      "docs/writing.md shows the markers.");

  const ViewCommand view = declare_view(app, add_problem_options);

  const std::function<int()> lab_command = add_lab_command(app);

  std::string figure_name;
  CLI::App* const figure =
      app.add_subcommand("figure", "A figure of the book, as SVG; without a name, their list");
  figure->add_option("NAME", figure_name, "which one");
  figure->footer("\nExample:\n  flashlab figure loops > loops.svg");

  refuse_unknown_command(app, argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help and --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    const auto chosen = app.get_subcommands();
    throw UsageError(fmt::format("{}: see flashlab {}--help", error.what(),
                                 chosen.empty() ? "" : chosen.front()->get_name() + " "));
  }
  if (*view.app) return view.run();
  if (app.got_subcommand("lab")) return lab_command();
  if (*run) return run_command(run_arguments);
  if (*profile) {
    using Format = simt::ProfileOptions::Format;
    if (profile_format != "table" && profile_format != "csv" && profile_format != "json") {
      throw UsageError(fmt::format("--format \"{}\": take table, csv or json", profile_format));
    }
    profile_options.format = profile_format == "csv"    ? Format::csv
                             : profile_format == "json" ? Format::json
                                                        : Format::table;
    profile_options.source = profile_source;
    return simt::profile_main(profile_options);
  }
  if (*bench) return bench_command(b);
  if (*resources) return resources_command(resources_arguments);
  if (*measure) return measure_command(measure_arguments);
  if (*doctor) return doctor_command(doctor_format, doctor_color);
  if (*docs) return docs_command(docs_arguments);
  if (*figure) return figure_command(figure_name);
  if (*devices) return devices_command(devices_format);
  return report_command(report_arguments);
}

}  // namespace
}  // namespace flashlab::cli

int main(int argc, char** argv) {
  using namespace flashlab;
  try {
    return cli::run_program(argc, argv);
  } catch (const UsageError& error) {
    cli::print_line(error.what());
    return static_cast<int>(ExitCode::usage);
  } catch (const EnvironmentError& error) {
    cli::print_line(error.what());
    return static_cast<int>(ExitCode::environment);
  } catch (const std::bad_alloc&) {
    cli::print_line("not enough memory: take a smaller problem, or --count-only");
    return static_cast<int>(ExitCode::environment);
  } catch (const std::exception& error) {
    cli::print_line(fmt::format("internal error: {}: please report it with the command line", error.what()));
    return static_cast<int>(ExitCode::check_failed);
  }
}
