/// \file
/// replay_stages FOLDER [LAUNCH …]: the replay beside a card's counters, for a search. A launch is named
/// fused-4-1000-64-full (kernel, heads, N, d, mask), or by the beginning of that name; without any, all that were measured.
/// The traces are kept in FOLDER: the first time the kernel runs on the simt machine, then each replay takes seconds. When
/// a kernel or the simt machine has changed, take another folder.
/// The numbers of ReplayOptions, loads_in_flight and a warp's pace are taken from the environment, and so is the card:
/// `merge_ticks=260 card=h200 replay_stages …`.

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "sim/core/error.hpp"
#include "sim/core/tensor.hpp"
#include "sim/simt/stages/run.hpp"

using namespace flashlab;
using namespace flashlab::simt;
using nlohmann::json;

namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

File open(const std::filesystem::path& path, const char* mode) {
  File file(std::fopen(path.c_str(), mode));
  if (!file) throw EnvironmentError(fmt::format("{} cannot be opened", path.string()));
  return file;
}

template <class T>
void put(const File& file, const T* values, std::size_t count) {
  if (std::fwrite(values, sizeof(T), count, file.get()) != count)
    throw EnvironmentError("a trace cannot be written: is the disk full?");
}
template <class T>
void get(const File& file, T* values, std::size_t count) {
  if (std::fread(values, sizeof(T), count, file.get()) != count)
    throw EnvironmentError("a trace ends too early: delete the folder");
}

/// Block by block from a file that keep_traces() wrote.
class KeptTraces : public BlockSource {
 public:
  explicit KeptTraces(const std::filesystem::path& path) : file_(open(path, "rb")) {
    get(file_, &blocks_, 1);
    get(file_, &resources_, 1);
  }
  std::uint64_t block_count() const override { return blocks_; }
  const KernelResources& resources() const { return resources_; }
  BlockTrace run(std::uint64_t) override {
    BlockTrace trace;
    std::uint64_t sizes[2];
    get(file_, sizes, 2);
    trace.patterns.resize(sizes[0]);
    get(file_, trace.patterns.data(), sizes[0]);
    trace.warps.resize(sizes[1]);
    for (auto& warp : trace.warps) {
      std::uint64_t size = 0;
      get(file_, &size, 1);
      warp.resize(size, LineRequest(0, 0));
      get(file_, warp.data(), size);
    }
    return trace;
  }

 private:
  File file_;
  std::uint64_t blocks_ = 0;
  KernelResources resources_;
};

void keep_traces(const std::filesystem::path& path, BlockSource& blocks, const KernelResources& resources) {
  const std::filesystem::path unfinished = path.string() + ".part";
  {
    const File file = open(unfinished, "wb");
    const std::uint64_t count = blocks.block_count();
    put(file, &count, 1);
    put(file, &resources, 1);
    for (std::uint64_t b = 0; b < count; ++b) {
      const BlockTrace trace = blocks.run(b);
      const std::uint64_t sizes[2] = {trace.patterns.size(), trace.warps.size()};
      put(file, sizes, 2);
      put(file, trace.patterns.data(), trace.patterns.size());
      for (const auto& warp : trace.warps) {
        const std::uint64_t size = warp.size();
        put(file, &size, 1);
        put(file, warp.data(), warp.size());
      }
    }
  }
  std::filesystem::rename(unfinished, path);
}

void run_and_keep(const std::filesystem::path& path, const std::string& slug, const std::string& wanted,
                  const json& launch) {
  Problem problem{.heads = launch.at("heads"), .seq = launch.at("seq"), .dim = launch.at("dim")};
  problem.causal = launch.at("causal");
  if (slug == "tensor-core") problem.dtype = DType::f16;
  const Tensor zero(1, problem.heads, problem.seq, problem.dim);  // no trace depends on the values
  run_stage(
      slug, problem, zero, zero, zero,
      {.card = "h100", .traces = [&](std::string_view kernel, BlockSource& blocks, const KernelResources& r) {
         if (kernel == wanted) keep_traces(path, blocks, r);
       }});
}

std::string card_profile() {
  const char* card = std::getenv("card");
  return card != nullptr ? card : "h100";
}
std::filesystem::path counters_of_card() {
  for (const auto& folder : std::filesystem::directory_iterator(FLASHLAB_SOURCE_DIR "/cuda/measured")) {
    const std::string name = folder.path().filename();
    if (name.starts_with("nvidia-") && name.find(card_profile()) != std::string::npos) return folder.path();
  }
  throw UsageError(fmt::format("no counters of a card \"{}\" lie in cuda/measured", card_profile()));
}

