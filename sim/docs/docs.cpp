#include "sim/docs/docs.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <sstream>

#include "sim/core/error.hpp"
#include "sim/core/text_file.hpp"
#include "sim/docs/commands.hpp"
#include "sim/docs/numbers.hpp"
#include "sim/docs/page.hpp"
#include "sim/docs/snippet.hpp"
#include "sim/docs/table.hpp"
#include "sim/docs/values.hpp"

namespace flashlab::docs {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// README.md and what lies in docs and chapters, or below the paths asked for.
std::vector<fs::path> pages_below(const fs::path& root, const std::vector<std::string>& only) {
  std::vector<fs::path> pages;
  const auto add = [&](const fs::path& path) {
    if (fs::is_regular_file(path)) {
      pages.push_back(path.lexically_relative(root));
    } else if (fs::is_directory(path)) {
      for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path)) {
        const bool text = entry.path().extension() == ".md" && entry.is_regular_file();
        if (text && entry.path().string().find("/node_modules/") == std::string::npos) {
          pages.push_back(entry.path().lexically_relative(root));
        }
      }
    } else {
      throw UsageError(
          fmt::format("{}: there is no such page or folder", path.lexically_relative(root).string()));
    }
  };
  if (only.empty()) {
    add(root / "README.md");
    for (const char* folder : {"docs", "chapters"}) {
      if (fs::is_directory(root / folder)) add(root / folder);
    }
  }
  for (const std::string& path : only) add((root / path).lexically_normal());
  std::ranges::sort(pages);
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
  return pages;
}

/// The pages whose every number is held: the chapters, their labs, and the essay's page.
bool of_the_book(const fs::path& page) {
  return (*page.begin() == "chapters" && page.filename() == "README.md") || page == "docs/essay.md";
}

/// "exit 1", "slow" in the parentheses of a marker.
struct MarkerOptions {
  int exit_code = 0;
  bool slow = false, with_comment = false;
  std::vector<std::string> columns;  ///< of a table
};

MarkerOptions options_of(const Marker& marker, const Page& page) {
  MarkerOptions options;
  std::istringstream parts(marker.options);
  for (std::string part; std::getline(parts, part, ',');) {
    part.erase(0, std::min(part.find_first_not_of(' '), part.size()));
    if (part.starts_with("exit ") && part.size() == 6 && part[5] >= '1' && part[5] <= '3' &&
        (marker.kind == Marker::output || marker.kind == Marker::given)) {
      options.exit_code = part[5] - '0';
    } else if (part == "slow" && marker.kind != Marker::snippet) {
      options.slow = true;
    } else if (part == "with comment" && marker.kind == Marker::snippet) {
      options.with_comment = true;
    } else if (marker.kind == Marker::table) {
      options.columns.push_back(part);
    } else {
      throw UsageError(
          fmt::format("{}: \"({})\" is no option here: exit 1 to 3 and slow for outputs, with comment for "
                      "snippets, columns for tables",
                      page.where(marker.line), part));
    }
  }
  return options;
}

/// "flashlab report …" of a marker, or an error: other programs are not at hand everywhere, and some commands speak of
/// the machine they run on.
std::string command_of(const std::string& text, const Page& page, const Marker& marker) {
  const std::string command = plain_command(text);
  if (command != "flashlab" && !command.starts_with("flashlab ")) {
    throw UsageError(fmt::format("{}: a marker's command begins with \"flashlab\"", page.where(marker.line)));
  }
  for (const char* moody : {"flashlab docs", "flashlab doctor", "flashlab test"}) {
    if (command.starts_with(moody)) {
      throw UsageError(fmt::format("{}: what {} prints depends on the machine: show it in a plain ``` block",
                                   page.where(marker.line), moody));
    }
  }
  return command;
}

class Refresh {
 public:
  Refresh(const fs::path& root, const Options& options) : root_(root), options_(options), commands_(root) {}

  std::vector<Finding> run() {
    for (const fs::path& path : pages_below(root_, options_.only)) pages_.push_back(read_page(root_, path));
    for (const Page& page : pages_) {
      for (const Marker& marker : page.markers) visit(page, marker, true);
    }
    commands_.run(options_.limit_s);
    for (Page& page : pages_) {
      edits_.clear();
      for (const Marker& marker : page.markers) visit(page, marker, false);
      if (of_the_book(page.path)) {
        for (const LooseNumber& number : loose_numbers(page)) find(page, number.line, number.what);
      }
      if (!options_.check && !edits_.empty()) write_page(page);
    }
    if (options_.times) print_times();
    return std::move(findings_);
  }

 private:
  struct Edit {
    std::size_t begin, end;
    std::string text;
  };

