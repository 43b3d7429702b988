#include "sim/docs/page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>

#include "sim/core/error.hpp"
#include "sim/core/text.hpp"

namespace flashlab::docs {
namespace {

constexpr std::array<std::string_view, 7> kKinds{"output", "snippet",  "figure", "table",
                                                 "check",  "commands", "given"};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The run of backquotes that opens a block; "" for other lines.
std::string_view fence_of(std::string_view line) {
  line = trimmed(line);
  const std::size_t ticks = std::min(line.find_first_not_of('`'), line.size());
  return ticks >= 3 ? line.substr(0, ticks) : std::string_view();
}

class Reader {
 public:
  explicit Reader(Page& page) : page_(page) {}

  void read() {
    constexpr std::size_t kNone = static_cast<std::size_t>(-1);
    std::size_t commands = kNone;  // the marker for the block that follows
    for (std::size_t i = 0; i < lines().size(); ++i) {
      const std::string_view line = trimmed(lines()[i]);
      if (!fence_of(line).empty()) {
        const std::size_t end = block_end(i);
        set_aside(i, end);
        const std::string_view language = line.substr(fence_of(line).size());
        const bool is_shell = language == "sh" || language == "bash";
        if (commands != kNone || is_shell) {
          if (commands == kNone) page_.markers.push_back({Marker::commands, "", {}, i});
          Marker& marker = commands != kNone ? page_.markers[commands] : page_.markers.back();
          if (!is_shell) fail(marker.line, "a commands marker stands above a ```sh block");
          marker.begin = i + 1, marker.end = end;
          commands = kNone;
        }
        i = end;
        continue;
      }
      if (commands != kNone && !line.empty())
        fail(page_.markers[commands].line, "a commands marker stands right above a ```sh block");
      if (!line.starts_with("<!-- ")) continue;
      const std::size_t first = i;
      std::size_t last = i;
      auto marker = marker_at(i, last);
      if (!marker) {  // a comment of the author's
        while (last + 1 < lines().size() && lines()[last].find("-->") == std::string::npos) ++last;
        set_aside(first, last);
        continue;
      }
      i = last;
      place(*marker, i);
      set_aside(first, i);
      if (marker->kind == Marker::commands) commands = page_.markers.size();
      page_.markers.push_back(std::move(*marker));
    }
    if (commands != kNone)
      fail(page_.markers[commands].line, "a commands marker stands right above a ```sh block");
  }

 private:
  const std::vector<std::string>& lines() const { return page_.lines; }
  [[noreturn]] void fail(std::size_t line, std::string_view why) const {
    throw UsageError(fmt::format("{}: {}", page_.where(line), why));
  }

  void set_aside(std::size_t first, std::size_t last) {
    std::fill(page_.aside.begin() + static_cast<std::ptrdiff_t>(first),
              page_.aside.begin() + static_cast<std::ptrdiff_t>(last) + 1, true);
  }

  /// The line of the fence that closes the block opened in line `i`.
  std::size_t block_end(std::size_t i) const {
    const std::string_view fence = fence_of(lines()[i]);
    for (std::size_t end = i + 1; end < lines().size(); ++end) {
      const std::string_view line = trimmed(lines()[end]);
      if (line.size() >= fence.size() && line.find_first_not_of('`') == line.npos) return end;
    }
    fail(i, "this ``` block is never closed");
  }

