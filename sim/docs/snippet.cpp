#include "sim/docs/snippet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <vector>

#include "sim/core/error.hpp"

namespace flashlab::docs {
namespace {

// ------------------------------------------------------------------------------------------------------------- tokens

struct Token {
  enum Kind { word, sign, literal, directive } kind;
  std::string_view text;
  std::size_t begin;
  std::size_t end() const { return begin + text.size(); }
};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

/// The words and signs of C++ source. Comments and blanks are left out; a directive is one token, lines that end in a
/// backslash included. Nothing is refused: what is not known is a sign of one character.
std::vector<Token> tokens_of(std::string_view s) {
  std::vector<Token> tokens;
  const auto line_end = [&](std::size_t from) {
    std::size_t end = s.find('\n', from);
    while (end != s.npos && end > 0 && s[end - 1] == '\\') end = s.find('\n', end + 1);
    return std::min(end, s.size());
  };
  bool line_is_empty = true;
  for (std::size_t i = 0; i < s.size();) {
    const char c = s[i];
    std::size_t end = i + 1;
    Token::Kind kind = Token::sign;
    if (c == '\n') line_is_empty = true;
    if (std::isspace(static_cast<unsigned char>(c))) {
      ++i;
      continue;
    }
    if (s.substr(i, 2) == "//") {
      i = line_end(i);
      continue;
    }
    if (s.substr(i, 2) == "/*") {
      end = s.find("*/", i + 2);
      i = end == s.npos ? s.size() : end + 2;
      continue;
    }
    if (c == '#' && line_is_empty) {
      end = line_end(i), kind = Token::directive;
    } else if (s.substr(i, 2) == "R\"") {
      const std::size_t open = s.find('(', i);
      const std::string closing = ")" + std::string(open == s.npos ? "" : s.substr(i + 2, open - i - 2)) + "\"";
      end = s.find(closing, i), kind = Token::literal;
      end = end == s.npos ? s.size() : end + closing.size();
    } else if (c == '"' || c == '\'') {
      while (end < s.size() && s[end] != c && s[end] != '\n') end += s[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, s.size()), kind = Token::literal;
    } else if (is_word(c)) {
      // 1'000 is one word.
      while (end < s.size() &&
             (is_word(s[end]) || (s[end] == '\'' && std::isdigit(static_cast<unsigned char>(c)))))
        ++end;
      kind = Token::word;
    } else if (s.substr(i, 2) == "::") {
      end = i + 2;
    }
    if (!tokens.empty() && tokens.back().text == "operator" &&
        kind == Token::sign) {  // operator== is two words
      end = std::max(end, std::min(s.find('(', i + 1), s.size()));
    }
    tokens.push_back({kind, s.substr(i, end - i), i});
    line_is_empty = false;
    i = end;
  }
  return tokens;
}

// -------------------------------------------------------------------------------------------------------- definitions

struct Definition {
  std::string name;         ///< with its classes: "Machine::load"
  std::size_t first, last;  ///< tokens, both included
};

bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

/// All definitions at the top level, in namespaces and in classes.
class Scanner {
 public:
  explicit Scanner(std::span<const Token> tokens) : tokens_(tokens) { scope(0, ""); }
  std::vector<Definition> definitions;

 private:
  std::string_view text(std::size_t i) const {
    return i < tokens_.size() ? tokens_[i].text : std::string_view();
  }

  /// The token after the bracket that closes the one at `i`.
  std::size_t after_closing(std::size_t i) const {
    int depth = 0;
    for (; i < tokens_.size(); ++i) {
      if (tokens_[i].kind == Token::sign && one_of(text(i), {"(", "[", "{"})) ++depth;
      if (tokens_[i].kind == Token::sign && one_of(text(i), {")", "]", "}"}) && --depth == 0) return i + 1;
    }
    return i;
  }

  /// Reads declarations from token `i` to the brace that closes the scope; returns the token after it.
  std::size_t scope(std::size_t i, const std::string& prefix) {
    std::size_t first = i;
    while (i < tokens_.size()) {
      const std::string_view t = text(i);
      if (tokens_[i].kind == Token::directive) {
        i = i == first ? ++first : i + 1;
      } else if (t == "}") {
        return i + 1;
      } else if (t == ";") {
        declaration(first, i, prefix);
        first = ++i;
      } else if (one_of(t, {"public", "private", "protected"}) && text(i + 1) == ":" && i == first) {
        first = i += 2;
      } else if (t == "(" || t == "[") {
        i = after_closing(i);
      } else if (t == "{") {
        i = brace(first, i, prefix);
        if (done_) first = i;
      } else {
        ++i;
      }
    }
    return i;
  }