  /// The first visit collects commands, the second one uses their results.
  void visit(const Page& page, const Marker& marker, bool collect) {
    switch (marker.kind) {
      case Marker::output:
        return output(page, marker, collect);
      case Marker::snippet:
        return collect ? void() : snippet(page, marker);
      case Marker::figure:
        return figure(page, marker, collect);
      case Marker::table:
        return table(page, marker, collect);
      case Marker::check:
        return check(page, marker, collect);
      case Marker::commands:
        return commands(page, marker, collect);
      case Marker::given:
        return given(page, marker, collect);
    }
  }

  void find(const Page& page, std::size_t line, std::string what, bool mended = false) {
    findings_.push_back({page.where(line), std::move(what), mended && !options_.check});
  }

  /// The result of a marker's command, or nothing: then it is only collected, left out as slow, or it failed.
  const ScriptResult* result_of(const Page& page, const Marker& marker, const std::string& text, bool collect) {
    const MarkerOptions wanted = options_of(marker, page);
    const std::string command = command_of(text, page, marker);
    if (wanted.slow && !options_.slow) return nullptr;
    if (collect) {
      commands_.want({command});
      return nullptr;
    }
    const ScriptResult& result = commands_.result({command});
    if (result.code != wanted.exit_code) {
      find(page, marker.line, failure(command, result, wanted.exit_code));
      return nullptr;
    }
    for (const std::string& mine : {root_.string(), fs::temp_directory_path().string() + "/flashlab-"}) {
      if (result.out.find(mine) != std::string::npos) {
        find(page, marker.line, fmt::format("`{}` prints a path of this machine: {}", command, mine));
        return nullptr;
      }
    }
    return &result;
  }

  static std::string failure(const std::string& command, const ScriptResult& result, int wanted) {
    return fmt::format("`{}` ended with {}{}{}", command,
                       result.code == 124 ? "no result in time" : fmt::format("exit code {}", result.code),
                       wanted != 0 ? fmt::format(" and not {}", wanted) : "",
                       result.last_error.empty() ? "" : ": " + result.last_error);
  }

  /// The block [marker.begin, marker.end) as it should be.
  void replace(const Page& page, const Marker& marker, const std::string& fresh, const std::string& source) {
    std::string old;
    std::size_t first = 0;
    const std::vector<std::string> wanted = lines_of(fresh);
    for (std::size_t i = marker.begin; i < marker.end; ++i) old += page.lines[i] + '\n';
    if (old == fresh) return;
    while (first < wanted.size() && marker.begin + first < marker.end &&
           page.lines[marker.begin + first] == wanted[first])
      ++first;
    if (options_.check) {
      find(page, std::min(marker.begin + first, marker.end),
           fmt::format("differs from {}, which says \"{}\": ./flashlab docs mends it", source,
                       first < wanted.size() ? wanted[first] : "nothing here"));
    } else {
      find(page, marker.line, fmt::format("now shows {}", source), true);
      edits_.push_back({marker.begin, marker.end, fresh});
    }
  }

  void output(const Page& page, const Marker& marker, bool collect) {
    const ScriptResult* result = result_of(page, marker, marker.body.front(), collect);
    if (!result) return;
    const std::string command = plain_command(marker.body.front());
    if (result->out.find("```") != std::string::npos) {
      return find(page, marker.line, fmt::format("`{}` prints ```, which would end the block", command));
    }
    std::string fresh = result->out;
    if (!fresh.ends_with('\n')) fresh += '\n';
    const std::size_t before = findings_.size();
    replace(page, marker, fresh, fmt::format("what `{}` prints", command));
    // What is new must come out twice the same before it stands in a text.
    if (findings_.size() > before && !options_.check && !commands_.repeats({command}, options_.limit_s)) {
      edits_.pop_back();
      findings_.back().mended = false;
      findings_.back().what =
          fmt::format("`{}` prints something else each time: show what does not change", command);
    }
  }

  void snippet(const Page& page, const Marker& marker) {
    const std::string& name = marker.body.front();
    const std::size_t hash = std::min(name.find('#'), name.size());
    const std::string file = name.substr(0, hash);
    if (!fs::is_regular_file(root_ / file))
      return find(page, marker.line, fmt::format("there is no file {}", file));
    try {
      const std::string code =
          snippet_of(read_text(root_ / file), hash < name.size() ? name.substr(hash + 1) : "", file,
                     options_of(marker, page).with_comment);
      replace(page, marker, code, name);
    } catch (const UsageError& error) {
      find(page, marker.line, error.what());
    }
  }

