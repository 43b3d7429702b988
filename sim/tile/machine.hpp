#pragma once
/// \file
/// The tile machine: the two-level machine of the FlashAttention paper. An unbounded HBM, an SRAM of M bytes, and
/// compute units that reach only SRAM. A stage is a program that loads tiles, computes on what is resident and
/// stores tiles; every byte is counted on the way.

#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

#include "sim/core/problem.hpp"
#include "sim/memory/traffic.hpp"

namespace flashlab::tile {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kPoison =
    std::numeric_limits<float>::quiet_NaN();  ///< what HBM holds before it is written

/// A half-open range of rows (or columns) of a matrix.
struct Rows {
  Index begin = 0;
  Index count = 0;
  Index end() const { return begin + count; }
  bool operator==(const Rows&) const = default;
};

/// A load did not fit. What the stage needed then, and what there is.
struct SramOverflow : std::runtime_error {
  SramOverflow(Bytes need, Bytes capacity);
  Bytes need_bytes, capacity_bytes;
};

/// What happened, for viewers and tests: one record for each transfer, operation, and change of what is resident.
struct Event {
  enum class Kind { allocate, load, compute, store, free };
  Kind kind;
  TensorId tensor;        ///< what was moved, or the result of the operation
  Rows rows, columns;     ///< where it lies in its matrix
  Bytes bytes;            ///< moved over the HBM boundary (load, store) or held (allocate, free); 0 for compute
  Bytes sram_used_bytes;  ///< resident after the event
  const char* operation;  ///< "load", "scores", "exponentiate", …
  int line;               ///< of the stage program; without meaning for free
  /// With arithmetic, after compute: what the operation left, rows × columns with this many floats from row to row, …
  const float* result = nullptr;
  Index result_stride = 0;
  const float* by_row = nullptr;  ///< … and the statistic of each row that it used or made beside it; else null
};
using EventSink = std::function<void(const Event&)>;

/// A matrix in HBM: (rows, cols), row-major. `data` is null when the machine only counts.
struct Matrix {
  TensorId tensor;
  Index rows = 0, cols = 0;
  float* data = nullptr;
};

/// How the compute units read their operands: an R × C register tile reads each operand element once for
/// C (or R) multiply-adds. 1 × 1 is no reuse in registers at all.
struct RegisterTile {
  Index rows = 1, cols = 1;
};

class Machine;

/// Memory of a tile, always 64-byte aligned: vectorised sums start at the alignment, so that only a fixed one gives the
/// same bits in every run.
struct AlignedDelete {
  void operator()(float* memory) const { ::operator delete[](memory, std::align_val_t{64}); }
};
using TileBuffer = std::unique_ptr<float[], AlignedDelete>;

/// A block of a matrix that is resident in SRAM: (rows.count, columns.count), row-major. It occupies SRAM from its
/// making to the end of its scope; reading one that nothing wrote, or that has been moved from, is an error.
class Tile {
 public:
  Tile(Tile&& other) noexcept;
  Tile& operator=(Tile&&) = delete;
  ~Tile();

  TensorId tensor;     ///< what it holds now: S becomes P in place
  Rows rows, columns;  ///< where it lies in its matrix

 private:
  friend class Machine;
  friend class View;
  Tile(Machine& machine, TensorId tensor, Rows rows, Rows columns);
  Machine* machine_;
  TileBuffer data_;
  Bytes bytes_ = 0;
  bool written_ = false;
};

/// What an operation sees: a whole tile, or some of its columns.
class View {
 public:
  View(Tile& tile) : View(tile, tile.columns) {}  // NOLINT(google-explicit-constructor): tiles are operands
  /// Columns `columns` (in the coordinates of the whole matrix) of `tile`.
  View(Tile& tile, Rows columns);

  Machine& machine() const { return *tile_->machine_; }
  TensorId tensor() const { return tile_->tensor; }
  Rows rows() const { return tile_->rows; }
  Rows columns() const { return columns_; }
  Index height() const { return tile_->rows.count; }
  Index width() const { return columns_.count; }
  Index elements() const { return height() * width(); }
  Index stride() const { return tile_->columns.count; }
  float* data() const;           ///< null when the machine only counts
  void require_written() const;  ///< throws std::logic_error when nothing wrote the tile
  void mark_written(TensorId holds) const;

