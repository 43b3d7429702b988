// Host code that dereferences device memory, and the card that the program sees.
#include <cstdio>

__global__ void fill(float* x) { x[threadIdx.x] = 1.0f; }

int main() {
  float *x, *shared_by_both, sum = 0;
  cudaMalloc(&x, 128), cudaMallocManaged(&shared_by_both, 128);
  fill<<<1, 32>>>(x);
  fill<<<1, 32>>>(shared_by_both);
  cudaDeviceSynchronize();
  for (int i = 0; i < 3; ++i) sum += x[i];  // LINE host
  x[1] = 2;  // LINE host
  sum += shared_by_both[0];
  cudaDeviceProp p;
  cudaGetDeviceProperties(&p, 0);
#ifdef __CUDA_ARCH__
  const int compiled_for = __CUDA_ARCH__;  // one compilation for host and device
#else
  const int compiled_for = 0;
#endif
  printf("%g, %d.%d, %d SMs, compiled for %d\n", sum, p.major, p.minor, p.multiProcessorCount, compiled_for);
  cudaFree(x), cudaFree(shared_by_both);
}
