// The program as a user meets it: what it prints, on which stream, and its exit code.

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "sim/core/npy.hpp"
#include "sim/core/tensor.hpp"
#include "tests/cli/program.hpp"

using namespace flashlab;
using Json = nlohmann::json;

TEST_SUITE_BEGIN("cli");

TEST_CASE("without a command: every stage on the shipped tensors, relative errors below 1e-6") {
  const Outcome table = run("");
  CHECK(table.code == 0);
  CHECK(table.err.empty());
  CHECK(table.out.find("\x1b") == std::string::npos);  // no colour into a file
  const Outcome outcome = run("report --format json");
  REQUIRE(outcome.code == 0);
  const Json report = Json::parse(outcome.out);
  CHECK(report["schema"] == "flashlab.report/1");
  CHECK(report["problem"] ==
        Json{{"batch", 1}, {"heads", 4}, {"seq", 1000}, {"dim", 64}, {"dtype", "fp32"}, {"causal", false}});
  REQUIRE(report["stages"].size() == 5);
  for (const Json& stage : report["stages"]) {
    CAPTURE(stage["stage"]);
    CHECK(stage["relative_error"].get<double>() < 1e-6);
    CHECK(stage["passed"] == true);
    CHECK(table.out.find(stage["stage"].get<std::string>()) != std::string::npos);
    for (const char* key :
         {"machine", "tile_rows", "tile_cols", "hbm_read_bytes", "hbm_write_bytes", "sram_read_bytes",
          "sram_write_bytes", "sram_peak_bytes", "hbm_footprint_bytes", "flops", "floor_ms", "bound"}) {
      CHECK(stage.contains(key));
    }
    Bytes read = 0;
    for (const Json& tensor : stage["tensors"]) read += tensor["read_bytes"].get<Bytes>();
    CHECK(read == stage["hbm_read_bytes"].get<Bytes>());
  }
}

TEST_CASE("at N = 8192 the report names 268,435,456 B, four passes, and what online-q wins") {
  const Outcome outcome = run("report --seq 8192 --dim 64 --count-only --device h100-sxm");
  CHECK(outcome.code == 0);
  for (const char* text : {"268,435,456 B a head", "HBM boundary 4 times", "moves 0 bytes of S and P",
                           "less HBM traffic", "less memory", "fewer HBM bytes than online-q (Br = 64)"}) {
    CAPTURE(text);
    CAPTURE(outcome.out);
    std::string unwrapped = outcome.out;
    for (std::size_t at; (at = unwrapped.find("\n  ")) != std::string::npos;) unwrapped.replace(at, 3, " ");
    CHECK(unwrapped.find(text) != std::string::npos);
  }
}

TEST_CASE("count-only counts what a run counts, and leaves the error open") {
  const Json counted = Json::parse(run("report --seq 300 --dim 32 --heads 2 --count-only --format json").out);
  const Json executed = Json::parse(run("report --seq 300 --dim 32 --heads 2 --format json").out);
  for (std::size_t s = 0; s < 5; ++s) {
    CHECK(counted["stages"][s]["tensors"] == executed["stages"][s]["tensors"]);
    CHECK(counted["stages"][s]["relative_error"].is_null());
    CHECK(executed["stages"][s]["relative_error"].is_number());
  }
}

TEST_CASE("the paper's setting prints 9.13, 1.53 and 4.57 GB and says what the print counts differently") {
  const Outcome outcome = run("report --preset gpt2-medium-a100");
  CHECK(outcome.code == 0);
  for (const char* text : {"9.13", "1.53", "4.57", "40.3", "25.2", "4.10"})
    CHECK(outcome.out.find(text) != std::string::npos);
  check_refused("report --preset gpt2-medium-a100 --seq 5", 2, "fixes the problem");
}

