#pragma once
/// \file
/// From a submission to a program that runs it: vetted, compiled with its lab's harness within limits, its object looked
/// through, linked, kept in a cache.

#include <filesystem>
#include <string>
#include <vector>

namespace flashlab::lab {

struct BuildOptions {
  std::filesystem::path submission;  ///< the student's file
  std::filesystem::path harness;     ///< the lab's
  std::filesystem::path cache_dir;   ///< of built programs
  int cpu_s = 20;                    ///< of each step of the compiler
};

struct Build {
  std::filesystem::path program;  ///< empty when there is none
  bool refused = false;           ///< by the rules of the labs, not by the compiler
  std::string why;                ///< when there is no program: lines of "solution.cu:12: …"
};

/// For a card, with nvcc: of one's own work on one's own machine, for no wall stands around what it makes. Ten to twenty
/// seconds, or none when nothing changed. Throws EnvironmentError when there is no nvcc or no card.
Build build_for_card(const BuildOptions& options);

/// Never runs anything of the submission. Two to four seconds, or none when nothing changed. Throws EnvironmentError when
/// the machine lacks a compiler.
Build build(const BuildOptions& options);

/// What an object may call: nothing else may stand undefined in it. For tests.
bool may_call(std::string_view symbol);

/// What an object may define for others to see. For tests.
bool may_define(std::string_view symbol);

/// $XDG_CACHE_HOME/flashlab/labs or ~/.cache/flashlab/labs, else a folder for temporary files.
std::filesystem::path default_cache();

}  // namespace flashlab::lab
