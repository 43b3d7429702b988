#pragma once
/// \file
/// The sources of the stage programs, as text: written when Flashlab is built, from the files that are compiled.

#include <array>
#include <string_view>
#include <utility>

namespace flashlab::view {

extern const std::array<std::pair<std::string_view, std::string_view>, 5> kStageSources;  ///< slug, text

}  // namespace flashlab::view
