#pragma once
// Kernels of the bench itself: softmax between two library products, what empties the L2, and numbers for products.

#include <cuda_runtime.h>

namespace flashlab::gpu {

constexpr int kSoftmaxThreads = 256;

// The sum, or the maximum, over a block.
template <class Combine>
__device__ float over_block(float x, Combine combine) {
  __shared__ float sX[kSoftmaxThreads / 32];
  for (int step = 16; step > 0; step /= 2) x = combine(x, __shfl_xor_sync(0xffffffffu, x, step));
  __syncthreads();  // the last call's values have been read
  if (threadIdx.x % 32 == 0) sX[threadIdx.x / 32] = x;
  __syncthreads();
  x = sX[threadIdx.x % (kSoftmaxThreads / 32)];
  for (int step = kSoftmaxThreads / 64; step > 0; step /= 2)
    x = combine(x, __shfl_xor_sync(0xffffffffu, x, step));
  return x;
}

// P = softmax(S) by rows; a block a row. P may be S itself.
template <class T>
__global__ void softmax_rows(const float* S,  // (heads, N, N), scaled
                             T* P,            // (heads, N, N)
                             int N, bool causal) {
  const size_t row = static_cast<size_t>(blockIdx.y) * N + blockIdx.x;
  const float* s = S + row * N;
  T* p = P + row * N;
  const int keys = causal ? static_cast<int>(blockIdx.x) + 1 : N;
  float m = -INFINITY, l = 0.0f;
  for (int j = threadIdx.x; j < keys; j += kSoftmaxThreads) m = fmaxf(m, s[j]);
  m = over_block(m, [](float a, float b) { return fmaxf(a, b); });
  for (int j = threadIdx.x; j < keys; j += kSoftmaxThreads) l += __expf(s[j] - m);
  l = over_block(l, [](float a, float b) { return a + b; });
  const float inverse = 1.0f / l;
  for (int j = threadIdx.x; j < N; j += kSoftmaxThreads) {
    p[j] = j < keys ? static_cast<T>(__expf(s[j] - m) * inverse) : static_cast<T>(0.0f);
  }
}

// Reads everything, so that the L2 holds nothing else, and no line that would have to be written back.
__global__ void read_all(const float4* data, size_t size, float* sink) {
  float sum = 0.0f;
  for (size_t i = blockIdx.x * static_cast<size_t>(blockDim.x) + threadIdx.x; i < size;
       i += gridDim.x * static_cast<size_t>(blockDim.x)) {
    const float4 x = data[i];
    sum += x.x + x.y + x.z + x.w;
  }
  if (sum == 1.2345f) *sink = sum;  // never; the compiler cannot know
}

// Numbers of mean 0 and variance near 1: real operands keep the power, and with it the clock, honest.
template <class T>
__global__ void fill_noise(T* data, size_t size, unsigned seed) {
  for (size_t i = blockIdx.x * static_cast<size_t>(blockDim.x) + threadIdx.x; i < size;
       i += gridDim.x * static_cast<size_t>(blockDim.x)) {
    unsigned x = static_cast<unsigned>(i) * 2654435761u + seed, sum = 0;
    for (int k = 0; k < 4; ++k) {  // four uniform numbers: nearly normal
      x ^= x >> 16, x *= 0x7feb352du, x ^= x >> 15, x *= 0x846ca68bu, x ^= x >> 16;
      sum += x >> 8;
    }
    data[i] = static_cast<T>((static_cast<float>(sum) / 16777216.0f - 2.0f) * 1.7320508f);
  }
}

}  // namespace flashlab::gpu
