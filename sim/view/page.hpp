#pragma once
/// \file
/// The page: one HTML file that holds all it needs.

#include <string>
#include <vector>

#include "sim/report/report.hpp"
#include "sim/view/assets.hpp"
#include "sim/view/film.hpp"

namespace flashlab::view {

/// A measured speed, for the ladder's chart.
struct Rung {
  std::string name, dtype;
  double tflops_per_s = 0;
  bool peer = false;  ///< a library's, not ours
};
struct Ladder {
  std::string title;  ///< card and shape
  std::vector<Rung> rungs;
};

/// What a page about stages shows.
struct StagePage {
  report::Report report;    ///< every stage: the numbers, and the other stages in the charts
  std::vector<Film> films;  ///< one, or two that run on one clock
  Index head = 0;           ///< whose numbers the films show
  Ladder ladder;            ///< empty rungs: no chart
};

/// The whole file. Without JavaScript it shows a picture and the tables.
std::string stage_page(const StagePage& page, const Assets& assets);

/// The data of the page alone, as JSON of schema "flashlab.view/1": what charts.mjs reads.
std::string stage_json(const StagePage& page);

}  // namespace flashlab::view
