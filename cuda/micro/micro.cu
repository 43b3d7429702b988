// Small kernels that ask the card one question each. The answers become the rules of the simt machine.
//
//   nvcc -std=c++20 -O2 -arch=sm_90 -o micro cuda/micro/micro.cu
//   ./micro list               one CSV row a launch, in launch order: group, case, kernel, parameters, what to divide by
//   ./micro run GROUP          launches the cases of a group (cuda/micro/run.sh runs this under ncu)
//   ./micro occupancy          the runtime's own answers: resident blocks a SM for many kernel resources
//   ./micro schedule           which block ran on which SM, and when
//   ./micro deal               to which SMs blocks go when there are too few for all
//
// The questions, and how to read the answers: docs/micro-kernels.md.

#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "micro_kernels.cuh"

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr int kThreads = 256;
constexpr std::size_t kBufferBytes = 512 * kMiB;
constexpr std::size_t kSmallBufferBytes = 64 * kMiB;  // enough below L2: ncu saves and restores all of it

/// What the cases launch on.
struct Card {
  int sms = 0;
  int threads_per_sm = 0;
  float4* a = nullptr;  // kBufferBytes each, for the groups below L2 kSmallBufferBytes
  float4* b = nullptr;
  float* sink = nullptr;
  unsigned* arrivals = nullptr;                                     // one counter a barrier of `grid_barrier`
  int blocks() const { return sms * (threads_per_sm / kThreads); }  // all resident at once: 1056 on an H100
};

struct Case {
  std::string group, name, kernel, parameters;
  double per = 1;  // divide the counters by this: instructions a launch, or MiB
  std::function<void(const Card&)> launch;
};

std::vector<Case> cases;

void add(std::string group, std::string name, std::string kernel, std::string parameters, double per,
         std::function<void(const Card&)> launch) {
  cases.push_back(
      {std::move(group), std::move(name), std::move(kernel), std::move(parameters), per, std::move(launch)});
}

// ---- patterns: which element (of the access's width) each lane touches ----------------------------------------------

struct Pattern {
  std::string name;
  Lanes lanes;
};

Pattern pattern(std::string name, const std::function<int(int)>& element, unsigned mask = 0xFFFFFFFFu) {
  Pattern p{std::move(name), {}};
  for (int lane = 0; lane < 32; ++lane) p.lanes.element[lane] = static_cast<unsigned short>(element(lane));
  p.lanes.mask = mask;
  return p;
}

