#include "sim/docs/values.hpp"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "sim/core/arithmetic.hpp"
#include "sim/core/error.hpp"

namespace flashlab::docs {
namespace {

using Json = nlohmann::ordered_json;

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::vector<std::string> split_csv(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') {
      if (quoted && i + 1 < line.size() && line[i + 1] == '"') {
        fields.back() += line[i++];
      } else {
        quoted = !quoted;
      }
    } else if (line[i] == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += line[i];
    }
  }
  return fields;
}

/// What a path's last name says about its unit: milliseconds become seconds.
double to_base_unit(std::string_view name) {
  if (name.ends_with("_ms")) return 1e-3;
  if (name.ends_with("_us")) return 1e-6;
  if (name.ends_with("_ns")) return 1e-9;
  if (name.ends_with("_mhz")) return 1e6;
  return 1;
}

std::string as_text(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

class Expression : SumOfProducts<Expression, Json> {
 public:
  Expression(std::string_view text, const Json& data) : text_(text), data_(data) {}

  /// A number, or, for a path alone, what stands there.
  Json value() {
    const Json result = sum();
    skip_blanks();
    if (at_ != text_.size()) fail(fmt::format("nothing is understood from \"{}\" on", text_.substr(at_)));
    return result;
  }

 private:
  friend SumOfProducts;
  Json combine(char sign, const Json& left, const Json& right) const {
    return SumOfProducts::combine(sign, as_number(left), as_number(right));
  }
  [[noreturn]] void fail(const std::string& why) const {
    throw UsageError(fmt::format("in \"{}\": {}", text_, why));
  }
  void skip_blanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool take(char sign) { return take(std::string_view(&sign, 1)); }
  bool take(std::string_view sign) {
    skip_blanks();
    if (!text_.substr(at_).starts_with(sign)) return false;
    at_ += sign.size();
    return true;
  }
  double as_number(const Json& value) const {
    if (value.is_number()) return value.get<double>();
    if (value.is_string()) {
      if (const auto number = number_of(value.get_ref<const std::string&>())) return *number;
    }
    fail(fmt::format("{} is no number", value.dump()));
  }

  Json power() {
    const Json base = factor();
    return take("^") ? Json(std::pow(as_number(base), as_number(power()))) : base;
  }
  Json factor() {
    if (take("-")) return -as_number(factor());
    if (take("(")) {
      Json inside = sum();
      if (!take(")")) fail("a parenthesis is not closed");
      return inside;
    }
    skip_blanks();
    const std::size_t start = at_;
    if (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) {
      while (at_ < text_.size() && (std::isdigit(static_cast<unsigned char>(text_[at_])) || text_[at_] == '.'))
        ++at_;
      if (at_ < text_.size() && text_[at_] == 'e') {
        ++at_;
        if (at_ < text_.size() && text_[at_] == '-') ++at_;
        while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) ++at_;
      }
      const auto number = number_of(text_.substr(start, at_ - start));
      if (!number) fail(fmt::format("\"{}\" is no number", text_.substr(start, at_ - start)));
      return *number;
    }
    if (take("sum(")) {
      const std::vector<std::pair<const Json*, double>> all = path();
      if (!take(")")) fail("a parenthesis is not closed");
      double total = 0;
      for (const auto& [value, scale] : all) total += as_number(*value) * scale;
      return total;
    }
    const auto found = path();
    if (found.size() != 1)
      fail(fmt::format("{} values are meant, where one is wanted: use sum(…)", found.size()));
    const auto& [value, scale] = found.front();
    return scale == 1 ? *value : Json(as_number(*value) * scale);
  }

  /// The values a path leads to (with [*], several) and what makes base units of them.
  std::vector<std::pair<const Json*, double>> path() {
    std::vector<const Json*> at{&data_};
    std::string last;
    const std::size_t start = at_;
    for (bool first = true;; first = false) {
      skip_blanks();
      if (at_ < text_.size() && text_[at_] == '[') {
        const std::size_t end = text_.find(']', at_);
        if (end == text_.npos) fail("a bracket is not closed");
        at = select(at, text_.substr(at_ + 1, end - at_ - 1));
        at_ = end + 1;
        continue;
      }
      if (!first && !take(".")) break;
      last = name();
      if (last.empty()) fail(fmt::format("a name is wanted at \"{}\"", text_.substr(at_)));
      for (const Json*& value : at) {
        if (!value->is_object() || !value->contains(last)) {
          fail(fmt::format("there is no {} in {}", last, keys_of(*value)));
        }
        value = &(*value)[last];
      }
      if (at_ >= text_.size() || (text_[at_] != '.' && text_[at_] != '[')) break;
    }
    if (at_ == start) fail("a path is wanted");
    std::vector<std::pair<const Json*, double>> found;
    for (const Json* value : at) found.emplace_back(value, to_base_unit(last));
    return found;
  }

  std::string name() {
    skip_blanks();
    if (at_ < text_.size() && text_[at_] == '"') {
      const std::size_t end = text_.find('"', at_ + 1);
      if (end == text_.npos) fail("a quotation mark is not closed");
      const std::string quoted(text_.substr(at_ + 1, end - at_ - 1));
      at_ = end + 1;
      return quoted;
    }
    const std::size_t start = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_'))
      ++at_;
    return std::string(text_.substr(start, at_ - start));
  }

  static std::string keys_of(const Json& value) {
    if (!value.is_object()) return value.is_array() ? "an array" : value.dump();
    std::string keys;
    for (const auto& [key, unused] : value.items()) keys += (keys.empty() ? "" : ", ") + key;
    return "{" + keys + "}";
  }

  std::vector<const Json*> select(const std::vector<const Json*>& from, std::string_view selector) const {
    std::vector<const Json*> found;
    for (const Json* array : from) {
      if (!array->is_array()) fail(fmt::format("[{}] stands behind what is no array", selector));
      if (selector == "*") {
        for (const Json& element : *array) found.push_back(&element);
        continue;
      }
      if (const auto index = number_of(selector)) {
        if (*index < 0 || *index >= static_cast<double>(array->size()))
          fail(fmt::format("there is no [{}]", selector));
        found.push_back(&(*array)[static_cast<std::size_t>(*index)]);
        continue;
      }
      std::size_t matches = 0;
      for (const Json& element : *array) {
        if (!matches_selector(element, selector)) continue;
        if (matches++ == 0) found.push_back(&element);
      }
      if (matches != 1) fail(fmt::format("[{}] fits {} elements", selector, matches));
    }
    return found;
  }

  static bool matches_selector(const Json& element, std::string_view selector) {
    if (!element.is_object()) return as_text(element) == selector;
    while (!selector.empty()) {
      const std::size_t end = std::min(selector.find(','), selector.size());
      const std::string_view part = selector.substr(0, end);
      const std::size_t equals = part.find('=');
      bool fits = false;
      for (const auto& [key, value] : element.items()) {
        fits = fits || (equals == part.npos
                            ? as_text(value) == part
                            : key == part.substr(0, equals) && as_text(value) == part.substr(equals + 1));
      }
      if (!fits) return false;
      selector.remove_prefix(std::min(end + 1, selector.size()));
    }
    return true;
  }

  std::string_view text_;
  const Json& data_;
  std::size_t at_ = 0;
};

}  // namespace

