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

/// How long it keeps a warp, roughly.
struct ArithmeticWork {
  std::uint64_t arithmetic = 0;  ///< turns of a scheduler
  std::uint64_t special = 0;     ///< instructions
};
inline ArithmeticWork work_of(const ArithmeticCounts& counts) {
  const auto of = [&](Arithmetic which) { return counts[static_cast<std::size_t>(which)]; };
  return {of(Arithmetic::fadd) + of(Arithmetic::fmul) + of(Arithmetic::ffma) +
              2 * (of(Arithmetic::dadd) + of(Arithmetic::dmul) + of(Arithmetic::dfma)),
          of(Arithmetic::special)};
}

}  // namespace flashlab::simt
