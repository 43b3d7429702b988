#include "sim/simt/rewrite/rewrite.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "sim/core/error.hpp"
#include "sim/simt/rewrite/lexer.hpp"
#include "sim/simt/rewrite/ptx.hpp"

namespace flashlab::simt {
namespace {

struct Edit {
  std::size_t begin, end;
  std::string text;
};

constexpr std::size_t kNone = ~std::size_t{0};

class Rewriter {
 public:
  explicit Rewriter(std::string_view source) : source_(source), tokens_(tokenize(source)) {}

  Rewritten run() {
    find_kernel_templates();
    for (at_ = 0; at_ < tokens_.size(); ++at_) {
      const Token& t = tokens_[at_];
      if (t.kind == TokenKind::directive) {
        note_line(t);
      } else if (t.is("__global__")) {
        replace(at_, at_ + 1, "");
        kernel_ends_ = std::max(kernel_ends_, end_of_body(at_));
        ++out_.kernels;
      } else if (t.is("__noinline__")) {  // also a word within __attribute__((…)) of the standard library
        if (at_ == 0 || !(is(at_ - 1, "(") || is(at_ - 1, ",")))
          replace(at_, at_ + 1, "__attribute__((noinline))");
      } else if (t.is("__shared__")) {
        shared_declaration();
      } else if (opens_launch(at_)) {
        launch();
      } else if (in_system_header_) {
        continue;
      } else if (t.is("asm") || t.is("__asm__") || t.is("__asm")) {
        inline_assembly();
      } else {
        note_unsupported(t);
      }
    }
    apply();
    return std::move(out_);
  }

 private:
  bool is(std::size_t i, std::string_view s) const { return i < tokens_.size() && tokens_[i].is(s); }
  bool adjacent(std::size_t i) const { return tokens_[i + 1].begin == tokens_[i].begin + 1; }
  // `<<<`, or what formatters make of it: `<< <`, but not after `operator`.
  bool opens_launch(std::size_t i) const {
    return is(i, "<") && is(i + 1, "<") && is(i + 2, "<") && adjacent(i) &&
           (adjacent(i + 1) || (i > 0 && !is(i - 1, "operator")));
  }
  // `>>>`; `>> >` only where the launch began with `<< <`.
  bool closes_launch(std::size_t i, bool spaced) const {
    return is(i, ">") && is(i + 1, ">") && is(i + 2, ">") && adjacent(i) && (spaced || adjacent(i + 1));
  }
  std::string_view text(std::size_t first, std::size_t last) const {  // tokens [first, last)
    const Token& end = tokens_[last - 1];
    return source_.substr(tokens_[first].begin, end.begin + end.text.size() - tokens_[first].begin);
  }

  static std::string newlines_of(std::string_view s) {
    return std::string(static_cast<std::size_t>(std::count(s.begin(), s.end(), '\n')), '\n');
  }

  // Tokens [first, last) become `with`, on as many lines as before.
  void replace(std::size_t first, std::size_t last, std::string with) {
    const std::string_view old = text(first, last);
    edits_.push_back(
        {tokens_[first].begin, tokens_[first].begin + old.size(), std::move(with) + newlines_of(old)});
  }

  // `# 12 "file" 3`: the next line is line 12 of the file; flag 3 marks a system header.
  void note_line(const Token& t) {
    std::size_t i = 1;
    while (i < t.text.size() && t.text[i] == ' ') ++i;
    if (i >= t.text.size() || !std::isdigit(static_cast<unsigned char>(t.text[i]))) return;
    line_ = std::atoi(t.text.data() + i) - 1;
    line_counted_to_ = t.begin + t.text.size();
    const std::size_t open = t.text.find('"'), close = t.text.rfind('"');
    if (open == close) return;
    file_ = t.text.substr(open + 1, close - open - 1);
    in_system_header_ = t.text.find(" 3", close) != std::string_view::npos;
  }

  int line_of(const Token& t) const {
    return line_ + static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(line_counted_to_),
                                               source_.begin() + static_cast<std::ptrdiff_t>(t.begin), '\n'));
  }

  [[noreturn]] void fail(const Token& t, std::string_view what) const {
    throw UsageError(fmt::format("{}:{}: {}", file_, line_of(t), what));
  }

