#pragma once
// What inline PTX is rewritten to: each instruction a function on registers, which are numbers of 16, 32 or 64 bits,
// floats or predicates. Collectives go to the runtime; loads and stores are plain ones, so that they are counted.
#include <flashlab/atomics.h>
#include <flashlab/math.h>
#include <flashlab/warp.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

typedef float flashlab_floats4 __attribute__((vector_size(16)));
typedef std::uint32_t flashlab_words4 __attribute__((vector_size(16)));

extern "C" {
flashlab_floats4 flashlab_mma_m16n8k16_f32_f16(std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, flashlab_floats4);
flashlab_floats4 flashlab_mma_m16n8k16_f32_bf16(std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, flashlab_floats4);
flashlab_floats4 flashlab_mma_m16n8k8_f32_f16(std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, flashlab_floats4);
flashlab_floats4 flashlab_mma_m16n8k8_f32_bf16(std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, flashlab_floats4);
std::uint64_t flashlab_mma_m16n8k16_f16_f16(std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint64_t);
std::uint64_t flashlab_mma_m16n8k8_f16_f16(std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint64_t);
flashlab_words4 flashlab_ldmatrix(int count, int transposed, const void* row);
std::uint32_t flashlab_movmatrix(std::uint32_t pair);
std::uint32_t flashlab_shared_address(const void* p);
void* flashlab_shared_pointer(std::uint32_t address);
int flashlab_is_shared(const void* p);
void flashlab_copy_async(void* to, const void* from, std::size_t bytes, std::size_t zeros);
void flashlab_copy_commit();
void flashlab_copy_wait(std::size_t groups_left);
}

FLASHLAB_INLINE std::size_t __cvta_generic_to_shared(const void* p) { return flashlab_shared_address(p); }
FLASHLAB_INLINE std::size_t __cvta_generic_to_global(const void* p) { return reinterpret_cast<std::size_t>(p); }
FLASHLAB_INLINE void* __cvta_shared_to_generic(std::size_t a) { return flashlab_shared_pointer(static_cast<std::uint32_t>(a)); }
FLASHLAB_INLINE unsigned __isShared(const void* p) { return static_cast<unsigned>(flashlab_is_shared(p)); }
FLASHLAB_INLINE unsigned __isGlobal(const void* p) { return !flashlab_is_shared(p); }

namespace flashlab_ptx {

using b16 = std::uint16_t;
using b32 = std::uint32_t;
using b64 = std::uint64_t;

// A register read as a type: bits where the sizes agree, else the low ones; integers grow by their sign.
template <class T, class F>
FLASHLAB_INLINE T as(F v) {
  if constexpr (std::is_same_v<T, F>) {
    return v;
  } else if constexpr (std::is_pointer_v<F>) {
    return as<T>(reinterpret_cast<b64>(v));
  } else if constexpr (std::is_enum_v<F>) {
    return as<T>(static_cast<std::underlying_type_t<F>>(v));
  } else if constexpr ((std::is_integral_v<T> && std::is_integral_v<F>) || (std::is_floating_point_v<T> && std::is_floating_point_v<F>)) {
    return static_cast<T>(v);
  } else {
    static_assert(sizeof(T) == sizeof(F), "an operand of inline PTX has another size than the instruction");
    return __builtin_bit_cast(T, v);
  }
}
template <class D, class V>
FLASHLAB_INLINE void set(D& d, V v) {
  if constexpr (std::is_pointer_v<D>) {
    d = reinterpret_cast<D>(as<b64>(v));
  } else {
    d = as<D>(v);
  }
}

FLASHLAB_INLINE float flushed(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0.0f, x) : x; }
FLASHLAB_INLINE float half_to_float(b16 h) {
  const b32 magnitude = (h & 0x7FFFu) << 13;
  const b32 wide = magnitude >= 0x0F800000u ? magnitude | 0x7F800000u : std::bit_cast<b32>(std::bit_cast<float>(magnitude) * 0x1p112f);
  return std::bit_cast<float>(wide | (h & 0x8000u) << 16);
}
FLASHLAB_INLINE float bfloat_to_float(b16 h) { return std::bit_cast<float>(static_cast<b32>(h) << 16); }
FLASHLAB_INLINE b16 float_to_half(float v) { return std::bit_cast<b16>(static_cast<_Float16>(v)); }
FLASHLAB_INLINE b16 float_to_bfloat(float v) {
  if (v != v) return 0x7FFF;
  const b32 wide = std::bit_cast<b32>(v);
  return static_cast<b16>((wide + 0x7FFFu + (wide >> 16 & 1u)) >> 16);
}
FLASHLAB_INLINE b32 pack(b16 low, b16 high) { return low | static_cast<b32>(high) << 16; }

