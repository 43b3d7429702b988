#pragma once
/// \file
/// Numbers in running text, held to what a command prints.

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace flashlab::docs {

/// What a command printed, as JSON; a CSV becomes an array of objects, one a row. Throws UsageError for anything else.
nlohmann::ordered_json parse_output(const std::string& output);

/// Whether `expected`, as a text writes it, is the value of `expression`, rounded as the text rounds it; when not, the
/// text that would be right. Throws UsageError for an expression that cannot be read, or a path that leads nowhere.
///
/// An expression: numbers, paths into `data`, + - * / ^, parentheses, and sum(path). A path: `stages[naive].floor_ms`,
/// `[0].median_ms`, `cases[dtype=bf16,causal=true].rows[hopper].median_ms`, `launches[0]."dram__bytes_read.sum"`;
/// [word] takes the element of an array that holds the word in a field, [a=b,c=d] the one whose fields are so.
///
/// `expected`: a number with separators, then perhaps a unit: B, KiB to TiB, kB to TB; s, ms, µs, ns (a path that ends in
/// _ms is milliseconds, and so on); %; k, M, G, T before FLOP, FLOP/s, B/s or Hz. Any other word, as in "2.98 times", is
/// no unit. A text is compared as text.
struct Comparison {
  bool equal;
  std::string right;
};
Comparison compare(const std::string& expression, const std::string& expected,
                   const nlohmann::ordered_json& data);

/// What a unit means in base units (B, s, 1): 1024 for KiB, 0.001 for ms, 0.01 for %, 1e9 for G or GFLOP/s; 0 for a word
/// that is no unit.
double scale_of_unit(std::string_view unit);

}  // namespace flashlab::docs
