/// \file
/// replay_stages [KERNEL|all [MAX_MSECTORS [N]]]: the replay beside the H100's counters, for the traces of
/// stage_streams.hpp: much faster than running the kernels, for a search.

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "sim/simt/replay/replay.hpp"
#include "tests/simt/replay/stage_streams.hpp"

using namespace flashlab;
using namespace flashlab::simt;
using nlohmann::json;

namespace {
long setting(const char* name, long otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atol(text) : otherwise;
}
}  // namespace

int main(int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "all";
  const double most = (argc > 2 ? std::atof(argv[2]) : 100) * 1e6;
  const long seq = argc > 3 ? std::atol(argv[3]) : 0;
  fmt::print("{:<15}{:>26} | {:>16} | {:>21} | {:>23} | {:>22} | {:>21} | {:>21} | {:>20}\n", "kernel",
             "heads seq dim causal", "load sectors", "L1 misses, k", "L2 read sectors, k", "L2 requests, k",
             "HBM read, MB", "HBM written, MB", "cycles, k");
  const std::filesystem::path folder = FLASHLAB_SOURCE_DIR "/cuda/measured/nvidia-h100-80gb-hbm3";
  for (const char* stage : {"naive", "fused", "tiled", "online-kv", "online-q"}) {
    std::ifstream file(folder / fmt::format("{}.json", stage));
    const json data = json::parse(file);
    const auto& names = data.at("metrics");
    for (const json& launch : data.at("launches")) {
      const auto card = [&](std::string_view metric) {
        for (std::size_t i = 0; i < names.size(); ++i)
          if (names[i] == metric) return launch.at("values")[i].get<double>();
        return std::nan("");
      };
      const auto kernel = launch.at("kernel").get<std::string>();
      const double sectors = card("l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum");
      if ((wanted != "all" && wanted != kernel) || sectors > most) continue;
      const StageShape shape{launch.at("heads"), launch.at("seq"), launch.at("dim"), launch.at("causal")};
      if (seq && static_cast<long>(shape.seq) != seq) continue;
      if (const char* only = std::getenv("ONLY");
          only && fmt::format("{} {} {} {}", shape.heads, shape.seq, shape.dim,
                              shape.causal ? "causal" : "full") != only)
        continue;
      Stream stream = stage_stream(kernel, shape);
      KernelResources resources = stream.resources();
      resources.registers_per_thread = static_cast<int>(card("launch__registers_per_thread"));
      resources.static_shared_bytes = static_cast<Bytes>(card("launch__shared_mem_per_block_static"));
      resources.dynamic_shared_bytes = static_cast<Bytes>(card("launch__shared_mem_per_block_dynamic"));
      ReplayProfile profile = replay_profile("h100");
      ReplayOptions options;
      const auto ticks = [&](const char* name, std::uint64_t& value) {
        value = static_cast<std::uint64_t>(setting(name, static_cast<long>(value)));
      };
      ticks("VISIT", options.visit_ticks);
      ticks("INSTRUCTION", options.instruction_ticks);
      ticks("L1", options.l1_ticks);
      ticks("L2", options.l2_ticks);
      ticks("L2_GPCS", options.l2_spread_gpcs);
      ticks("HBM_LINES", options.hbm_spread_lines);
      ticks("MERGE_SPREAD", options.merge_spread);
      ticks("L2_WAYS", options.l2_spread_ways);
      ticks("L2_LINES", options.l2_spread_lines);
      ticks("HBM", options.hbm_ticks);
      ticks("FILL", options.fill_ticks);
      ticks("HBM_BYTES", profile.hbm_bytes_per_cycle);
      ticks("HBM_SPREAD", options.hbm_spread);
      ticks("SHARED", options.shared_ticks);
      ticks("SHARED_WARP", options.shared_warp_ticks);
      ticks("START", options.block_start_ticks);
      ticks("START_SPREAD", options.block_start_spread);
      ticks("MERGE", options.merge_ticks);
      ticks("DEAL", options.deal_ticks);
      ticks("ROW", options.shared_in_a_row);
      ticks("BARRIER_SPREAD", options.barrier_spread);
      options.tile_loads_in_flight = static_cast<int>(setting("TILE_LOADS", options.tile_loads_in_flight));
      options.loads_in_flight = static_cast<int>(setting("LOADS", options.loads_in_flight));
      Replay replay(profile);
      replay.flush_caches_as_profiler();
      const ReplayCounters c = replay.launch(stream, resources, options);
      const auto both = [&](double ours, const char* metric, double unit, int digits) {
        const double theirs = card(metric);
        return fmt::format("{:.{}f} {:.{}f} {:+.1f}%", ours / unit, digits, theirs / unit, digits,
                           100 * (ours - theirs) / theirs);
      };
      const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
      fmt::print(
          "{:<15}{:>26} | {:>16} | {:>21} | {:>23} | {:>22} | {:>21} | {:>21} | {:>20}\n", kernel,
          fmt::format("{} {} {} {}", shape.heads, shape.seq, shape.dim, shape.causal ? "causal" : "full"),
          number(c.load_sectors) == sectors ? "=" : fmt::format("{:+}", number(c.load_sectors) - sectors),
          both(number(c.load_sectors - c.load_l1_hit_sectors),
               "l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_miss.sum", 1e3, 0),
          both(number(c.l2_read_sectors), "lts__t_sectors_srcunit_tex_op_read.sum", 1e3, 0),
          both(number(c.l2_read_requests), "lts__t_requests_srcunit_tex_op_read.sum", 1e3, 0),
          both(number(c.hbm_read_bytes), "dram__bytes_read.sum", 1e6, 1),
          both(number(c.hbm_write_bytes), "dram__bytes_write.sum", 1e6, 1),
          both(number(c.cycles), "sm__cycles_elapsed.max", 1e3, 0));
      std::fflush(stdout);
    }
  }
}
