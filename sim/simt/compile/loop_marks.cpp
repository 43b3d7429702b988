#include "sim/simt/compile/loop_marks.hpp"

#include <fmt/format.h>

#include <map>

#include "sim/simt/compile/assembly.hpp"

namespace flashlab::simt {
namespace {

// The label that a jump goes to, or "" when the line is no jump to a label.
std::string_view jump_target(std::string_view line) {
  if (!line.starts_with("\tj")) return "";
  const auto tab = line.find('\t', 1);
  if (tab == std::string_view::npos) return "";
  const std::string_view target = line.substr(tab + 1);
  return target.starts_with(".L") ? target : "";
}

}  // namespace

std::string mark_loops(std::string_view assembly) {
  const std::vector<std::string_view> lines = lines_of(assembly);
  std::map<std::string_view, std::size_t> labels;         // label → line
  std::map<std::size_t, std::vector<std::size_t>> loops;  // line of the label → lines of the jumps back to it
  std::vector<std::size_t> jumps_before(lines.size() + 1, 0);  // jumps of any kind in the lines above
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = lines[i];
    jumps_before[i + 1] = jumps_before[i] + (line.starts_with("\tj") ? 1 : 0);
    if (line.starts_with(".L") && line.ends_with(":")) labels[line.substr(0, line.size() - 1)] = i;
    if (const auto label = labels.find(jump_target(line)); label != labels.end())
      loops[label->second].push_back(i);
  }
  std::map<std::size_t, bool> marked;  // line of a backward jump → needs a mark
  for (const auto& [begin, jumps] : loops) {
    const bool plain = jumps.size() == 1 && jumps_before[jumps[0]] == jumps_before[begin];
    for (const std::size_t jump : jumps) marked[jump] = !plain;
  }

  std::string out;
  out.reserve(assembly.size() * 5 / 4);
  CodeSection section;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    section.see(lines[i]);
    if (const auto jump = marked.find(i); jump != marked.end()) {
      if (jump->second) out += "\tcall\tflashlab_back_edge\n";
      out += fmt::format(".Lflashlab{0}:\n{1}\t.quad {2}, .Lflashlab{0}\n\t.popsection\n", i,
                         section.push_table("flashlab_loops"), jump_target(lines[i]));
    }
    out += lines[i];
    out += '\n';
  }
  return out;
}

}  // namespace flashlab::simt
