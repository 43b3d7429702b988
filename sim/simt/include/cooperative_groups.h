#pragma once
// The groups of one block: the block itself, tiles of a warp, coalesced threads; and the grid, as far as it needs no barrier.
#include <flashlab/warp.h>

namespace cooperative_groups {

class thread_block {
 public:
  static void sync() { __syncthreads(); }
  static unsigned thread_rank() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }
  static unsigned size() { return blockDim.x * blockDim.y * blockDim.z; }
  static unsigned num_threads() { return size(); }
  static dim3 group_index() { return dim3(blockIdx.x, blockIdx.y, blockIdx.z); }
  static dim3 thread_index() { return dim3(threadIdx.x, threadIdx.y, threadIdx.z); }
  static dim3 dim_threads() { return dim3(blockDim.x, blockDim.y, blockDim.z); }
};
FLASHLAB_INLINE thread_block this_thread_block() { return {}; }
FLASHLAB_INLINE void sync(const thread_block& g) { g.sync(); }

// Threads of all blocks. Its barrier needs a cooperative launch, which this machine does not have: there is no sync().
class grid_group {
  static unsigned long long block_rank_() { return blockIdx.x + static_cast<unsigned long long>(gridDim.x) * (blockIdx.y + gridDim.y * blockIdx.z); }

 public:
  static unsigned long long thread_rank() { return block_rank_() * thread_block::size() + thread_block::thread_rank(); }
  static unsigned long long block_rank() { return block_rank_(); }
  static unsigned long long num_blocks() { return static_cast<unsigned long long>(gridDim.x) * gridDim.y * gridDim.z; }
  static unsigned long long num_threads() { return num_blocks() * thread_block::size(); }
  static unsigned long long size() { return num_threads(); }
  static dim3 dim_blocks() { return dim3(gridDim.x, gridDim.y, gridDim.z); }
};
FLASHLAB_INLINE grid_group this_grid() { return {}; }

// The lanes of a warp that are here together.
class coalesced_group {
 public:
  explicit coalesced_group(unsigned mask) : mask_(mask) {}
  FLASHLAB_INLINE unsigned size() const { return static_cast<unsigned>(__builtin_popcount(mask_)); }
  FLASHLAB_INLINE unsigned num_threads() const { return size(); }
  FLASHLAB_INLINE unsigned thread_rank() const { return static_cast<unsigned>(__builtin_popcount(mask_ & ((1u << thread_block::thread_rank() % 32) - 1))); }
  FLASHLAB_INLINE void sync() const { __syncwarp(mask_); }
  template <class T> FLASHLAB_INLINE T shfl(T v, unsigned from) const { return __shfl_sync(mask_, v, lane_of(from)); }
  template <class T> FLASHLAB_INLINE T shfl_up(T v, unsigned d) const { return shfl(v, thread_rank() < d ? thread_rank() : thread_rank() - d); }
  template <class T> FLASHLAB_INLINE T shfl_down(T v, unsigned d) const { return shfl(v, thread_rank() + d < size() ? thread_rank() + d : thread_rank()); }
  FLASHLAB_INLINE int any(int p) const { return __any_sync(mask_, p); }
  FLASHLAB_INLINE int all(int p) const { return __all_sync(mask_, p); }
  // A bit a member, in order of their ranks.
  FLASHLAB_INLINE unsigned ballot(int p) const {
    const unsigned lanes = __ballot_sync(mask_, p);
    unsigned packed = 0;
    for (unsigned r = 0; r < size(); ++r) packed |= (lanes >> lane_of(r) & 1u) << r;
    return packed;
  }

 private:
  FLASHLAB_INLINE int lane_of(unsigned rank) const {
    unsigned left = mask_;
    for (; rank > 0; --rank) left &= left - 1;
    return __builtin_ctz(left);
  }
  unsigned mask_;
};
FLASHLAB_INLINE coalesced_group coalesced_threads() { return coalesced_group(__activemask()); }
FLASHLAB_INLINE void sync(const coalesced_group& g) { g.sync(); }

template <unsigned kSize, class Parent = void>
class thread_block_tile {
  static_assert(kSize >= 1 && kSize <= 32 && (kSize & (kSize - 1)) == 0, "tiles of up to a warp, a power of two");

