#pragma once
/// \file
/// The compiler's assembly, line by line.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace flashlab::simt {

inline std::vector<std::string_view> lines_of(std::string_view assembly) {
  std::vector<std::string_view> lines;
  for (std::size_t at = 0; at < assembly.size();) {
    const std::size_t end = std::min(assembly.find('\n', at), assembly.size());
    lines.push_back(assembly.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

/// The section that code is in, as far as tables about it must know: what the linker drops, they must drop too.
class CodeSection {
 public:
  void see(std::string_view line) {
    if (line.starts_with("\t.section\t.text")) {
      constexpr std::string_view comdat = "\"axG\",@progbits";
      const auto at = line.find(comdat);
      group_ = at == std::string_view::npos ? "" : std::string(line.substr(at + comdat.size()));
    } else if (line == "\t.text") {
      group_.clear();
    }
  }
  /// The directive that begins a piece of the table `name`; `.popsection` ends it.
  std::string push_table(std::string_view name) const {
    return "\t.pushsection " + std::string(name) + ",\"aw" + (group_.empty() ? "" : "G") + "\",@progbits" +
           group_ + "\n";
  }

 private:
  std::string group_;  // ",name,comdat"
};

}  // namespace flashlab::simt
