#pragma once
/// \file
/// The commands in the texts, run as a reader runs them: in the tree's root, by a shell.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace flashlab::docs {

/// A shell script, and the files that it finds beside the tree's: their name, and where in the tree they come from.
struct Script {
  std::string text;
  std::map<std::string, std::string> files = {};
  auto operator<=>(const Script&) const = default;
};

struct ScriptResult {
  int code = 0;            ///< exit code; 124 when the time was over
  std::string out;         ///< stdout
  std::string last_error;  ///< the last line on stderr
  double seconds = 0;
};

/// Runs scripts, each of them once, however often it is asked for.
///
/// A script starts in a folder of its own that links to every file and folder at the top of the tree, so that paths are
/// those of the text and files that it writes there do not stay. `flashlab` and `./flashlab` are this very program.
/// No colour, no terminal, no GPU, UTC.
class Commands {
 public:
  explicit Commands(std::filesystem::path root) : root_(std::move(root)) {}

  void want(const Script& script) { results_.try_emplace(script); }
  /// Runs what was wanted and has not run, two at a time, long ones named on stderr when it is a terminal.
  /// A script is ended after `limit_s` seconds.
  void run(int limit_s);
  /// Of a script that was wanted before run().
  const ScriptResult& result(const Script& script) const { return results_.at(script); }
  /// Runs it again and says whether stdout and exit code are the same: not so when they hang on time or chance.
  bool repeats(const Script& script, int limit_s) const;

  /// All that ran, the slowest first.
  std::vector<const std::pair<const Script, ScriptResult>*> slowest() const;

 private:
  ScriptResult execute(const Script& script, int limit_s) const;

  std::filesystem::path root_;
  std::map<Script, ScriptResult> results_;
  std::map<Script, bool> done_;
};

/// The `flashlab …` commands of the lines of a ```sh block, as the reader would type them: continued lines joined, without
/// comments. Lines that call other programs are left out.
struct ShellCommand {
  int line;  ///< the first is 0
  std::string command, comment;
};
std::vector<ShellCommand> shell_commands(const std::vector<std::string>& lines);

/// One blank between words, "./flashlab" as "flashlab": two spellings of a command become one.
std::string plain_command(std::string_view command);

}  // namespace flashlab::docs
