#pragma once
// tensor-core: bf16 or fp16 in, fp32 sums: both products on the tensor cores through mma.sync, everything between
// them in registers. A warp owns 16·row_tiles rows; each fragment of K and V that it loads serves all of them.
//
// Since `registers`: 16-bit operands arrive by ldmatrix from swizzled tiles; the S that mma leaves in the registers of a
// lane is the P that the next mma wants there; exp2 takes the scale in its one FFMA; tiles are copied ahead by cp.async.
// Traffic a head: (1 + 2Tr)·N·d elements read, N·d + N written, Tr = ⌈N/Br⌉, Br = 16·row_tiles·warps; S and P: none.
// Launch: blocks of 32·warps, grid Tr · batch · heads.
// Run: flashlab run tensor-core --machine simt

#include "cuda/kernels/ptx.cuh"
#include "cuda/kernels/shape.cuh"
#include "cuda/kernels/tile.cuh"

namespace flashlab {

// Another choice is a type that derives from this one and says what differs; every choice is correct.
struct TensorCoreOptions {
  static constexpr int warps = 4;                // of a block
  static constexpr int row_tiles = 2;            // of 16 rows each, of a warp
  static constexpr int keys = 64;                // Bc
  static constexpr int stages = 2;               // tiles of K and V in shared memory; 1: nothing is copied ahead
  static constexpr int blocks_per_sm = 2;        // the registers are divided among so many
  static constexpr bool q_in_registers = false;  // else fetched again for every tile
  static constexpr bool overlap = true;          // the exponentials of a tile under the Q·Kᵀ of the next
  static constexpr bool swizzle = true;          // off: the eight rows of a matrix stand in the same banks
  static constexpr bool p_in_registers = true;   // off: through shared memory, as in `registers`
  static constexpr bool exp2_folded = true;      // off: expf(s·scale − m)
  static constexpr bool lazy_rescale = true;     // off: O and l follow every new maximum at once
  static constexpr bool heavy_first = true;      // causal; off: in order
};

// Where 16-byte chunks of a tile (rows, d) of 16-bit elements stand. ldmatrix reads 8 rows at one chunk: XORed with the row,
// they fall into 8 different groups of 4 banks.
template <int d, bool swizzle>
struct Chunks {
  static constexpr int row_bytes = 2 * d, lanes = d % 64 == 0 ? 8 : 4, group = swizzle ? lanes : 1;
  __device__ static uint32_t offset(int row, int c) { return row * row_bytes + (c ^ row / (8 / lanes) % group) * 16; }
  // The address of `c` chunks further, from one whose chunk is below group and has none of c's bits.
  __device__ static uint32_t step(uint32_t address, int c) { return (address ^ c % group * 16) + c / group * group * 16; }
};

template <int d, class Options>
struct TensorCoreTile {
  static constexpr int threads = 32 * Options::warps, rows = 16 * Options::row_tiles * Options::warps;
  static constexpr int q_bytes = rows * d * 2, kv_bytes = Options::keys * d * 2;
  static constexpr int p_bytes = Options::p_in_registers ? 0 : rows * Options::keys * 2;
  static constexpr int bytes = q_bytes + 2 * Options::stages * kv_bytes + p_bytes;
};

// sX (rows, d) = rows row0 … of gX (N, d), asynchronously; rows past N become zero.
template <int rows, int d, int threads, bool swizzle, class T>
__device__ void copy_rows(char* sX, const T* gX, int row0, int N) {
  using At = Chunks<d, swizzle>;
  const int row = threadIdx.x / At::lanes, c = threadIdx.x % At::lanes;
  char* to = sX + At::offset(row, c);
  const T* from = gX + (row0 + row) * d + c * 8;
#pragma unroll
  for (int r = 0; r < rows; r += threads / At::lanes) {
    const bool inside = row0 + row + r < N;
#pragma unroll
    for (int i = 0; i < d; i += At::lanes * 8) copy_async(to + (r * d + i) * 2, inside ? from + r * d + i : gX, inside);
  }
}

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
  constexpr int Br = Tile::rows, Bc = Options::keys, M = Options::row_tiles, stages = Options::stages, ahead = Options::overlap;
  const auto slot = [](int j) { return j % stages * Tile::kv_bytes; };
  constexpr float kLog2e = 1.4426950408889634f;
  const float scale_log2 = scale * kLog2e;

