#include "sim/view/assets.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "sim/core/error.hpp"

namespace flashlab::view {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw EnvironmentError(fmt::format("cannot read {}", path.string()));
  return text;
}

}  // namespace

fs::path assets_folder() {
  std::error_code error;
  const auto holds_them = [&](const fs::path& folder) {
    return fs::is_regular_file(folder / "view.js", error);
  };
  if (const char* named = std::getenv("FLASHLAB_VIEW")) {
    if (holds_them(named)) return named;
    throw EnvironmentError(fmt::format(
        "FLASHLAB_VIEW names {}, where there is no view.js: let it name the folder of the page's parts, or "
        "unset it",
        named));
  }
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path folder = program.parent_path().parent_path() / "share/flashlab/view";
  if (holds_them(folder)) return folder;
  throw EnvironmentError(fmt::format(
      "the page's parts are not in {}: call ./flashlab view, which builds them; by hand: install nodejs and "
      "npm, then cmake --build build/release --target view_page",
      folder.string()));
}

Assets load_assets() {
  const fs::path folder = assets_folder();
  return {content_of(folder / "view.js"), content_of(folder / "view.css")};
}

}  // namespace flashlab::view
