// Every inline PTX instruction that the simt machine knows, against plain C++.
#include <cmath>
#include <cstdint>
#include <cstdio>

#define PTX1(name, text, R, r, A, a)                                   \
  __device__ R name(A x) { R y; asm volatile(text : r(y) : a(x)); return y; }
#define PTX2(name, text, R, r, A, a, B, b)                             \
  __device__ R name(A x, B z) { R y; asm volatile(text : r(y) : a(x), b(z)); return y; }

PTX1(ex2, "ex2.approx.ftz.f32 %0, %1;", float, "=f", float, "f")
PTX1(lg2, "lg2.approx.f32 %0, %1;", float, "=f", float, "f")
PTX1(rcp, "rcp.approx.ftz.f32 %0, %1;", float, "=f", float, "f")
PTX1(rsq, "rsqrt.approx.f32 %0, %1;", float, "=f", float, "f")
PTX1(sqr, "sqrt.rn.f32 %0, %1;", float, "=f", float, "f")
PTX1(tnh, "tanh.approx.f32 %0, %1;", float, "=f", float, "f")
PTX1(to_int, "cvt.rni.s32.f32 %0, %1;", int, "=r", float, "f")
PTX1(to_wide, "cvt.s64.s32 %0, %1;", long long, "=l", int, "r")
PTX1(widen, "cvt.f32.f16 %0, %1;", float, "=f", unsigned short, "h")
PTX1(ones, "popc.b32 %0, %1;", unsigned, "=r", unsigned, "r")
PTX1(swapped, "{ .reg .b16 lo, hi; mov.b32 {lo, hi}, %1; mov.b32 %0, {hi, lo}; }", unsigned, "=r", unsigned, "r")
PTX2(bf16x2, "cvt.rn.bf16x2.f32 %0, %1, %2;", unsigned, "=r", float, "f", float, "f")
PTX2(f16x2, "cvt.rn.f16x2.f32 %0, %1, %2;", unsigned, "=r", float, "f", float, "f")
PTX2(high, "mul.hi.u32 %0, %1, %2;", unsigned, "=r", unsigned, "r", unsigned, "r")
PTX2(wide, "mul.wide.s32 %0, %1, %2;", long long, "=l", int, "r", int, "r")
PTX2(fused, "fma.rn.f32 %0, %1, %2, 0f3F000000;", float, "=f", float, "f", float, "f")
PTX2(shifted, "shr.s32 %0, %1, %2;", int, "=r", int, "r", unsigned, "r")
PTX2(bytes, "prmt.b32 %0, %1, %2, 0x5410;", unsigned, "=r", unsigned, "r", unsigned, "r")
PTX2(odd, "lop3.b32 %0, %1, %2, 0, 0x3c;", unsigned, "=r", unsigned, "r", unsigned, "r")
PTX2(chosen, "{ .reg .pred p; setp.lt.s32 p, %1, %2; selp.s32 %0, %1, 7, p; }", int, "=r", int, "r", int, "r")

__device__ int failures;
#define EXPECT(condition) do { if (!(condition)) { atomicAdd(&failures, 1); if (threadIdx.x == 5) printf("line %d\n", __LINE__); } } while (0)

