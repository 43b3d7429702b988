// A film holds the machine's run: the same bytes, lines that are in the source, and the numbers of rows.

#include <doctest/doctest.h>

#include <cmath>

#include "sim/reference/attention.hpp"
#include "sim/view/film.hpp"

using namespace flashlab;
using tile::Event;

namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

/// The last value that `operation` left of a kept row, as a film's reader takes the values apart.
std::vector<float> last_value(const view::Film& film, Index row, std::string_view operation) {
  std::vector<float> found;
  std::size_t at = 0;
  for (std::size_t e = 0; e < film.act_of.size(); ++e) {
    const view::Act& act = film.acts[film.act_of[e]];
    const view::Place& place = film.places[film.place_of[e]];
    if (act.kind != Event::Kind::compute || row < place.row || row >= place.row + place.rows) continue;
    const auto number = static_cast<std::size_t>(view::values_of(act.operation));
    const auto& values = film.row_values[static_cast<std::size_t>(row / film.row_step)];
    REQUIRE(at + number <= values.size());
    if (act.operation == operation) found.assign(values.begin() + at, values.begin() + at + number);
    at += number;
  }
  CHECK(at == film.row_values[static_cast<std::size_t>(row / film.row_step)].size());
  return found;
}

}  // namespace

TEST_SUITE_BEGIN("view");

TEST_CASE("the film's loads and stores are the traffic, its acts stand on lines of the program") {
  const Inputs inputs = random_inputs({.heads = 2, .seq = 150, .dim = 16}, 5);
  for (const bool causal : {false, true}) {
    Problem p = inputs.problem;
    p.causal = causal;
    for (const StageInfo& stage : stages()) {
      CAPTURE(stage.slug);
      const view::Film film = view::make_film(stage, p, {.sram_bytes = 12 * 1024}, &inputs, 1);
      CHECK(film.left_out.empty());
      BoundaryTraffic hbm;
      const auto lines = lines_of(view::source_of(stage));
      for (std::size_t e = 0; e < film.act_of.size(); ++e) {
        const view::Act& act = film.acts[film.act_of[e]];
        if (act.kind == Event::Kind::load) hbm[act.tensor] += {act.bytes, 0};
        if (act.kind == Event::Kind::store) hbm[act.tensor] += {0, act.bytes};
        if (act.kind == Event::Kind::free) continue;
        REQUIRE(act.line > 0);
        REQUIRE(act.line <= std::ssize(lines));
        const bool made = act.kind == Event::Kind::allocate;  // by alloc, fill or load
        const std::string_view text = lines[static_cast<std::size_t>(act.line - 1)];
        CHECK(text.find(made ? "a.sram." : act.operation.c_str()) != std::string_view::npos);
      }
      CHECK(hbm == film.run.traffic.hbm);
      CHECK(film.run.traffic * 2 == tile::count(stage, p, {.sram_bytes = 12 * 1024}).traffic);
    }
  }
}

TEST_CASE("the numbers of a row are those of the head that was asked for") {
  const Inputs inputs = random_inputs({.heads = 3, .seq = 90, .dim = 8}, 6);
  const Index head = 2, row = 41;
  const auto want = reference::attention(inputs.problem, inputs.q, inputs.k, inputs.v).O;
  const float* const q = inputs.q.head(head) + row * 8;
  double largest = -INFINITY, sum = 0;
  std::vector<double> scores;
  for (Index j = 0; j < 90; ++j) {
    double score = 0;
    for (Index k = 0; k < 8; ++k) score += q[k] * inputs.k.head(head)[j * 8 + k];
    scores.push_back(score / std::sqrt(8.0));
    largest = std::max(largest, scores.back());
  }
  for (const double score : scores) sum += std::exp(score - largest);
  for (const StageInfo& stage : stages()) {
    CAPTURE(stage.slug);
    const view::Film film = view::make_film(stage, inputs.problem, {.sram_bytes = 8 * 1024}, &inputs, head);
    CHECK(film.row_step == 1);
    CHECK(last_value(film, row, "raise_max").at(0) == doctest::Approx(largest).epsilon(1e-5));
    CHECK(last_value(film, row, "add_row_sums").at(0) == doctest::Approx(sum).epsilon(1e-5));
    const bool divided_last = stage.slug != "naive" && stage.slug != "fused";
    const auto o = last_value(film, row, divided_last ? "divide_rows" : "add_product");
    CHECK(o.at(divided_last ? 1 : 0) ==
          doctest::Approx(want[static_cast<std::size_t>((head * 90 + row) * 8)]).epsilon(1e-4));
    if (stage.slug == "online-q")
      CHECK(last_value(film, row, "log_sum").at(0) == doctest::Approx(largest + std::log(sum)).epsilon(1e-5));
  }
}

TEST_CASE(
    "too many events leave the counts, too many values leave out rows, too much work leaves out numbers") {
  const StageInfo& stage = stage_from_slug("online-q");
  const Inputs inputs = random_inputs({.seq = 200, .dim = 8}, 7);
  const tile::RunOptions options{.sram_bytes = 8 * 1024};
  const view::Film counted = view::make_film(stage, inputs.problem, options, &inputs, 0, {.most_events = 100});
  CHECK(counted.act_of.empty());
  CHECK(counted.left_out.find("more than 100 steps") != std::string::npos);
  CHECK(counted.run.traffic == tile::count(stage, inputs.problem, options).traffic);

  const view::Film sparse =
      view::make_film(stage, inputs.problem, options, &inputs, 0, {.most_row_values = 2000});
  CHECK(sparse.row_step > 1);
  std::size_t kept = 0;
  for (const auto& row : sparse.row_values) kept += row.size();
  CHECK(kept > 1000);
  CHECK(kept <= 2200);
  CHECK(last_value(sparse, sparse.row_step * 3, "log_sum").size() == 1);

  const view::Film numberless =
      view::make_film(stage, inputs.problem, options, &inputs, 0, {.most_multiply_adds = 10});
  CHECK(!numberless.act_of.empty());
  CHECK(numberless.row_values.empty());
  CHECK(numberless.left_out.find("left out") != std::string::npos);
}

TEST_SUITE_END();
