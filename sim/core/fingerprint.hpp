#pragma once
/// \file
/// A name for a content: of what is kept under the name of all that went into it.

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace flashlab {

/// Two 64-bit FNV-1a sums. Good against accidents, not against somebody who looks for two texts of one name.
class Fingerprint {
 public:
  void add(std::string_view text) {
    for (const char c : text) {
      a_ = (a_ ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
      b_ = (b_ + static_cast<unsigned char>(c)) * 0x9E3779B97F4A7C15ull;
      b_ ^= b_ >> 29;
    }
    a_ = (a_ ^ 0xFF) * 0x100000001B3ull;
  }
  std::string text() const { return fmt::format("{:016x}{:016x}", a_, b_); }

 private:
  std::uint64_t a_ = 0xCBF29CE484222325ull, b_ = 0;
};

}  // namespace flashlab
