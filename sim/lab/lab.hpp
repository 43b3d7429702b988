#pragma once
/// \file
/// What a lab is: cases that a submission is run on, items that judge the results, points.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/lab/wire.hpp"

namespace flashlab::lab {

/// One run of a submission.
struct Case {
  std::string title;  ///< "2 heads, N = 100, d = 64": shown to the student, smallest first
  Job job;
};

/// A case that has been run, or why it could not be.
struct Ran {
  const Case* of = nullptr;
  std::string failure;  ///< "" when `result` is there
  RunResult result;
};

struct Verdict {
  double share = 0;    ///< of the item's points, 0 to 1
  std::string text;    ///< one line
  std::string detail;  ///< more lines: the case, expected and actual, source lines
  bool passed() const { return share >= 1; }
};

/// What a judge may look at beside the results.
class Evidence {
 public:
  Evidence(std::filesystem::path program, std::string source)
      : program_(std::move(program)), source_(std::move(source)) {}
  /// "solution.cu:41" and the line's text; "" when unknown.
  std::string place(std::uint64_t address) const;
  /// Line of solution.cu; 0 when the address is not in it.
  int line(std::uint64_t address) const;
  void look_up(std::vector<std::uint64_t> addresses) const;

 private:
  std::filesystem::path program_;
  std::string source_;
  mutable std::map<std::uint64_t, int> lines_;
};

struct Item {
  std::string id, title;
  double points = 0;
  std::vector<std::string> after;  ///< items without which this one is not looked at
  std::vector<Case> cases;
  std::function<Verdict(std::span<const Ran>, const Evidence&)> judge;
  bool counted = false;  ///< judges what the simt machine counts: a run on a card tells nothing of it
};

/// A number for the leaderboard.
struct Score {
  std::string name, unit;
  double value = 0;
  bool less_is_better = true;
};

/// What all the checks of one lab are made from. The seed decides every input value and every shape that is not shown.
struct Conditions {
  std::uint64_t seed = 1;
  bool hidden = false;  ///< a teacher's: more shapes, of the seed
};

class Lab {
 public:
  virtual ~Lab() = default;
  virtual int number() const = 0;
  virtual std::string_view slug() const = 0;   ///< "06-online-softmax": the folder of the chapter
  virtual std::string_view title() const = 0;  ///< "A whole FlashAttention forward kernel"
  /// What the student hands in: "solution.cu", or a file of numbers.
  virtual std::string_view file() const { return "solution.cu"; }
  virtual bool has_kernels() const { return true; }
  virtual std::vector<Item> items(const Conditions& conditions) const = 0;
  /// For labs without kernels: the whole judgement of the file's text, item by item.
  virtual std::vector<Verdict> judge_text(const std::string& text, const Conditions& conditions) const;
  virtual std::optional<Score> score(std::span<const Ran> ran) const;
  /// Baseline, ideal and gate of each counted item, as a table of text.
  virtual std::string figures() const = 0;
};

/// All labs in order.
std::span<const std::unique_ptr<Lab>> labs();
/// "6", "06", "online-softmax" or "06-online-softmax"; throws UsageError that lists the labs.
const Lab& lab_from_name(std::string_view name);
/// The folder chapters/…/lab of this lab. Throws EnvironmentError when it is not there.
std::filesystem::path folder_of(const Lab& lab);
/// The folder with the chapters: $FLASHLAB_CHAPTERS, else those installed beside the program, else the source tree's.
std::filesystem::path chapters_folder();

std::unique_ptr<Lab> make_lab_01();
std::unique_ptr<Lab> make_lab_02();
std::unique_ptr<Lab> make_lab_03();
std::unique_ptr<Lab> make_lab_04();
std::unique_ptr<Lab> make_lab_05();
std::unique_ptr<Lab> make_lab_06();
std::unique_ptr<Lab> make_lab_07();
std::unique_ptr<Lab> make_lab_08();

}  // namespace flashlab::lab
