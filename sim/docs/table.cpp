#include "sim/docs/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "sim/core/error.hpp"
#include "sim/core/text.hpp"

namespace flashlab::docs {
namespace {

using Json = nlohmann::ordered_json;

std::string cell(const std::string& key, const Json& value) {
  if (value.is_null()) return "";
  if (!value.is_number()) return value.is_string() ? value.get<std::string>() : value.dump();
  const double x = value.get<double>();
  if (key.ends_with("_bytes") && x >= 0) return format_bytes(static_cast<Bytes>(std::llround(x)));
  if (key.ends_with("_ms")) {
    const bool micro = std::abs(x) < 1 && x != 0;
    const double shown = micro ? x * 1e3 : x;
    return fmt::format("{:.{}f} {}", shown, shown < 10 ? 2 : shown < 100 ? 1 : 0, micro ? "µs" : "ms");
  }
  if (key.ends_with("_per_s")) return format_si(x);
  if (value.is_number_integer()) return format_count(value.get<std::int64_t>());
  return fmt::format("{:.4g}", x);
}

}  // namespace

std::string markdown_table(const Json& rows, const std::vector<std::string>& columns) {
  if (!rows.is_array() || rows.empty() || !rows.front().is_object()) {
    throw UsageError("a table wants rows: CSV, or a JSON array of objects");
  }
  struct Column {
    std::string key, title;
    bool number = false;
  };
  std::vector<Column> wanted;
  for (const std::string& column : columns) {
    const std::size_t as = column.find(" as ");
    wanted.push_back({column.substr(0, as), as == std::string::npos ? column : column.substr(as + 4)});
  }
  if (wanted.empty()) {
    for (const auto& [key, unused] : rows.front().items()) wanted.push_back({key, key});
  }
  for (Column& column : wanted) {
    if (std::ranges::none_of(rows, [&](const Json& row) { return row.contains(column.key); })) {
      throw UsageError(fmt::format("there is no column {}", column.key));
    }
    column.number = std::ranges::any_of(
        rows, [&](const Json& row) { return row.contains(column.key) && row[column.key].is_number(); });
  }
  std::string head = "|", rule = "|", body;
  for (const Column& column : wanted) {
    head += fmt::format(" {} |", column.title);
    rule += column.number ? "--:|" : "---|";
  }
  for (const Json& row : rows) {
    body += "|";
    for (const Column& column : wanted) {
      body += fmt::format(" {} |", row.contains(column.key) ? cell(column.key, row[column.key]) : "");
    }
    body += "\n";
  }
  return head + "\n" + rule + "\n" + body;
}

}  // namespace flashlab::docs
