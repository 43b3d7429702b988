// Asynchronous copies bring their bytes when the lane waits for them, and not before.
#include <cuda_pipeline.h>

#include <cstdint>
#include <cstdio>

__global__ void groups(const int4* x, int* out) {
  __shared__ int4 tile[3][32];
  const int t = threadIdx.x;
  for (int i = 0; i < 3; ++i) {
    tile[i][t] = make_int4(-1, -1, -1, -1);
    const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(&tile[i][t]));
    // The last lane's copy is filled up with zeros, and lane 0 copies nothing at all.
    asm volatile("{ .reg .pred p;\n setp.ne.u32 p, %0, 0;\n @p cp.async.cg.shared.global [%1], [%2], 16, %3;\n}"
                 :: "r"(t), "r"(to), "l"(x + 32 * i + t), "r"(t == 31 ? 8 : 16) : "memory");
    __pipeline_commit();
  }
  int* const mine = out + 8 * t;
  mine[0] = tile[0][t].x;  // too early
  __pipeline_wait_prior(2);
  mine[1] = tile[0][t].x;
  mine[2] = tile[1][t].x;  // too early
  asm volatile("cp.async.wait_group 1;\n" ::: "memory");
  mine[3] = tile[1][t].w;
  mine[4] = tile[2][t].x;  // too early
  asm volatile("cp.async.wait_all;\n" ::: "memory");
  mine[5] = tile[2][t].x;
}

int main() {
  int4 h[96];
  int r[256];
  for (int i = 0; i < 96; ++i) h[i] = make_int4(i, 0, 0, i);
  int4* x;
  int* out;
  cudaMalloc(&x, sizeof h), cudaMalloc(&out, sizeof r);
  cudaMemcpy(x, h, sizeof h, cudaMemcpyHostToDevice), cudaMemset(out, 0, sizeof r);
  groups<<<1, 32>>>(x, out);
  cudaMemcpy(r, out, sizeof r, cudaMemcpyDeviceToHost);
  cudaFree(x), cudaFree(out);
  bool ok = true;
  for (int t = 0; t < 32; ++t) {
    const int* m = r + 8 * t;
    ok = ok && m[0] == -1 && m[2] == -1 && m[4] == -1;
    ok = ok && m[1] == (t == 0 ? -1 : t) && m[3] == (t == 0 ? -1 : t == 31 ? 0 : 32 + t) && m[5] == (t == 0 ? -1 : 64 + t);
  }
  return ok ? 0 : 1;
}
