#pragma once
/// \file
/// Whole text files.

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <utility>

#include "sim/core/atomic_file.hpp"
#include "sim/core/error.hpp"

namespace flashlab {

/// All bytes of a file of the program's own or of the user's. Throws EnvironmentError, "PATH: cannot be read".
inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (in && in.peek() != std::ifstream::traits_type::eof()) text << in.rdbuf();
  if (in.bad() || !in.is_open() || std::filesystem::is_directory(path))
    throw EnvironmentError(fmt::format("{}: cannot be read", path.string()));
  return std::move(text).str();
}

/// The file is there in full or not at all. Throws EnvironmentError.
inline void write_text(const std::filesystem::path& path, const std::string& text) {
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

}  // namespace flashlab
