#include <doctest/doctest.h>

#include <algorithm>

#include "sim/core/error.hpp"
#include "sim/simt/compile/arithmetic_marks.hpp"
#include "sim/simt/compile/loop_marks.hpp"
#include "sim/simt/rewrite/rewrite.hpp"

using namespace flashlab;
using namespace flashlab::simt;

namespace {
std::string body(std::string_view source) {
  std::string text = rewrite(source).text;
  return text.substr(0, text.rfind("\nnamespace {"));
}
bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
}  // namespace

TEST_SUITE_BEGIN("simt");

TEST_CASE("a launch becomes a call with the same arguments") {
  CHECK(body("void f() { k<<<2, 64>>>(a, b); }") ==
        "void f() { ::flashlab_simt::typed(::flashlab_simt::Config(\"k\", 2, 64), k)(a, b); }");
  CHECK(has(
      body("void f() { ns::k<float, (3 > 2)><<<dim3(1, 2), b[1], sizeof(A<B<int>>), s>>>(x); }"),
      "Config(\"ns::k<float, (3 > 2)>\", dim3(1, 2), b[1], sizeof(A<B<int>>), s), ns::k<float, (3 > 2)>)(x)"));
}

TEST_CASE("a launch that a formatter spaced is a launch, an operator's template argument is none") {
  CHECK(body("void f() { k << <2, 64 >> > (a, b); }") ==
        "void f() { ::flashlab_simt::typed(::flashlab_simt::Config(\"k\",  2, 64 ), k) (a, b); }");
  const std::string source =
      "template <class T> struct A { friend S& operator<< <T>(S&, const A&); B<C<D<T> > > b; };";
  CHECK(body(source) == source);
}

TEST_CASE("a launch within a kernel is unsupported, one after it is not") {
  const auto lines = [](const char* source) {
    std::vector<int> found;
    for (const Unsupported& u : rewrite(source).unsupported) found.push_back(u.line);
    return found;
  };
  CHECK(lines("# 1 \"a.cu\"\n__global__ void k(int);\n__global__ void p() { if (1) {\n k<<<1, 1>>>(2); } }\n"
              "void f() { p<<<1, 1>>>(); }\n") == std::vector<int>{3});
  CHECK(lines("# 1 \"a.cu\"\n__global__ void k(int);\nvoid f() { k<<<1, 1>>>(2); }\n").empty());
}

TEST_CASE("a kernel template's parameters are deduced at the launch") {
  const std::string text =
      body("template <class T, int N> __global__ void k(T* x) {}\nvoid f() { k<int, 2><<<1, 2>>>(p); }");
  CHECK(has(text, "::flashlab_simt::deduced("));
  CHECK(has(text, "{ k<int, 2>(flashlab_a...); }"));
  CHECK_FALSE(has(text, "__global__"));
}

TEST_CASE("lines stay where they are") {
  const std::string source =
      "void f() {\n  k<<<dim3(1,\n 2),\n 3>>>(\n a);\n __shared__ float\n  s[2]\n  [3];\n}\n";
  const std::string text = body(source);
  CHECK(std::count(text.begin(), text.end(), '\n') == std::count(source.begin(), source.end(), '\n'));
}

TEST_CASE("strings, characters and shifts are left alone") {
  for (const char* source :
       {"auto s = \"k<<<1, 2>>>(x); __shared__ int a;\";", "auto s = R\"(k<<<1, 2>>>(x); \")\";",
        "char c = '\"'; int x = a << 2 >> 1;", "int x = 1'000'000; // no",
        "template <class T> struct A { B<C<D<T>>> b; };", "# 3 \"a.cu\"\nint x;"}) {
    CHECK(body(source) == source);
  }
}

TEST_CASE("shared declarations become references into the block's memory") {
  const std::string text =
      body("__global__ void k() { __shared__ __attribute__((aligned(16))) float a[4][8], b; }");
  CHECK(has(text, "float a[4][8], b;"));
  CHECK(has(text, "auto& a = flashlab_v0.a;"));
  CHECK(has(text, "auto& b = flashlab_v0.b;"));
  CHECK(has(text, "aligned(16)"));
  CHECK(has(body("void k() { extern __shared__ float s[]; }"),
            "float * const s = static_cast<float *>(::flashlab_dynamic_shared());"));
  CHECK(has(body("void k() { __shared__ typename A<int, 3>::B temp; }"), "typename A < int , 3 > :: B temp;"));
  CHECK(has(body("extern __shared__ int s[];\nvoid k() {}"),
            "static const ::flashlab_simt::DynamicShared<int > s{};"));
}

TEST_CASE("line marks within a declaration do not disturb it, and the lines after it keep their numbers") {
  const std::string text = body(
      "# 1 \"a.cu\"\nvoid k() {\n extern __shared__\n# 2 \"a.cu\" 3 4\n __attribute__((aligned(16)))\n# 2 "
      "\"a.cu\"\n float s[];\n int x;\n}\n");
  CHECK(has(text, "float * const s = "));
  CHECK(has(text, "\n# 2 \"a.cu\"\n\n int x;"));
}

TEST_CASE("what cannot be understood is refused with file and line") {
  CHECK_THROWS_WITH_AS(rewrite("# 7 \"a.cu\"\nvoid f() { k<<<1, 2>>>; }"), doctest::Contains("a.cu:7"),
                       UsageError);
  CHECK_THROWS_AS(rewrite("void f() { __shared__ int x = 3; }"), UsageError);
}

