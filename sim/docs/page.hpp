#pragma once
/// \file
/// A Markdown page and the markers in it.

#include <filesystem>
#include <string>
#include <vector>

namespace flashlab::docs {

/// One marker, and the lines that it answers for. Lines count from 0.
struct Marker {
  enum Kind { output, snippet, figure, table, check, commands, given } kind;
  std::string options;             ///< "exit 1" of `<!-- output (exit 1): … -->`
  std::vector<std::string> body;   ///< what stands after the colon, line by line, blanks at the ends removed
  std::size_t line;                ///< of the marker
  std::size_t begin = 0, end = 0;  ///< [begin, end): the content of the block, table or paragraph
};

struct Page {
  std::filesystem::path path;  ///< below the root
  std::vector<std::string> lines;
  std::vector<Marker> markers;
  std::vector<bool>
      aside;  ///< of each line: it belongs to a block, a comment or a generated table; no running text

  std::string where(std::size_t line) const;  ///< "chapters/03-naive/README.md:12"
  /// The lines [begin, end) as one text with one blank between words, and without the signs of emphasis and code.
  std::string running_text(std::size_t begin, std::size_t end) const;
};

/// Reads the page `path` below `root`. A ```sh block without a marker gets one of its own, with an empty body.
/// Throws UsageError with file and line for an unknown or ill-placed marker.
Page read_page(const std::filesystem::path& root, const std::filesystem::path& path);

}  // namespace flashlab::docs
