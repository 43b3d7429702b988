// What published programs do and ours do not: launches as formatters space them, groups by value and tiles of a size
// known at run time, a warp that exchanges values through volatile shared memory, atomics on halves, managed memory
// that the host fills.
#include <cooperative_groups.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_profiler_api.h>

#include <cstdio>

using namespace cooperative_groups;

__device__ int sum_of(thread_group g, int* slots, int v) {
  const unsigned rank = g.thread_rank();
  for (unsigned half = g.size() / 2; half > 0; half /= 2) {
    slots[rank] = v;
    g.sync();
    if (rank < half) v += slots[rank + half];
    g.sync();
  }
  return v;
}

__global__ void sums(int* out) {
  __shared__ int slots[128];
  const thread_block block = this_thread_block();
  const int all = sum_of(block, slots, 1);
  block.sync();
  const thread_group warp = tiled_partition(block, 32), eight = tiled_partition(warp, 8);
  const unsigned first = block.thread_rank() / 8 * 8;
  const int few = sum_of(eight, slots + first, 1);
  const thread_block_tile<16> sixteen = tiled_partition<16>(block);
  block.sync();
  const int more = sum_of(sixteen, slots + block.thread_rank() / 16 * 16, 1);
  if (threadIdx.x == 0) out[0] = all, out[1] = few, out[2] = more;
}

__device__ void fold(volatile int* s, unsigned lane) {
  s[lane] += s[lane + 32];
  s[lane] += s[lane + 16];
  s[lane] += s[lane + 8];
  s[lane] += s[lane + 4];
  s[lane] += s[lane + 2];
  s[lane] += s[lane + 1];
}

__global__ void in_step(const int* in, int* out) {
  __shared__ int s[64];
  s[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  if (threadIdx.x < 32) fold(s, threadIdx.x);  // LINE in step
  if (threadIdx.x == 0) *out = s[0];
}

__global__ void add_halves(__half* h, __half2* h2, __nv_bfloat16* b) {
  atomicAdd(h, __float2half(0.5f));  // LINE half
  atomicAdd(h2, __floats2half2_rn(1.0f, 0.25f));
  atomicAdd(b, __float2bfloat16(2.0f));
}

int main() {
  int *in, *out;
  __half* h;
  __half2* h2;
  __nv_bfloat16* b;
  cudaMallocManaged(&in, 64 * sizeof(int)), cudaMallocManaged(&out, 4 * sizeof(int));
  cudaMalloc(&h, sizeof *h), cudaMalloc(&h2, sizeof *h2), cudaMalloc(&b, sizeof *b);
  cudaMemset(h, 0, sizeof *h), cudaMemset(h2, 0, sizeof *h2), cudaMemset(b, 0, sizeof *b);
  int expected = 0;
  for (int i = 0; i < 64; ++i) expected += in[i] = i * i % 7;
  cudaProfilerStart();
  sums << <1, 128 >> > (out);
  in_step<<<1, 64>>>(in, out + 3);
  add_halves<<<1, 32>>>(h, h2, b);
  cudaProfilerStop();
  cudaDeviceSynchronize();
  __half one;
  __half2 two;
  __nv_bfloat16 three;
  cudaMemcpy(&one, h, sizeof one, cudaMemcpyDeviceToHost);
  cudaMemcpy(&two, h2, sizeof two, cudaMemcpyDeviceToHost);
  cudaMemcpy(&three, b, sizeof three, cudaMemcpyDeviceToHost);
  printf("%d %d %d, %d of %d, %g %g %g %g\n", out[0], out[1], out[2], out[3], expected, __half2float(one),
         __low2float(two), __high2float(two), __bfloat162float(three));
  const bool ok = out[0] == 128 && out[1] == 8 && out[2] == 16 && out[3] == expected && __half2float(one) == 16 &&
                  __low2float(two) == 32 && __high2float(two) == 8 && __bfloat162float(three) == 64;
  cudaFree(in), cudaFree(out), cudaFree(h), cudaFree(h2), cudaFree(b);
  return ok ? 0 : 1;
}
