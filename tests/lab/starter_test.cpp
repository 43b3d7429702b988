#include <doctest/doctest.h>

#include <stdexcept>

#include "sim/lab/workspace.hpp"

using namespace flashlab::lab;

TEST_CASE("a starter keeps the stub and drops the solution") {
  const std::string source =
      "int a;\n  // BEGIN SOLUTION\n  a = secret(1, 2, 3);\n  // STUB\n  //| a = 0;\n  //|\n  // END "
      "SOLUTION\nint b;\n";
  CHECK(starter_of(source) == "int a;\n  a = 0;\n  \nint b;\n");
  CHECK(solution_lines(source) == std::vector<std::string>{"a = secret(1, 2, 3);"});
}

TEST_CASE("regions that do not pair are refused") {
  CHECK_THROWS_AS(starter_of("// BEGIN SOLUTION\nx\n"), std::runtime_error);
  CHECK_THROWS_AS(starter_of("// STUB\n"), std::runtime_error);
  CHECK_THROWS_AS(starter_of("// BEGIN SOLUTION\n// STUB\nno mark\n// END SOLUTION\n"), std::runtime_error);
}
