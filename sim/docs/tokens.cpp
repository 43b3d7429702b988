#include "sim/docs/tokens.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

#include "sim/docs/values.hpp"

namespace flashlab::docs {
namespace {

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
// Bytes above 127 belong to letters such as µ; the signs that matter are asked for first.
bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || static_cast<unsigned char>(c) >= 128 || c == '_';
}

/// The signs that arithmetic is written with here, and what they do; superscripts are powers.
struct Sign {
  std::string_view text;
  char does;
};
constexpr std::array kSigns{Sign{"·", '*'}, Sign{"×", '*'}, Sign{"÷", '/'}, Sign{"−", '-'}, Sign{"⌈", 'c'},
                            Sign{"⌉", 'C'}, Sign{"⌊", 'f'}, Sign{"⌋", 'F'}, Sign{"+", '+'}, Sign{"/", '/'},
                            Sign{"(", '('}, Sign{")", ')'}, Sign{"=", '='}};
constexpr std::array<std::string_view, 10> kSuperscripts{"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};

class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {
    while (at_ < text_.size()) step();
  }
  std::vector<Token> take() { return std::move(tokens_); }

 private:
  std::string_view rest() const { return text_.substr(at_); }
  void add(Token::Kind kind, std::string text, std::size_t length) {
    tokens_.push_back({kind, std::move(text), at_, 0, 0, ""});
    at_ += length;
  }

  void step() {
    if (text_[at_] == ' ' || rest().starts_with("\u00a0")) {
      at_ += text_[at_] == ' ' ? 1 : 2;
      return;
    }
    if (superscript()) return;
    for (const Sign& sign : kSigns) {
      if (rest().starts_with(sign.text)) return add(Token::sign, std::string(1, sign.does), sign.text.size());
    }
    for (const std::string_view other : {"≈", "→", "↔", "≤", "≥", "…", "–", "—", "∞", "•", "∈", "⊕", "∪"}) {
      if (rest().starts_with(other)) return add(Token::end, std::string(other), other.size());
    }
    if (is_digit(text_[at_])) return number();
    if (is_letter(text_[at_])) return word();
    add(Token::end, std::string(1, text_[at_]), 1);
  }

  bool superscript() {
    std::string digits;
    std::size_t end = at_;
    if (text_.substr(end).starts_with("⁻")) digits = "-", end += std::string_view("⁻").size();
    for (bool more = true; more;) {
      more = false;
      for (std::size_t d = 0; d < kSuperscripts.size(); ++d) {
        if (!text_.substr(end).starts_with(kSuperscripts[d])) continue;
        digits += static_cast<char>('0' + d);
        end += kSuperscripts[d].size();
        more = true;
      }
    }
    if (digits.empty() || digits == "-") return false;
    if (!tokens_.empty() && tokens_.back().kind == Token::word && tokens_.back().text == "e") {
      int exponent = 0;
      std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
      tokens_.back() = {Token::number, "e", tokens_.back().at, std::exp(exponent), 0, ""};
      at_ = end;
      return true;
    }
    // Behind a number or a parenthesis it is a power; behind a letter it belongs to the word.
    const bool power = !tokens_.empty() && (tokens_.back().kind == Token::number || tokens_.back().text == ")");
    tokens_.push_back({power ? Token::sign : Token::word, "^" + digits, at_, 0, 0, ""});
    at_ = end;
    return true;
  }

  void number() {
    Token token{Token::number, "", at_, 0, 0, ""};
    std::size_t end = at_;
    const auto digit_at = [&](std::size_t i) { return i < text_.size() && is_digit(text_[i]); };
    for (; end < text_.size(); ++end) {
      if (is_digit(text_[end]) || (text_[end] == '.' && digit_at(end + 1))) {
        token.text += text_[end];
      } else if (text_[end] != ',' || !digit_at(end + 1) || !digit_at(end + 2) || !digit_at(end + 3) ||
                 digit_at(end + 4)) {
        break;
      }
    }
    std::from_chars(token.text.data(), token.text.data() + token.text.size(), token.value);
    end = read_exponent(end, token.value);
    if (end < text_.size() && is_letter(text_[end]) && !is_superscript(end) && !is_sign(end)) {
      // "3M", "1st", "0x": no number of its own.
      at_ = end;
      while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_])) && !is_sign(at_)) ++at_;
      token.kind = Token::word;
      token.text = text_.substr(token.at, at_ - token.at);
      tokens_.push_back(std::move(token));
      return;
    }
    at_ = end;
    read_unit(token);
    tokens_.push_back(std::move(token));
  }

  /// "1.2e-06", as programs print it.
  std::size_t read_exponent(std::size_t at, double& value) const {
    if (at + 2 >= text_.size() || text_[at] != 'e' || (text_[at + 1] != '-' && text_[at + 1] != '+')) return at;
    int exponent = 0;
    const char* const digits = text_.data() + at + 2;
    const auto [end, error] = std::from_chars(digits, text_.data() + text_.size(), exponent);
    if (error != std::errc()) return at;
    value *= std::pow(10.0, text_[at + 1] == '-' ? -exponent : exponent);
    return static_cast<std::size_t>(end - text_.data());
  }

  bool is_superscript(std::size_t i) const {
    return text_.substr(i).starts_with("⁻") || std::ranges::any_of(kSuperscripts, [&](std::string_view s) {
             return text_.substr(i).starts_with(s);
           });
  }
  bool is_sign(std::size_t i) const {
    return std::ranges::any_of(kSigns, [&](const Sign& s) { return text_.substr(i).starts_with(s.text); }) ||
           text_.substr(i).starts_with("\u00a0") || text_.substr(i).starts_with("→") ||
           text_.substr(i).starts_with("…") || text_.substr(i).starts_with("–");
  }

  /// The word behind a number, if it is a unit.
  void read_unit(Token& token) {
    std::size_t begin = at_;
    while (begin < text_.size() && (text_[begin] == ' ' || text_.substr(begin).starts_with("\u00a0")))
      begin += text_[begin] == ' ' ? 1 : 2;
    std::size_t end = begin;
    if (begin < text_.size() && text_[begin] == '%') {
      end = begin + 1;
    } else if (text_.substr(begin).starts_with("×") &&
               (begin + 2 >= text_.size() || text_[begin + 2] != ' ' || begin == at_)) {
      return;
    } else {
      while (end < text_.size() && (is_letter(text_[end]) || text_[end] == '/') && !is_sign_but_slash(end))
        ++end;
    }
    const std::string unit(text_.substr(begin, end - begin));
    const double scale = scale_of_unit(unit);
    if (scale == 0) return;
    token.unit = scale;
    token.unit_text = unit;
    token.value *= scale;
    at_ = end;
  }
  bool is_sign_but_slash(std::size_t i) const { return text_[i] != '/' && is_sign(i); }

  void word() {
    std::size_t end = at_;
    while (end < text_.size() && !is_superscript(end) &&
           (is_letter(text_[end]) || is_digit(text_[end]) || text_[end] == '-' ||
            (text_[end] == '/' && end + 1 < text_.size() && is_letter(text_[end + 1]))) &&
           (end == at_ || !is_sign_but_slash(end))) {
      ++end;
    }
    add(Token::word, std::string(text_.substr(at_, end - at_)), std::max<std::size_t>(1, end - at_));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokens_of(std::string_view text) { return Tokens(text).take(); }

}  // namespace flashlab::docs
