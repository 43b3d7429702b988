// flashlab lab: the student's commands.

#include "sim/cli/lab_command.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "sim/cli/commands.hpp"
#include "sim/core/error.hpp"
#include "sim/core/text_file.hpp"
#include "sim/lab/build.hpp"
#include "sim/lab/class_grade.hpp"
#include "sim/lab/contain.hpp"
#include "sim/lab/export.hpp"
#include "sim/lab/grade.hpp"
#include "sim/lab/rehearse.hpp"
#include "sim/lab/workspace.hpp"
#include "sim/lab/wrong.hpp"
#include "sim/report/table.hpp"

namespace flashlab::cli {
namespace {

namespace fs = std::filesystem;
using namespace flashlab::lab;

struct LabArguments {
  std::string name, folder, file, color = "auto", machine = "simt";
  std::uint64_t seed = 0;
  int jobs = 0, count = 100;
  bool hidden = false;
  std::string item;
  std::vector<std::string> submissions;
  std::string csv, results, gradescope, classroom, out, format = "table";
};

int jobs_of(const LabArguments& a) {
  if (a.jobs < 0 || a.jobs > 256) throw UsageError(fmt::format("--jobs {}: take 1 to 256", a.jobs));
  return a.jobs > 0 ? a.jobs : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void say(const std::string& text) {
  if (isatty(2) != 0) fmt::print(stderr, "\r\x1b[K{} …", text);
}
void hush() {
  if (isatty(2) != 0) fmt::print(stderr, "\r\x1b[K");
}

/// Grading that was interrupted, and what is known of it. The shell's exit code of Ctrl-C.
struct StoppedEarly : std::runtime_error {
  using std::runtime_error::runtime_error;
};
constexpr int kInterruptedCode = 130;

/// Names of folders and words of submissions, for a terminal.
std::string printable(std::string text) {
  for (char& c : text) c = static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  return text;
}

/// From now on Ctrl-C ends what runs and lets this program say how far it was.
void watch_for_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupt(); };
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
}

int run_lab_command(int (*command)(const LabArguments&), const LabArguments& a) {
  watch_for_interrupts();
  try {
    return command(a);
  } catch (const StoppedEarly& e) {
    hush();
    fmt::print(stderr, "flashlab: {}\n", e.what());
  } catch (const Interrupted&) {
    hush();
    fmt::print(stderr, "flashlab: interrupted\n");
  }
  return kInterruptedCode;
}

int list_labs(const LabArguments& a) {
  const Workspace workspace(a.folder);
  using enum report::TextTable::Align;
  report::TextTable table;
  table.column("lab", right);
  table.column("chapter", left);
  table.column("title", left);
  table.column("points", right);
  for (const auto& lab : labs()) {
    const Progress p = workspace.progress(*lab);
    const bool started = fs::exists(workspace.file_of(*lab));
    std::string state = "–";
    if (started) state = "started";
    if (p.points >= 0) state = fmt::format("{:g} of {:g}", p.points, p.max_points);
    table.row({fmt::to_string(lab->number()), std::string(lab->slug()), std::string(lab->title()), state});
  }
  print(table.str(false) +
        fmt::format("\nYour work: {}\nBegin one: flashlab lab start 1\n", workspace.root().string()));
  return 0;
}

int start_lab(const LabArguments& a) {
  const Lab& lab = lab_from_name(a.name);
  Workspace workspace(a.folder);
  workspace.start(lab);
  print(fmt::format(
      "{0}: your file\n{1}: what is asked\n\nflashlab lab check {2}    says what is right and what is not\n"
      "flashlab lab watch {2}    the same whenever you save\nflashlab lab hint {2}     three hints, one at a "
      "time\n",
      workspace.file_of(lab).string(), (workspace.file_of(lab).parent_path() / "README.md").string(),
      lab.number()));
  return 0;
}

fs::path submission_of(const LabArguments& a, const Workspace& workspace, const Lab& lab) {
  if (!a.file.empty()) {
    std::error_code error;
    if (fs::is_directory(a.file, error))
      throw UsageError(fmt::format("--file {}: it is a folder; name the {} in it", a.file, lab.file()));
    if (!fs::exists(fs::symlink_status(a.file, error)))
      throw UsageError(fmt::format("--file {}: there is no such file", a.file));
    return a.file;
  }
  const fs::path file = workspace.file_of(lab);
  if (!fs::exists(file))
    throw UsageError(fmt::format("{} is not there: `flashlab lab start {}` makes it, --file names another",
                                 file.string(), lab.number()));
  return file;
}

int check_once(const LabArguments& a, const Lab& lab, Workspace& workspace) {
  const fs::path file = submission_of(a, workspace, lab);
  GradeOptions options;
  options.cache_dir = default_cache();
  options.at_once = jobs_of(a);
  options.conditions = {.seed = a.seed, .hidden = a.hidden};
  options.progress = say;
  if (a.machine != "simt" && a.machine != "gpu")
    throw UsageError(fmt::format("--machine \"{}\": take simt or gpu", a.machine));
  options.on_card = a.machine == "gpu";
  if (options.on_card && !lab.has_kernels())
    throw UsageError(fmt::format("--machine gpu: lab {} has no kernels to run", lab.number()));
  if (options.on_card) options.at_once = 1;  // times of one run at a time
  const Report report = grade(lab, file, options);
  hush();
  if (a.file.empty() && !options.on_card) {
    Progress p = workspace.progress(lab);
    p.points = std::max(p.points, report.points());
    p.max_points = report.max_points();
    workspace.set_progress(lab, p);
  }
  std::string text = describe(report, lab, use_color(a.color));
  if (report.passed() && options.on_card) {
    text += "All right on the card.\n";
  } else if (report.passed()) {
    text += lab.number() < 8 ? fmt::format("All right. The next one: flashlab lab start {}\n", lab.number() + 1)
                             : "All right.\n";
  } else if (a.file.empty()) {
    text += fmt::format("Stuck? flashlab lab hint {}\n", lab.number());
  }
  print(text);
  if (!a.item.empty()) {
    for (const GradedItem& i : report.items) {
      if (i.id == a.item)
        return report.problem.empty() && i.verdict.passed() ? 0 : static_cast<int>(ExitCode::check_failed);
    }
    throw UsageError(fmt::format("--item \"{}\": lab {} has no such item", a.item, lab.number()));
  }
  return report.passed() ? 0 : static_cast<int>(ExitCode::check_failed);
}

/// Grades, tells of each on stderr, and keeps what is known when somebody interrupts it.
std::vector<ClassRow> grade_aloud(const Lab& lab, const std::vector<Submission>& submissions,
                                  const LabArguments& a, const fs::path& results) {
  ClassOptions options;
  options.conditions = {.seed = a.seed, .hidden = true};
  options.results = results;
  options.at_once = jobs_of(a);
  std::size_t known = 0;
  options.progress = [&](std::size_t done, std::size_t all, const ClassRow& row) {
    known = done;
    fmt::print(stderr, "[{}/{}] {:g} of {:g}{}  {}\n", done, all, row.report.points(), row.report.max_points(),
               row.resumed ? " (graded before)" : "", printable(row.submission.name));
  };
  try {
    return grade_class(lab, submissions, options);
  } catch (const Interrupted&) {
    throw StoppedEarly(
        fmt::format("interrupted: {} of {} are graded and kept in {}; the same command goes on from there",
                    known, submissions.size(), results.string()));
  }
}

/// What could not be graded is no zero of the student's: said on stderr, and by the exit code.
int told_failures(const std::vector<ClassRow>& rows) {
  std::string names;
  std::size_t count = 0;
  for (const ClassRow& row : rows) {
    if (row.failed && ++count <= 5) names += (names.empty() ? "" : ", ") + printable(row.submission.name);
  }
  if (count == 0) return 0;
  const std::string& first = std::ranges::find_if(rows, &ClassRow::failed)->report.problem;
  fmt::print(
      stderr,
      "flashlab: {} of {} could not be graded ({}{}); the same command tries them again. The first: {}\n",
      count, rows.size(), names, count > 5 ? ", …" : "", printable(first));
  return static_cast<int>(ExitCode::environment);
}

/// Before hours of grading, not after.
void require_writable(const char* option, const std::string& file) {
  std::error_code error;
  if (file.empty()) return;
  const fs::path folder = fs::absolute(file).parent_path();
  if (fs::is_directory(file, error)) throw UsageError(fmt::format("{} {}: it is a folder", option, file));
  if (access(folder.c_str(), W_OK) != 0)
    throw EnvironmentError(
        fmt::format("{} {}: {} is not there or cannot be written", option, file, folder.string()));
}

int grade_labs(const LabArguments& a) {
  const Lab& lab = lab_from_name(a.name);
  if (a.format != "table" && a.format != "csv" && a.format != "json")
    throw UsageError(fmt::format("--format \"{}\": take table, csv or json", a.format));
  const std::vector<Submission> submissions =
      find_submissions(lab, {a.submissions.begin(), a.submissions.end()});
  if (!a.gradescope.empty() && submissions.size() != 1)
    throw UsageError("--gradescope writes the results of one submission: name one");
  require_writable("--csv", a.csv);
  require_writable("--gradescope", a.gradescope);
  const fs::path results = a.results.empty() ? fs::path("flashlab-grades") / lab.slug() : fs::path(a.results);
  const std::vector<ClassRow> rows = grade_aloud(lab, submissions, a, results);
  if (!a.gradescope.empty()) write_text(a.gradescope, gradescope_json(lab, rows.front().report));
  if (!a.csv.empty()) write_text(a.csv, csv_of(rows));
  if (a.format == "json") {
    std::string all;
    for (const ClassRow& row : rows) all += (all.empty() ? "[\n" : ",\n") + json_of(row.report);
    print(all + "]\n");
  } else {
    print(a.format == "csv" ? csv_of(rows) : table_of(rows));
  }
  return told_failures(rows);
}

int rehearse_lab(const LabArguments& a) {
  const Lab& lab = lab_from_name(a.name);
  require_writable("--csv", a.csv);
  if (a.count < 1 || a.count > 10000) throw UsageError(fmt::format("--count {}: take 1 to 10000", a.count));
  const fs::path folder = a.results.empty() ? fs::path("flashlab-rehearsal") / lab.slug() : fs::path(a.results);
  const std::vector<Rehearsed> made =
      make_class(lab, static_cast<std::size_t>(a.count), folder / "submissions");
  std::vector<Submission> submissions;
  for (const Rehearsed& r : made) submissions.push_back(r.submission);
  const std::vector<ClassRow> rows = grade_aloud(lab, submissions, a, folder / "grades");
  if (!a.csv.empty()) write_text(a.csv, csv_of(rows));

  struct Sum {
    std::size_t count = 0, well = 0;
    double least = 1e9, most = 0, seconds = 0;
  };
  std::map<std::string, Sum> kinds;
  std::string wrong;
  std::size_t well = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Sum& sum = kinds[made[i].kind];
    const std::string what = i < made.size() ? amiss(made[i], rows[i], lab) : "a row too many";
    ++sum.count, sum.well += what.empty() ? 1 : 0, well += what.empty() ? 1 : 0;
    sum.least = std::min(sum.least, rows[i].report.points());
    sum.most = std::max(sum.most, rows[i].report.points());
    sum.seconds = std::max(sum.seconds, rows[i].report.seconds);
    if (!what.empty()) wrong += fmt::format("{} ({}): {}\n", made[i].submission.name, made[i].kind, what);
  }
  using enum report::TextTable::Align;
  report::TextTable table;
  table.column("handed in", left);
  for (const char* heading : {"submissions", "as it must be", "points", "longest"})
    table.column(heading, right);
  for (const auto& [kind, sum] : kinds) {
    table.row({kind, fmt::to_string(sum.count), fmt::to_string(sum.well),
               sum.least == sum.most ? fmt::format("{:g}", sum.most)
                                     : fmt::format("{:g} to {:g}", sum.least, sum.most),
               fmt::format("{:.1f} s", sum.seconds)});
  }
  print(fmt::format("{}\n{} of {} submissions are graded as they must be.\n{}", table.str(false), well,
                    made.size(), wrong));
  return well == made.size() && rows.size() == made.size() ? 0 : static_cast<int>(ExitCode::check_failed);
}

