// When do blocks begin their tiles? Runs the kernels with tiles of cuda/kernels, each barrier of which leaves a mark, and
// tells how far apart the SMs of a GPC are, and how many of their reads would merge before L2 by the rule that the
// group "merging" of micro.cu found. One CSV row a launch.
//
//   nvcc -std=c++20 -O3 -arch=sm_90 -I. -o timeline cuda/micro/timeline.cu && ./timeline

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "micro_kernels.cuh"

constexpr int kMarks = 512;  // of a block, at most
__device__ unsigned* marks;  // (blocks, 2 + kMarks): SM, number of marks, the SM's clock at each

// Thread (0, 0) alone touches its block's row.
__device__ void barrier_with_mark() {
  __syncthreads();
  if (threadIdx.x != 0 || threadIdx.y != 0) return;
  unsigned* row = marks + static_cast<std::size_t>(blockIdx.x + gridDim.x * blockIdx.y) * (2 + kMarks);
  const unsigned count = row[1];
  if (count == 0) row[0] = this_sm();
  if (count < kMarks) row[2 + count] = static_cast<unsigned>(clock64());
  row[1] = count + 1;
}

#include "cuda/kernels/tile.cuh"
#define __syncthreads barrier_with_mark
#include "cuda/kernels/fused.cuh"
#include "cuda/kernels/online_q.cuh"
#include "cuda/kernels/tiled.cuh"
#undef __syncthreads

namespace {

__global__ void sample_clocks(long long* clocks) {
  if (threadIdx.x != 0) return;
  const unsigned long long begin = (now_ns() / 1'000'000 + 2) * 1'000'000;  // the same millisecond for all
  while (now_ns() < begin) {
  }
  clocks[this_sm()] = clock64();
}

/// SMs whose clocks agree at the same moment are of one GPC.
std::vector<int> find_gpcs(int sms) {
  long long* clocks = nullptr;
  must(cudaMallocManaged(&clocks, sizeof(long long) * static_cast<std::size_t>(sms)), "allocation");
  must(cudaFuncSetAttribute(sample_clocks, cudaFuncAttributeMaxDynamicSharedMemorySize, 200 * 1024),
       "shared memory");
  sample_clocks<<<sms, 32, 200 * 1024>>>(clocks);
  must(cudaDeviceSynchronize(), "sample_clocks");
  std::vector<int> gpcs;
  for (int sm = 0; sm < sms; ++sm) {
    int first = 0;
    while (std::llabs(clocks[first] - clocks[sm]) > 5000) ++first;
    gpcs.push_back(first);
  }
  must(cudaFree(clocks), "free");
  return gpcs;
}

struct Launch {
  const char* kernel;
  int heads, seq, dim, rows;  // rows of a block
  /// The mark after which a block loads its i-th tile; below 0: at its beginning.
  int mark(int tile) const { return kernel[0] == 'f' ? 2 * tile - 1 : 2 * tile; }
  int tiles() const { return (seq + 31) / 32 * (kernel[0] == 'o' ? 1 : 2); }
};

std::int32_t between(unsigned from, unsigned to) { return static_cast<std::int32_t>(to - from); }

int median(std::vector<int> values, double part = 0.5) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

void show(const Launch& l, const std::vector<unsigned>& log, int blocks, const std::vector<int>& gpcs) {
  constexpr int kOpen = 70, kMerged = 4, kStaysInL1 = 3000;  // cycles; reads; cycles
  const int sms = static_cast<int>(gpcs.size());             // so many blocks are of the first round
  const int row_tiles = (l.seq + l.rows - 1) / l.rows;
  std::map<std::tuple<int, int, int>, std::vector<std::pair<unsigned, int>>>
      loads;  // GPC, head, tile: time, SM
  std::map<std::tuple<int, int, int>, std::vector<unsigned>> first_round;
  std::vector<int> apart, steps;
  for (int b = 0; b < blocks; ++b) {
    const unsigned* row = &log[static_cast<std::size_t>(b) * (2 + kMarks)];
    const int count = std::min<int>(static_cast<int>(row[1]), kMarks);
    for (int tile = 0; tile < l.tiles() && l.mark(tile) < count; ++tile) {
      const unsigned time = row[2 + std::max(0, l.mark(tile))];
      loads[{gpcs[row[0]], b / row_tiles, tile}].emplace_back(time, static_cast<int>(row[0]));
      if (b >= sms) continue;
      first_round[{gpcs[row[0]], b / row_tiles, tile}].push_back(time);
      if (tile > 1) steps.push_back(between(row[2 + l.mark(tile - 1)], time));
    }
  }
  for (auto& [key, times] : first_round) {
    const unsigned base = times.front();
    std::ranges::sort(times, {}, [&](unsigned time) { return between(base, time); });
    for (const unsigned time : times) {
      if (times.size() >= 4) apart.push_back(std::abs(between(times[times.size() / 2], time)));
    }
  }
  double reads = 0, merged = 0;
  for (auto& [key, times] : loads) {
    const unsigned base = times.front().first;
    std::ranges::sort(times, {}, [&](const auto& one) { return between(base, one.first); });
    std::map<int, unsigned> last;
    unsigned open_since = 0;
    int in_it = kMerged;
    for (const auto& [time, sm] : times) {
      const auto before = last.find(sm);
      const bool hit = before != last.end() && between(before->second, time) < kStaysInL1;
      last[sm] = time;
      if (hit) continue;
      ++reads;
      if (in_it == kMerged || between(open_since, time) > kOpen) ++merged, in_it = 0, open_since = time;
      ++in_it;
    }
  }
  std::printf("%s,%d,%d,%d,%d,%d,%d,%d,%.2f\n", l.kernel, l.heads, l.seq, l.dim, blocks, median(steps),
              median(apart), median(apart, 0.9), merged / reads);
}

}  // namespace

