#pragma once
/// \file
/// Compiles CUDA files for the simt machine: preprocess, rewrite, compile with the compiler's memory hooks.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "sim/simt/rewrite/rewrite.hpp"

namespace flashlab::simt {

struct CompileOptions {
  std::string compiler = "g++";
  std::filesystem::path include_dir;      ///< where cuda_runtime.h stands: sim/simt/include
  std::vector<std::string> flags;         ///< -I, -D and the like, for the preprocessor and the compiler
  std::filesystem::path dependency_file;  ///< written in make's syntax when not empty
  bool native = true;                     ///< use this processor's instructions
  /// __CUDA_ARCH__, unless the flags define it. 800 by default: 900 would ask for TMA and wgmma, which are not there. Host
  /// and device code are one compilation: host code sees it too.
  int architecture = 800;
  std::vector<std::string> code_flags;  ///< for the compiler alone, after all others
  /// Sees the compiler's assembly and answers with what is assembled instead; may be empty.
  std::function<std::string(std::string)> on_assembly;
};

/// The rewritten source of a CUDA file. Throws UsageError with the compiler's words when the file does not preprocess,
/// EnvironmentError naming each line that uses what the machine cannot run.
Rewritten preprocess_and_rewrite(const std::filesystem::path& source, const CompileOptions& options);

/// Compiles rewritten source to an object file. Throws UsageError with the compiler's first errors.
void compile(const Rewritten& rewritten, const std::filesystem::path& object, const CompileOptions& options);

/// The flags that make the compiler call a hook before every access and leave the accesses as the source has them.
const std::vector<std::string>& hook_flags();

struct CommandResult {
  int exit_code = 0;
  std::string output;  ///< stdout and stderr together
};
/// Runs a program without a shell. Throws EnvironmentError when it cannot be started.
CommandResult run_command(const std::vector<std::string>& arguments);

}  // namespace flashlab::simt
