// Lab 5: O = softmax(Q Kᵀ / √d) V in tiles, two passes over K: the first finds each row's maximum m and sum l, the
// second makes the scores again and adds P·V. Any N; nothing of S but one tile exists; no bank conflicts.
//
// You choose the shape: a block computes `rows` rows of O with `warps` warps, threadIdx = (lane, warp); the grid is
// (⌈N/rows⌉, heads). `shared_bytes` is dynamic shared memory (extern __shared__), beside the 48 KiB at most of
// __shared__ arrays. d is 32, 64 or 128; N is any number.

#include <cuda_runtime.h>

struct Plan {
  int rows, warps, shared_bytes;
};

// BEGIN SOLUTION
constexpr int kRows = 64, kKeys = 32, kWarps = 8;
constexpr int kPad = 1;  // lanes that walk down a column of a tile meet 32 banks

__device__ float max_of_warp(float x) {
  for (int step = 16; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, step));
  return x;
}
__device__ float sum_of_warp(float x) {
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, step);
  return x;
}

// `rows` rows of X from row0 on, zeros past the end, by the whole block.
__device__ void load_rows(float* tile, const float* X, int rows, int row0, int N, int d) {
  for (int i = threadIdx.y; i < rows; i += kWarps) {
    for (int c = threadIdx.x; c < d; c += 32) tile[i * (d + kPad) + c] = row0 + i < N ? X[(row0 + i) * d + c] : 0.0f;
  }
}

// s[r] = the score of row r of this warp and key `lane` of the tile.
__device__ void multiply(float (&s)[kRows / kWarps], const float* sQ, const float* sK, int d) {
  for (int r = 0; r < kRows / kWarps; ++r) s[r] = 0.0f;
  for (int c = 0; c < d; ++c) {
    const float k = sK[threadIdx.x * (d + kPad) + c];
    for (int r = 0; r < kRows / kWarps; ++r) s[r] += sQ[(threadIdx.y + kWarps * r) * (d + kPad) + c] * k;
  }
}

__device__ bool sees(int row, int key, int N, bool causal) { return key < N && (!causal || key <= row); }
// STUB
//| // Helpers of yours may stand here.
// END SOLUTION

__host__ __device__ Plan plan(int N, int d) {
  // BEGIN SOLUTION
  const int floats = (kRows + 2 * kKeys) * (d + kPad) + kRows * (kKeys + kPad);
  return {kRows, kWarps, 4 * floats};
  // STUB
  //| return {1, 1, 0};
  // END SOLUTION
}

template <int d>
__global__ void tiled(const float* Q,  // (heads, N, d)
                      const float* K,  // (heads, N, d)
                      const float* V,  // (heads, N, d)
                      float* O,        // (heads, N, d)
                      int N, float scale,
                      bool causal) {   // row i sees the keys up to i
  // BEGIN SOLUTION
  constexpr int own = kRows / kWarps, columns = d / 32;
  extern __shared__ float shared[];
  float* sQ = shared;                  // (kRows, d)
  float* sK = sQ + kRows * (d + kPad); // (kKeys, d)
  float* sV = sK + kKeys * (d + kPad); // (kKeys, d)
  float* sP = sV + kKeys * (d + kPad); // (kRows, kKeys)
  const int lane = threadIdx.x, warp = threadIdx.y, row0 = blockIdx.x * kRows;
  const size_t head = static_cast<size_t>(blockIdx.y) * N * d;
  const int keys = causal ? min(N, row0 + kRows) : N;  // no row of this block sees a later key

  load_rows(sQ, Q + head, kRows, row0, N, d);
  float m[own], l[own], s[own], o[own][columns];
  for (int r = 0; r < own; ++r) {
    m[r] = -INFINITY, l[r] = 0.0f;
    for (int c = 0; c < columns; ++c) o[r][c] = 0.0f;
  }
  for (int key0 = 0; key0 < keys; key0 += kKeys) {  // pass 1: m and l
    __syncthreads();
    load_rows(sK, K + head, kKeys, key0, N, d);
    __syncthreads();
    multiply(s, sQ, sK, d);
    for (int r = 0; r < own; ++r) {
      const float score = sees(row0 + warp + kWarps * r, key0 + lane, N, causal) ? s[r] * scale : -INFINITY;
      const float m_new = fmaxf(m[r], max_of_warp(score));  // finite: every row sees key 0
      l[r] = l[r] * expf(m[r] - m_new) + sum_of_warp(expf(score - m_new));
      m[r] = m_new;
    }
  }
  for (int key0 = 0; key0 < keys; key0 += kKeys) {  // pass 2: P and O
    __syncthreads();
    load_rows(sK, K + head, kKeys, key0, N, d);
    load_rows(sV, V + head, kKeys, key0, N, d);
    __syncthreads();
    multiply(s, sQ, sK, d);
    for (int r = 0; r < own; ++r) {
      const int row = warp + kWarps * r;
      const float score = sees(row0 + row, key0 + lane, N, causal) ? s[r] * scale : -INFINITY;
      sP[row * (kKeys + kPad) + lane] = expf(score - m[r]) / l[r];
    }
    __syncwarp();
    for (int j = 0; j < kKeys; ++j) {
      for (int r = 0; r < own; ++r) {
        const float p = sP[(warp + kWarps * r) * (kKeys + kPad) + j];
        for (int c = 0; c < columns; ++c) o[r][c] += p * sV[j * (d + kPad) + lane + 32 * c];
      }
    }
  }
  for (int r = 0; r < own; ++r) {
    const int row = row0 + warp + kWarps * r;
    if (row >= N) continue;
    for (int c = 0; c < columns; ++c) O[head + static_cast<size_t>(row) * d + lane + 32 * c] = o[r][c];
  }
  // STUB
  //| // Nothing is written yet: O holds NaN.
  // END SOLUTION
}
