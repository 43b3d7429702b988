// Every kernel of registers, which its header instantiates, and four of tensor-core, for sass_test.cpp to look at.

#include "cuda/kernels/registers.cuh"
#include "cuda/kernels/tensor_core.cuh"

namespace flashlab {

#define TENSOR_CORE(T, d, causal)                                                                         \
  template __global__ void tensor_core<T, d, causal, TensorCoreOptions>(const T*, const T*, const T*, T*, \
                                                                        float*, int, int, int, int, float);

TENSOR_CORE(__nv_bfloat16, 64, false)
TENSOR_CORE(__nv_bfloat16, 64, true)
TENSOR_CORE(__nv_bfloat16, 128, false)
TENSOR_CORE(__nv_bfloat16, 128, true)

}  // namespace flashlab
