// flashlab measure as a user meets it, without a card: the counters that were kept.

#include <doctest/doctest.h>

#include <string>

#include "tests/cli/program.hpp"

TEST_SUITE_BEGIN("cli");

TEST_CASE("measure --card shows the kept counters of the shapes asked for, and simulates nothing") {
  const Outcome table = run("measure naive --saved --card --seq 4K");
  CHECK(table.code == 0);
  CHECK(table.out.find("naive_softmax  1      4096  64  full         1,572,864      6,291,456") !=
        std::string::npos);
  CHECK(table.out.find(" 512 ") == std::string::npos);
}

TEST_CASE("measure's wrong usage is one line and exit code 2") {
  check_refused("measure naive --card", 2, "give --saved");
  check_refused("measure naive --saved --card --format csv", 2, "no --format");
  check_refused("measure naive --saved --card --seq 7", 2, "nothing that was measured fits");
  check_refused("measure naive --saved --card --seq x", 2, "--seq");
}

TEST_SUITE_END();
