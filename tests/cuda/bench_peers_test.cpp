// The Python side of the bench, with a fake of PyTorch, and with processes that misbehave.
#include "cuda/host/bench/peers.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "cuda/host/process.hpp"
#include "sim/core/error.hpp"

using namespace flashlab;
using namespace flashlab::gpu;

TEST_SUITE_BEGIN("cuda");

namespace {

void need_python() {
  if (find_program("python3")) return;
  std::cerr << "skipped: no python3 here\n";
  std::exit(77);
}

/// A name in the environment for the length of a scope.
struct ScopedVariable {
  ScopedVariable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~ScopedVariable() { unsetenv(name_); }
  const char* name_;
};

const std::string kFakeTorch = FLASHLAB_SOURCE_DIR "/tests/cuda/fake_torch";

/// A script that greets with one back end, then does `body` for every further request `r`.
std::string script(const std::string& body) {
  return "import json, sys, os\n"
         "say = lambda x: print(json.dumps(x), flush=True)\n"
         "sys.stdin.readline()\n"
         "say({'ok': True, 'software': {'torch': 'x'}, 'backends': ['math'], 'library_folders': []})\n"
         "for line in sys.stdin:\n"
         "    r = json.loads(line)\n"
         "    " +
         body + "\n";
}

BenchInputs inputs() { return bench_inputs({DType::f32, 1, 1, 1, 4, 8, false}, 1); }

}  // namespace

TEST_CASE("the bench's own script answers like the reference, and says why a back end refuses") {
  need_python();
  const ScopedVariable path("PYTHONPATH", kFakeTorch);
  std::vector<std::unique_ptr<Contender>> contenders;
  Peers peers("python3", 1e6);
  CHECK(peers.software().at("torch") == "0.0 (a fake for tests)");
  CHECK(peers.software().at("cuDNN") == "90000");
  contenders = peers.contenders();
  REQUIRE(contenders.size() == 4);
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    CAPTURE(name_of(dtype));
    BenchRun run;
    LoadMeter meter;
    run_bench(run, contenders, meter,
              {.shapes = {{dtype, 2, 4, 2, 5, 8, true}, {dtype, 1, 2, 2, 6, 8, false}},
               .method = {.runs = 4, .rounds = 2, .seconds = 10, .checked_rows = 1000}});
    REQUIRE(run.cases.size() == 2);
    for (const BenchCase& at : run.cases) {
      CHECK(at.find("torch-math")->measured());
      CHECK(at.find("torch-math")->time.runs == 4);
      CHECK(at.find("torch-math")->relative_error <= bench_tolerance(dtype));
      CHECK(at.find("torch-efficient")->problem == "CUDA out of memory. Tried to allocate 9.00 GiB.");
      CHECK(at.find("torch-cudnn")->wrong);
      if (dtype == DType::f32) {
        CHECK(at.find("torch-flash")->problem.find("Expected dtype Half or BFloat16") != std::string::npos);
      } else {
        CHECK(at.find("torch-flash")->measured());
      }
    }
  }
}

TEST_CASE("without PyTorch, or without Python, the reason is told") {
  need_python();
  const ScopedVariable path("PYTHONPATH", "/no/such/folder");
  // -c runs with no torch in sight: a name that is not there stands for it.
  CHECK_THROWS_WITH_AS(Peers("python3", 1e6, "import no_such_module_of_flashlab"),
                       doctest::Contains("No module named 'no_such_module_of_flashlab'"), EnvironmentError);
  CHECK_THROWS_WITH_AS(Peers("/no/such/python", 1e6), doctest::Contains("cannot run /no/such/python"),
                       EnvironmentError);
}

TEST_CASE("a process that dies, babbles or miscounts is a reason, never a crash") {
  need_python();
  const auto problem_of = [](const std::string& body) -> std::string {
    Peers peers("python3", 1e6, script(body));
    const auto contenders = peers.contenders();
    const BenchInputs in = inputs();
    try {
      if (std::string why = contenders.at(0)->prepare(in); !why.empty()) return why;
      contenders[0]->answer();
      contenders[0]->time(3, 1);
      return "";
    } catch (const EnvironmentError& error) {
      return error.what();
    }
  };
  CHECK(problem_of("sys.exit('gone away')").find("gone away") != std::string::npos);
  CHECK(problem_of("os.kill(os.getpid(), 9)").find("has ended") != std::string::npos);
  CHECK(problem_of("print('hello', flush=True)").find("something else than JSON: hello") != std::string::npos);
  CHECK(problem_of("say([])").find("something else") != std::string::npos);
  CHECK(problem_of("say({'ok': False})") == "no reason was given");
  CHECK(problem_of("say({'ok': False, 'reason': 'no room'})") == "no room");
  CHECK(problem_of("say({'ok': True})").find("does not hold 32 values") != std::string::npos);
  CHECK(problem_of("open(r['out'], 'wb').write(bytes(128)) if 'out' in r else None; say({'ok': True, 'ms': "
                   "[1.0, 2.0]})") == "3 times were asked for, and 2 came");
  CHECK(problem_of("open(r['out'], 'wb').write(bytes(128)) if 'out' in r else None; say({'ok': True, 'ms': [1, "
                   "2, 'x']})") == "3 times were asked for, and 0 came");
}

TEST_CASE("a process that says nothing is not waited for without end") {
  CoProcess silent({"sh", "-c", "echo 'thinking' >&2; exec sleep 20 </dev/null"},
                   std::filesystem::temp_directory_path() / "flashlab_silent_test");
  CHECK_THROWS_WITH_AS(silent.ask("{}", 0.2), doctest::Contains("said nothing for 0 s: thinking"),
                       EnvironmentError);
}

TEST_SUITE_END();
