#pragma once
// Small launches for the tests, compiled for the simt machine. Each answers the cudaError_t of its launch.
#include <vector>

namespace simt_tests {

/// S = Q K^T by one thread an element, blocks of (32, 32); N a multiple of 32.
int naive_scores(int N, int d);
/// The same through 32 × 32 tiles, rows padded by one float or not, four rows a thread, blocks of (32, 8).
int tiled_scores(int N, int d, bool padded);
/// y[i] = sum over blocks in order of (i + 1) / (block + 1), by float atomics: depends on the order.
std::vector<float> ordered_sum(int blocks);
/// One warp copies float4, then loads one word of shared memory from everywhere and 128 bits at a stride of 128 bytes.
int widths();
/// Barriers alone: `count` of them in each thread of each block.
int barriers(int blocks, int threads, int count);
/// Lane 0 stores once an iteration, all lanes twice; then inner loops of different length.
int divergent(int iterations);
/// Blocks of one warp that store their index; block `at` stops the launch with a trap. Resets the device afterwards.
int stopping(int blocks, int at);

}  // namespace simt_tests