  void note_unsupported(const Token& t) {
    if (t.kind != TokenKind::word) return;
    static constexpr std::pair<std::string_view, std::string_view> words[] = {
        {"cudaTextureObject_t", "textures"},
        {"tex2D", "textures"},
        {"tex1Dfetch", "textures"},
        {"cudaSurfaceObject_t", "surfaces"},
        {"cublasHandle_t", "cuBLAS"},
        {"cudaArray_t", "CUDA arrays"},
        {"cudaGraph_t", "CUDA graphs"},
        {"cudaLaunchCooperativeKernel", "cooperative launches (grid-wide barriers)"}};
    for (const auto& [word, what] : words) {
      if (!t.is(word)) continue;
      out_.unsupported.push_back({std::string(file_), line_of(t), std::string(what)});
    }
  }

  // `asm volatile("text" : "=r"(x) : "r"(y) : "memory")` to C++ that does the same.
  void inline_assembly() {
    std::size_t open = at_ + 1;
    while (is(open, "volatile") || is(open, "__volatile__") || is(open, "__volatile")) ++open;
    const std::size_t close = is(open, "(") ? closing(open) : kNone;
    AsmStatement statement;
    std::string unknown = "inline assembly that cannot be read";
    if (close != kNone && parse_assembly(open, close, statement)) {
      TranslatedAsm translated = translate_asm(statement);
      unknown = translated.unknown;
      if (unknown.empty()) {
        replace(at_, close + 1, std::move(translated.code));
        at_ = close;
        return;
      }
    }
    out_.unsupported.push_back({std::string(file_), line_of(tokens_[at_]), unknown});
    if (close != kNone) at_ = close;
  }

  bool parse_assembly(std::size_t open, std::size_t close, AsmStatement& statement) const {
    int section = 0;  // text, outputs, inputs, clobbers
    for (std::size_t i = open + 1; i < close; ++i) {
      const Token& t = tokens_[i];
      if (t.is(":") || t.is("::")) {
        section += t.is(":") ? 1 : 2;
        statement.extended = true;
      } else if (t.kind == TokenKind::directive || t.is(",") || section >= 3) {
        continue;
      } else if (t.kind != TokenKind::string || t.text.front() == '\'') {
        return false;
      } else if (section == 0) {
        statement.text += literal_value(t.text);
      } else {
        if (!is(i + 1, "(")) return false;
        const std::size_t end = closing(i + 1);
        if (end == kNone || end > close || end == i + 2) return false;
        auto& operands = section == 1 ? statement.outputs : statement.inputs;
        const std::string constraint = literal_value(t.text);
        if (constraint.empty()) return false;
        std::string expression;  // without line marks, on one line
        for (std::size_t k = i + 2; k < end; ++k) {
          if (tokens_[k].kind != TokenKind::directive)
            expression += (expression.empty() ? "" : spacing(k)), expression += tokens_[k].text;
        }
        operands.push_back({constraint, expression});
        i = end;
      }
    }
    return true;
  }

