#pragma once
// tensor-core: bf16 or fp16 in, fp32 sums: both products on the tensor cores through mma.sync, everything between
// them in registers. A warp owns 16·row_tiles rows; each fragment of K and V that it loads serves all of them.
//
// Since `registers`: 16-bit operands arrive by ldmatrix from swizzled tiles; the S that mma leaves in the registers
// of a lane is the P that the next mma wants there; exp2 takes the scale in its one FFMA; tiles are copied ahead.
// Traffic a head: (1 + 2Tr)·N·d elements read, N·d + N written, Tr = ⌈N/Br⌉; S and P: none.
// Launch: blocks of 32·warps, grid Tr · batch · heads, 80 KB of shared memory at d = 64, 96 KB at 128; two an SM.
// Run: flashlab run tensor-core --machine simt

#include "cuda/kernels/ptx.cuh"
#include "cuda/kernels/shape.cuh"
#include "cuda/kernels/tile.cuh"

#include <algorithm>
#include <type_traits>

namespace flashlab {

// Another choice is a type that derives from this one and says what differs; every choice is correct.
struct TensorCoreOptions {
  static constexpr int row_tiles = 0, keys = 0;  // 16-row tiles of a warp, Bc; 0: as TensorCoreTile says
  static constexpr int warps = 4;                // of a block
  static constexpr int stages = 2;               // tiles of K and V in shared memory; 1: nothing is copied ahead
  static constexpr int blocks_per_sm = 2;        // the registers are divided among so many
  static constexpr bool swizzle = true;          // off: the eight rows of a matrix stand in the same banks
  static constexpr bool p_in_registers = true;   // off: through shared memory, as in `registers`
  static constexpr bool exp2_folded = true;      // off: expf(s·scale − m·scale)
  static constexpr int lazy_log2 = 0;            // O and l follow maxima that grew by more than 2^this: 8 costs accuracy; −1: all
  static constexpr bool heavy_first = true;      // causal; off: in order
};

// Where 16-byte chunks of a tile (rows, d) of 16-bit elements stand. ldmatrix reads 8 rows at one chunk: XORed with
// the row, they fall into 8 different groups of 4 banks.
template <int d, bool swizzle>
struct Chunks {
  static constexpr int row_bytes = 2 * d, lanes = d % 64 == 0 ? 8 : 4, group = swizzle ? lanes : 1;
  __device__ static uint32_t offset(int row, int c) {
    return row * row_bytes + (c ^ row / (8 / lanes) % group) * 16;
  }
  // The address c chunks further on in the row, from a chunk below `group` that has none of c's bits.
  __device__ static uint32_t step(uint32_t address, int c) {
    return (address ^ c % group * 16) + c / group * group * 16;
  }
};

template <int d, class Options>
struct TensorCoreTile {
  static constexpr int row_tiles = Options::row_tiles ? Options::row_tiles : d > 128 ? 1 : 2;
  static constexpr int Bc = Options::keys ? Options::keys : d > 128 ? 32 : d > 64 ? 64 : 128;
  static constexpr int threads = 32 * Options::warps, Br = 16 * row_tiles * Options::warps;
  static constexpr int q_bytes = Br * d * 2, kv_bytes = Bc * d * 2, p_bytes = Options::p_in_registers ? 0 : Br * 32;
  static constexpr int bytes = q_bytes + 2 * Options::stages * kv_bytes + p_bytes;
};

// sX (rows, d) = rows row0 … of gX (N, d), asynchronously; rows past N become zero. When all are `inside`, an address
// is a register and a constant.
template <int rows, int d, int threads, bool swizzle, bool inside = false, class T>
__device__ void copy_rows(char* sX, const T* gX, int row0, int N) {
  using At = Chunks<d, swizzle>;
  if (!inside && row0 + rows <= N) return copy_rows<rows, d, threads, swizzle, true>(sX, gX, row0, N);
  const int row = threadIdx.x / At::lanes, c = threadIdx.x % At::lanes;
  char* to = sX + At::offset(row, c);
  const T* from = gX + (row0 + row) * d + c * 8;
  for (int r = 0; r < rows; r += threads / At::lanes) {
    const bool exists = inside || row0 + row + r < N;
    for (int i = 0; i < d; i += At::lanes * 8) {
      copy_async(to + (r * d + i) * 2, exists ? from + r * d + i : gX, exists);
    }
  }
}

// Registers have no index: loops over fragments have constant bounds, and the compiler unrolls them.
template <class T, int d, bool causal, class Options>
__global__ void __launch_bounds__(32 * Options::warps, Options::blocks_per_sm)
tensor_core(const T* __restrict__ Q,                          // (batch · heads, N, d)
            const T* __restrict__ K,                          // (batch · kv_heads, N, d)
            const T* __restrict__ V,                          // (batch · kv_heads, N, d)
            T* __restrict__ O,                                // (batch · heads, N, d)
            float* __restrict__ L,                            // (batch · heads, N)
            int N, int heads, int group, int section, float scale) {
  using Tile = TensorCoreTile<d, Options>;
  using At = Chunks<d, Options::swizzle>;
  constexpr int Br = Tile::Br, Bc = Tile::Bc, M = Tile::row_tiles, stages = Options::stages;
  const float scale_log2 = scale * 1.4426950408889634f;

  const int Tr = static_cast<int>(ceil_div(N, Br));
  int tile = blockIdx.x % Tr, head = blockIdx.x / Tr;
  if (causal && Options::heavy_first) {                       // in sections of heads whose K and V fit the L2
    const int first = blockIdx.x / (section * Tr) * section, wide = min(section, heads - first);
    const int i = blockIdx.x - first * Tr;
    head = first + i % wide, tile = Tr - 1 - i / wide;
  }
  const int row0 = tile * Br, Tc = static_cast<int>(ceil_div(causal ? min(N, row0 + Br) : N, Bc));
  const size_t q_head = static_cast<size_t>(head) * N * d, kv_head = static_cast<size_t>(head / group) * N * d;

  extern __shared__ __align__(1024) char tensor_core_shared[];
  char* sQ = tensor_core_shared;                              // (Br, d)            later O
  char* sK = sQ + Tile::q_bytes;                              // (stages, Bc, d)
  char* sV = sK + stages * Tile::kv_bytes;                    // (stages, Bc, d)
  const auto slot = [](int j) { return j % stages * Tile::kv_bytes; };
  const auto copy_kv = [&](int j) {
    if (j < Tc) {
      copy_rows<Bc, d, Tile::threads, Options::swizzle>(sK + slot(j), K + kv_head, j * Bc, N);
      copy_rows<Bc, d, Tile::threads, Options::swizzle>(sV + slot(j), V + kv_head, j * Bc, N);
    }
    copy_async_commit();
  };
  copy_rows<Br, d, Tile::threads, Options::swizzle>(sQ, Q + q_head, row0, N);
  for (int j = 0; j < stages - 1; ++j) copy_kv(j);

  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int warp_row = warp * 16 * M, first_row = row0 + warp_row;  // of this warp; a lane's rows: g, g + 8, …
  const int warp_keys = first_row >= N ? 0 : causal ? min(N, first_row + 16 * M) : N;
  const uint32_t aQ = shared_address(sQ) + At::offset(warp_row + lane % 16, lane / 16);  // ldmatrix: 16 rows × 2 chunks
  const uint32_t aK = shared_address(sK) + At::offset(lane / 16 * 8 + lane % 8, lane / 8 % 2);  // of K: 2 tiles of b
  const uint32_t aV = shared_address(sV) + At::offset(lane % 16, lane / 16);  // of V, to be transposed

  float o[M][d / 8][4] = {}, m[M][2], l[M][2] = {};
  for (int i = 0; i < M; ++i) m[i][0] = m[i][1] = -INFINITY;
  for (int j = 0; j < Tc; ++j) {
    if constexpr (stages > 1) {
      copy_async_wait<stages - 2>();
      __syncthreads();                                        // K_j and V_j are here, and tile j − 1 no longer needed
      copy_kv(j + stages - 1);
    } else {
      __syncthreads();
      copy_kv(j);
      copy_async_wait<0>();
      __syncthreads();
    }
    const int key0 = j * Bc;
    if (key0 >= warp_keys) continue;                          // above the diagonal, all of it

    // [scores]
    float s[M][Bc / 8][4] = {};                               // S_ij = Q_i K_jᵀ   (16M, Bc) of a warp
#pragma unroll
    for (int k = 0; k < d / 16; ++k) {
      uint32_t q[M][4], b[4];
      for (int i = 0; i < M; ++i) load_matrices(q[i], At::step(aQ, 2 * k) + i * 16 * At::row_bytes);
      for (int n = 0; n < Bc / 16; ++n) {
        load_matrices(b, At::step(aK + slot(j), 2 * k) + n * 16 * At::row_bytes);
        for (int i = 0; i < M; ++i) {
          multiply_add<T>(s[i][2 * n], q[i], b[0], b[1]);
          multiply_add<T>(s[i][2 * n + 1], q[i], b[2], b[3]);
        }
      }
    }
    // [scores]
    if (key0 + Bc > (causal ? min(N, first_row + 1) : N)) {   // only tiles at an edge have something to hide
      for (int i = 0; i < M; ++i) {
        for (int e = 0; e < 4; ++e) {
          const int row = first_row + 16 * i + g + e / 2 * 8;
          const int visible = (causal ? min(N, row + 1) : N) - key0 - 2 * t - e % 2;
          for (int n = 0; n < Bc / 8; ++n) s[i][n][e] = 8 * n < visible ? s[i][n][e] : -INFINITY;
        }
      }
    }

    float top[M][2];                                          // the new maxima; finite: every row sees key 0
    bool grown = Options::lazy_log2 < 0;
    for (int i = 0; i < M; ++i) {
      for (int h = 0; h < 2; ++h) {
        top[i][h] = m[i][h];
        for (int n = 0; n < Bc / 8; ++n) top[i][h] = fmaxf(top[i][h], fmaxf(s[i][n][2 * h], s[i][n][2 * h + 1]));
        top[i][h] = fmaxf(top[i][h], __shfl_xor_sync(0xffffffffu, top[i][h], 1));
        top[i][h] = fmaxf(top[i][h], __shfl_xor_sync(0xffffffffu, top[i][h], 2));
        grown |= (top[i][h] - m[i][h]) * scale_log2 > Options::lazy_log2;  // an old maximum serves while P stays that small
      }
    }
    if (__any_sync(0xffffffffu, grown)) {
      for (int i = 0; i < M; ++i) {
        for (int h = 0; h < 2; ++h) {
          const float kept = exp2_approx(__fmul_rn(m[i][h], scale_log2) - __fmul_rn(top[i][h], scale_log2));  // as P has them
          m[i][h] = top[i][h];
          l[i][h] *= kept;
          for (int n = 0; n < d / 8; ++n) o[i][n][2 * h] *= kept, o[i][n][2 * h + 1] *= kept;
        }
      }
    }

#pragma unroll
    for (int k = 0; k < Bc / 16; ++k) {                       // P_ij = exp2(S_ij − m), O_i += P_ij V_j: 16 keys a time
      uint32_t p[M][4], b[4];
      for (int i = 0; i < M; ++i) {
        for (int r = 0; r < 4; ++r) {                         // what mma left of tiles 2k, 2k + 1 is what it takes as a
          const float x = s[i][2 * k + r / 2][r % 2 * 2], y = s[i][2 * k + r / 2][r % 2 * 2 + 1], top = m[i][r % 2];
          const auto weight = [&](float s) {
            if (!Options::exp2_folded) return expf(s * scale - top * scale);
            return exp2_approx(fmaf(s, scale_log2, -__fmul_rn(top, scale_log2)));
          };
          const float px = weight(x), py = weight(y);
          l[i][r % 2] += px + py;                             // of this lane's keys: summed up at the end
          p[i][r] = pack<T>(px, py);
        }
      }
      if constexpr (!Options::p_in_registers) {               // the way round: 16 keys of P, row-major
        char* sP = sV + stages * Tile::kv_bytes + warp_row * 32;
        __syncwarp();
        for (int i = 0; i < 4 * M; ++i) {
          char* to = sP + (i / 4 * 16 + i % 2 * 8 + g) * 32 + i % 4 / 2 * 16 + 4 * t;
          *reinterpret_cast<uint32_t*>(to) = p[i / 4][i % 4];
        }
        __syncwarp();
        const uint32_t aP = shared_address(sP) + lane % 16 * 32 + lane / 16 * 16;
        for (int i = 0; i < M; ++i) load_matrices(p[i], aP + i * 16 * 32);
      }
      for (int n = 0; n < d / 16; ++n) {
        load_matrices_transposed(b, At::step(aV + slot(j), 2 * n) + k * 16 * At::row_bytes);
        for (int i = 0; i < M; ++i) {
          multiply_add<T>(o[i][2 * n], p[i], b[0], b[1]);
          multiply_add<T>(o[i][2 * n + 1], p[i], b[2], b[3]);
        }
      }
    }
  }

  __syncwarp();                                               // O / l, through this warp's rows of sQ: wide stores
#pragma unroll
  for (int i = 0; i < M; ++i) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      l[i][h] += __shfl_xor_sync(0xffffffffu, l[i][h], 1);
      l[i][h] += __shfl_xor_sync(0xffffffffu, l[i][h], 2);
      if (Options::exp2_folded) {                             // what rounding m·scale put into every term of l: the P of
        l[i][h] *= exp2_approx(fmaf(-m[i][h], scale_log2, __fmul_rn(m[i][h], scale_log2)));  // the maximum, 1, has lost it
      }
      const float inverse = __fdividef(1.0f, l[i][h]);
      const int r = 16 * i + 8 * h + g, row = first_row + r;
#pragma unroll
      for (int n = 0; n < d / 8; ++n) {
        *reinterpret_cast<uint32_t*>(sQ + At::step(At::offset(warp_row + r, 0), n) + 4 * t) =
            pack<T>(o[i][n][2 * h] * inverse, o[i][n][2 * h + 1] * inverse);
      }
      if (t == 0 && row < N) L[static_cast<size_t>(head) * N + row] = m[i][h] * scale + logf(l[i][h]);
    }
  }
  __syncwarp();
  for (int i = lane; i < 16 * M * d / 8; i += 32) {
    const int row = i / (d / 8), c = i % (d / 8);
    if (first_row + row >= N) break;
    *reinterpret_cast<uint4*>(O + q_head + (first_row + row) * d + c * 8) =
        *reinterpret_cast<const uint4*>(sQ + At::offset(warp_row + row, c));
  }
}

