#pragma once
/// \file
/// From CUDA C++ to C++: turns preprocessed CUDA source into source for an ordinary compiler, line by line, so that
/// debug information still names the lines of the original files.

#include <string>
#include <string_view>
#include <vector>

namespace flashlab::simt {

/// Something in the source that the simt machine cannot run.
struct Unsupported {
  std::string file;
  int line = 0;
  std::string what;  ///< "the PTX instruction `wgmma.fence.sync.aligned`"
};

struct Rewritten {
  std::string text;
  std::vector<Unsupported> unsupported;
  int launches = 0;
  int kernels = 0;
};

/// Rewrites, in preprocessed text (comments gone, macros expanded, `# 12 "file"` line marks in place):
/// - `k<<<grid, block, bytes, stream>>>(a)` to a call with the same arguments,
/// - `__shared__ T x[n], y;` to references into the block's shared memory,
/// - `extern __shared__ T x[];` to a pointer to the block's dynamic shared memory,
/// - `__global__` to nothing, `__noinline__` to the compiler's own attribute,
/// - inline PTX to calls that do the same (ptx.hpp); what is not known there is listed as unsupported.
/// Throws UsageError naming file and line for a launch or a declaration that cannot be understood.
Rewritten rewrite(std::string_view preprocessed);

}  // namespace flashlab::simt
