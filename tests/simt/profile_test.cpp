#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "sim/core/error.hpp"
#include "sim/core/temporary_folder.hpp"
#include "sim/simt/profile/profile.hpp"

using namespace flashlab;
using namespace flashlab::simt;
namespace fs = std::filesystem;

namespace {

const fs::path kPrograms = fs::path(FLASHLAB_SOURCE_DIR) / "tests/simt/programs";

fs::path cache_dir() {
  static const fs::path dir = fs::temp_directory_path() / "flashlab-simt-tests";
  return dir;
}

Profile profile_of(const std::string& name, std::vector<std::string> arguments = {},
                   const std::string& card = "none") {
  ProfileOptions options;
  options.card = card;
  options.source = kPrograms / name;
  options.arguments = std::move(arguments);
  options.cache_dir = cache_dir();
  return profile(options);
}

// The numbers of the lines that end in `// LINE <what>`.
std::vector<int> lines_with(const std::string& name, std::string_view what) {
  std::ifstream in(kPrograms / name);
  std::vector<int> lines;
  int number = 1;
  for (std::string line; std::getline(in, line); ++number) {
    const auto at = line.find("// LINE ");
    if (at != std::string::npos && line.compare(at + 8, what.size(), what) == 0) lines.push_back(number);
  }
  return lines;
}

// The findings of that kind name exactly the lines that the source plants.
void check_planted(const std::string& program, std::string_view mark, std::string_view kind) {
  CAPTURE(program);
  const Profile p = profile_of(program);
  std::vector<int> found;
  for (const ProfiledFinding& f : p.findings) {
    CAPTURE(f.text);
    if (f.kind == kind) found.push_back(f.line.line);
    CHECK(fs::path(f.line.file).filename().string() == (f.line.line == 0 ? "" : program));
  }
  std::sort(found.begin(), found.end());
  CHECK(found == lines_with(program, mark));
  CHECK_FALSE(found.empty());
}

}  // namespace

TEST_SUITE_BEGIN("simt");

TEST_CASE("planted errors are found, each with the right line") {
  check_planted("race.cu", "race", "race on shared memory");
  check_planted("warp_race.cu", "race", "race on shared memory");
  check_planted("off_by_one.cu", "out of bounds", "out of bounds");
  check_planted("shared_overrun.cu", "out of bounds", "out of bounds");
  check_planted("divergent_barrier.cu", "divergent barrier", "divergent barrier");
  check_planted("deadlock.cu", "deadlock", "deadlock");
  check_planted("unwritten.cu", "read of unwritten memory", "read of unwritten memory");
  check_planted("misaligned.cu", "misaligned access", "misaligned access");
  check_planted("host_pointer.cu", "host memory in device code", "host memory in device code");
  check_planted("asserts.cu", "trap", "trap");
  check_planted("host_access.cu", "host", "device memory in host code");
  check_planted("partial_mma.cu", "half a warp", "divergent warp collective");
  check_planted("partial_mma.cu", "deadlock", "deadlock");
}

TEST_CASE("the finding names thread, allocation and offset, and a likely cause") {
  const Profile p = profile_of("off_by_one.cu");
  REQUIRE(p.findings.size() == 1);
  const std::string& text = p.findings[0].text;
  CHECK(text.find("thread (232, 0, 0)") != std::string::npos);  // 1000 = 3 · 256 + 232
  CHECK(text.find("block (3, 0, 0)") != std::string::npos);
  CHECK(text.find("0 bytes after the end of allocation 1 (4000 bytes)") != std::string::npos);
  CHECK(text.find("index") != std::string::npos);
  CHECK(p.output == "unspecified launch failure\n");
}

TEST_CASE("a program that several build at once is replaced under none of them") {
  const TemporaryFolder cache("test");
  std::vector<std::thread> callers;
  std::vector<int> lines(3, -1);
  for (int& line : lines) {
    callers.emplace_back([&line, &cache] {
      ProfileOptions options;
      options.card = "none";
      options.source = kPrograms / "off_by_one.cu";
      options.cache_dir = cache.path();
      const Profile p = profile(options);
      if (p.findings.size() == 1) line = p.findings[0].line.line;
    });
  }
  for (std::thread& caller : callers) caller.join();
  const int planted = lines_with("off_by_one.cu", "out of bounds").at(0);
  CHECK(lines == std::vector<int>(3, planted));
}

TEST_CASE("what is never freed is reported") {
  const Profile p = profile_of("host_pointer.cu");
  CHECK(std::any_of(p.findings.begin(), p.findings.end(),
                    [](const ProfiledFinding& f) { return f.kind == "leak"; }));
}

