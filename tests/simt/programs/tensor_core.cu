// Inline PTX in the shape of a tensor-core attention kernel: P = exp2(scale · Q Kᵀ), O = P V, a tile of 64 rows a block of
// four warps, Q, K and V brought by cp.async into swizzled shared memory, rows past N filled with zeros.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <type_traits>

namespace demo {

template <class T>
struct Format;
template <>
struct Format<__half> {
  static __device__ uint32_t pack(float a, float b) {
    __half2 h = __floats2half2_rn(a, b);
    return reinterpret_cast<uint32_t&>(h);
  }
};
template <>
struct Format<__nv_bfloat16> {
  static __device__ uint32_t pack(float a, float b) {
    __nv_bfloat162 h = __float22bfloat162_rn(make_float2(a, b));
    return reinterpret_cast<uint32_t&>(h);
  }
};

struct Tiling {
  int rows, dim;
};

__device__ __forceinline__ float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

template <class T>
__device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
#if __CUDA_ARCH__ >= 800
  if constexpr (std::is_same_v<T, __half>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0,  %1,  %2,  %3}, {%4,  %5,  %6,  %7}, {%8,  %9}, {%10, %11, %12, %13};\n"
        : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "f"(d[0]), "f"(d[1]), "f"(d[2]), "f"(d[3]));
  }
#else
  if constexpr (std::is_same_v<T, __half>) {  // sm_75: two products of half the depth
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(b0));
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[2]), "r"(a[3]), "r"(b1));
  }
#endif
}

__device__ __forceinline__ void load4(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address));
}
__device__ __forceinline__ void load4_transposed(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address));
}

// Offset in bytes of 8 halves: chunk c of row r, swizzled so that 8 rows of a column lie in different banks.
template <Tiling tiling>
__device__ __forceinline__ uint32_t place(int row, int chunk) {
  return static_cast<uint32_t>(row * tiling.dim * 2 + ((chunk ^ (row & 7)) << 4));
}

template <class T, int kRows, int kDim>
__global__ void __launch_bounds__(128) attention_tile(const T* __restrict__ Q, const T* __restrict__ K, const T* __restrict__ V,
                                                      float* __restrict__ O, int N, float scale) {
  constexpr Tiling tiling{kRows, kDim};
  extern __shared__ __align__(128) unsigned char shared[];
  constexpr int kBytes = tiling.rows * tiling.dim * 2, kChunks = tiling.dim / 8;
  const uint32_t sQ = static_cast<uint32_t>(__cvta_generic_to_shared(shared)), sK = sQ + kBytes, sV = sK + kBytes;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const auto bring = [&](uint32_t to, const T* from) {
    for (int i = threadIdx.x; i < tiling.rows * kChunks; i += 128) {
      const int row = i / kChunks, chunk = i % kChunks, bytes = row < N ? 16 : 0;
      asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;\n" ::"r"(to + place<tiling>(row, chunk)),  // LINE copy
                   "l"(from + (row < N ? row : 0) * tiling.dim + chunk * 8), "r"(bytes));
    }
    asm volatile("cp.async.commit_group;\n" ::);
  };
  bring(sQ, Q), bring(sK, K), bring(sV, V);
  asm volatile("cp.async.wait_group %0;\n" ::"n"(1));
  __syncthreads();

  uint32_t q[tiling.dim / 16][4];
  for (int k = 0; k < tiling.dim / 16; ++k)
    load4(q[k], sQ + place<tiling>(warp * 16 + lane % 16, 2 * k + lane / 16));  // LINE q
  float s[tiling.rows / 8][4] = {};
  for (int j = 0; j < tiling.rows / 16; ++j) {
    for (int k = 0; k < tiling.dim / 16; ++k) {
      uint32_t b[4];
      load4(b, sK + place<tiling>(j * 16 + lane / 16 * 8 + lane % 8, 2 * k + lane / 8 % 2));
      multiply<T>(s[2 * j], q[k], b[0], b[1]);
      multiply<T>(s[2 * j + 1], q[k], b[2], b[3]);
    }
  }
  asm volatile("cp.async.wait_group 0;");
  __syncthreads();
  float o[tiling.dim / 8][4] = {};
  for (int j = 0; j < tiling.rows / 16; ++j) {
    uint32_t p[4];
    for (int h = 0; h < 2; ++h) {
      float e[4];
      for (int i = 0; i < 4; ++i) e[i] = exp2_approx(s[2 * j + h][i] * scale);
      p[2 * h] = Format<T>::pack(e[0], e[1]);
      p[2 * h + 1] = Format<T>::pack(e[2], e[3]);
    }
    for (int n = 0; n < tiling.dim / 16; ++n) {
      uint32_t b[4];
      load4_transposed(b, sV + place<tiling>(j * 16 + lane % 16, 2 * n + lane / 16));
      multiply<T>(o[2 * n], p, b[0], b[1]);
      multiply<T>(o[2 * n + 1], p, b[2], b[3]);
    }
  }
  for (int n = 0; n < tiling.dim / 8; ++n) {
    for (int half = 0; half < 2; ++half) {
      const int row = warp * 16 + lane / 4 + half * 8;
      if (row < N) *reinterpret_cast<float2*>(&O[row * tiling.dim + n * 8 + lane % 4 * 2]) = make_float2(o[n][2 * half], o[n][2 * half + 1]);
    }
  }
}

