#pragma once
// Warp matrix products, nvcuda::wmma, for 16 × 16 × 16 with half or bf16 factors. Fragments lie as sm_80 and later have them:
// those of mma.m16n8k16, two side by side. Factors come from global memory by four 32-bit loads a lane (and a movmatrix
// where rows and columns change places), from shared memory by ldmatrix, as nvcc 13 compiles them for sm_80; sums are
// loaded and stored in pairs along a row, one by one down a column.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <flashlab/ptx.h>

namespace nvcuda {
namespace wmma {

struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
enum layout_t { mem_row_major, mem_col_major };

template <class Use, int m, int n, int k, class T, class Layout = void>
class fragment;

#define FLASHLAB_FRAGMENT(use, T, count, parameters, layout)                       \
  template <parameters> class fragment<use, 16, 16, 16, T layout> {                \
   public:                                                                         \
    static constexpr int num_elements = count, num_storage_elements = count;       \
    typedef T element_type;                                                        \
    typedef T storage_element_type;                                                \
    T x[count];                                                                    \
  };
#define FLASHLAB_COMMA ,
FLASHLAB_FRAGMENT(matrix_a, __half, 16, class Layout, FLASHLAB_COMMA Layout)  // the second eight repeat the first
FLASHLAB_FRAGMENT(matrix_b, __half, 16, class Layout, FLASHLAB_COMMA Layout)
FLASHLAB_FRAGMENT(matrix_a, __nv_bfloat16, 8, class Layout, FLASHLAB_COMMA Layout)
FLASHLAB_FRAGMENT(matrix_b, __nv_bfloat16, 8, class Layout, FLASHLAB_COMMA Layout)
FLASHLAB_FRAGMENT(accumulator, float, 8, , )
FLASHLAB_FRAGMENT(accumulator, __half, 8, , )
#undef FLASHLAB_FRAGMENT
#undef FLASHLAB_COMMA

namespace flashlab_detail {

template <class T>
FLASHLAB_INLINE std::uint32_t pair_of(const T* x) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, x, 4);
  return bits;
}

// Four tiles of 8 × 8: where tile i begins, in tiles, as they lie in memory.
template <class T, int count>
FLASHLAB_INLINE void load(T (&x)[count], const T* p, unsigned ldm, bool rows_first, bool turned) {
  const unsigned lane = flashlab_ptx::laneid();
  std::uint32_t r[4];
  if (flashlab_is_shared(p)) {
    const unsigned i = lane / 8, row = (rows_first ? i % 2 : i / 2) * 8 + lane % 8, column = (rows_first ? i / 2 : i % 2) * 8;
    const flashlab_words4 v = flashlab_ldmatrix(4, turned, p + row * ldm + column);
    r[0] = v[0], r[1] = v[1], r[2] = v[2], r[3] = v[3];
  } else {
    const T* const first = p + lane / 4 * ldm + lane % 4 * 2;
    const unsigned down = 8 * ldm;
    r[0] = *reinterpret_cast<const std::uint32_t*>(first);
    r[1] = *reinterpret_cast<const std::uint32_t*>(first + (rows_first ? down : 8));
    r[2] = *reinterpret_cast<const std::uint32_t*>(first + (rows_first ? 8 : down));
    r[3] = *reinterpret_cast<const std::uint32_t*>(first + down + 8);
    if (turned) {
      r[0] = flashlab_movmatrix(r[0]), r[1] = flashlab_movmatrix(r[1]);
      r[2] = flashlab_movmatrix(r[2]), r[3] = flashlab_movmatrix(r[3]);
    }
  }
  __builtin_memcpy(x, r, 16);
  if constexpr (count == 16) __builtin_memcpy(x + 8, r, 16);
}

template <class T> struct Pair;
template <> struct Pair<float> { typedef float2 type; };
template <> struct Pair<__half> { typedef __half2 type; };

}  // namespace flashlab_detail

template <class T>
FLASHLAB_INLINE void load_matrix_sync(fragment<matrix_a, 16, 16, 16, T, row_major>& a, const T* p, unsigned ldm) { flashlab_detail::load(a.x, p, ldm, true, false); }
template <class T>
FLASHLAB_INLINE void load_matrix_sync(fragment<matrix_a, 16, 16, 16, T, col_major>& a, const T* p, unsigned ldm) { flashlab_detail::load(a.x, p, ldm, false, true); }
template <class T>
FLASHLAB_INLINE void load_matrix_sync(fragment<matrix_b, 16, 16, 16, T, row_major>& b, const T* p, unsigned ldm) { flashlab_detail::load(b.x, p, ldm, true, true); }
template <class T>
FLASHLAB_INLINE void load_matrix_sync(fragment<matrix_b, 16, 16, 16, T, col_major>& b, const T* p, unsigned ldm) { flashlab_detail::load(b.x, p, ldm, false, false); }

#define FLASHLAB_EACH_PAIR(statement)                                   \
  { constexpr int i = 0; statement; }                                   \
  { constexpr int i = 1; statement; }                                   \
  { constexpr int i = 2; statement; }                                   \
  { constexpr int i = 3; statement; }
