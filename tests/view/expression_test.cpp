// Formulas as data: arithmetic, sums, searches, and their JSON.

#include <doctest/doctest.h>

#include <stdexcept>

#include "sim/view/expression.hpp"

using namespace flashlab::view;

TEST_SUITE_BEGIN("view");

TEST_CASE("a formula evaluates as it is written") {
  const Expression N = "N", d = "d";
  const Variables at{{"N", 10}, {"d", 4}};
  CHECK((2 * N * d + N - 1).evaluate(at) == 89);
  CHECK(ceil_div(N, d).evaluate(at) == 3);
  CHECK(floor_div(N, d).evaluate(at) == 2);
  CHECK(min(N, d).evaluate(at) == 4);
  CHECK(max(N, d).evaluate(at) == 10);
  CHECK((N <= 10).evaluate(at) == 1);
  CHECK((N < 10).evaluate(at) == 0);
  CHECK_THROWS_AS((N + "M").evaluate(at), std::logic_error);
}

TEST_CASE("a choice evaluates only the side that it takes") {
  CHECK(choose(1, 7, Expression("missing")).evaluate({}) == 7);
  CHECK(choose(0, Expression("missing"), 8).evaluate({}) == 8);
}

TEST_CASE("sums and searches bind a name, and give it back") {
  const Variables at{{"n", 5}, {"i", 100}};
  CHECK((sum("i", "n", Expression("i") * 2) + "i").evaluate(at) == 120);
  CHECK(sum("i", 0, 1).evaluate(at) == 0);
  CHECK(greatest("i", "n", 3 - Expression("i")).evaluate(at) == 3);
  CHECK(largest("x", 1000, Expression("x") * "x" <= 50).evaluate(at) == 7);
  CHECK(largest("x", 1000, 0).evaluate(at) == 0);
  CHECK(largest("x", 1000, 1).evaluate(at) == 1000);
}

TEST_CASE("the page gets the same tree as JSON") {
  CHECK((2 * Expression("N") + 1.5).to_json() == R"(["+",["*",2,"N"],1.5])");
  CHECK(sum("i", "n", "i").to_json() == R"(["sum","i","n","i"])");
}

TEST_SUITE_END();
