#include "sim/view/html.hpp"

#include <fmt/format.h>

namespace flashlab::view {
namespace {

/// JSON within a script element: no "<" may begin an end tag or a comment.
std::string json_for_html(std::string_view json) {
  std::string text;
  text.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string base64(std::span<const unsigned char> bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    const unsigned word = bytes[i] << 16 | (left > 1 ? bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
    text += kDigits[word >> 18];
    text += kDigits[word >> 12 & 63];
    text += left > 1 ? kDigits[word >> 6 & 63] : '=';
    text += left > 2 ? kDigits[word & 63] : '=';
  }
  return text;
}

std::string html_page(const HtmlParts& parts, const Assets& assets) {
  std::string html = fmt::format(R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<title>{0} · Flashlab</title>
<style>
)",
                                 escaped(parts.title));
  html += assets.style;
  html += fmt::format(R"(</style>
</head>
<body>
<header class="page-head"><h1>{}</h1><p>{}</p></header>
<main id="app">
{}</main>
<script type="application/json" id="data">)",
                      escaped(parts.title), escaped(parts.summary), parts.without_script);
  html += json_for_html(parts.json);
  html += "</script>\n<script>\n" + assets.script + "</script>\n</body>\n</html>\n";
  return html;
}

}  // namespace flashlab::view
