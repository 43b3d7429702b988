#include "sim/view/page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <span>

#include "sim/core/text.hpp"
#include "sim/view/formulas.hpp"
#include "sim/view/html.hpp"

namespace flashlab::view {
namespace {

using Json = nlohmann::ordered_json;

static_assert(std::endian::native == std::endian::little, "the page reads its arrays as little-endian");

/// Numbers as the page's typed arrays take them: base64 of their bytes.
template <class T>
std::string packed(const std::vector<T>& values) {
  return base64({reinterpret_cast<const unsigned char*>(values.data()), values.size() * sizeof(T)});
}
/// In two bytes each where they fit, else four: the page tells by "wide".
Json packed_indices(const std::vector<std::uint32_t>& values) {
  const bool wide = std::ranges::any_of(values, [](std::uint32_t v) { return v > 0xFFFF; });
  if (wide) return {{"wide", true}, {"data", packed(values)}};
  return {{"wide", false}, {"data", packed(std::vector<std::uint16_t>(values.begin(), values.end()))}};
}

constexpr std::array<std::string_view, 5> kKinds{"allocate", "load", "compute", "store", "free"};

Json of_film(const Film& film) {
  const StageInfo& stage = *film.run.stage;
  Json acts = Json::array();
  for (const Act& act : film.acts) {
    acts.push_back(
        {kKinds[static_cast<std::size_t>(act.kind)], name_of(act.tensor), act.operation, act.line, act.bytes});
  }
  std::vector<std::int32_t> places;
  for (const Place& p : film.places) {
    for (const Index value : {p.row, p.rows, p.column, p.columns})
      places.push_back(static_cast<std::int32_t>(value));
  }
  std::vector<float> values;
  Json starts = Json::array();
  for (const std::vector<float>& row : film.row_values) {
    starts.push_back(values.size());
    values.insert(values.end(), row.begin(), row.end());
  }
  return {{"stage", stage.slug},
          {"title", stage.title},
          {"tile_rows", film.run.tiles.size.rows},
          {"tile_cols", film.run.tiles.size.cols},
          {"source", source_of(stage)},
          {"source_path", source_path(stage)},
          {"left_out", film.left_out},
          {"acts", acts},
          {"places", packed(places)},
          {"act_of", packed_indices(film.act_of)},
          {"place_of", packed_indices(film.place_of)},
          {"row_step", film.row_step},
          {"row_starts", starts},
          {"row_values", packed(values)}};
}

Json of_devices(const DeviceProfile& chosen) {
  Json list = Json::array();
  const auto add = [&](const DeviceProfile& d) {
    list.push_back({{"name", d.name},
                    {"title", d.title},
                    {"sram_bytes", d.sram_bytes},
                    {"hbm_bytes", d.hbm_bytes},
                    {"hbm_bytes_per_s", d.hbm_bytes_per_s},
                    {"fp32_flops_per_s", d.fp32_flops_per_s},
                    {"product_flops_per_s",
                     {{"fp32", d.peak_flops_per_s(DType::f32)},
                      {"fp16", d.peak_flops_per_s(DType::f16)},
                      {"bf16", d.peak_flops_per_s(DType::bf16)}}}});
  };
  const auto built_in = devices();
  for (const DeviceProfile& device : built_in) add(device);
  if (std::ranges::find(built_in, chosen.name, &DeviceProfile::name) == built_in.end()) add(chosen);
  return list;
}

Json of_ladder(const Ladder& ladder) {
  Json rungs = Json::array();
  for (const Rung& rung : ladder.rungs) {
    rungs.push_back(
        {{"name", rung.name}, {"dtype", rung.dtype}, {"tflops_per_s", rung.tflops_per_s}, {"peer", rung.peer}});
  }
  return {{"title", ladder.title}, {"rungs", rungs}};
}

std::string summary_of(const StagePage& page) {
  const Problem& p = page.report.problem;
  return fmt::format("{}{} · N = {} · d = {} · {} · {} · M = {} of SRAM · {}", p.head_count(),
                     p.head_count() == 1 ? " head" : " heads", format_count(static_cast<Bytes>(p.seq)), p.dim,
                     name_of(p.dtype), p.causal ? "causal" : "full",
                     format_bytes(page.report.options.sram_bytes), page.report.device.title);
}

/// What a reader without JavaScript sees: the traffic as a picture, and every number of it as a table.
std::string without_script(const StagePage& page) {
  std::string html =
      "<noscript>\n<p>This page plays the run when JavaScript is on. Here are its numbers.</p>\n";
  html += report::to_svg(page.report);
  html +=
      "<table><caption>HBM bytes of all heads</caption><thead><tr><th scope=\"col\">stage</th><th "
      "scope=\"col\">read</th><th scope=\"col\">written</th><th scope=\"col\">SRAM peak</th><th "
      "scope=\"col\">footprint</th><th scope=\"col\">floor, ms</th></tr></thead><tbody>\n";
  for (const report::StageRow& row : page.report.rows) {
    if (!row.refusal.empty()) {
      html += fmt::format("<tr><th scope=\"row\">{}</th><td colspan=\"5\">{}</td></tr>\n", row.stage->slug,
                          escaped(row.refusal));
      continue;
    }
    const Traffic& t = row.run.traffic;
    html += fmt::format(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.4g}</td></tr>\n",
        row.stage->slug, format_count(t.hbm.total().read), format_count(t.hbm.total().written),
        format_count(t.sram_peak_bytes), format_count(t.hbm_footprint_bytes), row.floor.floor_ms());
  }
  html += "</tbody></table>\n";
  for (const std::string& sentence : report::conclusions(page.report))
    html += fmt::format("<p>{}</p>\n", escaped(sentence));
  return html + "</noscript>\n";
}

}  // namespace

std::string stage_json(const StagePage& page) {
  Json films = Json::array();
  for (const Film& film : page.films) films.push_back(of_film(film));
  Json stages = Json::array();
  for (const StageInfo& stage : flashlab::stages())
    stages.push_back({{"stage", stage.slug}, {"title", stage.title}});
  const Json json{
      {"schema", "flashlab.view/1"},
      {"kind", "stages"},
      {"summary", summary_of(page)},
      {"head", page.head},
      {"given", {{"Br", page.report.options.rows.value_or(0)}, {"Bc", page.report.options.cols.value_or(0)}}},
      {"report", Json::parse(report::to_json(page.report))},
      {"stages", stages},
      {"films", films},
      {"formulas", Json::parse(formulas_json())},
      {"devices", of_devices(page.report.device)},
      {"ladder", of_ladder(page.ladder)}};
  return json.dump();
}

std::string stage_page(const StagePage& page, const Assets& assets) {
  std::string title =
      fmt::format("{}: {}", page.films.front().run.stage->slug, page.films.front().run.stage->title);
  if (page.films.size() > 1) {
    title = fmt::format("{} beside {}", page.films[0].run.stage->slug, page.films[1].run.stage->slug);
  }
  return html_page({.title = title,
                    .summary = summary_of(page),
                    .without_script = without_script(page),
                    .json = stage_json(page)},
                   assets);
}

}  // namespace flashlab::view
