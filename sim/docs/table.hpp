#pragma once
/// \file
/// Rows of a command's output as a table of a text.

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace flashlab::docs {

/// A Markdown table of an array of objects, one row each. `columns` chooses and orders: a key, or `key as Title`; none:
/// all keys of the first row. Numbers stand to the right; keys that end in _bytes are shown with a unit, as 1.5 GiB,
/// _ms as 1.58 ms, _per_s as 2.33 T, others with four digits. Throws UsageError when it is no such array or a column
/// is in no row.
std::string markdown_table(const nlohmann::ordered_json& rows, const std::vector<std::string>& columns);

}  // namespace flashlab::docs
