#include "sim/view/profile_page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/core/text.hpp"
#include "sim/simt/banks.hpp"
#include "sim/view/html.hpp"

namespace flashlab::view {
namespace {

using Json = nlohmann::ordered_json;
using simt::Op;
using simt::Space;

constexpr std::string_view kOps[] = {"load", "store", "atomic", "copy", "ldmatrix"};
constexpr std::string_view kSpaces[] = {"global", "shared"};
constexpr std::size_t kMostSourceBytes = 1 << 20;

/// A source file's text; "" when it cannot be read or is no source of a reasonable size.
std::string source_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMostSourceBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  return text.size() > kMostSourceBytes ? std::string() : text;
}

Json of_sample(const simt::SiteCounters& c) {
  const simt::WarpSample& s = c.sample;
  Json lanes = Json::array();
  const std::uint64_t begin = c.space == Space::shared ? s.allocation & ~std::uint64_t{127} : s.allocation;
  std::array<std::uint32_t, 32> banks{};
  for (std::size_t lane = 0; lane < 32; ++lane) {
    const bool active = s.mask >> lane & 1;
    lanes.push_back(active ? Json(s.addresses[lane] - begin) : Json());
    banks[lane] = static_cast<std::uint32_t>(s.addresses[lane] & 0xFFFFFFFF);
  }
  Json json{{"block", s.block}, {"warp", s.warp}, {"lanes", lanes}, {"begin_in_line", begin % 128}};
  if (c.space == Space::shared && c.op != Op::matrix_load) {
    json["wavefronts"] = simt::shared_wavefronts(banks, c.width_bytes, s.mask, c.op == Op::store).count;
  } else if (c.space == Space::global) {
    json["sectors"] = simt::global_sectors(s.addresses, c.width_bytes, s.mask);
  }
  return json;
}

Json of_site(const simt::ProfiledSite& site, std::size_t file) {
  const simt::SiteCounters& c = site.counters;
  const simt::MemoryCounters& m = c.expected();
  Json json{{"file", file},
            {"line", site.line.line},
            {"op", kOps[static_cast<std::size_t>(c.op)]},
            {"memory", kSpaces[static_cast<std::size_t>(c.space)]},
            {"width_bytes", c.width_bytes},
            {"merged_width_bytes", c.merged_width_bytes},
            {"requests", m.requests},
            {"threads", m.threads},
            {"bytes", m.bytes},
            {"sectors", m.sectors},
            {"ideal_sectors", m.ideal_sectors},
            {"wavefronts", m.wavefronts},
            {"bank_conflicts", m.conflicts}};
  if (site.caches) {
    json["caches"] = {{"sectors", site.caches->sectors},
                      {"l1_hits", site.caches->l1_hits},
                      {"l2_hits", site.caches->l2_hits},
                      {"hbm_sectors", site.caches->hbm_sectors}};
  }
  if (c.sample.mask != 0) json["sample"] = of_sample(c);
  return json;
}

Json of_launch(const simt::ProfiledLaunch& launch, const std::vector<std::string>& files) {
  Json sites = Json::array(), metrics = Json::object();
  for (const simt::ProfiledSite& site : launch.sites) {
    const auto file = std::ranges::find(files, site.line.file) - files.begin();
    sites.push_back(of_site(site, static_cast<std::size_t>(file)));
  }
  for (const auto& m : launch.metrics) metrics[m.name] = m.value;
  for (const auto& m : launch.caches) metrics[m.name] = m.value;
  return {{"kernel", launch.kernel},
          {"number", launch.number},
          {"grid", {launch.grid.x, launch.grid.y, launch.grid.z}},
          {"block", {launch.block.x, launch.block.y, launch.block.z}},
          {"blocks_per_sm", launch.blocks_per_sm},
          {"no_caches", launch.no_caches},
          {"metrics", metrics},
          {"advice", launch.advice},
          {"sites", sites}};
}

std::span<const simt::ProfiledLaunch> shown(const simt::Profile& profile) {
  return std::span(profile.launches).first(std::min(profile.launches.size(), kMostLaunches));
}

/// The files that the instructions stand in: the program first.
std::vector<std::string> files_of(const simt::Profile& profile, const std::string& program) {
  std::vector<std::string> files;
  const auto add = [&](const std::string& file) {
    if (std::ranges::find(files, file) == files.end()) files.push_back(file);
  };
  for (const simt::ProfiledLaunch& launch : shown(profile)) {
    for (const simt::ProfiledSite& site : launch.sites) add(site.line.file);
  }
  const std::string name = std::filesystem::path(program).filename().string();
  std::ranges::stable_partition(
      files, [&](const std::string& f) { return std::filesystem::path(f).filename().string() == name; });
  if (files.empty()) add(program);
  return files;
}

std::string without_script(const simt::Profile& profile) {
  std::string html =
      "<noscript>\n<p>With JavaScript on, this page shows each line's lanes. Here are its counters.</p>\n";
  for (const simt::ProfiledLaunch& launch : shown(profile)) {
    html += fmt::format(
        "<table><caption>{}, launch {}</caption><thead><tr><th>line</th><th>access</th><th>requests</th>"
        "<th>sectors</th><th>wavefronts</th></tr></thead><tbody>\n",
        escaped(launch.kernel), launch.number);
    for (const simt::ProfiledSite& site : launch.sites) {
      const simt::MemoryCounters& m = site.counters.expected();
      html +=
          fmt::format("<tr><th scope=\"row\">{}:{}</th><td>{} {}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                      escaped(std::filesystem::path(site.line.file).filename().string()), site.line.line,
                      kSpaces[static_cast<std::size_t>(site.counters.space)],
                      kOps[static_cast<std::size_t>(site.counters.op)], format_count(m.requests),
                      format_count(m.sectors), format_count(m.wavefronts));
    }
    html += "</tbody></table>\n";
  }
  return html + "</noscript>\n";
}

std::string summary_of(const simt::Profile& profile, const simt::ProfileOptions& options) {
  std::string text = fmt::format("{} launch{} on the simt machine", profile.launches.size(),
                                 profile.launches.size() == 1 ? "" : "es");
  if (profile.launches.size() > kMostLaunches) text += fmt::format("; the first {} are shown", kMostLaunches);
  return text + (options.card == "none" ? "; no caches" : fmt::format(" · the caches of {}", options.card));
}

}  // namespace

std::string profile_json(const simt::Profile& profile, const simt::ProfileOptions& options) {
  const std::vector<std::string> files = files_of(profile, options.source.string());
  Json sources = Json::array(), launches = Json::array(), findings = Json::array();
  for (const std::string& file : files) {
    sources.push_back({{"name", std::filesystem::path(file).filename().string()}, {"text", source_text(file)}});
  }
  for (const simt::ProfiledLaunch& launch : shown(profile)) launches.push_back(of_launch(launch, files));
  for (const simt::ProfiledFinding& f : profile.findings) {
    findings.push_back({{"kind", f.kind}, {"line", f.line.line}, {"text", f.text}});
  }
  // Sources come from outside: bytes that are no UTF-8 are replaced.
  return Json{{"schema", "flashlab.view/1"}, {"kind", "profile"},    {"card", options.card},
              {"sources", sources},          {"launches", launches}, {"findings", findings}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string profile_page(const simt::Profile& profile, const simt::ProfileOptions& options,
                         const Assets& assets) {
  return html_page({.title = options.source.filename().string(),
                    .summary = summary_of(profile, options),
                    .without_script = without_script(profile),
                    .json = profile_json(profile, options)},
                   assets);
}

}  // namespace flashlab::view
