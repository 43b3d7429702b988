#pragma once
/// \file
/// Block traces of some kernels of cuda/kernels, written down by hand from their source: what a run of the kernel on
/// the simt machine leaves. Arrays start 4 GiB apart.

#include <algorithm>
#include <array>
#include <string>

#include "tests/simt/replay/streams.hpp"

namespace flashlab::simt {

struct StageShape {
  std::uint64_t heads, seq, dim;
  bool causal;
  std::uint64_t keys(std::uint64_t row) const { return causal ? std::min(row + 1, seq) : seq; }
};

/// Emits warp instructions on floats: `lanes` neighbours, or lanes `stride` floats apart.
class FloatStream {
 public:
  explicit FloatStream(WarpStream& out) : out_(out) {}
  void load(int array, std::uint64_t first, std::uint64_t lanes, std::uint64_t stride = 1) {
    touch(LineOp::load, array, first, lanes, stride);
  }
  void store(int array, std::uint64_t first, std::uint64_t lanes, std::uint64_t stride = 1) {
    touch(LineOp::store, array, first, lanes, stride);
  }

 private:
  void touch(LineOp op, int array, std::uint64_t first, std::uint64_t lanes, std::uint64_t stride) {
    struct Piece {
      std::uint64_t line;
      std::uint32_t words;
    };
    std::array<Piece, 32> pieces;
    std::size_t count = 0;
    for (std::uint64_t lane = 0; lane < lanes; ++lane) {
      const std::uint64_t word = first + lane * stride;
      if (count == 0 || pieces[count - 1].line != word / 32) pieces[count++] = {word / 32, 0};
      pieces[count - 1].words |= 1u << word % 32;
    }
    for (std::size_t i = 0; i < count; ++i) {
      SectorMask sectors = 0, whole = 0;
      for (int sector = 0; sector < 4; ++sector) {
        const std::uint32_t byte = pieces[i].words >> 8 * sector & 0xFFu;
        sectors |= static_cast<SectorMask>(byte != 0) << sector;
        whole |= static_cast<SectorMask>(byte == 0xFF) << sector;
      }
      out_.touch(op, static_cast<std::uint64_t>(array) << 25 | pieces[i].line, sectors,
                 op == LineOp::store ? whole : 0, static_cast<int>(count - 1 - i));
    }
  }
  WarpStream& out_;
};

inline std::uint64_t ceil_div(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }

/// (32, 8) threads; grid (⌈N/32⌉, ⌈N/8⌉, heads).
inline Stream naive_scores_stream(StageShape s) {
  const std::uint64_t gx = ceil_div(s.seq, 32), gy = ceil_div(s.seq, 8);
  return Stream(gx * gy * s.heads, 256, [=](std::uint64_t block, int warp, WarpStream& out) {
    const std::uint64_t j = block % gx * 32, i = block / gx % gy * 8 + static_cast<std::uint64_t>(warp);
    const std::uint64_t head = block / gx / gy;
    if (i >= s.seq || j >= s.keys(i)) return;
    const std::uint64_t lanes = std::min<std::uint64_t>(32, s.keys(i) - j);
    FloatStream warp_out(out);
    for (std::uint64_t c = 0; c < s.dim; ++c) {
      warp_out.load(0, (head * s.seq + i) * s.dim + c, 1);
      warp_out.load(1, (head * s.seq + j) * s.dim + c, lanes, s.dim);
    }
    warp_out.store(2, (head * s.seq + i) * s.seq + j, lanes);
  });
}

/// (32, 8) threads; grid (⌈N/8⌉, heads).
inline Stream naive_softmax_stream(StageShape s) {
  const std::uint64_t gx = ceil_div(s.seq, 8);
  return Stream(gx * s.heads, 256, [=](std::uint64_t block, int warp, WarpStream& out) {
    const std::uint64_t i = block % gx * 8 + static_cast<std::uint64_t>(warp);
    if (i >= s.seq) return;
    const std::uint64_t row = (block / gx * s.seq + i) * s.seq;
    FloatStream warp_out(out);
    for (int pass = 0; pass < 3; ++pass) {
      for (std::uint64_t j = 0; j < s.keys(i); j += 32) {
        const std::uint64_t lanes = std::min<std::uint64_t>(32, s.keys(i) - j);
        warp_out.load(2, row + j, lanes);
        if (pass == 2) warp_out.store(3, row + j, lanes);
      }
    }
  });
}

/// (32, 8) threads; grid (d/32, ⌈N/8⌉, heads).
inline Stream naive_output_stream(StageShape s) {
  const std::uint64_t gx = s.dim / 32, gy = ceil_div(s.seq, 8);
  return Stream(gx * gy * s.heads, 256, [=](std::uint64_t block, int warp, WarpStream& out) {
    const std::uint64_t c = block % gx * 32, i = block / gx % gy * 8 + static_cast<std::uint64_t>(warp);
    const std::uint64_t head = block / gx / gy;
    if (i >= s.seq) return;
    FloatStream warp_out(out);
    for (std::uint64_t j = 0; j < s.keys(i); ++j) {
      warp_out.load(3, (head * s.seq + i) * s.seq + j, 1);
      warp_out.load(1, (head * s.seq + j) * s.dim + c, 32);
    }
    warp_out.store(4, (head * s.seq + i) * s.dim + c, 32);
  });
}

inline std::uint64_t tile_rows(StageShape s) { return s.dim > 96 ? 16 : 32; }

/// What the kernels with tiles share: blocks of 4 warps, each with every fourth row. Arrays: 0 Q, 1 K, 5 V, 4 O,
/// 6 and 7 row statistics.
struct TileWarp {
  StageShape s;
  std::uint64_t head_row;  ///< first row of the head
  std::uint64_t warp;
  FloatStream out;

