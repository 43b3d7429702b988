#include "cuda/host/gpu.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "cuda/host/stage_runner.hpp"
#include "sim/core/error.hpp"
#include "sim/core/stages.hpp"

namespace flashlab::gpu {

double median(std::vector<double> values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

GpuResult run_stage(std::string_view slug, const Problem& problem, const Tensor& Q, const Tensor& K,
                    const Tensor& V, const Timing& timing) {
  const StageInfo& stage = stage_from_slug(slug);
  problem.validate();
  for (const Tensor* tensor : {&Q, &K, &V}) {
    if (tensor->batch() != problem.batch || tensor->seq() != problem.seq || tensor->dim() != problem.dim ||
        tensor->heads() != (tensor == &Q ? problem.heads : K.heads())) {
      throw UsageError("Q, K and V must have the shape of the problem");
    }
  }
  if (problem.head_count() > std::numeric_limits<int>::max() || problem.seq > std::numeric_limits<int>::max()) {
    throw UsageError(fmt::format("{} on the gpu machine: batch × heads and N must fit in 31 bits", stage.slug));
  }
  const Card card = require_card();
  const KernelShape shape{static_cast<int>(problem.head_count()),
                          static_cast<int>(problem.seq),
                          static_cast<int>(problem.dim),
                          problem.causal,
                          static_cast<int>(problem.batch * K.heads()),
                          problem.dtype};
  StageRunner runner(stage.slug, shape, Q.data(), K.data(), V.data());

  GpuResult result;
  result.card = card.name;
  for (int pass = 0; pass < timing.warm_up && timing.repeats > 0; ++pass) runner.launch();
  for (int pass = 0; pass < timing.repeats; ++pass) result.pass_ms.push_back(runner.timed_pass_ms());
  result.median_ms = median(result.pass_ms);

  runner.poison();
  runner.launch();
  runner.wait();
  const std::vector<float> O = runner.output();
  result.O = Tensor(problem.batch, problem.heads, problem.seq, problem.dim);
  std::ranges::copy(O, result.O.data());
  result.L = runner.statistics();
  return result;
}

}  // namespace flashlab::gpu
