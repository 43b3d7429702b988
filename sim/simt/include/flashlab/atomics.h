#pragma once
// Atomics on global and shared memory. They happen in the order of the blocks, so that results do not depend on how
// many processors run them.
#include <flashlab/device.h>

#include <cstdint>

extern "C" {
// One function a type: performs `op` (below) and answers the old bits.
std::uint32_t flashlab_atomic_i32(void* p, int op, std::uint32_t value, std::uint32_t compare);
std::uint32_t flashlab_atomic_u32(void* p, int op, std::uint32_t value, std::uint32_t compare);
std::uint64_t flashlab_atomic_i64(void* p, int op, std::uint64_t value, std::uint64_t compare);
std::uint64_t flashlab_atomic_u64(void* p, int op, std::uint64_t value, std::uint64_t compare);
float flashlab_atomic_f32(void* p, int op, float value, float compare);
double flashlab_atomic_f64(void* p, int op, double value, double compare);
// 16 or 32 bits, for types that only the program's headers know: `now` makes the new bits of the old ones and `value`.
std::uint32_t flashlab_atomic_with(void* p, int bytes, std::uint32_t value, std::uint32_t (*now)(std::uint32_t, std::uint32_t));
}

namespace flashlab_simt {
enum AtomicOp { kAdd, kSub, kExchange, kCas, kMin, kMax, kAnd, kOr, kXor, kInc, kDec };

// Adds a T of 2 or 4 bytes with its own operator+.
template <class T>
FLASHLAB_INLINE T atomic_add(T* p, T v) {
  std::uint32_t bits = 0;
  __builtin_memcpy(&bits, &v, sizeof(T));
  bits = flashlab_atomic_with(p, sizeof(T), bits, [](std::uint32_t old, std::uint32_t value) {
    T a, b;
    __builtin_memcpy(&a, &old, sizeof(T)), __builtin_memcpy(&b, &value, sizeof(T));
    a = a + b;
    __builtin_memcpy(&old, &a, sizeof(T));
    return old;
  });
  __builtin_memcpy(&v, &bits, sizeof(T));
  return v;
}
}

#define FLASHLAB_ATOMIC(name, op, T, suffix, U)                                                        \
  FLASHLAB_INLINE T name(T* p, T v) {                                                                  \
    return static_cast<T>(flashlab_atomic_##suffix(p, flashlab_simt::op, static_cast<U>(v), U(0)));    \
  }                                                                                                    \
  FLASHLAB_INLINE T name##_block(T* p, T v) { return name(p, v); }                                     \
  FLASHLAB_INLINE T name##_system(T* p, T v) { return name(p, v); }
#define FLASHLAB_ATOMIC_INTEGERS(name, op)                                     \
  FLASHLAB_ATOMIC(name, op, int, i32, std::uint32_t)                           \
  FLASHLAB_ATOMIC(name, op, unsigned int, u32, std::uint32_t)                  \
  FLASHLAB_ATOMIC(name, op, long long, i64, std::uint64_t)                     \
  FLASHLAB_ATOMIC(name, op, unsigned long long, u64, std::uint64_t)            \
  FLASHLAB_ATOMIC(name, op, long, i64, std::uint64_t)                          \
  FLASHLAB_ATOMIC(name, op, unsigned long, u64, std::uint64_t)
FLASHLAB_ATOMIC_INTEGERS(atomicAdd, kAdd)
FLASHLAB_ATOMIC(atomicAdd, kAdd, float, f32, float)
FLASHLAB_ATOMIC(atomicAdd, kAdd, double, f64, double)
FLASHLAB_ATOMIC_INTEGERS(atomicSub, kSub)
FLASHLAB_ATOMIC_INTEGERS(atomicExch, kExchange)
FLASHLAB_ATOMIC(atomicExch, kExchange, float, f32, float)
FLASHLAB_ATOMIC_INTEGERS(atomicMin, kMin)
FLASHLAB_ATOMIC_INTEGERS(atomicMax, kMax)
FLASHLAB_ATOMIC_INTEGERS(atomicAnd, kAnd)
FLASHLAB_ATOMIC_INTEGERS(atomicOr, kOr)
FLASHLAB_ATOMIC_INTEGERS(atomicXor, kXor)
FLASHLAB_ATOMIC(atomicInc, kInc, unsigned int, u32, std::uint32_t)
FLASHLAB_ATOMIC(atomicDec, kDec, unsigned int, u32, std::uint32_t)
#undef FLASHLAB_ATOMIC_INTEGERS
#undef FLASHLAB_ATOMIC

#define FLASHLAB_CAS(T, suffix, U)                                                                               \
  FLASHLAB_INLINE T atomicCAS(T* p, T compare, T v) {                                                            \
    return static_cast<T>(flashlab_atomic_##suffix(p, flashlab_simt::kCas, static_cast<U>(v), static_cast<U>(compare))); \
  }                                                                                                              \
  FLASHLAB_INLINE T atomicCAS_block(T* p, T compare, T v) { return atomicCAS(p, compare, v); }                   \
  FLASHLAB_INLINE T atomicCAS_system(T* p, T compare, T v) { return atomicCAS(p, compare, v); }
FLASHLAB_CAS(int, i32, std::uint32_t)
FLASHLAB_CAS(unsigned int, u32, std::uint32_t)
FLASHLAB_CAS(long long, i64, std::uint64_t)
FLASHLAB_CAS(unsigned long long, u64, std::uint64_t)
#undef FLASHLAB_CAS
