#pragma once
/// \file
/// Grading for teachers: many submissions, and what Gradescope and GitHub Classroom are given.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "sim/lab/grade.hpp"

namespace flashlab::lab {

struct Submission {
  std::string name;            ///< the student's: the folder's or the file's name
  std::filesystem::path file;  ///< that is graded; may be missing
};

struct ClassRow {
  Submission submission;
  Report report;
  bool resumed = false;  ///< taken from an earlier, interrupted run
  bool failed = false;   ///< the grading itself failed: the report says how; the next run tries again
};

struct ClassOptions {
  Conditions conditions;
  std::filesystem::path
      results;          ///< a folder: NAME.KEY.json and .txt a submission, there in full or not at all
  int at_once = 2;      ///< submissions at a time, each in a process of its own
  double wall_s = 300;  ///< of one submission, whatever it does
  std::function<void(std::size_t done, std::size_t all, const ClassRow&)> progress;
};

/// The submissions that `paths` name: a file, or a folder with the lab's file in it or in one of its folders. The name is
/// the folder's, or the file's when it is not called as the lab's. Throws UsageError for a path that is not there and for
/// two students of one name.
std::vector<Submission> find_submissions(const Lab& lab, const std::vector<std::filesystem::path>& paths);

/// Grades them all; what an earlier run with this lab, seed and file has left in `results` is taken from there. Each result
/// is kept as soon as it is known. A submission whose grading crashes or hangs has 0 points and a problem that says so.
/// Throws UsageError while another grading writes to the folder, Interrupted after interrupt().
std::vector<ClassRow> grade_class(const Lab& lab, const std::vector<Submission>& submissions,
                                  const ClassOptions& options);

std::string json_of(const Report& report);
/// Throws std::runtime_error when the text is no report.
Report report_from_json(const std::string& text);

/// "name,points,of,problem,ITEM…": one line a submission; fields quoted as RFC 4180 says, formulas defused.
std::string csv_of(const std::vector<ClassRow>& rows);
std::string table_of(const std::vector<ClassRow>& rows);

/// results.json as Gradescope reads it.
std::string gradescope_json(const Lab& lab, const Report& report);

}  // namespace flashlab::lab
