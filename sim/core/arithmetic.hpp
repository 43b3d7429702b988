#pragma once
/// \file
/// + - * / of small languages of numbers, by recursive descent: the two levels that all of them share.

namespace flashlab {

/// `Parser` derives from it and has take(char), which steps over a sign if it stands there, power(), which reads what binds
/// tighter, and combine(sign, left, right); it befriends this class. A call of sum() reads the longest sum that begins here.
template <class Parser, class Value>
class SumOfProducts {
 protected:
  Value sum() {
    Value left = product();
    for (;;) {
      if (self().take('+')) {
        left = self().combine('+', left, product());
      } else if (self().take('-')) {
        left = self().combine('-', left, product());
      } else {
        return left;
      }
    }
  }
  Value product() {
    Value left = self().power();
    for (;;) {
      if (self().take('*')) {
        left = self().combine('*', left, self().power());
      } else if (self().take('/')) {
        left = self().combine('/', left, self().power());
      } else {
        return left;
      }
    }
  }
  static double combine(char sign, double left, double right) {
    return sign == '+' ? left + right : sign == '-' ? left - right : sign == '*' ? left * right : left / right;
  }

 private:
  Parser& self() { return static_cast<Parser&>(*this); }
};

}  // namespace flashlab
