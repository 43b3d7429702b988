// Lab 8: O = softmax(Q Kᵀ / √d) V with the fewest bytes of HBM that you can, at d = 64 and any N.
//
// The interface of lab 6: a block computes `rows` rows of O with `warps` warps, threadIdx = (lane, warp); the grid is
// (⌈N/rows⌉, heads). `shared_bytes` is dynamic shared memory; a block has 227 KiB in all.

#include <cuda_runtime.h>

struct Plan {
  int rows, warps, shared_bytes;
};

// BEGIN SOLUTION
constexpr int kRows = 192, kKeys = 32, kWarps = 16;
constexpr int kPitch = 65;  // floats from one row of a tile to the next: one more than d

__device__ float max_of_warp(float x) {
  for (int step = 16; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, step));
  return x;
}
__device__ float sum_of_warp(float x) {
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, step);
  return x;
}

// `rows` rows of X from row0 on, zeros past the end, by the whole block.
template <int rows, int d>
__device__ void load_rows(float* tile, const float* X, int row0, int N) {
  for (int i = threadIdx.y; i < rows; i += kWarps) {
    for (int c = threadIdx.x; c < d; c += 32) tile[i * kPitch + c] = row0 + i < N ? X[(row0 + i) * d + c] : 0.0f;
  }
}
// STUB
//| // Helpers of yours may stand here.
// END SOLUTION

__host__ __device__ Plan plan(int N, int d) {
  // BEGIN SOLUTION
  return {kRows, kWarps, static_cast<int>(sizeof(float)) * (kRows * kPitch + kKeys * kPitch + kRows * kKeys)};
  // STUB
  //| return {1, 1, 0};
  // END SOLUTION
}

template <int d>
__global__ void attention(const float* Q,  // (heads, N, d)
                          const float* K,  // (heads, N, d)
                          const float* V,  // (heads, N, d)
                          float* O,        // (heads, N, d)
                          int N, float scale) {
  // BEGIN SOLUTION
  constexpr int own = kRows / kWarps, columns = d / 32;
  extern __shared__ float pool[];
  float* const sQ = pool;                   // (kRows, d)    stays
  float* const sK = sQ + kRows * kPitch;    // (kKeys, d)    K, then V
  float* const sP = sK + kKeys * kPitch;    // (kRows, kKeys)
  const int lane = threadIdx.x, warp = threadIdx.y, row0 = blockIdx.x * kRows;
  const size_t head = static_cast<size_t>(blockIdx.y) * N * d;

  load_rows<kRows, d>(sQ, Q + head, row0, N);
  float m[own], l[own], o[own][columns];
  for (int r = 0; r < own; ++r) {
    m[r] = -INFINITY, l[r] = 0.0f;
    for (int c = 0; c < columns; ++c) o[r][c] = 0.0f;
  }
  for (int key0 = 0; key0 < N; key0 += kKeys) {
    __syncthreads();
    load_rows<kKeys, d>(sK, K + head, key0, N);
    __syncthreads();
    for (int r = 0; r < own; ++r) {
      const int row = warp * own + r;
      float s = 0.0f;
      for (int c = 0; c < d; ++c) s += sQ[row * kPitch + c] * sK[lane * kPitch + c];
      s = key0 + lane < N ? s * scale : -INFINITY;
      const float m_new = fmaxf(m[r], max_of_warp(s));
      const float p = expf(s - m_new), kept = expf(m[r] - m_new);
      l[r] = kept * l[r] + sum_of_warp(p);
      m[r] = m_new;
      for (int c = 0; c < columns; ++c) o[r][c] *= kept;
      sP[row * kKeys + lane] = p;
    }
    __syncthreads();
    load_rows<kKeys, d>(sK, V + head, key0, N);  // V takes K's place
    __syncthreads();
    for (int r = 0; r < own; ++r) {
      for (int j = 0; j < kKeys; ++j) {
        const float p = sP[(warp * own + r) * kKeys + j];
        for (int c = 0; c < columns; ++c) o[r][c] += p * sK[j * kPitch + lane + 32 * c];
      }
    }
  }
  for (int r = 0; r < own; ++r) {
    const int row = row0 + warp * own + r;
    if (row >= N) continue;
    for (int c = 0; c < columns; ++c) O[head + static_cast<size_t>(row) * d + lane + 32 * c] = o[r][c] / l[r];
  }
  // STUB
  //| // Nothing is written yet: O holds NaN.
  // END SOLUTION
}
