#pragma once
/// \file
/// What the simt machine finds wrong with a kernel while it runs.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/simt/counters.hpp"

namespace flashlab::simt {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
  std::uint64_t count() const { return std::uint64_t{x} * y * z; }
  bool operator==(const Dim3&) const = default;
};

enum class FindingKind : std::uint8_t {
  race,  ///< two warps touch a shared word between two barriers, one of them writing; or two lanes of a warp, not in step
  out_of_bounds,         ///< outside every allocation, or past the block's shared memory
  misaligned,            ///< a vector access whose address is no multiple of its width
  unwritten_read,        ///< memory that nothing wrote since it was allocated (shared: since the block began)
  host_pointer,          ///< memory of the host in device code
  device_pointer,        ///< memory of the device in host code
  divergent_barrier,     ///< a barrier that some threads of the block passed by, or met elsewhere
  divergent_collective,  ///< a warp collective whose lanes came from different lines
  deadlock,              ///< nobody can go on
  trap,                  ///< assert or __trap
  leak,                  ///< allocated and never freed
};

std::string_view name_of(FindingKind kind);
/// Fatal findings end the launch, as they would on the card.
bool is_fatal(FindingKind kind);

struct Finding {
  FindingKind kind;
  std::string kernel;
  Dim3 block{0, 0, 0}, thread{0, 0, 0};  ///< of the first occurrence
  std::uint32_t site = 0;                ///< 0: no instruction is to blame
  std::uint32_t other_site = 0;          ///< race: the access before it
  bool within_warp = false;              ///< race: of two lanes of one warp
  std::uint64_t occurrences = 1;
  std::string what;   ///< the fact: address, allocation, offset
  std::string cause;  ///< a sentence on the likely cause
};

/// Adds a finding to others, where the same is known already to its occurrences: one a kind, kernel and site. A race
/// between warps takes the place of one within a warp, since what cures it cures both.
void add_finding(std::vector<Finding>& all, Finding finding);

/// What to look for. Bounds, alignment, host pointers and barriers are always looked at.
struct CheckOptions {
  bool races = false;
  bool unwritten = false;
  /// For code that is not trusted: kernels may not touch the program's own variables, and nothing is looked up in files
  /// while they run (barriers and collectives that meet at different places of the source then pass unseen).
  bool closed = false;
};

/// One paragraph: kind, kernel, block, thread, line of site and of other_site, fact, cause.
std::string describe(const Finding& finding, const SourceLine& line, const SourceLine& other = {});

}  // namespace flashlab::simt