__global__ void all(const float4* x, float* y, unsigned* sums) {
  __shared__ float s[64];
  const int t = threadIdx.x;
  unsigned lane, warp, below, block;
  asm("mov.u32 %0, %%laneid;" : "=r"(lane));
  asm("mov.u32 %0, %%warpid;" : "=r"(warp));
  asm("mov.u32 %0, %%lanemask_lt;" : "=r"(below));
  asm("mov.u32 %0, %%ctaid.x;" : "=r"(block));
  EXPECT(lane == t % 32 && warp == t / 32 && below == (1u << lane) - 1 && block == blockIdx.x);
  EXPECT(ex2(3.0f) == 8.0f && ex2(-200.0f) == 0.0f && lg2(8.0f) == 3.0f && rcp(4.0f) == 0.25f && rsq(4.0f) == 0.5f);
  EXPECT(sqr(9.0f) == 3.0f && fabsf(tnh(0.5f) - 0.46211716f) < 1e-3f && to_int(-2.5f) == -2 && to_wide(-3) == -3);
  EXPECT(widen(0x3E00) == 1.5f && ones(0xF0F0u) == 8 && swapped(0x12345678u) == 0x56781234u);
  EXPECT(bf16x2(1.0f, 2.0f) == 0x3F804000u && f16x2(1.0f, 2.0f) == 0x3C004000u);
  EXPECT(high(0x80000000u, 6) == 3 && wide(-5, 1 << 30) == -5ll * (1 << 30) && fused(2.0f, 3.0f) == 6.5f);
  EXPECT(shifted(-16, 2) == -4 && shifted(-16, 40) == -1 && bytes(0x44332211u, 0x88776655u) == 0x66552211u);
  EXPECT(odd(0xF0u, 0xFFu) == 0x0Fu && chosen(3, 4) == 3 && chosen(5, 4) == 7);

  float4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "l"(x + t));  // LINE load
  const uint32_t place = static_cast<uint32_t>(__cvta_generic_to_shared(s));
  asm volatile("st.shared.f32 [%0], %1;" :: "r"(place + 4 * t), "f"(v.x + v.y + v.z + v.w) : "memory");
  asm volatile("bar.sync 0;" ::: "memory");
  float other;
  uint32_t same;
  asm("{ .reg .u64 a; cvta.to.shared.u64 a, %1; cvt.u32.u64 %0, a; }" : "=r"(same) : "l"(s));
  EXPECT(same == place);
  asm volatile("ld.shared.f32 %0, [%1+4];" : "=f"(other) : "r"(same + 4 * ((t + 62) % 63)));
  asm volatile("st.global.f32 [%0], %1;" :: "l"(y + t), "f"(other) : "memory");
  asm volatile("prefetch.global.L2 [%0];" :: "l"(y));
  asm volatile("membar.gl;" ::: "memory");

  unsigned partner, votes, largest;
  asm volatile("shfl.sync.bfly.b32 %0, %1, 1, 0x1f, 0xffffffff;" : "=r"(partner) : "r"(lane));
  asm volatile("{ .reg .pred p; setp.ge.u32 p, %1, 16; vote.sync.ballot.b32 %0, p, 0xffffffff; }" : "=r"(votes) : "r"(lane));
  asm volatile("redux.sync.max.u32 %0, %1, 0xffffffff;" : "=r"(largest) : "r"(lane));
  EXPECT(partner == (lane ^ 1) && votes == 0xFFFF0000u && largest == 31);
  unsigned before;
  asm volatile("atom.global.add.u32 %0, [%1], %2;" : "=r"(before) : "l"(sums), "r"(1));
  asm volatile("red.global.max.u32 [%0], %1;" :: "l"(sums + 1), "r"(before) : "memory");
}

int main() {
  float4 h[64];
  float hy[64];
  unsigned hs[2];
  for (int i = 0; i < 64; ++i) h[i] = make_float4(i, 1, 2, 3);
  float4* x;
  float* y;
  unsigned* sums;
  cudaMalloc(&x, sizeof h), cudaMalloc(&y, sizeof hy), cudaMalloc(&sums, sizeof hs);
  cudaMemcpy(x, h, sizeof h, cudaMemcpyHostToDevice), cudaMemset(sums, 0, sizeof hs);
  all<<<1, 64>>>(x, y, sums);
  cudaMemcpy(hy, y, sizeof hy, cudaMemcpyDeviceToHost), cudaMemcpy(hs, sums, sizeof hs, cudaMemcpyDeviceToHost);
  int failed;
  cudaMemcpyFromSymbol(&failed, failures, sizeof failed);
  bool ok = failed == 0 && hs[0] == 64 && hs[1] == 63;
  for (int t = 0; t < 64; ++t) ok = ok && hy[t] == (t + 62) % 63 + 1 + 6;
  printf("%d %u %u\n", failed, hs[0], hs[1]);
  cudaFree(x), cudaFree(y), cudaFree(sums);
  return ok ? 0 : 1;
}