TEST_CASE("collectives, atomics, symbols and printf compute what they should, and nothing is found") {
  const Profile p = profile_of("intrinsics.cu");
  CAPTURE(p.output);
  CHECK(p.exit_code == 0);
  CHECK(p.output.starts_with("thread 63 of 64\n"));
  for (const ProfiledFinding& f : p.findings) CHECK(f.text == "");
  REQUIRE(p.launches.size() == 2);
  CHECK(p.launches[0].kernel == "block_sum<int, 128>");
  CHECK(p.launches[0].dynamic_shared_bytes == 16);
}

TEST_CASE("half types, groups and asynchronous copies work, and a float3 is three words") {
  const Profile p = profile_of("types.cu");
  CAPTURE(p.output);
  CHECK(p.exit_code == 0);
  CHECK(p.findings.empty());
  REQUIRE(p.launches.size() == 2);
  std::uint64_t requests = 0;
  for (const ProfiledSite& s : p.launches[0].sites) {
    if (s.line.line == lines_with("types.cu", "three words").at(0)) requests += s.counters.counted.requests;
  }
  CHECK(requests == 2 * 3 * 2);  // two warps, three words, load and store
  CHECK(p.launches[1].metric("smsp__inst_executed_op_ldgsts.sum") == 2);
}

TEST_CASE("what older programs do is run: spaced launches, groups by value, warps in step, atomics on halves") {
  const Profile p = profile_of("older_habits.cu");
  CAPTURE(p.output);
  CHECK(p.exit_code == 0);
  for (const ProfiledFinding& f : p.findings) CHECK(f.text == "");
  REQUIRE(p.launches.size() == 3);
  CHECK(p.launches[0].kernel == "sums");
  // Six additions of one warp: two loads and a store each, without conflicts; the block fills, one lane reads.
  CHECK(p.launches[1].metric("smsp__inst_executed_op_shared_ld.sum") == 6 * 2 + 1);
  CHECK(p.launches[1].metric("smsp__inst_executed_op_shared_st.sum") == 6 + 2);
  for (const ProfiledSite& s : p.launches[2].sites) {
    CHECK(s.counters.op == Op::atomic);
    CHECK(s.counters.counted.requests == 1);
    CHECK(s.counters.counted.sectors == 1);
  }
}

TEST_CASE("a kernel that launches a kernel is refused by line") {
  try {
    profile_of("nested_launch.cu");
    FAIL("it ran");
  } catch (const EnvironmentError& e) {
    const std::string what = e.what();
    CHECK(what.find(fmt::format("nested_launch.cu:{}: ", lines_with("nested_launch.cu", "nested").at(0))) !=
          std::string::npos);
    CHECK(what.find("dynamic parallelism") != std::string::npos);
  }
}

TEST_CASE("a program ends after the launches that were asked for, and what it could not free is no leak") {
  ProfileOptions options;
  options.source = kPrograms / "repeats.cu";
  options.cache_dir = cache_dir();
  options.launches = 3;
  const Profile p = profile(options);
  CHECK(p.exit_code == 0);
  CHECK(p.findings.empty());
  REQUIRE(p.launches.size() == 3);
  CHECK(p.launches[2].metric("l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum") == 16);
}

TEST_CASE("a program whose own assertion fails leaves its counters behind") {
  const Profile p = profile_of("host_assert.cu");
  CHECK(p.exit_code == 134);
  CHECK(p.output.find("Assertion `h[5] == 2' failed") != std::string::npos);
  REQUIRE(p.launches.size() == 1);
  CHECK(p.launches[0].metric("l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum") == 4);
}

TEST_CASE(
    "a library's header is refused by its name, a header of the program's own with the flag that finds it") {
  const fs::path file = cache_dir() / "includes.cu";
  fs::create_directories(cache_dir());
  ProfileOptions options;
  options.source = file;
  options.cache_dir = cache_dir();
  std::ofstream(file) << "\n#include <cublas_v2.h>\n__global__ void k() {}\nint main() {}\n";
  CHECK_THROWS_WITH_AS(profile(options),
                       doctest::Contains("includes.cu:2: includes cublas_v2.h: cuBLAS does not run"),
                       EnvironmentError);
  std::ofstream(file) << "#include \"mine.h\"\n__global__ void k() {}\nint main() {}\n";
  CHECK_THROWS_WITH_AS(profile(options), doctest::Contains("includes.cu:1: there is no header mine.h"),
                       UsageError);
}