int export_lab(const LabArguments& a) {
  const bool gradescope = !a.gradescope.empty(), classroom = !a.classroom.empty();
  if (gradescope == classroom) throw UsageError("lab export: take --gradescope LAB or --classroom LAB");
  const Lab& lab = lab_from_name(gradescope ? a.gradescope : a.classroom);
  const fs::path out =
      !a.out.empty() ? fs::path(a.out)
                     : fs::path(fmt::format("{}-{}", lab.slug(), gradescope ? "gradescope.zip" : "classroom"));
  if (gradescope) {
    export_gradescope(lab, a.seed, out);
    print(fmt::format("{}: upload it as the assignment's autograder (Debian or Ubuntu image)\n", out.string()));
  } else {
    export_classroom(lab, a.seed, out);
    print(fmt::format("{}: push it as the assignment's template repository\n", out.string()));
  }
  return 0;
}

int check_lab(const LabArguments& a) {
  const Lab& lab = lab_from_name(a.name);
  Workspace workspace(a.folder);
  return check_once(a, lab, workspace);
}

int watch_lab(const LabArguments& a) {
  const Lab& lab = lab_from_name(a.name);
  Workspace workspace(a.folder);
  const fs::path file = submission_of(a, workspace, lab);
  fmt::print(stderr, "flashlab: checking {} whenever it is saved; Ctrl-C ends it\n", file.string());
  fs::file_time_type last{};
  for (int code = 1;;) {
    std::error_code error;
    const auto now = fs::last_write_time(file, error);
    if (!error && now != last) {
      last = now;
      code = check_once(a, lab, workspace);
      if (code == 0) return code;
    }
    if (interrupted()) throw Interrupted();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

int hint_lab(const LabArguments& a) {
  const Lab& lab = lab_from_name(a.name);
  Workspace workspace(a.folder);
  Progress p = workspace.progress(lab);
  if (!fs::exists(workspace.file_of(lab)))
    throw UsageError(
        fmt::format("lab {} has not been started: `flashlab lab start {}`", lab.number(), lab.number()));
  const int number = std::min(p.hints + 1, 3);
  std::ifstream in(folder_of(lab) / "hints" / fmt::format("{}.md", number));
  if (!in) throw EnvironmentError(fmt::format("hint {} of lab {} is not there", number, lab.number()));
  std::ostringstream text;
  text << in.rdbuf();
  p.hints = number;
  workspace.set_progress(lab, p);
  print(fmt::format("Hint {} of 3\n\n{}", number, text.str()) +
        (number < 3 ? "" : "\nThere is no deeper one.\n"));
  return 0;
}

int reset_lab(const LabArguments& a) {
  const Lab& lab = lab_from_name(a.name);
  Workspace workspace(a.folder);
  const fs::path kept = workspace.reset(lab);
  print(fmt::format("{} is the starter again; yours is kept as {}\n", workspace.file_of(lab).string(),
                    kept.filename().string()));
  return 0;
}

/// What the points of each lab are for.
int show_figures(const LabArguments& a) {
  if (!a.name.empty()) {
    print(lab_from_name(a.name).figures());
    return 0;
  }
  using enum report::TextTable::Align;
  report::TextTable table;
  table.column("lab", right);
  table.column("chapter", left);
  table.column("handed in", left);
  for (const char* heading :
       {"items", "points", "for numbers", "for counters", "hidden cases", "wrong ones kept"})
    table.column(heading, right);
  for (const auto& lab : labs()) {
    double counted = 0, all = 0;
    std::set<std::string> cases;
    const std::vector<Item> items = lab->items({.seed = 1, .hidden = true});
    for (const Item& item : items) {
      all += item.points, counted += item.counted ? item.points : 0;
      for (const Case& c : item.cases) cases.insert(c.title);
    }
    table.row({fmt::to_string(lab->number()), std::string(lab->slug()), std::string(lab->file()),
               fmt::to_string(items.size()), fmt::format("{:g}", all), fmt::format("{:g}", all - counted),
               fmt::format("{:g}", counted), lab->has_kernels() ? fmt::to_string(cases.size()) : "–",
               fmt::to_string(wrong_submissions(*lab).size())});
  }
  print(table.str(false));
  return 0;
}

}  // namespace

std::function<int()> add_lab_command(CLI::App& app) {
  const auto a = std::make_shared<LabArguments>();
  const auto chosen = std::make_shared<std::function<int()>>();
  CLI::App* const lab = app.add_subcommand("lab", "Course labs, graded on the bytes they move");
  lab->require_subcommand(1);
  lab->footer(
      "\nExamples:\n"
      "  flashlab lab list\n"
      "  flashlab lab start 6 && flashlab lab check 6\n"
      "  flashlab lab grade 6 submissions/* --seed 2027 --csv points.csv\n"
      "  flashlab lab rehearse 6 --count 100\n"
      "  flashlab lab export --gradescope 6 --seed 2027");
  const auto command = [&](const char* name, const char* text, int (*run)(const LabArguments&), bool named) {
    CLI::App* const c = lab->add_subcommand(name, text);
    if (named) c->add_option("LAB", a->name, "its number or name (6, online-softmax)")->required();
    c->add_option("--dir", a->folder, "the folder with your work (default: found, else ./flashlab-labs)");
    c->callback([=] { *chosen = [=] { return run_lab_command(run, *a); }; });
    return c;
  };
  command("list", "The labs, and how far you are", list_labs, false);
  command("start", "A lab's starter and text into your folder", start_lab, true);
  for (CLI::App* const c : {command("check", "What is right, and the first thing that is not", check_lab, true),
                            command("watch", "check, whenever the file is saved", watch_lab, true)}) {
    c->add_option("--file", a->file, "another file than the one in your folder");
    c->add_option("--seed", a->seed, "of the inputs (default 0)");
    c->add_option("--jobs", a->jobs, "runs at a time (default: one a core)");
    c->add_option("--machine", a->machine,
                  "simt (default), or gpu: numbers and times on this machine's card, which counts nothing");
    c->add_option("--color", a->color, "auto, always or never");
    c->add_flag("--hidden", a->hidden, "on the shapes that a grading with this seed takes");
    c->add_option("--item", a->item, "exit code 0 when this item passes, whatever the others do");
  }
  CLI::App* const grading = command("grade", "Many submissions, a table of points", grade_labs, true);
  grading->add_option("SUBMISSION", a->submissions, "folders or files, one a student")->required();
  grading->add_option("--seed", a->seed, "of inputs and hidden shapes: one a term (default 0)");
  grading->add_option("--csv", a->csv, "write the points there too");
  grading->add_option("--results", a->results,
                      "the folder that keeps every result (default flashlab-grades/LAB)");
  grading->add_option("--jobs", a->jobs, "submissions at a time (default: one a core)");
  grading->add_option("--format", a->format, "table, csv or json");
  grading->add_option("--gradescope", a->gradescope,
                      "write Gradescope's results.json of the one submission there");
  CLI::App* const rehearsal =
      command("rehearse", "Grade a made class, of which is known how it must be graded", rehearse_lab, true);
  rehearsal->add_option("--count", a->count, "submissions (default 100)");
  rehearsal->add_option("--seed", a->seed, "of inputs and hidden shapes (default 0)");
  rehearsal->add_option("--csv", a->csv, "write the points there too");
  rehearsal->add_option("--results", a->results, "the folder to work in (default flashlab-rehearsal/LAB)");
  rehearsal->add_option("--jobs", a->jobs, "submissions at a time (default: one a core)");
  CLI::App* const exporting = command("export", "For Gradescope or GitHub Classroom", export_lab, false);
  exporting->add_option("--gradescope", a->gradescope, "LAB: the autograder's zip");
  exporting->add_option("--classroom", a->classroom, "LAB: the template repository");
  exporting->add_option("--seed", a->seed, "of inputs and hidden shapes: one a term (default 0)");
  exporting->add_option("--out", a->out, "the zip or folder to write");
  command("hint", "The next of three hints", hint_lab, true);
  command("reset", "The starter again; your file is kept", reset_lab, true);
  CLI::App* const figures = command(
      "figures", "Baseline, ideal and gate of a lab; without LAB, the points of all", show_figures, false);
  figures->add_option("LAB", a->name, "its number or name");
  return [chosen] { return (*chosen)(); };
}

}  // namespace flashlab::cli
