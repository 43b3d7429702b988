#pragma once
/// \file
/// Boxes, arrows and labels of the figures.

#include <string>
#include <string_view>

#include "sim/report/svg.hpp"

namespace flashlab::figures {

using report::text_at;

/// An SVG with title and subtitle, and the figures' own classes: box (an outline), on (text on a fill), mono, arrow.
std::string open(int width, int height, std::string_view title, std::string_view subtitle);

/// `style`: a fill c0 … c4, or box, faint.
std::string rect(double x, double y, double width, double height, std::string_view style, double radius = 3);
std::string line(double x0, double y0, double x1, double y1, std::string_view style = "grid");
/// A line that ends in a head.
std::string arrow(double x0, double y0, double x1, double y1, std::string_view style = "arrow");

}  // namespace flashlab::figures