  const int Tr = static_cast<int>(ceil_div(N, Br));
  int tile = blockIdx.x % Tr, head = blockIdx.x / Tr;
  if (causal && Options::heavy_first) {                            // in sections of heads whose K and V fit the L2
    const int first = blockIdx.x / (section * Tr) * section, wide = min(section, heads - first);
    const int i = blockIdx.x - first * Tr;
    head = first + i % wide, tile = Tr - 1 - i / wide;
  }
  const int row0 = tile * Br, keys = causal ? min(N, row0 + Br) : N, Tc = static_cast<int>(ceil_div(keys, Bc));
  const size_t q_head = static_cast<size_t>(head) * N * d, kv_head = static_cast<size_t>(head / group) * N * d;

  extern __shared__ __align__(1024) char tensor_core_shared[];
  char* sQ = tensor_core_shared;                              // (Br, d)            later O
  char* sK = sQ + Tile::q_bytes;                              // (stages, Bc, d)
  char* sV = sK + Options::stages * Tile::kv_bytes;                // (stages, Bc, d)
  const auto copy_k = [&](int j) {
    if (j < Tc) copy_rows<Bc, d, Tile::threads, Options::swizzle>(sK + slot(j), K + kv_head, j * Bc, N);
  };
  const auto copy_kv = [&](int j) {                           // what step j wants: V_j, and the K of its Q·Kᵀ
    copy_k(j + ahead);
    if (j < Tc) copy_rows<Bc, d, Tile::threads, Options::swizzle>(sV + slot(j), V + kv_head, j * Bc, N);
    copy_async_commit();
  };
  copy_rows<Br, d, Tile::threads, Options::swizzle>(sQ, Q + q_head, row0, N);
  if (ahead) copy_k(0), copy_async_commit();
#pragma unroll
  for (int j = 0; j < stages - 1; ++j) copy_kv(j);

  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int warp_row = warp * 16 * M, first_row = row0 + warp_row;  // of this warp; a lane's rows: g, g + 8, …
  const int warp_keys = first_row >= N ? 0 : causal ? min(N, first_row + 16 * M) : N;
  const uint32_t aQ = shared_address(sQ) + At::offset(warp_row + lane % 16, lane / 16);  // ldmatrix: 16 rows × 2 chunks
  const uint32_t aK = shared_address(sK) + At::offset(lane / 16 * 8 + lane % 8, lane / 8 % 2);  // two key tiles × 2
  const uint32_t aV = shared_address(sV) + At::offset(lane % 16, lane / 16);

  uint32_t q[M][Options::q_in_registers ? d / 16 : 1][4];
  float s[M][Bc / 8][4], o[M][d / 8][4] = {}, m[M][2], l[M][2] = {}, top[M][2];
  for (int i = 0; i < M; ++i) m[i][0] = m[i][1] = top[i][0] = top[i][1] = -INFINITY;

  const auto multiply_qk = [&](float (&s)[M][Bc / 8][4], int j, int k) {  // S_ij += Q_i K_jᵀ over 16 columns
    const int kq = Options::q_in_registers ? k : 0;
    if (!Options::q_in_registers || j == 0) {
#pragma unroll
      for (int i = 0; i < M; ++i) load_matrices(q[i][kq], At::step(aQ, 2 * k) + i * 16 * At::row_bytes);
    }
#pragma unroll
    for (int n = 0; n < Bc / 16; ++n) {
      uint32_t b[4];
      load_matrices(b, At::step(aK + slot(j), 2 * k) + n * 16 * At::row_bytes);
#pragma unroll
      for (int i = 0; i < M; ++i) {
        multiply_add<T>(s[i][2 * n], q[i][kq], b[0], b[1]);
        multiply_add<T>(s[i][2 * n + 1], q[i][kq], b[2], b[3]);
      }
    }
  };
  const auto hide = [&](float (&s)[M][Bc / 8][4], int j) {    // what no row of S_ij may see
    if (j * Bc + Bc <= (causal ? min(N, first_row + 1) : N)) return;
#pragma unroll
    for (int i = 0; i < M; ++i) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int row = first_row + 16 * i + g + e / 2 * 8;
        const int visible = (causal ? min(N, row + 1) : N) - j * Bc - 2 * t - e % 2;
#pragma unroll
        for (int n = 0; n < Bc / 8; ++n) s[i][n][e] = 8 * n < visible ? s[i][n][e] : -INFINITY;
      }
    }
  };
  const auto raise = [&](const float (&s)[M][Bc / 8][4], int k) {  // this lane's maxima, over 16 keys more
#pragma unroll
    for (int i = 0; i < M; ++i) {
#pragma unroll
      for (int e = 0; e < 8; ++e) top[i][e / 2 % 2] = fmaxf(top[i][e / 2 % 2], s[i][2 * k + e / 4][e % 4]);
    }
  };
  const auto rescale = [&] {                                  // the rows' maxima, and O and l on their scale
    bool grown = false;
#pragma unroll
    for (int i = 0; i < M; ++i) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {                           // finite: every row sees key 0
        top[i][h] = fmaxf(top[i][h], __shfl_xor_sync(0xffffffffu, top[i][h], 1));
        top[i][h] = fmaxf(top[i][h], __shfl_xor_sync(0xffffffffu, top[i][h], 2));
        grown |= (top[i][h] - m[i][h]) * scale_log2 > 8.0f;   // lazy: an old maximum serves until P could pass 2⁸
      }
    }
    if (Options::lazy_rescale && !__any_sync(0xffffffffu, grown)) return;
