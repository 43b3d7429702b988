#include "cuda/host/bench/bench.hpp"

#include <algorithm>

namespace flashlab::gpu {

double BenchShape::flops() const { return 4.0 * batch * heads * seq * double(seq) * dim / (causal ? 2 : 1); }

double BenchShape::compulsory_bytes() const {
  const double rows = double(batch) * seq, element = static_cast<double>(bytes_of(dtype));
  return rows * (2.0 * heads + 2.0 * kv_heads) * dim * element + 4 * rows * heads;
}

KernelShape BenchShape::kernel_shape() const {
  // Head h of Q reads head h / (heads / kv_heads) of K and V; counted over the whole batch, it is the same quotient.
  return {batch * heads, seq, dim, causal, batch * kv_heads, dtype};
}

Spread spread_of(std::vector<double> ms) {
  if (ms.empty()) return {};
  std::ranges::sort(ms);
  const auto quantile = [&](double share) {
    const double at = share * static_cast<double>(ms.size() - 1);
    const std::size_t below = static_cast<std::size_t>(at), above = std::min(below + 1, ms.size() - 1);
    return ms[below] + (at - static_cast<double>(below)) * (ms[above] - ms[below]);
  };
  return {static_cast<int>(ms.size()), quantile(0.5), quantile(0.25), quantile(0.75), ms.front()};
}

double Floor::ms() const {
  double largest = kUnknown;
  for (const double limit : {hbm_ms, products_ms, exp_ms, shared_ms}) {
    if (!(limit <= largest) && !std::isnan(limit)) largest = limit;
  }
  return largest;
}

std::string_view Floor::bound() const {
  const double largest = ms();
  if (largest == products_ms) return "products";
  if (largest == exp_ms) return "exp";
  if (largest == shared_ms) return "shared";
  return largest == hbm_ms ? "hbm" : "";
}

const BenchRow* BenchCase::find(std::string_view contender, std::string_view without) const {
  const auto found = std::ranges::find_if(
      rows, [&](const BenchRow& row) { return row.contender == contender && row.without == without; });
  return found == rows.end() ? nullptr : &*found;
}

double BenchCase::flops_per_s(const BenchRow& row) const { return shape.flops() / (row.time.median_ms * 1e-3); }
double BenchCase::bytes_per_s(const BenchRow& row) const {
  return shape.compulsory_bytes() / (row.time.median_ms * 1e-3);
}

bool BenchRun::passed() const {
  return std::ranges::none_of(cases, [](const BenchCase& at) {
    return std::ranges::any_of(at.rows, [](const BenchRow& row) { return row.wrong; });
  });
}

}  // namespace flashlab::gpu
