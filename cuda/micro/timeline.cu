// What takes how long? Runs the kernels with tiles of cuda/kernels, each barrier of which leaves a mark.
//
//   nvcc -std=c++20 -O3 -arch=sm_90 -I. -o timeline cuda/micro/timeline.cu
//   ./timeline apart     how far apart the SMs of a GPC begin their tiles, and how many of their reads would merge before
//                        L2 by the rule that the group "merging" of micro.cu found; one row a launch
//   ./timeline drift     how far apart they are at the tiles 1, 2, 4, …
//   ./timeline phases    how long a block loads, multiplies, …, by how many blocks share its SM
//   ./timeline ranks     how fast each of the blocks is that share an SM, by the order in which they came
//   ./timeline columns   naive_output: how far apart the warps are that read the same row of P, or the same rows of V

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
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
#include "cuda/kernels/naive.cuh"
#include "cuda/kernels/online_q.cuh"
#include "cuda/kernels/registers.cuh"
#include "cuda/kernels/tiled.cuh"
#undef __syncthreads

namespace {

constexpr int kMarkedKeys = 256,
              kWarpMarks = 18;  // naive_output: a mark every so many keys; of a warp, at most

// naive_output of cuda/kernels/naive.cuh, whose warps leave a mark now and then.
template <int d, bool causal>
__global__ void output_with_marks(const float* __restrict__ P, const float* __restrict__ V,
                                  float* __restrict__ O, int N) {
  using namespace flashlab;
  const int c = blockIdx.x * kWarpSize + threadIdx.x, i = blockIdx.y * kNaiveRows + threadIdx.y;
  if (i >= N) return;
  const size_t head = blockIdx.z, block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const float* p = P + (head * N + i) * N;
  const float* v = V + head * N * d + c;
  unsigned* row = marks + (block * kNaiveRows + threadIdx.y) * (2 + kWarpMarks);
  const int keys = causal ? i + 1 : N;
  float o = 0.0f;
  int count = 0;
  for (int j0 = 0; j0 < keys; j0 += kMarkedKeys) {
    if (threadIdx.x == 0) row[2 + count] = static_cast<unsigned>(clock64());
    ++count;
    const int end = min(keys, j0 + kMarkedKeys);
    for (int j = j0; j < end; ++j) o += p[j] * v[static_cast<size_t>(j) * d];
  }
  O[(head * N + i) * d + c] = o;
  if (threadIdx.x == 0) row[0] = this_sm(), row[1] = static_cast<unsigned>(count);
}

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
  int heads, seq, dim;
  bool causal = false;
  bool copies_ahead() const { return kernel[0] == 'r'; }  // registers: at each mark begins a copy of K or V
  int rows() const {                                      // of a block
    return copies_ahead() ? 128 : kernel[0] == 'f' || kernel[0] == 'n' ? 8 : dim > 96 ? 16 : 32;
  }
  int row_tiles() const { return (seq + rows() - 1) / rows(); }
  /// The mark after which a block loads its i-th tile; below 0: at its beginning.
  int mark(int tile) const { return copies_ahead() ? tile : kernel[0] == 'f' ? 2 * tile - 1 : 2 * tile; }
  int tiles() const {
    if (copies_ahead()) return 2 * static_cast<int>(flashlab::ceil_div(seq, dim <= 64 ? 64 : 32)) - 1;
    return (seq + 31) / 32 * (kernel[0] == 'o' ? 1 : 2);
  }
};

std::int32_t between(unsigned from, unsigned to) { return static_cast<std::int32_t>(to - from); }

int median(std::vector<int> values, double part = 0.5) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

struct Marks {
  int sm;
  const unsigned* at;
  int count;
};
Marks marks_of(const std::vector<unsigned>& log, int row, int most) {
  const unsigned* first = &log[static_cast<std::size_t>(row) * (2 + static_cast<std::size_t>(most))];
  return {static_cast<int>(first[0]), first + 2, std::min(static_cast<int>(first[1]), most)};
}

