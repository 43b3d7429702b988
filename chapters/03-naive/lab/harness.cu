// Lab 3: S (heads, N, N) from Q and K (heads, N, d). Numbers: heads, N, d. Buffers: Q, K, V (not used), S.
#include "flashlab_lab.cuh"

namespace student {
#include "solution.cu"
}

template <int d>
void launch_scores(flashlab_lab::Run& run) {
  const int heads = static_cast<int>(run.number(0)), N = static_cast<int>(run.number(1));
  const dim3 grid((N + 7) / 8, heads), block(32, 8);
  FLASHLAB_LAB_LAUNCH((student::scores<d>), grid, block, 0, static_cast<const float*>(run.buffer(0)),
                      static_cast<const float*>(run.buffer(1)), run.buffer(3), N, 1.0f / sqrtf(static_cast<float>(d)));
  run.check(cudaGetLastError());
}

void flashlab_lab_run(flashlab_lab::Run& run) {
  if (run.number(2) == 32) return launch_scores<32>(run);
  launch_scores<64>(run);
}
