// The host's own check fails: the program aborts, and the launch before it was counted all the same.
#include <cassert>

__global__ void fill(int* x) { x[threadIdx.x] = 1; }

int main() {
  int *x, h[32];
  cudaMalloc(&x, sizeof h);
  fill<<<1, 32>>>(x);
  cudaMemcpy(h, x, sizeof h, cudaMemcpyDeviceToHost);
  assert(h[5] == 2);
}
