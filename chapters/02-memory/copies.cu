// Two copies of the same million floats: neighbouring threads read neighbours of a row, or of a column.
//   flashlab profile chapters/02-memory/copies.cu

#include <cuda_runtime.h>

__global__ void copy_along_rows(const float* in, float* out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = in[i];
}

__global__ void copy_down_columns(const float* in, float* out, int rows, int columns) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = in[i % rows * columns + i / rows];
}

int main() {
  constexpr int rows = 1024, columns = 1024, bytes = rows * columns * 4;
  float *in, *out;
  cudaMalloc(&in, bytes);
  cudaMalloc(&out, bytes);
  cudaMemset(in, 0, bytes);
  copy_along_rows<<<rows * columns / 256, 256>>>(in, out);
  copy_down_columns<<<rows * columns / 256, 256>>>(in, out, rows, columns);
  const cudaError_t error = cudaDeviceSynchronize();
  cudaFree(in);
  cudaFree(out);
  return error == cudaSuccess ? 0 : 1;
}
