// Numbers of a text against what a command printed: equal when they round to what the text says, and not otherwise.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sim/core/error.hpp"
#include "sim/docs/table.hpp"
#include "sim/docs/values.hpp"

using namespace flashlab;
using docs::compare;
using Json = nlohmann::ordered_json;

namespace {

const Json kData = Json::parse(R"({
  "n": 8192, "name": "H100", "none": null, "text": "42", "clock_mhz": 1980,
  "stages": [{"stage": "naive", "floor_ms": 0.48203, "hbm_read_bytes": 1075838976, "wait_share": 0.45477, "causal": false},
             {"stage": "online-q", "floor_ms": 0.26190, "hbm_read_bytes": 538968064, "wait_share": 0, "causal": false}],
  "rows": [{"dram__bytes_read.sum": 12, "error": 4.9628e-07}]})");

bool holds(const char* expression, const char* expected) { return compare(expression, expected, kData).equal; }

}  // namespace

TEST_CASE("a number equals what it rounds to, with separators and units") {
  CHECK(holds("stages[naive].hbm_read_bytes", "1.0 GiB"));
  CHECK(holds("stages[naive].hbm_read_bytes", "1,075,838,976 B"));
  CHECK(holds("stages[0].hbm_read_bytes", "1.08 GB"));
  CHECK(holds("stages[naive].floor_ms", "482 µs"));
  CHECK(holds("stages[stage=naive].floor_ms", "0.482 ms"));
  CHECK(holds("stages[stage=naive,causal=false].wait_share", "45 %"));
  CHECK(holds("clock_mhz", "1.98 GHz"));
  CHECK(holds("rows[0].\"dram__bytes_read.sum\"", "12"));
  CHECK(holds("rows[0].error", "5e-7"));
  CHECK(holds("rows[0].error", "4.96e-7"));
  CHECK(holds("-n", "−8192"));
  CHECK(holds("name", "H100"));
  CHECK(holds("text", "42"));
}

TEST_CASE("a number that is off by one in its last digit does not hold, and the right one is said") {
  CHECK_FALSE(holds("stages[naive].hbm_read_bytes", "1.1 GiB"));
  CHECK_FALSE(holds("stages[naive].hbm_read_bytes", "1.0 GB"));
  CHECK_FALSE(holds("stages[naive].floor_ms", "483 µs"));
  CHECK_FALSE(holds("stages[naive].floor_ms", "482 ms"));
  CHECK_FALSE(holds("rows[0].error", "4.97e-7"));
  CHECK_FALSE(holds("name", "H200"));
  CHECK_FALSE(holds("none", "0"));
  CHECK_FALSE(holds("n", "nothing"));
  CHECK(compare("stages[naive].floor_ms", "500 µs", kData).right == "482 µs");
}

TEST_CASE("expressions follow the rules of arithmetic") {
  CHECK(holds("8192 * 8192 * 4", "268,435,456 B"));
  CHECK(holds("n^2*4", "256 MiB"));
  CHECK(holds("2 + 3 * (4 - 1) / 2", "6.5"));
  CHECK(holds("2^3^2", "512"));
  CHECK(holds("10 - 4 - 3", "3"));
  CHECK(holds("sum(stages[*].hbm_read_bytes)", "1,614,807,040"));
  CHECK(holds("stages[naive].floor_ms / stages[online-q].floor_ms", "1.84 times"));
}

TEST_CASE("what cannot be read or found is refused") {
  for (const char* expression :
       {"", "stages[2].floor_ms", "stages[fused].floor_ms", "stages[causal=false].floor_ms", "stages[naive",
        "n.x", "nothing", "(n", "n n", "n +", "sum(stages", "\"n", "name * 2", "stages[*].floor_ms", "n[0]",
        "1.2.3"}) {
    CAPTURE(expression);
    CHECK_THROWS_AS(compare(expression, "1", kData), UsageError);
  }
}

TEST_CASE("CSV becomes an array of rows, JSON stays, and a plain table is refused") {
  const Json rows = docs::parse_output("stage,note,x_bytes\nnaive,\"a, \"\"b\"\"\",1536\nfused,,2.5\n");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0]["note"] == "a, \"b\"");
  CHECK(compare("[naive].x_bytes", "1.5 KiB", rows).equal);
  CHECK(docs::parse_output("  {\"a\": 1}")["a"] == 1);
  CHECK_THROWS_AS(docs::parse_output(""), UsageError);
  CHECK_THROWS_AS(docs::parse_output("{\"a\": "), UsageError);
  CHECK_THROWS_AS(docs::parse_output("a table\n"), UsageError);
  CHECK_THROWS_AS(docs::parse_output("a,b\n1\n"), UsageError);
}

TEST_CASE("a table takes the columns asked for, with units, numbers to the right") {
  CHECK(docs::markdown_table(kData["stages"], {"stage", "hbm_read_bytes as HBM read", "floor_ms as floor"}) ==
        "| stage | HBM read | floor |\n|---|--:|--:|\n| naive | 1.0 GiB | 482 µs |\n| online-q | 514.0 MiB | "
        "262 µs |\n");
  CHECK_THROWS_AS(docs::markdown_table(kData["stages"], {"seq"}), UsageError);
  CHECK_THROWS_AS(docs::markdown_table(kData, {}), UsageError);
}
