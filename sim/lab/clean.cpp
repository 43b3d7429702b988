#include "sim/lab/clean.hpp"

#include <fmt/format.h>

#include <cctype>
#include <utility>

namespace flashlab::lab {

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

namespace {

/// Lines that end in `\\` (and blanks: the compiler forgives them) joined with the next, before anything else is read, as
/// the compiler does it; their ends follow the joined line, so that the lines after it keep their numbers.
std::string joined(std::string_view s) {
  std::string text;
  int owed = 0;
  for (std::size_t at = 0; at < s.size(); ++at) {
    if (s[at] == '\\') {
      std::size_t end = at + 1;
      while (end < s.size() && s[end] != '\n' && is_space(s[end])) ++end;
      if (end < s.size() && s[end] == '\n') {
        ++owed, at = end;
        continue;
      }
    }
    text += s[at];
    if (s[at] == '\n') text.append(static_cast<std::size_t>(std::exchange(owed, 0)), '\n');
  }
  return text;
}

/// The source with comments made spaces.
class Cleaner {
 public:
  explicit Cleaner(std::string_view s) : s_(s) {}
  std::string text;
  std::vector<Refusal> refusals;

  void run() {
    for (at_ = 0; at_ < s_.size();) step();
  }

 private:
  char next(std::size_t n = 1) const { return at_ + n < s_.size() ? s_[at_ + n] : '\0'; }
  void refuse(std::string what) { refusals.push_back({line_, std::move(what)}); }
  void take() {
    if (s_[at_] == '\n') ++line_;
    text += s_[at_++];
  }
  void blank() {
    text += s_[at_] == '\n' ? '\n' : ' ';
    if (s_[at_] == '\n') ++line_;
    ++at_;
  }

  void step() {
    const char c = s_[at_];
    if (c == '/' && next() == '/') {
      while (at_ < s_.size() && s_[at_] != '\n') blank();
    } else if (c == '/' && next() == '*') {
      blank(), blank();
      while (at_ < s_.size() && !(s_[at_] == '*' && next() == '/')) blank();
      if (at_ >= s_.size()) return refuse("a comment that does not end");
      blank(), blank();
    } else if (c == '"' || c == '\'') {
      quoted(c);
    } else if (c == '\\') {
      refuse("a `\\` outside of strings");
      blank();
    } else if ((c == '%' && next() == ':') || (c == '<' && (next() == ':' || next() == '%'))) {
      if (!(c == '<' && next() == ':' && next(2) == ':')) refuse("a digraph: write #, [, ] or {, }");
      take();
    } else if (static_cast<unsigned char>(c) >= 0x80 ||
               (static_cast<unsigned char>(c) < 0x20 && !is_space(c))) {
      refuse("a character that is not plain ASCII, outside of comments");
      blank();
    } else if (c == '$' || c == '`' || c == '@') {
      refuse(fmt::format("the character `{}`", c));
      blank();
    } else {
      take();
    }
  }

  void quoted(char quote) {
    // A quote within a number separates its digits.
    if (quote == '\'' && at_ > 0 && std::isxdigit(static_cast<unsigned char>(s_[at_ - 1])) && in_word(next()) &&
        !text.empty() && in_word(text.back())) {
      blank_digit();
      return;
    }
    if (quote == '"' && at_ > 0 && s_[at_ - 1] == 'R') refuse("a raw string");
    take();
    while (at_ < s_.size() && s_[at_] != quote) {
      if (s_[at_] == '\n') return refuse("a string that does not end on its line");
      if (s_[at_] == '\\') {
        if (next() == '\n' || next() == 'u' || next() == 'U' || next() == 'N')
          refuse("an escape in a string that the labs do not need");
        text += '_';
        ++at_;
        if (at_ < s_.size() && s_[at_] != '\n') text += '_', ++at_;
      } else {
        take();
      }
    }
    if (at_ < s_.size()) take();
  }
  void blank_digit() { ++at_; }  // 1'000 reads as 1000

  std::string_view s_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

Cleaned cleaned(std::string_view source) {
  std::string plain(source);
  std::erase(plain, '\r');
  plain = joined(plain);
  Cleaner cleaner(plain);
  cleaner.run();
  return {std::move(cleaner.text), std::move(cleaner.refusals)};
}

}  // namespace flashlab::lab
