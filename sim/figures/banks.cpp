// Bank conflicts and the swizzle: addresses by the tensor-core kernel's own function, wavefronts by the simt machine's rule.

#include <fmt/format.h>

#include <array>

#include "sim/figures/drawing.hpp"
#include "sim/figures/figures.hpp"
#include "sim/simt/banks.hpp"
#include "sim/simt/stages/chunks.hpp"

namespace flashlab::figures {
namespace {

constexpr int kRows = 8, kChunks = 8, kRead = 2;

/// Wavefronts when each of a warp's quarters reads the same eight rows at chunk kRead: ldmatrix.x4 has four such reads.
int wavefronts(bool swizzle) {
  std::array<std::uint32_t, simt::kLanes> addresses{};
  for (int lane = 0; lane < simt::kLanes; ++lane) {
    addresses[static_cast<std::size_t>(lane)] = simt::tensor_core_chunk_offset(lane % kRows, kRead, swizzle);
  }
  return simt::shared_wavefronts(addresses, 16, 0xFF, false).count;  // one matrix: lanes 0 to 7 give its rows
}

std::string tile(double x, double y, bool swizzle) {
  constexpr double kCell = 40;
  std::string svg;
  for (int row = 0; row < kRows; ++row) {
    svg += text_at(x - 10, y + kCell * row + 24, fmt::format("{}", row), "small", "end");
    for (int chunk = 0; chunk < kChunks; ++chunk) {
      const std::uint32_t offset = simt::tensor_core_chunk_offset(row, chunk, swizzle);
      const std::uint32_t place =
          offset / 16 % kChunks;  // where in the row of 128 bytes: banks 4·place to 4·place + 3
      const double at = x + kCell * place;
      const bool read = chunk == kRead;
      svg += rect(at, y + kCell * row, kCell - 3, kCell - 3, read ? "c3" : "faint");
      svg += text_at(at + 18, y + kCell * row + 24, fmt::format("{}", chunk), read ? "on" : "small", "middle");
    }
  }
  for (int place = 0; place < kChunks; ++place) {
    svg += text_at(x + kCell * place + 18, y - 8, fmt::format("{}–{}", 4 * place, 4 * place + 3), "small",
                   "middle");
  }
  return svg;
}

}  // namespace

std::string banks() {
  std::string svg = open(780, 476, "Eight rows read at once: bank conflicts, and the swizzle",
                         "a tile of 16-bit elements with d = 64: rows of 128 bytes, eight chunks of 16 bytes; "
                         "the number is the chunk, its column the banks");
  for (int side = 0; side < 2; ++side) {
    const bool swizzle = side == 1;
    const double x = 48 + 380.0 * side;
    svg += text_at(x, 78, swizzle ? "chunk c of row r at c xor (r mod 8)" : "chunk c of row r at c", "title");
    svg += tile(x, 120, swizzle);
    const int count = wavefronts(swizzle);
    svg += text_at(x, 462,
                   fmt::format("chunk {} of all rows: {} wavefront{} through the banks", kRead, count,
                               count == 1 ? "" : "s"));
  }
  return svg + "</svg>\n";
}

}  // namespace flashlab::figures
