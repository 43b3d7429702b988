// A warp reads a tile of shared memory down its columns: rows of 32 words, then rows of 33.
//   flashlab profile chapters/05-tiled/banks.cu

#include <cuda_runtime.h>

template <int width>
__global__ void read_columns(float* out) {
  __shared__ float tile[32][width];
  const int lane = threadIdx.x;
  for (int row = 0; row < 32; ++row) tile[row][lane] = static_cast<float>(row);
  __syncwarp();
  float sum = 0.0f;
#pragma unroll 1
  for (int c = 0; c < 32; ++c) sum += tile[lane][c];  // lane x: word x · width + c, bank (x · width + c) mod 32
  out[lane] = sum;
}

int main() {
  float* out;
  cudaMalloc(&out, 32 * sizeof(float));
  read_columns<32><<<1, 32>>>(out);
  read_columns<33><<<1, 32>>>(out);
  const cudaError_t error = cudaDeviceSynchronize();
  cudaFree(out);
  return error == cudaSuccess ? 0 : 1;
}