struct TensorCoreOneStage : TensorCoreOptions {               // for cards with 64 KB of shared memory a block
  static constexpr int stages = 1, keys = 64;
};

// As launch_tensor_core, for one d and a choice of options.
template <int d, class Options = TensorCoreOptions, class T>
cudaError_t launch_tensor_core_with(const T* Q, const T* K, const T* V, T* O, float* L, const AttentionShape& shape,
                                    cudaStream_t stream = 0) {
  using Tile = TensorCoreTile<d, Options>;
  constexpr long long kSectionBytes = 32 << 20;               // of K and V
  if (!is_valid(shape) || shape.dim != d) return cudaErrorInvalidValue;
  const auto kernel = shape.causal ? tensor_core<T, d, true, Options> : tensor_core<T, d, false, Options>;
  const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Tile::bytes);
  if (error != cudaSuccess) return error;
  const int heads = shape.batch * shape.heads, group = shape.heads / shape.kv_heads;
  const int section = static_cast<int>(std::max(1ll, kSectionBytes / (4ll * shape.seq * d))) * group;
  kernel<<<ceil_div(shape.seq, Tile::Br) * heads, Tile::threads, Tile::bytes, stream>>>(
      Q, K, V, O, L, shape.seq, heads, group, std::min(section, heads), 1.0f / sqrtf(d));
  return cudaGetLastError();
}

// O (batch, heads, N, d) = softmax(Q Kᵀ / √d) V and L (batch, heads, N) = m + log l. T is __nv_bfloat16 (sm_80 and up)
// or __half (sm_75 and up); d is 32, 64, 96, 128 or 256.
template <class T>
cudaError_t launch_tensor_core(const T* Q, const T* K, const T* V, T* O, float* L, const AttentionShape& shape,
                               cudaStream_t stream = 0) {
  int device = 0, available = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&available, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  const auto launch = [&](auto dim) {
    constexpr int d = dim;
    return available < TensorCoreTile<d, TensorCoreOptions>::bytes
               ? launch_tensor_core_with<d, TensorCoreOneStage>(Q, K, V, O, L, shape, stream)
               : launch_tensor_core_with<d>(Q, K, V, O, L, shape, stream);
  };
  switch (shape.dim) {
    case 32: return launch(std::integral_constant<int, 32>{});
    case 64: return launch(std::integral_constant<int, 64>{});
    case 96: return launch(std::integral_constant<int, 96>{});
    case 128: return launch(std::integral_constant<int, 128>{});
    case 256: return launch(std::integral_constant<int, 256>{});
    default: return cudaErrorInvalidValue;
  }
}

}  // namespace flashlab
