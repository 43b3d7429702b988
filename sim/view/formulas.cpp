#include "sim/view/formulas.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace flashlab::view {
namespace {

using E = Expression;

const E N = "N", d = "d", M = "M", element = "element", heads = "heads", causal = "causal";
constexpr int kStatistic = 4;  // bytes: m, l and L are fp32

/// What one row tile i sees. Without the mask all of it is N.
struct RowTile {
  E rows, columns;
};
RowTile row_tile(const E& Br, const E& Bc, const char* i) {
  const E rows = min(Br, N - E(i) * Br), end = E(i) * Br + rows;
  return {rows, choose(causal, min(N, ceil_div(end, Bc) * Bc), N)};
}

/// The most that is resident at once while tiles of r × c rows are worked on (n columns of S in a row of `fused` and
/// `naive`), in bytes. Each line is a scope of the stage program.
E working_set(std::string_view stage, const E& r, const E& c, const E& n) {
  const E row_vectors = 3 * kStatistic * r;  // m, l, alpha
  if (stage == "naive") {
    const E scores = (r * d + c * d + r * c) * element;
    const E output = (r * d + r * c + c * d) * element;
    const E whole_row = n * element + 3 * kStatistic;
    const E fitting = floor_div(M, whole_row);
    const E softmax =
        choose(1 <= fitting, min(fitting, r) * whole_row, r * c * element + row_vectors + kStatistic * r);
    return max(max(scores, output), softmax);
  }
  if (stage == "fused") return (2 * r * d + r * n + c * d) * element + row_vectors;
  return (2 * r * d + 2 * c * d + r * c) * element + row_vectors;
}

E fits(const StageInfo& stage, const E& Br, const E& Bc) {
  return working_set(stage.slug, min(Br, N), min(Bc, N), N) <= M;
}

/// A tile size that was given, else this one; at most N.
E unless_given(const char* given, const E& by_rule) { return min(N, choose(E(0) < E(given), given, by_rule)); }

/// The largest N that fits with the smallest tiles, or with those given; kEndless when any does.
E largest_seq(const StageInfo& stage) {
  constexpr double kEndless = 1 << 30;
  const auto smallest = [](const char* given) { return min("x", max(1, given)); };
  return largest("x", kEndless, working_set(stage.slug, smallest("Br_given"), smallest("Bc_given"), "x") <= M);
}

/// Br and Bc by the rules of tile::choose_tiles; Br = 0 where nothing fits.
std::vector<Formula> tile_sizes(const StageInfo& stage) {
  const E paper_cols = max(1, ceil_div(floor_div(M, element), 4 * d));
  const E paper_rows = min(E("paper_cols"), d);
  std::vector<Formula> all{{"paper_cols", paper_cols}, {"paper_rows", paper_rows}};
  const auto rows_for = [](const E& rows) { return unless_given("Br_given", rows); };
  const auto cols_for = [](const E& cols) { return unless_given("Bc_given", cols); };
  if (stage.slug == "fused") {
    const auto rows_beside = [&](const E& cols) {
      return largest("x", "paper_rows", fits(stage, rows_for("x"), cols_for(cols)));
    };
    all.push_back({"beside_wide", rows_beside(min(32, "paper_cols"))});
    all.push_back({"beside_narrow", choose(E(0) < E("beside_wide"), 0, rows_beside(1))});
    const E rows = max("beside_wide", "beside_narrow");
    all.push_back({"Br", choose(E(0) < rows, rows_for(rows), 0)});
    all.push_back({"Bc", cols_for(choose(E(0) < E("beside_wide"), min(32, "paper_cols"), 1))});
    return all;
  }
  const auto shrunk_rows = [&](const E& cols) { return rows_for(min(cols, d)); };
  all.push_back({"cols", choose(fits(stage, rows_for("paper_rows"), cols_for("paper_cols")), "paper_cols",
                                largest("x", "paper_cols", fits(stage, shrunk_rows("x"), cols_for("x"))))});
  all.push_back({"Br", choose(E(0) < E("cols"), shrunk_rows("cols"), 0)});
  all.push_back({"Bc", cols_for("cols")});
  return all;
}

/// Elements of one head over the HBM boundary, by tensor and direction.
struct Moved {
  E Q_read = 0, Q_written = 0, K_read = 0, K_written = 0, V_read = 0, V_written = 0, S_read = 0, S_written = 0,
    P_read = 0, P_written = 0, O_read = 0, O_written = 0, stats_read = 0, stats_written = 0;
};

/// C = Σ cᵢ, A = Σ rᵢcᵢ, A3 = that with rows that do not fit thrice, R = Σ nⱼ: see docs/formulas.md.
Moved moved(std::string_view stage) {
  const E C = "C", A = "A", R = "R", Nd = N * d;
  Moved m;
  m.O_written = Nd;
  m.Q_read = Nd;
  m.K_read = m.V_read = C * d;
  if (stage == "naive") {
    m.S_written = m.P_written = m.P_read = A;
    m.S_read = "A3";
  } else if (stage == "tiled") {
    m.K_read = 2 * C * d;
  } else if (stage == "online-kv") {
    m.Q_read = m.O_read = m.O_written = R * d;
    m.K_read = m.V_read = Nd;
    m.stats_read = m.stats_written = 2 * R;
  } else if (stage == "online-q") {
    m.stats_written = N;
  }
  return m;
}

/// FLOPs of one head that are not products: one an element for scale, maximum, exponential, sum and rescaling. V counts a
/// row once for each tile that it visits.
E other_flops(std::string_view stage) {
  const E A = "A", V = "V", Nd = N * d;
  if (stage == "naive") {  // where a row does not fit, its exponential is taken twice
    const RowTile t = row_tile("Br", "Bc", "i");
    const E once = 6 * t.rows * t.columns + 4 * t.rows;
    const E twice = 8 * t.rows * t.columns + 4 * t.rows * ceil_div(t.columns, "Bc");
    const E fits_here = t.columns * element + 3 * kStatistic <= M;
    return choose(causal, sum("i", "Tr", choose(fits_here, once, twice)),
                  choose(N * element + 3 * kStatistic <= M, 6 * A + 4 * N, 8 * A + 4 * V));
  }
  if (stage == "fused") return 6 * A + 4 * N;
  if (stage == "tiled") return 8 * A + 4 * V + Nd;
  if (stage == "online-kv") return 5 * A + 4 * V + 3 * V * d;
  return 5 * A + 4 * V + V * d + Nd + 2 * N;
}

void add_sums(std::vector<Formula>& all) {
  const E Br = "Br", Bc = "Bc", Tr = "Tr", Tc = "Tc";
  const RowTile t = row_tile(Br, Bc, "i");
  const auto by_mask = [](const E& masked, const E& full) { return choose(causal, masked, full); };
  const E times = choose(t.columns * element + 3 * kStatistic <= M, 1, 3);
  all.push_back({"Tr", ceil_div(N, Br)});
  all.push_back({"Tc", ceil_div(N, Bc)});
  all.push_back({"C", by_mask(sum("i", Tr, t.columns), Tr * N)});
  all.push_back({"A", by_mask(sum("i", Tr, t.rows * t.columns), N * N)});
  all.push_back({"A3", by_mask(sum("i", Tr, times * t.rows * t.columns),
                               choose(N * element + 3 * kStatistic <= M, 1, 3) * N * N)});
  all.push_back({"R", by_mask(sum("j", Tc, N - Br * floor_div(E("j") * Bc, Br)), Tc * N)});
  all.push_back({"V", by_mask(sum("i", Tr, t.rows * ceil_div(t.columns, Bc)), Tc * N)});
}

void add_bytes(std::vector<Formula>& all, const Moved& m) {
  const auto bytes = [](const E& elements) { return heads * element * elements; };
  const auto statistics = [](const E& elements) { return heads * kStatistic * elements; };
  E read = 0, written = 0;
  const auto add = [&](const std::string& tensor, const E& r, const E& w) {
    all.push_back({tensor + "_read_bytes", r});
    all.push_back({tensor + "_write_bytes", w});
    read = read + (tensor + "_read_bytes").c_str();
    written = written + (tensor + "_write_bytes").c_str();
  };
  add("Q", bytes(m.Q_read), bytes(m.Q_written));
  add("K", bytes(m.K_read), bytes(m.K_written));
  add("V", bytes(m.V_read), bytes(m.V_written));
  add("S", bytes(m.S_read), bytes(m.S_written));
  add("P", bytes(m.P_read), bytes(m.P_written));
  add("O", bytes(m.O_read), bytes(m.O_written));
  add("stats", statistics(m.stats_read), statistics(m.stats_written));
  all.push_back({"hbm_read_bytes", read});
  all.push_back({"hbm_write_bytes", written});
  all.push_back({"hbm_bytes", E("hbm_read_bytes") + E("hbm_write_bytes")});
}

/// The time below which no schedule can go: report::time_floor.
void add_times(std::vector<Formula>& all) {
  all.push_back({"hbm_ms", 1000 * E("hbm_bytes") / E("hbm_bytes_per_s")});
  const E on_one_unit = 1000 * E("flops") / E("product_flops_per_s");
  const E side_by_side = max(1000 * E("product_flops") / E("product_flops_per_s"),
                             1000 * E("other_flops") / E("fp32_flops_per_s"));
  const E same = E("product_flops_per_s") <= E("fp32_flops_per_s");
  all.push_back({"compute_ms", choose(same, on_one_unit, side_by_side)});
  all.push_back({"floor_ms", max("hbm_ms", "compute_ms")});
  all.push_back({"wait_share", E(1) - E("compute_ms") / E("floor_ms")});
  all.push_back({"flops_per_byte", E("flops") / E("hbm_bytes")});
}

}  // namespace

