#pragma once
/// \file
/// One submission through one lab.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/lab/lab.hpp"

namespace flashlab::lab {

struct GradedItem {
  std::string id, title;
  double points = 0, max_points = 0;
  Verdict verdict;
};

struct Report {
  std::string lab;      ///< slug
  std::string problem;  ///< why nothing could be run: refused, does not compile, nothing handed in; else ""
  std::vector<GradedItem> items;
  std::optional<Score> score;
  std::string note;  ///< of a run on a card: its times, and what was not judged
  double seconds = 0;
  double points() const;
  double max_points() const;
  bool passed() const { return problem.empty() && points() >= max_points() - 1e-9; }
};

struct GradeOptions {
  bool on_card = false;  ///< of one's own work: no walls, no counters; items that count are left out
  Conditions conditions;
  std::filesystem::path cache_dir;  ///< of built programs
  int at_once = 2;                  ///< runs at a time
  int build_s = 20, run_s = 10;     ///< limits of the compiler and of a run, of the processor's time
  std::function<void(const std::string&)> progress;
};

/// The file's text; nullopt with `why` when it is none that is taken: missing, a link, a folder, a pipe, larger than 1 MiB.
std::optional<std::string> read_submission(const std::filesystem::path& path, std::string& why);

/// Vets, builds, runs, judges. Whatever the submission does, the answer is a report: throws only what a machine lacks.
Report grade(const Lab& lab, const std::filesystem::path& submission, const GradeOptions& options);

}  // namespace flashlab::lab
