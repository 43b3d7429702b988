#pragma once
// The instructions of sm_90a that have no C++ spelling, one small function each, named as in the PTX manual: mbarriers,
// bulk tensor copies (TMA), warpgroup matrix products (wgmma), stmatrix, register reallocation, named barriers.

#include <cuda.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

namespace flashlab::ptx {

__device__ inline uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

// ---- mbarrier: counts arrivals and bytes; its phase flips when both are complete

__device__ inline void mbarrier_init(uint64_t* bar, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(bar)), "r"(arrivals) : "memory");
}
__device__ inline void mbarrier_arrive(uint64_t* bar) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(bar)) : "memory");
}
__device__ inline void mbarrier_arrive_expect(uint64_t* bar, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(bar)), "r"(bytes) : "memory");
}
// Returns when the phase of this parity is complete.
__device__ inline void mbarrier_wait(uint64_t* bar, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}" ::"r"(shared_address(bar)), "r"(parity) : "memory");
}
__device__ inline void fence_mbarrier_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

// ---- named barriers: of so many threads; arrive does not wait

__device__ inline void barrier_sync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ inline void barrier_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// ---- TMA: one thread moves a box of a 4-d tensor; x is the fastest coordinate

__device__ inline void tma_prefetch(const CUtensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}
__device__ inline void tma_load(void* shared, const CUtensorMap* map, int x, int y, int z, int w, uint64_t* bar) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4, %5}], [%6];"
      ::"r"(shared_address(shared)), "l"(map), "r"(x), "r"(y), "r"(z), "r"(w), "r"(shared_address(bar)) : "memory");
}
__device__ inline void tma_store(const CUtensorMap* map, int x, int y, int z, int w, const void* shared) {
  asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.tile.bulk_group [%0, {%1, %2, %3, %4}], [%5];"
               ::"l"(map), "r"(x), "r"(y), "r"(z), "r"(w), "r"(shared_address(shared)) : "memory");
}
__device__ inline void tma_store_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
// Until the shared memory of all stores of this thread may be written again.
__device__ inline void tma_store_wait_read() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }
// Ordinary writes of shared memory become visible to TMA and wgmma.
__device__ inline void fence_async_proxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// ---- registers: a warpgroup gives some back, or takes more

template <int count>
__device__ inline void registers_decrease() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(count)); }
template <int count>
__device__ inline void registers_increase() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(count)); }

// ---- small arithmetic

__device__ inline float exp2_approx(float x) {  // 2 ulp; 2^−∞ = 0
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
template <class T>
__device__ inline uint32_t pack(float low, float high) {  // two 16-bit floats in a register, rounded to nearest
  uint32_t y;
  if constexpr (std::is_same_v<T, __half>) asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  else asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  return y;
}
// Four 8×8 matrices of 16-bit elements; lane i gives the address of row i % 8 of matrix i / 8.
__device__ inline void stmatrix_x4(uint32_t shared, uint32_t a, uint32_t b, uint32_t c, uint32_t e) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};"
               ::"r"(shared), "r"(a), "r"(b), "r"(c), "r"(e) : "memory");
}

// ---- wgmma: 128 threads, D (64, N) += A (64, 16) B (16, N); D in registers, B in shared memory, A in either

// A matrix in shared memory; see "Matrix descriptor format" for what the two distances mean in each layout.
__device__ inline uint64_t matrix_descriptor(const void* shared, int leading_bytes, int stride_bytes, bool swizzle_128) {
  return (shared_address(shared) & 0x3ffff) >> 4 | static_cast<uint64_t>(leading_bytes >> 4) << 16 |
         static_cast<uint64_t>(stride_bytes >> 4) << 32 | static_cast<uint64_t>(swizzle_128) << 62;
}
// wgmma reads matrices of 8 rows × 16 bytes. Swizzled, eight side by side are an atom of 1 KB. Otherwise each is 128 bytes in
// one piece, with the next rows behind it and the next columns a panel further. The operand's rows run along k, or its
// columns do.
template <bool swizzle>
__device__ inline uint64_t rows_descriptor(const void* shared, int panel_bytes) {
  return swizzle ? matrix_descriptor(shared, 0, 1024, true) : matrix_descriptor(shared, panel_bytes, 128, false);
}
template <bool swizzle>
__device__ inline uint64_t columns_descriptor(const void* shared, int panel_bytes) {
  return swizzle ? matrix_descriptor(shared, panel_bytes, 1024, true) : matrix_descriptor(shared, 128, panel_bytes, false);
}
__device__ inline void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int pending>
__device__ inline void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory"); }
// The compiler must not move reads of these registers above the wait that stands before this.
template <int n>
__device__ inline void settle(float (&x)[n]) {
#pragma unroll
  for (int i = 0; i < n; ++i) asm volatile("" : "+f"(x[i])::"memory");
}