 private:
  Tile* tile_;
  Rows columns_;
};

/// Which tiles of a loop cost the same, so that a machine that folds may visit one for all of a run.
struct Fold {
  enum class Kind { all, rows_under_mask, columns_under_mask };
  Kind kind = Kind::all;
  Index other_size = 0;  ///< under the mask: the tiles' extent in the other direction
};

/// Tiles of `size` rows that cover `whole`, the last one ragged. When the machine folds, a run of equal tiles is
/// visited once and counted as many times.
class TileRange {
 public:
  TileRange(Machine& machine, Rows whole, Index size, Fold fold = {});
  class Iterator {
   public:
    Rows operator*() const { return {position_, std::min(range_->size_, range_->whole_.end() - position_)}; }
    Iterator& operator++();
    bool operator!=(std::default_sentinel_t) const { return position_ < range_->whole_.end(); }

   private:
    friend class TileRange;
    explicit Iterator(const TileRange& range);
    void enter();
    const TileRange* range_;
    Index position_;
    Index stride_ = 0;
    Bytes outer_weight_;
  };
  Iterator begin() const { return Iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  Machine* machine_;
  Index equal_tiles_from(Index position) const;
  Rows whole_;
  Index size_;
  Fold fold_;
};

/// HBM, SRAM and the counters, for one head.
class Machine {
 public:
  struct Options {
    Bytes sram_bytes = 0;    ///< M
    bool arithmetic = true;  ///< false: count only, no data anywhere
    bool fold = false;   ///< visit runs of equal tiles once, counted as often (not with arithmetic or a sink)
    bool probe = false;  ///< fold, but count them once: only the SRAM's peak is of interest
    RegisterTile register_tile{};
    EventSink sink{};
  };
  Machine(const Problem& problem, Options options);

  const Problem& problem() const { return problem_; }
  bool arithmetic() const { return options_.arithmetic; }
  bool fold() const { return options_.fold || options_.probe; }
  bool probe() const { return options_.probe; }
  Bytes capacity_bytes() const { return options_.sram_bytes; }
  Bytes free_bytes() const { return options_.sram_bytes - used_bytes_; }
  const Traffic& traffic() const { return traffic_; }
  const std::vector<std::string>& notes() const { return notes_; }

  /// Bytes of one element: row statistics are fp32, everything else has the problem's type.
  Bytes element_bytes(TensorId tensor) const;

  /// A matrix in HBM over memory of the caller's; counts towards the footprint.
  Matrix matrix(TensorId tensor, Index rows, Index cols, float* data);
  /// A matrix in HBM of the machine's own, filled with `value` (NaN: poisoned). Costs no traffic.
  Matrix scratch(TensorId tensor, Index rows, Index cols, float value);

  using Where = std::source_location;
  /// Room for rows × columns of `tensor` in SRAM; unwritten. Throws SramOverflow.
  Tile alloc(TensorId tensor, Rows rows, Rows columns, Where where = Where::current());
  /// As alloc, every element `value`. Costs no traffic over the HBM boundary.
  Tile fill(TensorId tensor, Rows rows, Rows columns, float value, Where where = Where::current());
  /// HBM → SRAM: rows × columns of `from` (default: whole rows), rounded as they lie in HBM.
  Tile load(const Matrix& from, Rows rows, Where where = Where::current());
  Tile load(const Matrix& from, Rows rows, Rows columns, Where where = Where::current());
  /// SRAM → HBM: the tile to its own place in `to`, rounded to the matrix's element type.
  void store(const Matrix& to, View tile, Where where = Where::current());

  /// An observation that the report passes on (once each).
  void note(std::string text);

  // For operations (ops.hpp): counts one that reads and writes so many elements of SRAM.
  void count_read(TensorId tensor, Index elements);
  void count_written(TensorId tensor, Index elements);
  void count_product_flops(Index multiply_adds);
  void count_other_flops(Index flops);
  void emit(Event::Kind kind, TensorId tensor, Rows rows, Rows columns, Bytes bytes, const char* operation,
            const Where& where);
  void emit_compute(const View& result, const char* operation, const Where& where, const float* by_row);
  const RegisterTile& register_tile() const { return options_.register_tile; }

 private:
  friend class Tile;
  friend class TileRange;
  void occupy(Bytes bytes);
  void release(Tile& tile);
  Bytes weighted(Index count) const;
  TileBuffer take_buffer(Index elements);

  Problem problem_;
  Options options_;
  Traffic traffic_;
  Bytes used_bytes_ = 0;
  Bytes weight_ = 1;  // how many equal iterations the current one stands for
  std::vector<std::string> notes_;
  std::vector<std::unique_ptr<float[]>> own_matrices_;
  std::vector<std::pair<Index, TileBuffer>> buffers_;  // released tiles' memory, by size
};

}  // namespace flashlab::tile
