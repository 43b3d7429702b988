// Instructions as numbers, and numbers as lines of source.

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "sim/core/text.hpp"
#include "sim/simt/runtime/module.hpp"
#include "sim/simt/runtime/worker.hpp"

namespace flashlab::simt {

std::uintptr_t code_base = 0;

void register_code(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  if (code_base == 0) code_base = at - kSiteLimit / 2;
  const std::uintptr_t distance = at - code_base;
  if (distance < kSiteLimit / 8 || distance > kSiteLimit / 8 * 7) {
    std::fprintf(stderr,
                 "flashlab: the kernels of this program lie more than 6 MiB of code apart: link their object "
                 "files next to each other\n");
    std::exit(3);
  }
}

std::uintptr_t address_of_site(std::uint32_t site) { return code_base + site; }

namespace {

std::map<std::uint32_t, SourceLine>& known_lines() {
  static auto* const lines = new std::map<std::uint32_t, SourceLine>;
  return *lines;
}

constexpr std::string_view kOwnHeaders = "sim/simt/include/";

void look_up(const std::vector<std::uint32_t>& sites) {
  const Module& module = own_module();
  if (module.path.empty()) return;
  constexpr std::size_t kPerRun = 2000;  // keeps the command line short
  for (std::size_t begin = 0; begin < sites.size(); begin += kPerRun) {
    const std::size_t end = std::min(sites.size(), begin + kPerRun);
    std::string command = fmt::format("addr2line -a -i -e '{}'", module.path);
    for (std::size_t i = begin; i < end; ++i) {
      // One byte back from the return address: inside the call.
      command += fmt::format(" {:x}", address_of_site(sites[i]) - module.load_offset - 1);
    }
    command += " 2>/dev/null";
    std::FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return;
    char text[8192];
    // For each site its address, then a line for every function that was inlined there, the innermost first: the one
    // wanted is the first that is not a shell of our own headers.
    for (std::size_t i = begin - 1; std::fgets(text, sizeof text, pipe) != nullptr;) {
      const std::string_view line(text);
      if (line.starts_with("0x")) {
        ++i;
        continue;
      }
      const std::size_t colon = line.rfind(':');
      if (colon == std::string_view::npos || i >= end) continue;
      SourceLine& known = known_lines()[sites[i]];
      if (known.line > 0 && known.file.find(kOwnHeaders) == std::string::npos) continue;
      known.line = std::atoi(text + colon + 1);
      known.file = known.line > 0 ? std::string(line.substr(0, colon)) : std::string();
    }
    pclose(pipe);
  }
}

}  // namespace

std::vector<SourceLine> source_lines(const std::vector<std::uint32_t>& sites) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::vector<std::uint32_t> unknown;
  for (const std::uint32_t site : sites) {
    if (site != 0 && known_lines().emplace(site, SourceLine{}).second) unknown.push_back(site);
  }
  if (!unknown.empty()) look_up(unknown);
  std::vector<SourceLine> lines;
  for (const std::uint32_t site : sites) lines.push_back(site == 0 ? SourceLine{} : known_lines()[site]);
  return lines;
}

std::string kernel_of(std::uint32_t site) {
  const Module& module = own_module();
  if (module.path.empty() || site == 0) return "";
  const std::string command = fmt::format("addr2line -f -C -i -e '{}' {:x} 2>/dev/null", module.path,
                                          address_of_site(site) - module.load_offset - 1);
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string name;  // of the outermost function: names and lines take turns
  char text[8192];
  for (int i = 0; std::fgets(text, sizeof text, pipe) != nullptr; ++i) {
    if (i % 2 == 0) name.assign(text, std::strcspn(text, "\n"));
  }
  pclose(pipe);
  if (name == "??") return "";
  int depth = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool anonymous = name.compare(i, 21, "(anonymous namespace)") == 0;
    if (anonymous) i += 20;
    if (name[i] == '<') ++depth;
    if (name[i] == '>') --depth;
    if (name[i] == '(' && depth == 0 && !anonymous) name.resize(i);
  }
  if (name.starts_with("void ")) name.erase(0, 5);
  return name;
}

namespace {
bool lookups_allowed = true;
}
void allow_line_lookups(bool allowed) { lookups_allowed = allowed; }

bool same_source_line(std::uint32_t a, std::uint32_t b) {
  if (!lookups_allowed) return true;
  const auto lines = source_lines({a, b});
  return lines[0].line != 0 && lines[0] == lines[1];
}

}  // namespace flashlab::simt
