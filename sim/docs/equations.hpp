#pragma once
/// \file
/// Equations of running text, computed.

#include <optional>
#include <string>
#include <vector>

#include "sim/docs/tokens.hpp"

namespace flashlab::docs {

/// `value` as a text writes a number with as many decimals as `like`.
std::string written_like(double value, const std::string& like);

/// The power of ten written at `at`, behind a number: "· 10⁹" binds as an exponent does, tighter than a division.
std::optional<double> power_of_ten(const std::vector<Token>& tokens, std::size_t at);

/// What the left side of the equation sign in `tokens[at]` comes to, written as the number behind the sign is; nothing
/// when one of the sides is more than numbers.
std::optional<std::string> left_side(const std::vector<Token>& tokens, std::size_t at);

}  // namespace flashlab::docs
