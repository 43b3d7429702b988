#pragma once
/// \file
/// The first wall around a submission: its words, before a compiler sees them. What passes is plain device code that
/// cannot name anything of the grader's; what it may call and touch is held by the walls after it (build.hpp, child/).

#include <string>
#include <string_view>
#include <vector>

namespace flashlab::lab {

/// Why a submission is not compiled.
struct Refusal {
  int line = 0;      ///< of the submission, from 1
  std::string what;  ///< "`asm`: inline assembly is not part of the labs"
};

struct VetOptions {
  std::size_t largest_bytes = std::size_t{256} << 10;
  /// Words that the lab's harness uses: a submission must not define macros of these names.
  std::vector<std::string> taken_names;
};

/// Everything in the source that is refused, in order of the lines; empty when it may be compiled.
///
/// Refused are: bytes that are not plain text, `\` outside of strings but at the end of a macro's line, digraphs;
/// directives other than #include of CUDA's and C++'s mathematical headers, #define, #undef of what was defined, #if and
/// its kin, #pragma once and #pragma unroll; `##`; macros named like keywords, like CUDA's words or like `taken_names`;
/// inline assembly, attributes, exceptions, virtual functions, new and delete, function pointers' builtins, atomics of
/// C++, names that begin with flashlab, cuda or a compiler's prefix; launches; declarations without a body; variables
/// outside of functions that are not constexpr; braces that do not pair. Linear in the size of the source.
std::vector<Refusal> vet(std::string_view source, const VetOptions& options = {});

}  // namespace flashlab::lab
