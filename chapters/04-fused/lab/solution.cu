// Lab 4: O = softmax(Q Kᵀ / √d) V in one kernel: a block keeps whole rows of S in shared memory, and S and P are never
// in HBM. What fits in shared memory bounds N, and the plan says where.
//
// Launch: blocks of (32, 8) threads, threadIdx = (lane, warp); grid (⌈N/rows⌉, heads); block b makes the rows
// b·rows … b·rows + rows − 1 of O. The plan chooses `rows`, a multiple of 8 up to 64, and asks for `shared_bytes` of
// dynamic shared memory. d is 32 or 64; N is any number that fits.

#include <cuda_runtime.h>

constexpr int kWarps = 8, kMostRows = 64;

struct Plan {
  int rows;          // of a block; 0: N is refused, its rows of S do not fit
  int shared_bytes;  // of a block, at most the limit
};

// BEGIN SOLUTION
constexpr int kKeys = 32;  // of K's and V's tile

// Q's rows, a tile of K or V with one float of padding a row, and the rows of S.
__host__ __device__ long long bytes_of(int rows, int N, int d) {
  const long long scores = static_cast<long long>(rows) * N;
  return 4 * (scores + rows * d + kKeys * (d + 1));
}

__device__ float max_of_warp(float x) {
  for (int step = 16; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, step));
  return x;
}
__device__ float sum_of_warp(float x) {
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, step);
  return x;
}

// Rows key0 … key0 + 31 of X, zeros past the end, by the whole block.
__device__ void load_tile(float* tile, const float* X, int key0, int N, int d) {
  for (int i = threadIdx.y; i < kKeys; i += kWarps) {
    for (int c = threadIdx.x; c < d; c += 32) tile[i * (d + 1) + c] = key0 + i < N ? X[(key0 + i) * d + c] : 0.0f;
  }
}
// STUB
//| // Helpers of yours may stand here.
// END SOLUTION

// The rows of a block and its shared memory, for a card whose blocks may have `limit` bytes. {0, 0} when N does not fit.
__host__ __device__ Plan plan(int N, int d, int limit) {
  // BEGIN SOLUTION
  for (int rows = kMostRows; rows >= kWarps; rows -= kWarps) {
    const bool idle = rows - kWarps >= N;  // a whole warp would have no row
    const long long bytes = bytes_of(rows, N, d);
    if (!idle && bytes <= limit) return {rows, static_cast<int>(bytes)};
  }
  return {0, 0};
  // STUB
  //| return {kWarps, 0};
  // END SOLUTION
}

// The largest N that plan(N, d, limit) accepts; 0 when it accepts none.
__host__ __device__ int largest_N(int d, int limit) {
  // BEGIN SOLUTION
  const int floats = limit / 4 - kKeys * (d + 1) - kWarps * d;
  return floats < kWarps ? 0 : floats / kWarps;
  // STUB
  //| return 1000000;
  // END SOLUTION
}

template <int d>
__global__ void fused(const float* Q,  // (heads, N, d)
                      const float* K,  // (heads, N, d)
                      const float* V,  // (heads, N, d)
                      float* O,        // (heads, N, d)
                      int N, float scale,
                      bool causal,     // row i sees the keys up to i
                      int rows) {      // the plan's
  // BEGIN SOLUTION
  constexpr int columns = d / 32, own = kMostRows / kWarps;
  extern __shared__ float shared[];
  float* sQ = shared;                      // (rows, d)
  float* sT = sQ + rows * d;               // (kKeys, d + 1)  a tile of K, later of V
  float* sS = sT + kKeys * (d + 1);        // (rows, N)       S, later P
  const int lane = threadIdx.x, warp = threadIdx.y, row0 = blockIdx.x * rows;
  const size_t head = static_cast<size_t>(blockIdx.y) * N * d;
  const int keys = causal ? min(N, row0 + rows) : N;  // no row of this block sees a later key

  for (int i = warp; i < rows; i += kWarps) {
    for (int c = lane; c < d; c += 32) sQ[i * d + c] = row0 + i < N ? Q[head + (row0 + i) * d + c] : 0.0f;
  }
  for (int key0 = 0; key0 < keys; key0 += kKeys) {  // S = Q Kᵀ / √d
    load_tile(sT, K + head, key0, N, d);
    __syncthreads();
    const int key = key0 + lane;
    float s[own];
    for (int r = 0; r < own; ++r) s[r] = 0.0f;
    for (int c = 0; c < d; ++c) {
      const float k = sT[lane * (d + 1) + c];
      for (int r = 0; r < own && warp + kWarps * r < rows; ++r) s[r] += sQ[(warp + kWarps * r) * d + c] * k;
    }
    for (int r = 0; r < own && warp + kWarps * r < rows; ++r) {
      const int row = warp + kWarps * r;
      if (key < keys) sS[row * N + key] = causal && key > row0 + row ? -INFINITY : s[r] * scale;
    }
    __syncthreads();
  }
  for (int row = warp; row < rows; row += kWarps) {  // P = softmax(S) in place, a warp a row
    float* p = sS + row * N;
    float m = -INFINITY, l = 0.0f;
    for (int key = lane; key < keys; key += 32) m = fmaxf(m, p[key]);
    m = max_of_warp(m);
    for (int key = lane; key < keys; key += 32) l += p[key] = expf(p[key] - m);
    l = sum_of_warp(l);
    for (int key = lane; key < keys; key += 32) p[key] /= l;
  }
  float o[own][columns];
  for (int r = 0; r < own; ++r) {
    for (int c = 0; c < columns; ++c) o[r][c] = 0.0f;
  }
  for (int key0 = 0; key0 < keys; key0 += kKeys) {  // O = P V
    load_tile(sT, V + head, key0, N, d);
    __syncthreads();
    const int most = min(kKeys, keys - key0);
    for (int j = 0; j < most; ++j) {
      for (int r = 0; r < own && warp + kWarps * r < rows; ++r) {
        const float p = sS[(warp + kWarps * r) * N + key0 + j];
        for (int c = 0; c < columns; ++c) o[r][c] += p * sT[j * (d + 1) + lane + 32 * c];
      }
    }
    __syncthreads();
  }
  for (int r = 0; r < own; ++r) {
    const int row = warp + kWarps * r;
    if (row >= rows || row0 + row >= N) continue;
    for (int c = 0; c < columns; ++c) O[head + static_cast<size_t>(row0 + row) * d + lane + 32 * c] = o[r][c];
  }
  // STUB
  //| // Nothing is written yet: O holds NaN.
  // END SOLUTION
}