TEST_CASE(
    "a tensor-core kernel in inline PTX computes what plain loops compute, and is counted as its layout says") {
  const Profile p = profile_of("tensor_core.cu");
  CAPTURE(p.output);
  CHECK(p.exit_code == 0);
  for (const ProfiledFinding& f : p.findings) CHECK(f.text == "");
  REQUIRE(p.launches.size() == 3);
  for (const ProfiledLaunch& l : p.launches) {
    const std::uint64_t d = l.kernel.find("128") != std::string::npos ? 128 : 64;
    CHECK(l.metric("sm__inst_executed_pipe_tensor_op_hmma.sum") == 2 * 4 * (64 / 8) * (d / 16));
    CHECK(l.metric("flashlab__flops_tensor_cores.sum") == 2 * 2 * 64 * 64 * d);
    // Q once, K and V once a warp: a matrix of 8 rows is one wavefront, for the swizzle keeps its rows apart.
    const std::uint64_t loads = 4 * (d / 16 + 2 * 4 * (d / 16));
    CHECK(l.metric("smsp__inst_executed_op_ldsm.sum") == loads);
    CHECK(l.metric("l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum") == 4 * loads);
    CHECK(l.metric("l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum") == 0);
  }
  // 50 of 64 rows: lanes whose row is filled with zeros read nothing.
  std::uint64_t threads = 0, stored = 0;
  for (const ProfiledSite& s : p.launches[1].sites) {
    if (s.counters.op != Op::async_copy) continue;
    (s.counters.space == Space::global ? threads : stored) += s.counters.counted.threads;
  }
  CHECK(threads == 3 * 50 * 16);
  CHECK(stored == 3 * 64 * 16);
}

TEST_CASE("inline PTX computes what plain C++ computes, and its loads are loads") {
  const Profile p = profile_of("ptx.cu");
  CAPTURE(p.output);
  CHECK(p.exit_code == 0);
  for (const ProfiledFinding& f : p.findings) CHECK(f.text == "");
  REQUIRE(p.launches.size() == 1);
  CHECK(p.launches[0].metric("l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum") == 2);
  CHECK(p.launches[0].metric("l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum") == 2 * 16);
  CHECK(p.launches[0].metric("smsp__inst_executed_op_shared_ld.sum") == 2);
}

TEST_CASE("asynchronous copies bring their bytes when they are waited for, and not before") {
  const Profile p = profile_of("async.cu");
  CHECK(p.exit_code == 0);
  CHECK(p.findings.empty());
}

TEST_CASE("nvcuda::wmma multiplies in every layout, and fragments are loaded as the card loads them") {
  const Profile p = profile_of("wmma.cu");
  CAPTURE(p.output);
  CHECK(p.exit_code == 0);
  for (const ProfiledFinding& f : p.findings) CHECK(f.text == "");
  REQUIRE(p.launches.size() == 6);
  const auto at_line = [&](std::size_t launch, std::string_view what, std::uint64_t MemoryCounters::*counter) {
    std::uint64_t sum = 0;
    for (const ProfiledSite& s : p.launches[launch].sites)
      sum += s.line.line == lines_with("wmma.cu", what).at(0) ? s.counters.counted.*counter : 0;
    return sum;
  };
  const std::uint64_t tiles = 2 * 3, steps = 4;
  for (const auto& l : p.launches)
    CHECK(l.metric("sm__inst_executed_pipe_tensor_op_hmma.sum") == tiles * steps * 2);
  for (const std::size_t global : {0, 1, 5}) {  // four loads of 32 bits a lane, eight rows of 16 bytes each
    CHECK(at_line(global, "global", &MemoryCounters::requests) == tiles * steps * 4);
    CHECK(at_line(global, "global", &MemoryCounters::sectors) == tiles * steps * 4 * 8);
  }
  for (const std::size_t shared : {2, 3, 4}) {
    CHECK(at_line(shared, "shared", &MemoryCounters::requests) == tiles * steps);
    CHECK(at_line(shared, "shared", &MemoryCounters::wavefronts) == tiles * steps * 4);
  }
}

