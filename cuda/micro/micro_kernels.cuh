#pragma once
// The kernels of micro.cu, and what timeline.cu shares with it. Inline PTX fixes the width of each access, so that no compiler merges or drops one; a
// `step` that is 0 at run time keeps the repetitions apart.

#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

/// Ends the program, exit code 3, when a call of the runtime failed.
inline void must(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "cuda/micro: %s: %s\n", what, cudaGetErrorString(error));
  std::exit(3);
}

/// Which element each lane touches, and which lanes take part.
struct Lanes {
  unsigned short element[32];
  unsigned mask;
};

constexpr int kRepeats = 64;            ///< instructions of a launch: divide the counters by this
constexpr int kSharedWords = 8192 + 4;  ///< 32 KiB

template <int kWords>
__device__ float load_shared(unsigned address) {
  float x, y = 0, z = 0, w = 0;
  if constexpr (kWords == 1) asm volatile("ld.shared.f32 %0, [%1];" : "=f"(x) : "r"(address));
  if constexpr (kWords == 2) asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(x), "=f"(y) : "r"(address));
  if constexpr (kWords == 4) {
    asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
                 : "=f"(x), "=f"(y), "=f"(z), "=f"(w)
                 : "r"(address));
  }
  return x + y + z + w;
}

template <int kWords>
__device__ void store_shared(unsigned address, float x) {
  if constexpr (kWords == 1) asm volatile("st.shared.f32 [%0], %1;" ::"r"(address), "f"(x) : "memory");
  if constexpr (kWords == 2) asm volatile("st.shared.v2.f32 [%0], {%1, %1};" ::"r"(address), "f"(x) : "memory");
  if constexpr (kWords == 4) {
    asm volatile("st.shared.v4.f32 [%0], {%1, %1, %1, %1};" ::"r"(address), "f"(x) : "memory");
  }
}

template <int kWords>
__device__ float load_global(const float* address) {
  float x, y = 0, z = 0, w = 0;
  if constexpr (kWords == 1) asm volatile("ld.global.f32 %0, [%1];" : "=f"(x) : "l"(address));
  if constexpr (kWords == 2) asm volatile("ld.global.v2.f32 {%0, %1}, [%2];" : "=f"(x), "=f"(y) : "l"(address));
  if constexpr (kWords == 4) {
    asm volatile("ld.global.v4.f32 {%0, %1, %2, %3}, [%4];"
                 : "=f"(x), "=f"(y), "=f"(z), "=f"(w)
                 : "l"(address));
  }
  return x + y + z + w;
}

template <int kWords>
__device__ void store_global(float* address, float x) {
  if constexpr (kWords == 1) asm volatile("st.global.f32 [%0], %1;" ::"l"(address), "f"(x) : "memory");
  if constexpr (kWords == 2) asm volatile("st.global.v2.f32 [%0], {%1, %1};" ::"l"(address), "f"(x) : "memory");
  if constexpr (kWords == 4) {
    asm volatile("st.global.v4.f32 [%0], {%1, %1, %1, %1};" ::"l"(address), "f"(x) : "memory");
  }
}

__device__ unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

// ---- banks: how many wavefronts does one shared-memory instruction take? ----

template <int kWords>
__global__ void shared_load(const __grid_constant__ Lanes lanes, unsigned step, float* sink) {
  __shared__ __align__(128) float words[kSharedWords];
  const unsigned lane = threadIdx.x;
  if ((lanes.mask >> lane & 1u) == 0) return;
  unsigned address = shared_address(words) + lanes.element[lane] * kWords * 4u;
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kRepeats; ++i, address += step) sum += load_shared<kWords>(address);
  sink[lane] = sum;
}

template <int kWords>
__global__ void shared_store(const __grid_constant__ Lanes lanes, unsigned step, float* sink) {
  __shared__ __align__(128) float words[kSharedWords];
  const unsigned lane = threadIdx.x;
  if ((lanes.mask >> lane & 1u) == 0) return;
  unsigned address = shared_address(words) + lanes.element[lane] * kWords * 4u;
#pragma unroll
  for (int i = 0; i < kRepeats; ++i, address += step) store_shared<kWords>(address, static_cast<float>(i));
  if (step != 0) sink[lane] = words[lane];
}

