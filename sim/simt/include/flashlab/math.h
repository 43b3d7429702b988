#pragma once
// CUDA's mathematics: what <cmath> lacks, and the fast forms, which here are the exact ones.
#include <flashlab/device.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifndef M_PI
#define M_PI 3.14159265358979323846
#endif

// min and max for any two arithmetic types, by value as in CUDA.
#define FLASHLAB_MIN_MAX(T)                                              \
  FLASHLAB_INLINE constexpr T min(T a, T b) { return b < a ? b : a; }    \
  FLASHLAB_INLINE constexpr T max(T a, T b) { return a < b ? b : a; }
FLASHLAB_MIN_MAX(int)
FLASHLAB_MIN_MAX(unsigned int)
FLASHLAB_MIN_MAX(long)
FLASHLAB_MIN_MAX(unsigned long)
FLASHLAB_MIN_MAX(long long)
FLASHLAB_MIN_MAX(unsigned long long)
#undef FLASHLAB_MIN_MAX
FLASHLAB_INLINE float min(float a, float b) { return fminf(a, b); }
FLASHLAB_INLINE float max(float a, float b) { return fmaxf(a, b); }
FLASHLAB_INLINE double min(double a, double b) { return fmin(a, b); }
FLASHLAB_INLINE double max(double a, double b) { return fmax(a, b); }
FLASHLAB_INLINE unsigned min(int a, unsigned b) { return min(static_cast<unsigned>(a), b); }
FLASHLAB_INLINE unsigned min(unsigned a, int b) { return min(a, static_cast<unsigned>(b)); }
FLASHLAB_INLINE unsigned max(int a, unsigned b) { return max(static_cast<unsigned>(a), b); }
FLASHLAB_INLINE unsigned max(unsigned a, int b) { return max(a, static_cast<unsigned>(b)); }
FLASHLAB_INLINE double min(float a, double b) { return fmin(a, b); }
FLASHLAB_INLINE double min(double a, float b) { return fmin(a, b); }
FLASHLAB_INLINE double max(float a, double b) { return fmax(a, b); }
FLASHLAB_INLINE double max(double a, float b) { return fmax(a, b); }

FLASHLAB_INLINE float rsqrtf(float x) { return 1.0f / sqrtf(x); }
FLASHLAB_INLINE double rsqrt(double x) { return 1.0 / sqrt(x); }
FLASHLAB_INLINE float rcbrtf(float x) { return 1.0f / cbrtf(x); }
FLASHLAB_INLINE float __expf(float x) { return expf(x); }
FLASHLAB_INLINE float __exp10f(float x) { return powf(10.0f, x); }
FLASHLAB_INLINE float __logf(float x) { return logf(x); }
FLASHLAB_INLINE float __log2f(float x) { return log2f(x); }
FLASHLAB_INLINE float __log10f(float x) { return log10f(x); }
FLASHLAB_INLINE float __sinf(float x) { return sinf(x); }
FLASHLAB_INLINE float __cosf(float x) { return cosf(x); }
FLASHLAB_INLINE float __tanf(float x) { return tanf(x); }
FLASHLAB_INLINE float __powf(float x, float y) { return powf(x, y); }
FLASHLAB_INLINE float __fdividef(float a, float b) { return a / b; }
FLASHLAB_INLINE float __fdiv_rn(float a, float b) { return a / b; }
FLASHLAB_INLINE float __frcp_rn(float x) { return 1.0f / x; }
FLASHLAB_INLINE float __fsqrt_rn(float x) { return sqrtf(x); }
FLASHLAB_INLINE float __frsqrt_rn(float x) { return 1.0f / sqrtf(x); }
FLASHLAB_INLINE float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
FLASHLAB_INLINE double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
FLASHLAB_INLINE float __fadd_rn(float a, float b) { return a + b; }
FLASHLAB_INLINE float __fsub_rn(float a, float b) { return a - b; }
FLASHLAB_INLINE float __fmul_rn(float a, float b) { return a * b; }
FLASHLAB_INLINE double __dadd_rn(double a, double b) { return a + b; }
FLASHLAB_INLINE double __dmul_rn(double a, double b) { return a * b; }
FLASHLAB_INLINE float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
FLASHLAB_INLINE float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678118654752f); }
FLASHLAB_INLINE void sincospif(float x, float* s, float* c) {
  *s = sinf(x * 3.14159265358979f);
  *c = cosf(x * 3.14159265358979f);
}
FLASHLAB_INLINE float sinpif(float x) { return sinf(x * 3.14159265358979f); }
FLASHLAB_INLINE float cospif(float x) { return cosf(x * 3.14159265358979f); }
FLASHLAB_INLINE void __sincosf(float x, float* s, float* c) {
  *s = sinf(x);
  *c = cosf(x);
}

