#include "cuda/host/measure.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cuda/host/metrics.hpp"
#include "cuda/host/ncu_csv.hpp"
#include "cuda/host/process.hpp"
#include "cuda/host/stage_runner.hpp"
#include "sim/core/error.hpp"
#include "sim/core/temporary_folder.hpp"
#include "sim/core/text_file.hpp"

namespace flashlab::gpu {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::string_view kSchema = "flashlab.measured/1";

MeasuredCard card_from(const Json& json) {
  return {json.at("name"),    json.at("compute_capability"), json.at("driver"),
          json.at("toolkit"), json.at("profiler"),           json.at("date")};
}

Json json_of(const MeasuredCard& card) {
  return {{"name", card.name},         {"compute_capability", card.compute_capability},
          {"driver", card.driver},     {"toolkit", card.toolkit},
          {"profiler", card.profiler}, {"date", card.date}};
}

int whole_number(const std::string& text) {
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw UsageError(fmt::format("launches.csv: \"{}\" is no whole number", text));
  }
  return value;
}

std::vector<MeasuredLaunch> parse_launches(std::string_view csv) {
  std::vector<MeasuredLaunch> launches;
  const auto lines = parse_csv(csv);
  if (lines.empty() ||
      lines[0] != std::vector<std::string>{"launch", "stage", "kernel", "heads", "seq", "dim", "causal"}) {
    throw UsageError("launches.csv: is not what flashlab_gpu_count --launches writes");
  }
  for (std::size_t row = 1; row < lines.size(); ++row) {
    const auto& line = lines[row];
    if (line.size() != lines[0].size()) throw UsageError(fmt::format("launches.csv: row {} is cut off", row));
    launches.push_back({line[1],
                        line[2],
                        whole_number(line[3]),
                        whole_number(line[4]),
                        whole_number(line[5]),
                        whole_number(line[6]) != 0,
                        {}});
  }
  return launches;
}

/// A number for JSON: whole where it is whole, null where it is NaN.
Json json_number(double value) {
  if (!std::isfinite(value)) return nullptr;
  if (value == std::floor(value) && std::abs(value) < 9e15) return static_cast<std::int64_t>(value);
  return value;
}

std::string ask(const std::vector<std::string>& arguments, const std::string& instead) {
  if (!find_program(arguments[0])) return instead;
  std::istringstream lines(run_process(arguments).output);
  std::string line, last;
  while (std::getline(lines, line)) {
    if (!line.empty()) last = line;
  }
  return last;
}

MeasuredCard this_card() {
  const Card card = require_card();
  char date[16];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
  std::string profiler = ask({"ncu", "--version"}, "");
  if (profiler.starts_with("Version ")) profiler.erase(0, 8);
  return {card.name,
          fmt::format("{}.{}", card.compute_capability / 10, card.compute_capability % 10),
          ask({"nvidia-smi", "--id=0", "--query-gpu=driver_version", "--format=csv,noheader"}, "unknown"),
          fmt::format("{}.{}", card.runtime_cuda_version / 1000, card.runtime_cuda_version % 1000 / 10),
          profiler,
          date};
}

/// Those of our metrics that this profiler knows for this card: a single unknown name would end the whole run.
std::vector<std::string> known_metrics() {
  const std::string listed = run_process({"ncu", "--query-metrics"}).output;
  std::vector<std::string> known;
  for (const std::string_view metric : kMetrics) {
    const std::string line_start = fmt::format("\n{} ", metric.substr(0, metric.find('.')));
    if (metric.starts_with("launch__") || listed.find(line_start) != std::string::npos)
      known.emplace_back(metric);
  }
  return known;
}

}  // namespace

double Measurement::value(const MeasuredLaunch& launch, std::string_view metric) const {
  const auto found = std::ranges::find(metrics, metric);
  if (found == metrics.end()) return std::numeric_limits<double>::quiet_NaN();
  return launch.values.at(static_cast<std::size_t>(found - metrics.begin()));
}

Measurement join_measurement(std::string_view card_json, std::string_view launches_csv,
                             std::string_view ncu_csv) {
  Measurement measurement;
  try {
    measurement.card = card_from(Json::parse(card_json));
  } catch (const Json::exception& error) {
    throw UsageError(fmt::format("card.json: {}", error.what()));
  }
  measurement.launches = parse_launches(launches_csv);
  const std::vector<NcuLaunch> measured = parse_ncu_csv(ncu_csv, "counters.csv");
  if (measured.size() != measurement.launches.size()) {
    throw UsageError(
        fmt::format("counters.csv holds {} kernel launches and launches.csv {}: they are of different runs",
                    measured.size(), measurement.launches.size()));
  }
  for (const NcuLaunch& launch : measured) {
    for (const auto& [metric, value] : launch.metrics) {
      if (std::ranges::find(measurement.metrics, metric) == measurement.metrics.end())
        measurement.metrics.push_back(metric);
    }
  }
  for (std::size_t i = 0; i < measured.size(); ++i) {
    MeasuredLaunch& launch = measurement.launches[i];
    if (measured[i].kernel != launch.kernel) {
      throw UsageError(
          fmt::format("launch {} is {} in counters.csv and {} in launches.csv: they are of different runs", i,
                      measured[i].kernel, launch.kernel));
    }
    for (const std::string& metric : measurement.metrics) launch.values.push_back(measured[i].metric(metric));
  }
  return measurement;
}

