// Groups and atomics, in branches too: what they compute is compared with plain loops.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>

#include <cstdio>

namespace cg = cooperative_groups;

__device__ int failures;
#define EXPECT(condition) do { if (!(condition)) { atomicAdd(&failures, 1); if (threadIdx.x % 32 == 5) printf("line %d\n", __LINE__); } } while (0)

// One atomic for all lanes that come here together.
__device__ int add_together(int* counter) {
  const cg::coalesced_group active = cg::coalesced_threads();
  int first = 0;
  if (active.thread_rank() == 0) first = atomicAdd(counter, active.size());  // LINE together
  return active.shfl(first, 0) + active.thread_rank();
}

__global__ void filter(const int* x, int* out, int* count, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    if (x[i] % 3 == 0) out[add_together(count)] = x[i];
  }
}

__global__ void groups(unsigned* masks) {
  const auto block = cg::this_thread_block();
  const auto warp = cg::tiled_partition<32>(block);
  const auto eight = cg::tiled_partition<8>(warp);
  const int t = threadIdx.x, lane = t % 32;
  EXPECT(block.thread_rank() == t && block.size() == 64 && warp.thread_rank() == lane && eight.thread_rank() == t % 8);
  EXPECT(eight.meta_group_rank() == t / 8 % 4 && eight.meta_group_size() == 4);
  const cg::thread_block_tile<8> any_eight = eight;
  EXPECT(any_eight.meta_group_rank() == t / 8 % 4 && any_eight.meta_group_size() == 4);
  EXPECT(cg::tiled_partition<8>(block).meta_group_rank() == t / 8 && cg::tiled_partition<8>(block).meta_group_size() == 8);
  EXPECT(cg::reduce(warp, lane, cg::plus<int>()) == 496 && cg::reduce(eight, lane, cg::greater<int>()) == lane / 8 * 8 + 7);
  EXPECT(warp.shfl(lane * 2, 3) == 6 && warp.shfl_down(lane, 1) == (lane == 31 ? 31 : lane + 1) && eight.shfl_xor(lane, 1) == (lane ^ 1));
  EXPECT(warp.ballot(lane < 4) == 15 && eight.any(lane == 9) == (lane / 8 == 1) && warp.all(1));
  EXPECT(eight.match_any(lane / 2) == 3u << lane % 8 / 2 * 2);
  EXPECT(cg::this_grid().thread_rank() == blockIdx.x * 64 + t && cg::this_grid().size() == gridDim.x * 64);
  unsigned mask = 0;
  if (lane < 5) {
    mask = __activemask();
  } else if (lane % 2 == 0) {
    const auto even = cg::coalesced_threads();
    mask = __activemask();
    EXPECT(even.size() == 13 && even.thread_rank() == (lane - 6) / 2 && cg::reduce(even, lane, cg::plus<int>()) == 13 * 18);
    EXPECT(even.shfl_down(lane, 1) == (lane == 30 ? 30 : lane + 2) && even.ballot(lane > 20) == 0x1F00u);
  }
  masks[blockIdx.x * 64 + t] = mask;
  block.sync();
}

template <class T>
__global__ void integers(T* v) {  // add, sub, min, max, and, or, xor, exchange, compare and swap
  const T t = threadIdx.x;
  if constexpr (sizeof(T) == 4) atomicSub(&v[1], t);  // there is none of 64 bits
  atomicAdd(&v[0], t), atomicMin(&v[2], t + 5), atomicMax(&v[3], t);
  atomicAnd(&v[4], ~(T(1) << t % 8)), atomicOr(&v[5], T(1) << t % 8), atomicXor(&v[6], t), atomicExch(&v[7], t);
  for (T seen = v[8], was; ; seen = was) {
    was = atomicCAS(&v[8], seen, seen + 2);
    if (was == seen) break;
  }
}
template <class T>
__global__ void reals(T* v) {
  __shared__ T sum;
  if (threadIdx.x == 0) sum = 0;
  __syncthreads();
  atomicAdd(&sum, T(0.5));
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(v, sum);
}
__global__ void wrapping(unsigned* v) {
  atomicInc(&v[0], 9), atomicDec(&v[1], 9);
}

template <class T>
bool integers_agree() {
  T h[9] = {0, 2016, 100, 0, 255, 0, 0, 0, 0}, *v;
  cudaMalloc(&v, sizeof h), cudaMemcpy(v, h, sizeof h, cudaMemcpyHostToDevice);
  integers<<<1, 64>>>(v);
  cudaMemcpy(h, v, sizeof h, cudaMemcpyDeviceToHost), cudaFree(v);
  return h[0] == 2016 && h[1] == (sizeof(T) == 4 ? 0 : 2016) && h[2] == 5 && h[3] == 63 && h[4] == 0 && h[5] == 255 && h[6] == 0 && h[7] < 64 && h[8] == 128;
}
template <class T>
bool reals_agree() {
  T h = 1, *v;
  cudaMalloc(&v, sizeof h), cudaMemcpy(v, &h, sizeof h, cudaMemcpyHostToDevice);
  reals<<<3, 64>>>(v);
  cudaMemcpy(&h, v, sizeof h, cudaMemcpyDeviceToHost), cudaFree(v);
  return h == 97;
}

int main() {
  const int n = 5000;
  static int h[n], kept[n];
  for (int i = 0; i < n; ++i) h[i] = i * 7 % 1000;
  int *x, *out, *count, found, failed, expected = 0;
  for (int i = 0; i < n; ++i) expected += h[i] % 3 == 0;
  cudaMalloc(&x, sizeof h), cudaMalloc(&out, sizeof h), cudaMalloc(&count, 4);
  cudaMemcpy(x, h, sizeof h, cudaMemcpyHostToDevice), cudaMemset(count, 0, 4), cudaMemset(out, 0, sizeof h);
  filter<<<8, 128>>>(x, out, count, n);
  cudaMemcpy(&found, count, 4, cudaMemcpyDeviceToHost), cudaMemcpy(kept, out, sizeof h, cudaMemcpyDeviceToHost);
  bool ok = found == expected;
  for (int i = 0; i < found; ++i) ok = ok && kept[i] % 3 == 0;
  unsigned *masks, hm[128], wrapped[2] = {8, 1}, *w;
  cudaMalloc(&masks, sizeof hm);
  groups<<<2, 64>>>(masks);
  cudaMemcpy(hm, masks, sizeof hm, cudaMemcpyDeviceToHost);
  for (int i = 0; i < 128; ++i) ok = ok && hm[i] == (i % 32 < 5 ? 0x1Fu : i % 2 == 0 ? 0x55555540u : 0u);
  cudaMalloc(&w, 8), cudaMemcpy(w, wrapped, 8, cudaMemcpyHostToDevice);
  wrapping<<<1, 4>>>(w);
  cudaMemcpy(wrapped, w, 8, cudaMemcpyDeviceToHost);
  ok = ok && wrapped[0] == 2 && wrapped[1] == 7;
  ok = ok && integers_agree<int>() && integers_agree<unsigned>() && integers_agree<unsigned long long>();
  ok = ok && reals_agree<float>() && reals_agree<double>();
  cudaMemcpyFromSymbol(&failed, failures, 4);
  printf("%d of %d kept, %d failed\n", found, expected, failed);
  cudaFree(x), cudaFree(out), cudaFree(count), cudaFree(masks), cudaFree(w);
  return ok && failed == 0 ? 0 : 1;
}
