#include "sim/lab/vet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "sim/lab/clean.hpp"
#include "sim/lab/vet_words.hpp"
#include "sim/simt/rewrite/lexer.hpp"

namespace flashlab::lab {
namespace {

using simt::Token;
using simt::TokenKind;

std::string_view trim(std::string_view s) {
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
  return s;
}
std::string_view first_word(std::string_view s) {
  std::size_t n = 0;
  while (n < s.size() && in_word(s[n])) ++n;
  return s.substr(0, n);
}

class Vetter {
 public:
  Vetter(std::string_view text, const VetOptions& options)
      : text_(text), options_(options), tokens_(simt::tokenize(text)) {}
  std::vector<Refusal> refusals;

  void run() {
    for (const Token& t : tokens_) {
      if (t.kind == TokenKind::directive) directive(t);
    }
    words();
    branches();
    std::vector<Token> code;
    for (const Token& t : tokens_) {
      if (t.kind != TokenKind::directive) code.push_back(t);
    }
    tokens_ = std::move(code);
    braces();
    if (refusals.empty()) scope(0, tokens_.size(), false);
  }

 private:
  int line_of(std::size_t offset) const {
    return 1 + static_cast<int>(
                   std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
  }
  void refuse(const Token& t, std::string what) { refusals.push_back({line_of(t.begin), std::move(what)}); }

  // ---------------------------------------------------------------------------------------------- directives

  void directive(const Token& t) {
    std::string_view rest = trim(t.text.substr(1));
    const std::string_view name = first_word(rest);
    rest = trim(rest.substr(name.size()));
    if (t.text.find("##") != std::string_view::npos)
      return refuse(t, "`##`: names that are put together cannot be read");
    if (name == "include") return include(t, rest);
    if (name == "define") return define(t, rest);
    if (name == "undef") {
      if (!defined_.contains(first_word(rest))) refuse(t, "#undef of a name that this file did not define");
      return;
    }
    if (name == "pragma") {
      const std::string_view what = first_word(rest);
      if (what != "unroll" && rest != "once") refuse(t, fmt::format("#pragma {}: only once and unroll", what));
      check_words(t, rest);
      return;
    }
    if (name == "if" || name == "ifdef" || name == "ifndef" || name == "elif" || name == "else" ||
        name == "endif") {
      check_words(t, rest);
      return;
    }
    refuse(t, fmt::format("#{}: not among the directives that the labs need", name));
  }

  void include(const Token& t, std::string_view rest) {
    const bool system = rest.size() > 2 && rest.front() == '<' && rest.back() == '>';
    const std::string_view header = system ? rest.substr(1, rest.size() - 2) : rest;
    if (system && std::ranges::find(kHeaders, header) != kHeaders.end()) return;
    refuse(t, fmt::format("#include {}: only CUDA's own and mathematical headers, in angle brackets", rest));
  }

  void define(const Token& t, std::string_view rest) {
    const std::string_view name = first_word(rest);
    const bool keyword = std::ranges::find(kKeywords, name) != kKeywords.end();
    const bool taken = std::ranges::find(options_.taken_names, name) != options_.taken_names.end();
    if (name.empty() || keyword || taken || name.starts_with("__"))
      refuse(t, fmt::format("#define {}: the name is not yours to change", name));
    defined_.insert(name);
    const std::string_view body = rest.substr(name.size());
    if (!brackets_pair(body)) refuse(t, fmt::format("#define {}: brackets that do not pair", name));
    check_words(t, rest);
  }

  // Each closes the one opened last: `} … {` would leave the scope that it stands in.
  static bool brackets_pair(std::string_view text) {
    std::string open;
    for (const Token& t : simt::tokenize(text)) {
      if (t.kind != TokenKind::punctuation || t.text.size() != 1) continue;
      const char c = t.text[0];
      if (c == '{' || c == '(' || c == '[') open += c;
      if (c != '}' && c != ')' && c != ']') continue;
      if (open.empty() || open.back() != (c == '}' ? '{' : c == ')' ? '(' : '[')) return false;
      open.pop_back();
    }
    return open.empty();
  }

  // What #if leaves out, too: the code between two of its directives closes what it opens, and nothing else. Otherwise
  // the compiler would see other scopes than are looked at here.
  void branches() {
    std::vector<int> depths;
    int depth = 0;
    for (const Token& t : tokens_) {
      if (t.kind == TokenKind::directive) {
        const std::string_view name = first_word(trim(t.text.substr(1)));
        if (name.starts_with("if")) depths.push_back(depth);
        if (name != "endif" && !name.starts_with("el")) continue;
        if (depths.empty()) return refuse(t, fmt::format("#{} without #if", name));
        if (depth != depths.back())
          return refuse(t, "a bracket that is opened in one branch of #if and not closed in it");
        if (name == "endif") depths.pop_back();
      } else if (t.kind == TokenKind::punctuation && t.text.size() == 1) {
        depth += std::string_view("{([").find(t.text[0]) != std::string_view::npos ? 1 : 0;
        depth -= std::string_view("})]").find(t.text[0]) != std::string_view::npos ? 1 : 0;
        if (!depths.empty() && depth < depths.back())
          return refuse(t, "a bracket that is closed in a branch of #if and not opened in it");
      }
    }
    if (!depths.empty()) refuse(tokens_.back(), "an #if without #endif");
  }

  // --------------------------------------------------------------------------------------------------- words

  void check_word(const Token& at, std::string_view word) {
    for (const Forbidden& f : kWords) {
      if (word == f.word) refuse(at, fmt::format("`{}`: {}", word, f.why));
    }
    for (const Forbidden& f : kPrefixes) {
      if (word.starts_with(f.word) && !word.starts_with("cuda_pipeline"))
        refuse(at, fmt::format("`{}`: {}", word, f.why));
    }
  }
  void check_words(const Token& at, std::string_view text) {
    for (const Token& t : simt::tokenize(text)) {
      if (t.kind == TokenKind::word) check_word(at, t.text);
      if (t.kind == TokenKind::word && (t.is("std") || t.is("static") || t.is("namespace") || t.is("extern")))
        refuse(at, fmt::format("`{}` within a macro", t.text));
    }
  }
  bool is(std::size_t i, std::string_view s) const { return i < tokens_.size() && tokens_[i].is(s); }

  void words() {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const Token& t = tokens_[i];
      if (t.kind == TokenKind::word) {
        check_word(t, t.text);
        if (t.is("extern") && !is(i + 1, "__shared__"))
          refuse(t, "`extern`: only extern __shared__; everything else you need is in your file");
        if (t.is("operator") && (is(i + 1, "new") || is(i + 1, "delete")))
          refuse(t, "`operator new` and `delete`");
        if (t.is("std")) {
          const bool known = is(i + 1, "::") && i + 2 < tokens_.size() &&
                             std::ranges::find(kStandard, tokens_[i + 2].text) != kStandard.end();
          if (!known)
            refuse(t, fmt::format("`std{}{}`: not among what the labs take of the standard library",
                                  is(i + 1, "::") ? "::" : "",
                                  is(i + 1, "::") && i + 2 < tokens_.size() ? tokens_[i + 2].text : ""));
        }
        if (t.is("inline") && is(i + 1, "namespace")) refuse(t, "`inline namespace`");
      }
      if (t.is("[") && is(i + 1, "[")) refuse(t, "`[[`: attributes can change what is counted");
      if (t.is("<") && is(i + 1, "<") && is(i + 2, "<"))
        refuse(t, "a launch: the grader launches your kernels");
      if (t.is("#")) refuse(t, "a `#` that begins no directive");
    }
  }

