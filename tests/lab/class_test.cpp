#include "sim/lab/class_grade.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "sim/core/error.hpp"
#include "sim/core/temporary_folder.hpp"

using namespace flashlab;
using namespace flashlab::lab;

namespace {

void write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}
Report report() {
  Report r;
  r.lab = "01-attention";
  r.items = {{"a", "title, \"quoted\"", 3, 5, {0.6, "text", "detail"}}, {"b", "b", 5, 5, {1, "\xff\xfe", ""}}};
  r.score = Score{"bytes", "B", 12, true};
  return r;
}

}  // namespace

TEST_CASE("a class is graded in order, with nothing lost, and taken up again where it was left") {
  const TemporaryFolder desk("class-test");
  write(desk.path() / "ann" / "answers.txt", "q_bytes = 4 * N * d\n");
  write(desk.path() / "bob" / "deep" / "answers.txt", "q_bytes = 4 * N * d\ns_bytes = 4 * N * N\n");
  std::filesystem::create_directories(desk.path() / "eve");
  std::filesystem::create_symlink("/etc/passwd", desk.path() / "eve" / "answers.txt");
  std::filesystem::create_directories(desk.path() / "nobody");
  const Lab& lab = lab_from_name("1");
  const auto submissions = find_submissions(
      lab, {desk.path() / "ann", desk.path() / "bob", desk.path() / "eve", desk.path() / "nobody"});
  ClassOptions options;
  options.results = desk.path() / "results";
  auto rows = grade_class(lab, submissions, options);
  REQUIRE(rows.size() == 4);
  CHECK(rows[0].report.points() == 5);
  CHECK(rows[1].report.points() == 10);
  CHECK(rows[2].report.problem == "answers.txt is no plain file");
  CHECK(rows[3].report.problem == "there is no answers.txt: nothing was handed in");
  rows = grade_class(lab, submissions, options);
  for (const ClassRow& row : rows) CHECK(row.resumed);
  CHECK(rows[1].report.points() == 10);
  write(desk.path() / "ann" / "answers.txt", "q_bytes = 1\n");
  rows = grade_class(lab, submissions, options);
  CHECK_FALSE(rows[0].resumed);
  CHECK(rows[0].report.points() == 0);
  CHECK_THROWS_AS(find_submissions(lab, {desk.path() / "absent"}), UsageError);
  CHECK_THROWS_AS(find_submissions(lab, {desk.path() / "ann", desk.path() / "ann"}), UsageError);
}

TEST_CASE("a report goes through JSON unchanged, and what is no report is refused") {
  const Report back = report_from_json(json_of(report()));
  CHECK(back.points() == 8);
  CHECK(back.items[0].verdict.detail == "detail");
  REQUIRE(back.score);
  CHECK(back.score->value == 12);
  for (const char* const odd : {"", "{", "[]", R"({"schema": "flashlab.lab/1"})", R"({"schema": 3})"})
    CHECK_THROWS_AS(report_from_json(odd), std::runtime_error);
}

TEST_CASE("the table for spreadsheets quotes names and runs no formula") {
  ClassRow row;
  row.submission.name = "=cmd|\"x\"";
  row.report = report();
  row.report.problem = "line\nline";
  const std::string csv = csv_of({row});
  CHECK(csv == "name,points,of,problem,a,b,score\r\n\"'=cmd|\"\"x\"\"\",8,10,line · line,3,5,12\r\n");
}

TEST_CASE("Gradescope's results have partial credit and a leaderboard") {
  const auto json = nlohmann::json::parse(gradescope_json(lab_from_name("1"), report()));
  CHECK(json.at("score") == 8);
  CHECK(json.at("tests").size() == 2);
  CHECK(json.at("tests")[0].at("status") == "failed");
  CHECK(json.at("tests")[1].at("status") == "passed");
  CHECK(json.at("leaderboard")[1].at("value") == 12);
  CHECK(json.at("leaderboard")[1].at("order") == "asc");
  CHECK(json.at("stdout_visibility") == "hidden");
}
