// Lab 7: which loop outside, and which tiles, so that online softmax moves the fewest bytes of HBM.
//
// order 0: `online-q`, the Q loop outside. order 1: `online-kv`, the K/V loop outside. Both keep in SRAM, in floats:
// Q and O (Br·d each), m, l and one more (Br each), K and V (Bc·d each), S (Br·Bc). 1 ≤ Br, Bc ≤ N.

#include <cuda_runtime.h>

struct Choice {
  int order, rows, cols;
};

__host__ __device__ Choice choose(int N, int d, int sram_bytes) {
  // BEGIN SOLUTION
  const int M = sram_bytes / 4;
  // Q outside: K and V pass by once a row tile. The longest row tile, with single columns.
  const int rows = max(1, min(N, (M - 2 * d) / (2 * d + 4)));
  const long long Tr = (N + rows - 1) / rows, size = static_cast<long long>(N) * d;
  const long long q_outside = (2 + 2 * Tr) * size + N;
  // K/V outside: Q, O and the statistics pass by once a column tile. The longest column tile, with single rows.
  const int cols = max(1, min(N, (M - 2 * d - 3) / (2 * d + 1)));
  const long long Tc = (N + cols - 1) / cols;
  const long long kv_outside = 2 * size + Tc * (3 * size + 4LL * N);
  return q_outside <= kv_outside ? Choice{0, rows, 1} : Choice{1, 1, cols};
  // STUB
  //| return {0, min(N, 16), min(N, 16)};
  // END SOLUTION
}
