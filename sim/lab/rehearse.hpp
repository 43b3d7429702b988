#pragma once
/// \file
/// A made class: submissions of which it is known how they must be graded.

#include <filesystem>
#include <string>
#include <vector>

#include "sim/lab/class_grade.hpp"

namespace flashlab::lab {

struct Rehearsed {
  Submission submission;
  std::string kind;            ///< "solution", "starter", "nothing", "infinite-loop"
  double least = 0, most = 0;  ///< of the points, in hundredths of all there are
  std::string reason;          ///< words that the report must hold
};

/// Writes `count` submissions below `folder`, "student-001" and so on: every third is the solution; the others are, in
/// turn, each wrong and hostile one of the lab's folder wrong/, the starter, and what students hand in by mistake: nothing,
/// an empty file, a folder, a link, a pipe, half a file, noise, a file too large. No two files are the same. Throws
/// EnvironmentError when the folder cannot be written or the lab's wrong submissions are not installed.
std::vector<Rehearsed> make_class(const Lab& lab, std::size_t count, const std::filesystem::path& folder);

/// "" when the row is as it must be, else what it should have been.
std::string amiss(const Rehearsed& rehearsed, const ClassRow& row, const Lab& lab);

}  // namespace flashlab::lab
