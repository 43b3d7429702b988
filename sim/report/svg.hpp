#pragma once
/// \file
/// The pieces that the pictures share: a frame with colours for light and dark, and text.

#include <string>
#include <string_view>

namespace flashlab::report {

/// Names come from outside: titles and texts are escaped.
///
/// The opening of a picture that stands alone: no script, text as text, light and dark by the reader's own setting.
/// Fills are c0 … c4, lines l0 … l4 and lb (dashed), texts plain, title and small.
std::string open_svg(int width, int height, std::string_view title);

/// `anchor` is start, middle or end.
std::string text_at(double x, double y, std::string_view text, std::string_view style = "",
                    std::string_view anchor = "start");

}  // namespace flashlab::report