TEST_CASE("arithmetic is counted by class, beside accesses and far from any") {
  if (!__builtin_cpu_supports("fma")) return;  // sums and products are then two instructions
  const Profile p = profile_of("arithmetic.cu");
  REQUIRE(p.launches.size() == 4);
  const auto op = [&](std::size_t launch, const std::string& name) {
    return p.launches[launch].metric("smsp__sass_thread_inst_executed_op_" + name + "_pred_on.sum");
  };
  CHECK(op(0, "ffma") == 64 * 64 * 48);
  CHECK(op(0, "fadd") == 0);
  CHECK(op(0, "fmul") == 0);
  CHECK(p.launches[0].metric("flashlab__flops_cuda_cores.sum") == 2 * 64 * 64 * 48);
  CHECK(op(1, "fadd") == 16 * 256);
  CHECK(p.launches[1].metric("flashlab__flops_cuda_cores.sum") == 16 * 256);
  CHECK(op(2, "fmul") == 32 * 10 + 16);
  CHECK(op(2, "fadd") == 32 * 8);
  CHECK(p.launches[2].metric("flashlab__thread_inst_special.sum") == 16 + 32);
  CHECK(op(3, "dfma") == 32);
  CHECK(op(3, "dadd") == 32);
}

TEST_CASE("with a card named, its caches are counted, and the program sees that card") {
  const Profile h100 = profile_of("host_access.cu", {}, "h100"), t4 = profile_of("host_access.cu", {}, "T4");
  CHECK(h100.output == "4, 9.0, 132 SMs, compiled for 800\n");
  CHECK(t4.output == "4, 7.5, 40 SMs, compiled for 750\n");
  CHECK(t4.launches.at(0).blocks_per_sm == 16);
  CHECK(h100.launches.at(0).blocks_per_sm == 32);
  const Profile naive = profile_of("qkt_naive.cu", {"64"}, "h100");
  const auto cache = [&](std::string_view name) {
    for (const auto& m : naive.launches.at(0).caches) {
      if (m.name == name) return m.value;
    }
    FAIL("no counter " << name);
    return 0.0;
  };
  CHECK(cache("dram__bytes_read.sum") == 2 * 64 * 64 * 4);  // from cold caches, once
  CHECK(cache("lts__t_sectors_srcunit_tex_op_write.sum") == 64 * 64 * 4 / 32);
  CHECK(cache("l1tex__t_sector_pipe_lsu_mem_global_op_ld_hit_rate.pct") > 95);
  ProfileOptions options;
  options.format = ProfileOptions::Format::csv;
  CHECK(format_profile(naive, options).find("dram__bytes_read.sum,byte,32768\n") != std::string::npos);
  options.format = ProfileOptions::Format::json;
  CHECK(format_profile(naive, options).find("\"dram__bytes_read.sum\": 32768.0") != std::string::npos);
  options.format = ProfileOptions::Format::table;
  CHECK(format_profile(naive, options).find("an SM holds 2 blocks (limit: threads)") != std::string::npos);
}

TEST_CASE("a launch that fits no SM of the card runs, and says why it has no caches") {
  ProfileOptions options;
  options.source = kPrograms / "qkt_naive.cu";
  options.arguments = {"64"};
  options.cache_dir = cache_dir();
  options.registers_per_thread = 255;
  const Profile p = profile(options);
  CHECK(p.exit_code == 0);
  CHECK(p.launches.at(0).caches.empty());
  CHECK(p.launches.at(0).no_caches.find("too many registers") != std::string::npos);
  options.registers_per_thread = 256;
  CHECK_THROWS_AS(profile(options), UsageError);
  options.registers_per_thread = 32;
  options.card = "v100";
  CHECK_THROWS_WITH_AS(profile(options), doctest::Contains("t4, a100, h100, h200"), UsageError);
}

TEST_CASE("groups know who came together, also in branches, and atomics compute what they should") {
  const Profile p = profile_of("groups.cu");
  CAPTURE(p.output);
  CHECK(p.exit_code == 0);
  for (const ProfiledFinding& f : p.findings) CHECK(f.text == "");
  for (const ProfiledSite& s : p.launches.at(0).sites) {
    if (s.line.line != lines_with("groups.cu", "together").at(0)) continue;
    CHECK(s.counters.counted.threads == s.counters.counted.requests);  // one lane for all
    CHECK(s.counters.counted.requests <= (5000 + 31) / 32);
  }
}

TEST_CASE("rows of a matrix that meet in the banks get advice of their own") {
  const Profile p = profile_of("matrix_banks.cu");
  REQUIRE(p.launches.size() == 1);
  CHECK(p.launches[0].metric("l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum") == 16);
  CHECK(p.launches[0].metric("l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum") == 14);
  REQUIRE(p.launches[0].advice.size() == 1);
  CHECK(p.launches[0].advice[0].find("16 wavefronts a request instead of 2") != std::string::npos);
  CHECK(p.launches[0].advice[0].find("piece ^ row % 8") != std::string::npos);
}

