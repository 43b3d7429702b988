#pragma once
/// \file
/// What a block of threads leaves behind when it has run: for each warp, the stream of 128-byte lines that its
/// global-memory instructions touched, in order. Execution writes it, the replay through the caches reads it.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <stdexcept>
#include <type_traits>
#include <vector>

namespace flashlab::simt {

enum class LineOp : std::uint8_t {
  load,        ///< through L1
  load_no_l1,  ///< cp.async.cg, ld.global.cg, TMA: L1 is passed by
  store,       ///< write-through
  atomic,      ///< performed at L2
  work,        ///< no line: LineRequest::line is a WarpWork
  barrier,     ///< __syncthreads: no line; the warp waits until every warp of its block is here
};

/// Of one line: which of its four 32-byte sectors are touched, and which of those are written in full.
class TouchedSectors {
 public:
  constexpr TouchedSectors() = default;
  constexpr TouchedSectors(std::uint32_t touched, std::uint32_t whole)
      : bits_(static_cast<std::uint8_t>((touched & 0xF) | (whole & 0xF) << 4)) {}
  constexpr std::uint32_t touched() const { return bits_ & 0xF; }
  constexpr std::uint32_t whole() const { return bits_ >> 4; }
  constexpr std::uint8_t bits() const { return bits_; }
  bool operator==(const TouchedSectors&) const = default;

 private:
  std::uint8_t bits_ = 0;
};

/// What a warp instruction does, wherever it does it: it touches evenly spaced lines, the first and the last of them
/// perhaps in part. An instruction whose lines are not so takes several of these.
struct LinePattern {
  std::uint32_t site = 0;   ///< which source instruction, for counters by line of source
  std::int32_t stride = 1;  ///< lines from one to the next; never 0 when there is a next
  LineOp op = LineOp::load;
  std::uint8_t lines = 1;  ///< up to 64; 0 for a barrier and for shared memory
  bool more = false;       ///< the request after this one belongs to the same instruction
  TouchedSectors first, middle,
      last;  ///< of the first line, of those between, of the last when there are two or more
  std::uint16_t unused = 0;

  TouchedSectors of(int i) const { return i == 0 ? first : i + 1 == lines ? last : middle; }
  std::uint64_t sectors() const {
    const auto count = [](TouchedSectors s) { return std::popcount(s.touched()); };
    return static_cast<std::uint64_t>(lines == 1 ? count(first)
                                                 : count(first) + (lines - 2) * count(middle) + count(last));
  }
  /// All of it, as it lies in memory.
  using Words = std::array<std::uint64_t, 2>;
  constexpr Words words() const { return std::bit_cast<Words>(*this); }
  /// The same of a pattern whose parts are in registers still: every request of a kernel asks whether its pattern is known,
  /// and parts that have just been written to memory cannot be read as one word without a wait.
  constexpr Words joined() const {
    return {site | std::uint64_t{static_cast<std::uint32_t>(stride)} << 32,
            static_cast<std::uint64_t>(op) | std::uint64_t{lines} << 8 | std::uint64_t{more} << 16 |
                std::uint64_t{first.bits()} << 24 | std::uint64_t{middle.bits()} << 32 |
                std::uint64_t{last.bits()} << 40};
  }
  bool operator==(const LinePattern& other) const { return words() == other.words(); }
};
static_assert(std::has_unique_object_representations_v<LinePattern>);  // no byte of words() without a meaning
static_assert([] {
  constexpr LinePattern p{.site = 1,
                          .stride = -2,
                          .op = LineOp::store,
                          .lines = 3,
                          .more = true,
                          .first = {4, 5},
                          .middle = {6, 7},
                          .last = {8, 9}};
  return p.words() == p.joined();
}());

/// What a warp does between its requests for lines: warp instructions. Written as a line's number.
struct WarpWork {
  std::uint64_t shared = 0;      ///< accesses of shared memory and shuffles
  std::uint64_t arithmetic = 0;  ///< in turns of a scheduler: sums, products and both together take one
  std::uint64_t special = 0;     ///< exp, log, divisions, …

