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
  WarpStream(TraceWriter& trace, int warp) : trace_(trace), warp_(static_cast<std::size_t>(warp)) {}
  /// `lines` whole lines from `line` on: what 32 lanes × 16 bytes (4 lines) or 32 × 4 bytes (1 line) touch.
  void load(std::uint64_t line, int lines = 1) { put(LineOp::load, line, lines, {0xF, 0}); }
  void store(std::uint64_t line, int lines = 1) { put(LineOp::store, line, lines, {0xF, 0xF}); }
  void work(const WarpWork& work) { trace_.add(warp_, work); }
  void barrier() { trace_.add(warp_, 0, {.op = LineOp::barrier, .lines = 0}); }
  /// One line of an instruction, `left` more to follow.
  void touch(LineOp op, std::uint64_t line, SectorMask sectors, SectorMask whole = 0, int left = 0,
             std::uint32_t site = 0) {
    trace_.add(warp_, line, {.site = site, .op = op, .more = left > 0, .first = {sectors, whole}});
  }
  /// `lines` lines, `stride` apart, of all of which the same sectors are read.
  void gather(std::uint64_t line, int lines, int stride, SectorMask sectors) {
    const TouchedSectors s(sectors, 0);
    trace_.add(
        warp_, line,
        {.stride = stride, .lines = static_cast<std::uint8_t>(lines), .first = s, .middle = s, .last = s});
  }

 private:
  void put(LineOp op, std::uint64_t line, int lines, TouchedSectors s) {
    trace_.add(warp_, line,
               {.op = op, .lines = static_cast<std::uint8_t>(lines), .first = s, .middle = s, .last = s});
  }
  TraceWriter& trace_;
  std::size_t warp_;
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
    TraceWriter writer;
    writer.begin(trace, static_cast<std::size_t>(warps_));
    for (int warp = 0; warp < warps_; ++warp) {
      WarpStream stream(writer, warp);
      fill_(block, warp, stream);
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

/// S = Q Kᵀ, n × n, head dimension d (a multiple of 32), a thread an element, blocks of 32 × `rows`: for each k one word of Q for the whole
/// warp, and one word of each of 32 rows of K.
inline Stream qk_stream(std::uint64_t n, std::uint64_t d, int rows) {
  return Stream(n / 32 * (n / static_cast<std::uint64_t>(rows)), rows * 32,
                [=](std::uint64_t block, int warp, WarpStream& out) {
                  const std::uint64_t column = block % (n / 32) * 32;
                  const std::uint64_t row =
                      block / (n / 32) * static_cast<std::uint64_t>(rows) + static_cast<std::uint64_t>(warp);
                  for (std::uint64_t k = 0; k < d; ++k) {
                    const auto sector = [](std::uint64_t index) { return SectorMask{1} << index / 8 % 4; };
                    out.touch(LineOp::load, (row * d + k) / 32, sector(row * d + k));
                    out.gather(kOtherArray + (column * d + k) / 32, 32, static_cast<int>(d / 32), sector(k));
                  }
                  out.store(2 * kOtherArray + (row * n + column) / 32);
                });
}

}  // namespace flashlab::simt
