#include "sim/figures/figures.hpp"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "sim/core/error.hpp"
#include "sim/core/text.hpp"

namespace flashlab::figures {
namespace {

constexpr std::array kAll{
    Figure{"memory", "the memories of an H100, areas to scale", memory},
    Figure{"passes", "how often S and P cross the HBM boundary, stage by stage", passes},
    Figure{"banks", "which banks eight rows meet, with and without swizzle", banks},
    Figure{"online-update", "m, l and o of a short row, tile by tile", online_update},
    Figure{"loops", "both loop orders, and what moves", loops},
    Figure{"hopper", "who waits for whom in the hopper kernel", hopper},
};

}  // namespace

std::span<const Figure> all() { return kAll; }

const Figure& figure_from_name(std::string_view name) {
  std::vector<std::string_view> names;
  std::string list;
  for (const Figure& figure : kAll) {
    if (figure.name == name) return figure;
    names.push_back(figure.name);
    list += fmt::format("{}{}", list.empty() ? "" : ", ", figure.name);
  }
  const std::string nearest = nearest_name(name, names);
  throw UsageError(fmt::format("unknown figure \"{}\"{}: the figures are {}", name,
                               nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest), list));
}

}  // namespace flashlab::figures
