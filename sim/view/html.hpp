#pragma once
/// \file
/// The frame of a page: head, style, data and script in one file.

#include <span>
#include <string>
#include <string_view>

#include "sim/view/assets.hpp"

namespace flashlab::view {

/// `text` for HTML: & < > " escaped.
std::string escaped(std::string_view text);

/// RFC 4648, with padding.
std::string base64(std::span<const unsigned char> bytes);

struct HtmlParts {
  std::string title, summary;  ///< plain text
  std::string without_script;  ///< HTML
  std::string json;            ///< what the script reads
};
/// One file: nothing in it is fetched from anywhere, and a policy in its head says so to the browser.
std::string html_page(const HtmlParts& parts, const Assets& assets);

}  // namespace flashlab::view