TEST_CASE("a sweep has a row a point, in every format") {
  const Outcome csv = run("report --sweep seq=1K..1M --dim 64 --format csv");
  CHECK(csv.code == 0);
  CHECK(std::count(csv.out.begin(), csv.out.end(), '\n') == 12);
  const Json json = Json::parse(run("report --sweep sram=32K..1M --seq 4096 --dim 64 --format json").out);
  CHECK(json["points"].size() == 6);
  CHECK(json["points"][0]["lower_bound_bytes"] == 4.0 * 4096 * 4096 * 64 * 64 / (32768 / 4));
  CHECK(run("report --sweep tile=16..512 --format svg").out.starts_with("<svg"));
}

TEST_CASE("run writes O as .npy, and what it writes is what TensorFlow.js computed") {
  const Scratch scratch;
  const fs::path out = scratch.path / "O.npy";
  const Outcome outcome = run("run online-q --out '" + out.string() + "'");
  CHECK(outcome.code == 0);
  const StoredArray got = read_npy(out);
  const StoredArray want = read_npy(FLASHLAB_SOURCE_DIR "/sim/data/use_lite_gpl3_n1000_d64/o.npy");
  REQUIRE(got.data.size() == want.data.size());
  double largest = 0;
  for (std::size_t i = 0; i < got.data.size(); ++i) {
    REQUIRE(std::isfinite(got.data[i]));
    largest = std::max(largest, static_cast<double>(std::abs(got.data[i] - want.data[i])));
  }
  CHECK(largest < 1e-4);
}

TEST_CASE("a stage runs on the simt machine with the tile machine's answer and the formula's bytes") {
  for (const char* stage : {"tiled", "online-q"}) {
    CAPTURE(stage);
    const Outcome outcome =
        run(std::string("run ") + stage + " --machine simt --seq 64 --dim 32 --heads 2 --format json");
    REQUIRE(outcome.code == 0);
    const Json row = Json::parse(outcome.out)["stages"][0];
    CHECK(row["relative_error"].get<double>() < 1e-6);
    CHECK(row["findings"] == 0);
    // Br = Bc = 32 in the kernels: Tr = 2. Rows of 32 floats are whole sectors, so the bytes are the formula's.
    const int passes_over_kv = std::string_view(stage) == "tiled" ? 3 : 2;
    CHECK(row["kernels"][0]["metrics"]["l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum"] ==
          2 * (1 + 2 * passes_over_kv) * 64 * 32 / 8);
  }
  check_refused("run online-q --machine simt --seq 64 --dim 40", 2, "d = 32, 64, 96 or 128");
  check_refused("run online-q --machine simt --seq 64 --dim 64 --dtype fp16", 2, "fp32");
  check_refused("run online-q --machine simt --seq 64 --dim 64 --device v100", 2, "not modelled");
}

TEST_CASE("an upper rung runs on the simt machine, as online-q with its own tiles on the tile machine") {
  const Outcome grouped = run("run tensor-core --machine simt --seq 65 --heads 4 --kv-heads 2 --format json");
  REQUIRE(grouped.code == 0);
  const Json json = Json::parse(grouped.out);
  CHECK(json["problem"]["dtype"] == "bf16");  // it takes no fp32, and nobody asked for a type
  CHECK(json["problem"]["kv_heads"] == 2);
  CHECK(json["stages"][0]["relative_error"].get<double>() > 1e-4);
  CHECK(json["stages"][0]["relative_error"].get<double>() < 1e-2);
  CHECK(json["stages"][0]["kernels"][0]["metrics"]["sm__inst_executed_pipe_tensor_op_hmma.sum"] > 0);
  const Outcome real = run("run registers --machine simt --causal --format json");
  REQUIRE(real.code == 0);
  CHECK(Json::parse(real.out)["stages"][0]["relative_error"].get<double>() < 2e-6);

  const Outcome tile = run("run hopper --seq 1000 --dim 128 --dtype bf16 --format json");
  REQUIRE(tile.code == 0);
  const Json row = Json::parse(tile.out)["stages"][0];
  CHECK(row["tile_rows"] == 128);
  CHECK(row["hbm_read_bytes"] == 2 * (1 + 2 * 8) * 1000 * 128);  // (1 + 2Tr)·N·d elements, Tr = 8
  const Outcome report = run("report --seq 64 --count-only --format json");
  CHECK(Json::parse(report.out)["stages"].size() == 5);

  check_refused("run hopper --machine simt --seq 64", 2, "wgmma are not simulated; take tensor-core");
  check_refused("run tensor-core --machine simt --seq 64 --dtype fp32", 2, "takes fp16 and bf16, not fp32");
  check_refused("run registers --machine simt --seq 64 --heads 4 --kv-heads 3", 2, "does not divide 4 heads");
  check_refused("run online-q --machine simt --seq 64 --heads 4 --kv-heads 2", 2,
                "wants a K and V for every head");
  check_refused("run registers --seq 64 --heads 4 --kv-heads 2", 2, "--machine simt or gpu");
}

