#pragma once
/// \file
/// Texts that cannot rot: what the tree and the program print is written into them, and checked. docs/writing.md says how.

#include <filesystem>
#include <string>
#include <vector>

namespace flashlab::docs {

struct Options {
  bool check = false;             ///< change nothing
  bool slow = false;              ///< run what is marked slow too
  bool times = false;             ///< say on stderr what ran, and for how long
  int limit_s = 300;              ///< of each command
  std::vector<std::string> only;  ///< pages or folders below the root; empty: README.md, docs/ and chapters/
};

/// What is wrong with a page, in one line: file, line, and the remedy.
struct Finding {
  std::string where, what;
  bool mended = false;  ///< it is right now; always false when only checked
};

/// Brings outputs, snippets, figures and tables of the pages below `root` up to date, verifies the numbers in running
/// text and that every command shown runs. Throws UsageError (a marker that cannot be followed) and EnvironmentError.
std::vector<Finding> refresh(const std::filesystem::path& root, const Options& options);

}  // namespace flashlab::docs