std::vector<Formula> formulas_of(const StageInfo& stage) {
  const std::string_view slug = stage.slug;
  std::vector<Formula> all{{"largest_seq", largest_seq(stage)}};
  for (const Formula& size : tile_sizes(stage)) all.push_back(size);
  add_sums(all);
  add_bytes(all, moved(slug));
  const RowTile t = row_tile("Br", "Bc", "i");
  const bool by_rows =
      slug == "naive" || slug == "fused";  // whole rows of S: under the mask the longest one counts
  const E full = working_set(slug, "Br", "Bc", N);
  all.push_back(
      {"sram_peak_bytes",
       by_rows ? choose(causal, greatest("i", "Tr", working_set(slug, t.rows, min("Bc", t.columns), t.columns)),
                        full)
               : full});
  const E own = slug == "naive" ? 2 * N * N * element
                                : E(slug == "online-kv"  ? 2
                                    : slug == "online-q" ? 1
                                                         : 0) *
                                      N * kStatistic;
  all.push_back({"hbm_footprint_bytes", heads * (4 * N * d * element + own)});
  all.push_back({"product_flops", heads * (slug == "tiled" ? 6 : 4) * E("A") * d});
  all.push_back({"other_flops", heads * other_flops(slug)});
  all.push_back({"flops", E("product_flops") + E("other_flops")});
  add_times(all);
  return all;
}

