// flashlab run: one stage on one of the three machines, checked against the oracle.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cuda/host/gpu.hpp"
#include "cuda/host/stage_runner.hpp"
#include "sim/cli/prepare.hpp"
#include "sim/core/error.hpp"
#include "sim/core/npy.hpp"
#include "sim/core/text.hpp"
#include "sim/report/table.hpp"
#include "sim/simt/stages/run.hpp"

namespace flashlab::cli {
namespace {

using Json = nlohmann::ordered_json;

/// What the simt and gpu machines answer, beside O.
struct Answer {
  Tensor O;
  reference::Error error;
  double tolerance = 0;
  Json details;      ///< into the stage's JSON
  std::string text;  ///< the table
  bool passed() const { return error.within(tolerance); }
};

/// Everything under Nsight Compute's names; what the caches answer comes after what the instructions say.
std::vector<std::pair<std::string, double>> metrics_of(const simt::KernelRun& kernel) {
  std::vector<std::pair<std::string, double>> all;
  for (const simt::Metric& metric : kernel.counters.metrics()) {
    all.emplace_back(metric.name, static_cast<double>(metric.value));
  }
  if (!kernel.caches) return all;
  for (const auto& [name, value] : kernel.caches->metrics()) {
    const auto same = [&, n = name](const auto& metric) { return metric.first == n; };
    if (std::ranges::none_of(all, same)) all.emplace_back(name, value);
  }
  return all;
}

/// The replay's card for a device profile: it knows fewer cards than the report.
std::string_view card_of(const DeviceProfile& device) {
  for (const simt::ReplayProfile& profile : simt::replay_profiles()) {
    if (device.name.starts_with(profile.name)) return profile.name;
  }
  throw UsageError(fmt::format("the caches of {} are not modelled: take t4, a100, h100 or h200", device.name));
}

/// Of `heads` heads a batch, the first of each of `kept` groups.
Tensor first_of_groups(const Tensor& X, Index kept) {
  Tensor firsts(X.batch(), kept, X.seq(), X.dim());
  for (Index head = 0; head < X.batch() * kept; ++head) {
    std::copy_n(X.head(head * (X.heads() / kept)), X.head_size(), firsts.head(head));
  }
  return firsts;
}

/// The heads of K or V once for each head of Q that reads them: what the oracle takes.
Tensor for_every_head(const Tensor& X, Index heads) {
  Tensor all(X.batch(), heads, X.seq(), X.dim());
  for (Index head = 0; head < X.batch() * heads; ++head) {
    std::copy_n(X.head(head / (heads / X.heads())), X.head_size(), all.head(head));
  }
  return all;
}

Answer run_on_simt(const StageInfo& stage, const report::Request& request, const Inputs& in) {
  Progress progress(std::string(stage.slug));
  const simt::StageRun run =
      simt::run_stage(stage.slug, request.problem, in.q, in.k, in.v,
                      {.card = card_of(request.device),
                       .checks = true,
                       .progress = [&](std::string_view, std::uint64_t done, std::uint64_t all) {
                         progress(static_cast<Index>(done), static_cast<Index>(all));
                       }});
  for (const simt::Finding& finding : run.findings) {
    fmt::print(stderr, "flashlab: {} in {}: {}: {}\n", simt::name_of(finding.kind), finding.kernel,
               finding.what, finding.cause);
  }
  Answer answer{.O = run.O};
  answer.details["findings"] = run.findings.size();
  Bytes read = 0, written = 0;
  report::TextTable table;
  table.column("kernel", report::TextTable::Align::left);
  table.column("metric", report::TextTable::Align::left);
  table.column("value", report::TextTable::Align::right);
  for (const simt::KernelRun& kernel : run.kernels) {
    Json metrics = Json::object();
    bool first = true;
    for (const auto& [name, value] : metrics_of(kernel)) {
      metrics[name] = value;
      if (value == 0) continue;
      table.row({first ? kernel.kernel : "", name, format_count(static_cast<Bytes>(std::llround(value)))});
      first = false;
    }
    read += kernel.caches->hbm_read_bytes;
    written += kernel.caches->hbm_write_bytes;
    answer.details["kernels"].push_back(
        {{"kernel", kernel.kernel}, {"blocks_per_sm", kernel.blocks_per_sm}, {"metrics", metrics}});
  }
  answer.details["hbm_read_bytes"] = read;
  answer.details["hbm_write_bytes"] = written;
  answer.text = table.str(false);
  return answer;
}

Answer run_on_gpu(const StageInfo& stage, const report::Request& request, const Inputs& in) {
  const gpu::GpuResult result = gpu::run_stage(stage.slug, request.problem, in.q, in.k, in.v);
  Answer answer{.O = result.O};
  const auto [fastest, slowest] = std::ranges::minmax(result.pass_ms);
  answer.details = {{"card", result.card},
                    {"median_ms", result.median_ms},
                    {"min_ms", fastest},
                    {"max_ms", slowest},
                    {"passes", result.pass_ms.size()}};
  answer.text = fmt::format("{}: {:.4g} ms, the median of {} passes ({:.4g} to {:.4g}), cold start left out\n",
                            result.card, result.median_ms, result.pass_ms.size(), fastest, slowest);
  return answer;
}

int run_elsewhere(const ReportArguments& a, Prepared& prepared) {
  const report::Request& request = prepared.request;
  const StageInfo& stage = *request.stages.front();
  Inputs& in = *prepared.inputs;
  const Index heads = request.problem.heads;
  const Index kv_heads = a.kv_heads.empty() ? heads : parse_count(a.kv_heads, "--kv-heads", heads);
  if (kv_heads > heads || heads % kv_heads != 0)
    throw UsageError(fmt::format("--kv-heads {} does not divide {} heads", kv_heads, heads));
  if (kv_heads < heads) {
    in.k = first_of_groups(in.k, kv_heads);
    in.v = first_of_groups(in.v, kv_heads);
  }
  Answer answer = a.machine == "simt" ? run_on_simt(stage, request, in) : run_on_gpu(stage, request, in);
  const reference::Attention want =
      kv_heads == heads ? reference::attention(request.problem, in.q, in.k, in.v)
                        : reference::attention(request.problem, in.q, for_every_head(in.k, heads),
                                               for_every_head(in.v, heads));
  answer.error = reference::compare(answer.O.values(), want.O);
  answer.tolerance = reference::kernel_tolerance(request.problem.dtype, want.largest_score);
  if (answer.passed() && !a.out.empty()) write_npy(a.out, answer.O, request.problem.dtype);

  const Problem& p = request.problem;
  if (a.format == "json") {
    Json row{{"stage", stage.slug}, {"machine", a.machine}};
    row.update(answer.details);
    row["relative_error"] = answer.error.relative_frobenius;
    row["max_abs_error"] = answer.error.largest_absolute;
    row["passed"] = answer.passed();
    print(Json{{"schema", "flashlab.report/1"},
               {"problem",
                {{"batch", p.batch},
                 {"heads", p.heads},
                 {"kv_heads", kv_heads},
                 {"seq", p.seq},
                 {"dim", p.dim},
                 {"dtype", name_of(p.dtype)},
                 {"causal", p.causal}}},
               {"device", {{"name", request.device.name}}},
               {"input", in.source},
               {"stages", {row}}}
              .dump(2) +
          '\n');
  } else {
    print(fmt::format(
        "{} on the {} machine · {} heads{} · N = {} · d = {} · {} · {}\n\n{}\nrelative error {:.1e}, "
        "largest {:.1e}: {}\n",
        stage.slug, a.machine, p.head_count(),
        kv_heads < heads ? fmt::format(", {} of K and V", p.batch * kv_heads) : "", p.seq, p.dim,
        name_of(p.dtype), p.causal ? "causal" : "full", answer.text, answer.error.relative_frobenius,
        answer.error.largest_absolute, answer.passed() ? "equals the oracle" : "FAILED"));
  }
  if (answer.passed()) return static_cast<int>(ExitCode::well);
  fmt::print(stderr,
             "flashlab: check failed: {} on the {} machine: relative error {:.3g}, {} elements not finite\n",
             stage.slug, a.machine, answer.error.relative_frobenius, answer.error.not_finite);
  return static_cast<int>(ExitCode::check_failed);
}

}  // namespace

int run_command(const ReportArguments& arguments) {
  require_one_of("--machine", arguments.machine, {"tile", "simt", "gpu"});
  if (arguments.machine == "tile") {
    require_one_of("--format", arguments.format, {"table", "json", "csv"});
  } else {
    require_one_of("--format", arguments.format, {"table", "json"});
  }
  Prepared prepared = prepare(arguments);
  if (arguments.machine == "tile" && !arguments.kv_heads.empty()) {
    throw UsageError(
        "--kv-heads is for the kernels, --machine simt or gpu: a head of the tile machine loads its K and V by "
        "itself");
  }
  // What takes no fp32 is given bf16, unless the user or the files say otherwise.
  const gpu::KernelStage* const kernel =
      std::ranges::find(gpu::kKernelStages, prepared.request.stages.front()->slug, &gpu::KernelStage::slug);
  if (!kernel->in_f32 && arguments.dtype.empty() && prepared.request.problem.dtype == DType::f32) {
    ReportArguments rounded = arguments;
    rounded.dtype = "bf16";
    prepared = prepare(rounded);
  }
  if (arguments.machine != "tile") return run_elsewhere(arguments, prepared);
  prepared.request.inputs = &*prepared.inputs;
  report::Report report;
  {
    Progress progress("heads");
    prepared.request.progress = std::ref(progress);
    report = report::make_report(prepared.request);
  }
  if (!arguments.out.empty()) {
    if (!report.passed()) {
      fmt::print(stderr, "flashlab: {} is not written: the check failed\n", arguments.out);
    } else {
      write_npy(arguments.out, *report.rows.front().run.O, report.problem.dtype);
    }
  }
  print(arguments.format == "json"  ? report::to_json(report)
        : arguments.format == "csv" ? report::to_csv(report)
                                    : report::to_table(report, {.color = use_color(arguments.color)}));
  return report_exit_code(report);
}

}  // namespace flashlab::cli
