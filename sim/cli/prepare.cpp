#include "sim/cli/prepare.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "sim/cli/presets.hpp"
#include "sim/core/error.hpp"
#include "sim/core/text.hpp"

namespace flashlab::cli {

Index parse_count(const std::string& text, std::string_view option, Index otherwise) {
  if (text.empty()) return otherwise;
  const Bytes value = parse_size(text, option);
  if (value < 1) throw UsageError(fmt::format("{} is 0: it must be 1 or more", option));
  if (value > static_cast<Bytes>(INT64_MAX))
    throw UsageError(fmt::format("{} {} overflows 64 bits", option, text));
  return static_cast<Index>(value);
}

namespace {

tile::RegisterTile parse_register_tile(const std::string& text) {
  if (text.empty()) return {};
  const std::size_t x = text.find('x');
  if (x == std::string::npos) throw UsageError(fmt::format("--register-tile \"{}\": write it as 8x8", text));
  return {parse_count(text.substr(0, x) + "B", "--register-tile", 1),
          parse_count(text.substr(x + 1) + "B", "--register-tile", 1)};
}

DeviceProfile find_device(const std::string& name) {
  if (name.empty()) return device_from_name("h100-sxm");
  return name.ends_with(".json") ? device_from_json_file(name) : device_from_name(name);
}

bool has_files(const ReportArguments& a) {
  return !(a.q.empty() && a.k.empty() && a.v.empty() && a.input.empty());
}
bool has_shape(const ReportArguments& a) {
  return !(a.seq.empty() && a.dim.empty() && a.heads.empty() && a.batch.empty());
}

/// The inputs as files, the shipped tensors, or random ones.
Inputs load_inputs(const ReportArguments& a, const Problem& shape, std::optional<DType> dtype) {
  if (!a.input.empty()) return load_safetensors_inputs(a.input, dtype);
  if (has_files(a)) return load_npy_inputs(a.q, a.k, a.v, dtype);
  if (!has_shape(a)) return shipped_inputs(dtype);
  return random_inputs(shape, a.seed.empty() ? 1 : parse_size(a.seed, "--seed"));
}

}  // namespace

Progress::Progress(std::string what) : what_(std::move(what)), on_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
}

void Progress::operator()(Index done, Index all) {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (!on_ || now - last_ < std::chrono::milliseconds(200)) return;
  last_ = now;
  shown_ = true;
  fmt::print(stderr, "\r\x1b[K{}: {} of {}", what_, done, all);
  std::fflush(stderr);
}

void require_one_of(std::string_view option, const std::string& value,
                    std::initializer_list<std::string_view> allowed) {
  std::string list;
  for (const std::string_view name : allowed) {
    if (value == name) return;
    list += (list.empty() ? "" : ", ") + std::string(name);
  }
  throw UsageError(fmt::format("{} \"{}\": take one of {}", option, value, list));
}

Prepared prepare(ReportArguments a) {
  Prepared prepared;
  if (!a.preset.empty()) prepared.notes = apply_preset(a);
  require_one_of("--color", a.color, {"auto", "always", "never"});
  if (has_files(a)) {
    if (has_shape(a)) throw UsageError("--seq, --dim, --heads and --batch come from the files: leave them out");
    if (!a.seed.empty()) throw UsageError("--seed is for random inputs: leave it out with files");
    if (!a.input.empty() && !(a.q.empty() && a.k.empty() && a.v.empty())) {
      throw UsageError("take either --input, or --q, --k and --v");
    }
    if (a.input.empty() && (a.q.empty() || a.k.empty() || a.v.empty())) {
      throw UsageError("--q, --k and --v go together: give all three files");
    }
  }
  report::Request& request = prepared.request;
  const std::optional<DType> dtype = a.dtype.empty() ? std::nullopt : std::optional(dtype_from_name(a.dtype));
  request.problem = {.batch = parse_count(a.batch, "--batch", 1),
                     .heads = parse_count(a.heads, "--heads", 1),
                     .seq = parse_count(a.seq, "--seq", 1024),
                     .dim = parse_count(a.dim, "--dim", 64),
                     .dtype = dtype.value_or(DType::f32)};
  request.device = find_device(a.device);
  request.options = {.sram_bytes = a.sram.empty() ? request.device.sram_bytes : parse_size(a.sram, "--sram"),
                     .register_tile = parse_register_tile(a.register_tile)};
  if (!a.tile_rows.empty()) request.options.rows = parse_count(a.tile_rows, "--tile-rows", 1);
  if (!a.tile_cols.empty()) request.options.cols = parse_count(a.tile_cols, "--tile-cols", 1);
  if (a.stages.empty()) {
    for (const StageInfo& stage : stages()) request.stages.push_back(&stage);
  }
  for (const std::string& slug : a.stages) request.stages.push_back(&stage_from_slug(slug));

  const bool counted = a.count_only || !a.sweep.empty();
  request.problem.causal = a.causal;
  request.problem.validate();
  if (!counted && has_shape(a)) tile::require_memory(request.stages, request.problem);
  if (!counted || !has_shape(a)) {
    prepared.inputs = load_inputs(a, request.problem, dtype);
    request.problem = prepared.inputs->problem;
    request.problem.causal = a.causal;
  }
  return prepared;
}

int report_exit_code(const report::Report& report) {
  if (report.passed()) return static_cast<int>(ExitCode::well);
  for (const report::StageRow& row : report.rows) {
    if (row.passed()) continue;
    fmt::print(
        stderr,
        "flashlab: check failed: {}: relative error {:.3g}, {} elements not finite; up to {:.3g} is rounding\n",
        row.stage->slug, row.error->relative_frobenius, row.error->not_finite, row.tolerance);
  }
  return static_cast<int>(ExitCode::check_failed);
}

bool use_color(const std::string& option) {
  if (option != "auto") return option == "always";
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value && *value;
  };
  if (set("NO_COLOR")) return false;
  return set("FORCE_COLOR") || isatty(STDOUT_FILENO) == 1;
}

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw EnvironmentError("cannot write to standard output: is the disk full?");
  }
}

}  // namespace flashlab::cli