Expression lower_bound_bytes() { return heads * element * N * N * d * d / (M / element); }

Variables variables_of(const Problem& problem, const tile::RunOptions& options, const DeviceProfile& device) {
  const auto number = [](auto value) { return static_cast<double>(value); };
  return {{"N", number(problem.seq)},
          {"d", number(problem.dim)},
          {"M", number(options.sram_bytes)},
          {"element", number(bytes_of(problem.dtype))},
          {"heads", number(problem.head_count())},
          {"causal", problem.causal ? 1.0 : 0.0},
          {"Br_given", number(options.rows.value_or(0))},
          {"Bc_given", number(options.cols.value_or(0))},
          {"hbm_bytes_per_s", device.hbm_bytes_per_s},
          {"fp32_flops_per_s", device.fp32_flops_per_s},
          {"product_flops_per_s", device.peak_flops_per_s(problem.dtype)}};
}

Variables evaluate(const std::vector<Formula>& formulas, Variables variables) {
  for (const Formula& formula : formulas) {
    const double value = formula.value.evaluate(variables);
    variables[formula.name] = value;
    if (formula.name == "Br" && value == 0) break;  // refused: nothing else has a meaning
  }
  return variables;
}

std::string formulas_json() {
  std::string text = "{\"stages\":{";
  for (const StageInfo& stage : stages()) {
    text += fmt::format("{}\"{}\":[", &stage == &stages().front() ? "" : ",", stage.slug);
    bool first = true;
    for (const Formula& formula : formulas_of(stage)) {
      text += fmt::format("{}[\"{}\",{}]", first ? "" : ",", formula.name, formula.value.to_json());
      first = false;
    }
    text += ']';
  }
  return text + fmt::format("}},\"lower_bound_bytes\":{}}}", lower_bound_bytes().to_json());
}

}  // namespace flashlab::view
