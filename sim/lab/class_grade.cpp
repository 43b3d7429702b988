#include "sim/lab/class_grade.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>

#include "sim/core/atomic_file.hpp"
#include "sim/core/error.hpp"
#include "sim/core/fingerprint.hpp"
#include "sim/core/temporary_folder.hpp"
#include "sim/lab/contain.hpp"
#include "sim/lab/judge.hpp"
#include "sim/lab/workspace.hpp"

namespace flashlab::lab {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::optional<std::string> read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

// Text of a submission's may be any bytes; JSON wants UTF-8.
std::string dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

/// The name under which a result is kept: of the student, the file's bytes, lab and seed.
std::string key_of(const Lab& lab, const Submission& s, const Conditions& c) {
  Fingerprint f;
  f.add(lab.slug());
  f.add(std::to_string(c.seed) + (c.hidden ? "h" : ""));
  f.add(s.name);
  f.add(read_text(s.file).value_or("(nothing)"));
  return f.text();
}

std::string csv_field(std::string text) {
  // A spreadsheet would run a name that begins so.
  if (!text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos)
    text.insert(0, "'");
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

Report problem_report(const Lab& lab, const Conditions& conditions, std::string problem) {
  Report report;
  report.lab = lab.slug();
  report.problem = std::move(problem);
  for (const Item& item : lab.items(conditions))
    report.items.push_back({item.id, item.title, 0, item.points, {}});
  return report;
}

}  // namespace

std::vector<Submission> find_submissions(const Lab& lab, const std::vector<fs::path>& paths) {
  std::vector<Submission> all;
  std::set<std::string> names;
  for (const fs::path& path : paths) {
    std::error_code error;
    Submission s;
    if (fs::is_directory(path, error)) {
      s.name = fs::absolute(path).lexically_normal().filename().string();
      if (s.name.empty()) s.name = fs::absolute(path).lexically_normal().parent_path().filename().string();
      s.file = path / lab.file();
      if (!fs::exists(fs::symlink_status(s.file, error))) {
        std::vector<fs::path> found;
        for (auto it = fs::recursive_directory_iterator(path, error);
             !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
          if (it.depth() > 4) it.disable_recursion_pending();
          if (it->path().filename() == lab.file()) found.push_back(it->path());
        }
        std::ranges::sort(found);
        if (!found.empty()) s.file = found.front();
      }
    } else if (fs::exists(fs::symlink_status(path, error))) {
      s.name = path.stem().string();
      s.file = path;
    } else {
      throw UsageError(fmt::format("{}: there is no such folder or file", path.string()));
    }
    if (!names.insert(s.name).second)
      throw UsageError(fmt::format("{}: a second submission named {}", path.string(), s.name));
    all.push_back(std::move(s));
  }
  return all;
}

std::vector<ClassRow> grade_class(const Lab& lab, const std::vector<Submission>& submissions,
                                  const ClassOptions& options) {
  std::error_code error;
  fs::create_directories(options.results, error);
  if (error)
    throw EnvironmentError(fmt::format("cannot make {}: {}", options.results.string(), error.message()));
  std::vector<ClassRow> rows(submissions.size());
  std::vector<std::size_t> left;
  std::size_t done = 0;
  const auto tell = [&](std::size_t i) {
    ++done;
    if (options.progress) options.progress(done, rows.size(), rows[i]);
  };
  const auto path_of = [&](std::size_t i) {
    return options.results / (key_of(lab, submissions[i], options.conditions) + ".json");
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].submission = submissions[i];
    try {
      if (const auto text = read_text(path_of(i))) {
        rows[i].report = report_from_json(*text);
        rows[i].resumed = true;
        tell(i);
        continue;
      }
    } catch (const std::exception&) {  // not ours, or not whole: graded again
    }
    left.push_back(i);
  }
  // In lots, so that each result is on disk soon after it is known.
  const auto lot = static_cast<std::size_t>(std::max(1, options.at_once));
  for (std::size_t begin = 0; begin < left.size(); begin += lot) {
    std::vector<Contained> jobs;
    const std::size_t end = std::min(left.size(), begin + lot);
    std::vector<std::unique_ptr<TemporaryFolder>> desks;
    for (std::size_t k = begin; k < end; ++k) {
      desks.push_back(std::make_unique<TemporaryFolder>("grade"));
      Contained job;
      job.body = [&lab, &options, file = submissions[left[k]].file, desk = desks.back()->path()] {
        GradeOptions grading;
        grading.conditions = options.conditions;
        grading.cache_dir = desk;  // of this submission alone: nobody meets a program of another's
        grading.at_once = 1;
        const std::string text = json_of(grade(lab, file, grading));
        for (std::size_t at = 0; at < text.size();) {
          const ssize_t n = write(4, text.data() + at, text.size() - at);
          if (n <= 0) return 1;
          at += static_cast<std::size_t>(n);
        }
        return 0;
      };
      job.limits = {.wall_s = options.wall_s,
                    .cpu_s = static_cast<int>(options.wall_s),
                    .resident_bytes = std::uint64_t{4} << 30,
                    .file_bytes = std::uint64_t{256} << 20,
                    .may_start_processes = true,
                    .folder = fs::current_path().string()};
      jobs.push_back(std::move(job));
    }
    const std::vector<Outcome> outcomes = run_contained(jobs, static_cast<int>(lot));
    for (std::size_t k = begin; k < end; ++k) {
      const std::size_t i = left[k];
      const Outcome& o = outcomes[k - begin];
      try {
        if (!o.well()) throw std::runtime_error(how_it_ended(o, jobs[k - begin].limits));
        rows[i].report = report_from_json(o.result);
        const std::string text = json_of(rows[i].report);
        AtomicFile file(path_of(i));
        file.write(std::as_bytes(std::span(text)));
        file.commit();
      } catch (const EnvironmentError&) {
        throw;
      } catch (const std::exception& e) {
        rows[i].report =
            problem_report(lab, options.conditions,
                           fmt::format("its grading failed: {} {}", e.what(), o.printed.substr(0, 500)));
      }
      tell(i);
    }
  }
  return rows;
}

