// The one table of formulas, held to the tile machine: tile sizes, bytes of each tensor, SRAM, footprint, FLOPs, floor.

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "sim/report/report.hpp"
#include "sim/report/sweep.hpp"
#include "sim/view/formulas.hpp"

using namespace flashlab;

namespace {

std::map<std::string_view, std::vector<view::Formula>> tables() {
  std::map<std::string_view, std::vector<view::Formula>> all;
  for (const StageInfo& stage : stages()) all[stage.slug] = view::formulas_of(stage);
  return all;
}

void check_equal(const view::Variables& got, const tile::StageRun& run, const report::TimeFloor& floor) {
  const Traffic& t = run.traffic;
  const auto check = [&](const std::string& name, double want) {
    CAPTURE(name);
    CHECK(got.at(name) == want);
  };
  const auto number = [](auto value) { return static_cast<double>(value); };
  check("Br", number(run.tiles.size.rows));
  check("Bc", number(run.tiles.size.cols));
  for (const TensorId tensor : kTensorIds) {
    check(std::string(name_of(tensor)) + "_read_bytes", number(t.hbm[tensor].read));
    check(std::string(name_of(tensor)) + "_write_bytes", number(t.hbm[tensor].written));
  }
  check("hbm_read_bytes", number(t.hbm.total().read));
  check("hbm_write_bytes", number(t.hbm.total().written));
  check("sram_peak_bytes", number(t.sram_peak_bytes));
  check("hbm_footprint_bytes", number(t.hbm_footprint_bytes));
  check("product_flops", number(t.product_flops));
  check("other_flops", number(t.other_flops));
  CHECK(got.at("floor_ms") == doctest::Approx(floor.floor_ms()).epsilon(1e-12));
  CHECK(got.at("compute_ms") == doctest::Approx(floor.compute_ms).epsilon(1e-12));
  CHECK(got.at("wait_share") == doctest::Approx(floor.wait_share()).epsilon(1e-9));
  CHECK(got.at("flops_per_byte") == doctest::Approx(report::arithmetic_intensity(t)).epsilon(1e-12));
}

}  // namespace

TEST_SUITE_BEGIN("view");

TEST_CASE("every formula equals the tile machine for random N, d, Br, Bc, M, type, mask and card") {
  const auto all = tables();
  std::mt19937_64 random(7);
  const auto pick = [&](Index low, Index high) {
    return std::uniform_int_distribution<Index>(low, high)(random);
  };
  int equal = 0, refused = 0;
  for (int round = 0; round < 600; ++round) {
    const Problem p{.batch = pick(1, 3),
                    .heads = pick(1, 3),
                    .seq = std::max<Index>(1, (Index{1} << pick(0, 11)) + pick(-300, 300)),
                    .dim = pick(1, 256),
                    .dtype = static_cast<DType>(pick(0, 2)),
                    .causal = pick(0, 1) == 1};
    tile::RunOptions options{.sram_bytes = static_cast<Bytes>(pick(1, 512)) * (pick(0, 3) ? 512 : 16)};
    if (pick(0, 1)) options.rows = pick(1, 100);
    if (pick(0, 1)) options.cols = pick(1, 100);
    const DeviceProfile& device = devices()[static_cast<std::size_t>(pick(0, std::ssize(devices()) - 1))];
    for (const StageInfo& stage : stages()) {
      CAPTURE(stage.slug);
      CAPTURE(p.seq);
      CAPTURE(p.dim);
      CAPTURE(p.causal);
      CAPTURE(static_cast<int>(p.dtype));
      CAPTURE(options.sram_bytes);
      CAPTURE(options.rows.value_or(0));
      CAPTURE(options.cols.value_or(0));
      const view::Variables got = view::evaluate(all.at(stage.slug), view::variables_of(p, options, device));
      try {
        const tile::StageRun run = tile::count(stage, p, options);
        check_equal(got, run, report::time_floor(run.traffic, p.dtype, device));
        ++equal;
      } catch (const tile::StageRefusal&) {
        CHECK(got.at("Br") == 0);
        ++refused;
      }
    }
  }
  CHECK(equal > 1500);
  CHECK(refused > 200);
}

TEST_CASE("the largest N that fused takes is the machine's, and the others take any") {
  const auto all = tables();
  for (const Bytes sram : {Bytes{4096}, Bytes{96 * 1024}, Bytes{227 * 1024}}) {
    for (const StageInfo& stage : stages()) {
      CAPTURE(stage.slug);
      const Problem p{.seq = 1024, .dim = 64};
      const tile::RunOptions options{.sram_bytes = sram};
      const double got =
          view::evaluate(all.at(stage.slug), view::variables_of(p, options, devices()[0])).at("largest_seq");
      CHECK(got == static_cast<double>(tile::largest_seq(stage, p, options).value_or(Index{1} << 30)));
    }
  }
}

TEST_CASE("the lower bound is that of the sweep") {
  const Problem p{.batch = 2, .heads = 3, .seq = 4096, .dim = 64, .dtype = DType::f16};
  const tile::RunOptions options{.sram_bytes = 163 * 1024};
  const report::Request base{
      .problem = p, .device = devices()[0], .options = options, .stages = {&stages()[4]}};
  const report::Sweep sweep = report::make_sweep(base, report::parse_sweep("seq=4096"));
  CHECK(view::lower_bound_bytes().evaluate(view::variables_of(p, options, devices()[0])) ==
        doctest::Approx(sweep.points.front().lower_bound_bytes).epsilon(1e-14));
}

TEST_CASE("the table goes to the page as JSON that names every stage") {
  const auto json = nlohmann::json::parse(view::formulas_json());
  for (const StageInfo& stage : stages()) CHECK(json["stages"][std::string(stage.slug)].size() > 30);
  CHECK(json["lower_bound_bytes"].is_array());
}

TEST_SUITE_END();
