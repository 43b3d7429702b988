#pragma once
/// \file
/// Tells the runtime how much arithmetic compiled code does, which hooks on memory do not see.

#include <string>
#include <string_view>

#include "sim/simt/arithmetic.hpp"

namespace flashlab::simt {

/// The class of a line of assembly (x86-64, GNU syntax): adds, products and their fusions in fp32 and fp64; `special`
/// for what a card's special function unit has a part in: divisions, roots, and calls of exp, log, sin and their kin.
Arithmetic arithmetic_of(std::string_view line);

/// Adds to the compiler's assembly a table of the basic blocks that do arithmetic, in the section `flashlab_arithmetic`:
/// for each how often it runs, then one 64-bit number a class. How often a block runs is told
/// - by its first access, whose threads are counted anyway: 0 and the address after the call of the hook; or, in a block
///   without any,
/// - by a counter of its own, a thread-local number that an added instruction increments: the address of a function that
///   answers where the file's counters lie, and the counter's index.
/// The added code keeps every register, and the flags where they may be needed; code must not use the red zone.
std::string mark_arithmetic(std::string_view assembly);

}  // namespace flashlab::simt
