// Numbers of running text: held by a block, an equation, a rounding or a source, and told when nothing holds them.

#include "sim/docs/numbers.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/cli/program.hpp"

namespace {

using flashlab::docs::LooseNumber;

std::vector<LooseNumber> loose(const std::string& text) {
  const Scratch scratch;
  std::ofstream(scratch.path / "page.md") << text;
  return flashlab::docs::loose_numbers(flashlab::docs::read_page(scratch.path, "page.md"));
}

void is_held(const std::string& text) {
  CAPTURE(text);
  for (const LooseNumber& number : loose(text)) FAIL_CHECK(number.what);
}

/// One finding, in this line (from 1), that says this.
void is_loose(const std::string& text, std::size_t line, const std::string& says) {
  CAPTURE(text);
  const std::vector<LooseNumber> found = loose(text);
  REQUIRE(found.size() == 1);
  CHECK(found[0].line + 1 == line);
  CAPTURE(found[0].what);
  CHECK(found[0].what.find(says) != std::string::npos);
}

}  // namespace

TEST_CASE("a number that nothing prints is told, with its line and unit") {
  is_loose("# T\n\nIt moves\n12.5 MiB here.\n", 4, "nothing on this page prints 12.5 MiB");
  is_loose("It has 4,096 rows.\n", 1, "prints 4096");
  is_loose("It waits 45 % of the time.\n", 1, "prints 45 %");
  is_loose("| a | b |\n|---|---|\n| 1 | 777 |\n", 3, "prints 777");
  is_loose("Under `512` and $1024$ stand **513** rows.\n", 1, "prints 513");
}

TEST_CASE("small counts, years, citations, code, formulas and the reading list are not asked for") {
  is_held(
      "Two of 16 warps; 3 MiB; 100 times; in 2018, and [Dao et al. 2022, section 3.14]; `x = 777`; $N = "
      "4096$.\n");
  is_held("See [chapter](../x/777.md).\n\n## Further\n\n- arXiv 2205.14135, pages 345 to 359.\n");
  is_held("fp32, H100, m16n8k16 and 64K are words.\n");
}

TEST_CASE("a block, a marker, a table, a rounding and another unit hold a number") {
  is_held("Reads 12.5 MiB.\n\n```text\nread 12.5 MiB\n```\n");
  is_held("<!-- check: 1000 * 768 = 768000 -->\nIt has 768000.\n");
  is_held("At N = 8192.\n\n```sh\n./flashlab report --seq 8K\n```\n");
  is_held(
      "It takes 0.956 ms, 58.7 million loads, an error of 1.2 · 10⁻⁶.\n\n```text\n956 µs 58,720,256 "
      "1.199e-06\n```\n");
  is_loose("It takes 0.957 ms.\n\n```text\n956 µs\n```\n", 1, "0.957 ms");
  is_held("It is 2.8 times as fast.\n\n```text\n2.80\n```\n");
  is_loose("It has 28 % and 31 %.\n\n```text\n28.0 31.4\n```\n", 1,
           "31 %");  // no unit there, and two digits agree by chance
}

TEST_CASE("an equation of numbers is computed, and its result is held") {
  is_held("S is 4 · 8192² · 4 B = 1024 MiB.\n\n```text\n8192\n```\n");
  is_held("Then (1 + 2 · 16) · 128 · 64 · 4 B ÷ 32 B = 33,792 sectors of 33,792.\n\n```text\n128 32\n```\n");
  is_held("Tr = ⌈8192/227⌉ = 37, so 37 MiB.\n\n```text\n8192 227\n```\n");
  is_held("l = e⁻² + 1 = 1.1353.\n");
  is_held(
      "4096² ÷ 32 warps · 64 steps = 33,554,432, and 66.9 · 10¹² ÷ 3.35 · 10¹² = 20.\n\n```text\n4096 66.9 "
      "3.35\n```\n");
  is_held("0.556 + 0.257 = 0.813 ms.\n\n```text\n0.556 0.257\n```\n");
  is_loose("S is 4 · 8192² · 4 B = 1025 MiB.\n\n```text\n8192\n```\n", 1, "1025 MiB, and it comes out as 1024");
  is_loose("13 · 16 KiB = 209 KiB\nof scores.\n", 1, "comes out as 208");
  // What has letters in it is not computed, nor an estimate.
  is_held("N · 3 · 4 = 600 holds for some N.\n\n```text\n600\n```\n");
  is_held("3 · 100 ≈ 512 at best.\n\n```text\n512\n```\n");
}

TEST_CASE("a given number has a source, and flashlab as a source is asked") {
  is_held("<!-- given: 63 %: arXiv 2501.12084 -->\n\nAbout 63 %.\n");
  CHECK(flashlab::docs::first_not_in("132 SMs, 50 MiB", "h100 50.0 MiB 132\n").empty());
  CHECK(flashlab::docs::first_not_in("132 SMs, 51 MiB", "h100 50.0 MiB 132\n") == "51");
  const Scratch scratch;
  std::filesystem::create_directories(scratch.path / "chapters/01");
  std::ofstream(scratch.path / "README.md") << "# T\n";
  const auto check = [&](const std::string& text) {
    std::ofstream(scratch.path / "chapters/01/README.md") << text;
    return run("docs --check --tree '" + scratch.path.string() + "'");
  };
  CHECK(check("<!-- given: 132: flashlab devices -->\n\nIt has 132 SMs.\n").code == 0);
  const Outcome wrong = check("<!-- given: 133: flashlab devices -->\n\nIt has 133 SMs.\n");
  CHECK(wrong.code == 1);
  CHECK(wrong.err.find("README.md:1: `flashlab devices` does not print 133") != std::string::npos);
  const Outcome bare = check("It has 133 SMs.\n");
  CHECK(bare.code == 1);
  CHECK(bare.err.find("README.md:1: nothing on this page prints 133") != std::string::npos);
  CHECK(check("<!-- given: 133 -->\n").code == 1);
}
