#pragma once
/// \file
/// The book's figures as SVG: each is computed anew from the machines, the device profiles or the kernels' functions.

#include <span>
#include <string>
#include <string_view>

namespace flashlab::figures {

struct Figure {
  std::string_view name;  ///< "passes": flashlab figure passes
  std::string_view shows;
  std::string (*draw)();  ///< the whole SVG; follows light and dark
};

/// In the order of the book.
std::span<const Figure> all();

/// Throws UsageError that lists the figures and names the nearest.
const Figure& figure_from_name(std::string_view name);

std::string passes();         ///< how often S and P cross the HBM boundary, stage by stage
std::string memory();         ///< the memories of an H100: areas to scale
std::string loops();          ///< the order of tiles under either outer loop, and what moves
std::string online_update();  ///< m, l and o of a short row, tile by tile, with numbers
std::string banks();          ///< which banks eight rows meet, with and without swizzle
std::string hopper();         ///< who waits for whom in the hopper kernel: a scheme

}  // namespace flashlab::figures
