#pragma once
/// \file
/// Counts arithmetic, from the table that the compile step adds (compile/arithmetic_marks.hpp): a block of code runs as
/// often as one of its accesses, or has a counter of its own.

#include <cstdint>

#include "sim/simt/arithmetic.hpp"

namespace flashlab::simt {

/// An access that is no memory access (a lane's own stack, a constant): its block has run all the same.
void note_uncounted(std::uint32_t site);

/// Of the calling OS thread: sets its counters to zero; adds what they have counted since.
void forget_arithmetic();
void add_arithmetic(ArithmeticCounts& total);

/// The part that the accesses of one instruction tell: `threads` of them.
void add_arithmetic_at(std::uint32_t site, std::uint64_t threads, ArithmeticCounts& total);

/// How long it takes, for the trace.
ArithmeticWork arithmetic_work_at(std::uint32_t site);
/// What blocks with a counter have done on this OS thread since the last call, added up over lanes.
ArithmeticWork take_counted_work();

}  // namespace flashlab::simt
