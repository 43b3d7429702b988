#include "sim/lab/labs/expression.hpp"

#include <doctest/doctest.h>

#include "sim/lab/lab.hpp"

using namespace flashlab::lab;

namespace {
const Letters kLetters = {{"N", 1000}, {"d", 64}, {"Tr", 16}};
double value_of(const std::string& text) {
  std::string why;
  const auto value = evaluate(text, kLetters, why);
  INFO(text << ": " << why);
  REQUIRE(value);
  return *value;
}
std::string why_not(const std::string& text) {
  std::string why;
  CHECK_FALSE(evaluate(text, kLetters, why));
  return why;
}
}  // namespace

TEST_CASE("an answer's expression has the precedence of paper") {
  CHECK(value_of("4 * N * d") == 256000);
  CHECK(value_of("1 + 2 * Tr") == 33);
  CHECK(value_of("100 - 10 - 1") == 89);
  CHECK(value_of("64 / 4 / 2") == 8);
  CHECK(value_of("(1 + 2*Tr) * N * d") == 33.0 * 64000);
  CHECK(value_of("ceil(N / d)") == 16);
  CHECK(value_of("1.5e3") == 1500);
  CHECK(value_of("2 * N^2 / 4") == 500000);
}

TEST_CASE("what is no expression is refused with a reason") {
  CHECK(why_not("") == "it ends too early");
  CHECK(why_not("4 *") == "it ends too early");
  CHECK(why_not("4 N") == "`N` cannot stand there");
  CHECK(why_not("(4") == "it ends too early");
  CHECK(why_not("4 * M").find("`M` is no letter") == 0);
  CHECK(why_not("1 / (N - N)") == "it is not finite");
  CHECK(why_not("1e999") == "a number is too large");
  CHECK(why_not(std::string(60, '(') + "1" + std::string(60, ')')) == "it has too many parentheses");
  CHECK(why_not(std::string(300, '1')) == "it has more than 200 characters");
  CHECK(why_not("system(1)").find("`system` is no letter") == 0);
}

TEST_CASE(
    "lab 1: formula and tile machine agree on the shapes of every seed, and a number is right for one alone") {
  const Lab& lab = lab_from_name("1");
  const std::string expression = "naive_read_bytes = 4 * (2 * N * N + (1 + 2 * Tr) * N * d)\n";
  std::string texts;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    // judge_text throws when the two differ: every answer is worked out in both ways.
    CHECK(lab.judge_text(expression, {.seed = seed, .hidden = true})[3].share == 1);
    const Verdict number = lab.judge_text("naive_read_bytes = 17039360\n", {.seed = seed, .hidden = true})[3];
    CHECK(number.share == 0.5);
    CHECK(texts.find(number.text) == std::string::npos);  // no two seeds have the same shapes
    texts += number.text + '\n';
  }
}
