#pragma once
// What a lab's harness includes before the submission: CUDA's headers, and the run that it is to make. The same harness
// is compiled for the simt machine and, by nvcc, for a card.

#include <cuda_runtime.h>

#include <cooperative_groups.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_pipeline.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <math_constants.h>
#include <mma.h>
#include <stddef.h>
#include <stdint.h>

#include <algorithm>
#include <cassert>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

namespace flashlab_lab {

/// One run: numbers and device memory from the grader, answers back.
class Run {
 public:
  long long number(int i) const;   ///< a shape or choice of the job
  float* buffer(int i) const;      ///< device memory
  long long* scratch() const;      ///< 64 numbers of device memory, all 0, for plans
  long long fetch(int i) const;    ///< scratch()[i], read back
  void answer(long long value);    ///< goes to the grader
  void check(cudaError_t error);   ///< the first error of a launch or call is kept
};

}  // namespace flashlab_lab

/// Every lab's harness defines it: makes the launches of one run.
void flashlab_lab_run(flashlab_lab::Run& run);

// A launch: FLASHLAB_LAB_LAUNCH((kernel<64>), grid, block, shared_bytes, arguments…). For the simt machine the kernel is
// called by name, so that no call through a pointer is in the submission's object.
#ifdef __FLASHLAB_SIMT__
#define FLASHLAB_LAB_NAME(...) __VA_ARGS__
#define FLASHLAB_LAB_LAUNCH(kernel, grid, block, bytes, ...)                                               \
  ::flashlab_simt::deduced(::flashlab_simt::Config(#kernel, grid, block, static_cast<std::size_t>(bytes)), \
                           [](auto... a) __attribute__((no_sanitize("thread"))) {                          \
                             FLASHLAB_LAB_NAME kernel(a...);                                               \
                           })(__VA_ARGS__)
#else
#define FLASHLAB_LAB_NAME(...) __VA_ARGS__
#define FLASHLAB_LAB_LAUNCH(kernel, grid, block, bytes, ...)                                                    \
  do {                                                                                                          \
    cudaFuncSetAttribute(FLASHLAB_LAB_NAME kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)(bytes));  \
    FLASHLAB_LAB_NAME kernel<<<grid, block, bytes>>>(__VA_ARGS__);                                              \
  } while (0)
#endif
