#pragma once
/// \file
/// flashlab view: declares its own options.

#include <CLI/CLI.hpp>
#include <functional>

#include "sim/cli/commands.hpp"

namespace flashlab::cli {

/// Adds the command to `app`; `add_problem_options` gives it what report and run take. The answer runs it: exit code,
/// UsageError or EnvironmentError.
struct ViewCommand {
  CLI::App* app = nullptr;
  std::function<int()> run;
};
ViewCommand declare_view(CLI::App& app, void (*add_problem_options)(CLI::App&, ReportArguments&));

}  // namespace flashlab::cli
