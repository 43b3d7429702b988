#pragma once
/// \file
/// Running text as numbers with units, signs of arithmetic and words.

#include <string>
#include <string_view>
#include <vector>

namespace flashlab::docs {

/// A number, a sign of arithmetic, a word, or whatever else ends an expression.
struct Token {
  enum Kind { number, sign, word, end } kind;
  std::string text;    ///< of a number: its digits without separators
  std::size_t at = 0;  ///< place in the text
  double value = 0;    ///< of a number, in base units
  double unit = 0;     ///< of a number: its unit in base units; 0: it has none
  std::string unit_text;
};

/// The tokens of a text. `·` and `×` become "*", `÷` "/", `−` "-", superscripts behind a number or a parenthesis "^12",
/// `⌈ ⌉` "c" and "C", `⌊ ⌋` "f" and "F"; `e⁻²` is a number. Digits that belong to a word (fp32, 64K) are none.
std::vector<Token> tokens_of(std::string_view text);

}  // namespace flashlab::docs
