#pragma once
/// \file
/// Where a line belongs in a set-associative cache: the set, and the tag that tells the lines of a set apart.

#include <bit>
#include <cstdint>

namespace flashlab {

/// How a line finds its set.
enum class SetIndex : std::uint8_t {
  modulo,  ///< line mod sets: neighbours in neighbouring sets
  hashed,  ///< a mixed line number: any stride spreads over all sets, and some sets get more than others
};

/// A small value of its own: a copy of it stays in registers through a loop. Tags have 23 bits, so lines must be below
/// `line_limit()`.
class LineLocator {
 public:
  static constexpr int kTagBits = 23;
  static constexpr std::uint32_t kResident = 0x80000000u;

  struct Place {
    std::uint64_t set;
    std::uint32_t key;  ///< resident bit and tag in an entry's place, low byte 0 (set_scan.hpp)
  };

  LineLocator() = default;
  LineLocator(std::uint64_t sets, SetIndex index)
      : sets_(sets),
        reciprocal_(((std::uint64_t{1} << 63) - 1) / sets + 1),  // ceil(2⁶³ / sets): exact below the limit
        line_bits_(static_cast<std::uint8_t>(kTagBits + static_cast<int>(std::bit_width(sets)) - 1)),
        line_mask_((std::uint64_t{1} << line_bits_) - 1),
        mix_shift_(static_cast<std::uint8_t>((line_bits_ + 1) / 2)),
        hashed_(index == SetIndex::hashed) {}

  std::uint64_t line_limit() const { return line_mask_ + 1; }

  Place operator()(std::uint64_t line) const {
    if (!hashed_) {
      const auto tag = static_cast<std::uint64_t>(static_cast<__uint128_t>(line) * reciprocal_ >> 63);
      return {line - tag * sets_, kResident | static_cast<std::uint32_t>(tag) << 8};
    }
    // A bijection of the line_bits-bit numbers (odd factors, xor-shifts). Its range is cut into `sets` intervals of
    // at most 2²³ numbers: the interval is the set, the low 23 bits tell the lines of a set apart.
    std::uint64_t mixed = line;
    mixed = (mixed ^ mixed >> mix_shift_) * 0x9E3779B97F4A7C15u & line_mask_;
    mixed = (mixed ^ mixed >> mix_shift_) * 0xC2B2AE3D27D4EB4Fu & line_mask_;
    mixed ^= mixed >> mix_shift_;
    return {mixed * sets_ >> line_bits_, kResident | static_cast<std::uint32_t>(mixed << 8)};
  }

 private:
  std::uint64_t sets_ = 1;
  std::uint64_t reciprocal_ = 0;
  std::uint8_t line_bits_ = 0;
  std::uint64_t line_mask_ = 0;
  std::uint8_t mix_shift_ = 0;
  bool hashed_ = false;
};

}  // namespace flashlab
