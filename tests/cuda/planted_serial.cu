// Reads what a wgmma in flight is writing: ptxas lets the products run one after the other, and must say so.
#include "cuda/kernels/hopper_ptx.cuh"

extern "C" __global__ void __launch_bounds__(128)
    planted_serial(float* x, unsigned long long a, unsigned long long b) {
  float s[32];
  flashlab::ptx::wgmma_fence();
  flashlab::ptx::wgmma_ss<__nv_bfloat16>(s, a, b, 0);
  flashlab::ptx::wgmma_commit();
#pragma unroll
  for (int i = 0; i < 32; ++i) x[i * 128 + threadIdx.x] = s[i];
  flashlab::ptx::wgmma_wait<0>();
}
