#include "sim/docs/commands.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <thread>

#include "sim/core/error.hpp"
#include "sim/core/temporary_folder.hpp"

namespace flashlab::docs {
namespace {

namespace fs = std::filesystem;

std::string shell_quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string last_line_of(const fs::path& path) {
  std::ifstream file(path);
  std::string last;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

}  // namespace

ScriptResult Commands::execute(const Script& script, int limit_s) const {
  const TemporaryFolder folder("docs");
  const fs::path here = folder.path() / "tree", program = fs::read_symlink("/proc/self/exe");
  fs::create_directory(here);
  for (const fs::directory_entry& entry : fs::directory_iterator(root_)) {
    const std::string name = entry.path().filename().string();
    if (name == "flashlab" || name == "build" || name == ".git") continue;
    fs::create_symlink(entry.path(), here / name);
  }
  fs::create_directory(folder.path() / "bin");
  fs::create_symlink(program, folder.path() / "bin" / "flashlab");
  fs::create_symlink(program, here / "flashlab");
  for (const auto& [name, source] : script.files) fs::copy_file(root_ / source, here / name);

  const std::string command = fmt::format(
      "cd {} && unset FORCE_COLOR && PATH={}:\"$PATH\" NO_COLOR=1 TERM=dumb LC_ALL=C.UTF-8 TZ=UTC "
      "CUDA_VISIBLE_DEVICES= "
      "exec timeout -k 5 {} bash -o pipefail -c {} </dev/null 2>{}",
      shell_quoted(here.string()), shell_quoted((folder.path() / "bin").string()), limit_s,
      shell_quoted(script.text), shell_quoted(folder / "stderr"));
  const auto start = std::chrono::steady_clock::now();
  std::FILE* const pipe = popen(command.c_str(), "r");
  if (!pipe) throw EnvironmentError("cannot start a shell");
  ScriptResult result;
  std::array<char, 4096> buffer;
  for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    result.out.append(buffer.data(), n);
  const int status = pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  // `flashlab … | head -n 5`: cut short on purpose.
  if (result.code == 128 + SIGPIPE && script.text.find('|') != std::string::npos) result.code = 0;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.last_error = last_line_of(folder / "stderr");
  return result;
}

void Commands::run(int limit_s) {
  std::vector<std::pair<const Script, ScriptResult>*> todo;
  for (auto& entry : results_) {
    if (done_.try_emplace(entry.first, true).second) todo.push_back(&entry);
  }
  const bool show = isatty(STDERR_FILENO);
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::string failure;
  const auto work = [&] {
    for (std::size_t i; (i = next++) < todo.size();) {
      if (show) {
        const std::scoped_lock lock(mutex);
        fmt::print(stderr, "\r\033[K[{}/{}] {:.90}", i + 1, todo.size(), todo[i]->first.text);
      }
      try {
        todo[i]->second = execute(todo[i]->first, limit_s);
      } catch (const std::exception& error) {
        const std::scoped_lock lock(mutex);
        failure = error.what();
      }
    }
  };
  {
    const std::jthread other(work);
    work();
  }
  if (show && !todo.empty()) fmt::print(stderr, "\r\033[K");
  if (!failure.empty()) throw EnvironmentError(failure);
}

bool Commands::repeats(const Script& script, int limit_s) const {
  const ScriptResult again = execute(script, limit_s), &first = result(script);
  return again.out == first.out && again.code == first.code;
}

std::vector<const std::pair<const Script, ScriptResult>*> Commands::slowest() const {
  std::vector<const std::pair<const Script, ScriptResult>*> all;
  for (const auto& entry : results_) all.push_back(&entry);
  std::ranges::sort(all, [](const auto* a, const auto* b) { return a->second.seconds > b->second.seconds; });
  return all;
}

std::string plain_command(std::string_view command) {
  std::string plain;
  for (const char c : command) {
    if (c != ' ' || (!plain.empty() && plain.back() != ' ')) plain += c;
  }
  while (plain.ends_with(' ')) plain.pop_back();
  if (plain.starts_with("./flashlab")) plain.erase(0, 2);
  return plain;
}

std::vector<ShellCommand> shell_commands(const std::vector<std::string>& lines) {
  std::vector<ShellCommand> commands;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const int line_number = static_cast<int>(i);
    std::string line = lines[i];
    while (line.ends_with('\\') && i + 1 < lines.size()) {
      line.pop_back();
      line += " " + lines[++i];
    }
    if (line.starts_with("$ ")) line.erase(0, 2);
    char quote = 0;
    std::size_t comment = line.size();
    for (std::size_t c = 0; c < line.size() && comment == line.size(); ++c) {
      if (quote) {
        if (line[c] == quote) quote = 0;
      } else if (line[c] == '\'' || line[c] == '"') {
        quote = line[c];
      } else if (line[c] == '#' && (c == 0 || line[c - 1] == ' ')) {
        comment = c;
      }
    }
    const std::string command = plain_command(line.substr(0, comment));
    if (command != "flashlab" && !command.starts_with("flashlab ")) continue;
    const std::string words = plain_command(line.substr(std::min(comment + 1, line.size())));
    commands.push_back({line_number, command, words});
  }
  return commands;
}

}  // namespace flashlab::docs
