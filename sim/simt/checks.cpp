#include "sim/simt/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace flashlab::simt {

std::string_view name_of(FindingKind kind) {
  switch (kind) {
    case FindingKind::race:
      return "race on shared memory";
    case FindingKind::out_of_bounds:
      return "out of bounds";
    case FindingKind::misaligned:
      return "misaligned access";
    case FindingKind::unwritten_read:
      return "read of unwritten memory";
    case FindingKind::host_pointer:
      return "host memory in device code";
    case FindingKind::device_pointer:
      return "device memory in host code";
    case FindingKind::divergent_barrier:
      return "divergent barrier";
    case FindingKind::divergent_collective:
      return "divergent warp collective";
    case FindingKind::deadlock:
      return "deadlock";
    case FindingKind::trap:
      return "trap";
    case FindingKind::leak:
      return "leak";
  }
  return "?";
}

bool is_fatal(FindingKind kind) {
  switch (kind) {
    case FindingKind::out_of_bounds:
    case FindingKind::misaligned:
    case FindingKind::host_pointer:
    case FindingKind::deadlock:
    case FindingKind::trap:
      return true;
    default:
      return false;
  }
}

void add_finding(std::vector<Finding>& all, Finding finding) {
  const auto known = std::ranges::find_if(all, [&](const Finding& k) {
    return k.kind == finding.kind && k.site == finding.site && k.kernel == finding.kernel;
  });
  if (known == all.end()) {
    all.push_back(std::move(finding));
  } else if (known->within_warp && !finding.within_warp) {
    finding.occurrences += known->occurrences;
    *known = std::move(finding);
  } else {
    known->occurrences += finding.occurrences;
  }
}

std::string describe(const Finding& f, const SourceLine& line, const SourceLine& other) {
  std::string text = std::string(name_of(f.kind));
  if (!f.kernel.empty()) {
    text += fmt::format(" in {}, block ({}, {}, {}), thread ({}, {}, {})", f.kernel, f.block.x, f.block.y,
                        f.block.z, f.thread.x, f.thread.y, f.thread.z);
  }
  if (line.line > 0) text += fmt::format(", {}:{}", line.file, line.line);
  if (other.line > 0 && !(other == line)) text += fmt::format(" (and line {})", other.line);
  text += fmt::format(": {}; {}", f.what, f.cause);
  if (f.occurrences > 1) text += fmt::format(" ({} times)", f.occurrences);
  return text;
}

}  // namespace flashlab::simt