TEST_CASE("measure says of a stage that no card has measured how to have it measured") {
  check_refused("measure hopper --saved", 3, "run flashlab measure hopper on a machine with a GPU");
  check_refused("measure regsters --saved", 2, "did you mean registers?");
}

TEST_CASE("profile names the line of a planted race and ends with 1, and of a bank conflict what to do") {
  const std::string programs = FLASHLAB_SOURCE_DIR "/tests/simt/programs/";
  const Outcome race = run("profile " + programs + "race.cu");
  CHECK(race.code == 1);
  CHECK(race.out.find("race") != std::string::npos);
  CHECK(race.out.find("race.cu:") != std::string::npos);
  const Outcome conflict = run("profile " + programs + "transpose.cu");
  CHECK(conflict.code == 0);
  CHECK(conflict.out.find("transpose.cu line 7: 32 wavefronts a request") != std::string::npos);
  check_refused("profile /nowhere/x.cu", 3, "/nowhere/x.cu");
  check_refused("profile", 2, "FILE.cu");
}

TEST_CASE("profile takes flags before the file, and names a copy of a program by its own folder") {
  namespace fs = std::filesystem;
  const Scratch scratch;
  const fs::path here = fs::current_path();
  for (const char* name : {"one", "two"}) {
    const fs::path folder = scratch.path / name;
    fs::create_directory(folder);
    fs::copy_file(FLASHLAB_SOURCE_DIR "/tests/simt/programs/race.cu", folder / "race.cu");
    fs::current_path(folder);
    const Outcome race = run("profile --device none --flag=-DX=1 --flag=-DY=2 race.cu -- 3");
    fs::current_path(here);
    CHECK(race.code == 1);
    CAPTURE(race.out);
    CHECK(race.out.find((folder / "race.cu").string() + ":9") != std::string::npos);
  }
}

TEST_CASE("wrong usage is one line on stderr and exit code 2") {
  check_refused("reprot", 2, "did you mean report?");
  check_refused("report --sequence 5", 2, "--sequence");
  check_refused("report --seq", 2, "--seq");
  check_refused("report --seq 0", 2, "it must be 1 or more");
  check_refused("report --seq -5", 2, "--seq");
  check_refused("report --seq 1.5", 2, "--seq");
  check_refused("report --seq 99999999999999999999", 2, "overflows");
  check_refused("report --dim 257 --count-only", 2, "up to 256");
  check_refused("report --seq 1000000000 --dim 64 --count-only --stages naive", 2, "overflows 64 bits");
  check_refused("report --batch 4G --heads 4G --seq 4G --count-only", 2, "overflows 64 bits");
  check_refused("report --dtype int8", 2, "fp32, fp16 or bf16");
  check_refused("report --device h10", 2, "h100");
  check_refused("report --sram 100 --count-only", 2, "B of SRAM");
  check_refused("report --sram 0 --count-only", 2, "B of SRAM");
  check_refused("report --format xml", 2, "table");
  check_refused("report --color blue", 2, "auto");
  check_refused("report --sweep seq", 2, "seq=1K..1M");
  check_refused("report --sweep seq=8..4", 2, "must rise");
  check_refused("report --sweep seq=1..4:1000000000", 2, "points");
  check_refused("report --sweep depth=1..2", 2, "seq=1K..1M");
  check_refused("report --stages naive,onlin-q", 2, "did you mean online-q?");
  check_refused("report --register-tile 8", 2, "8x8");
  check_refused("report --tile-rows 0", 2, "it must be 1 or more");
  check_refused("report --q a.npy", 2, "all three files");
  check_refused("report --q a.npy --k a.npy --v a.npy --seq 5", 2, "come from the files");
  check_refused("run", 2, "STAGE");
  check_refused("run nave", 2, "did you mean naive?");
  check_refused("run fused --seq 200 --sram 1K", 2, "fused refuses N = 200");
  check_refused("run naive --machine quantum", 2, "--machine");
}

