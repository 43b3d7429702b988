#include "sim/lab/export.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/core/error.hpp"
#include "sim/core/temporary_folder.hpp"
#include "sim/core/text_file.hpp"
#include "sim/lab/workspace.hpp"
#include "sim/simt/compile/compile.hpp"

namespace flashlab::lab {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& path, const std::string& text, bool executable = false) {
  fs::create_directories(path.parent_path());
  write_text(path, text);
  if (executable)
    fs::permissions(path, fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec,
                    fs::perm_options::add);
}

/// The tree as far as building and this lab need it: the starter stands where the solution does.
void copy_tree(const Lab& lab, const fs::path& to) {
  const fs::path root = chapters_folder().parent_path();
  fs::create_directories(to);
  for (const char* needed :
       {"CMakeLists.txt", "CMakePresets.json", "flashlab", "LICENSE", "README.md", "cmake", "cuda", "sim"}) {
    std::error_code error;
    if (!fs::exists(root / needed, error))
      throw EnvironmentError(
          fmt::format("{} is missing: exports are made in a clone of Flashlab", (root / needed).string()));
    fs::copy(root / needed, to / needed, fs::copy_options::recursive);
  }
  fs::remove_all(to / "cuda" / "measured");
  fs::remove_all(to / "sim" / "view" / "page" / "node_modules");
  const fs::path from = folder_of(lab), into = to / "chapters" / lab.slug() / "lab";
  fs::create_directories(into);
  for (const char* file : {"harness.cu", "README.md", "hints"}) {
    if (fs::exists(from / file)) fs::copy(from / file, into / file, fs::copy_options::recursive);
  }
  put(into / lab.file(), starter_of(read_text(from / lab.file())));
}

constexpr std::string_view kSetup = R"(#!/usr/bin/env bash
# Gradescope runs this once, when the autograder's image is built: Debian packages, then the build.
set -euo pipefail
root=${AUTOGRADER_ROOT:-/autograder}
export FLASHLAB_JOBS=${FLASHLAB_JOBS:-2}
"$root/source/flashlab/flashlab" --yes lab list
)";

constexpr std::string_view kRun = R"sh(#!/usr/bin/env bash
# Gradescope runs this for every submission. results.json is there from the beginning, so that it is there in any case.
set -uo pipefail
root=${{AUTOGRADER_ROOT:-/autograder}}
results=$root/results
mkdir -p "$results"
cat >"$results/results.json" <<'JSON'
{{"score": 0, "output": "The grader did not come to its end. This is not your fault: please tell your teacher.", "tests": []}}
JSON
cd "$results" || exit 0
timeout -k 10 900 "$root/source/flashlab/flashlab" lab grade {lab} "$root/submission" --seed {seed} \
  --results "$(mktemp -d)" --gradescope "$results/results.json" >"$results/grader.log" 2>&1
exit 0
)sh";

// The build is a step of its own: when it fails, that is nobody's wrong answer.
constexpr std::string_view kClassroomWorkflow = R"(name: Autograding
on: [push, workflow_dispatch]
permissions:
  checks: write
  actions: read
  contents: read
jobs:
  grade:
    runs-on: ubuntu-latest
    if: github.actor != 'github-classroom[bot]'
    steps:
      - uses: actions/checkout@v4
      - name: Build
        run: .flashlab/flashlab --yes lab list
{steps}      - name: Report
        uses: classroom-resources/autograding-grading-reporter@v1
        env:
{results}        with:
          runners: {runners}
)";
constexpr std::string_view kClassroomStep = R"(      - name: "{title}"
        id: {id}
        uses: classroom-resources/autograding-command-grader@v1
        with:
          test-name: "{title}"
          setup-command: ""
          command: ".flashlab/flashlab lab check {lab} --file {file} --hidden --seed {seed} --item {item}"
          timeout: 10
          max-score: {points:.0f}
)";

}  // namespace

void export_gradescope(const Lab& lab, std::uint64_t seed, const fs::path& zip) {
  const TemporaryFolder desk("gradescope");
  put(desk.path() / "setup.sh", std::string(kSetup), true);
  put(desk.path() / "run_autograder", fmt::format(kRun, fmt::arg("lab", lab.number()), fmt::arg("seed", seed)),
      true);
  copy_tree(lab, desk.path() / "flashlab");
  const fs::path wanted = fs::absolute(zip), made = desk.path() / "autograder.zip";
  const simt::CommandResult packed =
      simt::run_command({"cmake", "-E", "chdir", desk.path().string(), "cmake", "-E", "tar", "cf",
                         made.string(), "--format=zip", "setup.sh", "run_autograder", "flashlab"});
  if (packed.exit_code != 0)
    throw EnvironmentError(fmt::format("cmake could not pack the zip: {}", packed.output.substr(0, 500)));
  std::error_code error;
  fs::copy_file(made, wanted, fs::copy_options::overwrite_existing, error);
  if (error) throw EnvironmentError(fmt::format("cannot write {}: {}", wanted.string(), error.message()));
}

void export_classroom(const Lab& lab, std::uint64_t seed, const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_empty(folder, error))
    throw UsageError(fmt::format("{} is there and not empty: name a new folder", folder.string()));
  put(folder / lab.file(), starter_of(read_text(folder_of(lab) / lab.file())));
  put(folder / "README.md", fmt::format("> Your file is `{0}`, here beside this text; what you push is graded. "
                                        "To check it on a Linux machine of "
                                        "your\n> own: `.flashlab/flashlab lab check {1} --file {0}`.\n\n",
                                        lab.file(), lab.number()) +
                                read_text(folder_of(lab) / "README.md"));
  put(folder / ".gitignore", "/.flashlab/build/\n");
  copy_tree(lab, folder / ".flashlab");
  std::string steps, runners, results;
  for (const Item& item : lab.items({.seed = seed, .hidden = true})) {
    std::string id = item.id, upper;  // of the step: a name that is also an environment variable's
    std::ranges::replace(id, '-', '_');
    for (const char c : id) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    steps += fmt::format(kClassroomStep, fmt::arg("title", item.title), fmt::arg("id", id),
                         fmt::arg("item", item.id), fmt::arg("lab", lab.number()), fmt::arg("file", lab.file()),
                         fmt::arg("seed", seed), fmt::arg("points", item.points));
    runners += (runners.empty() ? "" : ",") + id;
    results += fmt::format("          {}_RESULTS: \"${{{{steps.{}.outputs.result}}}}\"\n", upper, id);
  }
  put(folder / ".github" / "workflows" / "classroom.yml",
      fmt::format(kClassroomWorkflow, fmt::arg("steps", steps), fmt::arg("results", results),
                  fmt::arg("runners", runners)));
}

}  // namespace flashlab::lab
