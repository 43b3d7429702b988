#include "sim/cli/measured.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "sim/core/error.hpp"
#include "sim/core/text.hpp"
#include "sim/core/text_file.hpp"
#include "sim/simt/replay/profiles.hpp"

namespace flashlab::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kKeptFile = "simulated.json", kKeptSchema = "flashlab.simulated/1";

}  // namespace

bool within(const Counter& counter, double simulated, double measured) {
  return std::isnan(measured) || std::isnan(simulated) ||
         std::abs(simulated - measured) <= std::max(counter.relative * measured, counter.absolute);
}

/// The profile whose name is one of the words of the card's: "NVIDIA A100-SXM4-80GB".
std::string_view OneCard::profile() const {
  const std::string words = '-' + gpu::card_slug(card.name) + '-';
  for (const simt::ReplayProfile& profile : simt::replay_profiles())
    if (words.find(fmt::format("-{}-", profile.name)) != std::string::npos) return profile.name;
  return {};
}

std::vector<OneCard> read_measured(const fs::path& folder) {
  std::vector<OneCard> all;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (!entry.is_directory()) continue;
    OneCard one{.card = {}, .folder = entry.path(), .measurements = {}};
    for (const fs::directory_entry& file : fs::directory_iterator(entry.path())) {
      const fs::path name = file.path().filename();
      if (name.extension() == ".json" && name != "card.json" && name != "bench.json" &&
          name != "ablations.json" && name != kKeptFile) {
        one.measurements.push_back(gpu::read_measurement(file.path()));
      }
    }
    if (one.measurements.empty()) continue;
    // Files come in any order.
    std::ranges::stable_sort(one.measurements, {}, [](const gpu::Measurement& m) {
      return m.launches.empty() ? std::string() : m.launches.front().stage;
    });
    one.card = one.measurements.front().card;
    all.push_back(std::move(one));
  }
  std::ranges::sort(all, {}, &OneCard::folder);
  if (all.empty())
    throw EnvironmentError(fmt::format(
        "{}: no measurements there: run flashlab measure on a machine with a GPU", folder.string()));
  return all;
}

OneCard one_of(std::vector<OneCard> all, const std::string& device) {
  std::vector<std::string> names;
  for (const OneCard& one : all) names.push_back(one.folder.filename().string());
  if (!device.empty() || all.size() > 1) {
    const std::string wanted = device.empty() ? "h100" : gpu::card_slug(device);
    std::erase_if(all, [&](const OneCard& one) {
      return one.folder.filename() != wanted && (one.profile().empty() || one.profile() != wanted);
    });
  }
  if (all.size() != 1) {
    throw UsageError(fmt::format("--device {}: {} measured: choose from {}", device.empty() ? "h100" : device,
                                 all.empty() ? "no such card was" : "several such cards were",
                                 fmt::join(names, ", ")));
  }
  return std::move(all.front());
}

bool wanted(const MeasureArguments& a, const gpu::MeasuredLaunch& launch) {
  if (!a.stages.empty() && std::ranges::find(a.stages, launch.stage) == a.stages.end()) return false;
  // The quick part: every kernel and mask, on the smallest shape.
  if (!a.seq.empty() && static_cast<Bytes>(launch.seq) != parse_size(a.seq, "--seq")) return false;
  return !a.quick || (launch.heads == 4 && launch.seq == 512 && launch.dim == 64);
}

KeptFile::KeptFile(const fs::path& folder) : path_(folder / kKeptFile) {
  if (!fs::exists(path_)) return;
  try {
    const nlohmann::json data = nlohmann::json::parse(read_text(path_));
    if (data.at("schema") != kKeptSchema) throw UsageError("not of this schema");
    for (const auto& launch : data.at("launches")) {
      std::map<std::string, double> values;
      for (std::size_t i = 0; i < data.at("metrics").size(); ++i)
        if (const auto& value = launch.at("values").at(i); !value.is_null())
          values[data.at("metrics")[i]] = value;
      rows_[{Shape{launch.at("stage"), launch.at("heads"), launch.at("seq"), launch.at("dim"),
                   launch.at("causal")},
             launch.at("kernel")}] = std::move(values);
    }
  } catch (const std::exception& error) {
    throw UsageError(fmt::format("{}: {}", path_.string(), error.what()));
  }
}

bool KeptFile::fill(Comparison& row) const {
  const auto found = rows_.find({row.shape, row.kernel});
  if (found == rows_.end()) return false;
  for (const Counter& counter : kCounters) {
    const auto value = found->second.find(std::string(counter.metric));
    row.simulated[counter.metric] = value == found->second.end() ? std::nan("") : value->second;
  }
  return true;
}

void KeptFile::put(const Comparison& row) {
  auto& values = rows_[{row.shape, row.kernel}];
  for (const auto& [metric, value] : row.simulated) values[std::string(metric)] = value;
}

void KeptFile::write() const {
  nlohmann::json metrics = nlohmann::json::array();
  for (const Counter& counter : kCounters) metrics.push_back(counter.metric);
  std::string text =
      fmt::format("{{\n\"schema\": \"{}\",\n\"metrics\": {},\n\"launches\": [", kKeptSchema, metrics.dump());
  std::string_view separator = "\n  ";
  for (const auto& [key, values] : rows_) {
    const auto& [stage, heads, seq, dim, causal] = key.first;
    nlohmann::ordered_json launch{{"stage", stage}, {"kernel", key.second}, {"heads", heads},
                                  {"seq", seq},     {"dim", dim},           {"causal", causal}};
    for (const Counter& counter : kCounters) {
      const auto value = values.find(std::string(counter.metric));
      const bool known = value != values.end() && !std::isnan(value->second);
      nlohmann::ordered_json& kept = launch["values"].emplace_back();  // null: not counted
      if (known) kept = static_cast<std::uint64_t>(value->second);
    }
    text += separator;
    text += launch.dump();
    separator = ",\n  ";
  }
  text += "\n]}\n";
  write_text(path_, text);
}

}  // namespace flashlab::cli
