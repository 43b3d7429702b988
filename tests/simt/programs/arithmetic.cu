// Arithmetic whose amount is known: beside accesses, far from any, on a thread's own array, in fp64.
__global__ void product(const float* A, const float* B, float* C, int N, int K) {
  const int row = blockIdx.y * blockDim.y + threadIdx.y, col = blockIdx.x * blockDim.x + threadIdx.x;
  float sum = 0.0f;
  for (int k = 0; k < K; ++k) sum += A[row * K + k] * B[k * N + col];
  C[row * N + col] = sum;
}

__global__ void elementwise(const float* A, float* C) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  C[i] = A[i] + 1.0f;
}

__global__ void mixed(const float* A, float* C, int n) {
  const int t = threadIdx.x;
  float x[8], y = A[t];
  for (int k = 0; k < 8; ++k) x[k] = A[k * 32 + t];
  for (int k = 0; k < n; ++k) y = y * 1.5f;        // touches no memory
  for (int k = 0; k < 8; ++k) y += x[k * t & 7];   // the thread's own
  if (t % 2 == 1) y = expf(y) * y;
  C[t] = sqrtf(y);
}

__global__ void doubles(double* C) {
  C[threadIdx.x] = C[threadIdx.x] * 2.5 + 1.0;
  C[threadIdx.x] += 3.0;
}

int main() {
  float *A, *B, *C;
  double* D;
  cudaMalloc(&A, 4 * 4096), cudaMalloc(&B, 4 * 4096), cudaMalloc(&C, 4 * 4096), cudaMalloc(&D, 8 * 32);
  cudaMemset(A, 0, 4 * 4096), cudaMemset(B, 0, 4 * 4096), cudaMemset(D, 0, 8 * 32);
  product<<<dim3(4, 4), dim3(16, 16)>>>(A, B, C, 64, 48);
  elementwise<<<16, 256>>>(A, C);
  mixed<<<1, 32>>>(A, C, 10);
  doubles<<<1, 32>>>(D);
  cudaFree(A), cudaFree(B), cudaFree(C), cudaFree(D);
}
