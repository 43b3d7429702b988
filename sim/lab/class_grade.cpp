#include "sim/lab/class_grade.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "sim/core/error.hpp"
#include "sim/core/fingerprint.hpp"
#include "sim/core/temporary_folder.hpp"
#include "sim/core/text_file.hpp"
#include "sim/lab/contain.hpp"
#include "sim/lab/judge.hpp"
#include "sim/lab/workspace.hpp"

namespace flashlab::lab {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Text of a submission's may be any bytes; JSON wants UTF-8.
std::string dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

/// The name under which a result is kept: of the student, the file's bytes, lab, points, gates and seed.
std::string key_of(const Lab& lab, const Submission& s, const Conditions& c) {
  Fingerprint f;
  f.add(lab.slug());
  for (const Item& item : lab.items(c)) f.add(fmt::format("{} {}", item.id, item.points));
  f.add(lab.figures());  // the gates
  f.add(std::to_string(c.seed) + (c.hidden ? "h" : ""));
  f.add(s.name);
  std::string why;
  const auto text = read_submission(s.file, why);
  f.add(text ? *text : "nothing: " + why);
  return fmt::format("{}.{}", s.name.substr(0, 100), f.text());
}

/// Held while a grading writes to a folder; let go by the system, however the program ends.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder)
      : fd_(open((folder / ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666)) {
    if (fd_ < 0) throw EnvironmentError(fmt::format("cannot write to {}", folder.string()));
    if (flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
    close(fd_);
    throw UsageError(fmt::format(
        "another grading writes to {}: wait for it, or name another folder with --results", folder.string()));
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() { close(fd_); }

 private:
  int fd_;
};

std::string on_one_line(const std::string& text) {
  std::string line;
  for (const char c : text) line += c == '\n' ? std::string(" · ") : std::string(1, c);
  return line;
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
      if (path.filename() == lab.file()) s.name = fs::absolute(path).parent_path().filename().string();
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
  const FolderLock lock(options.results);
  // Left by a grading that was killed: the lock says that nobody works there.
  for (const fs::directory_entry& entry : fs::directory_iterator(options.results, error)) {
    if (entry.path().filename().string().starts_with("flashlab-desk-")) fs::remove_all(entry.path(), error);
  }
  const TemporaryFolder desk("desk", fs::absolute(options.results));
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
      rows[i].report = report_from_json(read_text(path_of(i)));
      rows[i].resumed = true;
      tell(i);
      continue;
    } catch (const std::exception&) {  // not there, not ours, or not whole: graded now
    }
    left.push_back(i);
  }

  std::vector<Contained> jobs;
  const auto desk_of = [&](std::size_t i) { return desk.path() / std::to_string(i); };
  for (const std::size_t i : left) {
    Contained job;
    job.body = [&lab, &options, file = fs::absolute(submissions[i].file), folder = desk_of(i)] {
      try {
        GradeOptions grading;
        grading.conditions = options.conditions;
        grading.cache_dir = folder;  // of this submission alone: nobody meets a program of another's
        grading.at_once = 1;
        const std::string text = json_of(grade(lab, file, grading));
        for (std::size_t at = 0; at < text.size();) {
          const ssize_t n = write(4, text.data() + at, text.size() - at);
          if (n <= 0) return 1;
          at += static_cast<std::size_t>(n);
        }
        return 0;
      } catch (const std::exception& e) {
        fmt::print(stderr, "{}", e.what());
        return 3;
      }
    };
    job.limits = {.wall_s = options.wall_s,
                  .cpu_s = static_cast<int>(options.wall_s),
                  .resident_bytes = std::uint64_t{4} << 30,
                  .file_bytes = std::uint64_t{256} << 20,
                  .may_start_processes = true,
                  .folder = fs::current_path().string()};
    jobs.push_back(std::move(job));
  }
  const auto ended = [&](std::size_t k, const Outcome& o) {
    const std::size_t i = left[k];
    ClassRow& row = rows[i];
    try {
      if (!o.well()) throw std::runtime_error(how_it_ended(o, jobs[k].limits));
      row.report = report_from_json(o.result);
      const fs::path kept = path_of(i);
      write_text(fs::path(kept).replace_extension(".txt"), describe(row.report, lab, false));
      write_text(kept, json_of(row.report));
    } catch (const EnvironmentError&) {  // the folder of results: what comes after would be lost as well
      throw;
    } catch (const std::exception& e) {
      const std::string how = e.what(), said = o.printed.substr(0, 500);
      row.failed = true;
      row.report = problem_report(
          lab, options.conditions,
          fmt::format("its grading failed: {}{}{}", how, how.empty() || said.empty() ? "" : ": ", said));
    }
    std::error_code ignored;
    fs::remove_all(desk_of(i), ignored);
    tell(i);
  };
  run_contained(jobs, {.at_once = options.at_once, .ended = ended});
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
                        r.report.max_points(), csv_field(on_one_line(r.report.problem)));
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