ReplayOptions options_from_environment() {
  ReplayOptions o;
  const std::pair<const char*, std::uint64_t*> settings[] = {
      {"instruction_ticks", &o.instruction_ticks},
      {"l1_ticks", &o.l1_ticks},
      {"l2_ticks", &o.l2_ticks},
      {"l2_spread_gpcs", &o.l2_spread_gpcs},
      {"l2_spread_lines", &o.l2_spread_lines},
      {"l2_spread_ways", &o.l2_spread_ways},
      {"fill_ticks", &o.fill_ticks},
      {"hbm_ticks", &o.hbm_ticks},
      {"hbm_spread_lines", &o.hbm_spread_lines},
      {"hbm_spread", &o.hbm_spread},
      {"shared_ticks", &o.shared_ticks},
      {"shared_in_a_row", &o.shared_in_a_row},
      {"arithmetic_ticks", &o.arithmetic_ticks},
      {"special_ticks", &o.special_ticks},
      {"oldest_first", &o.oldest_first},
      {"oldest_first_with_tiles", &o.oldest_first_with_tiles},
      {"load_ticks", &o.load_ticks},
      {"deal_ticks", &o.deal_ticks},
      {"block_start_ticks", &o.block_start_ticks},
      {"block_start_spread", &o.block_start_spread},
      {"merge_ticks", &o.merge_ticks},
      {"merge_spread", &o.merge_spread},
      {"visit_ticks", &o.visit_ticks}};
  for (const auto& [name, value] : settings) {
    if (const char* text = std::getenv(name)) *value = std::strtoull(text, nullptr, 10);
  }
  return o;
}

void compare(const std::string& name, const std::filesystem::path& traces, const json& names,
             const json& launch) {
  const auto card = [&](std::string_view metric) {
    for (std::size_t i = 0; i < names.size(); ++i)
      if (names[i] == metric) return launch.at("values")[i].get<double>();
    return std::nan("");
  };
  KeptTraces blocks(traces);
  KernelResources resources = blocks.resources();
  resources.registers_per_thread = static_cast<int>(card("launch__registers_per_thread"));
  resources.static_shared_bytes = static_cast<Bytes>(card("launch__shared_mem_per_block_static"));
  resources.dynamic_shared_bytes = static_cast<Bytes>(card("launch__shared_mem_per_block_dynamic"));
  for (const auto& [name_of, value] : {std::pair{"loads_in_flight", &resources.loads_in_flight},
                                       {"shared_warp_ticks", &resources.pace.shared},
                                       {"arithmetic_warp_ticks", &resources.pace.arithmetic},
                                       {"special_warp_ticks", &resources.pace.special}}) {
    if (const char* text = std::getenv(name_of)) *value = std::atoi(text);
  }
  Replay replay(replay_profile(card_profile()));
  replay.flush_caches_as_profiler();
  const ReplayCounters c = replay.launch(blocks, resources, options_from_environment());
  const auto both = [&](std::uint64_t ours, const char* metric, double unit) {
    const double mine = static_cast<double>(ours) / unit, theirs = card(metric) / unit;
    return fmt::format("{:.0f} {:.0f} {:+.1f}%", mine, theirs, 100 * (mine / theirs - 1));
  };
  fmt::print("{:<32}{:>22} |{:>22} |{:>22} |{:>20} |{:>20} |{:>20}\n", name,
             both(c.load_sectors - c.load_l1_hit_sectors,
                  "l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_miss.sum", 1e3),
             both(c.l2_read_sectors, "lts__t_sectors_srcunit_tex_op_read.sum", 1e3),
             both(c.l2_read_requests, "lts__t_requests_srcunit_tex_op_read.sum", 1e3),
             both(c.hbm_read_bytes, "dram__bytes_read.sum", 1e6),
             both(c.hbm_write_bytes, "dram__bytes_write.sum", 1e6),
             both(c.cycles, "sm__cycles_elapsed.max", 1e3));
  std::fflush(stdout);
}

void run(int argc, char** argv) {
  if (argc < 2) throw UsageError("usage: replay_stages FOLDER [LAUNCH …]");
  const std::filesystem::path folder = argv[1], measured = counters_of_card();
  std::filesystem::create_directories(folder);
  fmt::print("{:<32}{:>22} |{:>22} |{:>22} |{:>20} |{:>20} |{:>20}\n", "simulated, measured",
             "L1 misses, k sectors", "L2 reads, k sectors", "L2 reads, k requests", "HBM read, MB",
             "HBM written, MB", "cycles, k");
  bool any = false;
  for (const std::string slug :
       {"naive", "fused", "tiled", "online-kv", "online-q", "registers", "tensor-core"}) {
    std::ifstream file(measured / (slug + ".json"));
    const json data = json::parse(file);
    for (const json& launch : data.at("launches")) {
      const auto kernel = launch.at("kernel").get<std::string>();
      const std::string name =
          fmt::format("{}-{}-{}-{}-{}", kernel, launch.at("heads").get<int>(), launch.at("seq").get<int>(),
                      launch.at("dim").get<int>(), launch.at("causal").get<bool>() ? "causal" : "full");
      bool wanted = argc == 2;
      for (int i = 2; i < argc; ++i) wanted |= name.starts_with(argv[i]);
      if (!wanted) continue;
      any = true;
      const std::filesystem::path traces = folder / name;
      if (!std::filesystem::exists(traces)) run_and_keep(traces, slug, kernel, launch);
      compare(name, traces, data.at("metrics"), launch);
    }
  }
  if (!any) throw UsageError("no measured launch has such a name: fused-4-1000-64-full is one");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc, argv);
  } catch (const UsageError& error) {
    fmt::print(stderr, "replay_stages: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {  // a folder or a trace that cannot be used
    fmt::print(stderr, "replay_stages: {}\n", error.what());
    return 3;
  }
}
