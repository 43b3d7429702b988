#include "sim/simt/replay/huge_pages.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <vector>

using flashlab::simt::HugePages;

TEST_CASE("pieces of large pages are aligned, do not overlap, and hold what is written to them") {
  HugePages memory;
  struct Piece {
    unsigned char* at;
    std::size_t bytes, alignment;
  };
  std::vector<Piece> pieces;
  // the last ones are a region by themselves; together they need several
  for (const std::size_t bytes : {1, 64, 1000, 4096, 1 << 20, 3 << 20, 4 << 20, 5 << 20}) {
    for (const std::size_t alignment : {1, 8, 64, 4096}) {
      for (int i = 0; i < 4; ++i) {
        auto* const at = static_cast<unsigned char*>(memory.allocate(bytes, alignment));
        CHECK(reinterpret_cast<std::uintptr_t>(at) % alignment == 0);
        std::memset(at, static_cast<int>(pieces.size()), bytes);
        pieces.push_back({at, bytes, alignment});
      }
    }
  }
  for (std::size_t i = 0; i < pieces.size(); i += 2)  // every other one goes
    memory.deallocate(pieces[i].at, pieces[i].bytes, pieces[i].alignment);
  for (std::size_t i = 1; i < pieces.size(); i += 2) {
    const Piece& piece = pieces[i];
    CHECK(piece.at[0] == i);
    CHECK(std::memcmp(piece.at, piece.at + 1, piece.bytes - 1) == 0);  // all bytes are the same
  }
  std::pmr::vector<std::uint64_t> grows(&memory);
  for (std::uint64_t i = 0; i < 1'000'000; ++i) grows.push_back(i);
  CHECK(grows[999'999] == 999'999);
}
