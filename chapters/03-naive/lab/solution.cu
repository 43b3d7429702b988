// Lab 3: S = Q Kᵀ / √d, one row of S a warp.
//
// Launch: blocks of (32, 8) threads, grid (⌈N/8⌉, heads). threadIdx.x is the lane of a warp, threadIdx.y the warp:
// warp w of block b is to write row 8b + w of S, for the head blockIdx.y. d is 32 or 64; N is any number.

#include <cuda_runtime.h>

// BEGIN SOLUTION
__device__ float sum_of_warp(float x) {
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, step);
  return x;
}
// STUB
//| // Helpers of yours may stand here.
// END SOLUTION

template <int d>
__global__ void scores(const float* Q,  // (heads, N, d)
                       const float* K,  // (heads, N, d)
                       float* S,        // (heads, N, N)
                       int N, float scale) {
  const int lane = threadIdx.x;
  const int row = blockIdx.x * 8 + threadIdx.y;
  const size_t head = blockIdx.y;
  if (row >= N) return;
  const float* q = Q + (head * N + row) * d;
  const float* k = K + head * N * d;
  float* s = S + (head * N + row) * N;

  // BEGIN SOLUTION
  float rQ[d / 32];
  for (int c = 0; c < d / 32; ++c) rQ[c] = q[c * 32 + lane];  // 32 lanes, 32 neighbours: 4 sectors
  for (int key0 = 0; key0 < N; key0 += 32) {
    const int keys = min(32, N - key0);
    float mine = 0.0f;
    for (int j = 0; j < keys; ++j) {  // all lanes read one row of K together
      float part = 0.0f;
      for (int c = 0; c < d / 32; ++c) part += rQ[c] * k[(key0 + j) * d + c * 32 + lane];
      const float score = sum_of_warp(part) * scale;
      if (lane == j) mine = score;  // lane j keeps the score of key key0 + j
    }
    if (lane < keys) s[key0 + lane] = mine;
  }
  // STUB
  //| // Right, and slow: at every step of the inner loop the lanes read K at places d floats apart.
  //| for (int key = lane; key < N; key += 32) {
  //|   float sum = 0.0f;
  //|   for (int c = 0; c < d; ++c) sum += q[c] * k[key * d + c];
  //|   s[key] = sum * scale;
  //| }
  // END SOLUTION
}
