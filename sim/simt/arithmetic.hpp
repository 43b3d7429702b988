#pragma once
/// \file
/// The classes of arithmetic that are counted, as the hardware's counters have them.

#include <array>
#include <cstdint>

namespace flashlab::simt {

/// What an instruction computes. Conversions, comparisons, minima and changes of sign are none of them.
enum class Arithmetic : std::uint8_t {
  fadd,     ///< fp32 sums and differences
  fmul,     ///< fp32 products
  ffma,     ///< fp32 products with a sum
  dadd,     ///< the same in fp64
  dmul,     ///< …
  dfma,     ///< …
  special,  ///< divisions, roots, and calls of exp, log, sin and their kin: work of the special function unit
  none
};
inline constexpr std::size_t kArithmeticClasses = 7;

/// Thread instructions, a number a class.
using ArithmeticCounts = std::array<std::uint64_t, kArithmeticClasses>;

}  // namespace flashlab::simt
