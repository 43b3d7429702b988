#pragma once
/// \file
/// Formulas as data: written in C++ as one writes them on paper, evaluated here, and handed to the page as JSON, which
/// evaluates the same tree. Numbers are doubles on both sides: whole numbers are exact up to 2⁵³.

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace flashlab::view {

/// Values of the names that a formula uses.
using Variables = std::map<std::string, double, std::less<>>;

/// An immutable tree. `Expression("N") * 2 + 1` builds one; comparisons give 1 or 0.
class Expression {
 public:
  struct Node {
    std::string op;  ///< "number", "name", or one of those below
    double number = 0;
    std::string name;  ///< of a variable, or the one that sum, greatest and largest bind
    std::vector<std::shared_ptr<const Node>> of;
  };

  Expression(double value);      // NOLINT(google-explicit-constructor): numbers are formulas
  Expression(int value);         // NOLINT(google-explicit-constructor)
  Expression(const char* name);  // NOLINT(google-explicit-constructor): so are names
  Expression(std::string op, std::string bound, const std::vector<Expression>& of);

  /// Throws std::logic_error for a name that has no value.
  double evaluate(const Variables& variables) const;
  /// ["+", 2, "N"]: numbers and names stand for themselves, the rest is [op, …]; a bound name comes first.
  std::string to_json() const;

 private:
  std::shared_ptr<const Node> node_;
};

Expression operator+(const Expression& a, const Expression& b);
Expression operator-(const Expression& a, const Expression& b);
Expression operator*(const Expression& a, const Expression& b);
Expression operator/(const Expression& a, const Expression& b);
Expression operator<=(const Expression& a, const Expression& b);
Expression operator<(const Expression& a, const Expression& b);
Expression floor_div(const Expression& a, const Expression& b);  ///< ⌊a/b⌋
Expression ceil_div(const Expression& a, const Expression& b);   ///< ⌈a/b⌉
Expression min(const Expression& a, const Expression& b);
Expression max(const Expression& a, const Expression& b);
/// `a` where `condition` is not 0, else `b`; only that one is evaluated.
Expression choose(const Expression& condition, const Expression& a, const Expression& b);
/// Σ of `body` for name = 0 … count − 1. Costs `count` evaluations.
Expression sum(const char* name, const Expression& count, const Expression& body);
/// The greatest of `body` for name = 0 … count − 1; 0 when count is 0.
Expression greatest(const char* name, const Expression& count, const Expression& body);
/// The largest name in 1 … high for which `condition` holds, given that it holds up to some point; 0 when nowhere.
Expression largest(const char* name, const Expression& high, const Expression& condition);

}  // namespace flashlab::view