  static constexpr std::uint64_t kMost = (1u << 14) - 1, kMostSpecial = (1u << 12) - 1;
  std::uint64_t packed() const { return special << 28 | arithmetic << 14 | shared; }
  static WarpWork of(std::uint64_t packed) {
    return {packed & kMost, packed >> 14 & kMost, packed >> 28 & kMostSpecial};
  }
};

/// A pattern at its place. Eight bytes, because a long kernel leaves hundreds of millions.
class LineRequest {
 public:
  static constexpr int kPatternBits = 24;
  LineRequest(std::uint64_t line, std::uint32_t pattern) : bits_(line << kPatternBits | pattern) {}
  std::uint64_t line() const { return bits_ >> kPatternBits; }  ///< address / 128, of the pattern's first line
  std::uint32_t pattern() const {                               ///< index in BlockTrace::patterns
    return static_cast<std::uint32_t>(bits_) & ((1u << kPatternBits) - 1);
  }

 private:
  std::uint64_t bits_;
};

/// The streams of one block, one a warp.
struct BlockTrace {
  std::vector<LinePattern> patterns;
  std::vector<std::vector<LineRequest>> warps;
};

/// Writes a BlockTrace: finds the number of each pattern.
class TraceWriter {
 public:
  /// Starts on an empty trace, which must outlive the writing.
  void begin(BlockTrace& trace, std::size_t warps) {
    trace_ = &trace;
    trace.patterns.clear();
    trace.warps.resize(warps);
    slots_.assign(kSlots, 0);
  }
  void add(std::size_t warp, std::uint64_t line, const LinePattern& pattern) {
    const LinePattern::Words words = pattern.joined();
    std::size_t slot = hash(words) & (slots_.size() - 1);
    while (slots_[slot] != 0 && trace_->patterns[slots_[slot] - 1].words() != words)
      slot = (slot + 1) & (slots_.size() - 1);
    const std::uint32_t number = slots_[slot] != 0 ? slots_[slot] - 1 : add_pattern(words, slot);
    trace_->warps[warp].emplace_back(line, number);
  }
  void add(std::size_t warp, WarpWork work) {
    while (work.shared + work.arithmetic + work.special != 0) {
      const WarpWork some{std::min(work.shared, WarpWork::kMost), std::min(work.arithmetic, WarpWork::kMost),
                          std::min(work.special, WarpWork::kMostSpecial)};
      add(warp, some.packed(), {.op = LineOp::work, .lines = 0});
      work.shared -= some.shared;
      work.arithmetic -= some.arithmetic;
      work.special -= some.special;
    }
  }
  std::size_t pattern_count() const { return trace_->patterns.size(); }

 private:
  static constexpr std::size_t kSlots = 256;
  static std::uint64_t hash(const LinePattern::Words& words) {
    const auto [place, what] = words;
    return (place * 0x9E3779B97F4A7C15u ^ what * 0xC2B2AE3D27D4EB4Fu) >> 32;
  }
  std::uint32_t add_pattern(LinePattern::Words words, std::size_t slot) {
    if (trace_->patterns.size() >= (1u << LineRequest::kPatternBits) - 1)
      throw std::length_error("a block with too many patterns of lines");
    trace_->patterns.push_back(std::bit_cast<LinePattern>(words));
    const auto number = static_cast<std::uint32_t>(trace_->patterns.size());
    slots_[slot] = number;
    if (number > slots_.size() / 2) {
      slots_.assign(slots_.size() * 4, 0);
      for (std::uint32_t i = 0; i < number; ++i) {
        std::size_t s = hash(trace_->patterns[i].words()) & (slots_.size() - 1);
        while (slots_[s] != 0) s = (s + 1) & (slots_.size() - 1);
        slots_[s] = i + 1;
      }
    }
    return number - 1;
  }

  BlockTrace* trace_ = nullptr;
  std::vector<std::uint32_t> slots_;  ///< open addressing; a pattern's number + 1
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
