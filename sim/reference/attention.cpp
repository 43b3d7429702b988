#include "sim/reference/attention.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <stdexcept>

#include "sim/core/parallel.hpp"

namespace flashlab::reference {
namespace {

using FloatRows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using DoubleRows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr Index kRowsATask = 256;
constexpr Index kScoresATask = 1 << 22;  // 32 MiB of doubles: long sequences take fewer rows at a time

/// Rows first … first + count − 1 of one head. Returns the largest |score|.
double attend_rows(const Problem& problem, const float* q, const float* k, const float* v, Index first,
                   Index count, double* O, double* L) {
  const Index seen = problem.causal ? first + count : problem.seq;
  const auto matrix = [&](const float* data, Index rows) {
    return Eigen::Map<const FloatRows>(data, rows, problem.dim).cast<double>();
  };
  const DoubleRows K = matrix(k, seen), V = matrix(v, seen);
  DoubleRows S =
      matrix(q + first * problem.dim, count) * K.transpose() / std::sqrt(static_cast<double>(problem.dim));
  double largest = 0;
  for (Index r = 0; r < count; ++r) {
    const Index columns = problem.causal ? first + r + 1 : seen;
    auto row = S.row(r).head(columns);
    largest = std::max(largest, row.cwiseAbs().maxCoeff());
    const double m = row.maxCoeff();
    row = (row.array() - m).exp();
    const double l = row.sum();
    row /= l;
    S.row(r).tail(seen - columns).setZero();
    L[first + r] = m + std::log(l);
  }
  Eigen::Map<DoubleRows>(O + first * problem.dim, count, problem.dim).noalias() = S * V;
  return largest;
}

}  // namespace

Attention attention(const Problem& problem, const Tensor& Q, const Tensor& K, const Tensor& V) {
  problem.validate();
  Attention answer;
  answer.O.assign(static_cast<std::size_t>(Q.size()), 0.0);
  answer.L.assign(static_cast<std::size_t>(problem.head_count() * problem.seq), 0.0);
  const Index rows_a_task = std::clamp<Index>(kScoresATask / problem.seq, 1, kRowsATask);
  const Index tasks_a_head = (problem.seq + rows_a_task - 1) / rows_a_task;
  std::mutex mutex;
  parallel_for(problem.head_count() * tasks_a_head, [&](Index task) {
    const Index head = task / tasks_a_head;
    const Index first = task % tasks_a_head * rows_a_task;
    const double largest = attend_rows(
        problem, Q.head(head), K.head(head), V.head(head), first, std::min(rows_a_task, problem.seq - first),
        answer.O.data() + head * Q.head_size(), answer.L.data() + head * problem.seq);
    const std::lock_guard lock(mutex);
    answer.largest_score = std::max(answer.largest_score, largest);
  });
  return answer;
}

Error compare(std::span<const float> got, std::span<const double> want) {
  if (got.size() != want.size()) throw std::logic_error("compare: the sizes differ");
  Error error;
  double difference_squared = 0, want_squared = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!std::isfinite(got[i])) ++error.not_finite;
    const double difference = got[i] - want[i];
    difference_squared += difference * difference;
    want_squared += want[i] * want[i];
    error.largest_absolute = std::max(error.largest_absolute, std::abs(difference));
  }
  error.relative_frobenius = std::sqrt(difference_squared / want_squared);
  if (difference_squared == 0) error.relative_frobenius = 0;  // also when all that is wanted is 0
  if (error.not_finite > 0) {
    error.relative_frobenius = error.largest_absolute = std::numeric_limits<double>::quiet_NaN();
  }
  return error;
}

namespace {

double unit_roundoff(DType dtype) {
  return dtype == DType::f32 ? 0x1p-24 : dtype == DType::f16 ? 0x1p-11 : 0x1p-8;
}

}  // namespace

double tolerance(DType dtype, double largest_score) { return 4 * unit_roundoff(dtype) * (2 + largest_score); }

double kernel_tolerance(DType dtype, double largest_score) {
  return tolerance(DType::f32, largest_score) + (dtype == DType::f32 ? 0 : 3 * unit_roundoff(dtype));
}

}  // namespace flashlab::reference
