#include "sim/simt/rewrite/ptx.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "sim/simt/rewrite/ptx_instructions.hpp"

namespace flashlab::simt {
namespace {

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.front()))) s.remove_prefix(1);
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.back()))) s.remove_suffix(1);
  return s;
}

std::string without_comments(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s.substr(i, 2) == "//") {
      i = std::min(s.find('\n', i), s.size() - 1);
      out += '\n';
    } else if (s.substr(i, 2) == "/*") {
      const std::size_t end = s.find("*/", i + 2);
      if (end == std::string_view::npos) break;
      i = end + 1;
      out += ' ';
    } else {
      out += s[i];
    }
  }
  return out;
}

std::vector<std::string_view> split_at_top(std::string_view s, char separator) {
  std::vector<std::string_view> parts;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= s.size(); ++i) {
    if (i < s.size()) depth += (s[i] == '{' || s[i] == '[') - (s[i] == '}' || s[i] == ']');
    if (i == s.size() || (s[i] == separator && depth == 0)) {
      parts.push_back(trimmed(s.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  return parts;
}

std::string_view type_of_constraint(char c) {
  switch (c) {
    case 'h':
      return "::std::uint16_t";
    case 'r':
      return "::std::uint32_t";
    case 'l':
      return "::std::uint64_t";
    case 'n':
    case 'i':
      return "long long";
    case 'f':
      return "float";
    case 'd':
      return "double";
    default:
      return "";
  }
}

class Translator {
 public:
  explicit Translator(const AsmStatement& statement) : statement_(statement) {}

  TranslatedAsm run() {
    std::string body = "do {", results;
    int number = 0;
    for (const AsmOperand& o : statement_.outputs) {
      const auto at = o.constraint.find_first_not_of("=+&");
      const std::string_view type = at == std::string::npos ? "" : type_of_constraint(o.constraint[at]);
      if (type.empty() || o.constraint.front() == 'n')
        return {"", fmt::format("the operand \"{}\" of inline PTX", o.constraint)};
      body += fmt::format(" {} flashlab_{}{};", type, number,
                          o.constraint.front() == '+'
                              ? fmt::format(" = ::flashlab_ptx::as<{}>({})", type, o.expression)
                              : std::string("{}"));
      results += fmt::format(" ::flashlab_ptx::set({}, flashlab_{});", o.expression, number++);
    }
    for (const AsmOperand& o : statement_.inputs) {
      const std::string_view type = o.constraint.size() == 1 ? type_of_constraint(o.constraint[0]) : "";
      if (type.empty()) return {"", fmt::format("the operand \"{}\" of inline PTX", o.constraint)};
      body +=
          fmt::format(" const {0} flashlab_{1} = ::flashlab_ptx::as<{0}>({2});", type, number++, o.expression);
    }
    operands_ = number;
    instructions(without_comments(statement_.text), body);
    if (!unknown_.empty()) return {"", unknown_};
    return {body + results + " } while (0)", ""};
  }

 private:
  // Splits at `;`, and at braces that stand where an instruction may begin.
  void instructions(std::string_view text, std::string& body) {
    int scopes = 0;
    std::size_t begin = 0;
    int depth = 0;  // of braces within an instruction
    for (std::size_t i = 0; i <= text.size() && unknown_.empty(); ++i) {
      const bool at_start = trimmed(text.substr(begin, i - begin)).empty();
      if (i == text.size() || (text[i] == ';' && depth == 0)) {
        if (!at_start) instruction(trimmed(text.substr(begin, i - begin)), body);
        begin = i + 1;
      } else if (text[i] == '{' && at_start) {
        body += " {";
        ++scopes;
        begin = i + 1;
      } else if (text[i] == '}' && at_start) {
        if (--scopes < 0) break;
        body += " }";
        begin = i + 1;
      } else {
        depth += (text[i] == '{') - (text[i] == '}');
      }
    }
    if (unknown_.empty() && (scopes != 0 || depth != 0)) unknown_ = "inline PTX whose braces do not match";
  }

  void instruction(std::string_view text, std::string& body) {
    if (text.starts_with(".reg")) return declaration(text, body);
    std::string guard;
    if (text.front() == '@') {
      const std::size_t end = std::min(text.find_first_of(" \t\n"), text.size());
      const bool negated = text.substr(0, 2) == "@!";
      const std::string predicate = name(trimmed(text.substr(negated ? 2 : 1, end - (negated ? 2 : 1))));
      if (predicate.empty()) return refuse(text);
      guard = fmt::format(" if ({}{})", negated ? "!" : "", predicate);
      text = trimmed(text.substr(end));
    }
    const std::size_t end = std::min(text.find_first_of(" \t\n"), text.size());
    PtxInstruction in;
    in.mnemonic = text.substr(0, end);
    std::string_view rest = trimmed(text.substr(end));
    if (!rest.empty()) {
      for (const std::string_view part : split_at_top(rest, ',')) {
        PtxOperand o;
        if (!operand(part, o)) return refuse(in.mnemonic);
        in.operands.push_back(std::move(o));
      }
    }
    const std::string code = code_of(in);
    if (code.empty()) return refuse(in.mnemonic);
    body += fmt::format("{} {{ {} }}", guard, code);
  }

  void refuse(std::string_view what) { unknown_ = fmt::format("the PTX instruction `{}`", what); }

  void declaration(std::string_view text, std::string& body) {  // .reg .b32 a, b
    std::string_view rest = trimmed(text.substr(4));
    const std::size_t end = std::min(rest.find_first_of(" \t\n"), rest.size());
    std::string_view type = rest.substr(0, end);
    if (!type.starts_with(".")) return refuse(text);
    const std::string_view cpp = register_type(type.substr(1));
    if (cpp.empty()) return refuse(text);
    for (const std::string_view n : split_at_top(rest.substr(end), ',')) {
      const bool plain = !n.empty() && std::all_of(n.begin(), n.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%';
      });
      if (!plain) return refuse(text);
      declared_.emplace(n);
      body += fmt::format(" {} {}{{}};", cpp, variable(n));
    }
  }

  static std::string variable(std::string_view ptx_name) {
    std::string out = "flashlab_r_";
    for (const char c : ptx_name) out += c == '%' ? '_' : c;
    return out;
  }

  // A register's variable, or "".
  std::string name(std::string_view s) const {
    if (s.starts_with("%") && statement_.extended && s.size() > 1 &&
        std::all_of(s.begin() + 1, s.end(), [](unsigned char c) { return std::isdigit(c); })) {
      const int n = s.size() < 4 ? std::stoi(std::string(s.substr(1))) : operands_;
      return n < operands_ ? fmt::format("flashlab_{}", n) : "";
    }
    std::string unescaped;  // %%laneid → %laneid
    for (std::size_t i = 0; i < s.size(); ++i) {
      unescaped += s[i];
      if (s[i] == '%' && statement_.extended && i + 1 < s.size() && s[i + 1] == '%') ++i;
    }
    if (declared_.contains(unescaped)) return variable(unescaped);
    return std::string(special_register(unescaped));
  }

  static std::string number(std::string_view s) {
    const bool negative = s.starts_with("-");
    const std::string_view digits = negative ? s.substr(1) : s;
    if (digits.empty() || !std::isdigit(static_cast<unsigned char>(digits[0]))) return "";
    const auto hex = [](std::string_view h) {
      return !h.empty() && std::all_of(h.begin(), h.end(), [](unsigned char c) { return std::isxdigit(c); });
    };
    const std::string_view kind = digits.substr(0, 2);
    if ((kind == "0f" || kind == "0F") && digits.size() == 10 && hex(digits.substr(2)))
      return fmt::format("__builtin_bit_cast(float, 0x{}u)", digits.substr(2));
    if ((kind == "0d" || kind == "0D") && digits.size() == 18 && hex(digits.substr(2)))
      return fmt::format("__builtin_bit_cast(double, 0x{}ul)", digits.substr(2));
    if (kind == "0x" || kind == "0X") {
      std::string_view h = digits.substr(2);
      if (h.ends_with("U")) h.remove_suffix(1);
      return hex(h) && h.size() <= 16 ? fmt::format("({}0x{}ll)", negative ? "-" : "", h) : "";
    }
    std::string_view d = digits.ends_with("U") ? digits.substr(0, digits.size() - 1) : digits;
    const bool whole = std::all_of(d.begin(), d.end(), [](unsigned char c) { return std::isdigit(c); });
    const bool real = std::all_of(d.begin(), d.end(), [](char c) {
      return std::isdigit(static_cast<unsigned char>(c)) || c == '.' || c == 'e' || c == 'E' || c == '-' ||
             c == '+';
    });
    if (whole && d.size() < 19) return fmt::format("({}{}ll)", negative ? "-" : "", std::stoll(std::string(d)));
    return real && std::count(d.begin(), d.end(), '.') == 1 ? fmt::format("({})", s) : "";
  }

  bool value(std::string_view s, std::string& out) const {
    out = name(s);
    if (out.empty()) out = number(s);
    return !out.empty();
  }

  bool operand(std::string_view s, PtxOperand& o) const {
    if (s.starts_with("{") && s.ends_with("}")) {
      o.kind = PtxOperand::Kind::vector;
      for (const std::string_view part : split_at_top(s.substr(1, s.size() - 2), ',')) {
        std::string v;
        if (!value(part, v)) return false;
        o.values.push_back(v);
      }
      return true;
    }
    if (s.starts_with("[") && s.ends_with("]")) {
      o.kind = PtxOperand::Kind::memory;
      const std::string_view inner = trimmed(s.substr(1, s.size() - 2));
      const std::size_t sign = inner.find_first_of("+-", 1);
      std::string base, offset = "0";
      if (!value(trimmed(inner.substr(0, sign)), base)) return false;
      if (sign != std::string_view::npos) {
        const std::string_view after = trimmed(inner.substr(sign + 1));
        if (!value(after, offset)) return false;
        if (inner[sign] == '-') offset = "-(" + offset + ")";
      }
      o.values = {base, offset};
      return true;
    }
    o.kind = PtxOperand::Kind::scalar;
    if (s == "_") return false;
    o.values.resize(1);
    if (s.starts_with("!")) {
      if (!value(trimmed(s.substr(1)), o.values[0])) return false;
      o.values[0] = "!" + o.values[0];
      return true;
    }
    return value(s, o.values[0]);
  }

  const AsmStatement& statement_;
  int operands_ = 0;
  std::set<std::string, std::less<>> declared_;
  std::string unknown_;
};

}  // namespace

TranslatedAsm translate_asm(const AsmStatement& statement) { return Translator(statement).run(); }

std::string literal_value(std::string_view token) {
  const std::size_t quote = token.find('"');
  if (quote == std::string_view::npos) return "";
  if (quote > 0 && token[quote - 1] == 'R') {
    const std::size_t open = token.find('(', quote), close = token.rfind(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close <= open) return "";
    return std::string(token.substr(open + 1, close - open - 1));
  }
  std::string out;
  for (std::size_t i = quote + 1; i + 1 < token.size(); ++i) {
    if (token[i] != '\\') {
      out += token[i];
      continue;
    }
    switch (const char c = token[++i]) {
      case 'n':
      case 'r':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case '\n':
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace flashlab::simt