  /// A brace that opens at token `open` in the declaration from `first` on. Sets done_ when it ends the declaration.
  std::size_t brace(std::size_t first, std::size_t open, const std::string& prefix) {
    done_ = true;
    std::size_t class_key = 0, parameters = 0;
    bool initialiser = false, is_namespace = false;
    for (std::size_t i = first; i < open; ++i) {
      const std::string_view t = text(i);
      if (t == "namespace" || (t == "extern" && i + 2 == open)) is_namespace = true;
      if (t == "template" && text(i + 1) == "<") {  // its parameters may say "class"
        int depth = 0;
        for (++i; i < open; ++i) {
          depth += text(i) == "<" ? 1 : text(i) == ">" ? -1 : 0;
          if (depth == 0) break;
        }
        continue;
      }
      if (one_of(t, {"struct", "class", "union", "enum"}) && !class_key && !parameters) class_key = i + 1;
      if (t == "=" && text(i - 1) != "operator") initialiser = true;
      if (t == "(") {
        const bool names = i > first && tokens_[i - 1].kind == Token::word &&
                           !one_of(text(i - 1), {"__launch_bounds__", "alignas", "__align__", "decltype",
                                                 "requires", "__attribute__", "noexcept", "explicit"});
        const bool is_operator = i > first + 1 && (text(i - 2) == "operator" || text(i - 1) == "operator");
        if ((names || is_operator) && !parameters) parameters = i;
        i = after_closing(i) - 1;
      }
    }
    if (is_namespace) {
      const std::size_t end = scope(open + 1, prefix);
      done_ = true;  // whatever the scope inside ended with
      return end;
    }
    if (initialiser || (!class_key && !parameters)) {  // int x{3};  float o[4] = {};
      done_ = false;
      return after_closing(open);
    }
    if (class_key && !parameters) {
      std::size_t at = class_key;
      while (at < open && (one_of(text(at), {"class", "struct"}) || text(at) == "[" || text(at + 1) == "(")) {
        at = text(at) == "[" ? after_closing(at) : text(at + 1) == "(" ? after_closing(at + 1) : at + 1;
      }
      const std::string name = prefix + std::string(at < open ? text(at) : "");
      const std::size_t closed =
          text(class_key - 1) == "enum" ? after_closing(open) : scope(open + 1, name + "::");
      done_ = true;
      std::size_t end = closed;
      while (end < tokens_.size() && text(end) != ";") ++end;
      definitions.push_back({name, first, std::min(end, tokens_.size() - 1)});
      return end + 1;
    }
    // A function; a brace after a name in its list of initialisers is not the body: f() : a_{1}, b_(2) {
    const bool in_list = std::ranges::any_of(tokens_.subspan(parameters, open - parameters),
                                             [](const Token& t) { return t.text == ":"; });
    if (in_list && (tokens_[open - 1].kind == Token::word || text(open - 1) == ">")) {
      done_ = false;
      return after_closing(open);
    }
    const std::size_t end = after_closing(open);
    definitions.push_back({prefix + name_before(parameters, first), first, end - 1});
    return end;
  }

  /// "Class::function" before the parenthesis at `at`.
  std::string name_before(std::size_t at, std::size_t first) const {
    std::string name;
    std::size_t i = at;
    if (i >= first + 2 && text(i - 2) == "operator") {
      name = "operator" + std::string(text(i - 1)), i -= 2;
    } else {
      name = text(--i);
    }
    while (i >= first + 2 && text(i - 1) == "::" && tokens_[i - 2].kind == Token::word) {
      name = std::string(text(i - 2)) + "::" + name;
      i -= 2;
    }
    return name;
  }

  /// using Name = …;   constexpr int kName = 3;   A function that is only declared is no definition.
  void declaration(std::size_t first, std::size_t end, const std::string& prefix) {
    std::string_view name;
    for (std::size_t i = first; i < end; ++i) {
      const std::string_view t = text(i);
      if (t == "(") return;
      if (t == "=" || t == "{" || t == "[") break;
      if (tokens_[i].kind == Token::word) name = t;
    }
    if (!name.empty()) definitions.push_back({prefix + std::string(name), first, end});
  }

  std::span<const Token> tokens_;
  bool done_ = false;
};

/// auto name = …; somewhere inside a function.
void find_locals(std::span<const Token> tokens, std::string_view name, std::vector<Definition>& found) {
  for (std::size_t i = 2; i + 1 < tokens.size(); ++i) {
    if (tokens[i].text != name || tokens[i + 1].text != "=" || tokens[i - 1].text != "auto") continue;
    std::size_t first = i;
    while (first > 0 && !one_of(tokens[first - 1].text, {";", "{", "}"})) --first;
    int depth = 0;
    std::size_t last = i;
    for (; last + 1 < tokens.size(); ++last) {
      const std::string_view t = tokens[last].text;
      depth += one_of(t, {"(", "[", "{"}) ? 1 : one_of(t, {")", "]", "}"}) ? -1 : 0;
      if (t == ";" && depth == 0) break;
    }
    found.push_back({std::string(name), first, last});
  }
}

// --------------------------------------------------------------------------------------------------------------- lines

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.front()))) line.remove_prefix(1);
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.remove_suffix(1);
  return line;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

