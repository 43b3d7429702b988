#pragma once
// fp16 as CUDA has it: storage of 16 bits, arithmetic rounded after every operation.
#include <flashlab/atomics.h>
#include <flashlab/warp.h>
#include <vector_functions.h>

#include <cmath>

struct alignas(2) __half_raw {
  unsigned short x;
};

struct alignas(2) __half {
  _Float16 value;
  __half() = default;
  __half(float v) : value(static_cast<_Float16>(v)) {}
  __half(double v) : value(static_cast<_Float16>(v)) {}
  __half(int v) : value(static_cast<_Float16>(v)) {}
  __half(unsigned v) : value(static_cast<_Float16>(v)) {}
  __half(__half_raw r) { __builtin_memcpy(&value, &r, 2); }
  explicit __half(_Float16 v) : value(v) {}
  operator float() const { return static_cast<float>(value); }
  operator __half_raw() const {
    __half_raw r;
    __builtin_memcpy(&r, &value, 2);
    return r;
  }
};
typedef __half half;
struct alignas(4) __half2 {
  __half x, y;
  __half2() = default;
  __half2(__half a, __half b) : x(a), y(b) {}
};
typedef __half2 half2;

#define FLASHLAB_HALF(op)                                                                                          \
  FLASHLAB_INLINE __half operator op(__half a, __half b) { return __half(static_cast<_Float16>(a.value op b.value)); } \
  FLASHLAB_INLINE __half& operator op##=(__half& a, __half b) { return a = a op b; }                               \
  FLASHLAB_INLINE __half2 operator op(__half2 a, __half2 b) { return {a.x op b.x, a.y op b.y}; }                   \
  FLASHLAB_INLINE __half2& operator op##=(__half2& a, __half2 b) { return a = a op b; }
FLASHLAB_HALF(+)
FLASHLAB_HALF(-)
FLASHLAB_HALF(*)
FLASHLAB_HALF(/)
#undef FLASHLAB_HALF
FLASHLAB_INLINE __half operator-(__half a) { return __half(static_cast<_Float16>(-a.value)); }
#define FLASHLAB_HALF(op) FLASHLAB_INLINE bool operator op(__half a, __half b) { return a.value op b.value; }
FLASHLAB_HALF(<)
FLASHLAB_HALF(>)
FLASHLAB_HALF(<=)
FLASHLAB_HALF(>=)
FLASHLAB_HALF(==)
FLASHLAB_HALF(!=)
#undef FLASHLAB_HALF

FLASHLAB_INLINE __half __float2half(float x) { return __half(x); }
FLASHLAB_INLINE __half __float2half_rn(float x) { return __half(x); }
FLASHLAB_INLINE __half __double2half(double x) { return __half(x); }
FLASHLAB_INLINE __half __int2half_rn(int x) { return __half(x); }
FLASHLAB_INLINE float __half2float(__half x) { return x; }
FLASHLAB_INLINE int __half2int_rn(__half x) { return static_cast<int>(nearbyintf(x)); }
FLASHLAB_INLINE __half __ushort_as_half(unsigned short x) { return __half_raw{x}; }
FLASHLAB_INLINE unsigned short __half_as_ushort(__half x) { return static_cast<__half_raw>(x).x; }
FLASHLAB_INLINE __half2 __halves2half2(__half a, __half b) { return {a, b}; }
FLASHLAB_INLINE __half2 make_half2(__half a, __half b) { return {a, b}; }
FLASHLAB_INLINE __half2 __half2half2(__half a) { return {a, a}; }
FLASHLAB_INLINE __half2 __float2half2_rn(float x) { return {__half(x), __half(x)}; }
FLASHLAB_INLINE __half2 __floats2half2_rn(float a, float b) { return {__half(a), __half(b)}; }
FLASHLAB_INLINE __half2 __float22half2_rn(float2 v) { return {__half(v.x), __half(v.y)}; }
FLASHLAB_INLINE float2 __half22float2(__half2 v) { return {v.x, v.y}; }
FLASHLAB_INLINE float __low2float(__half2 v) { return v.x; }
FLASHLAB_INLINE float __high2float(__half2 v) { return v.y; }
FLASHLAB_INLINE __half __low2half(__half2 v) { return v.x; }
FLASHLAB_INLINE __half __high2half(__half2 v) { return v.y; }
FLASHLAB_INLINE __half __hadd(__half a, __half b) { return a + b; }
FLASHLAB_INLINE __half __hsub(__half a, __half b) { return a - b; }
FLASHLAB_INLINE __half __hmul(__half a, __half b) { return a * b; }
FLASHLAB_INLINE __half __hdiv(__half a, __half b) { return a / b; }
FLASHLAB_INLINE __half __hneg(__half a) { return -a; }
// One rounding: the product of two halves is exact in float, and float is wide enough for the sum but in rare ties.
FLASHLAB_INLINE __half __hfma(__half a, __half b, __half c) { return __half(static_cast<double>(a) * static_cast<double>(b) + static_cast<double>(c)); }
FLASHLAB_INLINE __half __hmax(__half a, __half b) { return a > b ? a : b; }
FLASHLAB_INLINE __half __hmin(__half a, __half b) { return a < b ? a : b; }
FLASHLAB_INLINE __half2 __hadd2(__half2 a, __half2 b) { return a + b; }
FLASHLAB_INLINE __half2 __hsub2(__half2 a, __half2 b) { return a - b; }
FLASHLAB_INLINE __half2 __hmul2(__half2 a, __half2 b) { return a * b; }
FLASHLAB_INLINE __half2 __hfma2(__half2 a, __half2 b, __half2 c) { return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; }
FLASHLAB_INLINE __half2 __hmax2(__half2 a, __half2 b) { return {__hmax(a.x, b.x), __hmax(a.y, b.y)}; }
FLASHLAB_INLINE bool __hlt(__half a, __half b) { return a < b; }
FLASHLAB_INLINE bool __hgt(__half a, __half b) { return a > b; }
FLASHLAB_INLINE bool __heq(__half a, __half b) { return a == b; }
FLASHLAB_INLINE bool __hisnan(__half a) { return a != a; }
FLASHLAB_INLINE __half hexp(__half x) { return expf(x); }
FLASHLAB_INLINE __half hexp2(__half x) { return exp2f(x); }
FLASHLAB_INLINE __half hlog(__half x) { return logf(x); }
FLASHLAB_INLINE __half hsqrt(__half x) { return sqrtf(x); }
FLASHLAB_INLINE __half hrsqrt(__half x) { return 1.0f / sqrtf(x); }
FLASHLAB_INLINE __half hrcp(__half x) { return 1.0f / static_cast<float>(x); }
#define CUDART_INF_FP16 __ushort_as_half(0x7C00u)
#define CUDART_ZERO_FP16 __ushort_as_half(0u)
#define CUDART_ONE_FP16 __ushort_as_half(0x3C00u)
FLASHLAB_INLINE __half atomicAdd(__half* p, __half v) { return flashlab_simt::atomic_add(p, v); }
FLASHLAB_INLINE __half2 atomicAdd(__half2* p, __half2 v) { return flashlab_simt::atomic_add(p, v); }
