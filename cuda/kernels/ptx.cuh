#pragma once
// The instructions of the card that C++ has no word for, one small function each.

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace flashlab {

// 2ˣ to 2 ulp; results below 2⁻¹²⁶ become zero. −inf gives 0.
__device__ inline float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace flashlab
