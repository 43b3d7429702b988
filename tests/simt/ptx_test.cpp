#include <doctest/doctest.h>

#include "sim/simt/rewrite/ptx.hpp"
#include "sim/simt/rewrite/rewrite.hpp"

using namespace flashlab::simt;

namespace {

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::string code(const std::string& text, std::vector<AsmOperand> outputs = {},
                 std::vector<AsmOperand> inputs = {}) {
  const TranslatedAsm t = translate_asm({text, true, std::move(outputs), std::move(inputs)});
  return t.unknown.empty() ? t.code : "unknown: " + t.unknown;
}

}  // namespace

TEST_SUITE_BEGIN("simt");

TEST_CASE("an asm statement becomes a block: inputs first, then the instructions, then the outputs") {
  CHECK(code("add.s32 %0, %1, 3;", {{"=r", "x"}}, {{"r", "y + 1"}}) ==
        "do { ::std::uint32_t flashlab_0{}; const ::std::uint32_t flashlab_1 = "
        "::flashlab_ptx::as<::std::uint32_t>(y + 1); "
        "{ ::flashlab_ptx::set(flashlab_0, "
        "static_cast<::std::int32_t>(::flashlab_ptx::as<::std::int32_t>(flashlab_1) + "
        "::flashlab_ptx::as<::std::int32_t>((3ll)))); } ::flashlab_ptx::set(x, flashlab_0); } while (0)");
  CHECK(has(code("mov.f32 %0, %0;", {{"+f", "x[i]"}}), "float flashlab_0 = ::flashlab_ptx::as<float>(x[i]);"));
}

TEST_CASE("statements are taken from the source whatever their colons, blanks and line breaks") {
  for (const char* source :
       {"void f() { asm volatile(\"bar.sync 0;\"); }",
        "void f() { asm volatile(\"bar.sync 0;\" :: : \"memory\"); }",
        "void f() { __asm__ __volatile__(\"bar.sync 0;\" ::: \"memory\"); }",
        "void f() { asm(\"bar.\" \"sync 0;\\n\" : : ); }", "void f() { asm(R\"(bar.sync 0;)\"::); }"}) {
    const Rewritten r = rewrite(source);
    CAPTURE(source);
    CHECK(r.unsupported.empty());
    CHECK(has(r.text, "do { { ::__syncthreads(); } } while (0); }"));
  }
  const std::string lines =
      rewrite("void f() {\n  asm(\"mov.u32 %0, %%laneid;\"\n : \"=r\"(a::b[(c, d)])\n :);\n  x;\n}\n").text;
  CHECK(has(lines, "::flashlab_ptx::laneid()"));
  CHECK(has(lines, "set(a::b[(c, d)], flashlab_0)"));
  CHECK(has(lines, "while (0)\n\n;\n  x;"));
}

TEST_CASE("scopes, registers, predicates and comments of PTX are read") {
  const std::string c = code(
      "{\n  .reg .pred p; // guard\n  .reg .u64 address;\n  setp.ne.b32 p, %2, 0;\n  cvta.to.shared.u64 "
      "address, %1;\n"
      "  @p cvt.u32.u64 %0, address; /* else nothing */\n}\n",
      {{"+r", "a"}}, {{"l", "pointer"}, {"r", "wanted"}});
  CHECK(has(c, "bool flashlab_r_p{};"));
  CHECK(has(c, "::std::uint64_t flashlab_r_address{};"));
  CHECK(has(c, "if (flashlab_r_p) {"));
  CHECK(has(c, "flashlab_shared_address"));
  CHECK(
      has(code("{ .reg .pred q; setp.eq.s32 q, %0, -1; @!q trap; }", {}, {{"r", "x"}}), "if (!flashlab_r_q)"));
}

TEST_CASE("immediates, special registers and addresses are read") {
  CHECK(has(code("mov.b32 %0, 0x1F;", {{"=r", "x"}}), "(0x1Fll)"));
  CHECK(has(code("mul.f32 %0, %0, 0f3FB8AA3B;", {{"+f", "x"}}), "__builtin_bit_cast(float, 0x3FB8AA3Bu)"));
  CHECK(has(
      code("ld.global.nc.v4.f32 {%0,%1,%2,%3}, [%4+16];", {{"=f", "a"}, {"=f", "b"}, {"=f", "c"}, {"=f", "d"}},
           {{"l", "p"}}),
      "load<float>(::flashlab_ptx::at(flashlab_4, (16ll)), flashlab_0, flashlab_1, flashlab_2, flashlab_3)"));
  CHECK(has(code("st.shared.b32 [%0 + 4], %1;", {}, {{"r", "p"}, {"r", "v"}}), "at_shared(flashlab_0, (4ll))"));
  CHECK(has(code("mov.u32 %0, %%tid.x;", {{"=r", "x"}}), "threadIdx.x"));
}

TEST_CASE("what is not known is refused by its name, and nothing is guessed") {
  for (const char* text :
       {"wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16;",
        "mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%0},{%0},{%0},{%0};",
        "mma.sync.aligned.m16n8k16.col.col.f32.f16.f16.f32 {%0,%0,%0,%0},{%0,%0,%0,%0},{%0,%0},{%0,%0,%0,%0};",
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%0},{%0,%0,%0,%0},{%0,%0},{%0,%0,%0,%0};",
        "cp.async.bulk.commit_group;", "cp.async.mbarrier.arrive.shared.b64 [%0];", "bar.sync 1, 128;",
        "bar.sync %0;", "add.rz.f32 %0, %0, %0;", "ld.param.u32 %0, [%0];", "mov.u32 %0, %%smid;", "bra done;",
        "add.s32 %0, %0;", "add.s32 %7, %0, %0;", "add.s32 %0, %0, oops;", "rdtsc",
        "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0}, [%0];", "shfl.sync.bfly.b32 %0|p, %0, 1, 31, -1;"}) {
    CAPTURE(text);
    const TranslatedAsm t = translate_asm({text, true, {{"+r", "x"}}, {}});
    CHECK(t.code.empty());
    const std::string mnemonic(std::string_view(text).substr(0, std::string_view(text).find_first_of(" ;")));
    CHECK(t.unknown == "the PTX instruction `" + mnemonic + "`");
  }
  CHECK(has(code("mov.b32 %0, %0;", {{"=q", "x"}}), "unknown: the operand \"=q\""));
  CHECK(has(code("{ mov.b32 %0, 1;", {{"=r", "x"}}), "unknown: inline PTX whose braces"));
}

TEST_CASE("damaged PTX is refused or passed on, never a crash") {
  const std::string text =
      "{ .reg .pred p; setp.ne.b32 p, %0, 0; @p cp.async.ca.shared.global [%1+8], [%2], 16; }\n mov.b32 %0, "
      "{%0, %1};";
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    for (const std::string& damaged :
         {text.substr(0, cut), text.substr(cut), text.substr(0, cut) + text.substr(cut + 1)}) {
      const TranslatedAsm t = translate_asm({damaged, cut % 2 == 0, {{"+r", "x"}}, {{"r", "y"}, {"l", "z"}}});
      CHECK(t.code.empty() != t.unknown.empty());
    }
  }
}

TEST_SUITE_END();
