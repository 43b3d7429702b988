// A benchmark's loop: the launches are alike, and one of them tells everything.
__global__ void add(float* x) { x[blockIdx.x * blockDim.x + threadIdx.x] += 1.0f; }

int main() {
  float* x;
  cudaMalloc(&x, 128 * sizeof(float));
  cudaMemset(x, 0, 128 * sizeof(float));
  for (int i = 0; i < 1000; ++i) add<<<1, 128>>>(x);
}
