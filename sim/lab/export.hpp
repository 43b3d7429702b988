#pragma once
/// \file
/// What a teacher uploads: the autograder for Gradescope, the template for GitHub Classroom.

#include <cstdint>
#include <filesystem>

#include "sim/lab/lab.hpp"

namespace flashlab::lab {

/// Writes the zip: `setup.sh` (Debian packages, then the build), `run_autograder`, and the source tree that they need,
/// without solutions and wrong submissions. Throws EnvironmentError when the source tree or cmake, which packs, is missing.
void export_gradescope(const Lab& lab, std::uint64_t seed, const std::filesystem::path& zip);

/// Makes a folder, the template of the students' repositories: starter, text, `.github/workflows/classroom.yml` with one
/// step a graded item, and the source tree as `.flashlab/`. Throws UsageError when the folder is there and not empty.
void export_classroom(const Lab& lab, std::uint64_t seed, const std::filesystem::path& folder);

}  // namespace flashlab::lab
