// Every lab: its starter compiles and fails, its solution passes with a margin, each wrong submission is rejected for the
// reason that its first line states.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>

#include "sim/core/temporary_folder.hpp"
#include "sim/lab/grade.hpp"
#include "sim/lab/workspace.hpp"
#include "sim/lab/wrong.hpp"

using namespace flashlab;
using namespace flashlab::lab;

namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Report graded(const Lab& lab, const std::string& text, const Conditions& conditions) {
  const TemporaryFolder desk("labs-test");
  std::ofstream(desk / std::string(lab.file()).c_str(), std::ios::binary) << text;
  GradeOptions options;
  options.cache_dir = desk.path() / "cache";
  options.conditions = conditions;
  options.at_once = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  options.build_s = 10, options.run_s = 3;
  return grade(lab, desk.path() / lab.file(), options);
}

std::string words_of(const Report& report, const Lab& lab) { return describe(report, lab, false); }

void check_starter(const Lab& lab) {
  const std::string solution = read_text(folder_of(lab) / lab.file()), starter = starter_of(solution);
  for (const std::string& line : solution_lines(solution)) {
    INFO("the starter holds a line of the solution: " << line);
    CHECK(starter.find(line) == std::string::npos);
  }
  const Report report = graded(lab, starter, {});
  INFO(words_of(report, lab));
  CHECK(report.problem == "");
  CHECK(report.points() <= 0.2 * report.max_points());
}

void check_solution(const Lab& lab) {
  const std::string solution = read_text(folder_of(lab) / lab.file());
  for (const Conditions& conditions : {Conditions{}, Conditions{.seed = 20270301, .hidden = true}}) {
    const Report report = graded(lab, solution, conditions);
    INFO(words_of(report, lab));
    CHECK(report.passed());
    CHECK(report.max_points() == doctest::Approx(100));
  }
}

void check_wrong(const Lab& lab) {
  const std::string solution = read_text(folder_of(lab) / lab.file());
  int count = 0;
  for (const Wrong& wrong : wrong_submissions(lab)) {
    ++count;
    const Report report = graded(lab, wrong.text, {.seed = 7, .hidden = true});
    const std::string words = words_of(report, lab);
    INFO(wrong.name << ": " << words);
    CHECK_FALSE(report.passed());
    CHECK(words.find(wrong.reason) != std::string::npos);
  }
  CHECK(count >= 6);
}

}  // namespace

#define FLASHLAB_LAB_TESTS(number)                                                 \
  TEST_CASE("lab " #number ": the starter compiles, fails and tells nothing") {    \
    check_starter(lab_from_name(#number));                                         \
  }                                                                                \
  TEST_CASE("lab " #number ": the solution passes, on hidden shapes too") {        \
    check_solution(lab_from_name(#number));                                        \
  }                                                                                \
  TEST_CASE("lab " #number ": wrong submissions are rejected for their reasons") { \
    check_wrong(lab_from_name(#number));                                           \
  }

FLASHLAB_LAB_TESTS(1)
FLASHLAB_LAB_TESTS(2)
FLASHLAB_LAB_TESTS(3)
FLASHLAB_LAB_TESTS(4)
FLASHLAB_LAB_TESTS(5)
FLASHLAB_LAB_TESTS(6)
FLASHLAB_LAB_TESTS(7)
FLASHLAB_LAB_TESTS(8)
