#pragma once
/// \file
/// The first step of the vetting: a source as the compiler reads it, lines joined and comments gone.

#include <string>
#include <string_view>
#include <vector>

#include "sim/lab/vet.hpp"

namespace flashlab::lab {

struct Cleaned {
  std::string text;  ///< every line where it was; comments are spaces, escapes in strings are underscores
  std::vector<Refusal> refusals;  ///< characters that are not plain text, digraphs, raw strings
};
Cleaned cleaned(std::string_view source);

/// What a character can be part of.
bool is_space(char c);
bool in_word(char c);

}  // namespace flashlab::lab
