#pragma once
// The shape of an attention call with batches and grouped queries, shared by the upper rungs.

namespace flashlab {

// Q, O (batch, heads, seq, dim), K, V (batch, kv_heads, seq, dim), L (batch, heads, seq): row-major, contiguous.
struct AttentionShape {
  int batch, heads, kv_heads, seq, dim;  // heads / kv_heads query heads in a row read the same K and V
  bool causal;
};

constexpr bool is_valid(const AttentionShape& s) {
  return s.batch > 0 && s.heads > 0 && s.kv_heads > 0 && s.heads % s.kv_heads == 0 && s.seq > 0 && s.dim > 0;
}

}  // namespace flashlab