  // -------------------------------------------------------------------------------------------------- scopes

  void braces() {
    std::vector<std::size_t> open;
    partner_.assign(tokens_.size(), 0);
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].kind != TokenKind::punctuation || tokens_[i].text.size() != 1) continue;
      const char c = tokens_[i].text[0];
      if (c == '{' || c == '(' || c == '[') open.push_back(i);
      if (c != '}' && c != ')' && c != ']') continue;
      const char wanted = c == '}' ? '{' : c == ')' ? '(' : '[';
      if (open.empty() || tokens_[open.back()].text[0] != wanted)
        return refuse(tokens_[i], fmt::format("a `{}` that closes nothing", c));
      partner_[open.back()] = i;
      open.pop_back();
    }
    if (!open.empty()) refuse(tokens_[open.back()], "a bracket that is not closed");
  }

  // Statements of a namespace (or the members of a class): tokens [begin, end).
  void scope(std::size_t begin, std::size_t end, bool members) {
    for (std::size_t at = begin; at < end;) at = statement(at, end, members);
  }

  std::size_t statement(std::size_t begin, std::size_t end, bool members) {
    bool equals = false, parens = false, type = false, constant = false, shared = false, named_space = false;
    bool harmless = false, is_static = false, enumeration = false;
    for (std::size_t i = begin; i < end; ++i) {
      const Token& t = tokens_[i];
      if (t.is(";")) {
        finish_declaration(begin, i, {harmless, constant, shared, members, is_static, equals, parens, type});
        return i + 1;
      }
      if (members && t.is(":") && (is(begin, "public") || is(begin, "private") || is(begin, "protected")))
        return i + 1;
      if (t.is("template") && is(i + 1, "<")) {
        i = after_angles(i + 1, end) - 1;
        continue;
      }
      if (t.is("(") || t.is("[")) {
        parens = parens || t.is("(");
        i = partner_[i];
        continue;
      }
      if (t.is("=") && !is(i - 1, "operator")) equals = true;
      if (t.is("using") || t.is("typedef") || t.is("static_assert") || t.is("friend")) harmless = true;
      if (t.is("constexpr") || t.is("consteval")) constant = true;
      if (t.is("__shared__")) shared = true;
      if (t.is("static")) is_static = true;
      if (t.is("namespace") && !harmless) named_space = true;
      if (t.is("enum")) enumeration = true;
      if ((t.is("struct") || t.is("class") || t.is("union")) && !parens) type = true;
      if (!t.is("{")) continue;
      const std::size_t close = partner_[i];
      if (named_space) {
        scope(i + 1, close, false);
        return close + 1;
      }
      if ((type || enumeration) && !parens && !equals) {
        if (!enumeration) scope(i + 1, close, true);
        if (!is(close + 1, ";"))
          refuse(tokens_[close], "a variable declared together with its type: declare the type alone");
        return std::min(end, close + 2);
      }
      if (parens && !equals && ends_function_head(i)) return close + 1;
      i = close;  // an initializer
    }
    if (end > begin) refuse(tokens_[begin], "a declaration that does not end");
    return end;
  }

  // Whether the `{` at `i` begins a function's body.
  bool ends_function_head(std::size_t i) const {
    for (std::size_t k = i; k-- > 0;) {
      const Token& t = tokens_[k];
      if (t.is("const") || t.is("noexcept")) continue;
      if (t.is(")")) return true;
      // `-> T {`, or the initializers of a constructor `: a(1), b(2) {`.
      for (std::size_t j = k + 1; j-- > 0 && !tokens_[j].is(";") && !tokens_[j].is("}");) {
        if (tokens_[j].is("->")) return j > 0 && (is(j - 1, ")") || is(j - 1, "const"));
      }
      return false;
    }
    return false;
  }

  struct Declaration {
    bool harmless, constant, shared, members, is_static, equals, parens, type;
  };
  void finish_declaration(std::size_t begin, std::size_t semicolon, const Declaration& d) {
    if (semicolon == begin || d.harmless || d.constant) return;
    if (is(begin, "namespace")) return;  // an alias
    if (is(begin, "enum") || (d.type && !d.equals && !d.parens && semicolon - begin <= 8 && !d.members)) return;
    if (d.members) {
      if (d.is_static) refuse(tokens_[begin], "a static member that is not constexpr");
      return;
    }
    if (d.shared) {
      if (is(begin, "extern")) return;
      refuse(tokens_[begin], "a __shared__ variable outside of functions");
      return;
    }
    refuse(tokens_[begin], d.parens && !d.equals
                               ? "a declaration without a body: write functions where they are first used"
                               : "a variable outside of functions that is not constexpr");
  }

  std::size_t after_angles(std::size_t open, std::size_t end) const {
    int depth = 0;
    for (std::size_t i = open; i < end; ++i) {
      if (tokens_[i].is("(") || tokens_[i].is("{")) i = partner_[i];
      if (tokens_[i].is("<")) ++depth;
      if (tokens_[i].is(">") && --depth == 0) return i + 1;
    }
    return end;
  }

  std::string_view text_;
  const VetOptions& options_;
  std::vector<Token> tokens_;
  std::vector<std::size_t> partner_;
  std::set<std::string_view> defined_;
};

}  // namespace

std::vector<Refusal> vet(std::string_view source, const VetOptions& options) {
  if (source.size() > options.largest_bytes)
    return {
        {1, fmt::format("the file has {} bytes, {} at most are taken", source.size(), options.largest_bytes)}};
  Cleaned plain = cleaned(source);
  Vetter vetter(plain.text, options);
  vetter.run();
  std::vector<Refusal> all = std::move(plain.refusals);
  all.insert(all.end(), vetter.refusals.begin(), vetter.refusals.end());
  std::ranges::stable_sort(all, {}, &Refusal::line);
  return all;
}

}  // namespace flashlab::lab
