#pragma once
// hopper: the FlashAttention-3 shape of online-q, for sm_90a. One warp of each block does nothing but fetch tiles (TMA);
// two or three warpgroups of 64 query rows each multiply them on the tensor cores (wgmma) and take turns, so that
// one's softmax runs under the others' products. Within a warpgroup, S of the next tile and P·V of this one are in
// flight while the exponentials are computed.
//
// Since `tensor-core`: wgmma reads its operands from shared memory and runs by itself; a block stays for many tiles.
// Traffic a head: that of online-q with the larger Br; K and V come from the L2.
// Launch: one block an SM, (1 + groups) · 128 threads, 113 to 226 KB of shared memory; tiles of rows are handed out by
// a counter. Run: flashlab bench hopper

#include "cuda/kernels/hopper_ptx.cuh"
#include "cuda/kernels/shape.cuh"

namespace flashlab {

// Each idea can be left out, by a struct that inherits this one and says otherwise; `flashlab bench --ablate` says what
// each buys.
struct HopperOptions {
  static constexpr bool swizzle = true;       // rows of 128 bytes, their 16-byte chunks permuted; or chunks in columns
  static constexpr bool specialised = true;   // a warp of its own fetches; or a thread of group 0 between its products
  static constexpr bool ping_pong = true;     // warpgroups take turns at issuing products
  static constexpr bool overlap = true;       // softmax of a tile runs under the products of its neighbours
  static constexpr bool seamless = true;      // the first product of a tile of rows is issued with the last of the one before
  static constexpr int lazy_log2 = -1;        // O follows maxima that grew by more than 2^this: 8 costs accuracy; −1: all
  static constexpr bool persistent = true;    // blocks take tiles until none is left
  static constexpr int groups = 0, keys = 0, stages = 0;  // 0: as HopperTile says
};

// Br = 64 · groups rows of Q a block, Bc keys a tile, so many tiles of Q, and of K and V, in shared memory.
template <int d, class Options>
struct HopperTile {
  static constexpr int groups = Options::groups ? Options::groups : d == 64 ? 3 : 2;
  static constexpr int Bc = Options::keys ? Options::keys : d == 256 ? 80 : 128;
  static constexpr int stages = Options::stages ? Options::stages : 2;
  static constexpr bool seamless = Options::seamless && d != 256;  // which leaves no room for a second Q
  static constexpr int q_stages = seamless ? 2 : 1;
  static constexpr bool specialised = Options::specialised || !seamless;
  static constexpr int Br = 64 * groups, width = Options::swizzle ? 64 : 8;
  static constexpr int threads = 128 * (1 + groups);
  static constexpr int registers_fetch = groups == 3 ? 32 : 56, registers_compute = groups == 3 ? 160 : 224;
};

// Tiles of rows, in the order in which they are taken: head after head, so that blocks at work share K and V in the L2
// and new heads come from HBM at an even pace; within a head the longest first. Only the `last_heads` mix: all their
// long tiles, then all their short ones, so that blocks end together.
struct HopperWork {
  int N, heads_per_kv_head, batch_heads, row_tiles, last_heads;
  float scale_log2;  // log2(e) / √d
  unsigned* taken;   // tiles handed out beyond the first of each block

