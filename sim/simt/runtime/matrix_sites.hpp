#pragma once
/// \file
/// Which instructions are ldmatrix: in a log they look like 16-byte loads.

#include <cstdint>

namespace flashlab::simt {

/// To be called by every lane that loads for the warp; cheap after the first time.
void note_matrix_site(std::uint32_t site);
bool is_matrix_site(std::uint32_t site);

}  // namespace flashlab::simt
