#include "sim/docs/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>

#include "sim/docs/values.hpp"

namespace flashlab::docs {
namespace {

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
// Bytes above 127 belong to letters such as µ; the signs that matter are asked for first.
bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || static_cast<unsigned char>(c) >= 128 || c == '_';
}

/// A number, a sign of arithmetic, a word, or whatever else ends an expression.
struct Token {
  enum Kind { number, sign, word, end } kind;
  std::string text;    ///< of a number: its digits without separators
  std::size_t at = 0;  ///< place in the text
  double value = 0;    ///< of a number, in base units
  double unit = 0;     ///< of a number: its unit in base units; 0: it has none
  std::string unit_text;
};

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

/// The power of ten written at `at`, behind a number: "· 10⁹" binds as an exponent does, tighter than a division.
std::optional<double> power_of_ten(const std::vector<Token>& tokens, std::size_t at) {
  if (at + 3 > tokens.size() || tokens[at].text != "*" || tokens[at + 1].text != "10" ||
      tokens[at + 2].kind != Token::sign || !tokens[at + 2].text.starts_with("^"))
    return std::nullopt;
  int exponent = 0;
  const std::string& text = tokens[at + 2].text;
  std::from_chars(text.data() + 1, text.data() + text.size(), exponent);
  return std::pow(10.0, exponent);
}

/// Evaluates tokens [at, end): numbers and signs; a single word behind a number names what is counted and is skipped.
class Arithmetic {
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
  double sum() {
    double left = product();
    for (;;) {
      if (take('+')) {
        left += product(), ++operations_;
      } else if (take('-')) {
        left -= product(), ++operations_;
      } else {
        return left;
      }
    }
  }
  double product() {
    double left = power();
    for (;;) {
      if (take('*')) {
        left *= power(), ++operations_;
      } else if (take('/')) {
        left /= power(), ++operations_;
      } else {
        return left;
      }
    }
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

/// `value` as a text writes a number with as many decimals as `like`.
std::string written_like(double value, const std::string& like) {
  const std::size_t point = like.find('.');
  return fmt::format("{:.{}f}", value, point == like.npos ? 0 : like.size() - point - 1);
}

/// Numbers that something prints, to be found as a text writes them.
class Shown {
 public:
  explicit Shown(std::string_view text) {
    for (const Token& token : Tokens(text).take()) {
      if (token.kind == Token::number) {
        insert(token);
      } else if (token.kind == Token::word && token.text.ends_with('K')) {  // --seq 4K
        double value = 0;
        const auto [end, error] =
            std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
        if (error == std::errc() && *end == 'K') digits_.insert(fmt::format("{:.0f}", 1024 * value));
      }
    }
  }
  void insert(const Token& token) {
    digits_.insert(token.text);
    values_.push_back(token.value);
    if (token.text.find('.') == token.text.npos) return;
    std::string short_form = token.text.substr(0, token.text.find_last_not_of('0') + 1);
    if (short_form.ends_with('.')) short_form.pop_back();
    digits_.insert(short_form);
  }
  bool holds(const Token& token) const {
    if (digits_.contains(token.text)) return true;
    const auto significant =
        std::ranges::count_if(token.text, is_digit) - (token.text.starts_with("0.") ? 1 : 0);
    if (significant < (token.unit > 0 ? 2 : 3)) return false;  // two digits alone agree by chance
    const double unit = token.unit > 0 ? token.unit : 1;
    return std::ranges::any_of(values_,
                               [&](double v) { return written_like(v / unit, token.text) == token.text; });
  }

 private:
  std::set<std::string> digits_;
  std::vector<double> values_;
};

/// The page's running text with code, formulas, links, tags and citations blanked out: columns and lines stay.
class RunningText {
 public:
  explicit RunningText(const Page& page) : lines_(page.lines) {
    bool further = false, comment = false;
    std::string fence;
    std::vector<char> skip(lines_.size(), 0);
    for (const Marker& marker : page.markers) {
      if (marker.kind != Marker::table) continue;
      for (std::size_t i = marker.begin; i < marker.end; ++i) skip[i] = 1, evidence_ += lines_[i] + '\n';
    }
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      std::string& line = lines_[i];
      const std::size_t text = std::min(line.find_first_not_of(' '), line.size());
      const bool fenced = line.compare(text, 3, "```") == 0;
      if (!fence.empty() || fenced || comment || line.compare(text, 4, "<!--") == 0 || skip[i]) {
        evidence_ += line + '\n';
        if (fenced && fence.empty()) {
          fence = line.substr(text, line.find_first_not_of('`', text) - text);
        } else if (!fence.empty() && line.compare(text, std::string::npos, fence) == 0) {
          fence.clear();
        } else if (fence.empty()) {
          comment = (comment || line.compare(text, 4, "<!--") == 0) && line.find("-->") == line.npos;
        }
        line.clear();
        continue;
      }
      if (line.starts_with("#")) further = line.starts_with("## Further");
      if (further) line.clear();
    }
    for (const Marker& marker : page.markers) {
      if (marker.kind != Marker::given) continue;
      for (const std::string& given : marker.body) evidence_ += given + '\n';
    }
  }

  const std::string& evidence() const { return evidence_; }

  struct Paragraph {
    std::string text;
    std::vector<std::size_t> begins;  ///< where each of its lines begins
    std::size_t line;                 ///< its first
    std::size_t line_of(std::size_t at) const {
      return line + static_cast<std::size_t>(std::ranges::upper_bound(begins, at) - begins.begin()) - 1;
    }
  };
  std::vector<Paragraph> paragraphs() const {
    std::vector<Paragraph> all;
    bool open = false;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      std::string_view line = lines_[i];
      const bool row = line.starts_with("|");
      if (line.find_first_not_of(' ') == line.npos) {
        open = false;
        continue;
      }
      if (!open || row) all.push_back({"", {}, i});
      open = !row;
      all.back().begins.push_back(all.back().text.size());
      all.back().text += line;
      all.back().text += ' ';
    }
    for (Paragraph& paragraph : all) blank_out(paragraph.text);
    return all;
  }