/// Every pattern asked of an access of `words` 32-bit words. Elements stay below 8192 words (32 KiB).
std::vector<Pattern> patterns(int words) {
  std::vector<Pattern> all;
  const int per_row = 32 / words;  // elements in one row of the 32 banks
  const auto put = [&](std::string name, auto element, unsigned mask = 0xFFFFFFFFu) {
    all.push_back(pattern(std::move(name), element, mask));
  };
  put("contiguous", [](int lane) { return lane; });
  put("reversed", [](int lane) { return 31 - lane; });
  put("all_same", [](int) { return 0; });
  for (const int stride : {2, 3, 4, 5, 8, 9, 16, 17, 32, 33}) {
    put("stride_" + std::to_string(stride), [=](int lane) { return lane * stride; });
  }
  for (const int group : {2, 4, 8, 16}) {
    put("groups_of_" + std::to_string(group) + "_same", [=](int lane) { return lane / group; });
    put("modulo_" + std::to_string(group), [=](int lane) { return lane % group; });
    put("groups_of_" + std::to_string(group) + "_same_bank", [=](int lane) { return lane / group * per_row; });
    put("modulo_" + std::to_string(group) + "_same_bank", [=](int lane) { return lane % group * per_row; });
  }
  put("two_rows_by_half", [=](int lane) { return lane < 16 ? lane : lane - 16 + 4 * per_row; });
  put("two_rows_by_parity", [=](int lane) { return lane / 2 + (lane % 2) * 4 * per_row; });
  put("two_rows_same_banks", [=](int lane) { return lane % per_row + (lane / per_row) * 2 * per_row; });
  put("two_words_broadcast_far", [=](int lane) { return lane < 16 ? 0 : 4 * per_row; });
  put("two_words_broadcast_near", [=](int lane) { return lane < 16 ? 0 : 1; });
  put("two_words_alternate_far", [=](int lane) { return lane % 2 * 4 * per_row; });
  put("four_words_alternate_far", [=](int lane) { return lane % 4 * 4 * per_row; });
  put("one_odd_lane_conflicts", [=](int lane) { return lane == 31 ? 8 * per_row : lane; });
  put("column_of_8x4", [=](int lane) { return lane % 8 * per_row + lane / 8; });  // ldmatrix-like rows
  put("column_of_8x4_padded", [=](int lane) { return lane % 8 * (per_row + 1) + lane / 8; });
  put("row_of_8x4", [=](int lane) { return lane / 8 * per_row + lane % 8; });
  for (const unsigned mask : {0x1u, 0x3u, 0xFu, 0xFFu, 0xFFFFu, 0xFFFF0000u, 0x55555555u, 0xAAAAAAAAu,
                              0x0F0F0F0Fu, 0x11111111u, 0x80000001u, 0x00FF00FFu}) {
    char suffix[32];
    std::snprintf(suffix, sizeof suffix, "_mask_%08x", mask);
    put(
        std::string("contiguous") + suffix, [](int lane) { return lane; }, mask);
    put(
        std::string("column") + suffix, [=](int lane) { return lane * per_row; }, mask);
    put(
        std::string("stride_2") + suffix, [](int lane) { return lane * 2; }, mask);
  }
  std::mt19937 random(2024u + static_cast<unsigned>(words));
  for (const int range : {2, 4, 8, 16, 32, 64, 256, 2048}) {
    for (int trial = 0; trial < 4; ++trial) {
      std::vector<int> picks(32);
      for (int& pick : picks) pick = static_cast<int>(random() % static_cast<unsigned>(range));
      put("random_" + std::to_string(range) + "_" + std::to_string(trial),
          [=](int lane) { return picks[lane]; });
      const unsigned mask = random();
      put(
          "random_masked_" + std::to_string(range) + "_" + std::to_string(trial),
          [=](int lane) { return picks[lane]; }, mask);
    }
  }
  return all;
}

/// The lanes as text, so that a rule can be tried on the CSV alone: "0 1 2 - 4 …", elements of the access's width.
std::string text_of(const Lanes& lanes) {
  std::string text;
  for (int lane = 0; lane < 32; ++lane) {
    if (lane > 0) text += ' ';
    text += (lanes.mask >> lane & 1u) != 0 ? std::to_string(lanes.element[lane]) : "-";
  }
  return text;
}

template <int kWords>
void add_shared() {
  for (const Pattern& p : patterns(kWords)) {
    const std::string parameters = "words=" + std::to_string(kWords) + " lanes=" + text_of(p.lanes);
    add("banks", "shared_load/" + p.name, "shared_load", parameters, kRepeats,
        [p](const Card& card) { shared_load<kWords><<<1, 32>>>(p.lanes, 0, card.sink); });
    add("banks", "shared_store/" + p.name, "shared_store", parameters, kRepeats,
        [p](const Card& card) { shared_store<kWords><<<1, 32>>>(p.lanes, 0, card.sink); });
  }
}

template <int kWords>
void add_global() {
  for (const Pattern& p : patterns(kWords)) {
    const bool more_of_a_kind = (p.name.rfind("random", 0) == 0 && p.name.back() != '0') ||
                                p.name.rfind("column_mask", 0) == 0 || p.name.rfind("stride_2_mask", 0) == 0;
    if (more_of_a_kind) continue;
    for (const int shift_words : {0, 1}) {
      const std::string parameters = "words=" + std::to_string(kWords) +
                                     " shift_words=" + std::to_string(shift_words) +
                                     " lanes=" + text_of(p.lanes);
      add("coalescing", "global_load/" + p.name, "global_load", parameters, kRepeats,
          [p, shift_words](const Card& card) {
            global_load<kWords>
                <<<1, 32>>>(reinterpret_cast<const float*>(card.a) + shift_words, p.lanes, 0, card.sink);
          });
      add("coalescing", "global_store/" + p.name, "global_store", parameters, kRepeats,
          [p, shift_words](const Card& card) {
            global_store<kWords><<<1, 32>>>(reinterpret_cast<float*>(card.a) + shift_words, p.lanes, 0);
          });
      if (kWords != 1) break;  // wider accesses must be aligned
    }
  }
}

