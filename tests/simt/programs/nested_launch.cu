// A kernel that launches a kernel: not run here, and said so.
__global__ void child(int* x) { atomicAdd(x, 1); }

__global__ void parent(int* x) {
  if (threadIdx.x == 0) {
    child<<<1, 1>>>(x);  // LINE nested
  }
}

int main() {
  int* x;
  cudaMalloc(&x, sizeof(int));
  parent<<<1, 32>>>(x);
  cudaFree(x);
}
