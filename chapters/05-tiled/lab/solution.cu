// Lab 5: S = Q Kᵀ / √d, one tile of 32 × 32 a block, Q and K in shared memory.
//
// Launch: blocks of (32, 8) threads, grid (⌈N/32⌉, ⌈N/32⌉, heads): block (x, y, h) is to write rows 32y … and columns
// 32x … of S of head h. d is 32 or 64; N is any number.

#include <cuda_runtime.h>

template <int d>
__global__ void scores(const float* Q,  // (heads, N, d)
                       const float* K,  // (heads, N, d)
                       float* S,        // (heads, N, N)
                       int N, float scale) {
  const int lane = threadIdx.x, warp = threadIdx.y;
  const int row0 = blockIdx.y * 32, key0 = blockIdx.x * 32;
  const size_t head = static_cast<size_t>(blockIdx.z) * N;
  // BEGIN SOLUTION
  __shared__ float sQ[32][d];
  __shared__ float sK[32][d + 1];  // one pad: row j, column c lies in bank (j + c) mod 32
  for (int i = warp; i < 32; i += 8) {
    for (int c = lane; c < d; c += 32) {
      sQ[i][c] = row0 + i < N ? Q[(head + row0 + i) * d + c] : 0.0f;
      sK[i][c] = key0 + i < N ? K[(head + key0 + i) * d + c] : 0.0f;
    }
  }
  __syncthreads();
  for (int i = warp; i < 32; i += 8) {
    float sum = 0.0f;
    for (int c = 0; c < d; ++c) sum += sQ[i][c] * sK[lane][c];
    if (row0 + i < N && key0 + lane < N) S[(head + row0 + i) * N + key0 + lane] = sum * scale;
  }
  // STUB
  //| // Nothing is written yet: S holds NaN.
  // END SOLUTION
}
