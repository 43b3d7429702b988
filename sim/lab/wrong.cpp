#include "sim/lab/wrong.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "sim/core/text_file.hpp"

namespace flashlab::lab {
namespace {

namespace fs = std::filesystem;

std::string edited(std::string text, const std::string& edits, const std::string& name) {
  std::istringstream lines(edits);
  std::string before, after;
  std::string* into = nullptr;
  for (std::string line; std::getline(lines, line);) {
    if (line == "<<<<") {
      before.clear(), after.clear(), into = &before;
    } else if (line == "====" && into == &before) {
      into = &after;
    } else if (line == ">>>>" && into == &after) {
      const std::size_t at = text.find(before);
      if (before.empty() || at == std::string::npos) throw std::runtime_error(name + ": not found: " + before);
      text.replace(at, before.size(), after);
      into = nullptr;
    } else if (into != nullptr) {
      *into += line + '\n';
    }
  }
  if (into != nullptr) throw std::runtime_error(name + ": an edit that does not end");
  return text;
}

}  // namespace

std::vector<Wrong> wrong_submissions(const Lab& lab) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_of(lab) / "wrong"))
    files.push_back(entry.path());
  std::ranges::sort(files);
  std::vector<Wrong> all;
  for (const fs::path& file : files) {
    const std::string text = read_text(file);
    constexpr std::string_view mark = "rejected: ";
    const std::string first = text.substr(0, text.find('\n'));
    const std::size_t at = first.find(mark);
    if (at == std::string::npos) throw std::runtime_error(file.string() + ": its first line states no reason");
    Wrong w{std::string(lab.slug()) + "/" + file.stem().string(), first.substr(at + mark.size()), text};
    if (file.extension() == ".edit") w.text = edited(read_text(folder_of(lab) / lab.file()), text, w.name);
    all.push_back(std::move(w));
  }
  return all;
}

}  // namespace flashlab::lab
