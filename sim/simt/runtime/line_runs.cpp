#include "sim/simt/runtime/line_runs.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>

namespace flashlab::simt {
namespace {

constexpr Offset kLine = 128, kSector = 32;

/// The sectors that the bytes [begin, end) of one line touch, and those that lie in it whole if the bytes are dense.
TouchedSectors sectors_of(Offset begin, Offset end, bool dense) {
  const auto up_to = [](Offset sectors) { return (1u << sectors) - 1; };
  const unsigned touched = up_to((end + kSector - 1) / kSector) & ~up_to(begin / kSector);
  const unsigned inside = up_to(end / kSector) & ~up_to((begin + kSector - 1) / kSector);
  return {touched, dense ? inside : 0};
}

/// Neighbouring lanes at most a sector apart: they leave no sector out between the first byte and the last.
void add_dense(TraceWriter& trace, std::size_t warp, std::uint32_t site, LineOp op, const WarpAccess& a,
               Offset low, Offset high) {
  LinePattern pattern{.site = site, .op = op};
  const bool dense =
      static_cast<Offset>(std::llabs(a.stride)) == static_cast<Offset>(a.width) || std::has_single_bit(a.mask);
  const Offset first = low / kLine, last = (high - 1) / kLine;
  pattern.lines = static_cast<std::uint8_t>(last - first + 1);
  TouchedSectors lowest = sectors_of(low % kLine, std::min(high - first * kLine, kLine), dense);
  TouchedSectors highest = last > first ? sectors_of(0, high - last * kLine, dense) : TouchedSectors{};
  if (pattern.lines > 2) pattern.middle = sectors_of(0, kLine, dense);
  if (a.stride >= 0 || pattern.lines == 1) {
    pattern.first = lowest;
    pattern.last = highest;
    trace.add(warp, first, pattern);
  } else {
    pattern.stride = -1;
    pattern.first = highest;
    pattern.last = lowest;
    trace.add(warp, last, pattern);
  }
}

struct TouchedLine {
  Offset line;
  std::uint64_t bytes[2];  ///< a bit a byte

  TouchedSectors sectors() const {
    unsigned touched = 0, whole = 0;
    for (unsigned s = 0; s < 4; ++s) {
      const auto part = static_cast<std::uint32_t>(bytes[s / 2] >> (s % 2 * 32));
      touched |= static_cast<unsigned>(part != 0) << s;
      whole |= static_cast<unsigned>(part == ~0u) << s;
    }
    return {touched, whole};
  }
};

void add_scattered(TraceWriter& trace, std::size_t warp, std::uint32_t site, LineOp op, const WarpAccess& a) {
  LinePattern pattern{.site = site, .op = op};
  TouchedLine touched[kLanes];
  int count = 0;
  for (std::uint32_t m = a.mask; m != 0; m &= m - 1) {
    const Offset at = a.of(std::countr_zero(m));
    int t = count - 1;
    while (t >= 0 && touched[t].line != at / kLine) --t;
    if (t < 0) touched[t = count++] = {at / kLine, {0, 0}};
    const std::uint64_t bytes = (std::uint64_t{1} << a.width) - 1;
    touched[t].bytes[at % kLine / 64] |= bytes << (at % 64);
  }
  // Lines at equal distances that are touched alike go together, from three on: two lines always are at equal distances.
  for (int i = 0; i < count;) {
    pattern.first = pattern.middle = pattern.last = touched[i].sectors();
    const auto stride = i + 1 < count ? static_cast<std::int64_t>(touched[i + 1].line - touched[i].line) : 0;
    int end = i + 1;
    while (end < count && static_cast<std::int64_t>(touched[end].line - touched[end - 1].line) == stride &&
           touched[end].sectors() == pattern.first)
      ++end;
    if (end - i < 3) end = i + 1;
    pattern.lines = static_cast<std::uint8_t>(end - i);
    pattern.stride = end - i > 1 ? static_cast<std::int32_t>(stride) : 1;
    pattern.more = end < count;
    if (end - i == 1) pattern.middle = pattern.last = {};
    trace.add(warp, touched[i].line, pattern);
    i = end;
  }
}

}  // namespace

void add_lines(TraceWriter& trace, std::size_t warp, std::uint32_t site, LineOp op, const WarpAccess& a) {
  const int first = std::countr_zero(a.mask), last = 31 - std::countl_zero(a.mask);
  const bool neighbours = a.mask == (~0u >> (31 - last) & ~0u << first);
  if (!a.linear || !neighbours) return add_scattered(trace, warp, site, op, a);
  const Offset one = a.of(first), other = a.of(last);
  const auto distance = static_cast<Offset>(std::llabs(a.stride));
  if (distance <= kSector || first == last) {
    add_dense(trace, warp, site, op, a, std::min(one, other),
              std::max(one, other) + static_cast<Offset>(a.width));
  } else if (distance % kLine == 0) {
    LinePattern pattern{.site = site, .op = op};
    pattern.lines = static_cast<std::uint8_t>(last - first + 1);
    pattern.stride = static_cast<std::int32_t>(a.stride / static_cast<std::int64_t>(kLine));
    pattern.first = pattern.last = sectors_of(one % kLine, one % kLine + static_cast<Offset>(a.width), false);
    if (pattern.lines > 2) pattern.middle = pattern.first;
    trace.add(warp, one / kLine, pattern);
  } else {
    add_scattered(trace, warp, site, op, a);
  }
}

}  // namespace flashlab::simt