// An operand list is as long as D has registers, and PTX wants every one by name.
#define TEN(t) "%" #t "0, %" #t "1, %" #t "2, %" #t "3, %" #t "4, %" #t "5, %" #t "6, %" #t "7, %" #t "8, %" #t "9"
#define NAMES_32 TEN() ", " TEN(1) ", " TEN(2) ", %30, %31"
#define NAMES_40 TEN() ", " TEN(1) ", " TEN(2) ", " TEN(3)
#define NAMES_64 NAMES_40 ", " TEN(4) ", " TEN(5) ", %60, %61, %62, %63"
#define NAMES_88 NAMES_40 ", " TEN(4) ", " TEN(5) ", " TEN(6) ", " TEN(7) ", %80, %81, %82, %83, %84, %85, %86, %87"
#define NAMES_96 NAMES_40 ", " TEN(4) ", " TEN(5) ", " TEN(6) ", " TEN(7) ", " TEN(8) ", %90, %91, %92, %93, %94, %95"
#define NAMES_128 NAMES_40 ", " TEN(4) ", " TEN(5) ", " TEN(6) ", " TEN(7) ", " TEN(8) ", " TEN(9) ", " TEN(10) ", " TEN(11) \
                  ", %120, %121, %122, %123, %124, %125, %126, %127"
#define D8(i) "+f"(D[i]), "+f"(D[i + 1]), "+f"(D[i + 2]), "+f"(D[i + 3]), "+f"(D[i + 4]), "+f"(D[i + 5]), "+f"(D[i + 6]), "+f"(D[i + 7])
#define D_32 D8(0), D8(8), D8(16), D8(24)
#define D_40 D_32, D8(32)
#define D_64 D_40, D8(40), D8(48), D8(56)
#define D_88 D_64, D8(64), D8(72), D8(80)
#define D_96 D_88, D8(88)
#define D_128 D_96, D8(96), D8(104), D8(112), D8(120)

// SS: A and B in shared memory, both as rows along k. RS: A in registers, B stored as rows along k and read transposed.
// a, b, c, … are the names that follow the registers of D: descriptor(s) or A's registers, and whether D counts.
#define WGMMA_SS(N, R, type, a, b, c)                                                                        \
  asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %" #c ", 0;\n"                                          \
               "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." type "." type " {" NAMES_##R "}, %" #a ", %" #b ", add, 1, 1, 0, 0;\n}" \
               : D_##R : "l"(A), "l"(B), "r"(add))
#define WGMMA_RS(N, R, type, a, b, c, e, f, g)                                                               \
  asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %" #g ", 0;\n"                                          \
               "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." type "." type " {" NAMES_##R                \
               "}, {%" #a ", %" #b ", %" #c ", %" #e "}, %" #f ", add, 1, 1, 1;\n}"                          \
               : D_##R : "r"(A[0]), "r"(A[1]), "r"(A[2]), "r"(A[3]), "l"(B), "r"(add))

// D (64, 2n) = A Bᵀ, or D += A Bᵀ where `add`.
template <class T, int n>
__device__ inline void wgmma_ss(float (&D)[n], uint64_t A, uint64_t B, int add) {
  constexpr bool half = std::is_same_v<T, __half>;
#define EITHER(N, R, ...) if constexpr (half) WGMMA_SS(N, R, "f16", __VA_ARGS__); else WGMMA_SS(N, R, "bf16", __VA_ARGS__)
  if constexpr (n == 32) { EITHER(64, 32, 32, 33, 34); }
  else if constexpr (n == 40) { EITHER(80, 40, 40, 41, 42); }
  else if constexpr (n == 64) { EITHER(128, 64, 64, 65, 66); }
  else if constexpr (n == 88) { EITHER(176, 88, 88, 89, 90); }
  else { static_assert(n == 96); EITHER(192, 96, 96, 97, 98); }
#undef EITHER
}
template <class T, int n>
__device__ inline void wgmma_rs(float (&D)[n], const uint32_t* A, uint64_t B, int add) {
  constexpr bool half = std::is_same_v<T, __half>;
#define EITHER(N, R, ...) if constexpr (half) WGMMA_RS(N, R, "f16", __VA_ARGS__); else WGMMA_RS(N, R, "bf16", __VA_ARGS__)
  if constexpr (n == 32) { EITHER(64, 32, 32, 33, 34, 35, 36, 37); }
  else if constexpr (n == 64) { EITHER(128, 64, 64, 65, 66, 67, 68, 69); }
  else { static_assert(n == 128); EITHER(256, 128, 128, 129, 130, 131, 132, 133); }
#undef EITHER
}

#undef WGMMA_SS
#undef WGMMA_RS
#undef TEN
#undef NAMES_32
#undef NAMES_40
#undef NAMES_64
#undef NAMES_88
#undef NAMES_96
#undef NAMES_128
#undef D8
#undef D_32
#undef D_40
#undef D_64
#undef D_88
#undef D_96
#undef D_128

}  // namespace flashlab::ptx
