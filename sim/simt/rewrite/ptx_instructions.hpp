#pragma once
/// \file
/// The PTX instructions that the simt machine knows, each as a line of C++. Meaning: PTX ISA, chapter 9.

#include <string>
#include <string_view>
#include <vector>

namespace flashlab::simt {

struct PtxOperand {
  enum class Kind { scalar, vector, memory } kind = Kind::scalar;
  std::vector<std::string> values;  ///< C++ expressions: one; one an element; address and offset in bytes
};

struct PtxInstruction {
  std::string_view mnemonic;  ///< "cp.async.cg.shared.global"
  std::vector<PtxOperand> operands;
};

/// C++ statements that do what the instruction does, or "" for one that is not known.
std::string code_of(const PtxInstruction& instruction);

/// The C++ type of a .reg declaration's type ("b32", "pred"), or "".
std::string_view register_type(std::string_view ptx_type);

/// What a special register (%laneid, %tid.x) reads as, or "".
std::string_view special_register(std::string_view name);

}  // namespace flashlab::simt
