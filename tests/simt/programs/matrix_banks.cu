// ldmatrix from rows of 128 bytes: all eight rows of a matrix begin in the same bank.
#include <cstdint>

__global__ void load(unsigned* out) {
  __shared__ __align__(128) unsigned short tile[16][64];
  for (int i = threadIdx.x; i < 16 * 64; i += 32) tile[i / 64][i % 64] = static_cast<unsigned short>(i);
  __syncwarp();
  uint32_t a, b;
  const uint32_t row = static_cast<uint32_t>(__cvta_generic_to_shared(&tile[threadIdx.x % 16][0]));
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared::cta.b16 {%0, %1}, [%2];" : "=r"(a), "=r"(b) : "r"(row));
  out[threadIdx.x] = a + b;
}

int main() {
  unsigned* out;
  cudaMalloc(&out, 128);
  load<<<1, 32>>>(out);
  cudaFree(out);
}
