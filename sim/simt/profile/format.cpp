// The profile in words and tables.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "sim/core/text.hpp"
#include "sim/simt/profile/profile.hpp"

namespace flashlab::simt {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kOpNames[] = {"load", "store", "atomic", "copy", "ldmatrix"};
constexpr std::string_view kSpaceNames[] = {"global", "shared"};

double ratio(std::uint64_t a, std::uint64_t b) {
  return b == 0 ? 0.0 : static_cast<double>(a) / static_cast<double>(b);
}

std::string shape(const Dim3& d) { return fmt::format("({}, {}, {})", d.x, d.y, d.z); }

std::string file_name(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

int decimals(const ProfiledLaunch::CacheValue& m) { return m.unit == "%" ? 2 : 0; }

// Instructions of one line, direction and memory, summed.
struct Row {
  SourceLine line;
  Op op;
  Space space;
  MemoryCounters counted;
  bool merged = false;
};

std::vector<Row> rows_of(const ProfiledLaunch& launch) {
  std::vector<Row> rows;
  for (const ProfiledSite& s : launch.sites) {
    auto it = std::find_if(rows.begin(), rows.end(), [&](const Row& r) {
      return r.line == s.line && r.op == s.counters.op && r.space == s.counters.space;
    });
    if (it == rows.end()) it = rows.insert(rows.end(), Row{s.line, s.counters.op, s.counters.space, {}, false});
    it->counted += s.counters.expected();
    it->merged |= s.counters.merged_width_bytes != 0;
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::tie(a.line.file, a.line.line) < std::tie(b.line.file, b.line.line);
  });
  return rows;
}

std::string csv_field(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string as_csv(const Profile& p, bool lines) {
  if (!lines) {
    std::string out = "ID,Kernel Name,Block Size,Grid Size,Metric Name,Metric Unit,Metric Value\n";
    for (const ProfiledLaunch& l : p.launches) {
      for (const auto& m : l.metrics) {
        out += fmt::format("{},{},{},{},{},{},{}\n", l.number, csv_field(l.kernel), csv_field(shape(l.block)),
                           csv_field(shape(l.grid)), m.name, m.unit, m.value);
      }
      for (const auto& m : l.caches) {
        out +=
            fmt::format("{},{},{},{},{},{},{:.{}f}\n", l.number, csv_field(l.kernel), csv_field(shape(l.block)),
                        csv_field(shape(l.grid)), m.name, m.unit, m.value, decimals(m));
      }
    }
    return out;
  }
  std::string out =
      "ID,Kernel Name,File,Line,Memory,Operation,Requests,Sectors,Wavefronts,Bank Conflicts,Bytes\n";
  for (const ProfiledLaunch& l : p.launches) {
    for (const Row& r : rows_of(l)) {
      out += fmt::format("{},{},{},{},{},{},{},{},{},{},{}\n", l.number, csv_field(l.kernel),
                         csv_field(r.line.file), r.line.line, kSpaceNames[static_cast<int>(r.space)],
                         kOpNames[static_cast<int>(r.op)], r.counted.requests, r.counted.sectors,
                         r.counted.wavefronts, r.counted.conflicts, r.counted.bytes);
    }
  }
  return out;
}

std::string as_json(const Profile& p, bool lines) {
  Json launches = Json::array(), findings = Json::array();
  for (const ProfiledLaunch& l : p.launches) {
    Json metrics;
    for (const auto& m : l.metrics) metrics[m.name] = m.value;
    for (const auto& m : l.caches) metrics[m.name] = m.value;
    Json row = {{"id", l.number},
                {"kernel", l.kernel},
                {"grid", {l.grid.x, l.grid.y, l.grid.z}},
                {"block", {l.block.x, l.block.y, l.block.z}},
                {"static_shared_bytes", l.static_shared_bytes},
                {"dynamic_shared_bytes", l.dynamic_shared_bytes},
                {"metrics", metrics},
                {"advice", l.advice}};
    if (!l.caches.empty())
      row["occupancy"] = {{"blocks_per_sm", l.blocks_per_sm}, {"limited_by", l.limited_by}};
    if (!l.no_caches.empty()) row["no_caches"] = l.no_caches;
    if (lines) {
      Json list = Json::array();
      for (const Row& r : rows_of(l)) {
        list.push_back({{"file", r.line.file},
                        {"line", r.line.line},
                        {"memory", kSpaceNames[static_cast<int>(r.space)]},
                        {"operation", kOpNames[static_cast<int>(r.op)]},
                        {"requests", r.counted.requests},
                        {"sectors", r.counted.sectors},
                        {"wavefronts", r.counted.wavefronts},
                        {"bank_conflicts", r.counted.conflicts},
                        {"bytes", r.counted.bytes},
                        {"merged_by_the_compiler", r.merged}});
      }
      row["lines"] = list;
    }
    launches.push_back(row);
  }
  for (const ProfiledFinding& f : p.findings) {
    findings.push_back({{"kind", f.kind},
                        {"kernel", f.kernel},
                        {"file", f.line.file},
                        {"line", f.line.line},
                        {"fatal", f.fatal},
                        {"text", f.text}});
  }
  return Json{{"schema", "flashlab.profile/1"},
              {"exit_code", p.exit_code},
              {"launches", launches},
              {"findings", findings}}
             .dump(2) +
         "\n";
}

constexpr int kNameWidth = 58;  // of the longest metric's name

std::string as_table(const Profile& p, bool lines) {
  std::string out;
  for (const ProfiledLaunch& l : p.launches) {
    out += fmt::format("{} {}x{}, launch {}\n", l.kernel, shape(l.grid), shape(l.block), l.number);
    if (l.static_shared_bytes + l.dynamic_shared_bytes != 0) {
      out += fmt::format("  shared memory a block: {} static, {} dynamic\n",
                         format_bytes(l.static_shared_bytes), format_bytes(l.dynamic_shared_bytes));
    }
    if (!l.caches.empty())
      out += fmt::format("  an SM holds {} block{} (limit: {})\n", l.blocks_per_sm,
                         l.blocks_per_sm == 1 ? "" : "s", l.limited_by);
    if (!l.no_caches.empty()) out += fmt::format("  no counters of the caches: {}\n", l.no_caches);
    const std::string rule(kNameWidth, '-'), small(10, '-'), value(16, '-');
    out += fmt::format("  {} {} {}\n  {:<{}} {:>10} {:>16}\n  {} {} {}\n", rule, small, value, "Metric Name",
                       kNameWidth, "Unit", "Metric Value", rule, small, value);
    for (const auto& m : l.metrics) {
      if (m.value != 0)
        out += fmt::format("  {:<{}} {:>10} {:>16}\n", m.name, kNameWidth, m.unit, format_count(m.value));
    }
    for (const auto& m : l.caches) {
      if (m.value == 0) continue;
      out += fmt::format("  {:<{}} {:>10} {:>16}\n", m.name, kNameWidth, m.unit,
                         decimals(m) != 0 ? fmt::format("{:.2f}", m.value)
                                          : format_count(static_cast<std::uint64_t>(m.value)));
    }
    out += fmt::format("  {} {} {}\n", rule, small, value);
    if (lines) {
      out += fmt::format("  {:<28} {:<14} {:>14} {:>14} {:>12} {:>14} {:>12}\n", "line", "access", "requests",
                         "sectors", "a request", "wavefronts", "conflicts");
      for (const Row& r : rows_of(l)) {
        out += fmt::format(
            "  {:<28} {:<14} {:>14} {:>14} {:>12.2f} {:>14} {:>12}{}\n",
            fmt::format("{}:{}", file_name(r.line.file), r.line.line),
            fmt::format("{} {}", kSpaceNames[static_cast<int>(r.space)], kOpNames[static_cast<int>(r.op)]),
            format_count(r.counted.requests), format_count(r.counted.sectors),
            ratio(r.space == Space::global ? r.counted.sectors : r.counted.wavefronts, r.counted.requests),
            format_count(r.counted.wavefronts), format_count(r.counted.conflicts),
            r.merged ? "  merged by the card's compiler (expected)" : "");
      }
    }
    for (const std::string& a : l.advice) out += "  > " + a + "\n";
    out += '\n';
  }
  if (p.launches.empty()) out += "The program launched no kernel.\n";
  for (const ProfiledFinding& f : p.findings) out += "! " + f.text + "\n";
  if (p.exit_code != 0) out += fmt::format("The program ended with exit code {}.\n", p.exit_code);
  return out;
}

}  // namespace

std::vector<std::string> advice(const ProfiledLaunch& launch) {
  struct Ranked {
    std::uint64_t waste;
    std::string text;
  };
  std::vector<Ranked> all;
  for (const Row& r : rows_of(launch)) {
    const MemoryCounters& c = r.counted;
    const std::string where = fmt::format("{} line {}", file_name(r.line.file), r.line.line);
    if (r.line.line == 0 || c.requests == 0) continue;
    if (r.space == Space::global && c.sectors > c.ideal_sectors * 2 && r.op != Op::atomic) {
      all.push_back(
          {(c.sectors - c.ideal_sectors),
           fmt::format("{}: {:.3g} sectors a request, {:.3g} would do: neighbouring threads {} addresses far "
                       "apart, as when each walks "
                       "along a row of its own or all go down a column. Let threadIdx.x run along the fastest "
                       "index, or bring the tile through shared memory.",
                       where, ratio(c.sectors, c.requests), std::max(1.0, ratio(c.ideal_sectors, c.requests)),
                       r.op == Op::store ? "write" : "read")});
    }
    if (r.space == Space::shared && c.conflicts > c.wavefronts / 3) {
      all.push_back(
          {c.conflicts / 4,
           fmt::format(
               "{}: {:.3g} wavefronts a request instead of {:.3g}: lanes of a warp meet in the same "
               "bank of shared memory, {}",
               where, ratio(c.wavefronts, c.requests), ratio(c.wavefronts - c.conflicts, c.requests),
               r.op == Op::matrix_load
                   ? "for the eight rows of a matrix lie a multiple of 128 bytes apart. Pad each row by 16 "
                     "bytes, or exchange its 16-byte pieces: piece ^ row % 8 (a swizzle)."
                   : "as when a tile whose row length is a multiple of 32 floats is read down a column. Pad "
                     "each row by one element (float tile[32][33]).")});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Ranked& a, const Ranked& b) { return a.waste > b.waste; });
  std::vector<std::string> texts;
  for (Ranked& r : all) texts.push_back(std::move(r.text));
  return texts;
}

std::string format_profile(const Profile& profile, const ProfileOptions& options) {
  switch (options.format) {
    case ProfileOptions::Format::csv:
      return as_csv(profile, options.lines);
    case ProfileOptions::Format::json:
      return as_json(profile, options.lines);
    case ProfileOptions::Format::table:
      break;
  }
  return as_table(profile, options.lines);
}

}  // namespace flashlab::simt
