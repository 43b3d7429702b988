#include "sim/tile/ops.hpp"

#include <Eigen/Core>
#include <cmath>

namespace flashlab::tile {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Block = Eigen::Map<RowMajor, Eigen::Unaligned, Eigen::OuterStride<>>;
using Row = Eigen::Map<Eigen::ArrayXf>;

Block block(const View& view) {
  return {view.data(), view.height(), view.width(), Eigen::OuterStride<>(view.stride())};
}
Row row(const View& view, Index r) { return {view.data() + r * view.stride(), view.width()}; }

Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

void require_shape(bool holds, const char* operation) {
  if (!holds) throw std::logic_error(std::string("shapes of ") + operation + " do not fit together");
}

/// Columns of `tile` that its row `r` may see under the causal mask.
Index visible_columns(const View& tile, Index r) {
  if (!tile.machine().problem().causal) return tile.width();
  return std::clamp<Index>(tile.rows().begin + r + 1 - tile.columns().begin, 0, tile.width());
}

void count_product(Machine& machine, const View& left, const View& right, Index m, Index n, Index k) {
  machine.count_read(left.tensor(), m * k * ceil_div(n, machine.register_tile().cols));
  machine.count_read(right.tensor(), n * k * ceil_div(m, machine.register_tile().rows));
  machine.count_product_flops(m * n * k);
}

void emit_compute(const View& result, const char* operation, const Where& where,
                  const float* by_row = nullptr) {
  result.machine().emit_compute(result, operation, where, by_row);
}

void multiply_rows(View X, View v, bool by_inverse, const char* operation, const Where& where) {
  require_shape(X.height() == v.height() && v.width() == 1, operation);
  X.require_written();
  v.require_written();
  Machine& machine = X.machine();
  machine.count_read(X.tensor(), X.elements());
  machine.count_read(v.tensor(), v.height());
  machine.count_written(X.tensor(), X.elements());
  machine.count_other_flops(X.elements());
  if (machine.arithmetic()) {
    for (Index r = 0; r < X.height(); ++r) {
      const float factor = v.data()[r];
      if (!by_inverse)
        row(X, r) *= factor;
      else if (factor == 0.0f)
        row(X, r).setZero();
      else
        row(X, r) /= factor;
    }
  }
  emit_compute(X, operation, where, v.data());
}

}  // namespace

void scores(View S, View Q, View K, Where where) {
  const Index m = Q.height(), n = K.height(), d = Q.width();
  require_shape(S.height() == m && S.width() == n && K.width() == d, "scores");
  Q.require_written();
  K.require_written();
  Machine& machine = S.machine();
  count_product(machine, Q, K, m, n, d);
  machine.count_other_flops(m * n);
  S.mark_written(TensorId::S);
  machine.count_written(S.tensor(), m * n);
  if (machine.arithmetic()) {
    block(S).noalias() = machine.problem().scale() * block(Q) * block(K).transpose();
    for (Index r = 0; r < m; ++r) {
      if (const Index seen = visible_columns(S, r); seen < n) row(S, r).tail(n - seen) = -kInfinity;
    }
  }
  emit_compute(S, "scores", where);
}

void add_product(View O, View P, View V, Where where) {
  const Index m = P.height(), n = P.width(), d = V.width();
  require_shape(V.height() == n && O.height() == m && O.width() == d, "add_product");
  O.require_written();
  P.require_written();
  V.require_written();
  Machine& machine = O.machine();
  count_product(machine, P, V, m, d, n);
  machine.count_read(O.tensor(), m * d);
  machine.count_written(O.tensor(), m * d);
  if (machine.arithmetic()) block(O).noalias() += block(P) * block(V);
  emit_compute(O, "add_product", where);
}

void raise_max(View m, View alpha, View S, Where where) {
  require_shape(m.height() == S.height() && alpha.height() == S.height(), "raise_max");
  m.require_written();
  S.require_written();
  Machine& machine = S.machine();
  machine.count_read(S.tensor(), S.elements());
  machine.count_read(m.tensor(), S.height());
  machine.count_written(m.tensor(), S.height());
  machine.count_written(alpha.tensor(), S.height());
  machine.count_other_flops(S.elements() + 2 * S.height());
  alpha.mark_written(TensorId::stats);
  if (machine.arithmetic()) {
    for (Index r = 0; r < S.height(); ++r) {
      const float old_max = m.data()[r];
      const float new_max = std::max(old_max, row(S, r).maxCoeff());
      m.data()[r] = new_max;
      alpha.data()[r] = new_max == -kInfinity ? 1.0f : std::exp(old_max - new_max);
    }
  }
  emit_compute(m, "raise_max", where, alpha.data());
}

void exponentiate(View S, View m, Where where) {
  require_shape(m.height() == S.height(), "exponentiate");
  S.require_written();
  m.require_written();
  Machine& machine = S.machine();
  machine.count_read(TensorId::S, S.elements());
  machine.count_read(m.tensor(), S.height());
  machine.count_written(TensorId::P, S.elements());
  machine.count_other_flops(2 * S.elements());
  S.mark_written(TensorId::P);
  if (machine.arithmetic()) {
    for (Index r = 0; r < S.height(); ++r) {
      // Eigen's vectorised exp stops at exp(−88): what the mask hides is set to 0 by hand.
      const Index seen = m.data()[r] == -kInfinity ? 0 : visible_columns(S, r);
      auto values = row(S, r);
      values.head(seen) = (values.head(seen) - m.data()[r]).exp();
      values.tail(S.width() - seen) = 0.0f;
    }
  }
  emit_compute(S, "exponentiate", where, m.data());
}

void add_row_sums(View l, View alpha, View P, Where where) {
  require_shape(l.height() == P.height() && alpha.height() == P.height(), "add_row_sums");
  l.require_written();
  alpha.require_written();
  P.require_written();
  Machine& machine = P.machine();
  machine.count_read(P.tensor(), P.elements());
  machine.count_read(l.tensor(), 2 * P.height());
  machine.count_written(l.tensor(), P.height());
  machine.count_other_flops(P.elements() + 2 * P.height());
  if (machine.arithmetic()) {
    for (Index r = 0; r < P.height(); ++r) l.data()[r] = alpha.data()[r] * l.data()[r] + row(P, r).sum();
  }
  emit_compute(l, "add_row_sums", where, alpha.data());
}

void scale_rows(View X, View v, Where where) { multiply_rows(X, v, false, "scale_rows", where); }

void divide_rows(View X, View v, Where where) { multiply_rows(X, v, true, "divide_rows", where); }

void log_sum(View l, View m, Where where) {
  require_shape(l.height() == m.height(), "log_sum");
  l.require_written();
  m.require_written();
  Machine& machine = l.machine();
  machine.count_read(l.tensor(), 2 * l.height());
  machine.count_written(l.tensor(), l.height());
  machine.count_other_flops(2 * l.height());
  if (machine.arithmetic()) {
    for (Index r = 0; r < l.height(); ++r) l.data()[r] = m.data()[r] + std::log(l.data()[r]);
  }
  emit_compute(l, "log_sum", where, m.data());
}

}  // namespace flashlab::tile
