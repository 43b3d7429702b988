#pragma once
// What the kernels of the upper rungs take: batches, grouped queries, a mask.

#include <cuda_runtime.h>

#include <algorithm>
#include <type_traits>

namespace flashlab {

// Q, O (batch, heads, N, d); K, V (batch, kv_heads, N, d); query head h reads key head h · kv_heads / heads.
struct AttentionShape {
  int batch = 1, heads = 1, kv_heads = 1;  // kv_heads divides heads
  int seq = 1, dim = 64;
  bool causal = false;
};

// call(std::true_type) or call(std::false_type): a run-time flag becomes a compile-time one.
template <class Call>
auto with_bools(bool flag, Call call) {
  return flag ? call(std::true_type{}) : call(std::false_type{});
}

}  // namespace flashlab
