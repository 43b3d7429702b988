#include "tests/simt/kernels.hpp"

#include <cuda_runtime.h>

namespace {

__global__ void naive(const float* Q, const float* K, float* S, int N, int d) {
  int col = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y * blockDim.y + threadIdx.y;
  float sum = 0.0f;
  for (int k = 0; k < d; ++k) sum += Q[row * d + k] * K[col * d + k];
  S[row * N + col] = sum;
}

template <int pad>
__global__ void tiled(const float* Q, const float* K, float* S, int N, int d) {
  constexpr int T = 32, R = 4;
  __shared__ float sQ[T][T + pad], sK[T][T + pad];
  int tx = threadIdx.x, ty = threadIdx.y, row = blockIdx.y * T, col = blockIdx.x * T;
  float sum[R] = {};
  for (int k0 = 0; k0 < d; k0 += T) {
    for (int r = ty; r < T; r += T / R) {
      sQ[r][tx] = Q[(row + r) * d + k0 + tx];
      sK[r][tx] = K[(col + r) * d + k0 + tx];
    }
    __syncthreads();
    for (int k = 0; k < T; ++k) {
      for (int i = 0; i < R; ++i) sum[i] += sQ[ty + i * (T / R)][k] * sK[tx][k];
    }
    __syncthreads();
  }
  for (int i = 0; i < R; ++i) S[(row + ty + i * (T / R)) * N + col + tx] = sum[i];
}

__global__ void add_in_order(float* y) {
  atomicAdd(&y[threadIdx.x], (threadIdx.x + 1.0f) / (blockIdx.x + 1.0f));
}

__global__ void wide(const float4* x, float4* y) {
  __shared__ float4 s[32 * 8];
  for (int i = 0; i < 8; ++i) s[i * 32 + threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  float4 a = s[3];
  float4 b = s[threadIdx.x * 8];
  y[threadIdx.x] = {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w};
}

__global__ void wait(int count) {
  for (int i = 0; i < count; ++i) __syncthreads();
}

__global__ void parting(float* y, int n) {
  int lane = threadIdx.x;
  for (int r = 0; r < n; ++r) {
    for (int c = 0; c < 2; ++c) y[(2 * r + c) * 32 + lane] = 1.0f;
    if (lane == 0) y[r] = 2.0f;
    for (int k = 0; k < lane % 4; ++k) y[k * 32 + lane] = 3.0f;
  }
}

__global__ void stop(float* y, int at) {
  y[blockIdx.x * 32 + threadIdx.x] = 1.0f;
  if (blockIdx.x == at) __trap();
}

struct Buffer {
  float* p = nullptr;
  explicit Buffer(size_t count) {
    cudaMalloc(&p, count * sizeof(float));
    cudaMemset(p, 0, count * sizeof(float));
  }
  ~Buffer() { cudaFree(p); }
};

}  // namespace

namespace simt_tests {

int naive_scores(int N, int d) {
  Buffer Q(N * d), K(N * d), S((size_t)N * N);
  naive<<<dim3(N / 32, N / 32), dim3(32, 32)>>>(Q.p, K.p, S.p, N, d);
  return cudaDeviceSynchronize();
}

int tiled_scores(int N, int d, bool padded) {
  Buffer Q(N * d), K(N * d), S((size_t)N * N);
  dim3 grid(N / 32, N / 32), block(32, 8);
  if (padded) {
    tiled<1><<<grid, block>>>(Q.p, K.p, S.p, N, d);
  } else {
    tiled<0><<<grid, block>>>(Q.p, K.p, S.p, N, d);
  }
  return cudaDeviceSynchronize();
}

std::vector<float> ordered_sum(int blocks) {
  Buffer y(32);
  add_in_order<<<blocks, 32>>>(y.p);
  std::vector<float> out(32);
  cudaMemcpy(out.data(), y.p, 32 * sizeof(float), cudaMemcpyDeviceToHost);
  return out;
}

int widths() {
  Buffer x(128), y(128);
  wide<<<1, 32>>>(reinterpret_cast<float4*>(x.p), reinterpret_cast<float4*>(y.p));
  return cudaDeviceSynchronize();
}

int barriers(int blocks, int threads, int count) {
  wait<<<blocks, threads>>>(count);
  return cudaDeviceSynchronize();
}

int divergent(int iterations) {
  Buffer y(64 * iterations + 128);
  parting<<<1, 32>>>(y.p, iterations);
  return cudaDeviceSynchronize();
}

int stopping(int blocks, int at) {
  int error;
  {
    Buffer y(32 * blocks);
    stop<<<blocks, 32>>>(y.p, at);
    error = cudaDeviceSynchronize();
  }
  cudaDeviceReset();
  return error;
}

}  // namespace simt_tests
