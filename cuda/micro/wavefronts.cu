// When does the card repeat an access of shared memory? One launch of a kernel of cuda/kernels with a part of it changed.
// wavefronts.py compiles the variants, runs them and prints what was repeated.
//
//   -DKERNEL=1, 2, 3         fused, tiled, online_q
//   -DTOGETHER=n             so many loads of a tile at a time (0: the first tile stays for good)
//   -DPAST_L1                they pass L1 by
//   -DNO_SHUFFLES            a lane is its own maximum and sum
//   -DNO_EXPONENTIALS        exp(x) is x

#include <cuda_runtime.h>

#include <vector>

#include "cuda/kernels/tile.cuh"
#include "micro_kernels.cuh"

namespace flashlab {

#ifdef TOGETHER
constexpr int kTogether = TOGETHER > 0 ? TOGETHER : 1;
template <int rows, int d>
__device__ void load_tile_so(float (*sX)[d + 1], const float* __restrict__ gX, int row0, int N) {
  constexpr int columns = d / kWarpSize;
  if (TOGETHER == 0 && row0 >= rows) return;
#pragma unroll kTogether
  for (int i = 0; i < rows / kWarps * columns; ++i) {
    const int row = threadIdx.y + i / columns * kWarps, c = threadIdx.x + i % columns * kWarpSize;
    sX[row][c] = row0 + row < N ? gX[(row0 + row) * d + c] : 0.0f;
  }
}
#define load_tile load_tile_so
#endif

#ifdef PAST_L1
// In the loops of tile.cuh: in one loop, as above, the compiler orders the loads otherwise, and the card repeats others.
template <int rows, int d>
__device__ void load_tile_past_l1(float (*sX)[d + 1], const float* __restrict__ gX, int row0, int N) {
#pragma unroll
  for (int r = 0; r < rows; r += kWarps) {
    const int row = threadIdx.y + r;
#pragma unroll
    for (int c = 0; c < d; c += kWarpSize) {
      sX[row][threadIdx.x + c] = row0 + row < N ? __ldcg(&gX[(row0 + row) * d + threadIdx.x + c]) : 0.0f;
    }
  }
}
#define load_tile load_tile_past_l1
#endif

#ifdef NO_SHUFFLES
#define warp_max(x) (x)
#define warp_sum(x) (x)
#endif
#ifdef NO_EXPONENTIALS
#define expf(x) (x)
#endif

}  // namespace flashlab

#if KERNEL == 1
#include "cuda/kernels/fused.cuh"
#elif KERNEL == 2
#include "cuda/kernels/tiled.cuh"
#else
#include "cuda/kernels/online_q.cuh"
#endif

int main() {
  constexpr int heads = 8, N = 2048, d = 64;
  std::vector<float> values(std::size_t{heads} * N * d);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i * 2654435761u % 2001u) / 1000 - 1;
  float *Q, *K, *V, *O, *L;
  for (float** array : {&Q, &K, &V, &O, &L}) {
    must(cudaMalloc(array, values.size() * sizeof(float)), "allocation");
    must(cudaMemcpy(*array, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice), "copy");
  }
#if KERNEL == 1
  must(flashlab::launch_fused(Q, K, V, O, heads, N, d, false), "fused");
#elif KERNEL == 2
  must(flashlab::launch_tiled(Q, K, V, O, heads, N, d, false), "tiled");
#else
  must(flashlab::launch_online_q(Q, K, V, O, L, heads, N, d, false), "online_q");
#endif
  must(cudaDeviceSynchronize(), "kernel");
}
