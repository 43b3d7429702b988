// Planted: lanes of one warp exchange values through shared memory without __syncwarp().
#include <cstdio>

// As before Volta: each lane reads what its neighbour wrote in the line above.
__global__ void rotate(float* x) {
  __shared__ float s[32];
  int i = threadIdx.x;
  s[i] = x[i];
  x[i] = s[(i + 1) % 32];  // LINE race
}

// The same, with the lanes brought into step: nothing to say. Then a value that all lanes read before one of them
// writes it anew.
__global__ void in_step(float* x) {
  __shared__ float s[32];
  __shared__ float first;
  int i = threadIdx.x;
  s[i] = x[i];
  __syncwarp();
  x[i] = s[(i + 1) % 32];
  if (i == 0) first = x[0];
  float sum = __shfl_xor_sync(~0u, x[i], 1);
  for (int round = 0; round < 3; ++round) {
    x[i] = first + sum;
    __syncwarp();
    if (i == 0) first = x[0];
    __syncwarp();
  }
  s[i] = x[i];
  if (i < 16) {
    __syncwarp(0xFFFF);
    x[i] = s[15 - i];
    __syncwarp(0xFFFF);
  }
  s[i] = 0;
  __syncthreads();
  volatile float* v = s;
  v[i] = x[i];
  x[i] = v[31 - i];
  __syncthreads();
  s[5] = 1;  // all lanes the same
  x[i] = s[5];
}

__global__ void late(float* x) {
  __shared__ float first;
  int i = threadIdx.x;
  if (i == 0) first = x[0];
  __syncwarp();
  float mine = first;       // LINE race
  if (i == 7) first = x[i];  // before some lane may have read it
  x[i] = mine;
}

int main() {
  float* x;
  cudaMalloc(&x, 32 * sizeof(float));
  cudaMemset(x, 0, 32 * sizeof(float));
  rotate<<<1, 32>>>(x);
  in_step<<<2, 32>>>(x);
  late<<<1, 32>>>(x);
  cudaDeviceSynchronize();
  cudaFree(x);
}
