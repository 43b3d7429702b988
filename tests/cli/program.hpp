#pragma once
// Runs the program as a user does, and keeps what it printed on which stream, and its exit code.

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace fs = std::filesystem;

struct Outcome {
  int code;
  std::string out, err;
};

inline std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A folder that is gone after the test.
struct Scratch {
  fs::path path;
  Scratch() {
    std::string name = (fs::temp_directory_path() / "flashlab_cli_XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Scratch() { fs::remove_all(path); }
  std::string operator/(const char* name) const { return (path / name).string(); }
};

inline Outcome run(const std::string& arguments) {
  const Scratch scratch;
  const std::string command = "'" FLASHLAB_PROGRAM "' " + arguments + " >'" + (scratch.path / "out").string() +
                              "' 2>'" + (scratch.path / "err").string() + "'";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(scratch.path / "out"),
          read_file(scratch.path / "err")};
}

/// Refused as it should be: this exit code, nothing on stdout, one line on stderr that says this.
inline void check_refused(const std::string& arguments, int code, const std::string& says) {
  CAPTURE(arguments);
  const Outcome outcome = run(arguments);
  CAPTURE(outcome.err);
  CHECK(outcome.code == code);
  CHECK(outcome.out.empty());
  CHECK(outcome.err.starts_with("flashlab: "));
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  CHECK(outcome.err.find(says) != std::string::npos);
}