  /// "docs/figures/x.svg = flashlab report --format svg"
  void figure(const Page& page, const Marker& marker, bool collect) {
    const std::string& text = marker.body.front();
    const std::size_t equals = text.find(" = ");
    if (equals == std::string::npos)
      throw UsageError(fmt::format("{}: write FILE = flashlab …", page.where(marker.line)));
    const ScriptResult* result = result_of(page, marker, text.substr(equals + 3), collect);
    if (!result) return;
    const std::string file = text.substr(0, equals);
    if (fs::exists(root_ / file) && read_text(root_ / file) == result->out) return;
    if (options_.check) {
      return find(page, marker.line,
                  fmt::format("{} differs from what `{}` prints: ./flashlab docs mends it", file,
                              text.substr(equals + 3)));
    }
    if (!fs::is_directory((root_ / file).parent_path())) fs::create_directories((root_ / file).parent_path());
    write_text(root_ / file, result->out);
    find(page, marker.line, fmt::format("{} is what `{}` prints", file, text.substr(equals + 3)), true);
  }

  void table(const Page& page, const Marker& marker, bool collect) {
    const std::string& text = marker.body.front();
    if (!text.starts_with("flashlab") && !text.starts_with("./flashlab")) return;  // another program writes it
    const ScriptResult* result = result_of(page, marker, text, collect);
    if (!result) return;
    try {
      replace(page, marker, markdown_table(parse_output(result->out), options_of(marker, page).columns),
              fmt::format("what `{}` prints", text));
    } catch (const UsageError& error) {
      find(page, marker.line, fmt::format("`{}`: {}", text, error.what()));
    }
  }

  /// A command, then lines "EXPRESSION = TEXT" or `shows "TEXT"`; or one line with | between; or no command at all.
  void check(const Page& page, const Marker& marker, bool collect) {
    std::vector<std::string> claims = marker.body;
    std::string command;
    if (claims.front().starts_with("flashlab") || claims.front().starts_with("./flashlab")) {
      command = claims.front();
      claims.erase(claims.begin());
      if (const std::size_t bar = command.rfind(" | "); claims.empty() && bar != std::string::npos) {
        claims.push_back(command.substr(bar + 3));
        command.resize(bar);
      }
    }
    if (claims.empty())
      return find(page, marker.line, "a check wants a line EXPRESSION = TEXT after its command");
    const ScriptResult* result = command.empty() ? nullptr : result_of(page, marker, command, collect);
    if (collect || (!command.empty() && !result)) return;
    const std::string text = page.running_text(marker.begin, marker.end);
    for (const std::string& claim : claims) {
      try {
        if (const auto wrong = judge(claim, result, text)) find(page, marker.line, *wrong);
      } catch (const UsageError& error) {
        find(page, marker.line, error.what());
      }
    }
  }

  /// "132 SMs, 50 MiB: flashlab devices", or any other source in words.
  void given(const Page& page, const Marker& marker, bool collect) {
    for (const std::string& line : marker.body) {
      const std::size_t colon = line.find(": ");
      if (colon == std::string::npos) {
        return find(page, marker.line, fmt::format("\"{}\": write NUMBERS: SOURCE", line));
      }
      const std::string source = line.substr(colon + 2);
      if (!source.starts_with("flashlab ")) continue;
      const ScriptResult* result = result_of(page, marker, source, collect);
      if (!result) continue;
      if (const std::string missing = first_not_in(line.substr(0, colon), result->out); !missing.empty())
        find(page, marker.line, fmt::format("`{}` does not print {}", source, missing));
    }
  }

  /// What is wrong with one claim.
  static std::optional<std::string> judge(const std::string& claim, const ScriptResult* result,
                                          const std::string& text) {
    std::string stated;
    if (claim.starts_with("shows \"") && claim.ends_with('"') && claim.size() > 7) {
      stated = claim.substr(7, claim.size() - 8);
      if (!result) return "shows wants a command above it";
      std::string printed;
      for (const char c : result->out) {
        const char blank = c == '\n' ? ' ' : c;
        if (blank != ' ' || !printed.ends_with(' ')) printed += blank;
      }
      if (printed.find(stated) == std::string::npos)
        return fmt::format("the command does not print \"{}\"", stated);
    } else {
      const std::size_t equals = claim.rfind(" = ");
      if (equals == std::string::npos)
        return fmt::format("\"{}\": write EXPRESSION = TEXT, or shows \"TEXT\"", claim);
      stated = claim.substr(equals + 3);
      const Comparison comparison =
          compare(claim.substr(0, equals), stated,
                  result ? parse_output(result->out) : nlohmann::ordered_json::object());
      if (!comparison.equal) {
        return fmt::format("the text says {}, and {} is {}: mend text and marker", stated,
                           claim.substr(0, equals), comparison.right);
      }
    }
    if (text.find(stated) == std::string::npos) {
      return fmt::format("\"{}\" does not stand in the paragraph that this check is for", stated);
    }
    return std::nullopt;
  }