// ---- coalescing: how many sectors does one global instruction touch? ----

template <int kWords>
__global__ void global_load(const float* base, const __grid_constant__ Lanes lanes, unsigned step,
                            float* sink) {
  const unsigned lane = threadIdx.x;
  if ((lanes.mask >> lane & 1u) == 0) return;
  const float* address = base + lanes.element[lane] * kWords;
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kRepeats; ++i, address += step) sum += load_global<kWords>(address);
  sink[lane] = sum;
}

template <int kWords>
__global__ void global_store(float* base, const __grid_constant__ Lanes lanes, unsigned step) {
  const unsigned lane = threadIdx.x;
  if ((lanes.mask >> lane & 1u) == 0) return;
  float* address = base + lanes.element[lane] * kWords;
#pragma unroll
  for (int i = 0; i < kRepeats; ++i, address += step) store_global<kWords>(address, static_cast<float>(i));
}

// ---- L1 ----

/// One block reads `words` words in order, `passes` times: what stays?
__global__ void l1_cyclic(const float* base, int words, int passes, float* sink) {
  float sum = 0;
  for (int pass = 0; pass < passes; ++pass) {
    for (int i = static_cast<int>(threadIdx.x); i < words; i += static_cast<int>(blockDim.x)) {
      sum += load_global<1>(base + i);
    }
    __syncthreads();
  }
  sink[threadIdx.x] = sum;
}

/// One warp reads whole lines that lie `lines_apart` lines apart: how many fit one set?
__global__ void l1_strided(const float* base, int lines, int lines_apart, int passes, float* sink) {
  float sum = 0;
  for (int pass = 0; pass < passes; ++pass) {
    for (int i = 0; i < lines; ++i) {
      sum += load_global<1>(base + static_cast<std::size_t>(i) * static_cast<std::size_t>(lines_apart) * 32 +
                            threadIdx.x);
      __syncwarp();
    }
  }
  sink[threadIdx.x] = sum;
}

/// Waits until `value` is there, so that the next access starts after the last one ended.
__device__ void settle(float value, float* sink) {
  if (value == 12345.0f) sink[0] = value;
  __syncthreads();
}

__global__ void l1_load_store_load(float* base, float* sink) {
  settle(load_global<1>(base + threadIdx.x), sink);
  store_global<1>(base + threadIdx.x, 1.0f);
  __syncthreads();
  settle(load_global<1>(base + threadIdx.x), sink);
}

__global__ void l1_store_load(float* base, float* sink) {
  store_global<1>(base + threadIdx.x, 1.0f);
  __syncthreads();
  settle(load_global<1>(base + threadIdx.x), sink);
}

__global__ void l1_store_load_other_sector(float* base, float* sink) {
  if (threadIdx.x < 8) store_global<1>(base + threadIdx.x, 1.0f);
  __syncthreads();
  settle(threadIdx.x < 8 ? load_global<1>(base + 8 + threadIdx.x) : 0.0f, sink);
}

__global__ void l1_sector_by_sector(float* base, float* sink) {
  for (int sector = 0; sector < 4; ++sector) {
    const float value = threadIdx.x < 8 ? load_global<1>(base + sector * 8 + threadIdx.x) : 0.0f;
    settle(value, sink);
  }
}

__global__ void l1_same_line(float* base, float* sink) {
  settle(load_global<1>(base + threadIdx.x % 32), sink);
}

__global__ void l1_nc_after_ld(float* base, float* sink) {
  settle(load_global<1>(base + threadIdx.x), sink);
  float value;
  asm volatile("ld.global.nc.f32 %0, [%1];" : "=f"(value) : "l"(base + threadIdx.x));
  settle(value, sink);
}

__global__ void l1_cg_after_ld(float* base, float* sink) {
  settle(load_global<1>(base + threadIdx.x), sink);
  float value;
  asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(value) : "l"(base + threadIdx.x));
  settle(value, sink);
}

