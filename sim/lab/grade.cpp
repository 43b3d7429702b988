#include "sim/lab/grade.hpp"

#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <numeric>
#include <sstream>

#include "sim/core/error.hpp"
#include "sim/lab/build.hpp"
#include "sim/lab/contain.hpp"

namespace flashlab::lab {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kLargestFile = std::uintmax_t{1} << 20;

std::string fresh_nonce() {
  std::string nonce(32, '\0');
  if (getrandom(nonce.data(), nonce.size(), 0) != static_cast<ssize_t>(nonce.size()))
    throw EnvironmentError("the system gives no random numbers");
  return nonce;
}

}  // namespace

std::optional<std::string> read_submission(const fs::path& path, std::string& why) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (!fs::exists(status)) {
    why = fmt::format("there is no {}: nothing was handed in", path.filename().string());
  } else if (!fs::is_regular_file(status)) {
    why = fmt::format("{} is no plain file", path.filename().string());
  } else if (fs::file_size(path, error) > kLargestFile || error) {
    why = fmt::format("{} is larger than 1 MiB", path.filename().string());
  } else {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (in) return std::move(text).str();
    why = fmt::format("{} cannot be read", path.filename().string());
  }
  return std::nullopt;
}

namespace {

Contained sealed_job(const fs::path& program, const GradeOptions& options) {
  Contained job;
  job.arguments = {program.string()};
  job.limits = {.wall_s = 4.0 * options.run_s,  // other programs want their share of the processor
                .cpu_s = options.run_s,
                .resident_bytes = std::uint64_t{1} << 30};
  return job;
}

/// With the user's environment, which tells CUDA where its driver is, and room for what the driver does.
Contained card_job(const fs::path& program) {
  Contained job;
  job.body = [program = program.string()] {
    std::string name = program;
    char* arguments[] = {name.data(), nullptr};
    execv(name.c_str(), arguments);
    return 127;
  };
  job.limits = {.wall_s = 60,
                .cpu_s = 60,
                .resident_bytes = std::uint64_t{16} << 30,
                .file_bytes = std::uint64_t{1} << 30,
                .may_start_processes = true,
                .open_files = 4096};
  return job;
}

/// Leaves out the items that count.
void keep_what_a_card_tells(std::vector<Item>& items, Report& report, const Lab& lab) {
  std::string left_out;
  for (const Item& item : items) {
    if (item.counted) left_out += fmt::format("{}{}", left_out.empty() ? "" : ", ", item.id);
  }
  std::erase_if(items, &Item::counted);
  if (!left_out.empty())
    report.note =
        fmt::format("Not judged on a card, which tells no counters here: {}; `flashlab lab check {}` does.\n",
                    left_out, lab.number());
}

void note_times(const std::vector<std::vector<Ran>>& ran, Report& report) {
  std::map<std::string, double> told;
  std::string times;
  for (const auto& of_item : ran) {
    for (const Ran& r : of_item) {
      if (r.failure.empty() && r.result.card_ms > 0 && told.emplace(r.of->title, r.result.card_ms).second)
        times += fmt::format("  {:>9.4f} ms  {}\n", r.result.card_ms, r.of->title);
    }
  }
  if (!times.empty()) report.note += "Times on the card, the best of five runs, launches and all:\n" + times;
}

void run_cases(std::vector<Item>& items, const fs::path& program, const GradeOptions& options,
               std::vector<std::vector<Ran>>& ran) {
  // A case that several items look at is run once: cases of one title and one input are the same.
  std::vector<Contained> jobs;
  std::vector<const Case*> cases;
  std::vector<std::vector<std::size_t>> which(items.size());
  std::map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (Case& c : items[i].cases) {
      c.job.nonce.clear();
      const std::string key = c.title + '\0' + write_job(c.job);
      const auto [at, is_new] = known.emplace(key, jobs.size());
      which[i].push_back(at->second);
      if (!is_new) continue;
      c.job.nonce = fresh_nonce();
      Contained job = options.on_card ? card_job(program) : sealed_job(program, options);
      job.input = write_job(c.job);
      jobs.push_back(std::move(job));
      cases.push_back(&c);
    }
  }
  if (options.progress) options.progress(fmt::format("running {} cases", jobs.size()));
  const std::vector<Outcome> outcomes = run_contained(jobs, {.at_once = options.at_once, .give_up = true});
  std::vector<Ran> all(jobs.size());
  for (std::size_t k = 0; k < jobs.size(); ++k) {
    all[k].of = cases[k];
    const Outcome& o = outcomes[k];
    std::string why;
    if (!o.well()) {
      all[k].failure = how_it_ended(o, jobs[k].limits);
      if (o.exit_code == 8)
        throw EnvironmentError(
            "the filter of system calls (seccomp) cannot be set up: submissions are not run here");
      // These codes are of the program around the submission alone, which cannot end the process itself.
      if (options.on_card && o.exit_code == 9) throw EnvironmentError("the card: " + o.printed.substr(0, 300));
      if (o.exit_code >= 5 && o.signal == 0 && !o.out_of_time)
        throw EnvironmentError(fmt::format("the grader's own part of a run failed (code {}): {}", o.exit_code,
                                           o.printed.substr(0, 300)));
      if (all[k].failure.empty()) {
        all[k].failure = fmt::format("it ended with code {} before its results were there: {}", o.exit_code,
                                     o.printed.substr(0, o.printed.find('\n')));
      }
    } else if (auto result = read_result(o.result, cases[k]->job, why)) {
      all[k].result = std::move(*result);
    } else {
      all[k].failure = "its result is not whole: " + why;
    }
  }
  ran.resize(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (const std::size_t k : which[i]) ran[i].push_back(all[k]);
  }
}

}  // namespace

