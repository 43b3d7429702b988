#pragma once
// registers: fp32 on the CUDA cores at the speed of a good matrix product: a thread owns 8 rows × 8 keys of S and
// 8 rows × d/8 columns of O in registers, and every shared access is 16 bytes wide and without conflict.
//
// Since `online-q`: tiles of registers. Four steps of an 8 × 8 tile are 256 FFMA for 16 loads of 16 bytes; lanes are
// numbered so that neighbours read the same address, and a load then costs 2 wavefronts, not 4: of the 256 clocks in
// which an SM's four schedulers issue them, shared memory is busy for 128.
// Traffic a head: (1 + 2Tr)·N·d elements read, N·d + N written, Tr = ⌈N/Br⌉; S and P: none.
// Launch: blocks of 128 (64 where shared memory is short), grid (Tr, batch · heads), two blocks an SM.
// Run: flashlab run registers --machine simt

#include <cuda_pipeline_primitives.h>

#include "cuda/kernels/ptx.cuh"
#include "cuda/kernels/shape.cuh"
#include "cuda/kernels/tile.cuh"

namespace flashlab {

template <int d>
constexpr int kRegistersKeys = d <= 64 ? 64 : 32;               // Bc: S shrinks where O needs the registers
template <int d, int warps>
constexpr int kRegistersBytes = 4 * (32 * warps * (d + kRegistersKeys<d>) + 2 * kRegistersKeys<d> * d);

// sX (rows, d) = rows row0 … of gX (N, d), asynchronously; rows past N become zero. Chunks of 4 floats, XORed with the
// row when `swizzle`: eight rows that are read together at one chunk then meet eight different groups of banks.
template <int rows, int d, int threads, bool swizzle>
__device__ void copy_tile(float4* sX, const float* gX, int row0, int N) {
  const int row = threadIdx.x / 8, c = threadIdx.x % 8;         // eight threads a row, 128 bytes each time
  float4* to = sX + row * (d / 4) + (swizzle ? c ^ row % 8 : c);
  const float* from = gX + (row0 + row) * d + 4 * c;
#pragma unroll
  for (int r = 0; r < rows; r += threads / 8) {
    const bool inside = row0 + row + r < N;
#pragma unroll
    for (int i = 0; i < d; i += 32) {
      __pipeline_memcpy_async(to + (r * d + i) / 4, inside ? from + r * d + i : gX, 16, inside ? 0 : 16);
    }
  }
}

template <int d, bool causal, int warps>
__global__ void __launch_bounds__(32 * warps, 2)
registers(const float* __restrict__ Q,                          // (batch · heads, N, d)
          const float* __restrict__ K,                          // (batch · kv_heads, N, d)
          const float* __restrict__ V,                          // (batch · kv_heads, N, d)
          float* __restrict__ O,                                // (batch · heads, N, d)
          float* __restrict__ L,                                // (batch · heads, N)
          int N, int group, float scale_log2) {
  constexpr int threads = 32 * warps, Br = 32 * warps, Bc = kRegistersKeys<d>;
  constexpr int R = 8, C = Bc / 8, columns = d / 32, chunks = d / 4;  // of a thread: (R, C) of S; of a row: float4s
  extern __shared__ float4 registers_shared[];
  float4* sQ = registers_shared;                                // (Br, d)    scaled
  float4* sK = sQ + Br * chunks;                                // (Bc, d)
  float4* sV = sK + Bc * chunks;                                // (Bc, d)
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  float4* sP = sV + Bc * chunks + warp * 32 * (Bc / 4);         // (32, Bc)   this warp's rows, keys permuted

  // Rows depend on lane bits 1 and 4, keys and columns on 0, 2 and 3: lanes l and l ^ 1 share a row, l and l ^ 2 a key.
  const int x = (lane & 1) + (lane >> 1 & 6);                   // this thread's keys x, x + 8, …; its columns 4x …
  const int y = (lane >> 1 & 1) + (lane >> 3 & 2);              // and its rows y, y + 4, … of the warp's 32
  const int tile = causal ? gridDim.x - 1 - blockIdx.x : blockIdx.x;  // causal: the longest first
  const int row0 = tile * Br, first_row = row0 + warp * 32 + y;
  const size_t head = blockIdx.y, kv_head = head / group;
  const float* gK = K + kv_head * N * d;
  const float* gV = V + kv_head * N * d;
  const int keys = causal ? min(N, row0 + Br) : N;
  const int warp_keys = causal ? min(N, row0 + 32 * warp + 32) : N;  // tiles past these hold nothing for this warp

  copy_tile<Bc, d, threads, true>(sK, gK, 0, N);
  __pipeline_commit();
  for (int i = threadIdx.x; i < Br * chunks; i += threads) {    // Q, with the scale and log₂e inside
    const int row = i / chunks, c = i % chunks;
    float4 q = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (row0 + row < N) q = reinterpret_cast<const float4*>(Q + head * N * d)[(row0 + row) * chunks + c];
    sQ[row * chunks + (c ^ row % 4)] =
        make_float4(q.x * scale_log2, q.y * scale_log2, q.z * scale_log2, q.w * scale_log2);
  }
  const float4* sQy = sQ + (warp * 32 + y) * chunks;            // the first of this thread's rows
  const float4* sKx = sK + x * chunks;                          // and of its keys

  float m[R], l[R];
  float4 o[R][columns] = {};
  for (int r = 0; r < R; ++r) m[r] = -INFINITY, l[r] = 0.0f;
  for (int key0 = 0; key0 < keys; key0 += Bc) {
    __pipeline_wait_prior(0);
    __syncthreads();                                            // K_j is here, and V_{j−1} no longer needed
    copy_tile<Bc, d, threads, false>(sV, gV, key0, N);                   // V_j arrives during Q·Kᵀ
    __pipeline_commit();

    if (key0 < warp_keys) {
      // [scores]
      float s[R][C] = {};                                         // S_ij = Q_i K_jᵀ
#pragma unroll 4
      for (int c = 0; c < chunks; ++c) {
        float4 k[C];
#pragma unroll
        for (int j = 0; j < C; ++j) k[j] = sKx[8 * j * chunks + (c ^ x)];
#pragma unroll
        for (int r = 0; r < R; ++r) {
          const float4 q = sQy[4 * r * chunks + (c ^ y)];
#pragma unroll
          for (int j = 0; j < C; ++j) {
            s[r][j] += q.x * k[j].x;
            s[r][j] += q.y * k[j].y;
            s[r][j] += q.z * k[j].z;
            s[r][j] += q.w * k[j].w;
          }
        }
      }
      // [scores]
      if (key0 + Bc > (causal ? row0 + 32 * warp + 1 : N)) {      // only tiles at the edge have something to hide
#pragma unroll
        for (int r = 0; r < R; ++r) {
#pragma unroll
          for (int j = 0; j < C; ++j) {
            if (!sees<causal>(first_row + 4 * r, key0 + x + 8 * j, N)) s[r][j] = -INFINITY;
          }
        }
      }
#pragma unroll
      for (int r = 0; r < R; ++r) {
        float m_new = m[r];                                       // finite: every row sees key 0
#pragma unroll
        for (int j = 0; j < C; ++j) m_new = fmaxf(m_new, s[r][j]);
        for (int step : {1, 4, 8}) m_new = fmaxf(m_new, __shfl_xor_sync(0xffffffffu, m_new, step));
        const float kept = exp2_approx(m[r] - m_new);
        m[r] = m_new;
        l[r] *= kept;                                             // of this thread's keys: summed up at the end
#pragma unroll
        for (int j = 0; j < C; ++j) l[r] += s[r][j] = exp2_approx(s[r][j] - m_new);
#pragma unroll
        for (int c = 0; c < columns; ++c) {
          o[r][c].x *= kept;
          o[r][c].y *= kept;
          o[r][c].z *= kept;
          o[r][c].w *= kept;
        }
#pragma unroll
        for (int h = 0; h < C / 4; ++h) {                         // chunk x + 8h: keys x + 32h + 0, 8, 16, 24
          sP[(y + 4 * r) * (Bc / 4) + ((x + 8 * h) ^ (y % 2 * 4))] =
              make_float4(s[r][4 * h], s[r][4 * h + 1], s[r][4 * h + 2], s[r][4 * h + 3]);
        }
      }
    }
    __pipeline_wait_prior(0);
    __syncthreads();                                            // V_j and P_ij are here, and K_j no longer needed
    if (key0 + Bc < keys) copy_tile<Bc, d, threads, true>(sK, gK, key0 + Bc, N);  // K_{j+1} arrives during P·V
    __pipeline_commit();

    if (key0 >= warp_keys) continue;
#pragma unroll 2
    for (int c = 0; c < Bc / 4; ++c) {                          // O_i += P_ij V_j, four keys at a time
      const float4* v0 = sV + (c % 8 + c / 8 * 32) * chunks + x;
      float4 v[4][columns];
#pragma unroll
      for (int key = 0; key < 4; ++key) {
#pragma unroll
        for (int i = 0; i < columns; ++i) v[key][i] = v0[8 * key * chunks + 8 * i];
      }
#pragma unroll
      for (int r = 0; r < R; ++r) {
        const float4 p = sP[(y + 4 * r) * (Bc / 4) + (c ^ (y % 2 * 4))];
        const float p4[4] = {p.x, p.y, p.z, p.w};
#pragma unroll
        for (int key = 0; key < 4; ++key) {
#pragma unroll
          for (int i = 0; i < columns; ++i) {
            o[r][i].x += p4[key] * v[key][i].x;
            o[r][i].y += p4[key] * v[key][i].y;
            o[r][i].z += p4[key] * v[key][i].z;
            o[r][i].w += p4[key] * v[key][i].w;
          }
        }
      }
    }
  }

#pragma unroll
  for (int r = 0; r < R; ++r) {
    for (int step : {1, 4, 8}) l[r] += __shfl_xor_sync(0xffffffffu, l[r], step);
    const int row = first_row + 4 * r;
    if (row >= N) continue;
    const float inverse = 1.0f / l[r];
    float4* gO = reinterpret_cast<float4*>(O + (head * N + row) * d) + x;
#pragma unroll
    for (int i = 0; i < columns; ++i) {
      gO[8 * i] = make_float4(o[r][i].x * inverse, o[r][i].y * inverse, o[r][i].z * inverse, o[r][i].w * inverse);
    }
    if (x == 0) L[head * N + row] = (m[r] + log2f(l[r])) * 0.693147180559945309f;
  }
}

template <int d, bool causal, int warps = 4>
cudaError_t launch_registers_with(const float* Q, const float* K, const float* V, float* O, float* L,
                                  const AttentionShape& shape, cudaStream_t stream) {
  constexpr int bytes = kRegistersBytes<d, warps>;
  if constexpr (warps == 4) {                                   // a T4 has 64 KB
    int device = 0, available = 0;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&available, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    if (available < bytes) return launch_registers_with<d, causal, 2>(Q, K, V, O, L, shape, stream);
  }
  const auto kernel = registers<d, causal, warps>;
  const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (error != cudaSuccess) return error;
  kernel<<<dim3(ceil_div(shape.seq, 32 * warps), shape.batch * shape.heads), 32 * warps, bytes, stream>>>(
      Q, K, V, O, L, shape.seq, shape.heads / shape.kv_heads, 1.4426950408889634f / sqrtf(d));
  return cudaGetLastError();
}

// O (batch, heads, N, d) = softmax(Q Kᵀ / √d) V and L (batch, heads, N) = m + log l. d is 32, 64, 96 or 128.
inline cudaError_t launch_registers(const float* Q, const float* K, const float* V, float* O, float* L,
                                    const AttentionShape& shape, cudaStream_t stream = 0) {
  if (!is_valid(shape)) return cudaErrorInvalidValue;
  return with_shape(shape.dim, shape.causal, [=](auto compiled) {
    return launch_registers_with<compiled.d, compiled.causal>(Q, K, V, O, L, shape, stream);
  });
}

}  // namespace flashlab
