#pragma once
/// \file
/// The gpu machine: a stage on the real card, with its answer and its time.

#include <string>
#include <string_view>
#include <vector>

#include "sim/core/problem.hpp"
#include "sim/core/tensor.hpp"

namespace flashlab::gpu {

/// How often a pass is repeated for its time; with no repeat, nothing is timed.
struct Timing {
  int warm_up = 3;   ///< passes before the first timed one: clocks rise, code is loaded
  int repeats = 20;  ///< timed passes
};

/// What the card answered.
struct GpuResult {
  Tensor O;  ///< (batch, heads, N, d)
  std::vector<float>
      L;  ///< m + log l (batch, heads, N) of online-kv and what comes after; empty for the others
  std::vector<double> pass_ms;  ///< each timed pass in order, between CUDA events; kernel launches included
  double median_ms = 0;         ///< of pass_ms; NaN when nothing was timed
  std::string card;             ///< the card's name
};

/// Runs one stage on the current card: warm-up and timed passes, then NaN into O and the scratch and one more pass,
/// whose answer is returned.
///
/// Q (batch, heads, N, d); K, V (batch, kv_heads, N, d), where kv_heads may be less than heads, dividing it, for kernels
/// that group queries. Values are rounded to the problem's type. Device memory: 4 tensors of that size, and 2·N² floats a head for `naive`.
/// Throws UsageError for an unknown stage, and for types and shapes that the kernel or the card refuses;
/// EnvironmentError when there is no card, no driver, an old one, too little memory, or no CUDA in this build.
GpuResult run_stage(std::string_view slug, const Problem& problem, const Tensor& Q, const Tensor& K,
                    const Tensor& V, const Timing& timing = {});

/// The middle one, or the mean of the middle two; NaN for none.
double median(std::vector<double> values);

}  // namespace flashlab::gpu
