// Warp matrix instructions: products, and the loads that feed them. All 32 lanes leave what they hold; the last to come
// computes for all, while the others still wait. Layouts of fragments: PTX ISA, "Matrix fragments for mma.m16n8k16",
// "… m16n8k8", "ldmatrix", "movmatrix".

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "sim/simt/runtime/matrix_sites.hpp"
#include "sim/simt/runtime/memory.hpp"
#include "sim/simt/runtime/record.hpp"

using namespace flashlab::simt;

namespace {

typedef std::uint32_t Words4 __attribute__((vector_size(16)));
typedef float Floats4 __attribute__((vector_size(16)));

float from_f16(std::uint32_t bits) {  // exact; without branches, so that loops of it vectorise
  const std::uint32_t magnitude = (bits & 0x7FFFu) << 13;
  const float scaled = std::bit_cast<float>(magnitude) * 0x1p112f;
  const std::uint32_t special =
      magnitude >= 0x0F800000u ? magnitude | 0x7F800000u : std::bit_cast<std::uint32_t>(scaled);
  return std::bit_cast<float>(special | (bits & 0x8000u) << 16);
}
float from_bf16(std::uint32_t bits) { return std::bit_cast<float>(bits << 16); }

// To nearest, ties to even.
std::uint32_t to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return 0x7FFFu;
  if (magnitude >= 0x477FF000u) return sign | 0x7C00u;  // 65520 and more
  if (magnitude < 0x38800000u) {                        // subnormal: the sum with 0.5 rounds at the right place
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000u);
  }
  return sign | (magnitude + 0xFFFu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13;
}

/// What one lane brings to a product and takes away.
struct Operands {
  std::uint32_t a[4], b[2];
  float c[4];
};

/// D = A · B + C of a warp: A is (16, kDepth), B (kDepth, 8), C and D (16, 8). Products of two halves are exact in
/// float; sums are float, in ascending order of k.
template <int kDepth, float (*kWiden)(std::uint32_t)>
void multiply(Operands* const* lanes) {
  float A[16][kDepth], B[kDepth][8], C[16][8];
  for (int lane = 0; lane < kWarp; ++lane) {
    const Operands& o = *lanes[lane];
    const int group = lane / 4, pair = lane % 4 * 2;
    for (int i = 0; i < kDepth / 4; ++i) {  // register i: rows group (+ 8), columns pair (+ 8)
      for (int half = 0; half < 2; ++half)
        A[group + i % 2 * 8][pair + i / 2 * 8 + half] = kWiden(o.a[i] >> 16 * half & 0xFFFFu);
    }
    for (int i = 0; i < kDepth / 8; ++i) {
      for (int half = 0; half < 2; ++half)
        B[pair + i * 8 + half][group] = kWiden(o.b[i] >> 16 * half & 0xFFFFu);
    }
    for (int i = 0; i < 4; ++i) C[group + i / 2 * 8][pair + i % 2] = o.c[i];
  }
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < kDepth; ++k) {
      for (int col = 0; col < 8; ++col) C[row][col] += A[row][k] * B[k][col];
    }
  }
  for (int lane = 0; lane < kWarp; ++lane) {
    const int group = lane / 4, pair = lane % 4 * 2;
    for (int i = 0; i < 4; ++i) lanes[lane]->c[i] = C[group + i / 2 * 8][pair + i % 2];
  }
}

Worker& worker_for(const char* what) {
  if (running.worker == nullptr) {
    std::fprintf(stderr, "flashlab: %s outside of a kernel\n", what);
    std::abort();
  }
  return *running.worker;
}

/// Lets the warp meet; `complete` runs once, in the lane that comes last, with what the lanes left.
template <class T, class F>
void together(const char* what, T& mine, std::uint32_t site, F complete) {
  Worker& worker = worker_for(what);
  Meeting& m = worker.meet(CollectiveKind::matrix, ~0u, reinterpret_cast<std::uintptr_t>(&mine), site);
  if (m.left == 0) {  // the others have not gone on yet
    T nobody{};
    T* lanes[kWarp];
    for (int i = 0; i < kWarp; ++i) lanes[i] = m.mask >> i & 1 ? reinterpret_cast<T*>(m.values[i]) : &nobody;
    if (m.mask != ~0u) {
      worker.find(
          FindingKind::divergent_collective, site,
          fmt::format("{} by {} lanes of a warp, the mask {:#010x}", what, std::popcount(m.mask), m.mask),
          "warp matrix instructions need all 32 lanes: launch whole warps, and let none return early");
    }
    complete(lanes);
  }
  worker.leave(m);
}

template <int kDepth, float (*kWiden)(std::uint32_t)>
void product(Operands& mine, std::uint32_t site) {
  together("mma.sync", mine, site, [](Operands* const* lanes) {
    multiply<kDepth, kWiden>(lanes);
    running.worker->count_matrix_product(2 * 16 * 8 * kDepth);
  });
}

struct Row {
  const std::byte* address;
  std::uint32_t out[4];
};

}  // namespace

#define FLASHLAB_HERE site_of(__builtin_return_address(0))
#define FLASHLAB_PRODUCT(name, depth, widen)                                                          \
  Floats4 flashlab_mma_##name(std::uint32_t a0, std::uint32_t a1, std::uint32_t a2, std::uint32_t a3, \
                              std::uint32_t b0, std::uint32_t b1, Floats4 c) {                        \
    Operands mine{{a0, a1, a2, a3}, {b0, b1}, {c[0], c[1], c[2], c[3]}};                              \
    product<depth, widen>(mine, FLASHLAB_HERE);                                                       \
    return Floats4{mine.c[0], mine.c[1], mine.c[2], mine.c[3]};                                       \
  }
