#include "sim/tile/machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

#include "sim/core/error.hpp"
#include "sim/core/float_formats.hpp"
#include "sim/core/text.hpp"

namespace flashlab::tile {

SramOverflow::SramOverflow(Bytes need, Bytes capacity)
    : std::runtime_error(
          fmt::format("SRAM overflow: {} B must be resident at once, M is {} B", need, capacity)),
      need_bytes(need),
      capacity_bytes(capacity) {}

// Tile

Tile::Tile(Machine& machine, TensorId what, Rows r, Rows c)
    : tensor(what), rows(r), columns(c), machine_(&machine) {}

Tile::Tile(Tile&& other) noexcept
    : tensor(other.tensor),
      rows(other.rows),
      columns(other.columns),
      machine_(std::exchange(other.machine_, nullptr)),
      data_(std::move(other.data_)),
      bytes_(other.bytes_),
      written_(other.written_) {}

Tile::~Tile() {
  if (machine_) machine_->release(*this);
}

// View

View::View(Tile& tile, Rows columns) : tile_(&tile), columns_(columns) {
  if (!tile.machine_) throw std::logic_error("a tile is used after it has left SRAM");
  if (columns.begin < tile.columns.begin || columns.end() > tile.columns.end()) {
    throw std::logic_error("columns outside the tile");
  }
}

float* View::data() const {
  return tile_->data_ ? tile_->data_.get() + (columns_.begin - tile_->columns.begin) : nullptr;
}

void View::require_written() const {
  if (!tile_->written_) {
    throw std::logic_error(fmt::format("a tile of {} is read before anything wrote it", name_of(tensor())));
  }
}

void View::mark_written(TensorId holds) const {
  tile_->written_ = true;
  tile_->tensor = holds;
}

// TileRange

TileRange::TileRange(Machine& machine, Rows whole, Index size, Fold fold)
    : machine_(&machine), whole_(whole), size_(size), fold_(fold) {}

Index TileRange::equal_tiles_from(Index position) const {
  if (!machine_->fold()) return 1;
  const Index left = whole_.end() - position, other = fold_.other_size;
  Index tiles = left / size_;
  if (fold_.kind == Fold::Kind::rows_under_mask) {  // rows whose diagonal ends in the same column tile
    const Index boundary = (position + size_ + other - 1) / other * other;
    tiles = std::min(tiles, (boundary - position) / size_);
  } else if (fold_.kind ==
             Fold::Kind::columns_under_mask) {  // columns whose diagonal begins in the same row tile
    const Index boundary = (position / other + 1) * other;
    tiles = std::min(tiles, (boundary - position + size_ - 1) / size_);
  }
  return std::max<Index>(1, tiles);
}

TileRange::Iterator::Iterator(const TileRange& range)
    : range_(&range), position_(range.whole_.begin), outer_weight_(range.machine_->weight_) {
  enter();
}

void TileRange::Iterator::enter() {
  if (position_ >= range_->whole_.end()) return;
  const Index equal_tiles = range_->equal_tiles_from(position_);
  stride_ = equal_tiles * range_->size_;
  if (range_->machine_->probe()) return;
  range_->machine_->weight_ =
      checked_mul(outer_weight_, static_cast<Bytes>(equal_tiles), "the number of tiles");
}

TileRange::Iterator& TileRange::Iterator::operator++() {
  range_->machine_->weight_ = outer_weight_;
  position_ += std::min(stride_, range_->whole_.end() - position_);
  enter();
  return *this;
}

// Machine

Machine::Machine(const Problem& problem, Options options) : problem_(problem), options_(std::move(options)) {}

Bytes Machine::element_bytes(TensorId tensor) const {
  return tensor == TensorId::stats ? sizeof(float) : bytes_of(problem_.dtype);
}

Matrix Machine::matrix(TensorId tensor, Index rows, Index cols, float* data) {
  const Bytes elements =
      checked_mul(static_cast<Bytes>(rows), static_cast<Bytes>(cols), "the size of a matrix");
  const Bytes bytes = checked_mul(elements, element_bytes(tensor), "the size of a matrix");
  traffic_.hbm_footprint_bytes = checked_add(traffic_.hbm_footprint_bytes, bytes, "the HBM footprint");
  return {tensor, rows, cols, data};
}

Matrix Machine::scratch(TensorId tensor, Index rows, Index cols, float value) {
  Matrix made = matrix(tensor, rows, cols, nullptr);
  if (!options_.arithmetic) return made;
  const auto elements = static_cast<std::size_t>(rows * cols);
  try {
    own_matrices_.push_back(std::make_unique_for_overwrite<float[]>(elements));
  } catch (const std::bad_alloc&) {
    throw EnvironmentError(fmt::format("not enough memory for {} ({}): --count-only needs none",
                                       name_of(tensor), format_bytes(elements * sizeof(float))));
  }
  made.data = own_matrices_.back().get();
  std::fill_n(made.data, elements, value);
  return made;
}

Tile Machine::alloc(TensorId tensor, Rows rows, Rows columns, Where where) {
  Tile tile(*this, tensor, rows, columns);
  const Bytes elements = static_cast<Bytes>(rows.count) * static_cast<Bytes>(columns.count);
  const Bytes bytes = checked_mul(elements, element_bytes(tensor), "the size of a tile");
  occupy(bytes);
  tile.bytes_ = bytes;
  if (options_.arithmetic) {
    tile.data_ = take_buffer(rows.count * columns.count);
#ifndef NDEBUG
    std::fill_n(tile.data_.get(), elements, std::numeric_limits<float>::quiet_NaN());
#endif
  }
  emit(Event::Kind::allocate, tensor, rows, columns, bytes, "alloc", where);
  return tile;
}

Tile Machine::fill(TensorId tensor, Rows rows, Rows columns, float value, Where where) {
  Tile tile = alloc(tensor, rows, columns, where);
  if (tile.data_) std::fill_n(tile.data_.get(), rows.count * columns.count, value);
  tile.written_ = true;
  return tile;
}

Tile Machine::load(const Matrix& from, Rows rows, Where where) {
  return load(from, rows, {0, from.cols}, where);
}

Tile Machine::load(const Matrix& from, Rows rows, Rows columns, Where where) {
  Tile tile = alloc(from.tensor, rows, columns, where);
  if (from.data) {
    for (Index r = 0; r < rows.count; ++r) {
      std::copy_n(from.data + (rows.begin + r) * from.cols + columns.begin, columns.count,
                  tile.data_.get() + r * columns.count);
    }
  }
  tile.written_ = true;
  const Bytes bytes = checked_mul(weight_, tile.bytes_, "the bytes read");
  traffic_.hbm[from.tensor] += {bytes, 0};
  emit(Event::Kind::load, from.tensor, rows, columns, tile.bytes_, "load", where);
  return tile;
}

void Machine::store(const Matrix& to, View tile, Where where) {
  tile.require_written();
  const Rows rows = tile.rows(), columns = tile.columns();
  if (to.data) {
    for (Index r = 0; r < rows.count; ++r) {
      float* const out = to.data + (rows.begin + r) * to.cols + columns.begin;
      std::copy_n(tile.data() + r * tile.stride(), columns.count, out);
      if (to.tensor != TensorId::stats)
        round_to(problem_.dtype, {out, static_cast<std::size_t>(columns.count)});
    }
  }
  const Bytes bytes = static_cast<Bytes>(tile.elements()) * element_bytes(to.tensor);
  traffic_.hbm[to.tensor] += {0, checked_mul(weight_, bytes, "the bytes written")};
  emit(Event::Kind::store, to.tensor, rows, columns, bytes, "store", where);
}

void Machine::note(std::string text) {
  if (std::ranges::find(notes_, text) == notes_.end()) notes_.push_back(std::move(text));
}

Bytes Machine::weighted(Index count) const {
  return checked_mul(weight_, static_cast<Bytes>(count), "a count of the stage");
}

void Machine::count_read(TensorId tensor, Index elements) {
  traffic_.sram[tensor] += {checked_mul(weighted(elements), element_bytes(tensor), "the SRAM traffic"), 0};
}

void Machine::count_written(TensorId tensor, Index elements) {
  traffic_.sram[tensor] += {0, checked_mul(weighted(elements), element_bytes(tensor), "the SRAM traffic")};
}

void Machine::count_product_flops(Index multiply_adds) {
  traffic_.product_flops =
      checked_add(traffic_.product_flops, weighted(2 * multiply_adds), "the number of FLOPs");
}

void Machine::count_other_flops(Index flops) {
  traffic_.other_flops = checked_add(traffic_.other_flops, weighted(flops), "the number of FLOPs");
}

void Machine::emit(Event::Kind kind, TensorId tensor, Rows rows, Rows columns, Bytes bytes,
                   const char* operation, const Where& where) {
  if (!options_.sink) return;
  options_.sink({kind, tensor, rows, columns, bytes, used_bytes_, operation, static_cast<int>(where.line())});
}

void Machine::emit_compute(const View& result, const char* operation, const Where& where, const float* by_row) {
  if (!options_.sink) return;
  options_.sink({Event::Kind::compute, result.tensor(), result.rows(), result.columns(), 0, used_bytes_,
                 operation, static_cast<int>(where.line()), result.data(), result.stride(), by_row});
}

void Machine::occupy(Bytes bytes) {
  const Bytes need = checked_add(used_bytes_, bytes, "the SRAM of the stage");
  if (need > options_.sram_bytes) throw SramOverflow(need, options_.sram_bytes);
  used_bytes_ = need;
  traffic_.sram_peak_bytes = std::max(traffic_.sram_peak_bytes, need);
}

void Machine::release(Tile& tile) {
  used_bytes_ -= tile.bytes_;
  if (tile.data_) buffers_.emplace_back(tile.rows.count * tile.columns.count, std::move(tile.data_));
  emit(Event::Kind::free, tile.tensor, tile.rows, tile.columns, tile.bytes_, "free", Where::current());
}

TileBuffer Machine::take_buffer(Index elements) {
  const auto found =
      std::ranges::find_if(buffers_, [&](const auto& buffer) { return buffer.first == elements; });
  if (found == buffers_.end()) {
    const std::size_t bytes = static_cast<std::size_t>(elements) * sizeof(float);
    return TileBuffer(static_cast<float*>(::operator new[](bytes, std::align_val_t{64})));
  }
  TileBuffer taken = std::move(found->second);
  std::swap(*found, buffers_.back());
  buffers_.pop_back();
  return taken;
}

}  // namespace flashlab::tile