  __device__ int tiles() const { return batch_heads * row_tiles; }
  struct Place {
    int head, row0;
  };
  template <int Br>
  __device__ Place place(int tile) const {
    const int lone = batch_heads - last_heads;                     // heads that are taken one by one
    const bool mixed = tile >= lone * row_tiles;
    const int width = mixed ? last_heads : row_tiles, t = mixed ? tile - lone * row_tiles : tile;
    const int quotient = t / width, rest = t - quotient * width;
    return {mixed ? lone + rest : quotient, (row_tiles - 1 - (mixed ? quotient : rest)) * Br};
  }
  // Tiles of Bc keys that some of the `rows` rows from row0 on see; 1 when there are no such rows.
  template <bool causal, int Bc>
  __device__ int key_tiles(int row0, int rows) const {
    if (row0 >= N) return 1;
    return ((causal ? min(N, row0 + rows) : N) + Bc - 1) / Bc;
  }
};

// What lies in shared memory; every tile in panels of 64 columns (8 if not swizzled). An mbarrier each for "it is here"
// and "it may go".
template <class T, int d, class Tile>
struct HopperShared {
  static constexpr int width = Tile::width, panels = d / width;
  alignas(1024) T sQ[Tile::q_stages][Tile::groups][panels][64][width];  // Q_i, and O_i on its way out
  alignas(1024) T sK[Tile::stages][panels][Tile::Bc][width];            // K_j
  alignas(1024) T sV[Tile::stages][panels][Tile::Bc][width];            // V_j
  uint64_t q_full[Tile::q_stages][Tile::groups], q_empty[Tile::q_stages][Tile::groups];
  uint64_t k_full[Tile::stages], k_empty[Tile::stages];
  uint64_t v_full[Tile::stages], v_empty[Tile::stages];
  uint64_t o_full[Tile::groups];
  uint64_t tile_full, tile_empty;
  HopperWork::Place place;                                            // what is computed next; head −1: nothing
  struct {
    int head, row0, last;
  } out[Tile::q_stages][Tile::groups];                                // where O_i goes, for the warp that stores it
};

template <class T, int d, bool causal, class Options>
__global__ void __launch_bounds__(HopperTile<d, Options>::threads, 1)
hopper(const __grid_constant__ CUtensorMap gQ,                   // (batch · heads, N, d)
       const __grid_constant__ CUtensorMap gK,                   // (batch · kv_heads, N, d)
       const __grid_constant__ CUtensorMap gV,                   // (batch · kv_heads, N, d)
       const __grid_constant__ CUtensorMap gO,                   // (batch · heads, N, d)
       float* __restrict__ L,                                    // (batch · heads, N)
       const HopperWork work) {
  using Tile = HopperTile<d, Options>;
  constexpr int Br = Tile::Br, Bc = Tile::Bc, stages = Tile::stages, groups = Tile::groups, width = Tile::width, panels = d / width;
  extern __shared__ __align__(1024) unsigned char bytes[];
  auto& shared = *reinterpret_cast<HopperShared<T, d, Tile>*>(bytes);
  const int warp = __shfl_sync(0xffffffffu, threadIdx.x / 32, 0), lane = threadIdx.x % 32;  // the compiler sees: uniform
  const int group = warp / 4 - 1;                                // −1 fetches, the others compute
  const int N = work.N, tiles = work.tiles();

  if (threadIdx.x == 0) {
    const auto init = [](auto& bars, int arrivals) {
      for (uint64_t& bar : bars) ptx::mbarrier_init(&bar, arrivals);
    };
    init(shared.k_full, 1), init(shared.k_empty, 4 * groups), init(shared.v_full, 1), init(shared.v_empty, 4 * groups);
    for (int s = 0; s < Tile::q_stages; ++s) init(shared.q_full[s], 1), init(shared.q_empty[s], 1);
    init(shared.o_full, 128);
    ptx::mbarrier_init(&shared.tile_full, 1), ptx::mbarrier_init(&shared.tile_empty, 128 * groups);
    ptx::fence_mbarrier_init();
  }
  __syncthreads();

  // ---------------------------------------------------------------------------------------------- the thread that fetches
  // The t-th use of a ring of stages is of stage t % stages, and has to wait until use t − stages is over.
  uint32_t sent = 0, k_sent = 0, v_sent = 0;                     // tiles of Q, K and V
  int tile = blockIdx.x, next = tiles, kv_head = 0, v_next = 0;
  const auto load = [&](T (&sX)[stages][panels][Bc][width], const CUtensorMap& gX, uint64_t* full, uint64_t* empty, uint32_t t,
                        int kv_head, int j) {                    // X_j (Bc, d)  HBM or L2 → shared
    const int s = t % stages;
    ptx::mbarrier_wait(&empty[s], t / stages % 2 ^ 1);
    ptx::mbarrier_arrive_expect(&full[s], sizeof(sX[0]));
    ptx::tma_load(sX[s], &gX, 0, j * Bc, 0, kv_head, &full[s]);
  };
  const auto load_k = [&](int kv_head, int j) { load(shared.sK, gK, shared.k_full, shared.k_empty, k_sent++, kv_head, j); };
  const auto load_v = [&](int kv_head, int j) { load(shared.sV, gV, shared.v_full, shared.v_empty, v_sent++, kv_head, j); };
  const auto begin_tile = [&] {                                  // its number, Q_i, and the last tile of K
    const auto [head, row0] = work.template place<Br>(tile);
    const int n = work.template key_tiles<causal, Bc>(row0, Br);
    ptx::mbarrier_wait(&shared.tile_empty, sent % 2 ^ 1);
    shared.place = {tile < tiles ? head : -1, row0};
    ptx::mbarrier_arrive(&shared.tile_full);
    if (tile >= tiles) return;
    if constexpr (Options::persistent) {                         // asked for now, needed when this tile is done
      const unsigned order = atomicAdd(work.taken, 1u);
      if (order == static_cast<unsigned>(tiles) - 1) *work.taken = 0;  // the last one of all: ready for the next launch
      next = static_cast<int>(gridDim.x + order);
    }
    const int s = sent % Tile::q_stages;
#pragma unroll 1
    for (int g = 0; g < groups; ++g) {
      ptx::mbarrier_wait(&shared.q_empty[s][g], sent / Tile::q_stages % 2 ^ 1);
      ptx::mbarrier_arrive_expect(&shared.q_full[s][g], sizeof(shared.sQ[0][0]));
      ptx::tma_load(shared.sQ[s][g], &gQ, 0, row0 + 64 * g, 0, head, &shared.q_full[s][g]);
    }
    ++sent;
    kv_head = head / work.heads_per_kv_head;
    v_next = n - 1;
    load_k(kv_head, n - 1);
  };
  const auto fetch = [&] {                                       // what one step takes: K_{j−1} and V_j
    if (v_next > 0) {
      load_k(kv_head, v_next - 1), load_v(kv_head, v_next--);
      return;
    }
    const int last_kv_head = kv_head;
    tile = next;
    if constexpr (Tile::seamless) begin_tile();
    load_v(last_kv_head, 0);
    if constexpr (!Tile::seamless) begin_tile();
  };

  if (group < 0) {
    // --------------------------------------------------------- a warp that fetches, and one for each group that stores
    ptx::registers_decrease<Tile::registers_fetch>();
    if (lane != 0) return;
    if (warp == 0 && Tile::specialised) {
      begin_tile();
      while (tile < tiles) fetch();
    }
    const int g = warp - 1;
    for (uint32_t taken = 0, last = g < 0 || g >= groups; !last; ++taken) {
      const int s = taken % Tile::q_stages;
      ptx::mbarrier_wait(&shared.o_full[g], taken % 2);
      const auto out = shared.out[s][g];
      ptx::tma_store(&gO, 0, out.row0, 0, out.head, shared.sQ[s][g]);
      ptx::tma_store_commit();
      ptx::tma_store_wait_read();
      ptx::mbarrier_arrive(&shared.q_empty[s][g]);
      last = out.last;
    }
    return;
  }

  // ------------------------------------------------------------------------------------ the warpgroups that compute
  ptx::registers_increase<Tile::registers_compute>();
  constexpr int kTurn = 1, kGroup = 1 + groups;                  // named barriers
  const auto take_turn = [&] {
    if constexpr (Options::ping_pong) ptx::barrier_sync(kTurn + group, 256);
  };
  const auto pass_turn = [&] {
    if constexpr (Options::ping_pong) ptx::barrier_arrive(kTurn + (group + 1) % groups, 256);
  };
  if (group == groups - 1) pass_turn();                          // the first turn is group 0's

  float s[Bc / 2];                                               // S (64, Bc): [column / 8][row, row + 8][two columns]
  uint32_t p[Bc / 4];                                            // P (64, Bc) in pairs
  float o[d / 2];                                                // O (64, d)
  float m[2], l[2], kept[2], inverse[2];
  uint32_t taken = 0, keys = 0;                                  // tiles of rows, and of K: how far this group is
  int head = 0, row0 = 0, n = 0, mine = 0, j = 0;                // this tile: of n tiles of keys, `mine` concern this group

  const auto release = [&](uint64_t& bar) {
    if (lane == 0) ptx::mbarrier_arrive(&bar);
  };
  // V_j is waited for after K_{j−1}, everywhere.
  const auto k_stage = [&] { return keys % stages; };
  const auto v_stage = [&] { return (keys - 1) % stages; };
  const auto wait_k = [&] { ptx::mbarrier_wait(&shared.k_full[k_stage()], keys / stages % 2); };
  const auto wait_v = [&] { ptx::mbarrier_wait(&shared.v_full[v_stage()], (keys - 1) / stages % 2); };
  const auto release_k = [&] { release(shared.k_empty[k_stage()]); };
  const auto release_v = [&] { release(shared.v_empty[v_stage()]); };
  const auto take_tile = [&] {                                   // false: there is none left
    ptx::mbarrier_wait(&shared.tile_full, taken % 2);
    const auto place = shared.place;
    ptx::mbarrier_arrive(&shared.tile_empty);                    // each for what it read itself: no thread speaks for others
    if (place.head < 0) return false;
    head = place.head, row0 = place.row0 + 64 * group, n = work.template key_tiles<causal, Bc>(place.row0, Br);
    mine = causal || row0 >= N ? work.template key_tiles<causal, Bc>(row0, 64) : n;
    ++taken;
    return true;
  };
  const auto q_stage = [&] { return (taken - 1) % Tile::q_stages; };
  const auto wait_q = [&] {
    ptx::mbarrier_wait(&shared.q_full[q_stage()][group], (taken - 1) / Tile::q_stages % 2);
    if (threadIdx.x % 128 == 0) shared.out[q_stage()][group] = {head, row0, 0};
  };
  const auto issue_qk = [&] {                                    // S = Q K_jᵀ
    ptx::wgmma_fence();
    constexpr int q_panel = sizeof(shared.sQ[0][0][0]), k_panel = sizeof(shared.sK[0][0]);
    const uint64_t Q = ptx::rows_descriptor<Options::swizzle>(shared.sQ[q_stage()][group], q_panel);
    const uint64_t K = ptx::rows_descriptor<Options::swizzle>(shared.sK[k_stage()], k_panel);
#pragma unroll
    for (int c = 0; c < d; c += 16) {
      ptx::wgmma_ss<T>(s, Q + (c / width * q_panel + c % width * 2 >> 4), K + (c / width * k_panel + c % width * 2 >> 4), c > 0);
    }
    ptx::wgmma_commit();
  };
  const auto issue_pv = [&](bool first) {                        // O += P V_j
    ptx::wgmma_fence();
    const uint64_t V = ptx::columns_descriptor<Options::swizzle>(shared.sV[v_stage()], sizeof(shared.sV[0][0]));
#pragma unroll
    for (int r = 0; r < Bc; r += 16) ptx::wgmma_rs<T>(o, &p[r / 4], V + (r * width * 2 >> 4), !first || r > 0);
    ptx::wgmma_commit();
  };
  const auto mask = [&](int j) {                                 // keys past the row, and past N
    if (!causal && (j + 1) * Bc <= N) return;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int row = row0 + 16 * (warp % 4) + lane / 4 + 8 * h;
      const int last = (causal ? min(N - 1, row) : N - 1) - j * Bc - lane % 4 * 2;
#pragma unroll
      for (int c = 0; c < Bc / 8; ++c) {
        if (8 * c > last) s[4 * c + 2 * h] = -INFINITY;
        if (8 * c + 1 > last) s[4 * c + 2 * h + 1] = -INFINITY;
      }
    }
  };
  bool rescale = false;
  const auto softmax = [&](bool first) {                         // s becomes P, not yet divided by l
    float m_new[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float x = fmaxf(s[2 * h], s[2 * h + 1]);
#pragma unroll
      for (int c = 1; c < Bc / 8; ++c) x = fmaxf(x, fmaxf(s[4 * c + 2 * h], s[4 * c + 2 * h + 1]));
      x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
      x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
      m_new[h] = first ? x : fmaxf(m[h], x);
    }
    rescale = !first;
    if constexpr (Options::lazy_log2 >= 0) {                     // P then stays small enough, and l and O agree on the old m
      const float grew = fmaxf(m_new[0] - m[0], m_new[1] - m[1]) * work.scale_log2;
      rescale = !first && __any_sync(0xffffffffu, grew > Options::lazy_log2);
      if (!first && !rescale) m_new[0] = m[0], m_new[1] = m[1];
    }
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      // Rounded, not fused, so that an unchanged maximum keeps all. −∞: a row that sees no key yet.
      const float shift = m_new[h] == -INFINITY ? 0.0f : __fmul_rn(m_new[h], work.scale_log2);
      kept[h] = ptx::exp2_approx(__fmul_rn(m[h], work.scale_log2) - shift);
      m[h] = m_new[h];
      float sums[2] = {0.0f, 0.0f};
#pragma unroll
      for (int i = 0; i < Bc / 4; ++i) {
        float& e = s[i / 2 * 4 + 2 * h + i % 2];
        e = ptx::exp2_approx(fmaf(e, work.scale_log2, -shift));
        sums[i % 2] += e;
      }
      l[h] = (first ? 0.0f : rescale ? l[h] * kept[h] : l[h]) + (sums[0] + sums[1]);
    }
  };
  const auto pack_p = [&] {                                      // D's layout of S is A's layout of P
#pragma unroll
    for (int i = 0; i < Bc / 4; ++i) p[i] = ptx::pack<T>(s[2 * i], s[2 * i + 1]);
  };
  const auto rescale_o = [&] {
    if (!rescale) return;
#pragma unroll
    for (int i = 0; i < d / 2; ++i) o[i] *= kept[i / 2 % 2];
  };
  // l_i is known before O_i: L_i = m + log l, and what O_i must be multiplied by.
  const auto write_l = [&] {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      l[h] += __shfl_xor_sync(0xffffffffu, l[h], 1);
      l[h] += __shfl_xor_sync(0xffffffffu, l[h], 2);
      // The rounding of m·scale is in every term of l; the P of the maximum, close to 1, lost it to 16 bits.
      l[h] *= ptx::exp2_approx(fmaf(-m[h], work.scale_log2, __fmul_rn(m[h], work.scale_log2)));
      const int row = row0 + 16 * (warp % 4) + lane / 4 + 8 * h;
      if (lane % 4 == 0 && row < N) {
        L[static_cast<size_t>(head) * N + row] = m[h] * work.scale_log2 * 0.69314718f + logf(l[h]);
      }
      inverse[h] = 1.0f / l[h];                                  // every row sees key 0
    }
  };
  // O_i = O / l, into this warpgroup's part of sQ, for the warp that stores it.
  const auto write_o = [&](int q_stage, bool last) {
    auto& sO = shared.sQ[q_stage][group];
    ptx::barrier_sync(kGroup + group, 128);                      // all four warps are done with Q
    if (threadIdx.x % 128 == 0) shared.out[q_stage][group].last = last;
    const int r = 16 * (warp % 4) + lane % 16;                         // the row that this lane addresses
#pragma unroll
    for (int c = 0; c < d / 8; c += 2) {                         // two chunks of 8 columns, where TMA expects them
      const float* x = &o[4 * c];
      const int chunk = c + lane / 16, place = Options::swizzle ? chunk % 8 ^ r % 8 : 0;
      ptx::stmatrix_x4(ptx::shared_address(&sO[chunk * 8 / width][r][place * 8]),
                       ptx::pack<T>(x[0] * inverse[0], x[1] * inverse[0]), ptx::pack<T>(x[2] * inverse[1], x[3] * inverse[1]),
                       ptx::pack<T>(x[4] * inverse[0], x[5] * inverse[0]), ptx::pack<T>(x[6] * inverse[1], x[7] * inverse[1]));
    }
    ptx::fence_async_proxy();
    ptx::mbarrier_arrive(&shared.o_full[group]);
  };
  const auto fetch_here = [&] {                                  // when no warp does it for us
    if (Tile::specialised || threadIdx.x != 128) return;
    if (tile < tiles) fetch();
  };
  const auto begin_scores = [&] {                                // S alone
    wait_k(), take_turn(), issue_qk(), pass_turn();
    ptx::wgmma_wait<0>();
    ptx::settle(s);
    release_k();
  };
  const auto begin_rows = [&] {                                  // from S of tile n − 1 to the first P of this group's rows
    for (j = n - 1; j >= mine; --j) {                            // tiles of keys that only other groups see
      if (j == mine) begin_scores();
      else wait_k(), take_turn(), pass_turn(), release_k();
      wait_v(), release_v(), ++keys, fetch_here();
    }
    mask(j);
    softmax(true);
  };
  const auto begin_alone = [&] {                                 // with no product of a tile before to run beside
    wait_q(), begin_scores(), ++keys;
    fetch_here();
    begin_rows(), pack_p();
  };
  if (!Tile::specialised && threadIdx.x == 128) begin_tile();
  bool more = take_tile();                                       // there are no more blocks than tiles
  if (more) begin_alone();
  while (more) {
    bool first = true;
    const auto step = [&](auto masked) {                         // S of tile j − 1, and P V of tile j
      --j;
      wait_k();
      if constexpr (Options::overlap) {
        take_turn();
        issue_qk();
        wait_v();
        issue_pv(first);
        pass_turn();
        fetch_here();
        ptx::wgmma_wait<1>();                                    // S is there
      } else {
        wait_v();
        issue_pv(first);
        ptx::wgmma_wait<0>();
        ptx::settle(o);
        release_v();
        take_turn();
        issue_qk();
        pass_turn();
        fetch_here();
        ptx::wgmma_wait<0>();
      }
      ptx::settle(s);
      release_k();
      if constexpr (decltype(masked)::value) mask(j);
      softmax(false);
      if constexpr (Options::overlap) {
        ptx::wgmma_wait<0>();                                    // O too
        ptx::settle(s), ptx::settle(o);
        release_v();
      }
      ++keys;
      pack_p();
      rescale_o();
      first = false;
    };
    if constexpr (causal && Bc % 64 != 0) {                      // the diagonal may cross a second tile
      while (j > 0 && j * Bc - 1 > row0) step(std::true_type{});
    }
    while (j > 0) step(std::false_type{});
    write_l();

    // P V of tile 0, and S and P of the rows that come next
    const int o_stage = q_stage();
    if constexpr (Tile::seamless) {
      more = take_tile();
      if (more) wait_q(), wait_k();
      take_turn();
      issue_qk();                                                // at the end, of nothing: a branch here would make
      wait_v();                                                  // the compiler serialise all products
      issue_pv(first);
      pass_turn();
      ptx::wgmma_wait<1>();
      ptx::settle(s);
      if (more) release_k();
      if (more && mine == n) begin_rows();
      ptx::wgmma_wait<0>();
      ptx::settle(s), ptx::settle(o);
      release_v();
      ++keys;
      write_o(o_stage, !more);
      fetch_here();
      if (more && mine < n) begin_rows();
      pack_p();
    } else {
      wait_v();
      issue_pv(first);
      ptx::wgmma_wait<0>();
      ptx::settle(o);
      release_v();
      more = take_tile();
      write_o(o_stage, !more);
      if (more) begin_alone();
    }
  }
  if (group == 0) take_turn();                                   // the last turn passed is nobody's
}

}  // namespace flashlab