// ---- L1 ------------------------------------------------------------------------------------------------------------

void add_l1() {
  for (const int warps : {1, 8, 32}) {
    for (const int kib : {16, 32, 64, 96, 128, 160, 176, 192, 200, 208, 216, 224, 232, 240, 248, 256, 320}) {
      for (const int carveout : {0, 50, 100}) {
        if (carveout != 0 && warps != 8) continue;
        add("l1", "cyclic_read", "l1_cyclic",
            "warps=" + std::to_string(warps) + " kib=" + std::to_string(kib) +
                " passes=4 carveout_percent=" + std::to_string(carveout),
            kib * 8.0, [=](const Card& card) {
              must(cudaFuncSetAttribute(l1_cyclic, cudaFuncAttributePreferredSharedMemoryCarveout, carveout),
                   "carve-out");
              l1_cyclic<<<1, warps * 32>>>(reinterpret_cast<const float*>(card.a), kib * 256, 4, card.sink);
            });
      }
    }
  }
  for (const int lines_apart : {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}) {  // sets and ways
    for (const int lines : {2, 4, 8, 16, 32, 64, 128, 256}) {
      if (static_cast<std::size_t>(lines) * lines_apart * 128 > kSmallBufferBytes) continue;
      add("l1", "strided_lines", "l1_strided",
          "lines=" + std::to_string(lines) + " lines_apart=" + std::to_string(lines_apart) + " passes=4", lines,
          [=](const Card& card) {
            l1_strided<<<1, 32>>>(reinterpret_cast<const float*>(card.a), lines, lines_apart, 4, card.sink);
          });
    }
  }
  const auto one = [](const char* name, const char* kernel, int blocks, int threads, auto function) {
    add("l1", name, kernel, "blocks=" + std::to_string(blocks) + " threads=" + std::to_string(threads), 1,
        [=](const Card& card) { function<<<blocks, threads>>>(reinterpret_cast<float*>(card.a), card.sink); });
  };
  one("load_store_load: does a store update, keep or drop the line?", "l1_load_store_load", 1, 32,
      l1_load_store_load);
  one("store_load: does a store allocate?", "l1_store_load", 1, 32, l1_store_load);
  one("store_load_other_sector", "l1_store_load_other_sector", 1, 32, l1_store_load_other_sector);
  one("sector_by_sector: is a line filled by sector?", "l1_sector_by_sector", 1, 32, l1_sector_by_sector);
  one("same_line_by_32_warps: is a hit on a pending miss a hit?", "l1_same_line", 1, 1024, l1_same_line);
  one("nc_after_ld: do ld.global.nc and ld.global share lines?", "l1_nc_after_ld", 1, 32, l1_nc_after_ld);
  one("cg_after_ld: does ld.global.cg hit in L1?", "l1_cg_after_ld", 1, 32, l1_cg_after_ld);
  one("async_ca_twice: cp.async.ca through L1?", "l1_async_ca", 1, 32, l1_async_ca);
  one("async_cg_twice: cp.async.cg past L1?", "l1_async_cg", 1, 32, l1_async_cg);
  one("atomic_then_load: does an atomic drop the line?", "l1_atomic_then_load", 1, 32, l1_atomic_then_load);
}

// ---- L1 to L2 --------------------------------------------------------------------------------------------------------

void add_l1_to_l2() {
  for (const int blocks : {1, 2, 4, 8, 16, 32, 64, 96, 132, 264, 1056}) {
    for (const int kib : {16, 128, 1024}) {
      add("l1_to_l2", "all_blocks_read_the_same: how many reads of a sector are merged before L2?",
          "same_for_all", "blocks=" + std::to_string(blocks) + " kib=" + std::to_string(kib),
          static_cast<double>(blocks) * kib * 32,
          [=](const Card& card) { same_for_all<<<blocks, kThreads>>>(card.a, kib * 64, card.sink); });
    }
  }
}

constexpr int kBlockAlone = 200 * 1024;  // shared memory: no second block beside it

/// "0+1+16": a value of each reader.
std::string joined(const short* values, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += (i == 0 ? "" : "+") + std::to_string(values[i]);
  return text;
}

