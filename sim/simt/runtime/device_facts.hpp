#pragma once
/// \file
/// The card that the simt machine poses as: what cudaGetDeviceProperties answers, and what a block may ask for.

#include <cstddef>
#include <string>

namespace flashlab::simt {

/// By default an H100 SXM, as its data sheet and the CUDA programming guide describe compute capability 9.0.
struct DeviceFacts {
  std::string card = "H100";
  int major = 9, minor = 0;
  int sm_count = 132;
  int threads_per_sm = 2048, blocks_per_sm = 32;
  std::size_t shared_bytes_per_block = 227 << 10;  ///< the most that a kernel can opt in to
  std::size_t shared_bytes_per_sm = 228 << 10;
  std::size_t shared_bytes_reserved = 1024;  ///< the system's own, a block
  std::size_t l2_bytes = 50 << 20;
  int clock_khz = 1980000, memory_clock_khz = 2619000, memory_bus_bits = 5120;  ///< 0: not told
};

const DeviceFacts& device_facts();
/// Before the program asks: before main.
void set_device_facts(DeviceFacts facts);

}  // namespace flashlab::simt