template <class T, Tiling tiling>
bool agrees(int N) {
  const int count = N * tiling.dim;
  T* host = new T[3 * count];
  for (int i = 0; i < 3 * count; ++i) host[i] = T(static_cast<float>((i * 37 + i / 7) % 19 - 9) / 16.0f);
  T *Q, *K, *V;
  float* O;
  cudaMalloc(&Q, count * sizeof(T)), cudaMalloc(&K, count * sizeof(T)), cudaMalloc(&V, count * sizeof(T)), cudaMalloc(&O, count * 4);
  cudaMemcpy(Q, host, count * sizeof(T), cudaMemcpyHostToDevice);
  cudaMemcpy(K, host + count, count * sizeof(T), cudaMemcpyHostToDevice);
  cudaMemcpy(V, host + 2 * count, count * sizeof(T), cudaMemcpyHostToDevice);
  const float scale = 0.125f;
  const int bytes = 3 * tiling.rows * tiling.dim * 2;
  cudaFuncSetAttribute(attention_tile<T, tiling.rows, tiling.dim>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  attention_tile<T, tiling.rows, tiling.dim><<<1, 128, bytes>>>(Q, K, V, O, N, scale);
  float* out = new float[count];
  cudaMemcpy(out, O, count * 4, cudaMemcpyDeviceToHost);
  double worst = 0;
  for (int row = 0; row < N; ++row) {
    for (int c = 0; c < tiling.dim; ++c) {
      double sum = 0;
      for (int j = 0; j < N; ++j) {
        double score = 0;
        for (int k = 0; k < tiling.dim; ++k) score += double(float(host[row * tiling.dim + k])) * float(host[count + j * tiling.dim + k]);
        sum += float(T(static_cast<float>(std::exp2(score * scale)))) * double(float(host[2 * count + j * tiling.dim + c]));
      }
      worst = std::fmax(worst, std::fabs(sum - out[row * tiling.dim + c]));
    }
  }
  printf("largest difference %.2g\n", worst);
  cudaFree(Q), cudaFree(K), cudaFree(V), cudaFree(O);
  delete[] host;
  delete[] out;
  return worst < 0.02;
}

}  // namespace demo

int main() {
  using namespace demo;
  const bool half = agrees<__half, Tiling{64, 64}>(64);
  const bool ragged = agrees<__half, Tiling{64, 128}>(50);
#if __CUDA_ARCH__ >= 800 || !defined(__FLASHLAB_SIMT__)
  const bool bfloat = agrees<__nv_bfloat16, Tiling{64, 64}>(61);
#else
  const bool bfloat = true;
#endif
  return half && ragged && bfloat ? 0 : 1;
}
