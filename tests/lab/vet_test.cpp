#include "sim/lab/vet.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace flashlab::lab;

namespace {

std::string first_refusal(const std::string& source, const VetOptions& options = {}) {
  const auto refusals = vet(source, options);
  return refusals.empty() ? "" : std::to_string(refusals[0].line) + ": " + refusals[0].what;
}
bool refused_for(const std::string& source, const std::string& word) {
  const std::string what = first_refusal(source);
  INFO(source << " → " << what);
  CHECK(what.find(word) != std::string::npos);
  return what.find(word) != std::string::npos;
}

}  // namespace

TEST_CASE("ordinary device code passes the vetting") {
  const char* const source = R"(#include <cuda_runtime.h>
#include <cmath>
#define TILE 32
constexpr int kRows = 4, kCols{8};
struct Stats { float m, l; __device__ Stats merge(Stats o) const { return {fmaxf(m, o.m), l + o.l}; } };
enum class Order { rows, columns };
namespace detail { template <int n> struct Tag {}; using Int = int; }
template <class T> __device__ T twice(T x) { return x + x; }
__host__ __device__ auto half(float x) -> float { return x / 2; }
extern __shared__ float pool[];
template <int d> __global__ void __launch_bounds__(128) k(const float* __restrict__ a, float* b, int n) {
  __shared__ float4 s[TILE][d / 4];
  #pragma unroll
  for (int i = 0; i < n; ++i) b[i] = twice(a[i]) + reinterpret_cast<const float4*>(a)[0].x * 1'000.0f;
  const auto f = [&](int i) { return std::max(i, 0); };
  if (n < f(3) && n << 2 > 1) __syncthreads();
  char c = '\''; (void)c; (void)s;
}
)";
  CHECK(first_refusal(source) == "");
}

TEST_CASE("what leaves device code is refused with its line") {
  CHECK(refused_for("\nvoid f() { asm(\"int3\"); }", "2: `asm`"));
  CHECK(refused_for("void f() { __asm__ volatile(\"\"); }", "`__asm__`"));
  CHECK(refused_for("__attribute__((constructor)) void f() {}", "__attribute__"));
  CHECK(refused_for("[[gnu::constructor]] void f() {}", "`[["));
  CHECK(refused_for("extern \"C\" int write(int, const void*, unsigned long);", "`extern`"));
  CHECK(refused_for("void f() { __builtin_trap(); }", "__builtin_trap"));
  CHECK(refused_for("void __tsan_read4(void*) {}", "__tsan_read4"));
  CHECK(refused_for("void f() { flashlab_printf(\"\"); }", "flashlab_printf"));
  CHECK(refused_for("void f() { cudaMalloc(0, 0); }", "cudaMalloc"));
  CHECK(refused_for("void f() { k<<<1, 1>>>(); }", "a launch"));
  CHECK(refused_for("void* operator new(unsigned long);", "new"));
  CHECK(refused_for("void f() { throw 1; }", "throw"));
  CHECK(refused_for("struct A { virtual void f() {} };", "virtual"));
  CHECK(refused_for("inline namespace x {}", "inline namespace"));
  CHECK(refused_for("void f() { std::copy(a, b, c); }", "std::copy"));
  CHECK(refused_for("using namespace std;", "`std`"));
}

TEST_CASE("directives other than the few that kernels need are refused") {
  CHECK(refused_for("#include \"/etc/passwd\"", "#include"));
  CHECK(refused_for("#include <../../solution.cu>", "#include"));
  CHECK(refused_for("#include <unistd.h>", "#include"));
  CHECK(refused_for("#define H <unistd.h>\n#include H", "#include"));
  CHECK(refused_for("#line 1 \"harness.cu\"", "#line"));
  CHECK(refused_for("#pragma GCC optimize(\"O0\")", "#pragma"));
  CHECK(refused_for("_Pragma(\"GCC optimize(0)\")", "_Pragma"));
  CHECK(refused_for("#error x", "#error"));
  CHECK(refused_for("#define if while", "#define if"));
  CHECK(refused_for("#define A(x, y) x##y", "`##`"));
  CHECK(refused_for("#define A }", "pair"));
  CHECK(refused_for("#define A } void f() {} namespace n {", "pair"));
  CHECK(refused_for("#if 0\n{\n#endif\n}\nvoid f() {}\n#if 0\n}\n#endif\nnamespace n {", "one branch of #if"));
  CHECK(refused_for("#if 1\n} void f() {} namespace n {\n#endif", "in a branch of #if"));
  CHECK(refused_for("#endif", "without #if"));
  CHECK(first_refusal("#define A(x) f((x)[0])\n#if 1\nvoid f() {}\n#else\nvoid f() { g(); }\n#endif\n") == "");
  CHECK(refused_for("#undef __CUDACC__", "#undef"));
  CHECK(refused_for("#inc\\\nlude <unistd.h>", "#include"));
  CHECK(refused_for("%:include <unistd.h>", "digraph"));
  CHECK(refused_for("void f() { flash\\ \nlab_x(); }", "flashlab_x"));
  CHECK(refused_for("/\\\n* \" */ int x = f(); /\\\n* \" */", "not constexpr"));
  CHECK(first_refusal("// c \\\nint x = f();\n") == "");
  CHECK(refused_for("int \\u0061;", "`\\`"));
  CHECK(refused_for("const char* s = R\"(x)\";", "raw string"));
  CHECK(first_refusal("#define run 1", {.taken_names = {"run"}}) != "");
}

TEST_CASE("nothing outside of functions runs or can be changed") {
  CHECK(refused_for("int x = f();", "not constexpr"));
  CHECK(refused_for("int x{f()};", "not constexpr"));
  CHECK(refused_for("int x(3), y{f()};", "without a body"));
  CHECK(refused_for("auto x = [] { return 1; }();", "not constexpr"));
  CHECK(refused_for("__device__ float seen[64];", "not constexpr"));
  CHECK(refused_for("static int counter;", "not constexpr"));
  CHECK(refused_for("namespace { int x = f(); }", "not constexpr"));
  CHECK(refused_for("struct A { A(); } a;", "declared together"));
  CHECK(refused_for("struct A { static inline int x = f(); };", "static member"));
  CHECK(refused_for("template <class T> int v = f<T>();", "not constexpr"));
  CHECK(refused_for("long write(int, const void*, unsigned long);", "without a body"));
  CHECK(refused_for("} namespace flash {", "closes nothing"));
  CHECK(refused_for("void f() {", "not closed"));
}