  void load_tile(int array, std::uint64_t first, std::uint64_t rows) {
    each_row(first, rows, [&](std::uint64_t row) {
      for (std::uint64_t c = 0; c < s.dim; c += 32) out.load(array, row * s.dim + c, 32);
    });
  }
  void store_tile(std::uint64_t first, std::uint64_t rows) {
    each_row(first, rows, [&](std::uint64_t row) {
      for (std::uint64_t c = 0; c < s.dim; c += 32) out.store(4, row * s.dim + c, 32);
    });
  }
  /// Accesses of shared memory: S = Q Kᵀ and O += P V of one tile, `rows` rows a warp.
  std::uint64_t qk(std::uint64_t rows) const { return s.dim * (1 + rows); }
  std::uint64_t pv(std::uint64_t rows) const { return 32 * (s.dim / 32 + rows); }
  std::uint64_t store(std::uint64_t tile_rows) const { return tile_rows / 4 * (s.dim / 32); }
  template <class Body>
  void each_row(std::uint64_t first, std::uint64_t rows, const Body& body) {
    for (std::uint64_t r = warp; r < rows && first + r < s.seq; r += 4) body(head_row + first + r);
  }
};

/// (32, 4) threads; grid (⌈N/Br⌉, heads).
template <class Body>
Stream row_tile_stream(StageShape s, std::uint64_t rows, Body body) {
  const std::uint64_t gx = ceil_div(s.seq, rows);
  return Stream(gx * s.heads, 128, [=](std::uint64_t block, int warp, WarpStream& out) {
    const std::uint64_t row0 = block % gx * rows;
    const std::uint64_t keys = s.causal ? std::min(s.seq, row0 + rows) : s.seq;
    TileWarp w{s, block / gx * s.seq, static_cast<std::uint64_t>(warp), FloatStream(out)};
    w.load_tile(0, row0, rows);
    body(w, out, keys);
    w.store_tile(row0, rows);
  });
}

inline Stream fused_stream(StageShape s) {
  return row_tile_stream(s, 8, [](TileWarp& w, WarpStream& out, std::uint64_t keys) {
    for (const int array : {1, 5}) {
      for (std::uint64_t key0 = 0; key0 < keys; key0 += 32) {
        w.load_tile(array, key0, 32);
        out.shared(w.store(32));
        out.barrier();
        out.shared(array == 1 ? w.qk(2) + 2 : w.pv(2));
        out.barrier();
      }
      if (array == 1) out.shared(2 * ceil_div(keys, 32) * 4);
    }
  });
}

inline Stream tiled_stream(StageShape s) {
  return row_tile_stream(s, tile_rows(s), [](TileWarp& w, WarpStream& out, std::uint64_t keys) {
    for (const int pass : {1, 2}) {
      for (std::uint64_t key0 = 0; key0 < keys; key0 += 32) {
        out.barrier();
        w.load_tile(1, key0, 32);
        if (pass == 2) w.load_tile(5, key0, 32);
        out.shared(w.store(32) * static_cast<std::uint64_t>(pass));
        out.barrier();
        const std::uint64_t rows = tile_rows(w.s) / 4;
        out.shared(pass == 1 ? w.qk(rows) : w.qk(rows) + rows + w.pv(rows));
      }
    }
  });
}

inline Stream online_q_stream(StageShape s) {
  const std::uint64_t rows = tile_rows(s), gx = ceil_div(s.seq, rows);
  return Stream(gx * s.heads, 128, [=](std::uint64_t block, int warp, WarpStream& out) {
    const std::uint64_t row0 = block % gx * rows;
    const std::uint64_t keys = s.causal ? std::min(s.seq, row0 + rows) : s.seq;
    TileWarp w{s, block / gx * s.seq, static_cast<std::uint64_t>(warp), FloatStream(out)};
    w.load_tile(0, row0, rows);
    for (std::uint64_t key0 = 0; key0 < keys; key0 += 32) {
      out.barrier();
      w.load_tile(1, key0, 32);
      w.load_tile(5, key0, 32);
      out.shared(2 * w.store(32));
      out.barrier();
      out.shared(w.qk(rows / 4) + rows / 4 + w.pv(rows / 4));
    }
    w.each_row(row0, rows, [&](std::uint64_t row) {
      for (std::uint64_t c = 0; c < s.dim; c += 32) w.out.store(4, row * s.dim + c, 32);
      w.out.store(6, row, 1);
    });
  });
}

/// (32, 4) threads; a block a head.
inline Stream online_kv_stream(StageShape s) {
  return Stream(s.heads, 128, [=](std::uint64_t block, int warp, WarpStream& out) {
    const std::uint64_t rows = tile_rows(s);
    TileWarp w{s, block * s.seq, static_cast<std::uint64_t>(warp), FloatStream(out)};
    for (std::uint64_t key0 = 0; key0 < s.seq; key0 += 32) {
      out.barrier();
      w.load_tile(1, key0, 32);
      w.load_tile(5, key0, 32);
      for (std::uint64_t row0 = s.causal ? key0 / rows * rows : 0; row0 < s.seq; row0 += rows) {
        out.barrier();
        w.load_tile(0, row0, rows);
        out.shared(w.store(rows));
        out.barrier();
        out.shared(w.qk(rows / 4));
        if (key0 > 0) {
          w.each_row(row0, rows, [&](std::uint64_t row) {
            w.out.load(6, row, 1);
            w.out.load(7, row, 1);
            for (std::uint64_t c = 0; c < s.dim; c += 32) w.out.load(4, row * s.dim + c, 32);
          });
        }
        out.shared(rows / 4 + w.pv(rows / 4));
        w.each_row(row0, rows, [&](std::uint64_t row) {
          for (std::uint64_t c = 0; c < s.dim; c += 32) w.out.store(4, row * s.dim + c, 32);
          w.out.store(6, row, 1);
          w.out.store(7, row, 1);
        });
      }
    }
  });
}

inline Stream stage_stream(const std::string& kernel, StageShape shape) {
  if (kernel == "naive_scores") return naive_scores_stream(shape);
  if (kernel == "naive_softmax") return naive_softmax_stream(shape);
  if (kernel == "naive_output") return naive_output_stream(shape);
  if (kernel == "fused") return fused_stream(shape);
  if (kernel == "tiled") return tiled_stream(shape);
  if (kernel == "online_kv") return online_kv_stream(shape);
  return online_q_stream(shape);
}

}  // namespace flashlab::simt
