#include "sim/simt/profile/profile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sim/core/error.hpp"
#include "sim/core/fingerprint.hpp"
#include "sim/core/temporary_folder.hpp"
#include "sim/simt/compile/compile.hpp"
#include "sim/simt/replay/profiles.hpp"

namespace flashlab::simt {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::vector<std::string> split(std::string_view list, char separator) {
  std::vector<std::string> parts;
  std::istringstream in{std::string(list)};
  for (std::string part; std::getline(in, part, separator);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

fs::path cache_folder(const ProfileOptions& options) {
  fs::path folder = options.cache_dir;
  if (folder.empty()) {
    const char* xdg = std::getenv("XDG_CACHE_HOME");
    const char* home = std::getenv("HOME");
    folder = xdg != nullptr && *xdg != 0 ? fs::path(xdg) / "flashlab"
             : home != nullptr           ? fs::path(home) / ".cache" / "flashlab"
                                         : fs::temp_directory_path() / "flashlab-cache";
  }
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw EnvironmentError(fmt::format("cannot make the cache folder {}: {}; set XDG_CACHE_HOME",
                                       folder.string(), error.message()));
  return folder;
}

/// Where headers and libraries stand: beside an installed program, else where they were built.
struct Parts {
  fs::path include_dir = FLASHLAB_SIMT_INCLUDE_DIR;
  std::vector<std::string> libraries = split(FLASHLAB_SIMT_LIBRARIES, '|');
};
Parts find_parts() {
  Parts parts;
  std::error_code error;
  const fs::path bin = fs::read_symlink("/proc/self/exe", error).parent_path();
  const fs::path include_dir = bin / FLASHLAB_BIN_TO_INCLUDE / "flashlab/sim/simt/include";
  if (error || !fs::exists(include_dir / "cuda_runtime.h", error)) return parts;
  parts.include_dir = include_dir.lexically_normal();
  const fs::path lib = (bin / FLASHLAB_BIN_TO_LIB).lexically_normal();
  for (std::string& library : parts.libraries) {
    const std::string name = fs::path(library).filename().string();
    if (!name.starts_with("libflashlab_")) continue;
    library = (lib / name).string();
    if (!fs::exists(library, error))
      throw EnvironmentError(fmt::format("{} is missing: install Flashlab again (cmake --install)", library));
  }
  return parts;
}

fs::path program_for(const ProfileOptions& options) {
  Parts parts = find_parts();
  const std::vector<std::string>& libraries = parts.libraries;
  CompileOptions compile_options;
  compile_options.compiler = FLASHLAB_SIMT_COMPILER;
  compile_options.include_dir = parts.include_dir;
  compile_options.flags = options.flags;
  if (options.card != "none" && replay_profile(options.card).name == "t4") compile_options.architecture = 750;
  const Rewritten rewritten = preprocess_and_rewrite(options.source, compile_options);
  if (rewritten.kernels == 0)
    throw UsageError(
        fmt::format("{} has no __global__ function: there is nothing to profile", options.source.string()));

  Fingerprint fingerprint;
  fingerprint.add(rewritten.text);
  fingerprint.add(fs::current_path().string());  // where relative names of sources begin: findings name them
  fingerprint.add(compile_options.compiler);
  for (const std::string& flag : hook_flags()) fingerprint.add(flag);
  for (const std::string& library : libraries) {
    fingerprint.add(library);
    std::error_code error;
    const auto when = fs::last_write_time(library, error);
    if (!error) fingerprint.add(std::to_string(when.time_since_epoch().count()));
  }
  const fs::path folder = cache_folder(options), program = folder / fingerprint.text();
  if (fs::exists(program)) return program;

  // Built beside its place and moved there whole. Another process may have built the same meanwhile and be running it:
  // its program stays, for that process still reads its own source lines from the file.
  const TemporaryFolder workshop("build", folder);
  const fs::path object = workshop.path() / "kernels.o", made = workshop.path() / "program";
  compile(rewritten, object, compile_options);
  std::vector<std::string> link = {compile_options.compiler, object.string(), "-Wl,--whole-archive",
                                   libraries.front(), "-Wl,--no-whole-archive"};
  link.insert(link.end(), libraries.begin() + 1, libraries.end());
  link.insert(link.end(), {"-o", made.string()});
  const CommandResult linked = run_command(link);
  if (linked.exit_code != 0)
    throw UsageError(fmt::format("{} does not link; only self-contained programs can be profiled:\n{}",
                                 options.source.string(), linked.output.substr(0, 2000)));
  std::error_code error;
  fs::create_hard_link(made, program, error);
  if (error && error != std::errc::file_exists) fs::rename(made, program);  // a file system without hard links
  return program;
}

MemoryCounters counters_from(const Json& j) {
  MemoryCounters c;
  c.requests = j.at("requests");
  c.threads = j.at("threads");
  c.bytes = j.at("bytes");
  c.sectors = j.at("sectors");
  c.ideal_sectors = j.at("ideal_sectors");
  c.wavefronts = j.at("wavefronts");
  c.conflicts = j.at("conflicts");
  return c;
}
WarpSample sample_from(const Json& j) {
  return {j.at("block"), j.at("warp"), j.at("mask"), j.at("allocation"), j.at("addresses")};
}
Dim3 dim_from(const Json& j) { return {j.at(0), j.at(1), j.at(2)}; }

ProfiledLaunch launch_from(const Json& j) {
  ProfiledLaunch launch;
  launch.kernel = j.at("kernel");
  launch.number = j.at("number");
  launch.grid = dim_from(j.at("grid"));
  launch.block = dim_from(j.at("block"));
  launch.dynamic_shared_bytes = j.at("dynamic_shared_bytes");
  launch.static_shared_bytes = j.at("static_shared_bytes");
  for (const auto& [name, metric] : j.at("metrics").items())
    launch.metrics.push_back({name, metric.at("unit"), metric.at("value")});
  if (const auto caches = j.find("caches"); caches != j.end()) {
    launch.blocks_per_sm = caches->at("blocks_per_sm");
    launch.limited_by = caches->at("limited_by");
    for (const auto& [name, value] : caches->at("metrics").items()) {
      const bool counted = std::any_of(launch.metrics.begin(), launch.metrics.end(),
                                       [&](const auto& m) { return m.name == name; });
      if (counted) continue;
      const std::string_view unit = name.ends_with(".pct")                       ? "%"
                                    : name.find("bytes") != std::string::npos    ? "byte"
                                    : name.find("requests") != std::string::npos ? "request"
                                                                                 : "sector";
      launch.caches.push_back({name, std::string(unit), value});
    }
  }
  if (const auto why = j.find("no_caches"); why != j.end()) launch.no_caches = *why;
  for (const Json& s : j.at("sites")) {
    ProfiledSite site;
    site.line = {s.at("file"), s.at("line")};
    site.counters.op = static_cast<Op>(s.at("op").get<int>());
    site.counters.space = static_cast<Space>(s.at("space").get<int>());
    site.counters.width_bytes = s.at("width_bytes");
    site.counters.merged_width_bytes = s.at("merged_width_bytes");
    site.counters.counted = counters_from(s.at("counted"));
    site.counters.merged = counters_from(s.at("expected"));
    if (const auto sample = s.find("sample"); sample != s.end()) site.counters.sample = sample_from(*sample);
    if (const auto caches = s.find("caches"); caches != s.end() && !caches->is_null()) {
      site.caches = SiteCaches{caches->at("sectors"), caches->at("l1_hits"), caches->at("l2_hits"),
                               caches->at("hbm_sectors")};
    }
    launch.sites.push_back(site);
  }
  launch.advice = advice(launch);
  return launch;
}

}  // namespace

std::uint64_t ProfiledLaunch::metric(std::string_view name) const {
  for (const Value& v : metrics) {
    if (v.name == name) return v.value;
  }
  return 0;
}

Profile profile(const ProfileOptions& options) {
  if (options.card != "none") {
    const int most = replay_profile(options.card).sm.registers_per_thread;
    if (options.registers_per_thread < 1 || options.registers_per_thread > most)
      throw UsageError(fmt::format("--registers {}: a thread has 1 to {}", options.registers_per_thread, most));
  }
  const fs::path program = program_for(options);
  const TemporaryFolder desk("profile");
  const fs::path report = desk.path() / "report.json";
  std::vector<std::string> command = {"/usr/bin/env",
                                      "FLASHLAB_SIMT_REPORT=" + report.string(),
                                      fmt::format("FLASHLAB_SIMT_CHECKS={}", options.checks ? 1 : 0),
                                      fmt::format("FLASHLAB_SIMT_PROCESSORS={}", options.processors),
                                      fmt::format("FLASHLAB_SIMT_LAUNCHES={}", options.launches),
                                      fmt::format("FLASHLAB_SIMT_CARD={}", options.card),
                                      fmt::format("FLASHLAB_SIMT_REGISTERS={}", options.registers_per_thread),
                                      program.string()};
  if (options.by_instruction) command.insert(command.begin() + 1, "FLASHLAB_SIMT_SITES=1");
  command.insert(command.end(), options.arguments.begin(), options.arguments.end());
  const CommandResult ran = run_command(command);
  Profile result;
  result.exit_code = ran.exit_code;
  result.output = ran.output;
  std::ifstream in(report);
  if (!in) {
    throw UsageError(
        fmt::format("{} ended before its report was written (exit code {}{}): it crashed or called _exit\n{}",
                    options.source.string(), ran.exit_code,
                    ran.exit_code > 128 ? fmt::format(", signal {}", ran.exit_code - 128) : "",
                    ran.output.substr(0, 2000)));
  }
  const Json j = Json::parse(in);
  for (const Json& launch : j.at("launches")) result.launches.push_back(launch_from(launch));
  for (const Json& f : j.at("findings")) {
    result.findings.push_back({f.at("kind"),
                               f.at("kernel"),
                               f.at("text"),
                               {f.at("file"), f.at("line")},
                               f.at("other_line"),
                               f.at("fatal")});
  }
  return result;
}

int profile_main(const ProfileOptions& options) {
  const Profile p = profile(options);
  std::fwrite(p.output.data(), 1, p.output.size(), stderr);
  if (options.format == ProfileOptions::Format::csv) {  // whose rows have no place for it
    for (const ProfiledLaunch& l : p.launches) {
      if (!l.no_caches.empty())
        fmt::print(stderr, "flashlab: launch {} has no counters of the caches: {}\n", l.number, l.no_caches);
    }
  }
  const std::string text = format_profile(p, options);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return p.exit_code != 0 || !p.findings.empty() ? static_cast<int>(ExitCode::check_failed) : 0;
}

}  // namespace flashlab::simt
