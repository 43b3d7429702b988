#pragma once
// What the stages share, so that a stage's file shows only its own idea: tiles in and out of shared memory, the two
// products of one tile, and the choice of the compiled head dimension.
//
// Blocks are (32, kWarps). A warp owns every kWarps-th row of its block's row tile; its 32 lanes are the 32 keys of
// S and P, and the columns lane, lane + 32, … of O. All shared accesses are single floats at an odd row length:
// 32 lanes meet 32 different banks or one same word, and no compiler can join two neighbours into one wider load.

#include <cuda_runtime.h>

namespace flashlab {

constexpr int kWarpSize = 32;
constexpr int kWarps = 4;                                            // of a block
constexpr int kKeys = kWarpSize;                                     // Bc
template <int d>
constexpr int kTileRows = d > 96 ? 16 : 32;                          // Br, so that all tiles fit in 48 KB
__host__ __device__ constexpr unsigned ceil_div(int a, int b) { return static_cast<unsigned>(a / b + (a % b != 0)); }

__device__ inline float warp_max(float x) {
  for (int step = kWarpSize / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
  return x;
}

__device__ inline float warp_sum(float x) {
  for (int step = kWarpSize / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

// sX = rows row0 … row0 + rows − 1 of gX (N, d). Rows past N become zero, so that no later loop needs a guard.
template <int rows, int d>
__device__ void load_tile(float (*sX)[d + 1], const float* __restrict__ gX, int row0, int N) {
#pragma unroll
  for (int r = 0; r < rows; r += kWarps) {
    const int row = threadIdx.y + r;
#pragma unroll
    for (int c = 0; c < d; c += kWarpSize) {
      sX[row][threadIdx.x + c] = row0 + row < N ? gX[(row0 + row) * d + threadIdx.x + c] : 0.0f;
    }
  }
}

// s[r] = ⟨row r of this warp in sQ, row `lane` of sK⟩: each value of K read once, used for all rows of the warp.
template <int rows, int d>
__device__ void multiply_qk(float (&s)[rows], const float (*sQ)[d + 1], const float (*sK)[d + 1]) {
#pragma unroll
  for (int r = 0; r < rows; ++r) s[r] = 0.0f;
#pragma unroll 8
  for (int c = 0; c < d; ++c) {
    const float k = sK[threadIdx.x][c];                              // 32 banks
#pragma unroll
    for (int r = 0; r < rows; ++r) s[r] += sQ[threadIdx.y + r * kWarps][c] * k;  // a broadcast
  }
}

// o[r][c] += Σ_j P[r][j] · V[j][lane + 32c], where P's rows lie `stride` floats apart.
template <int rows, int d>
__device__ void add_pv(float (&o)[rows][d / kWarpSize], const float* sP, int stride, const float (*sV)[d + 1]) {
#pragma unroll 8
  for (int j = 0; j < kKeys; ++j) {
    float v[d / kWarpSize];
#pragma unroll
    for (int c = 0; c < d / kWarpSize; ++c) v[c] = sV[j][threadIdx.x + c * kWarpSize];  // 32 banks
#pragma unroll
    for (int r = 0; r < rows; ++r) {
      const float p = sP[(threadIdx.y + r * kWarps) * stride + j];   // a broadcast
#pragma unroll
      for (int c = 0; c < d / kWarpSize; ++c) o[r][c] += p * v[c];
    }
  }
}

// May this row see this key? The last tile of keys is ragged, the causal mask hides what comes later.
template <bool causal>
__device__ bool sees(int row, int key, int N) {
  return key < N && (!causal || key <= row);
}

template <int d_, bool causal_>
struct Shape {
  static constexpr int d = d_;
  static constexpr bool causal = causal_;
};

// launch(Shape<d, causal>{}), for the head dimensions that the kernels are compiled for.
template <class Launch>
cudaError_t with_shape(int d, bool causal, Launch launch) {
  switch (d) {
    case 32: return causal ? launch(Shape<32, true>{}) : launch(Shape<32, false>{});
    case 64: return causal ? launch(Shape<64, true>{}) : launch(Shape<64, false>{});
    case 96: return causal ? launch(Shape<96, true>{}) : launch(Shape<96, false>{});
    case 128: return causal ? launch(Shape<128, true>{}) : launch(Shape<128, false>{});
    default: return cudaErrorInvalidValue;
  }
}

}  // namespace flashlab