const char* phase_name(const Launch& l, int phase, int phases) {
  if (l.copies_ahead()) return phase % 2 == 0 ? "product_k" : "product_v";
  const bool product = (phase % 2 == 0) == (l.kernel[0] == 'f'), late = phase >= (phases + 1) / 2;
  if (l.kernel[0] == 'o') return product ? "products" : "load_kv";
  if (l.kernel[0] == 't') return product ? (late ? "products" : "product_k") : late ? "load_kv" : "load_k";
  if (phase == phases / 2 && !product) return "softmax";
  return product ? (late ? "product_v" : "product_k") : late ? "load_v" : "load_k";
}

void show_phases(const Launch& l, const std::vector<unsigned>& log, int blocks) {
  std::map<int, std::vector<std::pair<unsigned, unsigned>>> resident;  // SM: from, to
  for (int b = 0; b < blocks; ++b) {
    const Marks m = marks_of(log, b, kMarks);
    if (m.count > 1) resident[m.sm].emplace_back(m.at[0], m.at[m.count - 1]);
  }
  std::map<std::pair<std::string, int>, std::vector<int>> cycles, block_means;
  for (int b = 0; b < blocks; ++b) {
    const Marks m = marks_of(log, b, kMarks);
    std::map<std::pair<std::string, int>, std::pair<long, int>> of_block;  // sum, count
    for (int i = 0; i + 1 < m.count; ++i) {
      const int length = between(m.at[i], m.at[i + 1]);
      const unsigned middle = m.at[i] + static_cast<unsigned>(length / 2);
      const auto shares = std::ranges::count_if(resident[m.sm], [&](const auto& one) {
        return between(one.first, middle) >= 0 && between(middle, one.second) >= 0;
      });
      const std::pair phase(std::string(phase_name(l, i, m.count - 1)), static_cast<int>(shares));
      cycles[phase].push_back(length);
      of_block[phase].first += length;
      ++of_block[phase].second;
    }
    for (const auto& [phase, sum] : of_block)
      if (sum.second >= 8) block_means[phase].push_back(static_cast<int>(sum.first / sum.second));
  }
  for (const auto& [phase, lengths] : cycles) {
    if (lengths.size() < 200) continue;
    const std::vector<int>& means = block_means[phase];
    std::printf("%s,%d,%d,%d,%d,%s,%d,%zu,%d,%d,%d,%d,%d,%d\n", l.kernel, l.heads, l.seq, l.dim, l.causal,
                phase.first.c_str(), phase.second, lengths.size(), median(lengths, 0.1), median(lengths),
                median(lengths, 0.9), median(means, 0.1), median(means), median(means, 0.9));
  }
}

// Of the blocks that an SM has first: the time from mark to mark in the first half of each, by its rank among them.
void show_ranks(const Launch& l, const std::vector<unsigned>& log, int blocks) {
  std::map<int, std::vector<Marks>> of_sm;  // in order of the blocks
  for (int b = 0; b < blocks; ++b) {
    const Marks m = marks_of(log, b, kMarks);
    if (m.count > 8) of_sm[m.sm].push_back(m);
  }
  std::map<std::pair<int, int>, std::vector<int>> cycles;  // blocks on the SM, rank
  for (auto& [sm, all] : of_sm) {
    const unsigned middle = all[0].at[all[0].count / 2];
    std::erase_if(all, [&](const Marks& m) { return between(m.at[0], middle) < 0; });
    for (std::size_t rank = 0; rank < all.size(); ++rank) {
      const Marks& m = all[rank];
      cycles[{static_cast<int>(all.size()), static_cast<int>(rank)}].push_back(
          between(m.at[0], m.at[m.count / 2]) / (m.count / 2));
    }
  }
  for (const auto& [key, times] : cycles) {
    if (times.size() < 8) continue;
    std::printf("%s,%d,%d,%d,%d,%d,%d,%zu,%d,%d,%d\n", l.kernel, l.heads, l.seq, l.dim, l.causal, key.first,
                key.second, times.size(), median(times, 0.1), median(times), median(times, 0.9));
  }
}