  /// The marker that begins in line `i`, if it is one; `last` becomes its last line.
  std::optional<Marker> marker_at(std::size_t i, std::size_t& last) const {
    std::string_view text = trimmed(lines()[i]).substr(5);
    const std::size_t word_end = std::min(text.find_first_of(" :("), text.size());
    const std::string_view word = text.substr(0, word_end);
    if (word.empty() || word.find_first_not_of("abcdefghijklmnopqrstuvwxyz") != word.npos) return std::nullopt;
    if (word == "end") return std::nullopt;
    std::string_view rest = trimmed(text.substr(word_end));
    Marker marker{Marker::output, "", {}, i};
    if (rest.starts_with("(")) {
      const std::size_t close = rest.find("):");
      if (close == rest.npos) return std::nullopt;
      marker.options = rest.substr(1, close - 1);
      rest = rest.substr(close + 1);
    }
    if (!rest.starts_with(":")) return std::nullopt;
    const auto kind = std::ranges::find(kKinds, word);
    if (kind == kKinds.end()) {
      const std::string nearest = nearest_name(word, kKinds);
      fail(i, fmt::format(
                  "\"{}\" is no marker{}: there are output, snippet, figure, table, check, commands and given",
                  word, nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest)));
    }
    marker.kind = static_cast<Marker::Kind>(kind - kKinds.begin());
    rest.remove_prefix(1);
    for (;;) {
      const bool closed = rest.ends_with("-->");
      if (closed) rest.remove_suffix(3);
      if (!trimmed(rest).empty()) marker.body.emplace_back(trimmed(rest));
      if (closed) break;
      if (++last >= lines().size()) fail(i, "this marker is never closed: --> must end a line");
      rest = lines()[last];
      while (rest.ends_with(' ')) rest.remove_suffix(1);
    }
    if (marker.body.empty()) fail(i, "this marker says nothing after its colon");
    return marker;
  }

  /// Finds the lines that the marker, whose last line is `last`, answers for; moves `last` behind them.
  void place(Marker& marker, std::size_t& last) const {
    if (marker.kind == Marker::output || marker.kind == Marker::snippet) {
      if (last + 1 >= lines().size() || fence_of(lines()[last + 1]).empty()) {
        fail(marker.line, "the marker must stand right above a ``` block");
      }
      marker.begin = last + 2, marker.end = block_end(last + 1);
      last = marker.end;
    } else if (marker.kind == Marker::table) {
      marker.begin = marker.end = last + 1;
      while (marker.end < lines().size() && trimmed(lines()[marker.end]) != "<!-- end -->") ++marker.end;
      if (marker.end == lines().size()) fail(marker.line, "the table must end with a line <!-- end -->");
      last = marker.end;
    } else if (marker.kind == Marker::check) {
      const auto blank = [&](std::size_t i) { return trimmed(lines()[i]).empty(); };
      std::size_t begin = marker.line, end = last + 1;
      while (begin > 0 && !blank(begin - 1)) --begin;
      if (end < lines().size() && begin == marker.line && blank(end)) ++end;  // alone: the paragraph after it
      while (end < lines().size() && !blank(end)) ++end;
      marker.begin = begin, marker.end = end;
    }
  }

  Page& page_;
};

}  // namespace

std::string Page::where(std::size_t line) const { return fmt::format("{}:{}", path.string(), line + 1); }

std::string Page::running_text(std::size_t begin, std::size_t end) const {
  std::string text;
  bool in_comment = false;
  for (std::size_t i = begin; i < end && i < lines.size(); ++i) {
    std::string_view line = trimmed(lines[i]);
    if (line.starts_with("<!--")) in_comment = true;
    if (in_comment) {
      in_comment = !line.ends_with("-->");
      continue;
    }
    while (line.starts_with("> ")) line.remove_prefix(2);
    for (std::size_t c = 0; c < line.size(); ++c) {
      if (line[c] == '*' || line[c] == '`' || line[c] == '$') continue;
      if (line.substr(c, 2) == "\u00a0") {
        text += ' ';
        ++c;
      } else if (line[c] != ' ' || !text.ends_with(' ')) {
        text += line[c];
      }
    }
    text += ' ';
  }
  return text;
}

Page read_page(const std::filesystem::path& root, const std::filesystem::path& path) {
  Page page{path, {}, {}, {}};
  std::ifstream file(root / path, std::ios::binary);
  if (!file) throw EnvironmentError(fmt::format("{}: cannot be read", path.string()));
  for (std::string line; std::getline(file, line);) page.lines.push_back(line);
  page.aside.assign(page.lines.size(), false);
  Reader(page).read();
  return page;
}

}  // namespace flashlab::docs
