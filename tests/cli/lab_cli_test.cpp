// flashlab lab as students and teachers meet it: what is refused and how, what is exported, what an interruption leaves.
// Lab 1 wants no compiler, so that these are quick; what needs one is in tests/lab.

#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "tests/cli/program.hpp"

namespace {

void put(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}
std::string quoted(const fs::path& path) { return "'" + path.string() + "'"; }
const std::string kSource = FLASHLAB_SOURCE_DIR;
bool has(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

/// Starts the program with both streams into one file; the caller ends it.
pid_t start(const std::vector<std::string>& arguments, const std::string& output) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  if (std::freopen(output.c_str(), "w", stdout) == nullptr || dup2(1, 2) < 0) _exit(99);
  std::vector<char*> argv = {const_cast<char*>(FLASHLAB_PROGRAM)};
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(99);
}
int wait_for(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

TEST_SUITE_BEGIN("cli");

TEST_CASE("lab refuses what it does not know with exit code 2 and one line") {
  const Scratch scratch;
  const std::string dir = " --dir '" + (scratch / "work") + "'";
  check_refused("lab", 2, "--help");
  check_refused("lab chek 3", 2, "unknown command \"lab chek\" (did you mean check?)");
  check_refused("lab check", 2, "LAB is required");
  check_refused("lab check 9" + dir, 2, "there is no lab \"9\"");
  check_refused("lab start onlin-softmax" + dir, 2, "did you mean 06-online-softmax?");
  check_refused("lab check 3 --bogus", 2, "--bogus");
  check_refused("lab check 3 --seed -1" + dir, 2, "");
  check_refused("lab check 3" + dir, 2, "flashlab lab start 3");
  check_refused("lab watch 3" + dir, 2, "flashlab lab start 3");
  check_refused("lab hint 3" + dir, 2, "flashlab lab start 3");
  check_refused("lab reset 3" + dir, 2, "flashlab lab start 3");
  check_refused("lab check 3 --file /nonexistent", 2, "there is no such file");
  check_refused("lab check 3 --file /tmp", 2, "it is a folder");
  check_refused("lab check 3 --machine tpu --file " + kSource + "/README.md", 2, "take simt or gpu");
  check_refused("lab check 1 --machine gpu --file " + kSource + "/README.md", 2, "no kernels");
  check_refused("lab check 3 --jobs 9999 --file " + kSource + "/README.md", 2, "take 1 to 256");
  check_refused("lab rehearse 1 --count 0", 2, "take 1 to");
  check_refused("lab export", 2, "--gradescope LAB or --classroom LAB");
  check_refused("lab export --gradescope 12", 2, "there is no lab \"12\"");
}

TEST_CASE("lab grade refuses before it begins what it could not write at the end") {
  const Scratch scratch;
  put(scratch.path / "ann" / "answers.txt", "");
  const std::string grade = "lab grade 1 " + quoted(scratch.path / "ann");
  check_refused("lab grade 1", 2, "SUBMISSION");
  check_refused("lab grade 1 /nonexistent", 2, "no such folder or file");
  check_refused(grade + " --format xml", 2, "take table, csv or json");
  check_refused(grade + " --csv /tmp", 2, "it is a folder");
  check_refused(grade + " --csv /nonexistent/points.csv", 3, "/nonexistent");
  check_refused(grade + " --gradescope /nonexistent/results.json", 3, "/nonexistent");
  check_refused(grade + " --results /dev/null", 3, "/dev/null");
  check_refused(grade + " " + quoted(scratch.path / "ann"), 2, "a second submission named ann");
}

TEST_CASE("lab tells what the environment lacks with exit code 3 and one line") {
  const Scratch scratch;
  put(scratch.path / "file", "");
  check_refused("lab start 3 --dir '" + (scratch / "file") + "'", 3, "cannot make");
  setenv("FLASHLAB_CHAPTERS", "/nonexistent", 1);
  check_refused("lab start 3 --dir '" + (scratch / "work") + "'", 3, "set FLASHLAB_CHAPTERS");
  unsetenv("FLASHLAB_CHAPTERS");
  const std::string solution = kSource + "/chapters/03-naive/lab/solution.cu";
  const Outcome on_card = run("lab check 3 --machine gpu --file '" + solution + "'");
  INFO(on_card.err);
  if (on_card.code == 0) {  // there is one
    CHECK(has(on_card.out, "Times on the card"));
    CHECK(has(on_card.out, "Not judged on a card, which tells no counters here: loads, stores, traffic"));
  } else {
    check_refused("lab check 3 --machine gpu --file '" + solution + "'", 3,
                  "without --machine gpu the lab needs none");
  }
}

TEST_CASE("a student starts a lab, is told what is missing, resets it, and nothing of theirs is lost") {
  const Scratch scratch;
  const std::string dir = " --dir '" + (scratch / "work") + "'";
  CHECK(run("lab start 1" + dir).code == 0);
  check_refused("lab start 1" + dir, 2, "is there already");
  const Outcome first = run("lab check 1" + dir);
  CHECK(first.code == 1);
  CHECK(has(first.out, "q_bytes is not answered yet"));
  put(scratch.path / "work" / "01-attention" / "answers.txt", "q_bytes = 4 * N * d\n");
  CHECK(has(run("lab check 1" + dir).out, "5 of 100 points"));
  CHECK(run("lab check 1 --item q_bytes" + dir).code == 0);
  CHECK(run("lab check 1 --item s_bytes" + dir).code == 1);
  CHECK(run("lab check 1 --item no_such" + dir).code == 2);
  CHECK(has(run("lab list" + dir).out, "5 of 100"));
  CHECK(has(run("lab hint 1" + dir).out, "Hint 1 of 3"));
  CHECK(has(run("lab hint 1" + dir).out, "Hint 2 of 3"));
  CHECK(run("lab reset 1" + dir).code == 0);
  CHECK(read_file(scratch.path / "work" / "01-attention" / "answers.before-reset-1.txt") ==
        "q_bytes = 4 * N * d\n");
}

TEST_CASE("Gradescope's results.json has partial credit, and is valid for what is no submission") {
  const Scratch scratch;
  put(scratch.path / "ann" / "answers.txt", "q_bytes = 4 * N * d\n");
  fs::create_directories(scratch.path / "eve");
  for (const auto& [name, points] : {std::pair{"ann", 5}, std::pair{"eve", 0}}) {
    const std::string file = scratch / "results.json";
    CHECK(run("lab grade 1 " + quoted(scratch.path / name) + " --results '" + (scratch / "kept") +
              "' --gradescope '" + file + "'")
              .code == 0);
    const auto json = nlohmann::json::parse(read_file(file));
    CHECK(json.at("score") == points);
    CHECK(json.at("tests").size() == 9);
  }
}

TEST_CASE("the exports hold the starter and nothing of the solution") {
  const Scratch scratch;
  const std::string folder = scratch / "classroom";
  REQUIRE(run("lab export --classroom 6 --seed 5 --out '" + folder + "'").code == 0);
  check_refused("lab export --classroom 6 --out '" + folder + "'", 2, "not empty");
  const std::string workflow = read_file(folder + "/.github/workflows/classroom.yml");
  CHECK(has(workflow, "lab check 6 --file solution.cu --hidden --seed 5 --item traffic"));
  CHECK(has(workflow, "runners: values,ragged,hard,traffic,rows,banks"));
  CHECK(has(workflow, "RAGGED_RESULTS: \"${{steps.ragged.outputs.result}}\""));
  CHECK_FALSE(fs::exists(folder + "/.flashlab/chapters/06-online-softmax/lab/wrong"));
  const std::string given = read_file(folder + "/solution.cu");
  CHECK(given == read_file(folder + "/.flashlab/chapters/06-online-softmax/lab/solution.cu"));
  // What the source has between BEGIN SOLUTION and STUB.
  std::ifstream source(kSource + "/chapters/06-online-softmax/lab/solution.cu");
  bool inside = false;
  int lines = 0;
  for (std::string line; std::getline(source, line);) {
    if (has(line, "// BEGIN SOLUTION") || has(line, "// STUB")) {
      inside = has(line, "BEGIN");
    } else if (inside && line.size() > 20) {
      ++lines;
      INFO(line);
      CHECK_FALSE(has(given, line));
    }
  }
  CHECK(lines > 20);
  CHECK_FALSE(has(given, "SOLUTION"));
}

TEST_CASE("an interrupted grading says what is known and goes on from there, and a killed one loses nothing") {
  const Scratch scratch;
  const std::string results = scratch / "results";
  std::vector<std::string> grade = {"lab", "grade", "1", "--results", results, "--jobs", "1"};
  // Enough of them that the first signal comes before the end.
  for (int i = 0; i < 400; ++i) {
    const fs::path folder = scratch.path / ("student-" + std::to_string(i));
    put(folder / "answers.txt", "q_bytes = 4 * N * d\n# " + std::to_string(i) + "\n");
    grade.push_back(folder.string());
  }
  const auto graded = [&] {
    std::size_t count = 0;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(results, error))
      count += entry.path().extension() == ".json" ? 1 : 0;
    return count;
  };
  for (const int number : {SIGINT, SIGKILL}) {
    const std::size_t before = graded();
    const std::string output = scratch / "output";
    const pid_t pid = start(grade, output);
    for (int i = 0; i < 2000 && graded() < before + 20; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    kill(pid, number);
    const int code = wait_for(pid);
    REQUIRE(graded() < 400);
    REQUIRE(graded() >= before + 20);
    if (number == SIGINT) {
      CHECK(code == 130);
      CHECK(has(read_file(output), "interrupted: "));
      CHECK(has(read_file(output), " of 400 are graded and kept in " + results));
    } else {
      CHECK(code == 128 + SIGKILL);
    }
  }
  const std::size_t kept = graded();
  const std::string output = scratch / "output";
  CHECK(wait_for(start(grade, output)) == 0);
  CHECK(graded() == 400);
  const std::string said = read_file(output);
  std::size_t before = 0;
  for (std::size_t at = 0; (at = said.find("(graded before)", at)) != std::string::npos; ++at) ++before;
  CHECK(before == kept);
  for (const auto& entry : fs::directory_iterator(results))  // nor is anything left lying about
    CHECK_FALSE(entry.path().filename().string().starts_with("flashlab-desk-"));
}
