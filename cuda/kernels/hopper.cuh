#pragma once
// hopper: the FlashAttention-3 shape of online-q, for sm_90a. One warp of each block does nothing but fetch tiles (TMA);
// two or three warpgroups of 64 query rows each multiply them on the tensor cores (wgmma) and take turns, so that
// one's softmax runs under the others' products. Within a warpgroup, S of the next tile and P·V of this one are in
// flight while the exponentials are computed.
//
// Since `tensor-core`: wgmma reads its operands from shared memory and runs by itself; a block stays for many tiles.
// Traffic a head: that of online-q with the larger Br; K and V come from the L2.
// Launch: one block an SM, (1 + groups) · 128 threads, 113 to 226 KB of shared memory; tiles of rows are handed out by
// a counter, the longest first. Run: flashlab bench hopper

#include "cuda/kernels/hopper_ptx.cuh"
#include "cuda/kernels/shape.cuh"

#include <atomic>
#include <cmath>

namespace flashlab {

// Each idea can be left out, by a struct that inherits this one and says otherwise; `flashlab bench --ablate` says what
// each buys.
struct HopperOptions {
  static constexpr bool ping_pong = true;     // warpgroups take turns at issuing products
  static constexpr bool overlap = true;       // softmax of a tile runs under the products of its neighbours
  static constexpr bool lazy_rescale = true;  // O is rescaled only when a maximum has grown by more than 2^8
  static constexpr bool persistent = true;    // blocks take tiles until none is left
  static constexpr int groups = 0, keys = 0, stages = 0;  // 0: as HopperTile says
};

// Br = 64 · groups rows of Q a block, Bc keys a tile, so many tiles of K and of V in shared memory.
template <int d, bool causal, class Options>
struct HopperTile {
  static constexpr int groups = Options::groups ? Options::groups : d == 64 ? 3 : 2;
  static constexpr int Bc = Options::keys ? Options::keys : d == 64 ? 128 : d == 256 ? 80 : causal ? 128 : 176;
  static constexpr int stages = Options::stages ? Options::stages : 2;
  static constexpr int Br = 64 * groups;
  static constexpr int threads = 128 * (1 + groups);
  static constexpr int registers_fetch = groups == 3 ? 32 : 24, registers_compute = groups == 3 ? 160 : 240;
};

// What lies in shared memory; every tile in panels of 64 columns.
template <class T, int d, class Tile>
struct HopperShared {
  alignas(1024) T sQ[Tile::groups][d / 64][64][64];             // Q_i, and O_i on its way out
  alignas(1024) T sK[Tile::stages][d / 64][Tile::Bc][64];       // K_j
  alignas(1024) T sV[Tile::stages][d / 64][Tile::Bc][64];       // V_j
  uint64_t k_full[Tile::stages], k_empty[Tile::stages];
  uint64_t v_full[Tile::stages], v_empty[Tile::stages];
  uint64_t q_full, q_empty, tile_full, tile_empty;
  int tile;
};

// Tiles of rows, longest first. Under the causal mask the heads whose K and V fit in the L2 together form a section,
// and all heads of a section do their long tiles first; without a mask a section is one head.
struct HopperWork {
  int N, heads, heads_per_kv_head, batch_heads, row_tiles, section;
  float scale_log2;  // log2(e) / √d
  unsigned* taken;   // tiles handed out beyond the first of each block