template <bool kCacheInL1>
__device__ void async_twice(const float* base) {
#if __CUDA_ARCH__ >= 800
  __shared__ __align__(128) float tile[32 * 4];
  const unsigned to = shared_address(tile + threadIdx.x * 4);
  for (int i = 0; i < 2; ++i) {
    if constexpr (kCacheInL1) {
      asm volatile("cp.async.ca.shared.global [%0], [%1], 16;" ::"r"(to), "l"(base + threadIdx.x * 4)
                   : "memory");
    } else {
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(base + threadIdx.x * 4)
                   : "memory");
    }
    asm volatile("cp.async.wait_all;" ::: "memory");
    __syncthreads();
  }
#endif
}
__global__ void l1_async_ca(float* base, float*) { async_twice<true>(base); }
__global__ void l1_async_cg(float* base, float*) { async_twice<false>(base); }

__global__ void l1_atomic_then_load(float* base, float* sink) {
  settle(load_global<1>(base + threadIdx.x), sink);
  settle(atomicAdd(base + threadIdx.x, 1.0f), sink);
  settle(load_global<1>(base + threadIdx.x), sink);
}

/// Every block reads the same array, through its SM's L1.
__global__ void same_for_all(const float4* base, int count, float* sink) {
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
    sum += load_global<4>(reinterpret_cast<const float*>(base + i));
  }
  if (sum == 12345.0f) sink[0] = sum;
}

__device__ unsigned long long now_ns() {
  unsigned long long now;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
  return now;
}

__device__ unsigned this_sm() {
  unsigned sm;
  asm volatile("mov.u32 %0, %smid;" : "=r"(sm));
  return sm;
}

/// SMs that read the same lines, one warp each, at times that are agreed upon.
struct Readers {
  int lines = 64, period = 4000;  ///< cycles from one line to the next
  bool warm = false;              ///< the first reader has brought the lines to L2
  int count = 0;
  short sm[18] = {}, delay[18] = {};  ///< of each reader; cycles
  short sectors[18] = {};             ///< which of a line's four, a bit each
};

/// A block an SM. Those whose SM is no reader leave. `started` is 0 at the launch; the card's clock is that of all SMs
/// within some cycles, and the SMs' own clocks run alike.
__global__ void read_in_step(Readers readers, const float* base, unsigned long long* started, float* sink) {
  const unsigned long long start = now_ns();
  int me = -1;
  for (int i = 0; i < readers.count; ++i) {
    if (readers.sm[i] == static_cast<int>(this_sm())) me = i;
  }
  if (threadIdx.x == 0 && me >= 0) atomicMax(started, start);
  float sum = 0;
  if (readers.warm && me == 0) {
    for (int i = 0; i < readers.lines; ++i) sum += __ldcg(base + i * 32 + threadIdx.x);
  }
  while (now_ns() < start + 100'000) {
  }
  if (me < 0) return;
  unsigned long long begin = threadIdx.x == 0 ? atomicAdd(started, 0ull) + 150'000 : 0;
  begin = __shfl_sync(0xFFFFFFFFu, begin, 0);
  while (now_ns() < begin) {
  }
  const long long clock = clock64() + 1000 + readers.delay[me];
  for (int i = 0; i < readers.lines; ++i) {
    while (clock64() < clock + static_cast<long long>(i) * readers.period) {
    }
    if (readers.sectors[me] >> threadIdx.x / 8 & 1) sum += load_global<1>(base + i * 32 + threadIdx.x);
  }
  if (sum == 12345.0f) sink[0] = sum;
}

// ---- L2: grid-stride loops over n float4 ----

__device__ std::size_t grid_thread() { return static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ std::size_t grid_threads() { return static_cast<std::size_t>(gridDim.x) * blockDim.x; }

__device__ void fill_with(float4* to, std::size_t n, float x) {
  for (std::size_t i = grid_thread(); i < n; i += grid_threads()) to[i] = make_float4(x, x, x, x);
}

__device__ void read_all(const float4* from, std::size_t n, float* sink) {
  float sum = 0;
  for (std::size_t i = grid_thread(); i < n; i += grid_threads()) {
    sum += load_global<4>(reinterpret_cast<const float*>(from + i));
  }
  if (sum == 12345.0f) sink[0] = sum;
}

/// Every block waits for every other; all blocks must be resident. `arrivals` starts at 0.
__device__ void grid_barrier(unsigned* arrivals) {
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    atomicAdd(arrivals, 1u);
    while (*static_cast<volatile unsigned*>(arrivals) < gridDim.x) __nanosleep(200);
  }
  __syncthreads();
}

