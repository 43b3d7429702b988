#pragma once
// How hopper is launched: a TMA map of each tensor, the order of the work, a counter that hands it out.

#include "cuda/kernels/hopper.cuh"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace flashlab {

// A (heads, N, d) tensor as TMA sees it: (heads, panel, N, width), with N and the panel exchanged so that a box of
// `box_rows` rows is d / width panels one after the other.
template <class T>
inline cudaError_t hopper_map(CUtensorMap& map, const T* x, int heads, int N, int d, int box_rows, int width) {
  static const auto encode = [] {
    void* entry = nullptr;
    cudaDriverEntryPointQueryResult found;
    cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, 12000, cudaEnableDefault, &found);
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(entry);
  }();
  if (encode == nullptr) return cudaErrorInsufficientDriver;
  const auto size = [](auto n) { return static_cast<cuuint64_t>(n); };
  const cuuint64_t extent[4] = {size(width), size(N), size(d / width), size(heads)};
  const cuuint64_t stride[3] = {size(d) * sizeof(T), width * sizeof(T), size(N) * d * sizeof(T)};  // of dimensions 1, 2, 3
  const cuuint32_t step[4] = {1, 1, 1, 1};
  const cuuint32_t box[4] = {static_cast<cuuint32_t>(width), static_cast<cuuint32_t>(box_rows), static_cast<cuuint32_t>(d / width), 1};
  const CUresult result =
      encode(&map, std::is_same_v<T, __half> ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 4,
             const_cast<T*>(x), extent, stride, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE,
             width == 64 ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_NONE,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return result == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

constexpr int kHopperCounters = 256;                             // launches that may be under way at a time
static __device__ unsigned hopper_taken[kHopperCounters];        // all 0 between launches

template <class T, int d, bool causal, class Options>
cudaError_t launch_hopper_shape(const T* Q, const T* K, const T* V, T* O, float* L, const AttentionShape& shape, cudaStream_t stream) {
  using Tile = HopperTile<d, Options>;
  const auto kernel = hopper<T, d, causal, Options>;
  constexpr int shared_bytes = sizeof(HopperShared<T, d, Tile>);
  const int N = shape.seq, heads = shape.batch * shape.heads, kv_heads = shape.batch * shape.kv_heads;
  CUtensorMap gQ, gK, gV, gO;
  for (const cudaError_t error : {hopper_map(gQ, Q, heads, N, d, 64, Tile::width), hopper_map(gK, K, kv_heads, N, d, Tile::Bc, Tile::width),
                                  hopper_map(gV, V, kv_heads, N, d, Tile::Bc, Tile::width), hopper_map<T>(gO, O, heads, N, d, 64, Tile::width),
                                  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes)}) {
    if (error != cudaSuccess) return error;
  }
  int device = 0, sms = 0;
  unsigned* taken = nullptr;
  static std::atomic<unsigned> launches{0};
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, device);
  if (const cudaError_t error = cudaGetSymbolAddress(reinterpret_cast<void**>(&taken), hopper_taken); error != cudaSuccess) return error;
  const int row_tiles = (N + Tile::Br - 1) / Tile::Br;
  const HopperWork work{.N = N, .heads_per_kv_head = shape.heads / shape.kv_heads, .batch_heads = heads, .row_tiles = row_tiles,
                        .last_heads = causal ? std::min(heads, (3 * sms + row_tiles - 1) / row_tiles) : 0,
                        .scale_log2 = 1.44269504f / std::sqrt(static_cast<float>(d)), .taken = taken + launches++ % kHopperCounters};
  const int tiles = heads * row_tiles;
  kernel<<<Options::persistent ? std::min(tiles, sms) : tiles, Tile::threads, shared_bytes, stream>>>(gQ, gK, gV, gO, L, work);
  return cudaGetLastError();
}

// O (batch, heads, N, d) = softmax(Q Kᵀ / √d) V and L (batch, heads, N) = m + log l; K and V (batch, kv_heads, N, d), where
// kv_heads divides heads. T is __half or __nv_bfloat16; d is 64, 128 or 256. All pointers are multiples of 16 bytes.
template <class T, class Options = HopperOptions>
cudaError_t launch_hopper(const T* Q, const T* K, const T* V, T* O, float* L, const AttentionShape& shape, cudaStream_t stream = 0) {
  if (!is_valid(shape)) return cudaErrorInvalidValue;
  return with_bools(shape.causal, [&](auto causal) {
    switch (shape.dim) {
      case 64: return launch_hopper_shape<T, 64, causal, Options>(Q, K, V, O, L, shape, stream);
      case 128: return launch_hopper_shape<T, 128, causal, Options>(Q, K, V, O, L, shape, stream);
      case 256: return launch_hopper_shape<T, 256, causal, Options>(Q, K, V, O, L, shape, stream);
      default: return cudaErrorInvalidValue;
    }
  });
}

}  // namespace flashlab