void show_columns(const Launch& l, const std::vector<unsigned>& log, int rows, const std::vector<int>& gpcs) {
  const int columns = l.dim / 32;
  std::map<std::tuple<int, int, int>, std::map<int, unsigned>>
      leads;                                                    // GPC, head and column, mark: first of each SM
  std::map<std::pair<int, int>, std::vector<unsigned>> of_row;  // row of P, mark
  std::map<std::pair<int, int>, int> gpc_of_row;                // -1: several
  for (int w = 0; w < rows; ++w) {
    const Marks m = marks_of(log, w, kWarpMarks);
    const int block = w / 8, row = block / columns * 8 + w % 8;
    for (int i = 0; i < m.count; ++i) {
      auto& first = leads[{gpcs[m.sm], block / columns / l.row_tiles() * columns + block % columns, i}];
      const auto [known, is_new] = first.emplace(m.sm, m.at[i]);
      if (!is_new && between(m.at[i], known->second) > 0) known->second = m.at[i];
      of_row[{row, i}].push_back(m.at[i]);
      const auto [gpc, first_of_row] = gpc_of_row.emplace(std::pair{row, i}, gpcs[m.sm]);
      if (!first_of_row && gpc->second != gpcs[m.sm]) gpc->second = -1;
    }
  }
  std::map<int, std::vector<int>> apart, row_apart;
  for (const auto& [key, sms] : leads) {
    std::vector<int> times;
    for (const auto& [sm, time] : sms) times.push_back(between(sms.begin()->second, time));
    const int middle = median(times);
    for (const int time : times)
      if (times.size() >= 4) apart[std::get<2>(key)].push_back(std::abs(time - middle));
  }
  for (const auto& [key, times] : of_row) {
    if (times.size() < 2 || gpc_of_row[key] < 0) continue;
    int low = 0, high = 0;
    for (const unsigned time : times)
      low = std::min(low, between(times[0], time)), high = std::max(high, between(times[0], time));
    row_apart[key.second].push_back(high - low);
  }
  for (const auto& [mark, times] : row_apart) {
    std::printf("%s,%d,%d,%d,%d,%d,%d,%d,%d,%d\n", l.kernel, l.heads, l.seq, l.dim, l.causal,
                mark * kMarkedKeys, median(apart[mark]), median(times, 0.1), median(times), median(times, 0.9));
  }
}

