#pragma once
/// \file
/// A stage's run on the tile machine as a film: every event in order, small enough to be carried by a page.

#include <optional>
#include <string>
#include <vector>

#include "sim/core/inputs.hpp"
#include "sim/tile/run.hpp"

namespace flashlab::view {

/// What an event does; a run has some dozens of different ones.
struct Act {
  tile::Event::Kind kind;
  TensorId tensor;
  std::string operation;
  int line = 0;     ///< of the stage program; 0 for free
  Bytes bytes = 0;  ///< moved or held
  bool operator==(const Act&) const = default;
};

/// Where in its matrix: a rectangle of rows and columns.
struct Place {
  Index row = 0, rows = 0, column = 0, columns = 0;
  bool operator==(const Place&) const = default;
};

/// How many numbers an operation leaves of one row, in the order in which Film::row_values holds them:
/// scores: the largest score; raise_max: m, alpha; exponentiate: the sum of the row of P; add_row_sums: l;
/// scale_rows, divide_rows: the factor or divisor and the row's first two elements; add_product: those two; log_sum: L.
int values_of(std::string_view operation);

/// One head's run.
struct Film {
  tile::StageRun run;  ///< traffic of the one head
  std::vector<Act> acts;
  std::vector<Place> places;
  std::vector<std::uint32_t> act_of, place_of;  ///< of each event: indices into the two above

  /// Row statistics, for every `row_step`-th row: all values of row 0, then of row row_step, …. A row's values follow
  /// the operations that touch it, in order. Empty without numbers.
  Index row_step = 1;
  std::vector<std::vector<float>> row_values;

  std::string left_out;  ///< why there are no events (too many), or no numbers; empty when all is there
};

struct FilmOptions {
  std::size_t most_events = 250'000;      ///< a run with more has no events: its counts alone
  std::size_t most_row_values = 300'000;  ///< fewer rows are kept when all would be more
  double most_multiply_adds = 4e9;        ///< beyond, no numbers are computed
};

/// Runs one head of the stage. With inputs the numbers are those of head `head`.
/// Cost: the run, O(N²·d) with numbers, O(Tr·Tc) without; `most_events` events at most.
/// Throws what tile::trace throws: StageRefusal when the stage cannot run, EnvironmentError for want of memory.
Film make_film(const StageInfo& stage, const Problem& problem, const tile::RunOptions& options,
               const Inputs* inputs, Index head, const FilmOptions& limits = {});

/// The stage program as it was compiled, line 1 first.
std::string_view source_of(const StageInfo& stage);
/// Its path in the tree: "sim/tile/stages/online_q.cpp".
std::string source_path(const StageInfo& stage);

}  // namespace flashlab::view
