#pragma once
/// \file
/// Host code that touches device memory, where on a machine with a card the program would end.

#include "sim/simt/runtime/entry.hpp"

namespace flashlab::simt {

/// An access from outside of kernels, at an offset of the window: a finding when it lies in memory of cudaMalloc's, once
/// an instruction. Memory that host and device share is open to both.
void note_host_access(Kind kind, Offset offset, std::uint32_t site);

}  // namespace flashlab::simt