TEST_CASE("older cards' matrix products run when the program is compiled for them") {
  ProfileOptions options;
  options.source = kPrograms / "tensor_core.cu";
  options.flags = {"-D__CUDA_ARCH__=750"};
  options.cache_dir = cache_dir();
  const Profile p = profile(options);
  CHECK(p.exit_code == 0);
  REQUIRE(p.launches.size() == 2);
  CHECK(p.launches[0].metric("sm__inst_executed_pipe_tensor_op_hmma.sum") ==
        2 * 2 * 4 * 8 * 4);  // half as deep
}

TEST_CASE("divergent lanes are counted by line as the hardware would execute them") {
  const Profile p = profile_of("divergent.cu");
  REQUIRE(p.launches.size() == 1);
  const auto requests = [&](int line, Op op) {
    std::uint64_t sum = 0;
    for (const ProfiledSite& s : p.launches[0].sites)
      sum += s.line.line == line && s.counters.op == op ? s.counters.counted.requests : 0;
    return sum;
  };
  const std::uint64_t rows = 40;
  const auto line = [](std::string_view what, std::size_t i = 0) {
    return lines_with("divergent.cu", what).at(i);
  };
  CHECK(requests(line("32 requests a row"), Op::load) == 32 * rows);
  CHECK(requests(line("2 requests a row"), Op::store) == 2 * rows);
  CHECK(requests(line("1 request a row"), Op::store) == rows);
  CHECK(requests(line("1 request", 1), Op::load) == 1);
  CHECK(requests(line("1 request", 2), Op::store) == 1);
}

TEST_CASE("an uncoalesced kernel and a conflicted one get advice that names the line") {
  const Profile naive = profile_of("qkt_naive.cu", {"64"});
  REQUIRE(naive.launches.size() == 1);
  REQUIRE(naive.launches[0].advice.size() == 1);
  CHECK(naive.launches[0].advice[0].starts_with("qkt_naive.cu line 10: 16.5 sectors a request"));
  CHECK(naive.findings.empty());
  const Profile conflicted = profile_of("transpose.cu");
  REQUIRE(conflicted.launches.size() == 2);
  REQUIRE(conflicted.launches[0].advice.size() == 1);
  CHECK(conflicted.launches[0].advice[0].find("32 wavefronts a request instead of 1") != std::string::npos);
  CHECK(conflicted.launches[1].advice.empty());
}

TEST_CASE("csv and json carry the hardware's metric names") {
  const Profile p = profile_of("qkt_naive.cu", {"64"});
  ProfileOptions options;
  options.format = ProfileOptions::Format::csv;
  CHECK(format_profile(p, options).find("l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum,sector,270336\n") !=
        std::string::npos);
  options.format = ProfileOptions::Format::json;
  options.lines = true;
  const std::string json = format_profile(p, options);
  CHECK(json.find("\"l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum\": 16384") != std::string::npos);
  CHECK(json.find("\"line\": 10") != std::string::npos);
  options.format = ProfileOptions::Format::table;
  CHECK(format_profile(p, options).find("qkt_naive.cu:10") != std::string::npos);
}

TEST_CASE("a program that cannot be run is refused by name") {
  const fs::path dir = fs::temp_directory_path() / "flashlab-simt-refused";
  fs::create_directories(dir);
  const auto refused = [&](const std::string& source) {
    std::ofstream(dir / "p.cu") << source;
    ProfileOptions options;
    options.source = dir / "p.cu";
    options.cache_dir = cache_dir();
    try {
      profile(options);
    } catch (const UsageError& e) {
      return std::string(e.what());
    } catch (const EnvironmentError& e) {
      return "lacking: " + std::string(e.what());
    }
    return std::string("not refused");
  };
  const std::string kernel = "__global__ void k() {}\nint main() {}\n";
  const std::string wgmma = refused(kernel + "__device__ void f() { asm(\"wgmma.fence.sync.aligned;\"); }\n");
  CHECK(wgmma.starts_with("lacking: "));
  CHECK(wgmma.find("p.cu:3: the PTX instruction `wgmma.fence.sync.aligned`") != std::string::npos);
  CHECK(refused(kernel + "#include <cublas_v2.h>\n").find("p.cu:3:") != std::string::npos);
  CHECK(refused(kernel + "int x = y;\n").find("p.cu:3:") != std::string::npos);
  CHECK(refused("int main() {}\n").find("no __global__") != std::string::npos);
  CHECK(refused(kernel + "void g();\nstruct S { S() { g(); } } s;\n").find("does not link") !=
        std::string::npos);
  ProfileOptions missing;
  missing.source = dir / "nowhere.cu";
  CHECK_THROWS_AS(profile(missing), EnvironmentError);
  fs::remove_all(dir);
}

TEST_SUITE_END();
