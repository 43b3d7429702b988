#include "sim/lab/rehearse.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdint>
#include <fstream>
#include <functional>

#include "sim/core/error.hpp"
#include "sim/core/text_file.hpp"
#include "sim/lab/workspace.hpp"
#include "sim/lab/wrong.hpp"

namespace flashlab::lab {
namespace {

namespace fs = std::filesystem;

struct Kind {
  std::string name;
  double least, most;
  std::string reason;
  std::function<void(const fs::path& file, const std::string& student)> hand_in;
};

std::string noise() {
  std::string bytes;
  std::uint64_t state = 1;
  for (int i = 0; i < 4096; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    bytes += static_cast<char>(state >> 56);
  }
  return bytes;
}

std::vector<Kind> kinds_of(const Lab& lab) {
  const std::string whole = read_text(folder_of(lab) / lab.file());
  const auto text = [&lab](std::string what) {
    return [&lab, what = std::move(what)](const fs::path& file, const std::string& student) {
      std::ofstream(file, std::ios::binary)
          << what << fmt::format("{} {}\n", lab.has_kernels() ? "//" : "#", student);
    };
  };
  std::vector<Kind> all = {{"solution", 1, 1, "", text(whole)}};
  if (!fs::is_directory(folder_of(lab) / "wrong"))
    throw EnvironmentError(
        fmt::format("{} is not there: rehearse in a clone of Flashlab", (folder_of(lab) / "wrong").string()));
  for (const Wrong& wrong : wrong_submissions(lab))
    all.push_back({wrong.name.substr(wrong.name.find('/') + 1), 0, 0.999, wrong.reason, text(wrong.text)});
  all.push_back({"starter", 0, 0.2, "", text(starter_of(whole))});
  all.push_back({"nothing", 0, 0, "nothing was handed in", [](const fs::path&, const std::string&) {}});
  all.push_back({"empty", 0, 0, "", text("")});
  all.push_back({"half a file", 0, 0.6, "", text(whole.substr(0, whole.size() / 2) + "\n")});
  all.push_back({"noise", 0, 0, "", text(noise() + "\n")});
  all.push_back({"too large", 0, 0, "larger than 1 MiB", text(std::string(std::size_t{2} << 20, '\n'))});
  all.push_back({"a folder", 0, 0, "no plain file",
                 [](const fs::path& file, const std::string&) { fs::create_directory(file); }});
  all.push_back({"a link", 0, 0, "no plain file",
                 [](const fs::path& file, const std::string&) { fs::create_symlink("/dev/zero", file); }});
  all.push_back({"a pipe", 0, 0, "no plain file", [](const fs::path& file, const std::string&) {
                   if (mkfifo(file.c_str(), 0600) != 0)
                     throw EnvironmentError(fmt::format("cannot make the pipe {}", file.string()));
                 }});
  all.push_back(
      {"one folder deeper", 1, 1, "", [whole, text](const fs::path& file, const std::string& student) {
         fs::create_directories(file.parent_path() / "my work");
         text(whole)(file.parent_path() / "my work" / file.filename(), student);
       }});
  return all;
}

}  // namespace

std::vector<Rehearsed> make_class(const Lab& lab, std::size_t count, const fs::path& folder) {
  const std::vector<Kind> kinds = kinds_of(lab);
  std::vector<Rehearsed> all;
  std::size_t next = 0;
  try {
    for (std::size_t i = 0; i < count; ++i) {
      const Kind& kind = i % 3 == 0 ? kinds.front() : kinds[1 + next++ % (kinds.size() - 1)];
      const std::string student = fmt::format("student-{:03}", i + 1);
      const fs::path at = folder / student;
      fs::remove_all(at);
      fs::create_directories(at);
      kind.hand_in(at / lab.file(), student);
      all.push_back({find_submissions(lab, {at}).front(), kind.name, kind.least, kind.most, kind.reason});
    }
  } catch (const fs::filesystem_error& e) {
    throw EnvironmentError(fmt::format("cannot write to {}: {}", folder.string(), e.code().message()));
  }
  return all;
}

std::string amiss(const Rehearsed& rehearsed, const ClassRow& row, const Lab& lab) {
  const double share = row.report.points() / row.report.max_points();
  if (row.submission.name != rehearsed.submission.name) return "the row is another student's";
  if (row.failed) return row.report.problem;
  if (share < rehearsed.least || share > rehearsed.most)
    return fmt::format("{:g} points: it should be {:g} to {:g} %", row.report.points(), 100 * rehearsed.least,
                       100 * rehearsed.most);
  if (describe(row.report, lab, false).find(rehearsed.reason) == std::string::npos)
    return fmt::format("the report does not say \"{}\"", rehearsed.reason);
  return "";
}

}  // namespace flashlab::lab
