#include "sim/view/film.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "sim/core/text.hpp"
#include "sim/view/stage_sources.hpp"

namespace flashlab::view {
namespace {

using tile::Event;

struct TooManyEvents {};

/// Takes events apart into the film's tables.
class Recorder {
 public:
  Recorder(Film& film, Index seq, std::size_t most_events)
      : film_(film), seq_(seq), most_events_(most_events) {}

  /// With numbers, `kept_rows` is how many rows' values are kept.
  void keep_rows(Index step) {
    film_.row_step = step;
    film_.row_values.resize(static_cast<std::size_t>((seq_ + step - 1) / step));
  }

  void operator()(const Event& event) {
    // Tiles leave SRAM in destructors, from where nothing may be thrown.
    if (film_.act_of.size() >= most_events_ && event.kind != Event::Kind::free) throw TooManyEvents{};
    film_.act_of.push_back(act(event));
    film_.place_of.push_back(place(event));
    if (event.result) keep_values(event);
  }

 private:
  std::uint32_t act(const Event& event) {
    const bool free = event.kind == Event::Kind::free;  // its line is the machine's, not the stage's
    const Act act{event.kind, event.tensor, event.operation, free ? 0 : event.line, event.bytes};
    const auto key = std::tuple(static_cast<int>(act.kind), static_cast<int>(act.tensor), act.line,
                                act.operation, act.bytes);
    const auto [found, added] = act_numbers_.try_emplace(key, static_cast<std::uint32_t>(film_.acts.size()));
    if (added) film_.acts.push_back(act);
    return found->second;
  }

  std::uint32_t place(const Event& event) {
    const Place place{event.rows.begin, event.rows.count, event.columns.begin, event.columns.count};
    const auto key = std::tuple(place.row, place.rows, place.column, place.columns);
    const auto [found, added] =
        place_numbers_.try_emplace(key, static_cast<std::uint32_t>(film_.places.size()));
    if (added) film_.places.push_back(place);
    return found->second;
  }

  void keep_values(const Event& event) {
    const std::string_view operation = event.operation;
    const Index step = film_.row_step, first = (event.rows.begin + step - 1) / step * step;
    for (Index row = first; row < event.rows.end(); row += step) {
      const Index r = row - event.rows.begin;
      const float* const values = event.result + r * event.result_stride;
      const float* const end = values + event.columns.count;
      std::vector<float>& kept = film_.row_values[static_cast<std::size_t>(row / step)];
      if (operation == "scores") kept.push_back(*std::max_element(values, end));
      if (operation == "exponentiate") kept.push_back(std::accumulate(values, end, 0.0f));
      if (operation == "scale_rows" || operation == "divide_rows") kept.push_back(event.by_row[r]);
      if (operation == "add_product" || operation == "scale_rows" || operation == "divide_rows") {
        kept.insert(kept.end(), {values[0], end - values > 1 ? values[1] : 0.0f});
      }
      if (operation == "raise_max") kept.insert(kept.end(), {values[0], event.by_row[r]});
      if (operation == "add_row_sums" || operation == "log_sum") kept.push_back(values[0]);
    }
  }

  Film& film_;
  Index seq_;
  std::size_t most_events_;
  std::map<std::tuple<int, int, int, std::string, Bytes>, std::uint32_t> act_numbers_;
  std::map<std::tuple<Index, Index, Index, Index>, std::uint32_t> place_numbers_;
};

/// Values that all rows together would leave, from a film without numbers.
std::size_t row_values_of(const Film& film) {
  std::size_t count = 0;
  for (std::size_t e = 0; e < film.act_of.size(); ++e) {
    const Act& act = film.acts[film.act_of[e]];
    if (act.kind != Event::Kind::compute) continue;
    count += static_cast<std::size_t>(film.places[film.place_of[e]].rows) *
             static_cast<std::size_t>(values_of(act.operation));
  }
  return count;
}

}  // namespace

int values_of(std::string_view operation) {
  if (operation == "scale_rows" || operation == "divide_rows") return 3;
  return operation == "raise_max" || operation == "add_product" ? 2 : 1;
}

Film make_film(const StageInfo& stage, const Problem& problem, const tile::RunOptions& options,
               const Inputs* inputs, Index head, const FilmOptions& limits) {
  // First without numbers: it is cheap, and tells how much there is to keep.
  Problem one = problem;
  one.batch = one.heads = 1;
  Film film;
  try {
    film.run = tile::trace(stage, one, options, Recorder(film, one.seq, limits.most_events));
  } catch (const TooManyEvents&) {
    Film counted;
    counted.run = tile::count(stage, one, options);
    counted.left_out = fmt::format(
        "{} takes more than {} steps here, too many to play: the counts stand below. Take a smaller N, or "
        "larger "
        "tiles.",
        stage.slug, format_count(limits.most_events));
    return counted;
  }
  if (!inputs) {
    film.left_out = "Counted, not computed: there are no numbers to show of a row.";
    return film;
  }
  const double multiply_adds = static_cast<double>(film.run.traffic.product_flops) / 2;
  if (multiply_adds > limits.most_multiply_adds) {
    film.left_out = fmt::format(
        "The numbers of a row are left out: {} multiply-adds would be needed, and a page takes up to {}.",
        format_si(multiply_adds), format_si(limits.most_multiply_adds));
    return film;
  }
  const std::size_t values = row_values_of(film);
  const auto step = static_cast<Index>((values + limits.most_row_values - 1) / limits.most_row_values);
  Film numbered;
  Recorder recorder(numbered, one.seq, limits.most_events);
  recorder.keep_rows(std::max<Index>(1, step));
  numbered.run =
      tile::trace(stage, problem, options, inputs->q, inputs->k, inputs->v, head, std::ref(recorder));
  return numbered;
}

std::string_view source_of(const StageInfo& stage) {
  for (const auto& [slug, text] : kStageSources) {
    if (slug == stage.slug) return text;
  }
  return {};
}

std::string source_path(const StageInfo& stage) {
  std::string name(stage.slug);
  std::ranges::replace(name, '-', '_');
  return fmt::format("sim/tile/stages/{}.cpp", name);
}

}  // namespace flashlab::view