  // Names that follow `template <…> … __global__ … name (`: their parameters must be deduced at the launch.
  void find_kernel_templates() {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (!is(i, "template") || !is(i + 1, "<")) continue;
      std::size_t j = closing_angle(i + 1);
      if (j == kNone) continue;
      bool kernel = false;
      for (++j; j < tokens_.size(); ++j) {
        if (is(j, ";") || is(j, "{") || is(j, "=")) break;
        if (is(j, "__global__")) kernel = true;
        if (is(j, "(")) {
          const bool attribute =
              is(j - 1, "__attribute__") || is(j - 1, "__launch_bounds__") || is(j - 1, "alignas");
          if (!attribute) {
            if (kernel) templates_.insert(tokens_[j - 1].text);
            break;
          }
          j = closing(j);
          if (j == kNone) return;
        }
      }
    }
  }

  // The index of the bracket that closes tokens_[open], one of ( [ {.
  std::size_t closing(std::size_t open) const {
    int depth = 0;
    for (std::size_t i = open; i < tokens_.size(); ++i) {
      const Token& t = tokens_[i];
      if (t.is("(") || t.is("[") || t.is("{")) ++depth;
      if (t.is(")") || t.is("]") || t.is("}")) --depth;
      if (depth == 0) return i;
    }
    return kNone;
  }
  // The index of the bracket that tokens_[close] closes; 0 when there is none.
  std::size_t opening(std::size_t close) const {
    int depth = 0;
    for (std::size_t i = close; i > 0; --i) {
      const Token& t = tokens_[i];
      depth += (t.is(")") || t.is("]") || t.is("}")) - (t.is("(") || t.is("[") || t.is("{"));
      if (depth == 0) return i;
    }
    return 0;
  }
  std::size_t closing_angle(std::size_t open) const {
    int depth = 0;
    for (std::size_t i = open; i < tokens_.size(); ++i) {
      const Token& t = tokens_[i];
      if (t.is("(") || t.is("[") || t.is("{")) {
        i = closing(i);
        if (i == kNone) return kNone;
        continue;
      }
      if (t.is("<")) ++depth;
      if (t.is(">") && --depth == 0) return i;
      if (t.is(";")) return kNone;
    }
    return kNone;
  }

  // The index of the brace that ends the function whose `__global__` stands at `i`; 0 for a mere declaration.
  std::size_t end_of_body(std::size_t i) const {
    for (++i; i < tokens_.size() && !is(i, ";"); ++i) {
      const bool body = is(i, "{");
      if (body || is(i, "(")) i = closing(i);
      if (i == kNone || body) return i == kNone ? 0 : i;
    }
    return 0;
  }

  // Where the expression that names the kernel begins; `end` is the first token after it.
  std::size_t kernel_begin(std::size_t end) const {
    std::size_t i = end;
    if (i > 0 && is(i - 1, ">")) {  // template arguments
      int depth = 0;
      while (i > 0) {
        --i;
        const Token& t = tokens_[i];
        if (t.is(")") || t.is("]")) {
          i = opening(i);
          continue;
        }
        depth += t.is(">") - t.is("<");
        if (t.is(";") || t.is("{")) return kNone;
        if (depth == 0) break;
      }
    } else if (i > 0 && (is(i - 1, ")") || is(i - 1, "]"))) {
      i = opening(i - 1);
      if (is(i, "(")) return i;
    }
    if (i == 0 || tokens_[i - 1].kind != TokenKind::word) return kNone;
    --i;
    while (i > 1 && (is(i - 1, "::") || is(i - 1, "->") || is(i - 1, ".")) &&
           tokens_[i - 2].kind == TokenKind::word)
      i -= 2;
    if (i > 0 && is(i - 1, "::")) --i;
    if (i > 0 && is(i - 1, "template")) --i;
    return i;
  }

  void launch() {
    const std::size_t begin = kernel_begin(at_);
    if (begin == kNone) return;  // three `<` in a row that launch nothing: the compiler will have its say
    if (at_ < kernel_ends_) {
      out_.unsupported.push_back(
          {std::string(file_), line_of(tokens_[at_]), "a kernel that a kernel launches (dynamic parallelism)"});
    }
    const bool spaced = !adjacent(at_ + 1);
    std::size_t end = kNone;
    for (std::size_t i = at_ + 3; i < tokens_.size(); ++i) {
      if (is(i, "(") || is(i, "[") || is(i, "{")) {
        i = closing(i);
        if (i == kNone) break;
      } else if (closes_launch(i, spaced)) {
        end = i;
        while (is(end + 3, ">")) ++end;  // `Config<int>>>>`: the last three close the launch
        break;
      } else if (is(i, ";")) {
        break;
      }
    }
    if (end == kNone || !is(end + 3, "(")) {
      fail(tokens_[at_], "a kernel launch without `>>>(`; write kernel<<<grid, block>>>(arguments)");
    }
    std::string kernel(text(begin, at_));
    std::replace(kernel.begin(), kernel.end(), '\n', ' ');
    std::size_t name = begin;
    while (name + 2 < at_ && (is(name + 1, "::") || is(name, "::"))) ++name;
    if (is(name, "template")) ++name;
    while (name + 1 < at_ && !is(name + 1, "<") && !is(name, "(")) ++name;
    const bool deduced = templates_.contains(tokens_[name].text);
    std::string quoted;
    for (const char c : kernel) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    replace(begin, at_,
            fmt::format("::flashlab_simt::{}(::flashlab_simt::Config(\"{}\", ", deduced ? "deduced" : "typed",
                        quoted));
    replace(at_, at_ + 3, "");
    replace(end, end + 3,
            deduced ? fmt::format("), [=](auto... flashlab_a) __attribute__((no_sanitize(\"thread\"))) {{ "
                                  "{}(flashlab_a...); }})",
                                  kernel)
                    : fmt::format("), {})", kernel));
    ++out_.launches;
    at_ += 2;  // the configuration and the arguments may hold more to rewrite
  }

  // From the beginning of its statement to its semicolon.
  void shared_declaration() {
    std::size_t begin = at_;
    bool is_extern = false;
    while (begin > 0) {
      const Token& t = tokens_[begin - 1];
      if (t.kind == TokenKind::directive || t.is(";") || t.is("{") || t.is("}") || t.is(":")) break;
      if (t.is(")")) {  // an attribute, or the head of an if
        std::size_t open = begin - 1;
        for (int depth = 0; open > 0; --open) {
          depth += is(open, ")") - is(open, "(");
          if (depth == 0) break;
        }
        if (open == 0 || !(is(open - 1, "__attribute__") || is(open - 1, "alignas"))) break;
        begin = open - 1;
        continue;
      }
      --begin;
    }
    std::size_t end = at_;
    while (end < tokens_.size() && !is(end, ";")) {
      if (is(end, "(") || is(end, "[") || is(end, "{")) end = closing(end);
      if (end == kNone) break;
      ++end;
    }
    if (end == kNone || end >= tokens_.size()) fail(tokens_[at_], "a __shared__ declaration without its `;`");

    // Specifiers up to the first declarator; declarators split at commas outside of brackets.
    std::string specifiers;
    std::vector<std::string> alignments;
    std::vector<std::size_t> starts;  // the names
    std::size_t angle = 0;
    std::size_t last_word = kNone;
    std::size_t declarators = kNone;  // first token that belongs to a declarator
    for (std::size_t i = begin; i <= end; ++i) {
      const Token& t = tokens_[i];
      if (t.is("extern")) is_extern = true;
      if ((t.is("__attribute__") || t.is("alignas")) && is(i + 1, "(")) {
        const std::size_t close = closing(i + 1);
        alignments.emplace_back(text(i, close + 1));
        i = close;
        continue;
      }
      if (t.is("(") || t.is("{")) {
        if (t.is("(") && angle == 0 && last_word != kNone && !is(last_word, "decltype") &&
            !is(last_word, "__typeof__")) {
          fail(
              t,
              "a __shared__ declaration of a pointer to an array or with a constructor; declare a plain array");
        }
        i = closing(i);
        continue;
      }
      if (t.is("<") && (angle > 0 || last_word == i - 1)) ++angle;
      if (t.is(">") && angle > 0) --angle;
      if (angle > 0) continue;
      if (t.is("[") || t.is(",") || t.is(";") || t.is("=")) {
        if (starts.empty() || starts.back() != last_word) {
          if (last_word == kNone) fail(t, "a __shared__ declaration without a name");
          starts.push_back(last_word);
          if (declarators == kNone) declarators = last_word;
        }
        if (t.is("[")) i = closing(i);
        if (t.is("=")) fail(t, "a __shared__ variable cannot be initialised");
      } else if (t.kind == TokenKind::word) {
        last_word = i;
      }
    }
    while (declarators > begin && (is(declarators - 1, "*") || is(declarators - 1, "&"))) --declarators;
    for (std::size_t i = begin; i < declarators; ++i) {
      const Token& t = tokens_[i];
      if (t.kind == TokenKind::directive || t.is("extern") || t.is("static") || t.is("__shared__") ||
          t.is("const") || t.is("inline"))
        continue;
      if ((t.is("__attribute__") || t.is("alignas")) && is(i + 1, "(")) {
        i = closing(i + 1);
        continue;
      }
      specifiers += std::string(t.text) + ' ';
    }
    std::string with;
    if (is_extern) {
      const std::string name(tokens_[starts.front()].text);
      const bool in_function = depth_of(begin) > 0;
      with = in_function
                 ? fmt::format("{0}* const {1} = static_cast<{0}*>(::flashlab_dynamic_shared());", specifiers,
                               name)
                 : fmt::format("static const ::flashlab_simt::DynamicShared<{}> {}{{}};", specifiers, name);
    } else {
      std::string aligned;
      for (const std::string& a : alignments) aligned += a + ' ';
      std::string list;
      for (std::size_t i = declarators; i < end; ++i) {
        if (tokens_[i].kind != TokenKind::directive)
          list += std::string(i == declarators ? "" : spacing(i)) + std::string(tokens_[i].text);
      }
      const int n = shared_++;
      with = fmt::format(
          "struct flashlab_s{0} {{ {1}{2}{3}; }}; flashlab_s{0}& flashlab_v{0} = "
          "::flashlab_simt::shared<flashlab_s{0}>();",
          n, aligned, specifiers, list);
      for (const std::size_t name : starts)
        with += fmt::format(" auto& {0} = flashlab_v{1}.{0};", tokens_[name].text, n);
    }
    edits_.erase(std::remove_if(edits_.begin(), edits_.end(),
                                [&](const Edit& e) { return e.begin >= tokens_[begin].begin; }),
                 edits_.end());
    // Line marks within the declaration go with it, but for the last, which tells where the next line stands.
    std::size_t mark = end;
    while (mark > begin && tokens_[mark].kind != TokenKind::directive) --mark;
    if (mark == begin) {
      replace(begin, end + 1, with);
    } else {
      note_line(tokens_[mark]);
      const std::string_view rest = source_.substr(line_counted_to_, tokens_[end].begin - line_counted_to_);
      edits_.push_back({tokens_[begin].begin, tokens_[end].begin + 1,
                        fmt::format("{}\n{}{}", with, tokens_[mark].text, newlines_of(rest))});
    }
    at_ = end;
  }

  // A blank where the source has one.
  std::string_view spacing(std::size_t i) const {
    const Token& before = tokens_[i - 1];
    return before.begin + before.text.size() == tokens_[i].begin ? "" : " ";
  }

  // Braces that are open before the token, namespaces and linkage blocks not counted.
  int depth_of(std::size_t index) const {
    std::vector<bool> counts;
    for (std::size_t i = 0; i < index; ++i) {
      if (is(i, "{")) {
        bool outer = false;
        for (std::size_t j = i; j-- > 0 && i - j < 12;) {
          if (is(j, ";") || is(j, "}") || is(j, "{") || is(j, ")") || tokens_[j].kind == TokenKind::directive)
            break;
          if (is(j, "namespace") || is(j, "extern")) outer = true;
        }
        counts.push_back(!outer);
      } else if (is(i, "}") && !counts.empty()) {
        counts.pop_back();
      }
    }
    return static_cast<int>(std::count(counts.begin(), counts.end(), true));
  }

  void apply() {
    std::stable_sort(edits_.begin(), edits_.end(),
                     [](const Edit& a, const Edit& b) { return a.begin < b.begin; });
    std::size_t at = 0;
    for (const Edit& e : edits_) {
      out_.text += source_.substr(at, e.begin - at);
      out_.text += e.text;
      at = e.end;
    }
    out_.text += source_.substr(at);
    // Tell the runtime where this file's code lies.
    out_.text +=
        "\nnamespace { __attribute__((constructor(65535))) void flashlab_register() { "
        "::flashlab::simt::register_code(reinterpret_cast<const void*>(&flashlab_register)); } }\n";
  }

  std::string_view source_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::size_t kernel_ends_ = 0;  // the last token of the last kernel that began
  std::vector<Edit> edits_;
  std::set<std::string_view> templates_;
  std::string_view file_ = "?";
  int line_ = 0;
  std::size_t line_counted_to_ = 0;
  bool in_system_header_ = false;
  int shared_ = 0;
  Rewritten out_;
};

}  // namespace

Rewritten rewrite(std::string_view preprocessed) { return Rewriter(preprocessed).run(); }

}  // namespace flashlab::simt
