#include "sim/lab/labs/expression.hpp"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include "sim/core/arithmetic.hpp"

namespace flashlab::lab {
namespace {

constexpr std::size_t kLongest = 200;
constexpr int kDeepest = 32;

class Parser : SumOfProducts<Parser, double> {
 public:
  Parser(std::string_view text, const Letters& letters) : text_(text), letters_(letters) {}

  double whole() {
    const double value = sum();
    if (at_ != text_.size()) fail();
    return value;
  }

 private:
  friend SumOfProducts;
  struct Depth {  // of parentheses: the text is a stranger's, and the stack is ours
    explicit Depth(int& depth) : depth_(depth) {
      if (++depth_ > kDeepest) throw std::runtime_error("it has too many parentheses");
    }
    ~Depth() { --depth_; }
    int& depth_;
  };

  [[noreturn]] void fail() const {
    throw std::runtime_error(at_ >= text_.size() ? "it ends too early"
                                                 : fmt::format("`{}` cannot stand there", text_[at_]));
  }
  bool take(char c) {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  double power() {
    const double base = factor();
    return take('^') ? std::pow(base, factor()) : base;
  }
  double factor() {
    const Depth depth(depth_);
    if (take('(')) {
      const double value = sum();
      if (!take(')')) fail();
      return value;
    }
    if (at_ >= text_.size()) fail();
    const std::size_t begin = at_;
    if (std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) {
      double value = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
      if (error != std::errc{}) throw std::runtime_error("a number is too large");
      at_ = static_cast<std::size_t>(end - text_.data());
      return value;
    }
    while (at_ < text_.size() && std::isalpha(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    const std::string_view name = text_.substr(begin, at_ - begin);
    if (name.empty()) fail();
    if (name == "ceil") {
      if (!take('(')) fail();
      const double value = std::ceil(sum());
      if (!take(')')) fail();
      return value;
    }
    const auto letter = letters_.find(name);
    if (letter == letters_.end())
      throw std::runtime_error(fmt::format("`{}` is no letter of the shape: take N, d, Br, Bc, Tr, Tc", name));
    return letter->second;
  }

  std::string_view text_;
  const Letters& letters_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::optional<double> evaluate(std::string_view text, const Letters& letters, std::string& why) {
  try {
    if (text.size() > kLongest)
      throw std::runtime_error(fmt::format("it has more than {} characters", kLongest));
    const double value = Parser(text, letters).whole();
    if (!std::isfinite(value)) throw std::runtime_error("it is not finite");
    return value;
  } catch (const std::runtime_error& e) {
    why = e.what();
    return std::nullopt;
  }
}

}  // namespace flashlab::lab