void add_readers(const char* name, Readers readers) {
  const int n = readers.count;
  add("merging", name, "read_in_step",
      "lines=" + std::to_string(readers.lines) + " warm=" + std::to_string(readers.warm) +
          " sms=" + joined(readers.sm, n) + " delays=" + joined(readers.delay, n) +
          " sectors=" + joined(readers.sectors, n),
      readers.lines, [=](const Card& card) {
        must(cudaFuncSetAttribute(read_in_step, cudaFuncAttributeMaxDynamicSharedMemorySize, kBlockAlone),
             "shared memory");
        must(cudaMemset(card.arrivals, 0, sizeof(unsigned long long)), "memset");
        read_in_step<<<card.sms, 32, kBlockAlone>>>(readers, reinterpret_cast<const float*>(card.a),
                                                    reinterpret_cast<unsigned long long*>(card.arrivals),
                                                    card.sink);
      });
}

/// The SMs are those of an H100 SXM with 132 of them: 0, 2, … 14 are in eight GPCs, and the lists below are two GPCs.
void add_merging() {
  const auto pair = [](short a, short b, short delay, bool warm, short sectors_a = 15, short sectors_b = 15) {
    return Readers{
        .warm = warm, .count = 2, .sm = {a, b}, .delay = {0, delay}, .sectors = {sectors_a, sectors_b}};
  };
  for (short a = 0; a < 16; a += 2) {
    for (short b = 0; b < 132; ++b) {
      if (a == b) continue;
      Readers readers = pair(a, b, 0, false);
      readers.lines = 32;
      add_readers("who: which SMs merge their reads?", readers);
    }
  }
  for (const auto& [a, b] : {std::pair<short, short>{0, 1}, {2, 64}}) {
    for (short delay = 0; delay < 140; delay += 10)
      add_readers("when: how much later, of what L2 has?", pair(a, b, delay, true));
    for (short delay = 200; delay < 950; delay += 50)
      add_readers("when: how much later, of what HBM has?", pair(a, b, delay, false));
  }
  const std::vector<short> gpc{2, 3, 18, 19, 34, 35, 50, 51, 64, 65, 78, 79, 92, 93, 106, 107};
  for (int count = 1; count <= static_cast<int>(gpc.size()); ++count) {
    Readers readers{.count = count};
    for (int i = 0; i < count; ++i) readers.sm[i] = gpc[static_cast<std::size_t>(i)], readers.sectors[i] = 15;
    add_readers("how_many: at most?", readers);
  }
  for (const bool warm : {false, true}) {
    for (const auto& [a, b] :
         {std::pair<short, short>{1, 1}, {3, 3}, {5, 5}, {15, 15}, {1, 15}, {15, 1}, {3, 6}, {1, 2}})
      add_readers("what: must they be the same sectors?", pair(2, 3, 0, warm, a, b));
  }
}

// ---- L2 and HBM ------------------------------------------------------------------------------------------------------

