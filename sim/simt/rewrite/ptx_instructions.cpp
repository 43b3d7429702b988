#include "sim/simt/rewrite/ptx_instructions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace flashlab::simt {
namespace {

using View = std::string_view;

constexpr std::pair<View, View> kTypes[] = {
    {"b8", "::std::uint8_t"},   {"u8", "::std::uint8_t"},   {"s8", "::std::int8_t"},
    {"b16", "::std::uint16_t"}, {"u16", "::std::uint16_t"}, {"s16", "::std::int16_t"},
    {"b32", "::std::uint32_t"}, {"u32", "::std::uint32_t"}, {"s32", "::std::int32_t"},
    {"b64", "::std::uint64_t"}, {"u64", "::std::uint64_t"}, {"s64", "::std::int64_t"},
    {"f32", "float"},           {"f64", "double"}};

View cpp_type(View ptx) {
  for (const auto& [name, cpp] : kTypes) {
    if (name == ptx) return cpp;
  }
  return "";
}
bool is_float(View type) { return type == "f32" || type == "f64"; }
bool is_integer(View type) { return !is_float(type) && !cpp_type(type).empty(); }

/// An instruction taken apart: `cp.async.cg` is cp with the parts async and cg.
class Instruction {
 public:
  explicit Instruction(const PtxInstruction& in) : in_(in) {
    for (std::size_t begin = 0; begin <= in.mnemonic.size();) {
      const std::size_t end = std::min(in.mnemonic.find('.', begin), in.mnemonic.size());
      parts_.push_back(in.mnemonic.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  View name() const { return parts_.front(); }
  View last() const { return parts_.back(); }
  View before_last() const { return parts_.size() > 2 ? parts_[parts_.size() - 2] : View(); }
  std::size_t parts() const { return parts_.size(); }
  View part(std::size_t i) const { return i < parts_.size() ? parts_[i] : View(); }
  bool has(View p) const { return std::find(parts_.begin() + 1, parts_.end(), p) != parts_.end(); }
  /// Whether every part but the name and the last `types` ones is among these.
  bool only(std::initializer_list<View> allowed, std::size_t types = 1) const {
    if (parts_.size() < 1 + types) return false;
    return std::all_of(parts_.begin() + 1, parts_.end() - static_cast<std::ptrdiff_t>(types),
                       [&](View p) { return std::find(allowed.begin(), allowed.end(), p) != allowed.end(); });
  }
  /// Whether the operands are of these kinds: s scalar, v vector, m memory.
  bool takes(View kinds) const {
    if (in_.operands.size() != kinds.size()) return false;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      if ("svm"[static_cast<int>(in_.operands[i].kind)] != kinds[i]) return false;
    }
    return true;
  }
  std::size_t count() const { return in_.operands.size(); }
  std::size_t elements(std::size_t i) const { return in_.operands[i].values.size(); }
  const std::string& raw(std::size_t i, std::size_t element = 0) const {
    return in_.operands[i].values[element];
  }
  std::string as(std::size_t i, View cpp, std::size_t element = 0) const {
    return fmt::format("::flashlab_ptx::as<{}>({})", cpp, raw(i, element));
  }
  std::string list(std::size_t i) const {
    std::string out;
    for (const std::string& v : in_.operands[i].values) out += (out.empty() ? "" : ", ") + v;
    return out;
  }
  std::string address(std::size_t i, bool shared) const {
    return fmt::format("::flashlab_ptx::{}({}, {})", shared ? "at_shared" : "at", raw(i, 0), raw(i, 1));
  }
  std::string set(const std::string& value) const {
    return fmt::format("::flashlab_ptx::set({}, {});", raw(0), value);
  }

 private:
  const PtxInstruction& in_;
  std::vector<View> parts_;
};

bool shared_space(const Instruction& i) { return i.has("shared") || i.has("shared::cta"); }

std::string matrix(const Instruction& i) {
  if (i.name() == "ldmatrix") {
    if (!i.only({"sync", "aligned", "m8n8", "x1", "x2", "x4", "trans", "shared", "shared::cta"}) ||
        i.last() != "b16" || !shared_space(i) || i.count() != 2)
      return "";
    const std::size_t count = i.has("x4") ? 4 : i.has("x2") ? 2 : i.has("x1") ? 1 : 0;
    if (count != i.elements(0) || !(i.takes("vm") || (count == 1 && i.takes("sm")))) return "";
    return fmt::format("::flashlab_ptx::ldmatrix({}, {}, {});", i.has("trans"), i.address(1, true), i.list(0));
  }
  if (i.name() == "movmatrix") {
    if (!i.only({"sync", "aligned", "m8n8", "trans"}) || i.last() != "b16" || !i.takes("ss")) return "";
    return i.set(fmt::format("::flashlab_movmatrix({})", i.as(1, "::std::uint32_t")));
  }
  // mma.sync.aligned.SHAPE.row.col.D.A.B.C
  const View shape = i.part(3), d = i.part(6), a = i.part(7);
  const bool k16 = shape == "m16n8k16";
  if (i.part(1) != "sync" || i.part(2) != "aligned" || !(k16 || shape == "m16n8k8") || i.part(4) != "row" ||
      i.part(5) != "col" || i.part(8) != a || i.part(9) != d || !i.part(10).empty() || !i.takes("vvvv"))
    return "";
  if (!(a == "f16" || (a == "bf16" && d == "f32")) || !(d == "f32" || d == "f16")) return "";
  const std::size_t sums = d == "f32" ? 4 : 2;
  if (i.elements(0) != sums || i.elements(1) != (k16 ? 4u : 2u) || i.elements(2) != (k16 ? 2u : 1u) ||
      i.elements(3) != sums)
    return "";
  return fmt::format("::flashlab_ptx::mma_{}_{}_{}({}, {}, {}, {});", shape, d, a, i.list(0), i.list(1),
                     i.list(2), i.list(3));
}

std::string async_copy(const Instruction& i) {
  if (i.part(1) != "async") return "";
  if (i.part(2) == "commit_group" && i.part(3).empty() && i.count() == 0) return "::flashlab_copy_commit();";
  if (i.part(2) == "wait_all" && i.part(3).empty() && i.count() == 0)
    return "::flashlab_copy_wait(~::std::size_t{0});";
  if (i.part(2) == "wait_group" && i.part(3).empty() && i.takes("s"))
    return fmt::format("::flashlab_copy_wait({});", i.as(0, "::std::uint32_t"));
  if (!i.only({"async", "ca", "cg", "shared", "shared::cta", "global", "L2::64B", "L2::128B"}) ||
      !shared_space(i) || !(i.last() == "global" || i.last().starts_with("L2::")) ||
      !(i.takes("mms") || i.takes("mmss")))
    return "";
  return fmt::format("::flashlab_ptx::copy_async({}, {}, {}{});", i.address(0, true), i.address(1, false),
                     i.as(2, "::std::uint32_t"), i.count() == 4 ? ", " + i.as(3, "::std::uint32_t") : "");
}

std::string memory(const Instruction& i) {
  const bool load = i.name() == "ld";
  const View type = cpp_type(i.last());
  if (type.empty() || !i.only({"global",
                               "shared",
                               "shared::cta",
                               "volatile",
                               "weak",
                               "relaxed",
                               "acquire",
                               "release",
                               "cta",
                               "gpu",
                               "sys",
                               "nc",
                               "ca",
                               "cg",
                               "cs",
                               "lu",
                               "cv",
                               "wb",
                               "wt",
                               "L1::no_allocate",
                               "L1::evict_first",
                               "L1::evict_last",
                               "L1::evict_normal",
                               "L1::evict_unchanged",
                               "L2::64B",
                               "L2::128B",
                               "L2::256B",
                               "v2",
                               "v4"}))
    return "";
  const std::size_t count = i.has("v4") ? 4 : i.has("v2") ? 2 : 1;
  const std::size_t data = load ? 0 : 1, place = load ? 1 : 0;
  const View kinds = count == 1 ? (load ? "sm" : "ms") : (load ? "vm" : "mv");
  if (!i.takes(kinds) || i.elements(data) != count) return "";
  return fmt::format("::flashlab_ptx::{}<{}>({}, {});", load ? "load" : "store", type,
                     i.address(place, shared_space(i)), i.list(data));
}

std::string atomic(const Instruction& i) {
  static constexpr std::pair<View, View> ops[] = {
      {"add", "atomicAdd"}, {"min", "atomicMin"}, {"max", "atomicMax"},   {"and", "atomicAnd"},
      {"or", "atomicOr"},   {"xor", "atomicXor"}, {"exch", "atomicExch"}, {"inc", "atomicInc"},
      {"dec", "atomicDec"}, {"cas", "atomicCAS"}};
  const bool answers = i.name() == "atom";
  View op, function;
  for (const auto& [name, f] : ops) {
    if (i.has(name)) op = name, function = f;
  }
  View type = cpp_type(i.last());
  if (i.last() == "b64" || i.last() == "u64") type = "unsigned long long";
  if (i.last() == "s64") type = "long long";
  const bool adds_only = is_float(i.last()) && op != "add";
  const View kinds = answers ? (op == "cas" ? "smss" : "sms") : "ms";
  if (op.empty() || type.empty() || adds_only || i.last().ends_with("8") || i.last().ends_with("16") ||
      !i.takes(kinds) ||
      !i.only({"global", "shared", "shared::cta", "relaxed", "acquire", "release", "acq_rel", "cta", "gpu",
               "sys", op}))
    return "";
  const std::size_t place = answers ? 1 : 0;
  std::string call = fmt::format("::{}(static_cast<{}*>({}), {}", function, type,
                                 i.address(place, shared_space(i)), i.as(place + 1, type));
  if (op == "cas") call += ", " + i.as(3, type);
  call += ")";
  return answers ? i.set(call) : call + ";";
}

std::string approximate(
    const Instruction& i) {  // one operand, fp32: the special function unit, and its exact kin
  static constexpr std::pair<View, View> ops[] = {
      {"ex2", "exp2f({})"},  {"lg2", "log2f({})"}, {"rcp", "1.0f / ({})"}, {"rsqrt", "::rsqrtf({})"},
      {"sqrt", "sqrtf({})"}, {"sin", "sinf({})"},  {"cos", "cosf({})"},    {"tanh", "tanhf({})"}};
  if (i.last() != "f32" || !i.takes("ss") || !i.only({"approx", "rn", "ftz"})) return "";
  for (const auto& [name, expression] : ops) {
    if (i.name() != name) continue;
    std::string x = i.as(1, "float");
    if (i.has("ftz")) x = fmt::format("::flashlab_ptx::flushed({})", x);
    x = fmt::format(fmt::runtime(expression), x);
    return i.set(i.has("ftz") ? fmt::format("::flashlab_ptx::flushed({})", x) : x);
  }
  return "";
}

std::string arithmetic(const Instruction& i) {
  const View type = i.last(), cpp = cpp_type(type), name = i.name();
  if (cpp.empty() || i.count() < 2) return "";
  const auto binary = [&](View op) {
    return i.takes("sss") ? i.set(fmt::format("static_cast<{}>({} {} {})", cpp, i.as(1, cpp), op, i.as(2, cpp)))
                          : "";
  };
  if (is_float(type)) {
    const bool single = type == "f32";
    if (!i.only({"rn", "ftz", "full", "approx"})) return "";
    if (name == "add") return binary("+");
    if (name == "sub") return binary("-");
    if (name == "mul") return binary("*");
    if (name == "div") return binary("/");
    if ((name == "fma" || name == "mad") && i.takes("ssss"))
      return i.set(
          fmt::format("{}({}, {}, {})", single ? "fmaf" : "fma", i.as(1, cpp), i.as(2, cpp), i.as(3, cpp)));
    if ((name == "min" || name == "max") && i.takes("sss"))
      return i.set(fmt::format("f{}{}({}, {})", name, single ? "f" : "", i.as(1, cpp), i.as(2, cpp)));
    if (name == "neg" && i.takes("ss")) return i.set(fmt::format("-{}", i.as(1, cpp)));
    if (name == "abs" && i.takes("ss"))
      return i.set(fmt::format("{}({})", single ? "fabsf" : "fabs", i.as(1, cpp)));
    return "";
  }
  if (name == "mul" || name == "mad") {
    const bool mad = name == "mad";
    if (!i.only({"lo", "hi", "wide"}) || !i.takes(mad ? "ssss" : "sss")) return "";
    const bool is_signed = type.front() == 's', bits32 = type.ends_with("32");
    const View wide = is_signed ? (bits32 ? "::std::int64_t" : "__int128")
                                : (bits32 ? "::std::uint64_t" : "unsigned __int128");
    const View to = i.has("wide") ? wide : cpp;
    if (i.has("wide") && !bits32) return "";
    std::string product = i.has("lo") ? fmt::format("{} * {}", i.as(1, cpp), i.as(2, cpp))
                                      : fmt::format("static_cast<{0}>({1}) * static_cast<{0}>({2}){3}", wide,
                                                    i.as(1, cpp), i.as(2, cpp),
                                                    !i.has("hi") ? ""
                                                    : bits32     ? " >> 32"
                                                                 : " >> 64");
    product = fmt::format("static_cast<{}>({})", to, product);
    return i.set(mad ? fmt::format("{} + {}", product, i.as(3, to)) : product);
  }
  if (!i.only({})) return "";
  static constexpr std::pair<View, View> operators[] = {{"add", "+"}, {"sub", "-"}, {"and", "&"}, {"or", "|"},
                                                        {"xor", "^"}, {"div", "/"}, {"rem", "%"}};
  for (const auto& [op, sign] : operators) {
    if (name == op) return binary(sign);
  }
  if (name == "not" && i.takes("ss")) return i.set(fmt::format("static_cast<{}>(~{})", cpp, i.as(1, cpp)));
  if (name == "neg" && i.takes("ss")) return i.set(fmt::format("static_cast<{}>(-{})", cpp, i.as(1, cpp)));
  if (!i.takes("sss")) return "";
  const std::string a = i.as(1, cpp), b = i.as(2, cpp), n = i.as(2, "::std::uint32_t");
  if (name == "shl") return i.set(fmt::format("::flashlab_ptx::shift_left<{}>({}, {})", cpp, a, n));
  if (name == "shr") return i.set(fmt::format("::flashlab_ptx::shift_right<{}>({}, {})", cpp, a, n));
  if (name == "min") return i.set(fmt::format("({1} < {0} ? {1} : {0})", a, b));
  if (name == "max") return i.set(fmt::format("({0} < {1} ? {1} : {0})", a, b));
  return "";
}

std::string conversion(const Instruction& i) {
  const View from = i.last(), to = i.before_last();
  if (to == "f16x2" || to == "bf16x2") {  // the first operand is the upper half
    if (from != "f32" || !i.only({"rn"}, 2) || !i.takes("sss")) return "";
    const View round = to == "f16x2" ? "float_to_half" : "float_to_bfloat";
    return i.set(fmt::format("::flashlab_ptx::pack(::flashlab_ptx::{0}({1}), ::flashlab_ptx::{0}({2}))", round,
                             i.as(2, "float"), i.as(1, "float")));
  }
  if (!i.takes("ss") || !i.only({"rn", "rni", "rzi", "rmi", "rpi", "ftz"}, 2)) return "";
  if (to == "f32" && (from == "f16" || from == "bf16"))
    return i.set(fmt::format("::flashlab_ptx::{}({})", from == "f16" ? "half_to_float" : "bfloat_to_float",
                             i.as(1, "::std::uint16_t")));
  if (from == "f32" && (to == "f16" || to == "bf16"))
    return i.has("rn") ? i.set(fmt::format("::flashlab_ptx::{}({})",
                                           to == "f16" ? "float_to_half" : "float_to_bfloat", i.as(1, "float")))
                       : "";
  const View cpp_to = cpp_type(to), cpp_from = cpp_type(from);
  if (cpp_to.empty() || cpp_from.empty()) return "";
  const std::string x = i.as(1, cpp_from);
  if (!is_float(from)) return i.set(fmt::format("static_cast<{}>({})", cpp_to, x));
  const View whole = i.has("rni")   ? "rint"
                     : i.has("rzi") ? "trunc"
                     : i.has("rmi") ? "floor"
                     : i.has("rpi") ? "ceil"
                                    : "";
  if (is_integer(to))
    return whole.empty() ? ""
                         : i.set(fmt::format("::flashlab_ptx::to_integer<{}>(::{}(static_cast<double>({})))",
                                             cpp_to, whole, x));
  if (!whole.empty())
    return i.set(fmt::format("static_cast<{}>(::{}(static_cast<double>({})))", cpp_to, whole, x));
  return i.set(fmt::format("static_cast<{}>({})", cpp_to, x));
}

std::string move(const Instruction& i) {
  if (i.name() == "cvta") {
    const bool into = i.has("to");
    if (i.last() != "u64" || !i.takes("ss") || !i.only({"to", "shared", "shared::cta", "global"})) return "";
    if (i.has("global")) return i.set(i.as(1, "::std::uint64_t"));
    return into ? i.set(
                      fmt::format("::std::uint64_t{{::flashlab_shared_address({})}}",
                                  fmt::format("reinterpret_cast<const void*>({})", i.as(1, "::std::uint64_t"))))
                : i.set(fmt::format("reinterpret_cast<::std::uint64_t>(::flashlab_shared_pointer({}))",
                                    i.as(1, "::std::uint32_t")));
  }
  if (!i.only({})) return "";  // mov
  if (i.last() == "pred") return i.takes("ss") ? fmt::format("{} = {};", i.raw(0), i.raw(1)) : "";
  const View half = i.last() == "b32" ? "::std::uint16_t" : "::std::uint32_t", whole = cpp_type(i.last());
  if (whole.empty()) return "";
  if (i.takes("ss")) return i.set(i.as(1, whole));
  if ((i.last() != "b32" && i.last() != "b64")) return "";
  const int bits = i.last() == "b32" ? 16 : 32;
  if (i.takes("sv") && i.elements(1) == 2)
    return i.set(fmt::format("static_cast<{0}>({1} | static_cast<{0}>({2}) << {3})", whole, i.as(1, half, 0),
                             i.as(1, half, 1), bits));
  if (i.takes("vs") && i.elements(0) == 2)
    return fmt::format(
        "const {0} flashlab_whole = {1}; ::flashlab_ptx::set({2}, static_cast<{3}>(flashlab_whole)); "
        "::flashlab_ptx::set({4}, static_cast<{3}>(flashlab_whole >> {5}));",
        whole, i.as(1, whole), i.raw(0, 0), half, i.raw(0, 1), bits);
  return "";
}

std::string predicate(const Instruction& i) {
  if (i.name() == "setp") {
    static constexpr std::pair<View, View> comparisons[] = {{"eq", "=="}, {"ne", "!="}, {"lt", "<"},
                                                            {"le", "<="}, {"gt", ">"},  {"ge", ">="}};
    const View cpp = cpp_type(i.last());
    for (const auto& [name, sign] : comparisons) {
      if (i.part(1) == name && !cpp.empty() && i.only({name, "ftz"}) && i.takes("sss"))
        return fmt::format("{} = {} {} {};", i.raw(0), i.as(1, cpp), sign, i.as(2, cpp));
    }
    return "";
  }
  if (i.name() == "selp") {
    const View cpp = cpp_type(i.last());
    return !cpp.empty() && i.only({}) && i.takes("ssss")
               ? i.set(fmt::format("({} ? {} : {})", i.raw(3), i.as(1, cpp), i.as(2, cpp)))
               : "";
  }
  if (i.last() != "pred" || !i.only({})) return "";  // and, or, xor, not
  if (i.name() == "not") return i.takes("ss") ? fmt::format("{} = !{};", i.raw(0), i.raw(1)) : "";
  const View sign = i.name() == "and" ? "&&" : i.name() == "or" ? "||" : i.name() == "xor" ? "!=" : "";
  return !sign.empty() && i.takes("sss") ? fmt::format("{} = {} {} {};", i.raw(0), i.raw(1), sign, i.raw(2))
                                         : "";
}

std::string bits(const Instruction& i) {
  const View cpp = cpp_type(i.last());
  if (cpp.empty() || !i.only({})) return "";
  const bool wide = i.last() == "b64";
  if (i.name() == "popc" && i.takes("ss"))
    return i.set(fmt::format("{}({})", wide ? "::__popcll" : "::__popc", i.as(1, cpp)));
  if (i.name() == "clz" && i.takes("ss"))
    return i.set(wide ? fmt::format("::__clzll({})", i.as(1, "long long"))
                      : fmt::format("::__clz({})", i.as(1, "int")));
  if (i.last() != "b32") return "";
  if (i.name() == "brev" && i.takes("ss")) return i.set(fmt::format("::__brev({})", i.as(1, cpp)));
  if (i.name() == "prmt" && i.takes("ssss"))
    return i.set(fmt::format("::flashlab_ptx::prmt({}, {}, {})", i.as(1, cpp), i.as(2, cpp), i.as(3, cpp)));
  if (i.name() == "lop3" && i.takes("sssss"))
    return i.set(fmt::format("::flashlab_ptx::lop3({}, {}, {}, {})", i.as(1, cpp), i.as(2, cpp), i.as(3, cpp),
                             i.as(4, cpp)));
  return "";
}

std::string barrier(const Instruction& i) {
  if (i.name() == "bar" && i.part(1) == "warp" && i.part(2) == "sync" && i.part(3).empty() && i.takes("s"))
    return fmt::format("::__syncwarp({});", i.as(0, "::std::uint32_t"));
  const bool known =
      i.last() == "sync" ? i.only({"cta"}) : i.last() == "aligned" && i.has("sync") && i.only({"sync", "cta"});
  // Barrier 0 and every thread: the others need a count of their own.
  return known && i.takes("s") && i.raw(0) == "(0ll)" ? "::__syncthreads();" : "";
}

std::string collective(const Instruction& i) {
  constexpr View word = "::std::uint32_t";
  if (i.name() == "activemask") return i.last() == "b32" && i.takes("s") ? i.set("::__activemask()") : "";
  if (i.name() == "shfl") {
    static constexpr std::pair<View, View> ways[] = {
        {"idx", ""}, {"up", "_up"}, {"down", "_down"}, {"bfly", "_xor"}};
    if (i.part(1) != "sync" || i.last() != "b32" || !i.takes("sssss")) return "";
    for (const auto& [way, suffix] : ways) {
      if (i.part(2) == way)
        return i.set(fmt::format("::__shfl{}_sync({}, {}, {}, 32 - static_cast<int>({} >> 8 & 31))", suffix,
                                 i.as(4, word), i.as(1, word), i.as(2, "int"), i.as(3, word)));
    }
    return "";
  }
  if (i.name() == "vote") {
    if (i.part(1) != "sync" || !i.takes("sss")) return "";
    const View way = i.part(2);
    if (way == "ballot" && i.last() == "b32")
      return i.set(fmt::format("::__ballot_sync({}, {})", i.as(2, word), i.raw(1)));
    if ((way == "any" || way == "all" || way == "uni") && i.last() == "pred")
      return fmt::format("{} = ::__{}_sync({}, {}) != 0;", i.raw(0), way, i.as(2, word), i.raw(1));
    return "";
  }
  if (i.name() == "match")
    return i.part(1) == "any" && i.part(2) == "sync" && i.last() == "b32" && i.takes("sss")
               ? i.set(fmt::format("::__match_any_sync({}, {})", i.as(2, word), i.as(1, word)))
               : "";
  // redux.sync.OP.TYPE
  const View op = i.part(2), cpp = i.last() == "s32"                        ? "int"
                                   : i.last() == "u32" || i.last() == "b32" ? "unsigned"
                                                                            : "";
  static constexpr View ops[] = {"add", "min", "max", "and", "or", "xor"};
  if (i.part(1) != "sync" || cpp.empty() || !i.takes("sss") ||
      std::find(std::begin(ops), std::end(ops), op) == std::end(ops))
    return "";
  return i.set(fmt::format("::__reduce_{}_sync({}, {})", op, i.as(2, word), i.as(1, cpp)));
}

std::string fence(const Instruction& i) {
  if (i.count() != 0 || (i.parts() > 1 && !i.only({"acq_rel", "sc", "cta", "gl", "gpu", "sys"}, 0))) return "";
  return "::flashlab_fence();";
}

std::string prefetch(const Instruction& i) {  // moves no data to the program; not counted
  return i.takes("m") && i.only({"global", "L1", "L2"}, 0) ? "static_cast<void>(0);" : "";
}

struct Known {
  View name;
  std::string (*code)(const Instruction&);
};
constexpr Known kKnown[] = {{"mma", matrix},        {"ldmatrix", matrix},
                            {"movmatrix", matrix},  {"cp", async_copy},
                            {"ld", memory},         {"st", memory},
                            {"atom", atomic},       {"red", atomic},
                            {"ex2", approximate},   {"lg2", approximate},
                            {"rcp", approximate},   {"rsqrt", approximate},
                            {"sqrt", approximate},  {"sin", approximate},
                            {"cos", approximate},   {"tanh", approximate},
                            {"add", arithmetic},    {"sub", arithmetic},
                            {"mul", arithmetic},    {"div", arithmetic},
                            {"rem", arithmetic},    {"fma", arithmetic},
                            {"mad", arithmetic},    {"min", arithmetic},
                            {"max", arithmetic},    {"neg", arithmetic},
                            {"abs", arithmetic},    {"shl", arithmetic},
                            {"shr", arithmetic},    {"cvt", conversion},
                            {"mov", move},          {"cvta", move},
                            {"setp", predicate},    {"selp", predicate},
                            {"popc", bits},         {"clz", bits},
                            {"brev", bits},         {"prmt", bits},
                            {"lop3", bits},         {"bar", barrier},
                            {"barrier", barrier},   {"shfl", collective},
                            {"vote", collective},   {"match", collective},
                            {"redux", collective},  {"activemask", collective},
                            {"membar", fence},      {"fence", fence},
                            {"prefetch", prefetch}, {"prefetchu", prefetch}};

constexpr std::pair<View, View> kSpecial[] = {{"%tid.x", "threadIdx.x"},
                                              {"%tid.y", "threadIdx.y"},
                                              {"%tid.z", "threadIdx.z"},
                                              {"%ntid.x", "blockDim.x"},
                                              {"%ntid.y", "blockDim.y"},
                                              {"%ntid.z", "blockDim.z"},
                                              {"%ctaid.x", "blockIdx.x"},
                                              {"%ctaid.y", "blockIdx.y"},
                                              {"%ctaid.z", "blockIdx.z"},
                                              {"%nctaid.x", "gridDim.x"},
                                              {"%nctaid.y", "gridDim.y"},
                                              {"%nctaid.z", "gridDim.z"},
                                              {"%clock", "::flashlab_clock()"},
                                              {"%clock64", "::flashlab_clock()"},
                                              {"%laneid", "::flashlab_ptx::laneid()"},
                                              {"%warpid", "::flashlab_ptx::warpid()"},
                                              {"%nwarpid", "::flashlab_ptx::nwarpid()"},
                                              {"%lanemask_eq", "::flashlab_ptx::lanemask_eq()"},
                                              {"%lanemask_lt", "::flashlab_ptx::lanemask_lt()"},
                                              {"%lanemask_le", "::flashlab_ptx::lanemask_le()"},
                                              {"%lanemask_gt", "::flashlab_ptx::lanemask_gt()"},
                                              {"%lanemask_ge", "::flashlab_ptx::lanemask_ge()"}};

}  // namespace

std::string code_of(const PtxInstruction& in) {
  const Instruction i(in);
  const View name = i.name();
  if (name == "and" || name == "or" || name == "xor" || name == "not")
    return i.last() == "pred" ? predicate(i) : arithmetic(i);
  if ((name == "trap" || name == "brkpt") && i.parts() == 1 && i.count() == 0) return "::__trap();";
  for (const Known& known : kKnown) {
    if (known.name == name) return known.code(i);
  }
  return "";
}

std::string_view register_type(std::string_view type) {
  if (type == "pred") return "bool";
  if (type == "f16" || type == "bf16") return cpp_type("b16");
  if (type == "f16x2" || type == "bf16x2") return cpp_type("b32");
  // A register has no sign: instructions say how they read it.
  if (type.size() == 3 && (type[0] == 's' || type[0] == 'u'))
    return cpp_type(type.substr(1) == "16" ? "b16" : type.substr(1) == "32" ? "b32" : "b64");
  return cpp_type(type);
}

std::string_view special_register(std::string_view name) {
  for (const auto& [ptx, cpp] : kSpecial) {
    if (ptx == name) return cpp;
  }
  return "";
}

}  // namespace flashlab::simt