bool is_region_mark(std::string_view line, std::string_view name = "") {
  line = trimmed(line);
  for (const std::string_view opening : {"// [", "# ["}) {
    if (!line.starts_with(opening) || !line.ends_with("]")) continue;
    const std::string_view inside = line.substr(opening.size(), line.size() - opening.size() - 1);
    if (name.empty() ? std::ranges::all_of(inside, [](char c) { return is_word(c) || c == '-'; })
                     : inside == name) {
      return true;
    }
  }
  return false;
}

/// Without shared indentation, marks of regions, and blank lines at both ends.
std::string tidy(std::span<const std::string_view> lines) {
  std::vector<std::string_view> kept;
  for (const std::string_view line : lines) {
    if (!is_region_mark(line)) kept.push_back(line);
  }
  while (!kept.empty() && trimmed(kept.front()).empty()) kept.erase(kept.begin());
  while (!kept.empty() && trimmed(kept.back()).empty()) kept.pop_back();
  std::size_t indent = std::string_view::npos;
  for (const std::string_view line : kept) {
    if (!trimmed(line).empty()) indent = std::min(indent, line.find_first_not_of(' '));
  }
  std::string result;
  for (const std::string_view line : kept) {
    result += trimmed(line).empty() ? "" : line.substr(indent);
    result += '\n';
  }
  return result;
}

/// The region `name`; empty when the file has none.
std::string region(std::span<const std::string_view> lines, std::string_view name, std::string_view file) {
  std::vector<std::size_t> marks;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (is_region_mark(lines[i], name)) marks.push_back(i);
  }
  if (marks.empty()) return {};
  if (marks.size() != 2) {
    throw UsageError(fmt::format("{}: the region [{}] wants two marks, at its begin and its end, and has {}",
                                 file, name, marks.size()));
  }
  const std::string text = tidy(lines.subspan(marks[0] + 1, marks[1] - marks[0] - 1));
  if (text.empty()) throw UsageError(fmt::format("{}: the region [{}] is empty", file, name));
  return text;
}

}  // namespace

std::string snippet_of(std::string_view source, std::string_view name, std::string_view file,
                       bool with_comment) {
  const std::vector<std::string_view> lines = lines_of(source);
  if (name.empty()) return tidy(lines);
  if (std::string text = region(lines, name, file); !text.empty()) return text;
  constexpr std::array kOurs{".cpp", ".hpp", ".cu", ".cuh", ".h"};
  std::vector<Definition> found;
  const std::vector<Token> tokens = tokens_of(source);
  if (std::ranges::any_of(kOurs, [&](const char* ending) { return file.ends_with(ending); })) {
    const Scanner scanner(tokens);
    std::ranges::copy_if(scanner.definitions, std::back_inserter(found), [&](const Definition& d) {
      return d.name == name || d.name.ends_with("::" + std::string(name));
    });
    // The class itself rather than its constructor: Machine, not Machine::Machine.
    if (std::ranges::any_of(found, [&](const Definition& d) { return d.name == name; })) {
      std::erase_if(found, [&](const Definition& d) { return d.name != name; });
    }
    if (found.empty()) find_locals(tokens, name, found);
  }
  const auto line_of = [&](std::size_t at) {
    return static_cast<std::size_t>(std::ranges::count(source.substr(0, at), '\n'));
  };
  if (found.empty()) {
    throw UsageError(fmt::format("{}: has no definition and no region [{}]", file, name));
  }
  if (found.size() > 1) {
    std::string where;
    for (const Definition& d : found) {
      where += fmt::format("{}{}", where.empty() ? "" : ", ", line_of(tokens[d.first].begin) + 1);
    }
    throw UsageError(fmt::format("{}: {} is defined in lines {}: mark a region between two comments // [{}]",
                                 file, name, where, name));
  }
  std::size_t first = line_of(tokens[found[0].first].begin);
  const std::size_t last = line_of(tokens[found[0].last].end() - 1);
  while (with_comment && first > 0 && trimmed(lines[first - 1]).starts_with("//") &&
         !is_region_mark(lines[first - 1])) {
    --first;
  }
  return tidy(std::span(lines).subspan(first, last - first + 1));
}

}  // namespace flashlab::docs
