#include "sim/docs/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "sim/docs/equations.hpp"
#include "sim/docs/tokens.hpp"

namespace flashlab::docs {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Numbers that something prints, to be found as a text writes them.
class Shown {
 public:
  explicit Shown(std::string_view text) {
    for (const Token& token : tokens_of(text)) {
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
    bool further = false;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      if (page.aside[i]) {
        evidence_ += lines_[i] + '\n';
      } else if (lines_[i].starts_with("#")) {
        further = lines_[i].starts_with("## Further");
      }
      if (page.aside[i] || further) lines_[i].clear();
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

}  // namespace

std::vector<LooseNumber> loose_numbers(const Page& page) {
  const RunningText running(page);
  Shown shown(running.evidence());
  std::vector<LooseNumber> loose;
  std::vector<std::pair<Token, std::size_t>> asked;  // and the line
  for (const RunningText::Paragraph& paragraph : running.paragraphs()) {
    const std::vector<Token> tokens = tokens_of(paragraph.text);
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
  for (const Token& token : tokens_of(numbers)) {
    if (token.kind == Token::number && !shown.holds(token)) return token.text;
  }
  return "";
}

}  // namespace flashlab::docs
