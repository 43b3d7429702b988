#pragma once
/// \file
/// The address window: everything that a kernel may touch has an *offset* below 2³⁶. Global memory lies in it at a
/// fixed place, so that addresses, and with them sector counts, are the same in every run; each worker has a piece
/// of it as shared memory; the program's own __device__ and __constant__ variables are mapped into it by number.

#include <cstddef>
#include <cstdint>

namespace flashlab::simt {

using Offset = std::uint64_t;

inline constexpr int kOffsetBits = 36;
inline constexpr std::uintptr_t kWindowBase = std::uintptr_t{1}
                                              << 45;              // free under ASLR and AddressSanitizer alike
inline constexpr Offset kWindowBytes = Offset{1} << kOffsetBits;  // 64 GiB, reserved and not committed
inline constexpr Offset kGlobalBegin = Offset{1} << 21;           // null pointers plus an index stay below
inline constexpr Offset kNowhere = kGlobalBegin - 16;    // logged by a lane that takes part but touches nothing
inline constexpr Offset kImageBegin = Offset{56} << 30;  // variables of the program itself
inline constexpr Offset kSharedBegin = Offset{60} << 30;
inline constexpr Offset kSharedStride = Offset{16} << 20;  // one worker's shared memory
inline constexpr Offset kDynamicShared = Offset{8} << 20;  // within it: where dynamic shared memory starts
inline constexpr int kMaxWorkers = static_cast<int>((kWindowBytes - kSharedBegin) / kSharedStride);

inline constexpr bool is_shared(Offset offset) { return offset >= kSharedBegin; }
inline void* pointer_of(Offset offset) { return reinterpret_cast<void*>(kWindowBase + offset); }
inline bool in_window(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p) >> kOffsetBits == kWindowBase >> kOffsetBits;
}
inline Offset offset_of(const void* p) { return reinterpret_cast<std::uintptr_t>(p) - kWindowBase; }

/// Reserves the window, once. Throws EnvironmentError when the address range cannot be had.
void reserve_window();

}  // namespace flashlab::simt