int main() {
  cudaDeviceProp card;
  must(cudaGetDeviceProperties(&card, 0), "no usable GPU");
  const std::vector<int> gpcs = find_gpcs(card.multiProcessorCount);
  std::printf("kernel,heads,seq,dim,blocks,tile_cycles,apart_cycles,apart_cycles_p90,reads_after_merging\n");
  constexpr int kMaxBlocks = 4096;
  const std::size_t log_bytes = sizeof(unsigned) * (2 + kMarks) * kMaxBlocks,
                    other_bytes = std::size_t{256} << 20;
  unsigned* log = nullptr;
  char* other = nullptr;
  must(cudaMalloc(&log, log_bytes), "allocation");
  must(cudaMalloc(&other, other_bytes), "allocation");
  must(cudaMemcpyToSymbol(marks, &log, sizeof log), "symbol");
  std::vector<unsigned> host(log_bytes / sizeof(unsigned));
  for (const Launch& l : {Launch{"fused", 1, 4096, 64, 8},
                          {"fused", 4, 512, 64, 8},
                          {"fused", 4, 1000, 64, 8},
                          {"fused", 4, 1000, 128, 8},
                          {"fused", 8, 2048, 64, 8},
                          {"fused", 16, 1024, 64, 8},
                          {"tiled", 4, 512, 64, 32},
                          {"tiled", 2, 1024, 128, 16},
                          {"tiled", 4, 1000, 128, 16},
                          {"tiled", 8, 2048, 64, 32},
                          {"tiled", 16, 1024, 64, 32},
                          {"online_q", 4, 512, 64, 32},
                          {"online_q", 8, 2048, 64, 32},
                          {"online_q", 16, 1024, 64, 32}}) {
    const std::size_t elements = static_cast<std::size_t>(l.heads) * l.seq * l.dim;
    std::vector<float> values(elements);
    for (std::size_t i = 0; i < elements; ++i)
      values[i] = static_cast<float>(i * 2654435761u % 2001u) / 1000 - 1;
    float *Q, *K, *V, *O, *L;
    for (float** array : {&Q, &K, &V, &O, &L}) {
      must(cudaMalloc(array, elements * sizeof(float)), "allocation");
      must(cudaMemcpy(*array, values.data(), elements * sizeof(float), cudaMemcpyHostToDevice), "copy");
    }
    for (int run = 0; run < 2; ++run) {  // the second one counts
      must(cudaMemset(log, 0, log_bytes), "memset");
      must(cudaMemset(other, 0, other_bytes), "memset");
      must(cudaDeviceSynchronize(), "memset");
      must(l.kernel[0] == 'f'   ? flashlab::launch_fused(Q, K, V, O, l.heads, l.seq, l.dim, false)
           : l.kernel[0] == 't' ? flashlab::launch_tiled(Q, K, V, O, l.heads, l.seq, l.dim, false)
                                : flashlab::launch_online_q(Q, K, V, O, L, l.heads, l.seq, l.dim, false),
           l.kernel);
      must(cudaDeviceSynchronize(), l.kernel);
    }
    must(cudaMemcpy(host.data(), log, log_bytes, cudaMemcpyDeviceToHost), "copy");
    const int blocks = l.heads * ((l.seq + l.rows - 1) / l.rows);
    show(l, host, blocks, gpcs);
    for (float* array : {Q, K, V, O, L}) must(cudaFree(array), "free");
  }
}
