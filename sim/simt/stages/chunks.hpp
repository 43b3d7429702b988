#pragma once
/// \file
/// Addresses that the kernels compute, for figures and tests.

#include <cstdint>

namespace flashlab::simt {

/// Byte offset of the 16-byte chunk `chunk` (0 to 7) of row `row` in a tile of the tensor-core kernel with d = 64: the
/// kernel's own function, `Chunks<64, swizzle>::offset` of cuda/kernels/tensor_core.cuh.
[[gnu::visibility("default")]] std::uint32_t tensor_core_chunk_offset(int row, int chunk, bool swizzle);

}  // namespace flashlab::simt