void add_l2() {
  const auto sized = [](const char* group, const char* name, const char* kernel,
                        std::initializer_list<int> sizes, const char* extra, auto launch) {
    for (const int mib : sizes) {
      add(group, name, kernel, "mib=" + std::to_string(mib) + extra, mib, [=](const Card& card) {
        must(cudaMemset(card.arrivals, 0, 64 * sizeof(unsigned)), "memset");
        launch(card, static_cast<std::size_t>(mib) * kMiB / sizeof(float4));
      });
    }
  };
  const auto all = {4, 8, 16, 20, 24, 28, 32, 36, 40, 44, 46, 48, 50, 52, 56, 60, 64, 96, 128, 256};
  const auto few = {8, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96, 128};
  sized("l2_sweep", "fill", "fill", all, "",
        [](const Card& c, std::size_t n) { fill<<<c.blocks(), kThreads>>>(c.a, n); });
  sized("l2_sweep", "read_4_times", "read_times", all, " times=4",
        [](const Card& c, std::size_t n) { read_times<<<c.blocks(), kThreads>>>(c.a, n, 4, c.sink); });
  sized("l2_sweep", "copy", "copy", all, "",
        [](const Card& c, std::size_t n) { copy<<<c.blocks(), kThreads>>>(c.a, c.b, n); });
  sized("l2_writes", "scale_in_place: read and write the same line", "scale_in_place", few, "",
        [](const Card& c, std::size_t n) { scale_in_place<<<c.blocks(), kThreads>>>(c.a, n); });
  sized("l2_writes", "fill_4_times: is a dirty line written again without HBM?", "fill_times", few, " times=4",
        [](const Card& c, std::size_t n) { fill_times<<<c.blocks(), kThreads>>>(c.a, n, 4, c.arrivals); });
  sized("l2_writes", "fill_then_read: do reads hit dirty lines?", "fill_then_read", few, "",
        [](const Card& c, std::size_t n) {
          fill_then_read<<<c.blocks(), kThreads>>>(c.a, n, c.arrivals, c.sink);
        });
  sized("l2_writes", "read_3_write_1: three reads of other data a write", "read_many_write", few, " reads=3",
        [](const Card& c, std::size_t n) { read_many_write<<<c.blocks(), kThreads>>>(c.a, c.b, n, 3); });
  sized("l2_writes", "read_7_write_1", "read_many_write", few, " reads=7",
        [](const Card& c, std::size_t n) { read_many_write<<<c.blocks(), kThreads>>>(c.a, c.b, n, 7); });
  sized("l2_writes", "fill_16_then_read_other: do clean lines push dirty ones out?", "fill_then_read_other",
        {8, 16, 24, 32, 40, 48, 64, 128}, " fill_mib=16", [](const Card& c, std::size_t n) {
          fill_then_read_other<<<c.blocks(), kThreads>>>(c.a, 16 * kMiB / 16, c.b, n, c.arrivals, c.sink);
        });
  sized("l2_writes",
        "read_32_then_fill_other: do dirty lines push clean ones out? (the read is repeated at the end)",
        "read_fill_read", {4, 8, 12, 16, 20, 24, 32}, " read_mib=32", [](const Card& c, std::size_t n) {
          read_fill_read<<<c.blocks(), kThreads>>>(c.b, 32 * kMiB / 16, c.a, n, c.arrivals, c.sink);
        });
  sized("l2_writes", "fill_then_wait: does L2 write back when idle? (2 ms)", "fill_then_wait", {8, 16, 20},
        " ms=2",
        [](const Card& c, std::size_t n) { fill_then_wait<<<c.blocks(), kThreads>>>(c.a, n, 2'000'000u); });
  sized("l2_writes", "fill_one_sector_a_line", "fill_sectors", few, " sectors=1",
        [](const Card& c, std::size_t n) { fill_sectors<<<c.blocks(), kThreads>>>(c.a, n, 1); });
  sized("l2_writes", "fill_one_word_a_sector: partial sectors", "fill_words", few, " words=1",
        [](const Card& c, std::size_t n) { fill_words<<<c.blocks(), kThreads>>>((float*)c.a, n * 4, 1, 0); });
  sized("l2_writes", "fill_sector_in_two_halves: one after the other over the whole array", "fill_halves", few,
        "", [](const Card& c, std::size_t n) {
          fill_halves<<<c.blocks(), kThreads>>>((float*)c.a, n * 4, c.arrivals);
        });
  sized("l2_writes", "fill_word_then_read_sector: does a read of a partly written sector fetch it?",
        "fill_word_read", {8, 16}, "", [](const Card& c, std::size_t n) {
          fill_word_read<<<c.blocks(), kThreads>>>((float*)c.a, n * 4, c.arrivals, c.sink);
        });
  sized("l2_writes", "atomic_add_each_word", "atomic_each", {8, 16, 24, 32, 64}, "",
        [](const Card& c, std::size_t n) { atomic_each<<<c.blocks(), kThreads>>>((float*)c.a, n * 4); });
  sized("l2_reads", "one_sector_a_line_twice: does a line with one sector take the room of four?",
        "read_sectors", {16, 32, 48, 64, 96, 128, 192, 256}, " sectors=1 times=2",
        [](const Card& c, std::size_t n) { read_sectors<<<c.blocks(), kThreads>>>(c.a, n, 1, 2, c.sink); });
  sized("l2_reads", "two_sectors_a_line_twice", "read_sectors", {16, 32, 48, 64, 96, 128}, " sectors=2 times=2",
        [](const Card& c, std::size_t n) { read_sectors<<<c.blocks(), kThreads>>>(c.a, n, 2, 2, c.sink); });
  sized("l2_reads", "random_sectors: LRU or not? (each thread reads at random, as many sectors as 4 passes)",
        "read_random", {16, 24, 32, 40, 48, 56, 64, 96, 128, 256}, " times=4",
        [](const Card& c, std::size_t n) {
          read_random<<<c.blocks(), kThreads>>>((const float*)c.a, n / 2, 4, c.sink);
        });
  sized("l2_reads", "by_one_sm_twice: is the far partition's copy another miss?", "read_times",
        {4, 8, 16, 24, 32}, " times=2 blocks=1",
        [](const Card& c, std::size_t n) { read_times<<<1, 1024>>>(c.a, n, 2, c.sink); });
  for (const int granularity : {32, 64, 128}) {
    for (const int sectors : {1, 2, 4}) {
      add("l2_reads", "fetch_granularity: one sector asked for, how many fetched?", "read_sectors",
          "mib=16 sectors=" + std::to_string(sectors) + " times=1 limit=" + std::to_string(granularity), 16,
          [=](const Card& card) {
            must(cudaDeviceSetLimit(cudaLimitMaxL2FetchGranularity, static_cast<std::size_t>(granularity)),
                 "limit");
            read_sectors<<<card.blocks(), kThreads>>>(card.a, 16 * kMiB / 16, sectors, 1, card.sink);
            must(cudaDeviceSynchronize(), "read_sectors");
            must(cudaDeviceSetLimit(cudaLimitMaxL2FetchGranularity, 64), "limit");
          });
    }
  }
  for (const int columns : {1024, 2048, 4096, 8192}) {  // a warp a row: S read three times, P written
    add("softmax", "row_softmax", "row_softmax", "columns=" + std::to_string(columns) + " mib=128", 128,
        [=](const Card& card) {
          const int rows = static_cast<int>(128 * kMiB / 4 / static_cast<std::size_t>(columns));
          row_softmax<<<rows / 8, 256>>>((const float*)card.a, (float*)card.b, columns);
        });
  }
}

