#pragma once
/// \file
/// From a warp access to the lines that it touches, as the trace keeps them.

#include "sim/simt/runtime/tally.hpp"
#include "sim/simt/trace.hpp"

namespace flashlab::simt {

/// Adds to the stream of `warp` the lines that the access touches, in the order in which its lanes meet them. Every
/// lane's address must be a multiple of its width. O(1) for evenly spaced lanes that lie densely or whole lines apart,
/// else O(lanes).
void add_lines(TraceWriter& trace, std::size_t warp, std::uint32_t site, LineOp op, const WarpAccess& a);

}  // namespace flashlab::simt
