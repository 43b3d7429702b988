#pragma once
// bf16 as CUDA has it: the upper half of a float, rounded to nearest even.
#include <flashlab/atomics.h>
#include <flashlab/warp.h>
#include <vector_functions.h>

#include <cmath>

struct alignas(2) __nv_bfloat16 {
  unsigned short bits;
  __nv_bfloat16() = default;
  __nv_bfloat16(float v) : bits(from(v)) {}
  __nv_bfloat16(double v) : bits(from(static_cast<float>(v))) {}
  __nv_bfloat16(int v) : bits(from(static_cast<float>(v))) {}
  operator float() const {
    const unsigned wide = static_cast<unsigned>(bits) << 16;
    float v;
    __builtin_memcpy(&v, &wide, 4);
    return v;
  }

 private:
  static unsigned short from(float v) {
    unsigned wide;
    __builtin_memcpy(&wide, &v, 4);
    if (v != v) return 0x7FFF;
    return static_cast<unsigned short>((wide + 0x7FFFu + (wide >> 16 & 1u)) >> 16);
  }
};
typedef __nv_bfloat16 nv_bfloat16;
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
  __nv_bfloat162() = default;
  __nv_bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) : x(a), y(b) {}
};
typedef __nv_bfloat162 nv_bfloat162;

#define FLASHLAB_BF16(op)                                                                                              \
  FLASHLAB_INLINE __nv_bfloat16 operator op(__nv_bfloat16 a, __nv_bfloat16 b) {                                       \
    return static_cast<float>(a) op static_cast<float>(b);                                                            \
  }                                                                                                                    \
  FLASHLAB_INLINE __nv_bfloat16& operator op##=(__nv_bfloat16& a, __nv_bfloat16 b) { return a = a op b; }             \
  FLASHLAB_INLINE __nv_bfloat162 operator op(__nv_bfloat162 a, __nv_bfloat162 b) { return {a.x op b.x, a.y op b.y}; }
FLASHLAB_BF16(+)
FLASHLAB_BF16(-)
FLASHLAB_BF16(*)
FLASHLAB_BF16(/)
#undef FLASHLAB_BF16
FLASHLAB_INLINE __nv_bfloat16 __float2bfloat16(float x) { return x; }
FLASHLAB_INLINE __nv_bfloat16 __float2bfloat16_rn(float x) { return x; }
FLASHLAB_INLINE __nv_bfloat16 __double2bfloat16(double x) { return x; }
FLASHLAB_INLINE float __bfloat162float(__nv_bfloat16 x) { return x; }
FLASHLAB_INLINE __nv_bfloat162 __floats2bfloat162_rn(float a, float b) { return {a, b}; }
FLASHLAB_INLINE __nv_bfloat162 __float22bfloat162_rn(float2 v) { return {v.x, v.y}; }
FLASHLAB_INLINE __nv_bfloat162 __float2bfloat162_rn(float v) { return {v, v}; }
FLASHLAB_INLINE __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return {a, b}; }
FLASHLAB_INLINE float2 __bfloat1622float2(__nv_bfloat162 v) { return {v.x, v.y}; }
FLASHLAB_INLINE unsigned short __bfloat16_as_ushort(__nv_bfloat16 x) { return x.bits; }
FLASHLAB_INLINE __nv_bfloat16 __ushort_as_bfloat16(unsigned short x) {
  __nv_bfloat16 v;
  v.bits = x;
  return v;
}
FLASHLAB_INLINE __nv_bfloat16 __hadd(__nv_bfloat16 a, __nv_bfloat16 b) { return a + b; }
FLASHLAB_INLINE __nv_bfloat16 __hsub(__nv_bfloat16 a, __nv_bfloat16 b) { return a - b; }
FLASHLAB_INLINE __nv_bfloat16 __hmul(__nv_bfloat16 a, __nv_bfloat16 b) { return a * b; }
FLASHLAB_INLINE __nv_bfloat16 __hmax(__nv_bfloat16 a, __nv_bfloat16 b) { return static_cast<float>(a) > static_cast<float>(b) ? a : b; }
FLASHLAB_INLINE __nv_bfloat16 atomicAdd(__nv_bfloat16* p, __nv_bfloat16 v) { return flashlab_simt::atomic_add(p, v); }
FLASHLAB_INLINE __nv_bfloat162 atomicAdd(__nv_bfloat162* p, __nv_bfloat162 v) { return flashlab_simt::atomic_add(p, v); }