// ---- answers that need no counters -----------------------------------------------------------------------------------

template <int kRegisters>
void occupancy_of() {
  cudaFuncAttributes attributes;
  must(cudaFuncGetAttributes(&attributes, with_registers<kRegisters>), "attributes");
  must(
      cudaFuncSetAttribute(with_registers<kRegisters>, cudaFuncAttributeMaxDynamicSharedMemorySize, 160 * 1024),
      "shared memory");
  for (int threads : {1, 32, 33, 64, 96, 100, 128, 160, 192, 256, 288, 384, 512, 640, 768, 1024}) {
    for (int shared : {0, 1, 1000, 1024, 4096, 8192, 10000, 16384, 20000, 32768, 40000, 49152, 65536, 80000,
                       100000, 131072, 163840}) {
      int blocks = 0;
      const cudaError_t error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(
          &blocks, with_registers<kRegisters>, threads, static_cast<std::size_t>(shared));
      if (error != cudaSuccess) {
        cudaGetLastError();
        blocks = 0;
      }
      std::printf("%d,%zu,%d,%d,%d\n", attributes.numRegs, attributes.sharedSizeBytes, threads, shared, blocks);
    }
  }
}

void print_occupancy() {
  std::printf("registers,static_shared_bytes,threads,dynamic_shared_bytes,blocks_per_sm\n");
  occupancy_of<24>();
  occupancy_of<32>();
  occupancy_of<40>();
  occupancy_of<48>();
  occupancy_of<64>();
  occupancy_of<72>();
  occupancy_of<96>();
  occupancy_of<128>();
  occupancy_of<168>();
  occupancy_of<255>();
}