  /// in order | not run: REASON | with NAME = FILE, separated by semicolons.
  struct BlockOptions {
    bool in_order = false, not_run = false;
    std::map<std::string, std::string> files;
  };
  BlockOptions block_options(const Page& page, const Marker& marker) const {
    BlockOptions options;
    for (const std::string& line : marker.body) {
      std::istringstream parts(line);
      for (std::string part; std::getline(parts, part, ';');) {
        part = plain_command(part);
        const std::size_t equals = part.find(" = ");
        if (part == "in order") {
          options.in_order = true;
        } else if (part.starts_with("not run: ")) {
          options.not_run = true;
        } else if (part.starts_with("with ") && equals != std::string::npos) {
          const std::string name = part.substr(5, equals - 5), source = part.substr(equals + 3);
          if (name.find('/') != std::string::npos || fs::exists(root_ / name) ||
              !fs::is_regular_file(root_ / source)) {
            throw UsageError(
                fmt::format("{}: \"{}\": a new name = a file of the tree", page.where(marker.line), part));
          }
          options.files[name] = source;
        } else {
          throw UsageError(
              fmt::format("{}: \"{}\": write in order, not run: WHY, or with NAME = FILE, and ; between",
                          page.where(marker.line), part));
        }
      }
    }
    return options;
  }

  void commands(const Page& page, const Marker& marker, bool collect) {
    const BlockOptions block = block_options(page, marker);
    if (block.not_run) return;
    const std::vector<std::string> lines(page.lines.begin() + static_cast<std::ptrdiff_t>(marker.begin),
                                         page.lines.begin() + static_cast<std::ptrdiff_t>(marker.end));
    if (block.in_order) {
      std::string text = "set -e\ntrap 'echo \"at: $BASH_COMMAND\" >&2' ERR\n";
      for (const std::string& line : lines) text += line + '\n';
      const Script script{text, block.files};
      if (collect) return commands_.want(script);
      const ScriptResult& result = commands_.result(script);
      if (result.code != 0) find(page, marker.begin, failure("the commands of this block", result, 0));
      return;
    }
    for (const ShellCommand& shown : shell_commands(lines)) {
      if (is_the_launchers(shown.command)) continue;
      Script script{shown.command,
                    {}};  // with the files that it names alone: the same command elsewhere runs once
      for (const auto& [name, source] : block.files) {
        if (shown.command.find(name) != std::string::npos) script.files[name] = source;
      }
      if (collect) {
        commands_.want(script);
        continue;
      }
      // On a GPU a command ends well; here there is none, and it must have got as far as to say so.
      const bool on_gpu = shown.comment.starts_with("on a GPU") ||
                          shown.command.find("--machine gpu") != std::string::npos ||
                          shown.command.starts_with(
                              "flashlab view");  // its page's parts may not be built: its own tests run it
      const std::size_t code_at = shown.comment.find("exit code ");
      const int wanted = code_at == std::string::npos ? 0 : shown.comment[code_at + 10] - '0';
      const ScriptResult& result = commands_.result(script);
      if (result.code == wanted || (on_gpu && result.code == 3)) continue;
      find(page, marker.begin + static_cast<std::size_t>(shown.line), failure(shown.command, result, wanted));
    }
  }

  /// Commands of the launcher, and those that would run all this again. Their own tests run them.
  static bool is_the_launchers(const std::string& command) {
    return std::ranges::any_of(
        std::initializer_list<std::string_view>{"flashlab test", "flashlab benchmarks", "flashlab docs",
                                                "flashlab doctor", "flashlab --yes", "flashlab lab watch"},
        [&](std::string_view own) { return command == own || command.starts_with(std::string(own) + " "); });
  }

  void write_page(const Page& page) {
    std::string text;
    std::size_t edit = 0;
    for (std::size_t i = 0; i < page.lines.size(); ++i) {
      if (edit < edits_.size() && i == edits_[edit].begin) {
        text += edits_[edit].text;
        if (edits_[edit].begin < edits_[edit].end) {
          i = edits_[edit].end - 1;
          ++edit;
          continue;
        }
        ++edit;
      }
      text += page.lines[i] + '\n';
    }
    write_text(root_ / page.path, text);
  }

  void print_times() const {
    double total = 0;
    const auto all = commands_.slowest();
    for (const auto* entry : all) total += entry->second.seconds;
    fmt::print(stderr, "{} commands, {:.0f} s one after another\n", all.size(), total);
    for (const auto* entry : all)
      fmt::print(stderr, "{:7.1f} s  {}\n", entry->second.seconds, entry->first.text);
  }

  const fs::path root_;
  const Options& options_;
  Commands commands_;
  std::vector<Page> pages_;
  std::vector<Finding> findings_;
  std::vector<Edit> edits_;  ///< of the page at hand
};

}  // namespace

std::vector<Finding> refresh(const fs::path& root, const Options& options) {
  return Refresh(root, options).run();
}

}  // namespace flashlab::docs
