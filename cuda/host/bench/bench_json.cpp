#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cuda/host/bench/bench.hpp"
#include "sim/core/error.hpp"

namespace flashlab::gpu {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::string_view kSchema = "flashlab.bench/1";

Json number(double value) {  // five digits: more than a clock tells, and a file that can be read
  if (!std::isfinite(value)) return nullptr;
  return std::stod(fmt::format("{:.5g}", value));
}
double number_from(const Json& value) { return value.is_null() ? kUnknown : value.get<double>(); }

/// A count or an extent, within what an int holds.
int whole(const Json& object, const char* key, int least) {
  const auto value = object.at(key).get<double>();
  if (!(value >= least && value <= 1e9) || value != std::floor(value)) {
    throw UsageError(fmt::format("\"{}\" must be a whole number from {} on", key, least));
  }
  return static_cast<int>(value);
}

Json json_of(const BenchRow& row) {
  Json json{{"contender", row.contender}};
  if (!row.without.empty()) json["without"] = row.without;
  if (row.is_peer) json["peer"] = true;
  if (!row.problem.empty()) json["problem"] = row.problem;
  if (row.wrong) json["wrong"] = true;
  json["relative_error"] = number(row.relative_error);
  if (row.measured()) {
    json["runs"] = row.time.runs;
    json["median_ms"] = number(row.time.median_ms);
    json["quartiles_ms"] = {number(row.time.low_ms), number(row.time.high_ms)};
    json["least_ms"] = number(row.time.least_ms);
    json["clock_mhz"] = number(row.clock_mhz);
    json["power_w"] = number(row.power_w);
  }
  json["floor_ms"] = {{"hbm", number(row.floor.hbm_ms)},
                      {"products", number(row.floor.products_ms)},
                      {"exp", number(row.floor.exp_ms)},
                      {"shared", number(row.floor.shared_ms)}};
  return json;
}

BenchRow row_from(const Json& json) {
  BenchRow row;
  row.contender = json.at("contender");
  row.without = json.value("without", "");
  row.is_peer = json.value("peer", false);
  row.problem = json.value("problem", "");
  row.wrong = json.value("wrong", false);
  row.relative_error = number_from(json.at("relative_error"));
  if (json.contains("median_ms")) {
    row.time = {whole(json, "runs", 1), number_from(json.at("median_ms")),
                number_from(json.at("quartiles_ms").at(0)), number_from(json.at("quartiles_ms").at(1)),
                number_from(json.at("least_ms"))};
    if (!(row.time.median_ms > 0)) throw UsageError("a median must be above 0");
    row.clock_mhz = number_from(json.at("clock_mhz"));
    row.power_w = number_from(json.at("power_w"));
  }
  const Json& floor = json.at("floor_ms");
  row.floor = {number_from(floor.at("hbm")), number_from(floor.at("products")), number_from(floor.at("exp")),
               number_from(floor.at("shared"))};
  return row;
}

BenchCase case_from(const Json& json) {
  BenchCase at;
  BenchShape& shape = at.shape;
  shape = {dtype_from_name(json.at("dtype").get<std::string>()),
           whole(json, "batch", 1),
           whole(json, "heads", 1),
           whole(json, "kv_heads", 1),
           whole(json, "seq", 1),
           whole(json, "dim", 1),
           json.at("causal")};
  for (const Json& row : json.at("rows")) at.rows.push_back(row_from(row));
  return at;
}

Json measured(double rate, double clock, double power) {
  return {{"rate", number(rate)}, {"clock_mhz", number(clock)}, {"power_w", number(power)}};
}

}  // namespace

