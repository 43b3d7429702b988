// Matrix products that not all lanes of a warp reach.
#include <cstdint>
#include <cstdio>

__device__ void product(float (&d)[4], uint32_t x) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%4}, {%4}, {%0,%1,%2,%3};"  // LINE half a warp
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(x));
}

__global__ void few(float* out) {
  float d[4] = {};
  product(d, 0x3C003C00u);
  out[threadIdx.x] = d[0];
}

__global__ void branch(float* out) {
  float d[4] = {};
  if (threadIdx.x < 16)
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%4}, {%4}, {%0,%1,%2,%3};"  // LINE deadlock
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(0x3C003C00u));
  out[threadIdx.x] = d[0];
}

int main() {
  float* out;
  cudaMalloc(&out, 32 * sizeof(float));
  few<<<1, 16>>>(out);
  branch<<<1, 32>>>(out);
  printf("%s\n", cudaGetErrorString(cudaDeviceSynchronize()));
  cudaFree(out);
}
