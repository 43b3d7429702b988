#pragma once
/// \file
/// The page of a profile: the source with counters, and of a line its lanes over sectors and banks.

#include <string>

#include "sim/simt/profile/profile.hpp"
#include "sim/view/assets.hpp"

namespace flashlab::view {

inline constexpr std::size_t kMostLaunches = 64;  ///< a page carries no more; it says how many there were

/// As JSON of schema "flashlab.view/1": sources, and each launch's counters by line, direction and memory.
/// `profile` must have been made with ProfileOptions::by_instruction. Lines of files that cannot be read stay without
/// text.
std::string profile_json(const simt::Profile& profile, const simt::ProfileOptions& options);
std::string profile_page(const simt::Profile& profile, const simt::ProfileOptions& options,
                         const Assets& assets);

}  // namespace flashlab::view
