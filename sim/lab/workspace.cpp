#include "sim/lab/workspace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "sim/core/error.hpp"
#include "sim/core/text.hpp"
#include "sim/core/text_file.hpp"

namespace flashlab::lab {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProgressFile = "progress.txt";

std::string trimmed(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(" \t"), end = line.find_last_not_of(" \t\r");
  return begin == std::string_view::npos ? "" : std::string(line.substr(begin, end - begin + 1));
}

enum class Mark { none, begin, stub, end };
Mark mark_of(std::string_view line) {
  const std::string t = trimmed(line);
  for (const std::string_view lead : {"// ", "# "}) {
    if (t == std::string(lead) + "BEGIN SOLUTION") return Mark::begin;
    if (t == std::string(lead) + "STUB") return Mark::stub;
    if (t == std::string(lead) + "END SOLUTION") return Mark::end;
  }
  return Mark::none;
}

/// Calls solution(line) or starter(line) for each line.
template <class Solution, class Starter>
void walk(const std::string& source, const Solution& solution, const Starter& starter) {
  std::istringstream lines(source);
  Mark in = Mark::none;
  for (std::string line; std::getline(lines, line);) {
    const Mark mark = mark_of(line);
    if (mark == Mark::begin && in == Mark::none) {
      in = Mark::begin;
    } else if (mark == Mark::stub && in == Mark::begin) {
      in = Mark::stub;
    } else if (mark == Mark::end && in != Mark::none) {
      in = Mark::none;
    } else if (mark != Mark::none) {
      throw std::runtime_error("marks of a solution that do not pair: " + line);
    } else if (in == Mark::begin) {
      solution(line);
    } else if (in == Mark::stub) {
      const std::size_t at = line.find('|');
      const std::string lead = at == std::string::npos ? "" : trimmed(line.substr(0, at));
      if (lead != "//" && lead != "#") throw std::runtime_error("a stub's line without its mark: " + line);
      const std::size_t from = std::min(line.size(), at + (line.substr(at + 1, 1) == " " ? 2 : 1));
      starter(line.substr(0, line.find_first_not_of(" \t")) + line.substr(from));
    } else {
      starter(line);
    }
  }
  if (in != Mark::none) throw std::runtime_error("a solution's region that does not end");
}

}  // namespace

std::string starter_of(const std::string& source) {
  std::string text;
  walk(
      source, [](const std::string&) {}, [&](const std::string& line) { text += line + '\n'; });
  return text;
}

std::vector<std::string> solution_lines(const std::string& source) {
  std::vector<std::string> lines;
  walk(
      source,
      [&](const std::string& line) {
        const std::string t = trimmed(line);
        if (t.size() >= 12) lines.push_back(t);
      },
      [](const std::string&) {});
  return lines;
}

Workspace::Workspace(const fs::path& named) : root_(named) {
  if (!root_.empty()) return;
  for (fs::path at = fs::current_path();; at = at.parent_path()) {
    std::error_code error;
    if (fs::exists(at / kProgressFile, error)) {
      root_ = at;
      return;
    }
    if (at == at.parent_path()) break;
  }
  root_ = fs::current_path() / "flashlab-labs";
}

fs::path Workspace::file_of(const Lab& lab) const { return root_ / lab.slug() / lab.file(); }

void Workspace::write_starter(const Lab& lab) const {
  write_text(file_of(lab), starter_of(read_text(folder_of(lab) / lab.file())));
}

void Workspace::start(const Lab& lab) {
  if (fs::exists(file_of(lab)))
    throw UsageError(fmt::format("{} is there already: go on with it, or `flashlab lab reset {}` to begin anew",
                                 file_of(lab).string(), lab.number()));
  std::error_code error;
  fs::create_directories(root_ / lab.slug(), error);
  if (error)
    throw EnvironmentError(fmt::format("cannot make {}: {}", (root_ / lab.slug()).string(), error.message()));
  write_starter(lab);
  write_text(root_ / lab.slug() / "README.md", read_text(folder_of(lab) / "README.md"));
  if (!fs::exists(root_ / kProgressFile)) set_progress(lab, {});
}

fs::path Workspace::reset(const Lab& lab) {
  const fs::path file = file_of(lab);
  if (!fs::exists(file))
    throw UsageError(fmt::format("{} is not there: `flashlab lab start {}`", file.string(), lab.number()));
  fs::path kept;
  for (int n = 1; kept.empty() || fs::exists(kept); ++n)
    kept = file.parent_path() /
           fmt::format("{}.before-reset-{}{}", file.stem().string(), n, file.extension().string());
  fs::rename(file, kept);
  write_starter(lab);
  return kept;
}

std::map<std::string, Progress> Workspace::read() const {
  std::map<std::string, Progress> all;
  std::ifstream in(root_ / kProgressFile);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string slug, of, hints;
    Progress p;
    // "06-online-softmax 80 of 100, 1 hints": what cannot be read is no progress, and no error.
    if (words >> slug >> p.points >> of >> p.max_points) {
      words.ignore(1);
      words >> p.hints;
      all[slug] = p;
    }
  }
  return all;
}

Progress Workspace::progress(const Lab& lab) const {
  const auto all = read();
  const auto it = all.find(std::string(lab.slug()));
  return it == all.end() ? Progress{} : it->second;
}

void Workspace::set_progress(const Lab& lab, const Progress& progress) {
  auto all = read();
  all[std::string(lab.slug())] = progress;
  std::string text = "# flashlab lab: best points of each lab (-1: not checked yet), hints seen\n";
  for (const auto& [slug, p] : all)
    text += fmt::format("{} {:g} of {:g}, {} hints\n", slug, p.points, p.max_points, p.hints);
  write_text(root_ / kProgressFile, text);
}

std::string describe(const Report& report, const Lab& lab, bool color) {
  const auto paint = [&](std::string_view code, const std::string& text) {
    return color ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
  };
  const auto indented = [](const std::string& text, std::string_view by) {
    std::istringstream lines(text);
    std::string out;
    for (std::string line; std::getline(lines, line);) {
      for (char& c : line) c = static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
      out += fmt::format("{}{}\n", by, line);
    }
    return out;
  };
  std::string text = fmt::format("Lab {}: {}\n\n", lab.number(), lab.title());
  if (!report.problem.empty()) {
    text += paint("31", "not run") + "\n" + indented(report.problem, "  ");
  } else {
    for (const GradedItem& i : report.items) {
      if (i.verdict.passed())
        text += fmt::format("  {}  {} ({:g} points)\n        {}\n", paint("32", "right"), i.title, i.points,
                            i.verdict.text);
    }
    bool first = true;
    for (const GradedItem& i : report.items) {
      if (i.verdict.passed()) continue;
      text += fmt::format("  {}  {} ({:g} of {:g} points)\n", paint("31", "wrong"), i.title, i.points,
                          i.max_points);
      text += indented(i.verdict.text, "        ");
      if (first) text += indented(i.verdict.detail, "        ");
      first = first && i.verdict.detail.empty();
    }
  }
  text += fmt::format("\n{:g} of {:g} points", report.points(), report.max_points());
  if (report.score)
    text += fmt::format(" · {}: {} {}", report.score->name,
                        format_count(static_cast<Bytes>(report.score->value)), report.score->unit);
  return text + "\n" + (report.note.empty() ? "" : "\n" + report.note);
}

}  // namespace flashlab::lab
