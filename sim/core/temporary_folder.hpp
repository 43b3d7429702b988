#pragma once
/// \file
/// A folder of the program's own that is gone, with all in it, at the end of the scope.

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "sim/core/error.hpp"

namespace flashlab {

class TemporaryFolder {
 public:
  /// A new folder `flashlab-PURPOSE-…` in `parent`: by default where the system keeps temporary files. Throws
  /// EnvironmentError when none can be made there.
  explicit TemporaryFolder(std::string_view purpose,
                           const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string pattern = (parent / ("flashlab-" + std::string(purpose) + "-XXXXXX")).string();
    if (mkdtemp(pattern.data()) == nullptr) throw EnvironmentError("cannot make a folder like " + pattern);
    path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace flashlab
