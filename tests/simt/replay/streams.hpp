#pragma once
/// \file
/// Block traces written down by hand, of kernels simple enough for that: what the tests and the sweep replay.

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "sim/memory/cache.hpp"
#include "sim/simt/replay/occupancy.hpp"
#include "sim/simt/trace.hpp"

namespace flashlab::simt {

/// The requests of one warp, written with one call a warp instruction.
class WarpStream {
 public:
  /// `lines` whole lines from `line` on: what 32 lanes × 16 bytes (4 lines) or 32 × 4 bytes (1 line) touch.
  void load(std::uint64_t line, int lines = 1) { put(LineOp::load, line, lines); }
  void store(std::uint64_t line, int lines = 1) { put(LineOp::store, line, lines); }
  void shared(std::uint64_t accesses) { requests.push_back({accesses, 0, LineOp::shared, 0, 0, 0}); }
  void barrier() { requests.push_back({0, 0, LineOp::barrier, 0, 0, 0}); }
  /// One line of an instruction, `left` more to follow.
  void touch(LineOp op, std::uint64_t line, SectorMask sectors, SectorMask whole = 0, int left = 0,
             std::uint32_t site = 0) {
    requests.push_back({line, site, op, static_cast<std::uint8_t>(sectors & 0xF),
                        static_cast<std::uint8_t>(whole & 0xF), static_cast<std::uint16_t>(left)});
  }
  std::vector<LineRequest> requests;

 private:
  void put(LineOp op, std::uint64_t line, int lines) {
    for (int i = 0; i < lines; ++i) {
      touch(op, line + static_cast<std::uint64_t>(i), 0xF, op == LineOp::store ? 0xF : 0, lines - 1 - i);
    }
  }
};

/// A kernel given as a function of block and warp.
class Stream : public BlockSource {
 public:
  using Fill = std::function<void(std::uint64_t block, int warp, WarpStream&)>;
  Stream(std::uint64_t blocks, int threads, Fill fill)
      : blocks_(blocks), warps_(threads / 32), fill_(std::move(fill)) {}

  std::uint64_t block_count() const override { return blocks_; }
  BlockTrace run(std::uint64_t block) override {
    BlockTrace trace;
    for (int warp = 0; warp < warps_; ++warp) {
      WarpStream stream;
      fill_(block, warp, stream);
      trace.warps.push_back(std::move(stream.requests));
    }
    return trace;
  }
  KernelResources resources() const { return {.threads_per_block = warps_ * 32}; }

 private:
  std::uint64_t blocks_;
  int warps_;
  Fill fill_;
};

inline constexpr std::uint64_t kLinesPerMiB = (std::uint64_t{1} << 20) / kLineBytes;
inline constexpr std::uint64_t kOtherArray = std::uint64_t{1} << 30;  ///< the line where a second array starts

/// Calls `body(line)` for each 4-line instruction of a warp in a grid-stride loop of float4 over `mib`, by 1056 blocks
/// of 256 threads: the shape of the measured sweep.
template <class Body>
void grid_stride(std::uint64_t block, int warp, std::uint64_t mib, const Body& body) {
  const std::uint64_t first = (block * 8 + static_cast<std::uint64_t>(warp)) * 4;
  for (std::uint64_t line = first; line < mib * kLinesPerMiB; line += 1056 * 8 * 4) body(line);
}

inline Stream fill_stream(std::uint64_t mib) {
  return Stream(1056, 256, [=](std::uint64_t block, int warp, WarpStream& out) {
    grid_stride(block, warp, mib, [&](std::uint64_t line) { out.store(line, 4); });
  });
}

inline Stream read_stream(std::uint64_t mib, int times) {
  return Stream(1056, 256, [=](std::uint64_t block, int warp, WarpStream& out) {
    for (int t = 0; t < times; ++t) {
      grid_stride(block, warp, mib, [&](std::uint64_t line) { out.load(line, 4); });
    }
  });
}

inline Stream copy_stream(std::uint64_t mib) {
  return Stream(1056, 256, [=](std::uint64_t block, int warp, WarpStream& out) {
    grid_stride(block, warp, mib, [&](std::uint64_t line) {
      out.load(line, 4);
      out.store(kOtherArray + line, 4);
    });
  });
}

/// Softmax over the rows of an n × n matrix of floats, a warp a row, 8 rows a block: three reads of S, one write of P.
inline Stream softmax_stream(std::uint64_t n) {
  return Stream(n / 8, 256, [=](std::uint64_t block, int warp, WarpStream& out) {
    const std::uint64_t row_lines = n / 32;
    const std::uint64_t first = (block * 8 + static_cast<std::uint64_t>(warp)) * row_lines;
    for (int pass = 0; pass < 3; ++pass) {
      for (std::uint64_t i = 0; i < row_lines; ++i) {
        out.load(first + i);
        if (pass == 2) out.store(kOtherArray + first + i);
      }
    }
  });
}

/// S = Q Kᵀ, n × n, head dimension d, a thread an element, blocks of 32 × `rows`: for each k one word of Q for the whole
/// warp, and one word of each of 32 rows of K.
inline Stream qk_stream(std::uint64_t n, std::uint64_t d, int rows) {
  return Stream(n / 32 * (n / static_cast<std::uint64_t>(rows)), rows * 32,
                [=](std::uint64_t block, int warp, WarpStream& out) {
                  const std::uint64_t column = block % (n / 32) * 32;
                  const std::uint64_t row =
                      block / (n / 32) * static_cast<std::uint64_t>(rows) + static_cast<std::uint64_t>(warp);
                  for (std::uint64_t k = 0; k < d; ++k) {
                    const auto word = [&](std::uint64_t array, std::uint64_t index, int left) {
                      out.touch(LineOp::load, array + index / 32, 1u << index / 8 % 4, 0, left);
                    };
                    word(0, row * d + k, 0);
                    for (std::uint64_t lane = 0; lane < 32; ++lane) {
                      word(kOtherArray, (column + lane) * d + k, static_cast<int>(31 - lane));
                    }
                  }
                  out.store(2 * kOtherArray + (row * n + column) / 32);
                });
}

}  // namespace flashlab::simt
