// flashlab measure as a user meets it, without a card: the counters that were kept, and simulations kept beside them.
// Where it writes, the measurements are synthetic.

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/cli/program.hpp"

namespace {

/// A measured folder with one launch of a small shape, all of whose counters are 1.
struct Measured {
  Measured() { add("synthetic-h100", "synthetic H100"); }
  void add(const std::string& slug, const std::string& name) const {
    fs::create_directories(folder / slug);
    std::string metrics, values;
    for (const char* metric :
         {"l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum", "l1tex__t_requests_pipe_lsu_mem_global_op_st.sum",
          "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum", "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum",
          "smsp__inst_executed_op_shared_ld.sum", "smsp__inst_executed_op_shared_st.sum",
          "l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum",
          "l1tex__data_pipe_lsu_wavefronts_mem_shared_op_st.sum", "lts__t_sectors_srcunit_tex_op_read.sum",
          "dram__bytes_read.sum", "dram__bytes_write.sum"}) {
      metrics += std::string(metrics.empty() ? "" : ",") + '"' + metric + '"';
      values += values.empty() ? "1" : ",1";
    }
    std::ofstream(folder / slug / "fused.json")
        << R"({"schema":"flashlab.measured/1","stage":"fused","card":{"name":")" << name << R"(",)"
        << R"("compute_capability":"9.0","driver":"1","toolkit":"1","profiler":"1","date":"2026-01-01"},)"
        << R"("metrics":[)" << metrics
        << R"(],"launches":[{"kernel":"fused","heads":1,"seq":40,"dim":32,"causal":false,"values":[)" << values
        << "]}]}";
  }
  Scratch scratch;
  fs::path folder = scratch.path / "measured", kept = folder / "synthetic-h100" / "simulated.json";
  std::string command = "measure --saved --measured '" + folder.string() + "' ";
};

}  // namespace

TEST_SUITE_BEGIN("cli");

TEST_CASE("what was simulated is kept, and shown again without a simulation") {
  const Measured measured;
  const Outcome simulated = run(measured.command + "--keep");
  CHECK(simulated.code == 1);  // the card cannot have counted 1 of everything
  CHECK(simulated.err.find("load requests: simulated 440, measured 1") != std::string::npos);
  const Outcome shown = run(measured.command + "--kept");
  CHECK(shown.code == 0);
  CHECK(shown.out == simulated.out);
  CHECK(run(measured.command + "--kept --format csv").out.find(",440,1,0\n") != std::string::npos);
}

TEST_CASE("a simulation that no longer equals what is kept says so") {
  const Measured measured;
  run(measured.command + "--keep");
  std::string kept = read_file(measured.kept);
  const std::string stale = "[441,";
  REQUIRE(kept.find("[440,") != std::string::npos);
  CHECK(run(measured.command).err.find("no longer") == std::string::npos);
  std::ofstream(measured.kept) << kept.replace(kept.find("[440,"), stale.size(), stale);
  CHECK(run(measured.command).err.find("fused at N = 40 is no longer what") != std::string::npos);
}

TEST_CASE("a kept file that is damaged, or options that do not fit, are refused by one line") {
  const Measured measured;
  check_refused("measure --keep", 2, "go with --saved");
  check_refused("measure --kept", 2, "go with --saved");
  check_refused("measure --saved --kept --keep", 2, "take one of");
  check_refused(measured.command + "--kept", 2, "--keep");  // nothing kept yet
  std::ofstream(measured.kept) << "{\"schema\": \"flashlab.simulated/1\", \"launches\": [{";
  check_refused(measured.command + "--kept", 2, "simulated.json");
}

TEST_CASE("of several cards that were measured, one is compared: the H100, or the one that is named") {
  const Measured measured;
  measured.add("tesla-t4", "Tesla T4");
  measured.add("nvidia-gh200-480gb", "NVIDIA GH200 480GB");
  CHECK(run(measured.command).out.find("measured on synthetic H100 ") != std::string::npos);
  for (const std::string name : {"t4", "tesla-t4", "Tesla_T4"})
    CHECK(run(measured.command + "--card --device " + name).out.find("Counted by Tesla T4 ") !=
          std::string::npos);
  check_refused(measured.command + "--device a100", 2,
                "no such card was measured: choose from nvidia-gh200-480gb, synthetic-h100, tesla-t4");
  measured.add("another-h100", "another H100");
  check_refused(measured.command + "--kept", 2, "several such cards were measured");
}

TEST_CASE("of a card whose caches nobody knows, what the caches decide is left out") {
  const Measured measured;
  measured.add("nvidia-gh200-480gb", "NVIDIA GH200 480GB");
  const Outcome compared = run(measured.command + "--device nvidia-gh200-480gb");
  CHECK(compared.code == 1);
  CHECK(compared.err.find("does not know the caches of NVIDIA GH200 480GB") != std::string::npos);
  CHECK(compared.err.find("load requests: simulated 440, measured 1") != std::string::npos);
  CHECK(compared.out.find(" –  32 B ") != std::string::npos);  // L1 to L2: not simulated
}

TEST_CASE("measure --card shows the kept counters of the shapes asked for, and simulates nothing") {
  const Outcome table = run("measure naive --saved --card --seq 4K");
  CHECK(table.code == 0);
  CHECK(table.out.find("  64  full        1,572,864      6,291,456 ") != std::string::npos);
  CHECK(table.out.find(" 512 ") == std::string::npos);
}

TEST_CASE("measure's wrong usage is one line and exit code 2") {
  check_refused("measure naive --card", 2, "go with --saved");
  check_refused("measure naive --saved --card --format csv", 2, "no --format");
  check_refused("measure naive --saved --card --seq 7", 2, "nothing that was measured fits");
  check_refused("measure naive --saved --card --seq x", 2, "--seq");
}

TEST_SUITE_END();