#pragma unroll
    for (int i = 0; i < M; ++i) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float kept = exp2_approx((m[i][h] - top[i][h]) * scale_log2);
        m[i][h] = top[i][h];
        l[i][h] *= kept;
#pragma unroll
        for (int n = 0; n < d / 8; ++n) o[i][n][2 * h] *= kept, o[i][n][2 * h + 1] *= kept;
      }
    }
  };
  const auto weigh = [&](uint32_t (&p)[M][4], int k) {        // P_ij = exp2(S_ij − m) for 16 keys
#pragma unroll
    for (int i = 0; i < M; ++i) {
#pragma unroll
      for (int r = 0; r < 4; ++r) {                           // what mma left of tiles 2k, 2k + 1 is what it takes as a
        const float* x = &s[i][2 * k + r / 2][r % 2 * 2];
        const float top = m[i][r % 2];
        float y[2];
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          y[e] = Options::exp2_folded ? exp2_approx(fmaf(x[e], scale_log2, -top * scale_log2)) : expf(x[e] * scale - top * scale);
          l[i][r % 2] += y[e];                                // of this lane's keys: summed up at the end
        }
        p[i][r] = pack<T>(y[0], y[1]);
      }
    }
    if constexpr (!Options::p_in_registers) {                 // the way round: P (16M, 16) of this warp, row-major
      char* sP = sV + stages * Tile::kv_bytes + warp_row * Bc * 2;
      using AtP = Chunks<16, false>;
      __syncwarp();
#pragma unroll
      for (int i = 0; i < M; ++i) {
#pragma unroll
        for (int r = 0; r < 4; ++r) {
          *reinterpret_cast<uint32_t*>(sP + AtP::offset(16 * i + r % 2 * 8 + g, r / 2) + 4 * t) = p[i][r];
        }
      }
      __syncwarp();
#pragma unroll
      for (int i = 0; i < M; ++i) load_matrices(p[i], shared_address(sP) + AtP::offset(16 * i + lane % 16, lane / 16));
    }
  };
  const auto multiply_pv = [&](const uint32_t (&p)[M][4], int j, int k) {  // O_i += P_ij V_j over 16 keys
#pragma unroll
    for (int n = 0; n < d / 16; ++n) {
      uint32_t b[4];
      load_matrices_transposed(b, At::step(aV + slot(j), 2 * n) + k * 16 * At::row_bytes);
#pragma unroll
      for (int i = 0; i < M; ++i) {
        multiply_add<T>(o[i][2 * n], p[i], b[0], b[1]);
        multiply_add<T>(o[i][2 * n + 1], p[i], b[2], b[3]);
      }
    }
  };

  if constexpr (Options::overlap) {
    copy_async_wait<stages - 1>();
    __syncthreads();                                          // Q_i and K_0 are here
    if (warp_keys > 0) {
#pragma unroll
      for (int i = 0; i < 4 * M * Bc / 8; ++i) s[i / 4 / (Bc / 8)][i / 4 % (Bc / 8)][i % 4] = 0.0f;
#pragma unroll
      for (int k = 0; k < d / 16; ++k) multiply_qk(s, 0, k);
      hide(s, 0);
#pragma unroll
      for (int k = 0; k < Bc / 16; ++k) raise(s, k);
    }
  }
  for (int j = 0; j < Tc; ++j) {
    if constexpr (stages > 1) {
      copy_async_wait<stages - 2>();
      __syncthreads();                                        // V_j and its K are here, and those before no longer needed
      copy_kv(j + stages - 1);
    } else {
      __syncthreads();
      copy_kv(j);
      copy_async_wait<0>();
      __syncthreads();
    }
    if (j * Bc >= warp_keys) continue;                        // above the diagonal, all of it
    if constexpr (Options::overlap) {
      rescale();
      uint32_t p[Bc / 16][M][4];
      if ((j + 1) * Bc < warp_keys) {
        float next[M][Bc / 8][4] = {};
#pragma unroll
        for (int k = 0; k < max(d, Bc) / 16; ++k) {
          if (k < d / 16) multiply_qk(next, j + 1, k);
          if (k < Bc / 16) weigh(p[k], k);
        }
        hide(next, j + 1);
#pragma unroll
        for (int k = 0; k < Bc / 16; ++k) {
          multiply_pv(p[k], j, k);
          raise(next, k);
        }
#pragma unroll
        for (int i = 0; i < 4 * M * Bc / 8; ++i) s[i / 4 / (Bc / 8)][i / 4 % (Bc / 8)][i % 4] = next[i / 4 / (Bc / 8)][i / 4 % (Bc / 8)][i % 4];
      } else {
#pragma unroll
        for (int k = 0; k < Bc / 16; ++k) {
          weigh(p[k], k);
          multiply_pv(p[k], j, k);
        }
      }
    } else {
#pragma unroll
      for (int i = 0; i < 4 * M * Bc / 8; ++i) s[i / 4 / (Bc / 8)][i / 4 % (Bc / 8)][i % 4] = 0.0f;
#pragma unroll
      for (int k = 0; k < d / 16; ++k) multiply_qk(s, j, k);
      hide(s, j);
#pragma unroll
      for (int k = 0; k < Bc / 16; ++k) raise(s, k);
      rescale();
#pragma unroll
      for (int k = 0; k < Bc / 16; ++k) {
        uint32_t p[M][4];
        weigh(p, k);
        multiply_pv(p, j, k);
      }
    }
  }

  __syncwarp();                                               // O / l, through this warp's rows of sQ: stores of 16 bytes