void print_schedule(const Card& card) {
  std::printf("blocks_per_sm,block,sm,start_ns,end_ns\n");
  for (const int per_sm : {1, 2, 8}) {
    const int blocks = card.sms * per_sm * 3 + 7;
    const int threads = per_sm == 8 ? 256 : 1024;
    const std::size_t shared = per_sm == 1 ? 120 * 1024 : 0;
    must(cudaFuncSetAttribute(record_schedule, cudaFuncAttributeMaxDynamicSharedMemorySize, 120 * 1024),
         "shared");
    ScheduleEntry* entries = nullptr;
    must(cudaMallocManaged(&entries, sizeof(ScheduleEntry) * static_cast<std::size_t>(blocks)), "allocation");
    record_schedule<<<blocks, threads, shared>>>(entries);
    must(cudaDeviceSynchronize(), "record_schedule");
    unsigned long long first = ~0ull;
    for (int i = 0; i < blocks; ++i) first = entries[i].start < first ? entries[i].start : first;
    for (int i = 0; i < blocks; ++i) {
      std::printf("%d,%d,%u,%llu,%llu\n", per_sm, i, entries[i].sm, entries[i].start - first,
                  entries[i].end - first);
    }
    must(cudaFree(entries), "free");
  }
}

/// Grids of fewer blocks than there is room for: the SM of each.
void print_deal(const Card& card) {
  std::printf("grid,block,sm\n");
  must(cudaFuncSetAttribute(record_schedule, cudaFuncAttributeMaxDynamicSharedMemorySize, 120 * 1024),
       "shared");
  ScheduleEntry* entries = nullptr;
  must(cudaMallocManaged(&entries, sizeof(ScheduleEntry) * 1024), "allocation");
  for (const int blocks :
       {4, 8, 16, 32, 64, 76, 96, 104, 116, 128, card.sms + 64, card.sms + 104, card.sms + 120}) {
    const int shared = blocks > card.sms ? 0 : 120 * 1024;  // two blocks an SM, or one
    record_schedule<<<blocks, 1024, shared>>>(entries);
    must(cudaDeviceSynchronize(), "record_schedule");
    for (int i = 0; i < blocks; ++i) std::printf("%d,%d,%u\n", blocks, i, entries[i].sm);
  }
  must(cudaFree(entries), "free");
}

int usage() {
  std::fprintf(stderr,
               "usage: micro list | run GROUP | occupancy | schedule | deal\n"
               "groups: banks coalescing l1 l1_to_l2 merging l2_sweep l2_writes l2_reads softmax\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  add_shared<1>();
  add_shared<2>();
  add_shared<4>();
  add_global<1>();
  add_global<2>();
  add_global<4>();
  add_l1();
  add_l1_to_l2();
  add_merging();
  add_l2();

  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "list" && argc == 2) {
    std::printf("group,launch,case,kernel,parameters,per\n");
    std::string group;
    int launch = 0;
    for (const Case& c : cases) {
      launch = c.group == group ? launch + 1 : 0;
      group = c.group;
      std::printf("%s,%d,\"%s\",%s,\"%s\",%.0f\n", c.group.c_str(), launch, c.name.c_str(), c.kernel.c_str(),
                  c.parameters.c_str(), c.per);
    }
    return 0;
  }
  if (!((command == "run" && argc == 3) ||
        ((command == "occupancy" || command == "schedule" || command == "deal") && argc == 2))) {
    return usage();
  }

  cudaDeviceProp properties;
  must(cudaGetDeviceProperties(&properties, 0), "no usable GPU");
  Card card;
  card.sms = properties.multiProcessorCount;
  card.threads_per_sm = properties.maxThreadsPerMultiProcessor;
  if (command == "occupancy") {
    print_occupancy();
    return 0;
  }
  if (command == "deal") {
    print_deal(card);
    return 0;
  }
  if (command == "schedule") {
    print_schedule(card);
    return 0;
  }
  const std::string wanted = argv[2];
  const std::size_t bytes =
      wanted.rfind("l2", 0) == 0 || wanted == "softmax" ? kBufferBytes : kSmallBufferBytes;
  must(cudaMalloc(&card.a, bytes), "allocation");
  must(cudaMalloc(&card.b, bytes), "allocation");
  must(cudaMalloc(&card.sink, kMiB), "allocation");
  must(cudaMalloc(&card.arrivals, 64 * sizeof(unsigned)), "allocation");
  must(cudaMemset(card.a, 0, bytes), "memset");
  must(cudaMemset(card.b, 0, bytes), "memset");
  bool any = false;
  for (const Case& c : cases) {
    if (c.group != wanted) continue;
    any = true;
    c.launch(card);
    must(cudaGetLastError(), c.name.c_str());
    must(cudaDeviceSynchronize(), c.name.c_str());
  }
  return any ? 0 : usage();
}
