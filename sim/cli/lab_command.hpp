#pragma once
/// \file
/// `flashlab lab …`: its arguments are declared here and not in main().

#include <functional>

namespace CLI {
class App;
}

namespace flashlab::cli {

/// Adds the subcommand. The function that is returned runs what was asked for after parsing, and answers an exit code.
std::function<int()> add_lab_command(CLI::App& app);

}  // namespace flashlab::cli