double scale_of_unit(std::string_view unit) {
  struct Unit {
    std::string_view name;
    double scale;
  };
  static constexpr double kKi = 1024;
  for (const Unit& u : std::initializer_list<Unit>{{"B", 1},
                                                   {"KiB", kKi},
                                                   {"MiB", kKi * kKi},
                                                   {"GiB", kKi * kKi * kKi},
                                                   {"TiB", kKi * kKi * kKi * kKi},
                                                   {"kB", 1e3},
                                                   {"KB", 1e3},
                                                   {"MB", 1e6},
                                                   {"GB", 1e9},
                                                   {"TB", 1e12},
                                                   {"s", 1},
                                                   {"ms", 1e-3},
                                                   {"µs", 1e-6},
                                                   {"μs", 1e-6},
                                                   {"us", 1e-6},
                                                   {"ns", 1e-9},
                                                   {"%", 1e-2},
                                                   {"k", 1e3},
                                                   {"M", 1e6},
                                                   {"G", 1e9},
                                                   {"T", 1e12},
                                                   {"million", 1e6},
                                                   {"billion", 1e9},
                                                   {"trillion", 1e12}}) {
    if (u.name == unit) return u.scale;
  }
  if (unit.size() > 1) {
    const std::string_view rest = unit.substr(1);
    const bool known = rest == "FLOP" || rest == "FLOPs" || rest == "FLOP/s" || rest == "B/s" || rest == "Hz";
    if (known && unit[0] == 'k') return 1e3;
    if (known && unit[0] == 'M') return 1e6;
    if (known && unit[0] == 'G') return 1e9;
    if (known && unit[0] == 'T') return 1e12;
  }
  return 0;
}