Measurement read_measured_folder(const std::filesystem::path& folder) {
  return join_measurement(read_text(folder / "card.json"), read_text(folder / "launches.csv"),
                          read_text(folder / "counters.csv"));
}

std::string card_slug(std::string_view card_name) {
  std::string slug;
  for (const char c : card_name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    const bool capital = c >= 'A' && c <= 'Z';
    if (letter || capital)
      slug += capital ? static_cast<char>(c - 'A' + 'a') : c;
    else if (!slug.empty() && slug.back() != '-')
      slug += '-';
  }
  while (slug.ends_with('-')) slug.pop_back();
  return slug.empty() ? "unknown" : slug;
}

std::vector<std::filesystem::path> write_measurement(const Measurement& measurement,
                                                     const std::filesystem::path& folder) {
  const std::filesystem::path card_folder = folder / card_slug(measurement.card.name);
  std::error_code error;
  std::filesystem::create_directories(card_folder, error);
  if (error) throw EnvironmentError(fmt::format("cannot make {}: {}", card_folder.string(), error.message()));
  std::vector<std::filesystem::path> paths;
  for (const KernelStage& stage : kKernelStages) {
    // One launch a line: the file stays small, and a difference between two measurements can be read.
    std::string rows;
    for (const MeasuredLaunch& launch : measurement.launches) {
      if (launch.stage != stage.slug) continue;
      Json values = Json::array();
      for (const double value : launch.values) values.push_back(json_number(value));
      const Json row{{"kernel", launch.kernel}, {"heads", launch.heads},   {"seq", launch.seq},
                     {"dim", launch.dim},       {"causal", launch.causal}, {"values", values}};
      rows += fmt::format("{}\n  {}", rows.empty() ? "" : ",", row.dump());
    }
    if (rows.empty()) continue;
    const std::string text = fmt::format(
        "{{\n\"schema\": \"{}\",\n\"stage\": \"{}\",\n\"card\": {},\n\"metrics\": {},\n\"launches\": "
        "[{}\n]\n}}\n",
        kSchema, stage.slug, json_of(measurement.card).dump(), Json(measurement.metrics).dump(), rows);
    paths.push_back(card_folder / fmt::format("{}.json", stage.slug));
    write_text(paths.back(), text);
  }
  return paths;
}

Measurement read_measurement(const std::filesystem::path& file) {
  const std::string text = read_text(file);
  try {
    const Json json = Json::parse(text);
    if (json.at("schema") != kSchema)
      throw UsageError(fmt::format("{}: its schema is not {}", file.string(), kSchema));
    Measurement measurement{card_from(json.at("card")), json.at("metrics"), {}};
    for (const Json& row : json.at("launches")) {
      MeasuredLaunch launch{json.at("stage"),
                            row.at("kernel"),
                            row.at("heads"),
                            row.at("seq"),
                            row.at("dim"),
                            row.at("causal"),
                            {}};
      for (const Json& value : row.at("values")) {
        launch.values.push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                                : value.get<double>());
      }
      if (launch.values.size() != measurement.metrics.size()) {
        throw UsageError(fmt::format("{}: a launch has {} values for {} metrics", file.string(),
                                     launch.values.size(), measurement.metrics.size()));
      }
      measurement.launches.push_back(std::move(launch));
    }
    return measurement;
  } catch (const Json::exception& error) {
    throw UsageError(fmt::format("{}: {}", file.string(), error.what()));
  }
}

Measurement measure(const MeasureOptions& options) {
  const MeasuredCard card = this_card();
  if (!find_program("ncu")) {
    throw EnvironmentError(
        "ncu is not on PATH: install Nsight Compute (part of the CUDA toolkit) and put its folder on PATH");
  }
  options.progress(fmt::format("{}: asking ncu which counters it has", card.name));
  const std::vector<std::string> metrics = known_metrics();
  if (metrics.empty())
    throw EnvironmentError("ncu lists no counters for this card: is it older than the card?");
  const TemporaryFolder scratch("measure");
  std::vector<std::string> command{"ncu",
                                   "--csv",
                                   "--log-file",
                                   scratch / "counters.csv",
                                   "--cache-control",
                                   "all",
                                   "--clock-control",
                                   "none",
                                   "--print-units",
                                   "base",
                                   "--metrics",
                                   fmt::format("{}", fmt::join(metrics, ",")),
                                   options.count_program.string(),
                                   "--launches",
                                   scratch / "launches.csv"};
  command.insert(command.end(), options.stages.begin(), options.stages.end());
  command.insert(command.end(), options.shape.begin(), options.shape.end());
  options.progress(fmt::format("measuring {} counters a launch, several runs each: minutes for the whole table",
                               metrics.size()));
  const ProcessResult run = run_process(command);
  const std::string counters = read_text(scratch / "counters.csv");
  if (run.status != 0) {
    parse_ncu_csv(counters, "ncu");  // throws, when ncu itself says why
    throw EnvironmentError(
        fmt::format("the measured program failed (exit code {}): {}", run.status, run.output));
  }
  const Json card_json = json_of(card);
  return join_measurement(card_json.dump(), read_text(scratch / "launches.csv"), counters);
}

}  // namespace flashlab::gpu