__global__ void fill(float4* to, std::size_t n) { fill_with(to, n, 1.0f); }

__global__ void read_times(const float4* from, std::size_t n, int times, float* sink) {
  for (int t = 0; t < times; ++t) read_all(from, n, sink);
}

__global__ void copy(const float4* from, float4* to, std::size_t n) {
  for (std::size_t i = grid_thread(); i < n; i += grid_threads()) to[i] = from[i];
}

__global__ void scale_in_place(float4* x, std::size_t n) {
  for (std::size_t i = grid_thread(); i < n; i += grid_threads()) {
    float4 v = x[i];
    v.x += 1.0f;
    x[i] = v;
  }
}

__global__ void __launch_bounds__(256, 8) fill_times(float4* to, std::size_t n, int times, unsigned* arrivals) {
  for (int t = 0; t < times; ++t) {
    fill_with(to, n, static_cast<float>(t));
    grid_barrier(arrivals + t);
  }
}

__global__ void __launch_bounds__(256, 8)
    fill_then_read(float4* x, std::size_t n, unsigned* arrivals, float* sink) {
  fill_with(x, n, 1.0f);
  grid_barrier(arrivals);
  read_all(x, n, sink);
}

/// `n` float4 written; before each, `reads` others read. All reads together span reads × n.
__global__ void read_many_write(const float4* from, float4* to, std::size_t n, int reads) {
  const std::size_t limit = (std::size_t{512} << 20) / sizeof(float4);  // the buffer: wrap, far beyond L2
  for (std::size_t i = grid_thread(); i < n; i += grid_threads()) {
    float sum = 0;
    for (int r = 0; r < reads; ++r) {
      sum +=
          load_global<4>(reinterpret_cast<const float*>(from + (i + static_cast<std::size_t>(r) * n) % limit));
    }
    to[i] = make_float4(sum, sum, sum, sum);
  }
}

__global__ void __launch_bounds__(256, 8) fill_then_read_other(float4* x, std::size_t n, const float4* other,
                                                               std::size_t m, unsigned* arrivals, float* sink) {
  fill_with(x, n, 1.0f);
  grid_barrier(arrivals);
  read_all(other, m, sink);
}

__global__ void __launch_bounds__(256, 8) read_fill_read(const float4* other, std::size_t m, float4* x,
                                                         std::size_t n, unsigned* arrivals, float* sink) {
  read_all(other, m, sink);
  grid_barrier(arrivals);
  fill_with(x, n, 1.0f);
  grid_barrier(arrivals + 1);
  read_all(other, m, sink);
}

__global__ void fill_then_wait(float4* to, std::size_t n, unsigned wait_ns) {
  fill_with(to, n, 1.0f);
  const unsigned long long start = now_ns();
  while (now_ns() - start < wait_ns) __nanosleep(1000);
}

/// The first `sectors` sectors of every line of n float4: a thread a half sector.
__global__ void fill_sectors(float4* to, std::size_t n, int sectors) {
  for (std::size_t i = grid_thread(); i < n; i += grid_threads()) {
    if (static_cast<int>(i % 8) < 2 * sectors) to[i] = make_float4(1, 1, 1, 1);
  }
}

__global__ void read_sectors(const float4* from, std::size_t n, int sectors, int times, float* sink) {
  float sum = 0;
  for (int t = 0; t < times; ++t) {
    for (std::size_t i = grid_thread(); i < n; i += grid_threads()) {
      if (static_cast<int>(i % 8) < 2 * sectors)
        sum += load_global<4>(reinterpret_cast<const float*>(from + i));
    }
  }
  if (sum == 12345.0f) sink[0] = sum;
}

