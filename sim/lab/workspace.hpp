#pragma once
/// \file
/// The student's side: starters, the folder with the work, progress in one plain file.

#include <filesystem>
#include <map>
#include <string>

#include "sim/lab/grade.hpp"

namespace flashlab::lab {

/// The starter that a solution's source holds: between `BEGIN SOLUTION` and `END SOLUTION` stay only the lines after
/// `STUB`, without their `//| `. In a file of numbers the marks are `# BEGIN SOLUTION` and so on, with `#| `. Throws
/// std::runtime_error when regions do not pair.
std::string starter_of(const std::string& solution);
/// The lines of the solution that the starter must not hold, trimmed; short and common ones left out.
std::vector<std::string> solution_lines(const std::string& solution);

/// How far a student is with one lab.
struct Progress {
  double points = -1, max_points = 0;  ///< best so far; −1: never checked
  int hints = 0;                       ///< seen
};

/// A folder with one folder a lab, and `progress.txt`: lines of "slug points of max, n hints".
class Workspace {
 public:
  /// `named`, else the nearest folder at or above the current one that holds progress.txt, else ./flashlab-labs.
  explicit Workspace(const std::filesystem::path& named);
  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path file_of(const Lab& lab) const;

  /// Writes starter and text. Throws UsageError when the lab has been started already.
  void start(const Lab& lab);
  /// The starter anew; the old file stays beside it under the name that is returned.
  std::filesystem::path reset(const Lab& lab);

  Progress progress(const Lab& lab) const;
  void set_progress(const Lab& lab, const Progress& progress);

 private:
  std::map<std::string, Progress> read() const;
  void write_starter(const Lab& lab) const;
  std::filesystem::path root_;
};

/// What `check` prints.
std::string describe(const Report& report, const Lab& lab, bool color);

}  // namespace flashlab::lab
