#include "sim/view/expression.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace flashlab::view {
namespace {

using Node = Expression::Node;

double value_of(const Node& node, Variables& variables);

/// A name that is bound while its object lives.
class Binding {
 public:
  Binding(Variables& variables, const std::string& name) : variables_(variables), name_(name) {
    const auto found = variables.find(name);
    had_ = found != variables.end();
    if (had_) before_ = found->second;
    value_ = &variables[name];
  }
  ~Binding() {
    if (had_) {
      *value_ = before_;
    } else {
      variables_.erase(name_);
    }
  }
  Binding(const Binding&) = delete;
  Binding& operator=(const Binding&) = delete;
  void set(double value) { *value_ = value; }

 private:
  Variables& variables_;
  const std::string& name_;
  double* value_;
  double before_ = 0;
  bool had_;
};

double largest_that(const Node& node, Variables& variables) {
  double low = 0, high = value_of(*node.of[0], variables);
  Binding bound(variables, node.name);
  while (low < high) {
    const double middle = low + std::floor((high - low + 1) / 2);
    bound.set(middle);
    if (value_of(*node.of[1], variables) != 0) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

double over_range(const Node& node, Variables& variables) {
  const double count = value_of(*node.of[0], variables);
  Binding bound(variables, node.name);
  double result = 0;
  for (double i = 0; i < count; ++i) {
    bound.set(i);
    const double value = value_of(*node.of[1], variables);
    result = node.op == "sum" ? result + value : std::max(result, value);
  }
  return result;
}

double value_of(const Node& node, Variables& variables) {
  if (node.op == "number") return node.number;
  if (node.op == "name") {
    const auto found = variables.find(node.name);
    if (found == variables.end()) throw std::logic_error(fmt::format("a formula wants {}", node.name));
    return found->second;
  }
  if (node.op == "largest") return largest_that(node, variables);
  if (node.op == "sum" || node.op == "greatest") return over_range(node, variables);
  if (node.op == "choose") {
    return value_of(*node.of[value_of(*node.of[0], variables) != 0 ? 1 : 2], variables);
  }
  const double a = value_of(*node.of[0], variables), b = value_of(*node.of[1], variables);
  if (node.op == "+") return a + b;
  if (node.op == "-") return a - b;
  if (node.op == "*") return a * b;
  if (node.op == "/") return a / b;
  if (node.op == "<=") return a <= b ? 1 : 0;
  if (node.op == "<") return a < b ? 1 : 0;
  if (node.op == "floor_div") return std::floor(a / b);
  if (node.op == "ceil_div") return std::ceil(a / b);
  if (node.op == "min") return std::min(a, b);
  if (node.op == "max") return std::max(a, b);
  throw std::logic_error(fmt::format("a formula has no operation {}", node.op));
}

std::string json_of(const Node& node) {
  if (node.op == "number") return fmt::format("{}", node.number);
  if (node.op == "name") return fmt::format("\"{}\"", node.name);
  std::string text = fmt::format("[\"{}\"", node.op);
  if (!node.name.empty()) text += fmt::format(",\"{}\"", node.name);
  for (const auto& of : node.of) text += ',' + json_of(*of);
  return text + ']';
}

Expression binary(const char* op, const Expression& a, const Expression& b) { return {op, "", {a, b}}; }

}  // namespace

Expression::Expression(double value) : node_(std::make_shared<Node>(Node{"number", value, "", {}})) {}
Expression::Expression(int value) : Expression(static_cast<double>(value)) {}
Expression::Expression(const char* name) : node_(std::make_shared<Node>(Node{"name", 0, name, {}})) {}
Expression::Expression(std::string op, std::string bound, const std::vector<Expression>& of) {
  Node node{std::move(op), 0, std::move(bound), {}};
  for (const Expression& each : of) node.of.push_back(each.node_);
  node_ = std::make_shared<const Node>(std::move(node));
}

double Expression::evaluate(const Variables& variables) const {
  Variables own = variables;
  return value_of(*node_, own);
}

std::string Expression::to_json() const { return json_of(*node_); }

Expression operator+(const Expression& a, const Expression& b) { return binary("+", a, b); }
Expression operator-(const Expression& a, const Expression& b) { return binary("-", a, b); }
Expression operator*(const Expression& a, const Expression& b) { return binary("*", a, b); }
Expression operator/(const Expression& a, const Expression& b) { return binary("/", a, b); }
Expression operator<=(const Expression& a, const Expression& b) { return binary("<=", a, b); }
Expression operator<(const Expression& a, const Expression& b) { return binary("<", a, b); }
Expression floor_div(const Expression& a, const Expression& b) { return binary("floor_div", a, b); }
Expression ceil_div(const Expression& a, const Expression& b) { return binary("ceil_div", a, b); }
Expression min(const Expression& a, const Expression& b) { return binary("min", a, b); }
Expression max(const Expression& a, const Expression& b) { return binary("max", a, b); }
Expression choose(const Expression& condition, const Expression& a, const Expression& b) {
  return {"choose", "", {condition, a, b}};
}
Expression sum(const char* name, const Expression& count, const Expression& body) {
  return {"sum", name, {count, body}};
}
Expression greatest(const char* name, const Expression& count, const Expression& body) {
  return {"greatest", name, {count, body}};
}
Expression largest(const char* name, const Expression& high, const Expression& condition) {
  return {"largest", name, {high, condition}};
}

}  // namespace flashlab::view