TEST_CASE("what the environment lacks is one line on stderr and exit code 3") {
  check_refused("report --q /nowhere/q.npy --k k --v v", 3, "/nowhere/q.npy");
  check_refused("report --input /nowhere/x.safetensors", 3, "/nowhere/x.safetensors");
  check_refused("report --device /nowhere/gpu.json", 3, "/nowhere/gpu.json");
  check_refused("report --seq 16M --dim 64 --stages naive", 3, "--count-only");
}

TEST_CASE("hostile tensors are refused by name") {
  const Scratch scratch;
  const auto path = [&](const char* name) { return (scratch.path / name).string(); };
  Tensor good(1, 1, 4, 8, 0.5f), other(1, 1, 5, 8, 0.5f), bad = good;
  bad.data()[9] = std::numeric_limits<float>::quiet_NaN();
  write_npy(path("good.npy"), good, DType::f32);
  write_npy(path("other.npy"), other, DType::f32);
  write_npy(path("nan.npy"), bad, DType::f32);
  std::ofstream(path("short.npy"), std::ios::binary) << read_file(path("good.npy")).substr(0, 140);
  const auto files = [&](const char* k) {
    return "report --q " + path("good.npy") + " --k " + path(k) + " --v " + path("good.npy");
  };
  check_refused(files("other.npy"), 2, "other.npy");
  check_refused(files("nan.npy"), 2, "nan.npy");
  check_refused(files("short.npy"), 2, "short.npy");
  CHECK(run(files("good.npy")).code == 0);
  check_refused("run naive --q " + path("good.npy") + " --k " + path("good.npy") + " --v " + path("good.npy") +
                    " --out /nowhere/O.npy",
                3, "/nowhere");
}

TEST_CASE("a check that fails is exit code 1 and names the stage") {
  const Scratch scratch;
  const std::string path = (scratch.path / "huge.npy").string();
  write_npy(path, Tensor(1, 1, 3, 4, 1e30f), DType::f32);  // Q·K overflows fp32: no stage can be right
  const Outcome outcome = run("report --q " + path + " --k " + path + " --v " + path);
  CHECK(outcome.code == 1);
  CHECK(outcome.err.find("check failed: naive") != std::string::npos);
  CHECK(outcome.out.find("FAILED") != std::string::npos);
}

TEST_CASE("help has examples and ends well, colour obeys its option") {
  for (const char* help : {"--help", "report --help", "run --help", "devices --help"}) {
    const Outcome outcome = run(help);
    CHECK(outcome.code == 0);
    CHECK(outcome.out.size() > 200);
    CHECK(outcome.err.empty());
  }
  CHECK(run("report --help").out.find("Examples:") != std::string::npos);
  CHECK(run("report --seq 9 --color always").out.find("\x1b[") != std::string::npos);
  CHECK(run("--version").out.starts_with("flashlab "));
}

TEST_SUITE_END();