// C and D in halves: summed in float, rounded once at the end.
#define FLASHLAB_HALF_PRODUCT(name, depth)                                                                  \
  std::uint64_t flashlab_mma_##name(std::uint32_t a0, std::uint32_t a1, std::uint32_t a2, std::uint32_t a3, \
                                    std::uint32_t b0, std::uint32_t b1, std::uint64_t c) {                  \
    Operands mine{{a0, a1, a2, a3}, {b0, b1}, {}};                                                          \
    for (int i = 0; i < 4; ++i) mine.c[i] = from_f16(static_cast<std::uint32_t>(c >> 16 * i) & 0xFFFFu);    \
    product<depth, from_f16>(mine, FLASHLAB_HERE);                                                          \
    c = 0;                                                                                                  \
    for (int i = 0; i < 4; ++i) c |= std::uint64_t{to_f16(mine.c[i])} << 16 * i;                            \
    return c;                                                                                               \
  }

extern "C" {

FLASHLAB_PRODUCT(m16n8k16_f32_f16, 16, from_f16)
FLASHLAB_PRODUCT(m16n8k16_f32_bf16, 16, from_bf16)
FLASHLAB_PRODUCT(m16n8k8_f32_f16, 8, from_f16)
FLASHLAB_PRODUCT(m16n8k8_f32_bf16, 8, from_bf16)
FLASHLAB_HALF_PRODUCT(m16n8k16_f16_f16, 16)
FLASHLAB_HALF_PRODUCT(m16n8k8_f16_f16, 8)

/// `count` matrices of 8 × 8 halves: lane 8 i + r brings the address of row r of matrix i. Counted as a load of 16 bytes
/// by the lanes that bring addresses: a matrix is a quarter of a warp, one wavefront unless its rows meet in a bank.
Words4 flashlab_ldmatrix(int count, int transposed, const void* row) {
  Worker& worker = worker_for("ldmatrix");
  const std::uint32_t site = FLASHLAB_HERE;
  if (running.lane->index < 8 * count) {
    if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0) {
      const Complaint c = misaligned(16, offset_of(row));
      worker.find(FindingKind::misaligned, site, c.what, c.cause);
    }
    note_matrix_site(site);
    record_access(row, Kind::load16, __builtin_return_address(0));
  }
  Row mine{static_cast<const std::byte*>(row), {}};
  together("ldmatrix", mine, site, [=](Row* const* lanes) {
    for (int i = 0; i < count; ++i) {
      std::uint16_t matrix[8][8] = {};
      for (int r = 0; r < 8; ++r) {
        if (const std::byte* from = lanes[8 * i + r]->address) std::memcpy(matrix[r], from, 16);
      }
      for (int lane = 0; lane < kWarp; ++lane) {
        const int r = lane / 4, c = lane % 4 * 2;
        const std::uint32_t low = transposed ? matrix[c][r] : matrix[r][c];
        const std::uint32_t high = transposed ? matrix[c + 1][r] : matrix[r][c + 1];
        lanes[lane]->out[i] = low | high << 16;
      }
    }
  });
  return Words4{mine.out[0], mine.out[1], mine.out[2], mine.out[3]};
}

/// movmatrix: an 8 × 8 matrix of halves, a row in four lanes, transposed.
std::uint32_t flashlab_movmatrix(std::uint32_t pair) {
  struct Pair {
    std::uint32_t in, out;
  } mine{pair, 0};
  together("movmatrix", mine, FLASHLAB_HERE, [](Pair* const* lanes) {
    const auto at = [&](int row, int col) { return lanes[row * 4 + col / 2]->in >> col % 2 * 16 & 0xFFFFu; };
    for (int lane = 0; lane < kWarp; ++lane) {
      const int row = lane / 4, col = lane % 4 * 2;
      lanes[lane]->out = at(col, row) | at(col + 1, row) << 16;
    }
  });
  return mine.out;
}

/// Shared memory by its own 32-bit addresses, as cvta.to.shared gives them.
std::uint32_t flashlab_shared_address(const void* p) {
  const Offset offset = offset_of(p);
  if (offset < kWindowBytes && is_shared(offset)) return static_cast<std::uint32_t>(offset % kSharedStride);
  if (running.worker != nullptr) {
    running.worker->find(FindingKind::out_of_bounds, FLASHLAB_HERE,
                         fmt::format("{} is turned into a shared-memory address", fmt::ptr(p)),
                         "only pointers to __shared__ variables have one: this one points to other memory");
  }
  return 0;
}
void* flashlab_shared_pointer(std::uint32_t address) {
  Worker& worker = worker_for("a shared-memory address");
  if (address >= kSharedStride) {
    worker.find(FindingKind::out_of_bounds, FLASHLAB_HERE,
                fmt::format("the shared-memory address {:#x} lies beyond all shared memory", address),
                "take it from __cvta_generic_to_shared(), not from the low half of a pointer");
  }
  return static_cast<std::byte*>(worker.dynamic_shared()) - kDynamicShared + address;
}
int flashlab_is_shared(const void* p) {
  const Offset offset = offset_of(p);
  return offset < kWindowBytes && is_shared(offset);
}
}