std::string bench_json(const BenchRun& run) {
  const Roof& roof = run.roof;
  const Json head{
      {"schema", kSchema},
      {"card",
       {{"name", run.card},
        {"compute_capability", run.compute_capability},
        {"sm_count", run.sm_count},
        {"memory_bytes", number(run.memory_bytes)},
        {"driver", run.driver},
        {"toolkit", run.toolkit}}},
      {"date", run.date},
      {"software", run.software},
      {"notes", run.notes},
      {"method",
       {{"runs", run.method.runs},
        {"rounds", run.method.rounds},
        {"seconds", number(run.method.seconds)},
        {"flush_bytes", number(run.method.flush_bytes)},
        {"checked_rows", run.method.checked_rows}}},
      {"roof",
       {{"copy_bytes_per_s", measured(roof.copy_bytes_per_s, roof.copy_clock_mhz, roof.copy_power_w)},
        {"fp32_product_flops_per_s",
         measured(roof.fp32_product_flops_per_s, roof.fp32_clock_mhz, roof.fp32_power_w)},
        {"bf16_product_flops_per_s",
         measured(roof.bf16_product_flops_per_s, roof.bf16_clock_mhz, roof.bf16_power_w)}}}};
  std::string text = head.dump(1);
  text.erase(text.rfind("\n}"));  // the cases follow, a line a row: so that a diff of two runs can be read
  text += ",\n \"cases\": [";
  const char* comma = "\n";
  for (const BenchCase& at : run.cases) {
    const BenchShape& s = at.shape;
    const Json shape{{"dtype", name_of(s.dtype)}, {"batch", s.batch}, {"heads", s.heads},
                     {"kv_heads", s.kv_heads},    {"seq", s.seq},     {"dim", s.dim},
                     {"causal", s.causal}};
    std::string open = shape.dump();
    open.pop_back();
    text += fmt::format("{}  {}, \"rows\": [", std::exchange(comma, ",\n"), open);
    const char* row_comma = "\n";
    for (const BenchRow& row : at.rows)
      text += fmt::format("{}   {}", std::exchange(row_comma, ",\n"), json_of(row).dump());
    text += "]}";
  }
  return text + "]\n}\n";
}

BenchRun bench_from_json(const std::string& text, const std::string& origin) {
  try {
    const Json json = Json::parse(text);
    if (json.at("schema") != kSchema) throw UsageError(fmt::format("its schema is not {}", kSchema));
    BenchRun run;
    const Json& card = json.at("card");
    run.card = card.at("name");
    run.compute_capability = whole(card, "compute_capability", 0);
    run.sm_count = whole(card, "sm_count", 0);
    run.memory_bytes = number_from(card.at("memory_bytes"));
    run.driver = card.at("driver");
    run.toolkit = card.at("toolkit");
    run.date = json.at("date");
    run.software = json.at("software").get<std::map<std::string, std::string>>();
    run.notes = json.at("notes").get<std::vector<std::string>>();
    const Json& method = json.at("method");
    run.method = {whole(method, "runs", 1), whole(method, "rounds", 1), number_from(method.at("seconds")),
                  number_from(method.at("flush_bytes")), whole(method, "checked_rows", 0)};
    const auto roof = [&](const char* name, double& rate, double& clock, double& power) {
      const Json& entry = json.at("roof").at(name);
      rate = number_from(entry.at("rate"));
      clock = number_from(entry.at("clock_mhz"));
      power = number_from(entry.at("power_w"));
    };
    Roof& r = run.roof;
    roof("copy_bytes_per_s", r.copy_bytes_per_s, r.copy_clock_mhz, r.copy_power_w);
    roof("fp32_product_flops_per_s", r.fp32_product_flops_per_s, r.fp32_clock_mhz, r.fp32_power_w);
    roof("bf16_product_flops_per_s", r.bf16_product_flops_per_s, r.bf16_clock_mhz, r.bf16_power_w);
    for (const Json& at : json.at("cases")) run.cases.push_back(case_from(at));
    return run;
  } catch (const Json::exception& error) {
    throw UsageError(fmt::format("{}: {}", origin, error.what()));
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("{}: {}", origin, error.what()));
  }
}

BenchRun read_bench(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  if (!file.is_open() || file.bad())
    throw EnvironmentError(
        fmt::format("cannot read {}: flashlab bench on a machine with a GPU makes such a file", path.string()));
  return bench_from_json(text, path.string());
}

}  // namespace flashlab::gpu
