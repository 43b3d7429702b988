// Wants more registers than it may have: the build's flags must make ptxas say so.
extern "C" __global__ void __launch_bounds__(1024, 2) planted_spills(float* x) {
  float r[96];
#pragma unroll
  for (int i = 0; i < 96; ++i) r[i] = x[i * 1024 + threadIdx.x];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 96; ++i) x[i * 1024 + threadIdx.x] = r[95 - i] * r[i];
}
