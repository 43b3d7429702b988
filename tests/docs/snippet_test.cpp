// A piece of code by its name: what the texts show is the whole definition and nothing else.

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "sim/core/error.hpp"
#include "sim/docs/snippet.hpp"

using namespace flashlab;
using docs::snippet_of;

namespace {

constexpr const char* kSource = R"(#include <x>
// Not this: int twice() { return 0; }
namespace a {
namespace {
/// Doubles.
/// Costs one addition.
template <int d, bool causal>
__global__ void __launch_bounds__(128, 1)
    scale(float* x,  // (N, d)
          int n) {
  if (n > 0) { x[0] = '}'; }
  const char* s = "} // not the end";
  const auto local = [&](int i) {
    return i + 1;
  };
}  // trailing
}

int declared(int);
constexpr int kRows = 64, kColumns = 32;
using Row = float[kRows];

enum class Kind { one, two };

struct Machine : Base<int> {
  Machine() : a_{1}, b_(2) { start(); }
  explicit Machine(int a);
  /// Loads.
  int load(int i) const { return i; }
  bool operator==(const Machine& other) const { return a_ == other.a_; }
  struct Inner {
    int x{3};
  };
 private:
  int a_ = 0, b_{1};
};

Machine::Machine(int a) : a_(a) {}

int twice(int i) { return 2 * i; }
double twice(double i) { return 2 * i; }
// [region]
  int first = 1;
    int second = 2;
// [region]
}  // namespace a
)";

std::string piece(const char* name) { return snippet_of(kSource, name, "a.cuh"); }

}  // namespace

TEST_SUITE_BEGIN("docs");

TEST_CASE("a kernel is shown from its template line to its last brace, without namespaces and comments above") {
  const std::string kernel = piece("scale");
  CHECK(kernel.starts_with("template <int d, bool causal>\n__global__ void __launch_bounds__(128, 1)\n"));
  CHECK(kernel.ends_with("}  // trailing\n"));
  CHECK(kernel.find("} // not the end") != std::string::npos);
  CHECK(snippet_of(kSource, "scale", "a.cuh", true)
            .starts_with("/// Doubles.\n/// Costs one addition.\ntemplate"));
}

TEST_CASE("classes, members, aliases, constants and lambdas are found by name") {
  CHECK(piece("Kind") == "enum class Kind { one, two };\n");
  CHECK(piece("Row") == "using Row = float[kRows];\n");
  CHECK(piece("kRows") == "constexpr int kRows = 64, kColumns = 32;\n");
  CHECK(piece("load") == "int load(int i) const { return i; }\n");
  CHECK(piece("Machine::load") == piece("load"));
  CHECK(piece("operator==") == "bool operator==(const Machine& other) const { return a_ == other.a_; }\n");
  CHECK(piece("Inner") == "struct Inner {\n  int x{3};\n};\n");
  CHECK(piece("local") == "const auto local = [&](int i) {\n  return i + 1;\n};\n");
  const std::string machine = piece("Machine");
  CHECK(machine.starts_with("struct Machine : Base<int> {\n"));
  CHECK(machine.ends_with("  int a_ = 0, b_{1};\n};\n"));
}

TEST_CASE("a region keeps its inner indentation and loses the shared one") {
  CHECK(piece("region") == "int first = 1;\n  int second = 2;\n");
  CHECK(snippet_of("a\n# [x]\n  b\n# [x]\n", "x", "a.sh") == "b\n");
}

TEST_CASE("what is not there, only declared, ambiguous or half marked is refused by file and name") {
  for (const char* name : {"nothing", "declared", "start", "Not"}) {
    CAPTURE(name);
    CHECK_THROWS_WITH_AS(piece(name), doctest::Contains("a.cuh: has no definition"), UsageError);
  }
  CHECK_THROWS_WITH_AS(piece("twice"), doctest::Contains("lines 40, 41"), UsageError);
  CHECK_THROWS_WITH_AS(snippet_of("// [x]\n1\n", "x", "a.cpp"), doctest::Contains("has 1"), UsageError);
  CHECK_THROWS_WITH_AS(snippet_of("// [x]\n// [x]\n", "x", "a.cpp"), doctest::Contains("empty"), UsageError);
}

TEST_CASE("broken source ends in an answer, never in a loop or a crash") {
  for (const char* source :
       {"", "{", "}", "struct", "struct X", "int f(", "int f() {", "R\"x(", "\"", "'", "/*", "#\\",
        "struct X { int f() : a{", "template <", "enum class", "}}}} int f() {}", "auto x ="}) {
    CAPTURE(source);
    CHECK_THROWS_AS(snippet_of(source, "name", "a.cpp"), UsageError);
  }
}

TEST_CASE("every kernel of the ladder and every tile program is found whole") {
  const auto source = [](const std::string& path) {
    std::ifstream file(FLASHLAB_SOURCE_DIR "/" + path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  for (const char* name : {"fused", "tiled", "online_kv", "online_q", "registers", "tensor_core", "hopper"}) {
    CAPTURE(name);
    const std::string file = "cuda/kernels/" + std::string(name) + ".cuh";
    const std::string kernel = snippet_of(source(file), name, file);
    CHECK(kernel.starts_with("template <"));
    CHECK(kernel.find("__global__") != std::string::npos);
    CHECK(kernel.ends_with("\n}\n"));
  }
  CHECK(snippet_of(source("cuda/kernels/hopper.cuh"), "issue_qk", "a.cuh").ends_with("};\n"));
  CHECK(snippet_of(source("cuda/kernels/hopper.cuh"), "HopperOptions", "a.cuh").ends_with("};\n"));
}