  __device__ int tiles() const { return batch_heads * row_tiles; }
  struct Place {
    int head, kv_head, row0;
  };
  template <int Br>
  __device__ Place place(int tile) const {
    const int first = tile / (section * row_tiles) * section;      // head of this section
    const int in_section = tile - first * row_tiles, width = min(section, batch_heads - first);
    const int head = first + in_section % width;
    return {head, head / heads_per_kv_head, (row_tiles - 1 - in_section / width) * Br};
  }
};

// A place in the ring of stages; the parity tells first use from second.
template <int stages>
struct Ring {
  int stage = 0;
  uint32_t parity = 0;
  __device__ void advance() {
    if (++stage == stages) stage = 0, parity ^= 1;
  }
};

template <class T, int d, bool causal, class Options>
__global__ void __launch_bounds__(HopperTile<d, causal, Options>::threads, 1)
hopper(const __grid_constant__ CUtensorMap gQ,                   // (batch · heads, N, d)
       const __grid_constant__ CUtensorMap gK,                   // (batch · kv_heads, N, d)
       const __grid_constant__ CUtensorMap gV,                   // (batch · kv_heads, N, d)
       const __grid_constant__ CUtensorMap gO,                   // (batch · heads, N, d)
       float* __restrict__ L,                                    // (batch · heads, N)
       const HopperWork work) {
  using Tile = HopperTile<d, causal, Options>;
  constexpr int Br = Tile::Br, Bc = Tile::Bc, stages = Tile::stages, groups = Tile::groups, panels = d / 64;
  extern __shared__ __align__(1024) unsigned char bytes[];
  auto& shared = *reinterpret_cast<HopperShared<T, d, Tile>*>(bytes);
  const int group = threadIdx.x / 128 - 1;                       // −1 fetches, the others compute
  const int N = work.N, tiles = work.tiles();
  const auto key_tiles = [&](int row0) { return ((causal ? min(N, row0 + Br) : N) + Bc - 1) / Bc; };

  if (threadIdx.x == 0) {
    for (int s = 0; s < stages; ++s) {
      ptx::mbarrier_init(&shared.k_full[s], 1), ptx::mbarrier_init(&shared.k_empty[s], 4 * groups);
      ptx::mbarrier_init(&shared.v_full[s], 1), ptx::mbarrier_init(&shared.v_empty[s], 4 * groups);
    }
    ptx::mbarrier_init(&shared.q_full, 1), ptx::mbarrier_init(&shared.q_empty, groups);
    ptx::mbarrier_init(&shared.tile_full, 1), ptx::mbarrier_init(&shared.tile_empty, 4 * groups);
    ptx::fence_mbarrier_init();
  }
  __syncthreads();

  if (group < 0) {
    // ---------------------------------------------------------------------------------------- the warp that fetches
    ptx::registers_decrease<Tile::registers_fetch>();
    if (threadIdx.x != 0) return;
    Ring<stages> k, v;
    const auto load = [&](T (&sX)[panels][Bc][64], const CUtensorMap& gX, uint64_t* full, uint64_t* empty, Ring<stages>& ring,
                          int kv_head, int j) {                  // X_j (Bc, d)  HBM or L2 → shared
      ptx::mbarrier_wait(&empty[ring.stage], ring.parity ^ 1);
      ptx::mbarrier_arrive_expect(&full[ring.stage], sizeof(sX));
      ptx::tma_load(sX, &gX, 0, j * Bc, 0, kv_head, &full[ring.stage]);
      ring.advance();
    };
    uint32_t parity = 0;
    for (int tile = blockIdx.x;; parity ^= 1) {
      ptx::mbarrier_wait(&shared.tile_empty, parity ^ 1);
      shared.tile = tile;
      ptx::mbarrier_arrive(&shared.tile_full);
      if (tile >= tiles) break;
      const auto [head, kv_head, row0] = work.template place<Br>(tile);
      const int n = key_tiles(row0);
      ptx::mbarrier_wait(&shared.q_empty, parity ^ 1);
      ptx::mbarrier_arrive_expect(&shared.q_full, sizeof(shared.sQ));
      for (int g = 0; g < groups; ++g) ptx::tma_load(shared.sQ[g], &gQ, 0, row0 + 64 * g, 0, head, &shared.q_full);
      load(shared.sK[k.stage], gK, shared.k_full, shared.k_empty, k, kv_head, n - 1);
      for (int j = n - 1; j >= 0; --j) {
        if (j > 0) load(shared.sK[k.stage], gK, shared.k_full, shared.k_empty, k, kv_head, j - 1);
        load(shared.sV[v.stage], gV, shared.v_full, shared.v_empty, v, kv_head, j);
      }
      if (!Options::persistent) {
        tile = tiles;
      } else {
        const unsigned order = atomicAdd(work.taken, 1u);
        if (order == static_cast<unsigned>(tiles) - 1) *work.taken = 0;  // the last one of all: ready for the next launch
        tile = static_cast<int>(gridDim.x + order);
      }
    }
    return;
  }

  // ------------------------------------------------------------------------------------ the warpgroups that compute
  ptx::registers_increase<Tile::registers_compute>();
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4;
  const bool speaks = lane == 0;
  const auto release = [&](uint64_t* bar) {
    if (speaks) ptx::mbarrier_arrive(bar);
  };
  constexpr int kTurn = 1, kGroup = 1 + groups;                  // named barriers
  const auto take_turn = [&] {
    if constexpr (Options::ping_pong) ptx::barrier_sync(kTurn + group, 256);
  };
  const auto pass_turn = [&] {
    if constexpr (Options::ping_pong) ptx::barrier_arrive(kTurn + (group + 1) % groups, 256);
  };
  if (Options::ping_pong && group == groups - 1) pass_turn();

  Ring<stages> k, v;
  for (uint32_t parity = 0;; parity ^= 1) {
    ptx::mbarrier_wait(&shared.tile_full, parity);
    const int tile = shared.tile;
    __syncwarp();
    release(&shared.tile_empty);
    if (tile >= tiles) break;
    const auto [head, kv_head, row0] = work.template place<Br>(tile);
    const int row = row0 + 64 * group + 16 * warp + lane / 4;    // this thread has rows `row` and `row + 8`
    int j = key_tiles(row0) - 1;

    float s[Bc / 2];                                             // S (64, Bc): [column / 8][row, row + 8][two columns]
    uint32_t p[Bc / 4];                                          // P (64, Bc) in pairs
    float o[d / 2];                                              // O (64, d)
    float m[2] = {-INFINITY, -INFINITY}, l[2] = {0.0f, 0.0f}, kept[2];

    const auto multiply_qk = [&] {                               // S = Q K_jᵀ
      ptx::mbarrier_wait(&shared.k_full[k.stage], k.parity);
      take_turn();
      ptx::wgmma_fence();
      const uint64_t Q = ptx::matrix_descriptor(shared.sQ[group], 0), K = ptx::matrix_descriptor(shared.sK[k.stage], 0);
#pragma unroll
      for (int c = 0; c < d; c += 16) {                          // 16 columns are 32 B of a panel's row
        ptx::wgmma_ss<T>(s, Q + (c / 64 * sizeof(shared.sQ[0][0]) + c % 64 * 2 >> 4),
                         K + (c / 64 * sizeof(shared.sK[0][0]) + c % 64 * 2 >> 4), c > 0);
      }
      ptx::wgmma_commit();
    };
    const auto add_pv = [&](bool first) {                        // O += P V_j
      ptx::mbarrier_wait(&shared.v_full[v.stage], v.parity);
      ptx::wgmma_fence();
      const uint64_t V = ptx::matrix_descriptor(shared.sV[v.stage], sizeof(shared.sV[0][0]));
#pragma unroll
      for (int r = 0; r < Bc; r += 16) ptx::wgmma_rs<T>(o, &p[r / 4], V + (r * 128 >> 4), !first || r > 0);
      ptx::wgmma_commit();
    };
    const auto release_k = [&] { release(&shared.k_empty[k.stage]), k.advance(); };
    const auto release_v = [&] { release(&shared.v_empty[v.stage]), v.advance(); };
    const auto mask = [&](int j) {                               // keys past the row, and past N
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const int last = (causal ? min(N - 1, row + 8 * h) : N - 1) - j * Bc - lane % 4 * 2;
#pragma unroll
        for (int c = 0; c < Bc / 8; ++c) {
          if (8 * c > last) s[4 * c + 2 * h] = -INFINITY;
          if (8 * c + 1 > last) s[4 * c + 2 * h + 1] = -INFINITY;
        }
      }
    };
    bool rescale = false;
    const auto softmax = [&](bool first) {                       // s becomes P, not yet divided by l
      float m_new[2];
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float x = fmaxf(s[2 * h], s[2 * h + 1]);
#pragma unroll
        for (int c = 1; c < Bc / 8; ++c) x = fmaxf(x, fmaxf(s[4 * c + 2 * h], s[4 * c + 2 * h + 1]));
        x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
        x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
        m_new[h] = fmaxf(m[h], x);
      }
      rescale = !first;
      if constexpr (Options::lazy_rescale) {                      // P then stays below 2^8, and l and O agree on the old m
        constexpr float kGrowth = 8.0f;
        const bool grew = (m_new[0] - m[0]) * work.scale_log2 > kGrowth || (m_new[1] - m[1]) * work.scale_log2 > kGrowth;
        rescale = !first && __any_sync(0xffffffffu, grew);
        if (!first && !rescale) m_new[0] = m[0], m_new[1] = m[1];
      }
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float shift = m_new[h] == -INFINITY ? 0.0f : m_new[h] * work.scale_log2;  // a row that sees no key yet
        kept[h] = ptx::exp2_approx(m[h] * work.scale_log2 - shift);
        m[h] = m_new[h];
        if (rescale) l[h] *= kept[h];
        float sums[2] = {0.0f, 0.0f};
#pragma unroll
        for (int c = 0; c < Bc / 8; ++c) {
#pragma unroll
          for (int x = 0; x < 2; ++x) {
            float& e = s[4 * c + 2 * h + x];
            e = ptx::exp2_approx(fmaf(e, work.scale_log2, -shift));
            sums[x] += e;
          }
        }
        l[h] += sums[0] + sums[1];
      }
    };
    const auto pack_p = [&] {                                    // D's layout of S is A's layout of P
#pragma unroll
      for (int i = 0; i < Bc / 4; ++i) p[i] = ptx::pack<T>(s[2 * i], s[2 * i + 1]);
    };
    const auto rescale_o = [&] {
      if (!rescale) return;
#pragma unroll
      for (int i = 0; i < d / 2; ++i) o[i] *= kept[i / 2 % 2];
    };

    ptx::mbarrier_wait(&shared.q_full, parity);
    multiply_qk();
    pass_turn();
    ptx::wgmma_wait<0>();
    ptx::settle(s);
    release_k();
    mask(j);
    softmax(true);
    pack_p();
    bool first = true;
    const auto step = [&](auto masked) {                         // tile j, while P V of tile j + 1 is still to come
      if constexpr (Options::overlap) {
        multiply_qk();
        add_pv(first);
        pass_turn();
        ptx::wgmma_wait<1>();                                    // S is there
        ptx::settle(s);
        release_k();
        if constexpr (decltype(masked)::value) mask(j);
        softmax(false);
        ptx::wgmma_wait<0>();                                    // O too
        ptx::settle(s), ptx::settle(o);
        release_v();
      } else {
        add_pv(first);
        ptx::wgmma_wait<0>();
        ptx::settle(o);
        release_v();
        multiply_qk();
        pass_turn();
        ptx::wgmma_wait<0>();
        ptx::settle(s);
        release_k();
        if constexpr (decltype(masked)::value) mask(j);
        softmax(false);
      }
      pack_p();
      rescale_o();
      first = false;
    };
    --j;
    if constexpr (causal) {                                      // the tiles that the diagonal crosses
      const int row_first = row0 + 64 * group;
      for (; j >= 0 && (j + 1) * Bc - 1 > row_first; --j) step(std::true_type{});
    }
    for (; j >= 0; --j) step(std::false_type{});
    add_pv(first);
    ptx::wgmma_wait<0>();
    ptx::settle(o);
    release_v();

    // O_i = O / l, through this warpgroup's part of sQ; L_i = m + log l
    ptx::barrier_sync(kGroup + group, 128);                      // all four warps are done with Q
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      l[h] += __shfl_xor_sync(0xffffffffu, l[h], 1);
      l[h] += __shfl_xor_sync(0xffffffffu, l[h], 2);
      if (lane % 4 == 0 && row + 8 * h < N) {
        L[static_cast<size_t>(head) * N + row + 8 * h] = m[h] * work.scale_log2 * 0.69314718f + logf(l[h]);
      }
      l[h] = 1.0f / l[h];                                        // every row sees key 0
    }
    const int r = 16 * warp + lane % 16;                         // the row that this lane addresses
    const uint32_t sO = ptx::shared_address(shared.sQ[group]) + r * 128;
