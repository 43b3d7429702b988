// Lab 4: O (heads, N, d) from Q, K and V, and the plan's answers.
// Numbers: heads, N, d, causal, limit of shared memory in bytes, what to do: 0 run N, 1 run the student's own largest N
// (at most N, for which the buffers are made), 2 ask the plan alone. Buffers: Q, K, V, O.
// Answers: largest N; rows and shared bytes of the plan for the N that is run; or the survey's five numbers.
#include "flashlab_lab.cuh"

namespace student {
#include "solution.cu"
}

__global__ void ask_for_plan(int N, int d, int limit, int at_the_bound, long long* out) {
  const int largest = student::largest_N(d, limit);
  if (at_the_bound != 0) N = largest < 1 ? 1 : largest < N ? largest : N;
  const student::Plan p = student::plan(N, d, limit);
  out[0] = largest;
  out[1] = N;
  out[2] = p.rows;
  out[3] = p.shared_bytes;
}

// Every N from 1 to `most`: 0 where nothing is wrong, else the first N.
__global__ void survey(int most, int d, int limit, long long* out) {
  const int largest = student::largest_N(d, limit);
  long long refused = 0, accepted = 0, too_large = 0, odd = 0;
  for (int N = 1; N <= most; ++N) {
    const student::Plan p = student::plan(N, d, limit);
    if (p.rows == 0) {
      if (N <= largest && refused == 0) refused = N;
      continue;
    }
    if (N > largest && accepted == 0) accepted = N;
    if ((p.shared_bytes < 0 || p.shared_bytes > limit) && too_large == 0) too_large = N;
    if ((p.rows < 0 || p.rows % 8 != 0 || p.rows > 64) && odd == 0) odd = N;
  }
  out[0] = largest;
  out[1] = refused;
  out[2] = accepted;
  out[3] = too_large;
  out[4] = odd;
}

template <int d>
void launch_fused(flashlab_lab::Run& run, int N) {
  const int heads = static_cast<int>(run.number(0));
  const long long rows = run.fetch(2), bytes = run.fetch(3);
  if (rows == 0) return;
  if (rows < 0 || rows % 8 != 0 || rows > 64 || bytes < 0 || bytes > 232448)
    return run.check(cudaErrorInvalidConfiguration);
  const dim3 grid(static_cast<unsigned>((N + rows - 1) / rows), heads), block(32, 8);
  FLASHLAB_LAB_LAUNCH((student::fused<d>), grid, block, bytes, static_cast<const float*>(run.buffer(0)),
                      static_cast<const float*>(run.buffer(1)), static_cast<const float*>(run.buffer(2)),
                      run.buffer(3), N, 1.0f / sqrtf(static_cast<float>(d)), run.number(3) != 0,
                      static_cast<int>(rows));
  run.check(cudaGetLastError());
}

void flashlab_lab_run(flashlab_lab::Run& run) {
  const int N = static_cast<int>(run.number(1)), d = static_cast<int>(run.number(2));
  const int limit = static_cast<int>(run.number(4)), what = static_cast<int>(run.number(5));
  if (what == 2) {
    FLASHLAB_LAB_LAUNCH((survey), dim3(1), dim3(1), 0, N, d, limit, run.scratch());
    run.check(cudaGetLastError());
    for (int i = 0; i < 5; ++i) run.answer(run.fetch(i));
    return;
  }
  FLASHLAB_LAB_LAUNCH((ask_for_plan), dim3(1), dim3(1), 0, N, d, limit, what, run.scratch());
  run.check(cudaGetLastError());
  for (int i = 0; i < 4; ++i) run.answer(run.fetch(i));
  const int runs = static_cast<int>(run.fetch(1));
  d == 32 ? launch_fused<32>(run, runs) : launch_fused<64>(run, runs);
}
