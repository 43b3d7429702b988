// flashlab docs: the outputs, code, figures and numbers in the texts are the tree's, and checked against it.

#include <fmt/format.h>

#include "sim/cli/commands.hpp"
#include "sim/core/error.hpp"
#include "sim/docs/docs.hpp"

namespace flashlab::cli {

int docs_command(const DocsArguments& arguments) {
  namespace fs = std::filesystem;
  const fs::path root = fs::weakly_canonical(fs::absolute(arguments.folder));
  if (!fs::is_regular_file(root / "README.md")) {
    throw EnvironmentError(
        fmt::format("{}: no README.md there: run it in Flashlab's source tree", arguments.folder));
  }
  docs::Options options;
  options.check = arguments.check;
  options.slow = arguments.slow;
  options.times = arguments.times;
  options.only = arguments.only;
  bool wrong = false;
  for (const docs::Finding& finding : docs::refresh(root, options)) {
    fmt::print(stderr, "{}: {}\n", finding.where, finding.what);
    wrong = wrong || !finding.mended;
  }
  return static_cast<int>(wrong ? ExitCode::check_failed : ExitCode::well);
}

}  // namespace flashlab::cli