std::string json_of(const Report& report) {
  Json items = Json::array();
  for (const GradedItem& i : report.items) {
    items.push_back({{"id", i.id},
                     {"title", i.title},
                     {"points", i.points},
                     {"max_points", i.max_points},
                     {"share", i.verdict.share},
                     {"text", i.verdict.text},
                     {"detail", i.verdict.detail}});
  }
  Json json = {{"schema", "flashlab.lab/1"},
               {"lab", report.lab},
               {"problem", report.problem},
               {"points", report.points()},
               {"max_points", report.max_points()},
               {"seconds", report.seconds},
               {"items", items}};
  if (report.score)
    json["score"] = {{"name", report.score->name},
                     {"unit", report.score->unit},
                     {"value", report.score->value},
                     {"less_is_better", report.score->less_is_better}};
  return dump(json);
}

Report report_from_json(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    if (json.at("schema") != "flashlab.lab/1") throw std::runtime_error("no report of a lab");
    Report report;
    report.lab = json.at("lab");
    report.problem = json.at("problem");
    report.seconds = json.at("seconds");
    for (const Json& i : json.at("items")) {
      GradedItem item{i.at("id"), i.at("title"), i.at("points"), i.at("max_points"), {}};
      item.verdict = {i.at("share"), i.at("text"), i.at("detail")};
      report.items.push_back(std::move(item));
    }
    if (const auto s = json.find("score"); s != json.end())
      report.score = Score{s->at("name"), s->at("unit"), s->at("value"), s->at("less_is_better")};
    return report;
  } catch (const nlohmann::json::exception& e) {
    throw std::runtime_error(fmt::format("no report of a lab: {}", e.what()));
  }
}

std::string csv_of(const std::vector<ClassRow>& rows) {
  std::string text = "name,points,of,problem";
  if (!rows.empty()) {
    for (const GradedItem& i : rows[0].report.items) text += "," + csv_field(i.id);
  }
  text += ",score\r\n";
  for (const ClassRow& r : rows) {
    text += fmt::format("{},{:g},{:g},{}", csv_field(r.submission.name), r.report.points(),
                        r.report.max_points(), csv_field(r.report.problem));
    for (const GradedItem& i : r.report.items) text += fmt::format(",{:g}", i.points);
    text += r.report.score ? fmt::format(",{:.0f}\r\n", r.report.score->value) : ",\r\n";
  }
  return text;
}

std::string table_of(const std::vector<ClassRow>& rows) {
  std::vector<std::vector<std::string>> cells = {{"name", "points"}};
  if (rows.empty()) return "";
  for (const GradedItem& i : rows[0].report.items) cells[0].push_back(i.id);
  cells[0].push_back("score");
  std::string problems;
  for (const ClassRow& r : rows) {
    std::string name = r.submission.name;
    for (char& c : name) c = static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    cells.push_back({name, fmt::format("{:g}", r.report.points())});
    for (const GradedItem& i : r.report.items) cells.back().push_back(fmt::format("{:g}", i.points));
    cells.back().push_back(r.report.score ? fmt::format("{:.0f}", r.report.score->value) : "-");
    std::string why = r.report.problem.substr(0, 120);
    std::ranges::replace(why, '\n', ' ');
    if (!why.empty()) problems += fmt::format("{}: {}\n", name, why);
  }
  return table(cells) + (problems.empty() ? "" : "\n" + problems);
}

std::string gradescope_json(const Lab& lab, const Report& report) {
  Json tests = Json::array();
  int number = 0;
  for (const GradedItem& i : report.items) {
    tests.push_back({{"score", i.points},
                     {"max_score", i.max_points},
                     {"status", i.points >= i.max_points - 1e-9 ? "passed" : "failed"},
                     {"name", i.title},
                     {"number", std::to_string(++number)},
                     {"output", i.verdict.text + (i.verdict.detail.empty() ? "" : "\n" + i.verdict.detail)},
                     {"output_format", "text"},
                     {"visibility", "visible"}});
  }
  Json leaderboard = Json::array();
  leaderboard.push_back({{"name", "points"}, {"value", report.points()}, {"order", "desc"}});
  if (report.score)
    leaderboard.push_back({{"name", report.score->name},
                           {"value", report.score->value},
                           {"order", report.score->less_is_better ? "asc" : "desc"}});
  return dump({{"score", report.points()},
               {"execution_time", report.seconds},
               {"output", describe(report, lab, false)},
               {"output_format", "text"},
               {"visibility", "visible"},
               {"stdout_visibility", "hidden"},
               {"extra_data", {{"lab", report.lab}, {"problem", report.problem}}},
               {"tests", tests},
               {"leaderboard", leaderboard}});
}

}  // namespace flashlab::lab