 private:
  static void blank_out(std::string& text) {
    const auto fill = [&](std::size_t begin, std::size_t end, char with) {
      std::fill(text.begin() + static_cast<std::ptrdiff_t>(begin),
                text.begin() + static_cast<std::ptrdiff_t>(end), with);
    };
    for (const char quote :
         {'`', '$'}) {  // what is computed with them is no number alone: a letter stands for it
      for (std::size_t i = text.find(quote); i != text.npos; i = text.find(quote, i)) {
        const std::size_t end = text.find(quote, i + 1);
        if (end == text.npos) break;
        fill(i, end + 1, 'x');
      }
    }
    for (std::size_t i = text.find("]("); i != text.npos; i = text.find("](", i + 1)) {
      fill(i + 1, std::min(text.find(')', i), text.size()), ' ');
    }
    for (std::size_t i = text.find('['); i != text.npos; i = text.find('[', i + 1)) {
      const std::size_t end = text.find(']', i);
      if (end == text.npos) break;
      for (std::size_t d = i; d + 3 < end; ++d) {
        const bool year = (text.compare(d, 2, "19") == 0 || text.compare(d, 2, "20") == 0) &&
                          is_digit(text[d + 2]) && is_digit(text[d + 3]);
        if (year || text.compare(d, 5, "arXiv") == 0) {
          fill(i, end, ' ');
          break;
        }
      }
    }
    for (std::size_t i = text.find("arXiv "); i != text.npos; i = text.find("arXiv ", i + 1)) {
      fill(i + 6, std::min(text.find(' ', i + 6), text.size()), ' ');
    }
    for (std::size_t i = text.find('*'); i != text.npos; i = text.find('*', i)) text[i] = ' ';
  }

  std::vector<std::string> lines_;
  std::string evidence_;
};

bool looks_like_a_result(const Token& number, const Token* next) {
  const bool alone = number.unit == 0 && number.text.find('.') == std::string::npos;
  const bool ends = !next || next->kind != Token::sign || next->text == ")";
  if (alone && ends && number.value >= 1900 && number.value <= 2026) return false;  // a year
  if (number.text.find('.') != std::string::npos) return true;
  if (number.unit > 0) return number.value / number.unit > 16;
  return number.value >= 100 && number.value != 100;
}

/// What the left side of the equation sign in `tokens[at]` comes to, written as the number on the right is; nothing when a
/// side is more than numbers.
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

}  // namespace

std::vector<LooseNumber> loose_numbers(const Page& page) {
  const RunningText running(page);
  Shown shown(running.evidence());
  std::vector<LooseNumber> loose;
  std::vector<std::pair<Token, std::size_t>> asked;  // and the line
  for (const RunningText::Paragraph& paragraph : running.paragraphs()) {
    const std::vector<Token> tokens = Tokens(paragraph.text).take();
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const Token* next = i + 1 < tokens.size() ? &tokens[i + 1] : nullptr;
      if (tokens[i].kind == Token::number && looks_like_a_result(tokens[i], next)) {
        asked.emplace_back(tokens[i], paragraph.line_of(tokens[i].at));
        if (const std::optional<double> power = power_of_ten(tokens, i + 1); power && tokens[i].unit == 0) {
          Token& number = asked.back().first;
          number.value *= *power, number.unit = *power;
        }
      }
      if (tokens[i].text != "=" || !next || next->kind != Token::number) continue;
      const std::optional<std::string> computed = left_side(tokens, i);
      if (!computed) continue;
      shown.insert(*next);  // what does not come out is said once
      if (*computed != next->text) {
        loose.push_back({paragraph.line_of(next->at),
                         fmt::format("the text says {} {}, and it comes out as {}: mend the equation",
                                     next->text, next->unit_text, *computed)});
      }
    }
  }
  for (const auto& [number, line] : asked) {
    if (shown.holds(number)) continue;
    loose.push_back(
        {line, fmt::format("nothing on this page prints {0}: show the output or the equation, or name its "
                           "source: <!-- given: {0}: SOURCE -->",
                           number.text + (number.unit > 0 ? " " + number.unit_text : ""))});
  }
  std::ranges::stable_sort(loose, {}, &LooseNumber::line);
  return loose;
}

std::string first_not_in(const std::string& numbers, const std::string& printed) {
  const Shown shown(printed);
  for (const Token& token : Tokens(numbers).take()) {
    if (token.kind == Token::number && !shown.holds(token)) return token.text;
  }
  return "";
}

}  // namespace flashlab::docs
