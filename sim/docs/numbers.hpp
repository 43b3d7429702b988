#pragma once
/// \file
/// No number without a source: every figure in the running text of a page is printed on the page, computed before the
/// reader's eyes, or given with its source.

#include <string>
#include <vector>

#include "sim/docs/page.hpp"

namespace flashlab::docs {

struct LooseNumber {
  std::size_t line;  ///< from 0
  std::string what;  ///< what is wrong, and what to do
};

/// The numbers of the running text that nothing holds, and the equations that do not come out. A number is held when
///
///   - it stands in a block, a table between markers, or a marker of the page (those are checked elsewhere), or
///   - it is the result of an equation in the running text, as in "4 · 8192² · 4 B = 1024 MiB": every equation whose left
///     side is numbers alone is computed, and must come out rounded as the text rounds it, or
///   - it is one of those, rounded or in another unit: 0.956 ms for 956 µs, or
///   - a marker `<!-- given: 132 SMs, 50 MiB: flashlab devices -->` names it, and behind the colon its source.
///
/// Only what looks like a result is asked for: numbers with a point or separator, with a unit, or of three digits and
/// more. Years, code, formulas between $, and the reading list under "Further" are left out. Linear in the page.
std::vector<LooseNumber> loose_numbers(const Page& page);

/// The first number of `numbers` ("132 SMs, 50 MiB") that `printed` does not show; "" when it shows all.
std::string first_not_in(const std::string& numbers, const std::string& printed);

}  // namespace flashlab::docs