// cvt with a rounding to integers: out of range goes to the nearest integer there is, NaN to 0.
template <class T, class F>
FLASHLAB_INLINE T to_integer(F v) {
  if (v != v) return 0;
  if (v <= static_cast<F>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  if (v >= static_cast<F>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  return static_cast<T>(v);
}

// Memory.
template <class D>
FLASHLAB_INLINE void* at(D address, long long offset) { return reinterpret_cast<void*>(as<b64>(address) + static_cast<b64>(offset)); }
template <class D>
FLASHLAB_INLINE void* at_shared(D address, long long offset) { return flashlab_shared_pointer(static_cast<b32>(as<b64>(address) + static_cast<b64>(offset))); }
template <class T, class... D>
FLASHLAB_INLINE void load(const void* p, D&... d) {
  if constexpr (sizeof...(D) == 1) {
    const T v = *static_cast<const T*>(p);
    (set(d, v), ...);
  } else {
    typedef T V __attribute__((vector_size(sizeof(T) * sizeof...(D))));
    const V v = *static_cast<const V*>(p);
    int i = 0;
    (set(d, static_cast<T>(v[i++])), ...);
  }
}
template <class T, class... S>
FLASHLAB_INLINE void store(void* p, S... s) {
  if constexpr (sizeof...(S) == 1) {
    ((*static_cast<T*>(p) = as<T>(s)), ...);
  } else {
    typedef T V __attribute__((vector_size(sizeof(T) * sizeof...(S))));
    *static_cast<V*>(p) = V{as<T>(s)...};
  }
}
FLASHLAB_INLINE void copy_async(void* to, const void* from, std::size_t bytes, std::size_t from_bytes) {
  flashlab_copy_async(to, from, bytes, from_bytes < bytes ? bytes - from_bytes : 0);
}
FLASHLAB_INLINE void copy_async(void* to, const void* from, std::size_t bytes) { flashlab_copy_async(to, from, bytes, 0); }

// Matrices.
#define FLASHLAB_MMA(name, k)                                                                                          \
  template <class D, class A, class B, class C>                                                                        \
  FLASHLAB_INLINE void mma_##name(D& d0, D& d1, D& d2, D& d3, FLASHLAB_MMA_##k, C c0, C c1, C c2, C c3) {              \
    const flashlab_floats4 d = flashlab_mma_##name(FLASHLAB_MMA_IN_##k, flashlab_floats4{as<float>(c0), as<float>(c1), as<float>(c2), as<float>(c3)}); \
    set(d0, d[0]), set(d1, d[1]), set(d2, d[2]), set(d3, d[3]);                                                        \
  }
#define FLASHLAB_MMA_HALF(name, k)                                                                                     \
  template <class D, class A, class B, class C>                                                                        \
  FLASHLAB_INLINE void mma_##name(D& d0, D& d1, FLASHLAB_MMA_##k, C c0, C c1) {                                        \
    const b64 d = flashlab_mma_##name(FLASHLAB_MMA_IN_##k, as<b32>(c0) | static_cast<b64>(as<b32>(c1)) << 32);         \
    set(d0, static_cast<b32>(d)), set(d1, static_cast<b32>(d >> 32));                                                  \
  }
