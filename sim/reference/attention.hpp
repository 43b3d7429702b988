#pragma once
/// \file
/// The oracle: attention in double, by Eigen, written without any regard to memory. Everything is checked against it.

#include <span>
#include <vector>

#include "sim/core/tensor.hpp"

namespace flashlab::reference {

/// O = softmax(Q Kᵀ / √d) V and L = m + log l of every row, in double.
struct Attention {
  std::vector<double> O;     ///< (batch, heads, N, d)
  std::vector<double> L;     ///< (batch, heads, N)
  double largest_score = 0;  ///< max |S| over the scores that the mask leaves: what rounding errors scale with
};

/// The answer for all heads; with `problem.causal` row i sees the columns ≤ i.
/// Costs 4·N²·d FLOPs a head in double, on all cores, and some MB a core.
Attention attention(const Problem& problem, const Tensor& Q, const Tensor& K, const Tensor& V);

/// How far an answer is from the oracle's.
struct Error {
  double relative_frobenius = 0;  ///< ‖got − want‖ / ‖want‖; NaN when anything in `got` is not finite
  double largest_absolute = 0;    ///< max |got − want|; NaN likewise
  Index not_finite = 0;  ///< elements of `got` that are NaN or infinite, poison that nothing overwrote included
  /// Whether every element is finite and the relative error is at most `tolerance`. NaN never passes.
  bool within(double tolerance) const { return not_finite == 0 && relative_frobenius <= tolerance; }
};

/// Compares all elements. Throws std::logic_error when the sizes differ.
Error compare(std::span<const float> got, std::span<const double> want);

/// The relative error that rounding alone explains: a few units in the last place of the type, grown by the size of
/// the scores, since an error e in a score is a relative error e in its exponential.
double tolerance(DType dtype, double largest_score);

/// The same for a kernel that rounds Q, K, V, P and O to the type and keeps S in fp32: the size of the scores then matters
/// to fp32's roundings alone. Of Q, K and V the rounded values are what the oracle is given.
double kernel_tolerance(DType dtype, double largest_score);

}  // namespace flashlab::reference
