// flashlab docs on small trees: what it writes, what it finds, and that it names file, line and remedy.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/cli/program.hpp"

namespace {

/// A tree with a README and one source file.
struct Tree : Scratch {
  explicit Tree(const std::string& readme) {
    write("README.md", readme);
    write("code.cpp", "int one() { return 1; }\n");
  }
  void write(const char* name, const std::string& text) const { std::ofstream(path / name) << text; }
  std::string readme() const { return read_file(path / "README.md"); }
  Outcome docs(const std::string& options = "") const {
    return run("docs --tree '" + path.string() + "' " + options);
  }
  /// Checked, the page fails with this line (README.md:LINE: …) and stays as it is.
  void fails_with(const std::string& says, int code = 1) const {
    const std::string before = readme();
    const Outcome outcome = docs("--check");
    CAPTURE(outcome.err);
    CHECK(outcome.code == code);
    CHECK(outcome.err.find(says) != std::string::npos);
    CHECK(readme() == before);
  }
};

const std::string kCount = "flashlab report --seq 64 --dim 32 --count-only --format json";

}  // namespace

TEST_CASE("a stale page fails the check, is mended, and then passes") {
  const Tree tree(
      "# T\n\n<!-- snippet: code.cpp#one -->\n```cpp\nint one() { return 2; }\n```\n\n"
      "<!-- output: flashlab devices --format json | head -n 1 -->\n```text\n```\n\n"
      "<!-- table (stage, hbm_read_bytes as read): flashlab report --seq 64 --dim 32 --count-only --format csv "
      "-->\n"
      "<!-- end -->\n<!-- figure: docs/figures/x.svg = flashlab report --seq 64 --count-only --format svg "
      "-->\n");
  tree.fails_with(
      "README.md:5: differs from code.cpp#one, which says \"int one() { return 1; }\": ./flashlab docs mends "
      "it");
  tree.fails_with("README.md:10: differs from what `flashlab devices --format json | head -n 1` prints");
  tree.fails_with("README.md:14: docs/figures/x.svg differs");
  const Outcome mended = tree.docs();
  CAPTURE(mended.err);
  CHECK(mended.code == 0);
  CHECK(mended.err.find("README.md:3: now shows code.cpp#one") != std::string::npos);
  CHECK(tree.readme().find("```cpp\nint one() { return 1; }\n```") != std::string::npos);
  CHECK(tree.readme().find("```text\n[\n```") != std::string::npos);
  CHECK(tree.readme().find("| stage | read |\n|---|--:|\n| naive |") != std::string::npos);
  CHECK(read_file(tree.path / "docs/figures/x.svg").starts_with("<svg"));
  const Outcome again = tree.docs("--check");
  CAPTURE(again.err);
  CHECK(again.code == 0);
  CHECK(again.err.empty());
}

TEST_CASE("a number in running text must be what the command prints, and stand in its paragraph") {
  const auto page = [](const std::string& claim, const std::string& text) {
    return Tree("# T\n\n<!-- check: " + kCount + "\n     " + claim + " -->\n" + text + "\n");
  };
  const Outcome right = page("problem.seq ^ 2 = 4,096", "There are\n**4,096** scores.").docs("--check");
  CAPTURE(right.err);
  CHECK(right.code == 0);
  page("problem.seq ^ 2 = 4,097", "There are 4,097.")
      .fails_with("README.md:3: the text says 4,097, and problem.seq ^ 2 is 4096");
  page("problem.seq ^ 2 = 4,096", "There are few.")
      .fails_with("README.md:3: \"4,096\" does not stand in the paragraph");
  page("problem.sea = 64", "64").fails_with("there is no sea in {batch, heads, seq");
  page("shows \"nothing of it\"", "nothing of it").fails_with("the command does not print \"nothing of it\"");
  Tree("# T\n\n<!-- check: 2 * 3 = 7 -->\nSeven is 7.\n").fails_with("the text says 7, and 2 * 3 is 6");
}

TEST_CASE("every shown command runs, with the exit code that the text states") {
  const Tree good(
      "```sh\n./flashlab report --seq 64 \\\n  --count-only   # counted\ngit status\nflashlab report --seq x   "
      "# exit code 2\n"
      "flashlab run online-q --machine gpu --seq 64\nflashlab test\n```\n\n"
      "<!-- commands: in order; with my.cpp = code.cpp -->\n```sh\ncp my.cpp other.cpp\ntest -f "
      "other.cpp\nflashlab devices > d\n"
      "test -s d\n```\n");
  const Outcome outcome = good.docs("--check");
  CAPTURE(outcome.err);
  CHECK(outcome.code == 0);
  CHECK_FALSE(std::filesystem::exists(good.path / "other.cpp"));
  Tree("```sh\n./flashlab devices\n./flashlab report --sek 4\n```\n")
      .fails_with("README.md:3: `flashlab report --sek 4` ended with exit code 2: ");
  Tree("<!-- commands: in order -->\n```sh\ntrue\nfalse\n```\n").fails_with("exit code 1: at: false");
  CHECK(Tree("<!-- commands: not run: it is an example -->\n```sh\nflashlab nothing\n```\n")
            .docs("--check")
            .code == 0);
}