#pragma unroll
    for (int c = 0; c < d / 8; c += 2) {                         // two chunks of 8 columns, swizzled as TMA expects
      const float* x = &o[4 * c];
      ptx::stmatrix_x4(sO + c / 8 * sizeof(shared.sQ[0][0]) + ((c % 8 + lane / 16) ^ r % 8) * 16,
                       ptx::pack<T>(x[0] * l[0], x[1] * l[0]), ptx::pack<T>(x[2] * l[1], x[3] * l[1]),
                       ptx::pack<T>(x[4] * l[0], x[5] * l[0]), ptx::pack<T>(x[6] * l[1], x[7] * l[1]));
    }
    ptx::fence_async_proxy();
    ptx::barrier_sync(kGroup + group, 128);
    if (threadIdx.x % 128 == 0) {
      ptx::tma_store(&gO, 0, row0 + 64 * group, 0, head, shared.sQ[group]);
      ptx::tma_store_commit();
      ptx::tma_store_wait_read();
      ptx::mbarrier_arrive(&shared.q_empty);
    }
  }
  if (Options::ping_pong && group == 0) take_turn();              // the last turn passed is nobody's
}

// A (rows, N, d) tensor as TMA sees it: (rows, panel, N, 64), with N and the panel exchanged so that a box of
// `box_rows` rows is d / 64 panels one after the other.
template <class T>
inline cudaError_t hopper_map(CUtensorMap& map, const T* x, int heads, int N, int d, int box_rows) {
  static const auto encode = [] {
    void* entry = nullptr;
    cudaDriverEntryPointQueryResult found;
    cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, 12000, cudaEnableDefault, &found);
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(entry);
  }();
  if (encode == nullptr) return cudaErrorInsufficientDriver;
  const auto size = [](auto n) { return static_cast<cuuint64_t>(n); };
  const cuuint64_t extent[4] = {64, size(N), size(d / 64), size(heads)};
  const cuuint64_t stride[3] = {size(d) * sizeof(T), 64 * sizeof(T), size(N) * d * sizeof(T)};  // of dimensions 1, 2, 3
  const cuuint32_t box[4] = {64, static_cast<cuuint32_t>(box_rows), static_cast<cuuint32_t>(d / 64), 1}, step[4] = {1, 1, 1, 1};
  const CUresult result =
      encode(&map, std::is_same_v<T, __half> ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 4,
             const_cast<T*>(x), extent, stride, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return result == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

constexpr int kHopperCounters = 256;                             // launches that may be under way at a time
static __device__ unsigned hopper_taken[kHopperCounters];        // all 0 between launches

template <class T, int d, bool causal, class Options>
cudaError_t launch_hopper_shape(const T* Q, const T* K, const T* V, T* O, float* L, const AttentionShape& shape, cudaStream_t stream) {
  using Tile = HopperTile<d, causal, Options>;
  const auto kernel = hopper<T, d, causal, Options>;
  constexpr int shared_bytes = sizeof(HopperShared<T, d, Tile>);
  const int N = shape.seq, heads = shape.batch * shape.heads, kv_heads = shape.batch * shape.kv_heads;
  CUtensorMap gQ, gK, gV, gO;
  for (const cudaError_t error : {hopper_map(gQ, Q, heads, N, d, 64), hopper_map(gK, K, kv_heads, N, d, Tile::Bc),
                                  hopper_map(gV, V, kv_heads, N, d, Tile::Bc), hopper_map<T>(gO, O, heads, N, d, 64),
                                  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes)}) {
    if (error != cudaSuccess) return error;
  }
  int device = 0, sms = 0;
  unsigned* taken = nullptr;
  static std::atomic<unsigned> launches{0};
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, device);
  if (const cudaError_t error = cudaGetSymbolAddress(reinterpret_cast<void**>(&taken), hopper_taken); error != cudaSuccess) return error;
  const int row_tiles = (N + Tile::Br - 1) / Tile::Br;
  const size_t kv_bytes = static_cast<size_t>(N) * d * 2 * sizeof(T) * shape.kv_heads / shape.heads, l2_bytes = 32u << 20;
  const HopperWork work{.N = N, .heads = shape.heads, .heads_per_kv_head = shape.heads / shape.kv_heads, .batch_heads = heads,
                        .row_tiles = row_tiles,
                        .section = causal ? static_cast<int>(std::max<size_t>(1, std::min<size_t>(heads, l2_bytes / kv_bytes))) : 1,
                        .scale_log2 = 1.44269504f / std::sqrt(static_cast<float>(d)), .taken = taken + launches++ % kHopperCounters};
  const int tiles = heads * row_tiles;
  kernel<<<Options::persistent ? std::min(tiles, sms) : tiles, Tile::threads, shared_bytes, stream>>>(gQ, gK, gV, gO, L, work);
  return cudaGetLastError();
}

// O (batch, heads, N, d) = softmax(Q Kᵀ / √d) V and L (batch, heads, N) = m + log l; K and V (batch, kv_heads, N, d), where
// kv_heads divides heads. T is __half or __nv_bfloat16; d is 64, 128 or 256. All pointers are multiples of 16 bytes.
template <class T, class Options = HopperOptions>
cudaError_t launch_hopper(const T* Q, const T* K, const T* V, T* O, float* L, const AttentionShape& shape, cudaStream_t stream = 0) {
  return with_bools(shape.causal, [&](auto causal) {
    switch (shape.dim) {
      case 64: return launch_hopper_shape<T, 64, causal, Options>(Q, K, V, O, L, shape, stream);
      case 128: return launch_hopper_shape<T, 128, causal, Options>(Q, K, V, O, L, shape, stream);
      case 256: return launch_hopper_shape<T, 256, causal, Options>(Q, K, V, O, L, shape, stream);
      default: return cudaErrorInvalidValue;
    }
  });
}

}  // namespace flashlab
