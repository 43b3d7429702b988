// A warp reads one column of a tile in shared memory: rows of 32 words, then rows of 33.
//   flashlab profile chapters/05-tiled/banks.cu

#include <cuda_runtime.h>

template <int width>
__global__ void read_column(float* out, int column) {
  __shared__ float tile[32][width];
  const int lane = threadIdx.x;
  for (int row = 0; row < 32; ++row) tile[row][lane] = static_cast<float>(row);
  __syncwarp();
  out[lane] = tile[lane][column];  // word lane · width + column, bank (lane · width + column) mod 32
}

int main() {
  float* out;
  cudaMalloc(&out, 32 * sizeof(float));
  read_column<32><<<1, 32>>>(out, 5);
  read_column<33><<<1, 32>>>(out, 5);
  const cudaError_t error = cudaDeviceSynchronize();
  cudaFree(out);
  return error == cudaSuccess ? 0 : 1;
}
