// Lab 4: O (heads, N, d) from Q, K and V. Numbers: heads, N, d, bytes of shared memory. Buffers: Q, K, V, O. With N = 0 the
// plan alone is asked.
#include "flashlab_lab.cuh"

namespace student {
#include "solution.cu"
}

__global__ void ask_for_plan(int N, int d, int sram_bytes, long long* out) {
  const student::Plan p = student::plan(N, d, sram_bytes);
  out[0] = p.rows;
  out[1] = p.shared_bytes;
}
__global__ void ask_for_limits(int d, int sram_bytes, long long* out) {
  const int largest = student::largest_N(d, sram_bytes);
  out[0] = largest;
  const int N[5] = {1, largest / 2, largest, largest + 1, 2 * largest};
  for (int i = 0; i < 5; ++i) {
    const student::Plan p = student::plan(N[i], d, sram_bytes);
    out[1 + 2 * i] = p.rows;
    out[2 + 2 * i] = p.shared_bytes;
  }
}

template <int d>
void launch_fused(flashlab_lab::Run& run) {
  const int heads = static_cast<int>(run.number(0)), N = static_cast<int>(run.number(1));
  const int sram = static_cast<int>(run.number(3));
  if (N == 0) {
    FLASHLAB_LAB_LAUNCH((ask_for_limits), dim3(1), dim3(1), 0, d, sram, run.scratch());
    run.check(cudaGetLastError());
    for (int i = 0; i < 11; ++i) run.answer(run.fetch(i));
    return;
  }
  FLASHLAB_LAB_LAUNCH((ask_for_plan), dim3(1), dim3(1), 0, N, d, sram, run.scratch());
  run.check(cudaGetLastError());
  const long long rows = run.fetch(0), bytes = run.fetch(1);
  if (rows < 1 || rows > 4096 || bytes < 0 || bytes > sram) return run.check(cudaErrorInvalidConfiguration);
  const dim3 grid(static_cast<unsigned>((N + rows - 1) / rows), heads), block(32, 4);
  FLASHLAB_LAB_LAUNCH((student::fused<d>), grid, block, bytes, static_cast<const float*>(run.buffer(0)),
                      static_cast<const float*>(run.buffer(1)), static_cast<const float*>(run.buffer(2)),
                      run.buffer(3), N, static_cast<int>(rows), 1.0f / sqrtf(static_cast<float>(d)));
  run.check(cudaGetLastError());
}

void flashlab_lab_run(flashlab_lab::Run& run) {
  if (run.number(2) == 32) return launch_fused<32>(run);
  launch_fused<64>(run);
}