void show_apart(const Launch& l, const std::vector<unsigned>& log, int blocks, const std::vector<int>& gpcs) {
  constexpr int kOpen = 70, kMerged = 4, kStaysInL1 = 3000;  // cycles; reads; cycles
  const int sms = static_cast<int>(gpcs.size());             // so many blocks are of the first round
  const int row_tiles = l.row_tiles();
  std::map<std::tuple<int, int, int>, std::vector<std::pair<unsigned, int>>>
      loads;  // GPC, head, tile: time, SM
  std::map<std::tuple<int, int, int>, std::vector<unsigned>> first_round;
  std::vector<int> apart, steps;
  for (int b = 0; b < blocks; ++b) {
    const Marks m = marks_of(log, b, kMarks);
    for (int tile = 0; tile < l.tiles() && l.mark(tile) < m.count; ++tile) {
      const unsigned time = m.at[std::max(0, l.mark(tile))];
      loads[{gpcs[m.sm], b / row_tiles, tile}].emplace_back(time, m.sm);
      if (b >= sms) continue;
      first_round[{gpcs[m.sm], b / row_tiles, tile}].push_back(time);
      if (tile > 1) steps.push_back(between(m.at[l.mark(tile - 1)], time));
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

// Of the first block of each SM: how far the SMs of a GPC that read the same tile are apart, tile by tile.
void show_drift(const Launch& l, const std::vector<unsigned>& log, int blocks, const std::vector<int>& gpcs) {
  const int sms = static_cast<int>(gpcs.size()), row_tiles = l.row_tiles();
  for (int tile = 1; tile < l.tiles(); tile *= 2) {
    std::map<std::pair<int, int>, std::vector<unsigned>> loads;  // GPC, head
    for (int b = 0; b < std::min(blocks, sms); ++b) {
      const Marks m = marks_of(log, b, kMarks);
      if (l.mark(tile) < m.count) loads[{gpcs[m.sm], b / row_tiles}].push_back(m.at[l.mark(tile)]);
    }
    std::vector<int> apart;
    for (const auto& [key, times] : loads) {
      std::vector<int> after;
      for (const unsigned time : times) after.push_back(between(times.front(), time));
      const int middle = median(after);
      for (const int time : after)
        if (after.size() >= 4) apart.push_back(std::abs(time - middle));
    }
    std::printf("%s,%d,%d,%d,%d,%d,%d,%d\n", l.kernel, l.heads, l.seq, l.dim, l.causal, tile, median(apart),
                median(apart, 0.9));
  }
}

std::vector<Launch> launches_of(const std::string& mode) {
  if (mode == "apart" || mode == "drift" || mode == "ranks") {
    return {{"fused", 1, 4096, 64},     {"fused", 4, 512, 64},      {"fused", 4, 1000, 64},
            {"fused", 4, 1000, 128},    {"fused", 8, 2048, 64},     {"fused", 16, 1024, 64},
            {"tiled", 4, 512, 64},      {"tiled", 2, 1024, 128},    {"tiled", 4, 1000, 128},
            {"tiled", 8, 2048, 64},     {"tiled", 16, 1024, 64},    {"online_q", 4, 512, 64},
            {"online_q", 8, 2048, 64},  {"online_q", 16, 1024, 64}, {"registers", 4, 512, 64},
            {"registers", 4, 1000, 64}, {"registers", 1, 4096, 64}, {"registers", 8, 2048, 64},
            {"registers", 16, 1024, 64}};
  }
  std::vector<Launch> launches;
  for (const char* kernel : {"fused", "tiled", "online_q", "registers", "naive_output"}) {
    if ((mode == "columns") != (kernel[0] == 'n')) continue;
    for (const Launch& shape : {Launch{kernel, 4, 1000, 64},
                                {kernel, 4, 1000, 128},
                                {kernel, 4, 512, 64},
                                {kernel, 2, 1024, 128},
                                {kernel, 8, 2048, 64},
                                {kernel, 1, 4096, 64},
                                {kernel, 16, 1024, 64}}) {
      for (const bool causal : {false, true}) {
        launches.push_back(shape);
        launches.back().causal = causal;
      }
    }
  }
  return launches;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "apart";
  if (mode != "apart" && mode != "drift" && mode != "phases" && mode != "ranks" && mode != "columns") {
    std::fprintf(stderr, "timeline: unknown \"%s\"; usage: timeline [apart|drift|phases|ranks|columns]\n",
                 mode.c_str());
    return 2;
  }
  cudaDeviceProp card;
  must(cudaGetDeviceProperties(&card, 0), "no usable GPU");
  const std::vector<int> gpcs = find_gpcs(card.multiProcessorCount);
  std::puts(mode == "apart"
                ? "kernel,heads,seq,dim,blocks,tile_cycles,apart_cycles,apart_cycles_p90,reads_after_merging"
            : mode == "ranks"
                ? "kernel,heads,seq,dim,causal,blocks_on_sm,rank,count,cycles_p10,cycles,cycles_p90"
            : mode == "drift" ? "kernel,heads,seq,dim,causal,tile,apart_cycles,apart_cycles_p90"
            : mode == "phases"
                ? "kernel,heads,seq,dim,causal,phase,blocks_on_sm,count,cycles_p10,cycles,cycles_p90,"
                  "block_mean_p10,block_mean,block_mean_p90"
                : "kernel,heads,seq,dim,causal,key,sms_apart_cycles,row_apart_cycles_p10,row_apart_cycles,"
                  "row_apart_cycles_p90");
  const std::size_t log_bytes = std::size_t{16} << 20, other_bytes = std::size_t{256} << 20;
  unsigned* log = nullptr;
  char* other = nullptr;
  must(cudaMalloc(&log, log_bytes), "allocation");
  must(cudaMalloc(&other, other_bytes), "allocation");
  must(cudaMemcpyToSymbol(marks, &log, sizeof log), "symbol");
  std::vector<unsigned> host(log_bytes / sizeof(unsigned));
  for (const Launch& l : launches_of(mode)) {
    const std::size_t elements = static_cast<std::size_t>(l.heads) * l.seq * l.dim,
                      scores =
                          l.kernel[0] == 'n' ? static_cast<std::size_t>(l.heads) * l.seq * l.seq : elements;
    std::vector<float> values(std::max(elements, scores));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(i * 2654435761u % 2001u) / 1000 - 1;
    float *Q, *K, *V, *O, *L;
    for (float** array : {&Q, &K, &V, &O, &L}) {  // naive_output's P takes the place of Q
      const std::size_t bytes = (array == &Q ? scores : elements) * sizeof(float);
      must(cudaMalloc(array, bytes), "allocation");
      must(cudaMemcpy(*array, values.data(), bytes, cudaMemcpyHostToDevice), "copy");
    }
    for (int run = 0; run < 2; ++run) {  // the second one counts
      must(cudaMemset(log, 0, log_bytes), "memset");
      must(cudaMemset(other, 0, other_bytes), "memset");
      must(cudaDeviceSynchronize(), "memset");
      switch (l.kernel[0]) {
        case 'f':
          must(flashlab::launch_fused(Q, K, V, O, l.heads, l.seq, l.dim, l.causal), l.kernel);
          break;
        case 't':
          must(flashlab::launch_tiled(Q, K, V, O, l.heads, l.seq, l.dim, l.causal), l.kernel);
          break;
        case 'o':
          must(flashlab::launch_online_q(Q, K, V, O, L, l.heads, l.seq, l.dim, l.causal), l.kernel);
          break;
        case 'r':
          must(flashlab::launch_registers(Q, K, V, O, L,
                                          {.batch = 1,
                                           .heads = l.heads,
                                           .kv_heads = l.heads,
                                           .seq = l.seq,
                                           .dim = l.dim,
                                           .causal = l.causal}),
               l.kernel);
          break;
        default:
          must(flashlab::with_shape(l.dim, l.causal,
                                    [=](auto shape) {
                                      const dim3 block(32, 8), grid(l.dim / 32, l.row_tiles(), l.heads);
                                      output_with_marks<shape.d, shape.causal><<<grid, block>>>(Q, V, O, l.seq);
                                      return cudaGetLastError();
                                    }),
               l.kernel);
      }
      must(cudaDeviceSynchronize(), l.kernel);
    }
    must(cudaMemcpy(host.data(), log, log_bytes, cudaMemcpyDeviceToHost), "copy");
    const int blocks = l.heads * l.row_tiles();
    if (mode == "apart") show_apart(l, host, blocks, gpcs);
    if (mode == "drift") show_drift(l, host, blocks, gpcs);
    if (mode == "phases") show_phases(l, host, blocks);
    if (mode == "ranks") show_ranks(l, host, blocks);
    if (mode == "columns") show_columns(l, host, blocks * (l.dim / 32) * 8, gpcs);
    for (float* array : {Q, K, V, O, L}) must(cudaFree(array), "free");
  }
}
