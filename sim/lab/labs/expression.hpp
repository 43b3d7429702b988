#pragma once
/// \file
/// What an answer of lab 1 may be: a number, or an expression in the shape's letters.

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace flashlab::lab {

using Letters = std::map<std::string, double, std::less<>>;

/// The value of `text`: decimal numbers, the names in `letters`, + - * / ^, parentheses, ceil(…). nullopt with `why` for
/// anything else, for more than 200 characters, parentheses 32 deep, and what is not finite. Never throws.
std::optional<double> evaluate(std::string_view text, const Letters& letters, std::string& why);

}  // namespace flashlab::lab
