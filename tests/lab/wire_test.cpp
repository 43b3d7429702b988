#include "sim/lab/wire.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace flashlab::lab;

namespace {
Job job() {
  Job j;
  j.nonce = std::string(32, 'n');
  j.numbers = {1, 2, 3};
  j.buffers = {{.count = 2, .values = {1.5f, 2.5f}}, {.count = 3, .output = true}};
  return j;
}
RunResult result() {
  RunResult r;
  r.answers = {7};
  r.launches.resize(1);
  r.launches[0].counters.barriers = 9;
  r.launches[0].sites.push_back({.address = 5, .op = flashlab::simt::Op::store});
  r.findings.push_back({.finding = {.kind = flashlab::simt::FindingKind::race, .what = "what"}, .address = 11});
  r.outputs = {{1, 2, NAN}};
  return r;
}
}  // namespace

TEST_CASE("jobs and results come back as they went") {
  const Job j = read_job(write_job(job()));
  CHECK(j.numbers == job().numbers);
  CHECK(j.buffers[0].values[1] == 2.5f);
  CHECK(j.buffers[1].output);
  std::string why;
  const auto r = read_result(write_result(result(), job()), job(), why);
  REQUIRE(r);
  CHECK(r->answers == std::vector<std::int64_t>{7});
  CHECK(r->launches[0].counters.barriers == 9);
  CHECK(r->launches[0].sites[0].address == 5);
  CHECK(r->findings[0].finding.what == "what");
  CHECK(std::isnan(r->outputs[0][2]));
}

TEST_CASE("a result that is cut off, too long, of another job or changed in its lengths is none") {
  const std::string whole = write_result(result(), job());
  std::string why;
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK_FALSE(read_result(whole.substr(0, n), job(), why));
  CHECK_FALSE(read_result(whole + "x", job(), why));
  Job other = job();
  other.nonce[31] = 'o';
  CHECK_FALSE(read_result(whole, other, why));
  CHECK(why == "it ends wrongly");
  other = job();
  other.buffers[1].count = 4;
  CHECK_FALSE(read_result(whole, other, why));
  for (std::size_t at = 0; at + 8 <= whole.size(); at += 4) {
    std::string hostile = whole;
    for (std::size_t i = 0; i < 8; ++i) hostile[at + i] = static_cast<char>(0xFF);
    (void)read_result(hostile, job(), why);  // may be read, must not crash
  }
}
