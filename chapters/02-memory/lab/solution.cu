// Lab 2: softmax of one row, three ways. Plain C++; one thread runs it.

#include <cuda_runtime.h>

#include <cmath>

// The statistics of a row or of a piece of it: m = max x, l = Σ exp(x − m). A row whose scores are all −INFINITY (masked)
// has m = −INFINITY and l = 0.
struct Stats {
  float m, l;
};

// p[i] = exp(x[i]) / Σ exp(x[j]), finite also where exp(x) is not. n ≥ 1.
__host__ __device__ void stable_softmax(const float* x, float* p, int n) {
  // BEGIN SOLUTION
  float m = x[0], l = 0.0f;
  for (int i = 1; i < n; ++i) m = fmaxf(m, x[i]);
  for (int i = 0; i < n; ++i) l += expf(x[i] - m);
  for (int i = 0; i < n; ++i) p[i] = expf(x[i] - m) / l;
  // STUB
  //| for (int i = 0; i < n; ++i) p[i] = 0.0f;
  // END SOLUTION
}

// The statistics of all of x, each score read once.
__host__ __device__ Stats online(const float* x, int n) {
  // BEGIN SOLUTION
  Stats s = {-INFINITY, 0.0f};
  for (int i = 0; i < n; ++i) {
    const float score = x[i];
    if (score == -INFINITY) continue;  // adds nothing; and −∞ − (−∞) is no number
    const float m = fmaxf(s.m, score);
    s.l = s.l * expf(s.m - m) + expf(score - m);
    s.m = m;
  }
  return s;
  // STUB
  //| return {0.0f, 0.0f};
  // END SOLUTION
}

// The statistics of two pieces taken together.
__host__ __device__ Stats merge(Stats a, Stats b) {
  // BEGIN SOLUTION
  const float m = fmaxf(a.m, b.m);
  if (m == -INFINITY) return {m, 0.0f};
  return {m, a.l * expf(a.m - m) + b.l * expf(b.m - m)};
  // STUB
  //| return a;
  // END SOLUTION
}
