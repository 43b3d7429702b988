#pragma once
/// \file
/// Inline PTX to C++: an asm statement becomes a block that calls the functions of flashlab/ptx.h.

#include <string>
#include <string_view>
#include <vector>

namespace flashlab::simt {

/// One operand of an asm statement: `"=r"(x)` is {"=r", "x"}.
struct AsmOperand {
  std::string constraint, expression;
};

/// An asm statement in parts. `text` is what its string literals hold, escapes resolved.
struct AsmStatement {
  std::string text;
  bool extended = false;  ///< it has a colon: %0 is an operand and %% a percent sign
  std::vector<AsmOperand> outputs, inputs;
};

struct TranslatedAsm {
  std::string code;     ///< a C++ statement without its semicolon; empty when something is unknown
  std::string unknown;  ///< "the PTX instruction wgmma.fence.sync.aligned": what cannot be run
};

/// Registers are variables named after the operands (%0 is flashlab_0) and the .reg declarations, with the width that
/// constraint or declaration gives; outputs are written when all instructions have run.
TranslatedAsm translate_asm(const AsmStatement& statement);

/// The characters of a string literal with its quotes, raw or plain, escapes resolved.
std::string literal_value(std::string_view token);

}  // namespace flashlab::simt
