#include "sim/docs/equations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "sim/core/arithmetic.hpp"
#include "sim/docs/values.hpp"

namespace flashlab::docs {
namespace {

/// Evaluates tokens [at, end): numbers and signs; a single word behind a number names what is counted and is skipped.
class Arithmetic : SumOfProducts<Arithmetic, double> {
 public:
  Arithmetic(const std::vector<Token>& tokens, std::size_t begin, std::size_t end)
      : tokens_(tokens), at_(begin), end_(end) {}

  /// The value, if all of it is an expression with at least one operation.
  std::optional<double> value() {
    const double result = sum();
    if (!good_ || at_ != end_ || operations_ == 0) return std::nullopt;
    return result;
  }

 private:
  friend SumOfProducts;
  double combine(char sign, double left, double right) {
    ++operations_;
    return SumOfProducts::combine(sign, left, right);
  }
  bool take(char sign) {
    if (at_ >= end_ || tokens_[at_].kind != Token::sign || tokens_[at_].text[0] != sign) return false;
    ++at_;
    return true;
  }
  void skip_label() {
    if (at_ < end_ && tokens_[at_].kind == Token::word &&
        (at_ + 1 == end_ || tokens_[at_ + 1].kind == Token::sign))
      ++at_;
  }
  double power() {
    double base = factor();
    if (at_ < end_ && tokens_[at_].kind == Token::sign && tokens_[at_].text[0] == '^') {
      int exponent = 0;
      const std::string& text = tokens_[at_++].text;
      std::from_chars(text.data() + 1, text.data() + text.size(), exponent);
      base = std::pow(base, exponent);
      ++operations_;
      unit_behind(base);
    }
    skip_label();
    return base;
  }
  /// "10⁹ s": the unit comes after the power.
  void unit_behind(double& value) {
    if (at_ >= end_ || tokens_[at_].kind != Token::word) return;
    if (const double scale = scale_of_unit(tokens_[at_].text); scale > 0) value *= scale, ++at_;
  }
  double factor() {
    if (take('(')) return closed(')');
    if (take('c')) return std::ceil(closed('C'));
    if (take('f')) return std::floor(closed('F'));
    if (at_ < end_ && tokens_[at_].kind == Token::number) {
      operations_ += tokens_[at_].text == "e";
      const double value = tokens_[at_++].value;
      const std::optional<double> power = power_of_ten(tokens_, at_);
      if (!power || at_ + 3 > end_) return value;
      at_ += 3;
      return value * *power;
    }
    good_ = false;
    return 0;
  }
  double closed(char by) {
    const double inside = sum();
    if (!take(by)) good_ = false;
    return inside;
  }

  const std::vector<Token>& tokens_;
  std::size_t at_, end_;
  int operations_ = 0;
  bool good_ = true;
};

}  // namespace

std::string written_like(double value, const std::string& like) {
  const std::size_t point = like.find('.');
  return fmt::format("{:.{}f}", value, point == like.npos ? 0 : like.size() - point - 1);
}

std::optional<double> power_of_ten(const std::vector<Token>& tokens, std::size_t at) {
  if (at + 3 > tokens.size() || tokens[at].text != "*" || tokens[at + 1].text != "10" ||
      tokens[at + 2].kind != Token::sign || !tokens[at + 2].text.starts_with("^"))
    return std::nullopt;
  int exponent = 0;
  const std::string& text = tokens[at + 2].text;
  std::from_chars(text.data() + 1, text.data() + text.size(), exponent);
  return std::pow(10.0, exponent);
}

std::optional<std::string> left_side(const std::vector<Token>& tokens, std::size_t at) {
  const Token& right = tokens[at + 1];
  std::size_t first = at;
  while (first > 0 && tokens[first - 1].kind != Token::end && tokens[first - 1].text != "=") --first;
  for (std::size_t begin = first; begin < at; ++begin) {
    if (begin > first && tokens[begin - 1].kind == Token::sign && tokens[begin - 1].text != "(")
      continue;  // the end of an expression with letters in it
    const std::optional<double> left = Arithmetic(tokens, begin, at).value();
    if (!left) continue;
    double power = 1;
    const std::size_t after = at + 2;
    if (const std::optional<double> written = power_of_ten(tokens, after)) {  // "17.18 · 10⁹"
      power = *written;
    } else if (after < tokens.size() && tokens[after].kind == Token::sign && tokens[after].text != "=" &&
               tokens[after].text != ")" && tokens[after].text != "(") {
      return std::nullopt;
    }
    const std::string computed = written_like(*left / power / (right.unit > 0 ? right.unit : 1), right.text);
    // "0.556 + 0.257 = 0.813 ms": the unit is said once, for all of them.
    const bool no_unit = std::all_of(tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                                     tokens.begin() + static_cast<std::ptrdiff_t>(at),
                                     [](const Token& token) { return token.unit == 0; });
    if (computed != right.text && no_unit) {
      if (std::string plain = written_like(*left / power, right.text); plain == right.text) return plain;
    }
    return computed;
  }
  return std::nullopt;
}

}  // namespace flashlab::docs
