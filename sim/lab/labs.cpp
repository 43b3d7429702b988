#include <fmt/format.h>

#include <array>
#include <cstdlib>

#include "sim/core/error.hpp"
#include "sim/core/text.hpp"
#include "sim/lab/lab.hpp"

namespace flashlab::lab {
namespace {
namespace fs = std::filesystem;
}

std::vector<Verdict> Lab::judge_text(const std::string&, const Conditions& conditions) const {
  return std::vector<Verdict>(items(conditions).size());
}
std::optional<Score> Lab::score(std::span<const Ran>) const { return std::nullopt; }

std::span<const std::unique_ptr<Lab>> labs() {
  static const auto all = [] {
    std::vector<std::unique_ptr<Lab>> list;
    for (const auto make : {make_lab_01, make_lab_02, make_lab_03, make_lab_04, make_lab_05, make_lab_06,
                            make_lab_07, make_lab_08})
      list.push_back(make());
    return list;
  }();
  return all;
}

const Lab& lab_from_name(std::string_view name) {
  std::string_view bare = name;
  while (bare.size() > 1 && bare.front() == '0') bare.remove_prefix(1);
  std::string list;
  std::vector<std::string_view> slugs;
  for (const auto& lab : labs()) {
    if (lab->slug() == name || lab->slug().substr(3) == name || std::to_string(lab->number()) == bare)
      return *lab;
    list += fmt::format("{}{}", list.empty() ? "" : ", ", lab->slug());
    slugs.push_back(lab->slug());
  }
  const std::string nearest = nearest_name(name, slugs);
  throw UsageError(fmt::format("there is no lab \"{}\"{}: take {}", name,
                               nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest), list));
}

fs::path chapters_folder() {
  std::error_code error;
  if (const char* named = std::getenv("FLASHLAB_CHAPTERS"); named != nullptr && *named != 0) return named;
  const fs::path bin = fs::read_symlink("/proc/self/exe", error).parent_path();
  const fs::path installed = (bin / FLASHLAB_BIN_TO_DATA / "flashlab/chapters").lexically_normal();
  return fs::is_directory(installed, error) ? installed : fs::path(FLASHLAB_CHAPTERS_DIR);
}

fs::path folder_of(const Lab& lab) {
  const fs::path folder = chapters_folder() / lab.slug() / "lab";
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw EnvironmentError(
        fmt::format("{} is not there: set FLASHLAB_CHAPTERS to the folder with the chapters", folder.string()));
  return folder;
}

}  // namespace flashlab::lab
