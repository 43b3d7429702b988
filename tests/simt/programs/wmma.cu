// nvcuda::wmma: every layout, from global and from shared memory, with sums in float and in half.
#include <mma.h>

#include <cmath>
#include <cstdio>

using namespace nvcuda;

constexpr int kM = 32, kN = 48, kK = 64;

template <class T, class Sum, class LayoutA, class LayoutB, bool kShared>
__global__ void multiply(const T* A, const T* B, Sum* C, wmma::layout_t layout) {
  __shared__ __align__(32) T sA[16 * 24], sB[16 * 24];
  const int row = blockIdx.y * 16, col = blockIdx.x * 16;
  constexpr bool a_rows = std::is_same<LayoutA, wmma::row_major>::value, b_rows = std::is_same<LayoutB, wmma::row_major>::value;
  wmma::fragment<wmma::matrix_a, 16, 16, 16, T, LayoutA> a;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, T, LayoutB> b;
  wmma::fragment<wmma::accumulator, 16, 16, 16, Sum> c;
  wmma::fill_fragment(c, Sum(0.0f));
  for (int k = 0; k < kK; k += 16) {
    const T* tA = a_rows ? A + row * kK + k : A + k * kM + row;
    const T* tB = b_rows ? B + k * kN + col : B + col * kK + k;
    if (kShared) {
      for (int i = threadIdx.x; i < 256; i += 32) {
        sA[i / 16 * 24 + i % 16] = tA[i / 16 * (a_rows ? kK : kM) + i % 16];
        sB[i / 16 * 24 + i % 16] = tB[i / 16 * (b_rows ? kN : kK) + i % 16];
      }
      __syncwarp();
      wmma::load_matrix_sync(a, sA, 24);  // LINE shared
      wmma::load_matrix_sync(b, sB, 24);
      __syncwarp();
    } else {
      wmma::load_matrix_sync(a, tA, a_rows ? kK : kM);  // LINE global
      wmma::load_matrix_sync(b, tB, b_rows ? kN : kK);
    }
    wmma::mma_sync(c, a, b, c);
  }
  for (int i = 0; i < c.num_elements; ++i) c.x[i] = c.x[i] * Sum(2.0f);
  Sum* tC = layout == wmma::mem_row_major ? C + row * kN + col : C + col * kM + row;
  wmma::store_matrix_sync(tC, c, layout == wmma::mem_row_major ? kN : kM, layout);
  wmma::load_matrix_sync(c, tC, layout == wmma::mem_row_major ? kN : kM, layout);
  for (int i = 0; i < c.num_elements; ++i) c.x[i] = c.x[i] * Sum(0.5f);
  wmma::store_matrix_sync(tC, c, layout == wmma::mem_row_major ? kN : kM, layout);
}

template <class T, class Sum, class LayoutA, class LayoutB, bool kShared>
bool agrees(wmma::layout_t layout) {
  static T hA[kM * kK], hB[kK * kN];
  static Sum hC[kM * kN];
  for (int i = 0; i < kM * kK; ++i) hA[i] = T(static_cast<float>(i * 29 % 17 - 8) / 8.0f);
  for (int i = 0; i < kK * kN; ++i) hB[i] = T(static_cast<float>(i * 23 % 13 - 6) / 8.0f);
  T *A, *B;
  Sum* C;
  cudaMalloc(&A, sizeof hA), cudaMalloc(&B, sizeof hB), cudaMalloc(&C, sizeof hC);
  cudaMemcpy(A, hA, sizeof hA, cudaMemcpyHostToDevice), cudaMemcpy(B, hB, sizeof hB, cudaMemcpyHostToDevice);
  multiply<T, Sum, LayoutA, LayoutB, kShared><<<dim3(kN / 16, kM / 16), 32>>>(A, B, C, layout);
  cudaMemcpy(hC, C, sizeof hC, cudaMemcpyDeviceToHost);
  cudaFree(A), cudaFree(B), cudaFree(C);
  constexpr bool a_rows = std::is_same<LayoutA, wmma::row_major>::value, b_rows = std::is_same<LayoutB, wmma::row_major>::value;
  for (int m = 0; m < kM; ++m) {
    for (int n = 0; n < kN; ++n) {
      double sum = 0;
      for (int k = 0; k < kK; ++k)
        sum += double(float(hA[a_rows ? m * kK + k : k * kM + m])) * float(hB[b_rows ? k * kN + n : n * kK + k]);
      const float got = float(hC[layout == wmma::mem_row_major ? m * kN + n : n * kM + m]);
      if (!(std::fabs(got - sum) <= 0.01 * std::fabs(sum) + 0.05)) {
        printf("C(%d, %d) is %g and not %g\n", m, n, got, sum);
        return false;
      }
    }
  }
  return true;
}

int main() {
  using Row = wmma::row_major;
  using Column = wmma::col_major;
  bool ok = agrees<__half, float, Row, Column, false>(wmma::mem_row_major);
  ok = agrees<__half, float, Column, Row, false>(wmma::mem_col_major) && ok;
  ok = agrees<__half, __half, Row, Row, true>(wmma::mem_row_major) && ok;
  ok = agrees<__half, __half, Column, Column, true>(wmma::mem_col_major) && ok;
  ok = agrees<__nv_bfloat16, float, Row, Row, true>(wmma::mem_row_major) && ok;
  ok = agrees<__nv_bfloat16, float, Column, Column, false>(wmma::mem_row_major) && ok;
  printf(ok ? "all agree\n" : "some differ\n");
  return ok ? 0 : 1;
}
