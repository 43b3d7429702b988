#pragma once
/// \file
/// What a block of threads leaves behind when it has run: for each warp, the stream of 128-byte lines that its
/// global-memory instructions touched, in order. Execution writes it, the replay through the caches reads it.

#include <cstdint>
#include <vector>

namespace flashlab::simt {

enum class LineOp : std::uint8_t {
  load,        ///< through L1
  load_no_l1,  ///< cp.async.cg, ld.global.cg, TMA: L1 is passed by
  store,       ///< write-through
  atomic,      ///< performed at L2
  shared,      ///< no line: `line` is a number of accesses of shared memory that the warp makes here
  barrier,     ///< __syncthreads: no line; the warp waits until every warp of its block is here
};

/// One warp instruction's touch of one 128-byte line (an instruction that touches 32 lines leaves 32 of these).
struct LineRequest {
  std::uint64_t line;  ///< address / 128
  std::uint32_t site;  ///< which source instruction, for counters by line of source
  LineOp op;
  std::uint8_t sectors : 4;        ///< which of the line's four 32-byte sectors are touched
  std::uint8_t whole_sectors : 4;  ///< stores: which sectors are written in full
  std::uint16_t lines_left;        ///< further lines of the same instruction that follow this one
};

/// The streams of one block, one a warp.
struct BlockTrace {
  std::vector<std::vector<LineRequest>> warps;
};

/// Runs blocks on demand: the replay asks for a block when it becomes resident, so that only the resident blocks'
/// traces are in memory at any time. Blocks are asked for in order of their linear index, each exactly once.
class BlockSource {
 public:
  virtual ~BlockSource() = default;
  virtual std::uint64_t block_count() const = 0;
  virtual BlockTrace run(std::uint64_t block) = 0;
};

}  // namespace flashlab::simt
