// flashlab figure: the book's figures, as SVG on stdout.

#include <fmt/format.h>

#include <cstdio>

#include "sim/cli/commands.hpp"
#include "sim/core/error.hpp"
#include "sim/figures/figures.hpp"

namespace flashlab::cli {

int figure_command(const std::string& name) {
  std::string text;
  if (name.empty()) {
    for (const figures::Figure& figure : figures::all())
      text += fmt::format("{:14} {}\n", figure.name, figure.shows);
  } else {
    text = figures::figure_from_name(name).draw();
  }
  print(text);
  return static_cast<int>(ExitCode::well);
}

}  // namespace flashlab::cli