TEST_CASE("a marker that cannot be followed is refused with file and line; one inside a block is text") {
  Tree("# T\n<!-- outputs: flashlab devices -->\n")
      .fails_with("README.md:2: \"outputs\" is no marker (did you mean output?)", 2);
  Tree("<!-- output: flashlab devices -->\nno block\n")
      .fails_with("README.md:1: the marker must stand right above a ``` block", 2);
  Tree("<!-- output: flashlab devices -->\n```text\n")
      .fails_with("README.md:2: this ``` block is never closed", 2);
  Tree("<!-- output: ls -->\n```text\n```\n").fails_with("begins with \"flashlab\"", 2);
  Tree("<!-- output: flashlab doctor -->\n```text\n```\n").fails_with("depends on the machine", 2);
  Tree("<!-- output (fast): flashlab devices -->\n```text\n```\n").fails_with("\"(fast)\" is no option", 2);
  Tree("<!-- check: 1 = 1\nOne.\n").fails_with("never closed", 2);
  Tree("<!-- table: flashlab devices -->\n").fails_with("<!-- end -->", 2);
  Tree("<!-- commands: in order -->\ntext\n").fails_with("right above a ```sh block", 2);
  Tree("<!-- snippet: none.cpp#one -->\n```cpp\n```\n").fails_with("README.md:1: there is no file none.cpp");
  Tree("<!-- snippet: code.cpp#two -->\n```cpp\n```\n").fails_with("README.md:1: code.cpp: has no definition");
  const Tree quoted(
      "````text\n<!-- outputs: x -->\n```sh\nflashlab nothing\n```\n````\n<!-- A comment: of the author -->\n");
  CHECK(quoted.docs("--check").code == 0);
}

TEST_CASE("an output that hangs on the machine, the day or chance does not get into a text") {
  const Tree path("<!-- output: flashlab devices --format json | head -n 1; pwd -P -->\n```text\n```\n");
  path.fails_with("prints a path of this machine");
  const Tree chance("<!-- output: flashlab devices | tail -n 0; date +%N -->\n```text\n```\n");
  const Outcome outcome = chance.docs();
  CAPTURE(outcome.err);
  CHECK(outcome.code == 1);
  CHECK(outcome.err.find("prints something else each time") != std::string::npos);
  CHECK(chance.readme().find("```text\n```") != std::string::npos);
}

TEST_CASE("what is marked slow is left alone, and checked with --slow") {
  const Tree tree("<!-- output (slow): flashlab devices --format json | head -n 1 -->\n```text\nold\n```\n");
  CHECK(tree.docs("--check").code == 0);
  CHECK(tree.docs("--check --slow").code == 1);
  CHECK(tree.docs("--slow").code == 0);
  CHECK(tree.docs("--check --slow").code == 0);
}

TEST_CASE(
    "figures: a list, each a picture that follows light and dark, and the nearest name for a misspelt one") {
  const Outcome list = run("figure");
  CHECK(list.code == 0);
  std::istringstream lines(list.out);
  int figures = 0;
  for (std::string name, rest; lines >> name && std::getline(lines, rest); ++figures) {
    CAPTURE(name);
    const Outcome figure = run("figure " + name);
    CHECK(figure.code == 0);
    CHECK(figure.out.starts_with("<svg "));
    CHECK(figure.out.ends_with("</svg>\n"));
    CHECK(figure.out.find("prefers-color-scheme: dark") != std::string::npos);
    CHECK(figure.out.find("nan") == std::string::npos);
  }
  CHECK(figures == 6);
  check_refused("figure bank", 2, "did you mean banks?");
}

TEST_CASE(
    "figures say what the machines say: eight wavefronts and one, four passes, O written four times and once") {
  const std::string banks = run("figure banks").out, loops = run("figure loops").out,
                    passes = run("figure passes").out;
  CHECK(banks.find("chunk 2 of all rows: 8 wavefronts") != std::string::npos);
  CHECK(banks.find("chunk 2 of all rows: 1 wavefront ") != std::string::npos);
  CHECK(loops.find("O written 4 ×, read back 4 ×") != std::string::npos);
  CHECK(loops.find("O written 1 ×, read back 0 ×") != std::string::npos);
  std::size_t counted = 0;
  for (std::size_t at = 0; (at = passes.find(">1 ×<", at)) != std::string::npos; ++at) ++counted;
  CHECK(counted == 4);
  CHECK(run("figure online-update")
            .out.find("1.4223, as from all six scores at once: 2.2445 / 1.5781 = 1.4223") != std::string::npos);
}