template <class T>
FLASHLAB_INLINE void load_matrix_sync(fragment<accumulator, 16, 16, 16, T>& c, const T* p, unsigned ldm, layout_t layout) {
  const unsigned row = flashlab_ptx::laneid() / 4, column = flashlab_ptx::laneid() % 4 * 2;
  if (layout == mem_row_major) {
    typedef typename flashlab_detail::Pair<T>::type Two;
    FLASHLAB_EACH_PAIR(const Two v = *reinterpret_cast<const Two*>(p + (row + i % 2 * 8) * ldm + column + i / 2 * 8); c.x[2 * i] = v.x; c.x[2 * i + 1] = v.y)
  } else {
    FLASHLAB_EACH_PAIR(const T* q = p + (column + i / 2 * 8) * ldm + row + i % 2 * 8; c.x[2 * i] = q[0]; c.x[2 * i + 1] = q[ldm])
  }
}
template <class T>
FLASHLAB_INLINE void store_matrix_sync(T* p, const fragment<accumulator, 16, 16, 16, T>& c, unsigned ldm, layout_t layout) {
  const unsigned row = flashlab_ptx::laneid() / 4, column = flashlab_ptx::laneid() % 4 * 2;
  if (layout == mem_row_major) {
    typedef typename flashlab_detail::Pair<T>::type Two;
    FLASHLAB_EACH_PAIR(Two v; v.x = c.x[2 * i]; v.y = c.x[2 * i + 1]; *reinterpret_cast<Two*>(p + (row + i % 2 * 8) * ldm + column + i / 2 * 8) = v)
  } else {
    FLASHLAB_EACH_PAIR(T* q = p + (column + i / 2 * 8) * ldm + row + i % 2 * 8; q[0] = c.x[2 * i]; q[ldm] = c.x[2 * i + 1])
  }
}
#undef FLASHLAB_EACH_PAIR

template <class Use, int m, int n, int k, class T, class Layout>
FLASHLAB_INLINE void fill_fragment(fragment<Use, m, n, k, T, Layout>& f, const T& value) {
  for (int i = 0; i < f.num_elements; ++i) f.x[i] = value;
}

template <class LayoutA, class LayoutB>
FLASHLAB_INLINE void mma_sync(fragment<accumulator, 16, 16, 16, float>& d, const fragment<matrix_a, 16, 16, 16, __half, LayoutA>& a,
                              const fragment<matrix_b, 16, 16, 16, __half, LayoutB>& b, const fragment<accumulator, 16, 16, 16, float>& c) {
  using flashlab_detail::pair_of;
  flashlab_ptx::mma_m16n8k16_f32_f16(d.x[0], d.x[1], d.x[2], d.x[3], pair_of(a.x), pair_of(a.x + 2), pair_of(a.x + 4), pair_of(a.x + 6),
                                     pair_of(b.x), pair_of(b.x + 2), c.x[0], c.x[1], c.x[2], c.x[3]);
  flashlab_ptx::mma_m16n8k16_f32_f16(d.x[4], d.x[5], d.x[6], d.x[7], pair_of(a.x), pair_of(a.x + 2), pair_of(a.x + 4), pair_of(a.x + 6),
                                     pair_of(b.x + 4), pair_of(b.x + 6), c.x[4], c.x[5], c.x[6], c.x[7]);
}
template <class LayoutA, class LayoutB>
FLASHLAB_INLINE void mma_sync(fragment<accumulator, 16, 16, 16, float>& d, const fragment<matrix_a, 16, 16, 16, __nv_bfloat16, LayoutA>& a,
                              const fragment<matrix_b, 16, 16, 16, __nv_bfloat16, LayoutB>& b, const fragment<accumulator, 16, 16, 16, float>& c) {
  using flashlab_detail::pair_of;
  flashlab_ptx::mma_m16n8k16_f32_bf16(d.x[0], d.x[1], d.x[2], d.x[3], pair_of(a.x), pair_of(a.x + 2), pair_of(a.x + 4), pair_of(a.x + 6),
                                      pair_of(b.x), pair_of(b.x + 2), c.x[0], c.x[1], c.x[2], c.x[3]);
  flashlab_ptx::mma_m16n8k16_f32_bf16(d.x[4], d.x[5], d.x[6], d.x[7], pair_of(a.x), pair_of(a.x + 2), pair_of(a.x + 4), pair_of(a.x + 6),
                                      pair_of(b.x + 4), pair_of(b.x + 6), c.x[4], c.x[5], c.x[6], c.x[7]);
}
template <class LayoutA, class LayoutB>
FLASHLAB_INLINE void mma_sync(fragment<accumulator, 16, 16, 16, __half>& d, const fragment<matrix_a, 16, 16, 16, __half, LayoutA>& a,
                              const fragment<matrix_b, 16, 16, 16, __half, LayoutB>& b, const fragment<accumulator, 16, 16, 16, __half>& c) {
  using flashlab_detail::pair_of;
  std::uint32_t sums[4];
  flashlab_ptx::mma_m16n8k16_f16_f16(sums[0], sums[1], pair_of(a.x), pair_of(a.x + 2), pair_of(a.x + 4), pair_of(a.x + 6),
                                     pair_of(b.x), pair_of(b.x + 2), pair_of(c.x), pair_of(c.x + 2));
  flashlab_ptx::mma_m16n8k16_f16_f16(sums[2], sums[3], pair_of(a.x), pair_of(a.x + 2), pair_of(a.x + 4), pair_of(a.x + 6),
                                     pair_of(b.x + 4), pair_of(b.x + 6), pair_of(c.x + 4), pair_of(c.x + 6));
  __builtin_memcpy(d.x, sums, 16);
}

}  // namespace wmma
}  // namespace nvcuda