 public:
  static constexpr unsigned kTileSize = kSize;
  thread_block_tile() = default;
  template <class Other>
  thread_block_tile(const thread_block_tile<kSize, Other>& t) : rank_(t.meta_group_rank()), of_(t.meta_group_size()) {}
  static unsigned lane() { return thread_block::thread_rank() % 32; }
  static unsigned mask() { return (kSize == 32 ? ~0u : (1u << (kSize % 32)) - 1) << (lane() / kSize * kSize); }
  static unsigned thread_rank() { return thread_block::thread_rank() % kSize; }
  static constexpr unsigned size() { return kSize; }
  static constexpr unsigned num_threads() { return kSize; }
  // Which of its parent's tiles this is, and of how many: a tile of the block, or of a larger tile.
  unsigned meta_group_rank() const { return rank_; }
  unsigned meta_group_size() const { return of_; }
  FLASHLAB_INLINE void sync() const { __syncwarp(mask()); }
  template <class T> FLASHLAB_INLINE T shfl(T v, int from) const { return __shfl_sync(mask(), v, from, kSize); }
  template <class T> FLASHLAB_INLINE T shfl_up(T v, unsigned d) const { return __shfl_up_sync(mask(), v, d, kSize); }
  template <class T> FLASHLAB_INLINE T shfl_down(T v, unsigned d) const { return __shfl_down_sync(mask(), v, d, kSize); }
  template <class T> FLASHLAB_INLINE T shfl_xor(T v, int m) const { return __shfl_xor_sync(mask(), v, m, kSize); }
  FLASHLAB_INLINE int any(int p) const { return __any_sync(mask(), p); }
  FLASHLAB_INLINE int all(int p) const { return __all_sync(mask(), p); }
  FLASHLAB_INLINE unsigned ballot(int p) const { return __ballot_sync(mask(), p) >> (lane() / kSize * kSize); }
  template <class T> FLASHLAB_INLINE unsigned match_any(T v) const { return __match_any_sync(mask(), v) >> (lane() / kSize * kSize); }

 private:
  static unsigned within_parent() {
    if constexpr (requires { Parent::kTileSize; }) return thread_block::thread_rank() % Parent::kTileSize;
    return thread_block::thread_rank();
  }
  static unsigned parents_size() {
    if constexpr (requires { Parent::kTileSize; }) return Parent::kTileSize;
    return thread_block::size();
  }
  unsigned rank_ = within_parent() / kSize, of_ = (parents_size() + kSize - 1) / kSize;
};
template <unsigned kSize, class Group>
FLASHLAB_INLINE thread_block_tile<kSize, Group> tiled_partition(const Group&) { return {}; }

// The block or a tile, by value, for functions that take either.
class thread_group {
 public:
  thread_group(const thread_block& b) : size_(b.size()) {}
  template <unsigned kSize, class Parent>
  thread_group(const thread_block_tile<kSize, Parent>& t) : size_(kSize), mask_(t.mask()) {}
  explicit thread_group(unsigned size) : size_(size) {
    const unsigned lane = thread_block::thread_rank() % 32;
    mask_ = (size == 32 ? ~0u : (1u << size) - 1) << (lane / size * size);
  }
  unsigned size() const { return size_; }
  unsigned num_threads() const { return size_; }
  unsigned thread_rank() const { return mask_ == 0 ? thread_block::thread_rank() : thread_block::thread_rank() % size_; }
  FLASHLAB_INLINE void sync() const { mask_ == 0 ? __syncthreads() : __syncwarp(mask_); }

 private:
  unsigned size_;
  unsigned mask_ = 0;  // of the tile's lanes; 0: the whole block
};
FLASHLAB_INLINE void sync(const thread_group& g) { g.sync(); }
// A tile of a size that only the run knows: a power of two, up to a warp.
template <class Group>
FLASHLAB_INLINE thread_group tiled_partition(const Group&, unsigned size) { return thread_group(size); }
template <unsigned kSize, class Parent>
FLASHLAB_INLINE void sync(const thread_block_tile<kSize, Parent>& g) { g.sync(); }

template <class T> struct plus { FLASHLAB_INLINE T operator()(T a, T b) const { return a + b; } };
template <class T> struct less { FLASHLAB_INLINE T operator()(T a, T b) const { return b < a ? b : a; } };
template <class T> struct greater { FLASHLAB_INLINE T operator()(T a, T b) const { return a < b ? b : a; } };
template <class T> struct bit_and { FLASHLAB_INLINE T operator()(T a, T b) const { return a & b; } };
template <class T> struct bit_or { FLASHLAB_INLINE T operator()(T a, T b) const { return a | b; } };
template <class T> struct bit_xor { FLASHLAB_INLINE T operator()(T a, T b) const { return a ^ b; } };
template <class T, class F>
FLASHLAB_INLINE T reduce(const coalesced_group& g, T v, F f) {
  T sum = g.shfl(v, 0);
  for (unsigned r = 1; r < g.size(); ++r) sum = f(sum, g.shfl(v, r));
  return sum;
}
template <unsigned kSize, class Parent, class T, class F>
FLASHLAB_INLINE T reduce(const thread_block_tile<kSize, Parent>& g, T v, F f) {
  for (unsigned d = kSize / 2; d > 0; d /= 2) v = f(v, g.shfl_xor(v, static_cast<int>(d)));
  return v;
}

}  // namespace cooperative_groups