#pragma unroll
  for (int i = 0; i < M; ++i) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      l[i][h] += __shfl_xor_sync(0xffffffffu, l[i][h], 1);
      l[i][h] += __shfl_xor_sync(0xffffffffu, l[i][h], 2);
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
#pragma unroll
  for (int i = 0; i < 16 * M * d / 8; i += 32) {
    const int row = (i + lane) / (d / 8), c = (i + lane) % (d / 8);
    if (first_row + row >= N) break;
    *reinterpret_cast<uint4*>(O + q_head + (first_row + row) * d + c * 8) =
        *reinterpret_cast<const uint4*>(sQ + At::offset(warp_row + row, c));
  }
}

// O (batch, heads, N, d) = softmax(Q Kᵀ / √d) V and L (batch, heads, N) = m + log l; T is __nv_bfloat16 or __half.
template <int d, class Options = TensorCoreOptions, class T>
cudaError_t launch_tensor_core_with(const T* Q, const T* K, const T* V, T* O, float* L, const AttentionShape& shape,
                                    cudaStream_t stream = 0) {
  if (!is_valid(shape) || shape.dim != d) return cudaErrorInvalidValue;
  constexpr int kSectionBytes = 32 << 20;                     // of K and V
  using Tile = TensorCoreTile<d, Options>;
  const auto kernel = shape.causal ? tensor_core<T, d, true, Options> : tensor_core<T, d, false, Options>;
  const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Tile::bytes);
  if (error != cudaSuccess) return error;
  const int heads = shape.batch * shape.heads, group = shape.heads / shape.kv_heads;
  const int section = max(1, static_cast<int>(kSectionBytes / (4ll * shape.seq * d))) * group;
  kernel<<<ceil_div(shape.seq, Tile::rows) * heads, Tile::threads, Tile::bytes, stream>>>(
      Q, K, V, O, L, shape.seq, heads, group, section, 1.0f / sqrtf(d));
  return cudaGetLastError();
}

// The same, d being 32, 64, 96, 128 or 256.
template <class T>
cudaError_t launch_tensor_core(const T* Q, const T* K, const T* V, T* O, float* L, const AttentionShape& shape,
                               cudaStream_t stream = 0) {
  switch (shape.dim) {
    case 32: return launch_tensor_core_with<32>(Q, K, V, O, L, shape, stream);
    case 64: return launch_tensor_core_with<64>(Q, K, V, O, L, shape, stream);
    case 96: return launch_tensor_core_with<96>(Q, K, V, O, L, shape, stream);
    case 128: return launch_tensor_core_with<128>(Q, K, V, O, L, shape, stream);
    default: return cudaErrorInvalidValue;
  }
}

}  // namespace flashlab
