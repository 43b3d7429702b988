#pragma once
/// \file
/// From typed options to a request: what report and run share.

#include <chrono>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/cli/commands.hpp"
#include "sim/core/inputs.hpp"
#include "sim/report/report.hpp"

namespace flashlab::cli {

/// "done of all" on stderr while something takes long, on a terminal only; wiped at the end.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void operator()(Index done, Index all);

 private:
  std::string what_;
  bool on_;
  bool shown_ = false;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// A count ≥ 1 as people write it ("4", "8K"), or `otherwise` when the text is empty; throws UsageError.
Index parse_count(const std::string& text, std::string_view option, Index otherwise);

/// Throws UsageError, listing what is allowed, unless `value` is.
void require_one_of(std::string_view option, const std::string& value,
                    std::initializer_list<std::string_view> allowed);

/// A request, the inputs it points to (absent when only counted) and the preset's notes.
struct Prepared {
  report::Request request;
  std::optional<Inputs> inputs;
  std::vector<std::string> notes;
};

/// Checks the options against each other, finds device and stages, loads or makes the inputs.
/// Throws UsageError and EnvironmentError.
Prepared prepare(ReportArguments arguments);

/// Says on stderr which check failed; exit code 1 when one did.
int report_exit_code(const report::Report& report);

}  // namespace flashlab::cli