double Report::points() const {
  return std::accumulate(items.begin(), items.end(), 0.0,
                         [](double sum, const GradedItem& i) { return sum + i.points; });
}
double Report::max_points() const {
  return std::accumulate(items.begin(), items.end(), 0.0,
                         [](double sum, const GradedItem& i) { return sum + i.max_points; });
}

Report grade(const Lab& lab, const fs::path& submission, const GradeOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  Report report;
  report.lab = lab.slug();
  std::vector<Item> items = lab.items(options.conditions);
  if (options.on_card) keep_what_a_card_tells(items, report, lab);
  for (const Item& item : items) report.items.push_back({item.id, item.title, 0, item.points, {}});
  const auto finish = [&] {
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
  };

  const auto text = read_submission(submission, report.problem);
  if (!text) return finish();
  std::vector<Verdict> verdicts(items.size());
  std::vector<std::vector<Ran>> ran(items.size());
  if (lab.has_kernels()) {
    if (options.progress) options.progress("compiling");
    const BuildOptions building{.submission = submission,
                                .harness = folder_of(lab) / "harness.cu",
                                .cache_dir = options.cache_dir,
                                .cpu_s = options.build_s};
    const Build built = options.on_card ? build_for_card(building) : build(building);
    if (built.program.empty()) {
      report.problem = (built.refused ? "refused by the rules of the labs:\n" : "") + built.why;
      return finish();
    }
    run_cases(items, built.program, options, ran);
    if (options.on_card) note_times(ran, report);
    const Evidence evidence(built.program, *text);
    for (std::size_t i = 0; i < items.size(); ++i) {
      const auto missing = std::ranges::find_if(items[i].after, [&](const std::string& id) {
        for (std::size_t k = 0; k < i; ++k) {
          if (items[k].id == id) return verdicts[k].share < 1;
        }
        return true;
      });
      verdicts[i] = missing != items[i].after.end()
                        ? Verdict{.text = fmt::format("counts once \"{}\" passes", *missing)}
                        : items[i].judge(ran[i], evidence);
    }
    if (!ran.empty() && !options.on_card) {
      const bool right = std::ranges::all_of(items, [&](const Item& item) {
        return item.id != "values" || verdicts[static_cast<std::size_t>(&item - items.data())].passed();
      });
      if (right) report.score = lab.score(ran.back());
    }
  } else {
    verdicts = lab.judge_text(*text, options.conditions);
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    report.items[i].verdict = std::move(verdicts[i]);
    report.items[i].points = items[i].points * std::clamp(report.items[i].verdict.share, 0.0, 1.0);
  }
  return finish();
}

}  // namespace flashlab::lab