#define FLASHLAB_MMA_16 A a0, A a1, A a2, A a3, B b0, B b1
#define FLASHLAB_MMA_8 A a0, A a1, B b0
#define FLASHLAB_MMA_IN_16 as<b32>(a0), as<b32>(a1), as<b32>(a2), as<b32>(a3), as<b32>(b0), as<b32>(b1)
#define FLASHLAB_MMA_IN_8 as<b32>(a0), as<b32>(a1), 0, 0, as<b32>(b0), 0
FLASHLAB_MMA(m16n8k16_f32_f16, 16)
FLASHLAB_MMA(m16n8k16_f32_bf16, 16)
FLASHLAB_MMA(m16n8k8_f32_f16, 8)
FLASHLAB_MMA(m16n8k8_f32_bf16, 8)
FLASHLAB_MMA_HALF(m16n8k16_f16_f16, 16)
FLASHLAB_MMA_HALF(m16n8k8_f16_f16, 8)
#undef FLASHLAB_MMA
#undef FLASHLAB_MMA_HALF
#undef FLASHLAB_MMA_16
#undef FLASHLAB_MMA_8
#undef FLASHLAB_MMA_IN_16
#undef FLASHLAB_MMA_IN_8

template <class... D>
FLASHLAB_INLINE void ldmatrix(bool transposed, const void* row, D&... d) {
  const flashlab_words4 v = flashlab_ldmatrix(sizeof...(D), transposed, row);
  int i = 0;
  (set(d, static_cast<b32>(v[i++])), ...);
}

// Integers.
FLASHLAB_INLINE b32 prmt_byte(b64 bytes, b32 s) {
  const b32 byte = static_cast<b32>(bytes >> 8 * (s & 7)) & 0xFF;
  return (s & 8) == 0 ? byte : (byte & 0x80) != 0 ? 0xFF : 0;
}
FLASHLAB_INLINE b32 prmt(b32 a, b32 b, b32 s) {
  const b64 bytes = a | static_cast<b64>(b) << 32;
  return prmt_byte(bytes, s) | prmt_byte(bytes, s >> 4) << 8 | prmt_byte(bytes, s >> 8) << 16 | prmt_byte(bytes, s >> 12) << 24;
}
FLASHLAB_INLINE b32 lop3_term(b32 x, b32 table, int i) { return (table >> i & 1) != 0 ? x : 0; }
FLASHLAB_INLINE b32 lop3(b32 a, b32 b, b32 c, b32 t) {
  return lop3_term(~a & ~b & ~c, t, 0) | lop3_term(~a & ~b & c, t, 1) | lop3_term(~a & b & ~c, t, 2) | lop3_term(~a & b & c, t, 3) |
         lop3_term(a & ~b & ~c, t, 4) | lop3_term(a & ~b & c, t, 5) | lop3_term(a & b & ~c, t, 6) | lop3_term(a & b & c, t, 7);
}
template <class T> FLASHLAB_INLINE T shift_left(T a, b32 n) { return n >= sizeof(T) * 8 ? T(0) : static_cast<T>(a << n); }
template <class T> FLASHLAB_INLINE T shift_right(T a, b32 n) {
  const b32 most = sizeof(T) * 8 - 1;
  return n <= most ? static_cast<T>(a >> n) : a < T(0) ? T(-1) : T(0);
}

// Where a lane stands.
FLASHLAB_INLINE b32 linear_thread() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }
FLASHLAB_INLINE b32 laneid() { return linear_thread() % 32; }
FLASHLAB_INLINE b32 warpid() { return linear_thread() / 32; }
FLASHLAB_INLINE b32 nwarpid() { return (blockDim.x * blockDim.y * blockDim.z + 31) / 32; }
FLASHLAB_INLINE b32 lanemask_eq() { return 1u << laneid(); }
FLASHLAB_INLINE b32 lanemask_lt() { return lanemask_eq() - 1; }
FLASHLAB_INLINE b32 lanemask_le() { return lanemask_lt() | lanemask_eq(); }
FLASHLAB_INLINE b32 lanemask_gt() { return ~lanemask_le(); }
FLASHLAB_INLINE b32 lanemask_ge() { return ~lanemask_lt(); }

}  // namespace flashlab_ptx
