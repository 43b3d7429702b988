#pragma once
/// \file
/// What the compiled kernels take, read from the machine code itself: no card, no driver, no tool of the toolkit.

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace flashlab::gpu {

/// One kernel as ptxas left it.
struct CompiledKernel {
  int architecture = 0;         ///< 90: sm_90 and sm_90a
  std::string name;             ///< demangled: "void flashlab::registers<64, false, 4>(float const*, …)"
  int registers = 0;            ///< of a thread
  std::size_t local_bytes = 0;  ///< of a thread's stack in local memory: spills, arrays with an index
  std::size_t static_shared_bytes = 0;  ///< of a block

  /// "registers<64, false, 4>".
  std::string_view short_name() const;
};

/// The kernels of every CUDA image (an ELF file of machine 190, not compressed) inside `bytes`, whatever stands around
/// them: a cubin, an object file, a program. An image that is torn, or says what cannot be, is left out.
std::vector<CompiledKernel> compiled_kernels(std::string_view bytes);

/// The same from a file; throws EnvironmentError when it cannot be read.
std::vector<CompiledKernel> compiled_kernels_of(const std::filesystem::path& file);

}  // namespace flashlab::gpu
