// Linked into every profiled program: collects what its launches counted and found, and writes it at the end as JSON
// to the file that FLASHLAB_SIMT_REPORT names. Without that variable the program just runs. FLASHLAB_SIMT_CARD names the
// card whose caches the launches are replayed through.

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <utility>

#include "sim/simt/launch.hpp"
#include "sim/simt/replay/posing.hpp"
#include "sim/simt/replay/replay.hpp"
#include "sim/simt/runtime/memory.hpp"
#include "sim/simt/runtime/worker.hpp"

namespace flashlab::simt {
namespace {

using Json = nlohmann::ordered_json;

struct Caches {
  ReplayCounters counters;
  Occupancy occupancy;
};
struct Seen {
  LaunchShape shape;
  LaunchCounters counters;
  std::optional<Caches> caches;
  std::string no_caches;
};

std::vector<Seen>& launches() {
  static auto* all = new std::vector<Seen>;  // outlives every static destructor of the program
  return *all;
}
pid_t owner = 0;
/// Whether an example and the caches' answer are wanted of each instruction.
bool by_instruction() { return std::getenv("FLASHLAB_SIMT_SITES") != nullptr; }
bool cut_short = false;  // ended by us, before the program could free or check anything

void end_after(std::size_t wanted) {
  if (wanted == 0 || launches().size() < wanted) return;
  cut_short = true;
  std::fprintf(stderr, "flashlab: ended after %zu of the program's launches, as --launches asks\n", wanted);
  std::exit(0);
}

Json json_of(const MemoryCounters& c) {
  return {{"requests", c.requests},
          {"threads", c.threads},
          {"bytes", c.bytes},
          {"sectors", c.sectors},
          {"ideal_sectors", c.ideal_sectors},
          {"wavefronts", c.wavefronts},
          {"conflicts", c.conflicts}};
}
Json json_of(const Dim3& d) { return {d.x, d.y, d.z}; }

Json json_of(const WarpSample& s) {
  return {{"block", s.block},
          {"warp", s.warp},
          {"mask", s.mask},
          {"allocation", s.allocation},
          {"addresses", s.addresses}};
}

/// Of one instruction: where its sectors were found. Only when the replay counted by instruction.
Json caches_of(const Seen& seen, std::uint32_t site) {
  if (!seen.caches || site >= seen.caches->counters.sites.size()) return nullptr;
  const ReplaySiteCounters& c = seen.caches->counters.sites[site];
  return {
      {"sectors", c.sectors}, {"l1_hits", c.l1_hits}, {"l2_hits", c.l2_hits}, {"hbm_sectors", c.hbm_sectors}};
}

Json json_of(const Seen& seen) {
  const LaunchCounters& c = seen.counters;
  Json metrics, sites = Json::array();
  for (const Metric& m : c.metrics()) metrics[std::string(m.name)] = {{"unit", m.unit}, {"value", m.value}};
  std::vector<std::uint32_t> ids;
  for (const SiteCounters& s : c.sites) ids.push_back(s.site);
  const auto lines = source_lines(ids);
  for (std::size_t i = 0; i < c.sites.size(); ++i) {
    const SiteCounters& s = c.sites[i];
    sites.push_back({{"file", lines[i].file},
                     {"line", lines[i].line},
                     {"op", static_cast<int>(s.op)},
                     {"space", static_cast<int>(s.space)},
                     {"width_bytes", s.width_bytes},
                     {"merged_width_bytes", s.merged_width_bytes},
                     {"counted", json_of(s.counted)},
                     {"expected", json_of(s.expected())}});
    if (!by_instruction()) continue;
    sites.back()["sample"] = json_of(s.sample);
    if (s.space == Space::global) sites.back()["caches"] = caches_of(seen, s.site);
  }
  Json extra = Json::object();
  if (seen.caches) {
    Json values;
    for (const auto& [name, value] : seen.caches->counters.metrics()) values[std::string(name)] = value;
    extra["caches"] = {{"metrics", values},
                       {"blocks_per_sm", seen.caches->occupancy.blocks_per_sm},
                       {"limited_by", seen.caches->occupancy.limited_by}};
  }
  if (!seen.no_caches.empty()) extra["no_caches"] = seen.no_caches;
  // The launch may be written with a template's parameters, or through a pointer: the code knows better.
  const std::string kernel = ids.empty() ? "" : kernel_of(ids.front());
  Json row = {{"kernel", kernel.empty() ? seen.shape.kernel : kernel},
              {"number", seen.shape.number},
              {"grid", json_of(seen.shape.grid)},
              {"block", json_of(seen.shape.block)},
              {"dynamic_shared_bytes", seen.shape.dynamic_shared_bytes},
              {"static_shared_bytes", seen.shape.static_shared_bytes},
              {"metrics", metrics},
              {"barriers", c.barriers},
              {"collectives", c.collectives},
              {"matrix_products", c.matrix_products},
              {"divergent_requests", c.divergent_requests},
              {"merged_loads", c.merged_loads},
              {"sites", sites}};
  row.update(extra);
  return row;
}

void write_report() {
  if (getpid() != owner) return;  // a fork of the program
  const char* path = std::getenv("FLASHLAB_SIMT_REPORT");
  Json findings = Json::array(), rows = Json::array();
  for (const Allocation& a : cut_short ? std::vector<Allocation>{} : device_memory::live_allocations()) {
    Finding leak{};
    leak.kind = FindingKind::leak;
    leak.what = a.name + " is still there when the program ends";
    leak.cause = "a cudaFree is missing";
    add_finding(std::move(leak));
  }
  for (const Finding& f : take_findings()) {
    const auto lines = source_lines({f.site, f.other_site});
    findings.push_back({{"kind", name_of(f.kind)},
                        {"fatal", is_fatal(f.kind)},
                        {"kernel", f.kernel},
                        {"block", json_of(f.block)},
                        {"thread", json_of(f.thread)},
                        {"file", lines[0].file},
                        {"line", lines[0].line},
                        {"other_line", lines[1].line},
                        {"occurrences", f.occurrences},
                        {"what", f.what},
                        {"cause", f.cause},
                        {"text", describe(f, lines[0], lines[1])}});
  }
  for (const Seen& seen : launches()) rows.push_back(json_of(seen));
  std::FILE* out = std::fopen(path, "w");
  if (out == nullptr) {
    std::fprintf(stderr, "flashlab: cannot write %s\n", path);
    return;
  }
  const std::string text = Json{{"launches", rows}, {"findings", findings}}.dump();
  std::fwrite(text.data(), 1, text.size(), out);
  std::fclose(out);
}

bool wants(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr || std::string_view(value) != "0";
}

// Each launch from cold caches, as Nsight Compute profiles it.
void replay_launch(Launch& launch, Replay& replay, int registers, Seen& seen) {
  const LaunchShape& s = launch.shape();
  const KernelResources resources{.threads_per_block = static_cast<int>(s.block.count()),
                                  .registers_per_thread = registers,
                                  .static_shared_bytes = s.static_shared_bytes,
                                  .dynamic_shared_bytes = s.dynamic_shared_bytes};
  try {
    const Occupancy fits = occupancy(resources, replay.profile());
    replay.flush_caches();
    seen.caches = Caches{replay.launch(launch, resources, {.per_site = by_instruction()}), fits};
  } catch (const std::runtime_error& e) {  // the launch goes on without
    seen.no_caches = e.what();
  }
}

const bool started = [] {
  if (std::getenv("FLASHLAB_SIMT_REPORT") == nullptr) return false;
  owner = getpid();
  launches();
  RunOptions options;
  if (const char* n = std::getenv("FLASHLAB_SIMT_PROCESSORS")) options.processors = std::atoi(n);
  options.checks.races = options.checks.unwritten = wants("FLASHLAB_SIMT_CHECKS");
  static Seen now;  // the launch under way
  const char* const card = std::getenv("FLASHLAB_SIMT_CARD");
  if (card != nullptr && std::string_view(card) != "none") {
    static auto* const replay = new Replay(replay_profile(card));
    const char* const n = std::getenv("FLASHLAB_SIMT_REGISTERS");
    const int registers = n != nullptr ? std::atoi(n) : KernelResources{}.registers_per_thread;
    pose_as(replay->profile());
    options.observer = [registers](Launch& launch) { replay_launch(launch, *replay, registers, now); };
  }
  set_run_options(std::move(options));
  const char* const limit = std::getenv("FLASHLAB_SIMT_LAUNCHES");
  const auto wanted = static_cast<std::size_t>(limit != nullptr ? std::atoi(limit) : 0);
  set_launch_finished([wanted](const Launch& launch, const LaunchCounters& counters) {
    now.shape = launch.shape();
    now.counters = counters;
    launches().push_back(std::exchange(now, {}));
    end_after(wanted);
  });
  std::atexit(write_report);
  // A failed assertion of the host's code is how many programs say that a result is wrong: the counters tell why.
  std::signal(SIGABRT, [](int) {
    if (running.worker == nullptr) write_report();
  });
  return true;
}();

}  // namespace
}  // namespace flashlab::simt
