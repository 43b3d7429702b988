#pragma once
/// \file
/// One logged access of one lane, in 64 bits: which instruction (24 bits), what it does (4), where (36).
/// Two entries of neighbouring lanes differ by their distance in bytes exactly when instruction and kind agree,
/// which lets the merge find coalesced accesses with one subtraction.

#include <bit>
#include <cstdint>

#include "sim/simt/counters.hpp"
#include "sim/simt/runtime/window.hpp"

namespace flashlab::simt {

using Entry = std::uint64_t;

/// Loads and stores of 1, 2, 4, 8, 16 bytes; atomics of 4 and 8; asynchronous copies of 4, 8, 16.
enum class Kind : std::uint8_t {
  load1,
  load2,
  load4,
  load8,
  load16,
  store1,
  store2,
  store4,
  store8,
  store16,
  atomic4,
  atomic8,
  async4,
  async8,
  async16,
  mark,  // no access: the lane goes back to the beginning of a loop, as often as the offset says
};

inline constexpr int kKindBits = 4;
inline constexpr int kSiteBits = 64 - kKindBits - kOffsetBits;
inline constexpr std::uint32_t kSiteLimit = 1u << kSiteBits;

inline constexpr std::uint8_t kWidths[] = {1, 2, 4, 8, 16, 1, 2, 4, 8, 16, 4, 8, 4, 8, 16, 0};
inline constexpr int width_of(Kind k) { return kWidths[static_cast<int>(k)]; }
inline constexpr Op op_of(Kind k) {
  return k <= Kind::load16    ? Op::load
         : k <= Kind::store16 ? Op::store
         : k <= Kind::atomic8 ? Op::atomic
                              : Op::async_copy;
}
/// The load (or store) of `width` bytes, a power of two up to 16.
inline constexpr Kind load_of(int width) {
  return static_cast<Kind>(std::countr_zero(static_cast<unsigned>(width)));
}
inline constexpr Kind store_of(int width) {
  return static_cast<Kind>(5 + std::countr_zero(static_cast<unsigned>(width)));
}

/// What an entry is counted from: made of where code begins, and of where the window does.
inline constexpr Entry entry_origin(std::uintptr_t code_base) {
  return Entry{0} - (Entry{code_base} << (kOffsetBits + kKindBits)) - kWindowBase;
}
/// Of an instruction less than kSiteLimit bytes from the code's begin and an address in the window: one sum for both.
inline Entry make_entry(Entry origin, const void* instruction, Kind kind, const void* p) {
  const Entry site = Entry{reinterpret_cast<std::uintptr_t>(instruction)} << (kOffsetBits + kKindBits);
  return (origin + site + reinterpret_cast<std::uintptr_t>(p)) | Entry{static_cast<std::uint8_t>(kind)}
                                                                     << kOffsetBits;
}
inline constexpr std::uint32_t key_of(Entry e) {
  return static_cast<std::uint32_t>(e >> kOffsetBits);
}  // site, kind
inline constexpr std::uint32_t site_of_key(std::uint32_t key) { return key >> kKindBits; }
inline constexpr Kind kind_of_key(std::uint32_t key) {
  return static_cast<Kind>(key & ((1u << kKindBits) - 1));
}
inline constexpr Offset where_of(Entry e) { return e & (kWindowBytes - 1); }

}  // namespace flashlab::simt