Json parse_output(const std::string& output) {
  const std::size_t begin = output.find_first_not_of(" \n");
  if (begin != output.npos && (output[begin] == '{' || output[begin] == '[')) {
    Json json = Json::parse(output, nullptr, false);
    if (json.is_discarded()) throw UsageError("its output is no JSON");
    return json;
  }
  Json rows = Json::array();
  std::vector<std::string> header;
  for (std::size_t at = 0; at < output.size();) {
    const std::size_t end = std::min(output.find('\n', at), output.size());
    const std::string_view line = std::string_view(output).substr(at, end - at);
    at = end + 1;
    if (line.empty()) continue;
    std::vector<std::string> fields = split_csv(line);
    if (header.empty()) {
      if (fields.size() < 2) break;
      header = std::move(fields);
      continue;
    }
    if (fields.size() != header.size()) {
      throw UsageError(
          fmt::format("a row of its CSV has {} fields, and its header {}", fields.size(), header.size()));
    }
    Json row;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const auto number = number_of(fields[i]);
      row[header[i]] = number ? Json(*number) : Json(fields[i]);
      if (number && *number == std::floor(*number) && std::abs(*number) < 9e15) {
        row[header[i]] = static_cast<std::int64_t>(*number);
      }
    }
    rows.push_back(std::move(row));
  }
  if (header.empty()) throw UsageError("its output is neither JSON nor CSV: add --format json");
  return rows;
}

Comparison compare(const std::string& expression, const std::string& expected, const Json& data) {
  const Json value = Expression(expression, data).value();
  std::size_t end = 0;
  std::string digits;
  if (expected.starts_with("−")) digits = "-", end = std::string_view("−").size();
  for (; end < expected.size(); ++end) {
    const char c = expected[end];
    if (c == ',' && end + 1 < expected.size() && std::isdigit(static_cast<unsigned char>(expected[end + 1])))
      continue;
    if (c == 'e' && !digits.empty()) {
      digits += c;
    } else if (std::isdigit(static_cast<unsigned char>(c)) || c == '.' || c == '-') {
      digits += c;
    } else {
      break;
    }
  }
  const auto stated = number_of(digits);
  if (!stated || (value.is_string() && !number_of(value.get_ref<const std::string&>()))) {
    return {as_text(value) == expected, as_text(value)};
  }
  if (!value.is_number() && !value.is_string()) return {false, value.dump()};
  std::size_t unit_begin = end;
  while (unit_begin < expected.size() && expected[unit_begin] == ' ') ++unit_begin;
  if (expected.substr(unit_begin).starts_with("\u00a0")) unit_begin += 2;
  const std::string unit = expected.substr(unit_begin);
  const double scale = scale_of_unit(unit.substr(0, unit.find(' ')));
  const double actual = (value.is_string() ? *number_of(value.get<std::string>()) : value.get<double>()) /
                        (scale > 0 ? scale : 1);
  if (const std::size_t e = digits.find('e'); e != digits.npos) {
    const std::size_t point = digits.find('.');
    const std::size_t decimals = point == digits.npos ? 0 : e - point - 1;
    const std::string right = fmt::format("{:.{}e}", actual, decimals);
    return {number_of(right) == stated, right + expected.substr(end)};
  }
  const std::size_t point = digits.find('.');
  const std::size_t decimals = point == digits.npos ? 0 : digits.size() - point - 1;
  const std::string right = fmt::format("{:.{}f}", actual, decimals);
  return {right == digits || *number_of(right) == *stated, right + expected.substr(end)};
}

}  // namespace flashlab::docs
