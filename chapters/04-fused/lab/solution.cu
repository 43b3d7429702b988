// Lab 4: one kernel, S and P in shared memory: a block keeps `rows` whole rows of S, so that N is bounded.
//
// Launch: blocks of (32, 4) threads, grid (⌈N/rows⌉, heads), shared_bytes of dynamic shared memory, of which there are
// sram_bytes. d is 32 or 64. largest_N and plan answer for any N: rows = 0 says that not even one row fits.

#include <cuda_runtime.h>

struct Plan {
  int rows, shared_bytes;
};

// BEGIN SOLUTION
constexpr int kMostRows = 16;

__device__ float max_of_warp(float x) {
  for (int step = 16; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, step));
  return x;
}
__device__ float sum_of_warp(float x) {
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, step);
  return x;
}
// STUB
//| // Helpers of yours may stand here.
// END SOLUTION

__host__ __device__ int largest_N(int d, int sram_bytes) {
  // BEGIN SOLUTION
  return sram_bytes / static_cast<int>(sizeof(float));  // one row of S, and nothing beside it
  // STUB
  //| return 0;
  // END SOLUTION
}

__host__ __device__ Plan plan(int N, int d, int sram_bytes) {
  // BEGIN SOLUTION
  const int row_bytes = N * static_cast<int>(sizeof(float));
  const int rows = min(kMostRows, sram_bytes / row_bytes);
  return {rows, rows * row_bytes};
  // STUB
  //| return {0, 0};
  // END SOLUTION
}

template <int d>
__global__ void fused(const float* Q,  // (heads, N, d)
                      const float* K,  // (heads, N, d)
                      const float* V,  // (heads, N, d)
                      float* O,        // (heads, N, d)
                      int N, int rows, float scale) {
  // BEGIN SOLUTION
  extern __shared__ float sS[];  // (rows, N)
  constexpr int columns = d / 32, kWarps = 4;
  const int lane = threadIdx.x, warp = threadIdx.y, row0 = blockIdx.x * rows;
  const size_t head = static_cast<size_t>(blockIdx.y) * N * d;
  const int here = min(rows, N - row0);

  float rQ[kMostRows][columns] = {};
  for (int r = 0; r < here; ++r) {
    for (int c = 0; c < columns; ++c) rQ[r][c] = Q[head + static_cast<size_t>(row0 + r) * d + c * 32 + lane];
  }
  // S: a warp reads a row of K once, for all rows of the block.
  for (int key = warp; key < N; key += kWarps) {
    float k[columns];
    for (int c = 0; c < columns; ++c) k[c] = K[head + static_cast<size_t>(key) * d + c * 32 + lane];
    for (int r = 0; r < here; ++r) {
      float part = 0.0f;
      for (int c = 0; c < columns; ++c) part += rQ[r][c] * k[c];
      const float score = sum_of_warp(part) * scale;
      if (lane == 0) sS[r * N + key] = score;
    }
  }
  __syncthreads();
  // P: softmax of each row, in place.
  for (int r = warp; r < here; r += kWarps) {
    float m = -INFINITY, l = 0.0f;
    for (int key = lane; key < N; key += 32) m = fmaxf(m, sS[r * N + key]);
    m = max_of_warp(m);
    for (int key = lane; key < N; key += 32) l += expf(sS[r * N + key] - m);
    l = sum_of_warp(l);
    for (int key = lane; key < N; key += 32) sS[r * N + key] = expf(sS[r * N + key] - m) / l;
  }
  __syncthreads();
  // O: the threads of a block are 128 columns and row groups of O; V passes by once.
  constexpr int groups = 128 / d, own = kMostRows / groups;
  const int thread = warp * 32 + lane, column = thread % d, group = thread / d;
  float o[own];
  for (int r = 0; r < own; ++r) o[r] = 0.0f;
  for (int key = 0; key < N; ++key) {
    const float v = V[head + static_cast<size_t>(key) * d + column];
    for (int r = 0; r < own; ++r) {
      const int row = r * groups + group;
      if (row < here) o[r] += sS[row * N + key] * v;
    }
  }
  for (int r = 0; r < own; ++r) {
    const int row = r * groups + group;
    if (row < here) O[head + static_cast<size_t>(row0 + row) * d + column] = o[r];
  }
  // STUB
  //| // Nothing is written yet: O holds NaN.
  // END SOLUTION
}
