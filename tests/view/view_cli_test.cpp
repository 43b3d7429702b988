// flashlab view as a user meets it: what it refuses, in one line, and that nothing is half-written.

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/cli/program.hpp"

namespace {

/// A folder that stands for the page's parts, so that neither npm nor node is needed here.
struct Parts {
  Scratch folder;
  Parts() {
    std::ofstream(folder / "view.js") << "let script;";
    std::ofstream(folder / "view.css") << "body{}";
    setenv("FLASHLAB_VIEW", folder.path.c_str(), 1);
  }
  ~Parts() { unsetenv("FLASHLAB_VIEW"); }
};

}  // namespace

TEST_SUITE_BEGIN("view_cli");

TEST_CASE("view writes one page, and says where and how large on stderr") {
  const Parts parts;
  const Scratch scratch;
  const Outcome outcome = run("view online-q --seq 64 --dim 16 --out '" + (scratch / "page.html") + "'");
  CHECK(outcome.code == 0);
  CHECK(outcome.out.empty());
  CHECK(outcome.err.find("page.html is written") != std::string::npos);
  const std::string html = read_file(scratch / "page.html");
  CHECK(html.starts_with("<!doctype html>"));
  CHECK(html.find("let script;") != std::string::npos);
}

TEST_CASE("view refuses what cannot be shown, each in one line, and leaves no file") {
  const Parts parts;
  const Scratch scratch;
  const std::string out = " --out '" + (scratch / "page.html") + "'";
  check_refused("view" + out, 2, "view wants a STAGE");
  check_refused("view flash" + out, 2, "unknown stage \"flash\"");
  check_refused("view naive online-q" + out, 2, "--versus for a second");
  check_refused("view naive --versus naive" + out, 2, "take another stage");
  check_refused("view naive --versus onlin-q" + out, 2, "did you mean online-q?");
  check_refused("view online-q --head 4" + out, 2, "numbered 0 to 3");
  check_refused("view fused --seq 1M --count-only" + out, 2, "whole rows of S must fit");
  check_refused("view online-q --sram 64" + out, 2, "take more SRAM");
  check_refused("view online-q --profile x.cu --versus naive" + out, 2, "leave --versus");
  check_refused("view --profile '" + (scratch / "none.cu") + "'" + out, 3, "none.cu");
  CHECK(fs::is_empty(scratch.path));
}

TEST_CASE("a place that cannot be written shows before the work") {
  const Parts parts;
  check_refused("view online-q --seq 64 --out /nowhere/page.html", 3, "/nowhere");
  check_refused("view online-q --seq 64 --out /dev/full", 3, "/dev/full");
}

TEST_CASE("a run of too many steps becomes a page of counts, with a note") {
  const Parts parts;
  const Scratch scratch;
  const Outcome outcome =
      run("view naive --seq 256K --dim 64 --count-only --out '" + (scratch / "page.html") + "'");
  CHECK(outcome.code == 0);
  CHECK(read_file(scratch / "page.html").find("too many to play") != std::string::npos);
}

TEST_CASE("without the page's parts view names the remedy, exit code 3") {
  setenv("FLASHLAB_VIEW", "/nowhere", 1);
  check_refused("view online-q --seq 64", 3, "there is no view.js");
  unsetenv("FLASHLAB_VIEW");
}

TEST_SUITE_END();
