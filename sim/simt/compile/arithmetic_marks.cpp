#include "sim/simt/compile/arithmetic_marks.hpp"

#include <fmt/format.h>

#include <set>
#include <vector>

#include "sim/simt/compile/assembly.hpp"

namespace flashlab::simt {
namespace {

using View = std::string_view;

// "\tvaddss\t%xmm0, …" → "vaddss"; "" for labels, directives and the rest.
View mnemonic_of(View line) {
  if (line.size() < 2 || line[0] != '\t' || line[1] == '.') return "";
  return line.substr(1, line.find_first_of("\t ", 1) - 1);
}

// "\tcall\texpf@PLT" → "expf"
View called(View line) {
  if (mnemonic_of(line) != "call") return "";
  const View name = line.substr(std::min(line.find_last_of("\t ") + 1, line.size()));
  return name.substr(0, name.find('@'));
}

bool is_special_function(View name) {
  static const std::set<View> known = {"exp",   "exp2", "exp10", "expm1", "log",   "log2",   "log10",
                                       "log1p", "sin",  "cos",   "tan",   "sinh",  "cosh",   "tanh",
                                       "asin",  "acos", "atan",  "atan2", "pow",   "sqrt",   "cbrt",
                                       "erf",   "erfc", "asinh", "acosh", "atanh", "sincos", "hypot"};
  return known.contains(name) || (name.ends_with("f") && known.contains(name.substr(0, name.size() - 1)));
}

bool is_simple_hook(View name) {
  if (!name.starts_with("__tsan_")) return false;
  name.remove_prefix(7);
  if (name.starts_with("volatile_")) name.remove_prefix(9);
  if (name.starts_with("read")) {
    name.remove_prefix(4);
  } else if (name.starts_with("write")) {
    name.remove_prefix(5);
  } else {
    return false;
  }
  return name == "1" || name == "2" || name == "4" || name == "8" || name == "16";
}

bool ends_block(View line) {
  const View m = mnemonic_of(line);
  return m.starts_with("j") || m == "ret" || m == "ud2";
}
bool begins_block(View line) {  // labels that code may jump to
  return !line.empty() && line.ends_with(":") && !line.starts_with(".LF") && !line.starts_with(".LV") &&
         !line.starts_with(".LB") && !line.starts_with(".LE");
}

bool reads_flags(View m) {
  return (m.starts_with("j") && m != "jmp") || m.starts_with("set") || m.starts_with("cmov") ||
         m.starts_with("adc") || m.starts_with("sbb") || m.starts_with("rcl") || m.starts_with("rcr") ||
         m == "pushf" || m == "pushfq";
}
bool writes_flags(View m) {
  if (m.find("comis") != View::npos) return true;
  for (const View vector : {"ss", "sd", "ps", "pd"}) {
    if (m.ends_with(vector)) return false;
  }
  for (const View start : {"add", "sub", "cmp", "test", "and", "or", "xor", "neg", "imul", "call", "ret"}) {
    if (m.starts_with(start)) return true;
  }
  return false;
}

// Whether the flags may still be wanted where the lines [from, to) begin.
bool flags_live(const std::vector<View>& lines, std::size_t from, std::size_t to) {
  for (std::size_t i = from; i < to; ++i) {
    const View m = mnemonic_of(lines[i]);
    if (reads_flags(m)) return true;
    if (writes_flags(m)) return false;
  }
  return true;
}

}  // namespace

Arithmetic arithmetic_of(View line) {
  View m = mnemonic_of(line);
  if (m.empty()) return Arithmetic::none;
  if (m == "call") {
    const View name = called(line);
    if (name == "fmaf") return Arithmetic::ffma;
    if (name == "fma") return Arithmetic::dfma;
    return is_special_function(name) ? Arithmetic::special : Arithmetic::none;
  }
  if (m.starts_with("v")) m.remove_prefix(1);
  const bool single = m.ends_with("ss"), wide = m.ends_with("sd");
  if (!single && !wide) return Arithmetic::none;
  const auto either = [&](Arithmetic s, Arithmetic d) { return single ? s : d; };
  if (m.starts_with("fmadd") || m.starts_with("fmsub") || m.starts_with("fnmadd") || m.starts_with("fnmsub"))
    return either(Arithmetic::ffma, Arithmetic::dfma);
  const View op = m.substr(0, m.size() - 2);
  if (op == "add" || op == "sub") return either(Arithmetic::fadd, Arithmetic::dadd);
  if (op == "mul") return either(Arithmetic::fmul, Arithmetic::dmul);
  if (op == "div" || op == "sqrt") return Arithmetic::special;
  return Arithmetic::none;
}

std::string mark_arithmetic(View assembly) {
  const std::vector<View> lines = lines_of(assembly);
  std::string out;
  out.reserve(assembly.size() * 5 / 4);
  CodeSection section;
  std::size_t counters = 0;
  for (std::size_t begin = 0; begin < lines.size();) {
    // A block: what follows its label, or the last block's jump, up to the next jump or label.
    std::size_t end = begin + 1;
    while (end < lines.size() && !ends_block(lines[end - 1]) && !begins_block(lines[end])) ++end;
    ArithmeticCounts counts{};
    std::uint64_t sum = 0;
    std::size_t hook = end, first = end;
    for (std::size_t i = begin; i < end; ++i) {
      const Arithmetic a = arithmetic_of(lines[i]);
      if (a != Arithmetic::none) {
        ++counts[static_cast<std::size_t>(a)];
        ++sum;
        first = std::min(first, i);
      }
      if (hook == end && is_simple_hook(called(lines[i]))) hook = i;
    }
    for (std::size_t i = begin; i < end; ++i) {
      section.see(lines[i]);
      if (sum != 0 && hook == end && i == first) {
        const bool keep_flags = flags_live(lines, i, end);
        const auto [arithmetic, special] = work_of(counts);
        out += fmt::format(
            "{0}\tpushq\t%rax\n\tmovq\t.Lflashlab_counters@gottpoff(%rip), %rax\n\tincq\t%fs:{1}(%rax)\n"
            "\tmovq\tflashlab_counted_work@gottpoff(%rip), %rax\n",
            keep_flags ? "\tpushfq\n" : "", 8 * counters);
        if (arithmetic != 0) out += fmt::format("\taddq\t${}, %fs:(%rax)\n", arithmetic);
        if (special != 0) out += fmt::format("\taddq\t${}, %fs:8(%rax)\n", special);
        out += fmt::format("\tpopq\t%rax\n{}", keep_flags ? "\tpopfq\n" : "");
      }
      out += lines[i];
      out += '\n';
      const bool here = sum != 0 && i == (hook != end ? hook : first);
      if (!here) continue;
      if (hook != end) out += fmt::format(".Lflashlab_access{}:\n", i);
      out += section.push_table("flashlab_arithmetic");
      out += hook != end ? fmt::format("\t.quad 0, .Lflashlab_access{}", i)
                         : fmt::format("\t.quad .Lflashlab_find_counters, {}", counters++);
      for (const std::uint64_t count : counts) out += fmt::format(", {}", count);
      out += "\n\t.popsection\n";
    }
    begin = end;
  }
  if (counters != 0) {
    out += fmt::format(
        "\t.text\n.Lflashlab_find_counters:\n\tmovq\t.Lflashlab_counters@gottpoff(%rip), %rax\n\taddq\t%fs:0, "
        "%rax\n\tret\n"
        "\t.section .tbss,\"awT\",@nobits\n\t.align 8\n.Lflashlab_counters:\n\t.zero {}\n",
        8 * counters);
  }
  return out;
}

}  // namespace flashlab::simt
