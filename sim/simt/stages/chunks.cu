#include "sim/simt/stages/chunks.hpp"

#include "cuda/kernels/tensor_core.cuh"

namespace flashlab::simt {

uint32_t tensor_core_chunk_offset(int row, int chunk, bool swizzle) {
  return swizzle ? Chunks<64, true>::offset(row, chunk) : Chunks<64, false>::offset(row, chunk);
}

}  // namespace flashlab::simt