TEST_CASE("inline assembly and textures are named by line") {
  const Rewritten r = rewrite("# 1 \"a.cu\"\n\nvoid f() {\n  asm volatile(\"mov\");\n}\n");
  REQUIRE(r.unsupported.size() == 1);
  CHECK(r.unsupported[0].file == "a.cu");
  CHECK(r.unsupported[0].line == 3);
}

TEST_CASE("damaged source is refused or passed on, never a crash") {
  const std::string source =
      "template <int N> __global__ void k(float* x) { __shared__ float s[N][3], t; extern __shared__ int d[]; "
      "s[0][0] = x[0]; }\n"
      "void f() { k<3><<<dim3(1, 2), 3, 4, 0>>>(p); auto s = R\"(text)\"; }\n";
  for (std::size_t cut = 0; cut < source.size(); ++cut) {
    for (const std::string& damaged :
         {source.substr(0, cut), source.substr(cut),
          source.substr(0, cut) + source.substr(std::min(cut + 3, source.size()))}) {
      try {
        rewrite(damaged);
      } catch (const UsageError&) {
      }
    }
  }
}

TEST_CASE("loops that hold branches are marked before they go back, plain ones are not") {
  CHECK(has(
      mark_arithmetic("\t.text\nf:\n.L2:\n\tcall\texpf\n\tvaddsd\t%xmm1, %xmm0, %xmm0\n\tjne\t.L2\n\tret\n"),
      "\taddq\t$2, %fs:(%rax)\n\taddq\t$1, %fs:8(%rax)\n"));
  const std::string plain = mark_loops("\t.text\n.L2:\n\taddl\t$1, %eax\n\tjne\t.L2\n");
  CHECK_FALSE(has(plain, "flashlab_back_edge"));
  CHECK(has(plain, "\t.quad .L2, .Lflashlab3"));
  const std::string branchy = mark_loops("\t.text\n.L2:\n\tje\t.L3\n\tnop\n.L3:\n\tjne\t.L2\n");
  CHECK(has(branchy, "\tcall\tflashlab_back_edge\n.Lflashlab5:\n"));
  CHECK(has(mark_loops("\t.section\t.text._Zf,\"axG\",@progbits,_Zf,comdat\n.L2:\n\tjne\t.L2\n"),
            "flashlab_loops,\"awG\",@progbits,_Zf,comdat"));
}

TEST_CASE("instructions are classed as the hardware's counters class them") {
  CHECK(arithmetic_of("\tvaddss\t%xmm0, %xmm1, %xmm1") == Arithmetic::fadd);
  CHECK(arithmetic_of("\tsubss\t%xmm0, %xmm1") == Arithmetic::fadd);
  CHECK(arithmetic_of("\tvmulsd\t(%rdi), %xmm1, %xmm1") == Arithmetic::dmul);
  CHECK(arithmetic_of("\tvfnmadd132ss\t%xmm0, %xmm1, %xmm1") == Arithmetic::ffma);
  CHECK(arithmetic_of("\tvsqrtss\t%xmm0, %xmm1, %xmm1") == Arithmetic::special);
  CHECK(arithmetic_of("\tcall\texp2f@PLT") == Arithmetic::special);
  CHECK(arithmetic_of("\tcall\tfma") == Arithmetic::dfma);
  for (const char* line : {"\tvaddps\t%xmm0, %xmm1, %xmm1", "\tvmaxss\t%xmm0, %xmm1, %xmm1",
                           "\tcall\texponent@PLT", "\taddl\t$1, %eax", "\t.string\t\"mulss\"", "vaddss:", ""})
    CHECK(arithmetic_of(line) == Arithmetic::none);
}

TEST_CASE(
    "a block with arithmetic is counted by its access, or else by a counter that spares registers and flags") {
  const std::string by_access =
      mark_arithmetic("\t.text\nf:\n\tcall\t__tsan_read4@PLT\n\tvaddss\t(%rbx), %xmm0, %xmm0\n\tret\n");
  CHECK(has(by_access, "\tcall\t__tsan_read4@PLT\n.Lflashlab_access2:\n"));
  CHECK(has(by_access, "\t.quad 0, .Lflashlab_access2, 1, 0, 0, 0, 0, 0, 0\n"));
  CHECK_FALSE(has(by_access, "gottpoff"));
  const std::string by_counter = mark_arithmetic(
      "\t.text\nf:\n.L2:\n\tvmulss\t%xmm1, %xmm0, %xmm0\n\tsubl\t$1, %eax\n\tjne\t.L2\n\tret\n");
  CHECK(has(by_counter, "\tincq\t%fs:0(%rax)\n"));
  CHECK(has(by_counter, "\taddq\t$1, %fs:(%rax)\n\tpopq\t%rax\n\tvmulss"));  // a turn of a scheduler
  CHECK(has(by_counter, "\t.quad .Lflashlab_find_counters, 0, 0, 1, 0, 0, 0, 0, 0\n"));
  CHECK_FALSE(has(by_counter, "pushfq"));
  CHECK(has(mark_arithmetic("\t.text\nf:\n\tcmpl\t$1, %eax\n\tvmulss\t%xmm1, %xmm0, %xmm0\n\tjne\t.L2\n"),
            "\tpushfq\n"));
  const std::string plain = "\t.text\nf:\n\tcall\t__tsan_read4@PLT\n\tmovl\t%eax, %ebx\n\tret\n";
  CHECK(mark_arithmetic(plain) == plain);
}

TEST_SUITE_END();