/// `count` words of every 8, from word `first`.
__global__ void fill_words(float* to, std::size_t words, int count, int first) {
  for (std::size_t i = grid_thread(); i < words; i += grid_threads()) {
    const int place = static_cast<int>(i % 8);
    if (place >= first && place < first + count) to[i] = 1.0f;
  }
}

__global__ void __launch_bounds__(256, 8) fill_halves(float* to, std::size_t words, unsigned* arrivals) {
  for (int half = 0; half < 2; ++half) {
    for (std::size_t i = grid_thread(); i < words; i += grid_threads()) {
      if (static_cast<int>(i % 8) / 4 == half) to[i] = 1.0f;
    }
    grid_barrier(arrivals + half);
  }
}

__global__ void __launch_bounds__(256, 8)
    fill_word_read(float* x, std::size_t words, unsigned* arrivals, float* sink) {
  for (std::size_t i = grid_thread(); i < words; i += grid_threads()) {
    if (i % 8 == 0) x[i] = 1.0f;
  }
  grid_barrier(arrivals);
  read_all(reinterpret_cast<const float4*>(x), words / 4, sink);
}

__global__ void atomic_each(float* x, std::size_t words) {
  for (std::size_t i = grid_thread(); i < words; i += grid_threads()) atomicAdd(x + i, 1.0f);
}

/// Sectors drawn by a hash of the draw's number, `times` × `sectors` draws in all; past L1.
__global__ void read_random(const float* from, std::size_t sectors, int times, float* sink) {
  float sum = 0;
  for (std::size_t i = grid_thread(); i < sectors * static_cast<std::size_t>(times); i += grid_threads()) {
    std::uint64_t x = i * 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 32) * 0xD6E8FEB86659FD93u;
    x ^= x >> 32;
    float value;
    asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(value) : "l"(from + x % sectors * 8));
    sum += value;
  }
  if (sum == 12345.0f) sink[0] = sum;
}

/// A warp a row: maximum, sum, normalise; three reads of S and one write of P.
__global__ void row_softmax(const float* S, float* P, int columns) {
  const std::size_t row = static_cast<std::size_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  const float* s = S + row * static_cast<std::size_t>(columns);
  float* p = P + row * static_cast<std::size_t>(columns);
  const int lane = static_cast<int>(threadIdx.x % 32);
  float maximum = -INFINITY;
  for (int i = lane; i < columns; i += 32) maximum = fmaxf(maximum, load_global<1>(s + i));
  for (int k = 16; k > 0; k /= 2) maximum = fmaxf(maximum, __shfl_xor_sync(0xFFFFFFFFu, maximum, k));
  float sum = 0;
  for (int i = lane; i < columns; i += 32) sum += expf(load_global<1>(s + i) - maximum);
  for (int k = 16; k > 0; k /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, k);
  for (int i = lane; i < columns; i += 32) p[i] = expf(load_global<1>(s + i) - maximum) / sum;
}

// ---- occupancy and schedule ----

/// Wants far more values alive than `kRegisters`, so that ptxas hands out exactly that many registers (and spills).
template <int kRegisters>
__global__ void __maxnreg__(kRegisters) with_registers(float* x) {
  constexpr int kValues = 240;
  extern __shared__ float dynamic[];
  float values[kValues];
#pragma unroll
  for (int i = 0; i < kValues; ++i) values[i] = x[i * blockDim.x + threadIdx.x];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kValues; ++i) x[i * blockDim.x + threadIdx.x] = values[kValues - 1 - i] + dynamic[0];
}

struct ScheduleEntry {
  unsigned sm;
  unsigned long long start, end;
};

__global__ void record_schedule(ScheduleEntry* entries) {
  if (threadIdx.x == 0) {
    ScheduleEntry& entry = entries[blockIdx.x];
    entry.sm = this_sm();
    entry.start = now_ns();
    while (now_ns() - entry.start < 20'000 + 1000ull * (blockIdx.x * 7919u % 13u)) __nanosleep(500);
    entry.end = now_ns();
  }
  __syncthreads();
}
