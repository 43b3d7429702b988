#include "sim/simt/runtime/line_runs.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <tuple>
#include <vector>

using namespace flashlab::simt;

namespace {

using Lines =
    std::vector<std::tuple<std::uint64_t, unsigned, unsigned>>;  // line, sectors touched, written in full

Lines byte_by_byte(const WarpAccess& a) {
  std::vector<std::uint64_t> order;
  std::map<std::uint64_t, std::vector<bool>> bytes;
  for (int lane = 0; lane < 32; ++lane) {
    if ((a.mask >> lane & 1) == 0) continue;
    for (Offset at = a.of(lane); at < a.of(lane) + static_cast<Offset>(a.width); ++at) {
      auto& line = bytes[at / 128];
      if (line.empty()) order.push_back(at / 128);
      line.resize(128);
      line[at % 128] = true;
    }
  }
  Lines lines;
  for (const std::uint64_t line : order) {
    unsigned touched = 0, whole = 0xF;
    for (unsigned byte = 0; byte < 128; ++byte) {
      if (bytes[line][byte]) touched |= 1u << byte / 32;
      if (!bytes[line][byte]) whole &= ~(1u << byte / 32);
    }
    lines.emplace_back(line, touched, whole);
  }
  return lines;
}

Lines traced(const WarpAccess& a) {
  BlockTrace trace;
  TraceWriter writer;
  writer.begin(trace, 1);
  add_lines(writer, 0, 1, LineOp::store, a);
  Lines lines;
  bool more = true;
  for (const LineRequest& request : trace.warps[0]) {
    const LinePattern& p = trace.patterns.at(request.pattern());
    CHECK(more);
    more = p.more;
    std::uint64_t sectors = 0;
    for (int i = 0; i < p.lines; ++i) {
      lines.emplace_back(request.line() + static_cast<std::uint64_t>(std::int64_t{p.stride} * i),
                         p.of(i).touched(), p.of(i).whole());
      sectors += static_cast<std::uint64_t>(std::popcount(p.of(i).touched()));
    }
    CHECK(p.sectors() == sectors);
  }
  CHECK(!more);
  return lines;
}

}  // namespace

TEST_SUITE_BEGIN("simt");

TEST_CASE("the lines of a warp access are those of its bytes, in the order of the lanes") {
  std::mt19937_64 random(1);
  const auto draw = [&](std::uint64_t below) { return random() % below; };
  for (int trial = 0; trial < 20'000; ++trial) {
    WarpAccess a;
    a.width = 1 << draw(5);
    const auto width = static_cast<std::int64_t>(a.width);
    const std::uint32_t masks[] = {~0u, ~0u >> draw(32), ~0u << draw(32), 1u << draw(32),
                                   static_cast<std::uint32_t>(random()) | 1u};
    a.mask = masks[draw(5)];
    a.linear = draw(4) != 0;
    if (a.linear) {
      const std::int64_t strides[] = {
          0, width, -width, 2 * width, 32, 128, 256, -384, width * static_cast<std::int64_t>(draw(100))};
      a.stride = strides[draw(9)];
      if (a.stride % width != 0) a.stride = width;
      a.base = (100'000 + draw(1000)) * static_cast<Offset>(width);
    } else {
      for (Offset& where : a.where)
        where = (1000 + draw(trial % 2 == 0 ? 64 : 4000)) * static_cast<Offset>(width);
    }
    CAPTURE(trial);
    CHECK(traced(a) == byte_by_byte(a));
  }
}

TEST_CASE("loads of whole rows by lanes and of neighbours by a warp take one request each") {
  WarpAccess a;
  a.mask = ~0u;
  a.linear = true;
  a.base = 1 << 20;
  for (const std::int64_t stride : {0, 4, -4, 32, 128, 256, 4096}) {
    CAPTURE(stride);
    a.stride = stride;
    BlockTrace trace;
    TraceWriter writer;
    writer.begin(trace, 1);
    add_lines(writer, 0, 1, LineOp::load, a);
    CHECK(trace.warps[0].size() == 1);
  }
}

TEST_SUITE_END();