FLASHLAB_INLINE int __float_as_int(float x) { return std::bit_cast<int>(x); }
FLASHLAB_INLINE unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
FLASHLAB_INLINE float __int_as_float(int x) { return std::bit_cast<float>(x); }
FLASHLAB_INLINE float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
FLASHLAB_INLINE long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
FLASHLAB_INLINE double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
FLASHLAB_INLINE int __float2int_rn(float x) { return static_cast<int>(nearbyintf(x)); }
FLASHLAB_INLINE int __float2int_rz(float x) { return static_cast<int>(x); }
FLASHLAB_INLINE int __float2int_rd(float x) { return static_cast<int>(floorf(x)); }
FLASHLAB_INLINE int __float2int_ru(float x) { return static_cast<int>(ceilf(x)); }
FLASHLAB_INLINE float __int2float_rn(int x) { return static_cast<float>(x); }
FLASHLAB_INLINE float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
FLASHLAB_INLINE float __double2float_rn(double x) { return static_cast<float>(x); }

FLASHLAB_INLINE int __popc(unsigned x) { return std::popcount(x); }
FLASHLAB_INLINE int __popcll(unsigned long long x) { return std::popcount(x); }
FLASHLAB_INLINE int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
FLASHLAB_INLINE int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
FLASHLAB_INLINE int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }
FLASHLAB_INLINE int __ffsll(long long x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned long long>(x)) + 1; }
FLASHLAB_INLINE unsigned __brev(unsigned x) {
  unsigned r = 0;
  for (int i = 0; i < 32; ++i) r |= (x >> i & 1u) << (31 - i);
  return r;
}
FLASHLAB_INLINE int __mul24(int a, int b) { return a * b; }
FLASHLAB_INLINE unsigned __umul24(unsigned a, unsigned b) { return a * b; }
FLASHLAB_INLINE int __mulhi(int a, int b) { return static_cast<int>(static_cast<long long>(a) * b >> 32); }
FLASHLAB_INLINE unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(static_cast<unsigned long long>(a) * b >> 32); }
FLASHLAB_INLINE unsigned __funnelshift_l(unsigned lo, unsigned hi, unsigned s) { return s % 32 == 0 ? hi : hi << s % 32 | lo >> (32 - s % 32); }
FLASHLAB_INLINE unsigned __funnelshift_r(unsigned lo, unsigned hi, unsigned s) { return s % 32 == 0 ? lo : lo >> s % 32 | hi << (32 - s % 32); }
FLASHLAB_INLINE int __dp4a(int a, int b, int c) {
  for (int i = 0; i < 4; ++i) c += static_cast<signed char>(a >> 8 * i) * static_cast<signed char>(b >> 8 * i);
  return c;
}

// Loads and stores with a cache hint are loads and stores: the hint changes no count.
template <class T> FLASHLAB_INLINE T __ldg(const T* p) { return *p; }
template <class T> FLASHLAB_INLINE T __ldca(const T* p) { return *p; }
template <class T> FLASHLAB_INLINE T __ldcg(const T* p) { return *p; }
template <class T> FLASHLAB_INLINE T __ldcs(const T* p) { return *p; }
template <class T> FLASHLAB_INLINE T __ldlu(const T* p) { return *p; }
template <class T> FLASHLAB_INLINE T __ldcv(const T* p) { return *p; }
template <class T> FLASHLAB_INLINE void __stwb(T* p, T v) { *p = v; }
template <class T> FLASHLAB_INLINE void __stcg(T* p, T v) { *p = v; }
template <class T> FLASHLAB_INLINE void __stcs(T* p, T v) { *p = v; }
template <class T> FLASHLAB_INLINE void __stwt(T* p, T v) { *p = v; }
FLASHLAB_INLINE void __builtin_assume_true(bool) {}
#define __builtin_assume(x) static_cast<void>(0)
