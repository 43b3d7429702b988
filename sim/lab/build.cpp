#include "sim/lab/build.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "sim/core/error.hpp"
#include "sim/core/fingerprint.hpp"
#include "sim/core/temporary_folder.hpp"
#include "sim/core/text.hpp"
#include "sim/core/text_file.hpp"
#include "sim/lab/contain.hpp"
#include "sim/lab/vet.hpp"
#include "sim/simt/compile/compile.hpp"
#include "sim/simt/rewrite/lexer.hpp"

namespace flashlab::lab {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> split(std::string_view list, char separator) {
  std::vector<std::string> parts;
  std::istringstream in{std::string(list)};
  for (std::string part; std::getline(in, part, separator);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

/// Where headers and libraries stand: beside an installed program, else where they were built.
struct Parts {
  fs::path simt_include = FLASHLAB_SIMT_INCLUDE_DIR, lab_include = FLASHLAB_LAB_INCLUDE_DIR;
  std::vector<std::string> libraries = split(FLASHLAB_LAB_LIBRARIES, '|');
  std::string wire_library = FLASHLAB_LAB_WIRE_LIBRARY;  ///< for programs on a card
};
Parts find_parts() {
  Parts parts;
  std::error_code error;
  const fs::path bin = fs::read_symlink("/proc/self/exe", error).parent_path();
  const fs::path include = (bin / FLASHLAB_BIN_TO_INCLUDE / "flashlab/sim").lexically_normal();
  if (error || !fs::exists(include / "lab/include/flashlab_lab.cuh", error)) return parts;
  parts.simt_include = include / "simt/include";
  parts.lab_include = include / "lab/include";
  const auto installed = [&](std::string& library) {
    const std::string name = fs::path(library).filename().string();
    if (name.starts_with("libflashlab_"))
      library = (bin / FLASHLAB_BIN_TO_LIB / name).lexically_normal().string();
  };
  for (std::string& library : parts.libraries) installed(library);
  installed(parts.wire_library);
  return parts;
}

/// Stricter than a profiled program: local arrays are bounded, jumps go where the source says.
const std::vector<std::string>& strict_flags() {
  static const std::vector<std::string> flags = {"-fsanitize=bounds,object-size",
                                                 "-fsanitize-undefined-trap-on-error",
                                                 "-fstack-clash-protection",
                                                 "-fno-omit-frame-pointer",  // the hooks guard its chain
                                                 "-fno-jump-tables",
                                                 "-fno-tree-loop-distribute-patterns",
                                                 "-fno-exceptions",
                                                 "-fno-threadsafe-statics"};
  return flags;
}
const std::vector<std::string>& front_flags() {
  static const std::vector<std::string> flags = {"-ftemplate-depth=256", "-fconstexpr-ops-limit=20000000",
                                                 "-fconstexpr-depth=256"};
  return flags;
}

/// Calls and jumps through registers or memory, which could go anywhere; "" when there are none.
std::string indirect_jump(const std::string& assembly) {
  static const std::regex indirect(R"(\n\s*(?:notrack\s+)?(?:call|jmp)[a-z]*\s+\*([^\n]*))");
  std::smatch found;
  return std::regex_search(assembly, found, indirect) ? found[1].str() : "";
}

/// memcpy and its kin would pass the hooks by: the checked ones take their places.
std::string with_checked_copies(std::string assembly) {
  static const std::regex copies(R"(\b(memcpy|memset|memmove)\b)");
  return std::regex_replace(assembly, copies, "flashlab_lab_$1");
}

// The step that reads the submission's text with a compiler: runs in a process apart.
int compile_in(const fs::path& folder, const Parts& parts, const std::string& compiler) {
  std::ofstream words(folder / "words.txt");
  try {
    simt::CompileOptions options;
    options.compiler = compiler;
    options.include_dir = parts.simt_include;
    options.flags = front_flags();
    options.flags.push_back("-I" + parts.lab_include.string());
    simt::Rewritten rewritten = simt::preprocess_and_rewrite(folder / "harness.cu", options);
    options.code_flags = strict_flags();
    std::string indirect;
    options.on_assembly = [&](std::string assembly) {
      indirect = indirect_jump(assembly);
      return with_checked_copies(std::move(assembly));
    };
    simt::compile(rewritten, folder / "submission.o", options);
    if (!indirect.empty()) {
      words << "solution.cu: a call or a jump through a pointer: the labs need none";
      return 2;
    }
    return 0;
  } catch (const EnvironmentError& e) {
    words << e.what();
    return 2;
  } catch (const std::exception& e) {
    words << e.what();
    return 1;
  }
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

/// What the macros of the headers are made of, line by line: a submission that redefined a word of these would change the
/// launches that the harness makes.
const std::vector<std::string>& macros_of(const Parts& parts) {
  static const std::vector<std::string> all = [&] {
    std::vector<std::string> found;
    for (const fs::path& folder : {parts.lab_include, parts.simt_include}) {
      for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file()) continue;
        bool inside = false;
        for (const std::string& line : split(read_text(entry.path()), '\n')) {
          const std::size_t begin = line.find_first_not_of(" \t");
          const bool defines = begin != std::string::npos && line[begin] == '#' &&
                               line.find("define", begin) == line.find_first_not_of(" \t", begin + 1);
          if (defines) found.push_back(line.substr(line.find("define") + 6));
          if (inside && !defines) found.push_back(line);
          inside = (inside || defines) && line.ends_with('\\');
        }
      }
    }
    return found;
  }();
  return all;
}

Build refusals_of(const std::string& source, const std::string& harness) {
  VetOptions vet_options;
  const auto take = [&](const std::string& text) {
    for (const simt::Token& t : simt::tokenize(text)) {
      if (t.kind == simt::TokenKind::word) vet_options.taken_names.emplace_back(t.text);
    }
  };
  take(harness);
  for (const std::string& words : macros_of(find_parts())) take(words);
  const std::vector<Refusal> refusals = vet(source, vet_options);
  Build refused{.refused = !refusals.empty()};
  for (std::size_t i = 0; i < std::min<std::size_t>(refusals.size(), 5); ++i)
    refused.why += fmt::format("{}solution.cu:{}: {}", i == 0 ? "" : "\n", refusals[i].line, refusals[i].what);
  return refused;
}

void make_cache(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw EnvironmentError(
        fmt::format("cannot make the folder {}: {}; set XDG_CACHE_HOME", folder.string(), error.message()));
}

/// Another check may have put the same program there meanwhile.
void keep(const fs::path& made, const fs::path& as) {
  std::error_code error;
  fs::create_hard_link(made, as, error);
  if (error && error != std::errc::file_exists) fs::rename(made, as);
}

std::string find_nvcc() {
  const char* path = std::getenv("PATH");
  for (const std::string& folder : split(path == nullptr ? "" : path, ':')) {
    if (access((fs::path(folder) / "nvcc").c_str(), X_OK) == 0) return (fs::path(folder) / "nvcc").string();
  }
  if (access("/usr/local/cuda/bin/nvcc", X_OK) == 0) return "/usr/local/cuda/bin/nvcc";
  throw EnvironmentError(
      "--machine gpu compiles with nvcc, which is not on PATH: install the CUDA toolkit and add its bin folder "
      "to PATH; "
      "without --machine gpu the lab needs none");
}

}  // namespace

fs::path default_cache() {
  const char* xdg = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  return xdg != nullptr && *xdg != 0     ? fs::path(xdg) / "flashlab" / "labs"
         : home != nullptr && *home != 0 ? fs::path(home) / ".cache" / "flashlab" / "labs"
                                         : fs::temp_directory_path() / "flashlab-labs";
}

bool may_call(std::string_view symbol) {
  static const std::regex allowed(
      "__tsan_(init|func_entry|func_exit|(volatile_|unaligned_)?(read|write)(1|2|4|8|16|_range)|read_range|"
      "write_range)|"
      "flashlab_(barrier|syncwarp|shuffle\\w*|vote\\w*|match\\w*|reduce\\w*|activemask|ballot|any|all|atomic_["
      "iuf]\\d\\d|"
      "place_shared|shared|dynamic_shared|assert_fail|back_edge|counted_work|trap|async\\w*|copy\\w*|"
      "pipeline\\w*|commit\\w*"
      "|wait\\w*|"
      "ldmatrix\\w*|mma\\w*|matrix\\w*|load_matrix\\w*|clock\\w*|lane\\w*|lab_mem(cpy|set|move))|"
      "(exp|exp2|exp10|expm1|log|log2|log10|log1p|pow|sqrt|cbrt|fma|fmin|fmax|fabs|floor|ceil|round|rint|"
      "nearbyint|"
      "trunc|fmod|sin|cos|tan|sinh|cosh|tanh|asin|acos|atan|atan2|erf|erfc|hypot|ldexp|lround|lrint|llrint|"
      "tgamma|"
      "lgamma|copysign|remainder|logb|ilogb|scalbn|sincos|sinpi|cospi)(f|l)?|roundevenf?|"
      "_GLOBAL_OFFSET_TABLE_|__gxx_personality_v0|_Unwind_Resume|__dso_handle|"
      "(threadIdx|blockIdx|blockDim|gridDim)|"
      "_ZN8flashlab4simt6launchERKNS0_9RawLaunchE|_ZN8flashlab4simt13register_codeEPKv|"
      "_ZNK12flashlab_lab3Run\\w+|_ZN12flashlab_lab3Run\\w+|cudaGetLastError|"
      "_ZN8flashlab4simt(12thread_index|11block_index|12block_extent|11grid_extent)E");
  return std::regex_match(symbol.begin(), symbol.end(), allowed);
}

bool may_define(std::string_view symbol) {
  // Of C++, and no operator new or delete.
  return symbol.starts_with("_Z") && !symbol.starts_with("_Zn") && !symbol.starts_with("_Zd");
}

Build build(const BuildOptions& options) {
  const std::string source = read_text(options.submission), harness = read_text(options.harness);
  const Build refused = refusals_of(source, harness);
  if (refused.refused) return refused;
  const Parts parts = find_parts();
  const std::string compiler = FLASHLAB_SIMT_COMPILER;
  if (parts.libraries.empty())
    throw EnvironmentError(
        "submissions run only behind a filter of system calls, and this program was built without one: install "
        "libseccomp (Debian: apt install libseccomp-dev), remove build/release/CMakeCache.txt and build again");
  Fingerprint fingerprint;
  for (const std::string* text : {&source, &harness, &compiler}) fingerprint.add(*text);
  for (const auto* flags : {&strict_flags(), &front_flags(), &simt::hook_flags()}) {
    for (const std::string& flag : *flags) fingerprint.add(flag);
  }
  for (const std::string& library : parts.libraries) {
    if (library.starts_with('-')) continue;
    std::error_code missing;
    const auto when = fs::last_write_time(library, missing);
    if (missing) throw EnvironmentError(fmt::format("{} is missing: build or install Flashlab again", library));
    fingerprint.add(fmt::format("{} {}", library, when.time_since_epoch().count()));
  }
  make_cache(options.cache_dir);
  const fs::path program = options.cache_dir / fingerprint.text();
  if (fs::exists(program)) return {.program = program};

  const TemporaryFolder workshop("lab", options.cache_dir);
  const fs::path& folder = workshop.path();
  std::ofstream(folder / "solution.cu", std::ios::binary) << source;
  std::ofstream(folder / "harness.cu", std::ios::binary) << harness;
  Contained job;
  job.body = [&] {
    setenv("TMPDIR", folder.c_str(), 1);
    return compile_in(folder, parts, compiler);
  };
  job.limits = {.wall_s = 4.0 * options.cpu_s,
                .cpu_s = options.cpu_s,
                .resident_bytes = std::uint64_t{3} << 30,
                .address_bytes = FLASHLAB_LAB_COMPILER_BYTES,
                .file_bytes = std::uint64_t{128} << 20,
                .may_start_processes = true,
                .folder = folder.string()};
  const Outcome compiled = run_contained({job}, {}).front();
  const std::string ended = how_it_ended(compiled, job.limits);
  if (!ended.empty()) return {.why = "solution.cu: the compiler was stopped: " + ended};
  if (!compiled.well()) {
    std::string words = read_text(folder / "words.txt");
    if (words.find("terminated program") != std::string::npos ||
        words.find("out of memory") != std::string::npos)
      return {.why = fmt::format("solution.cu: the compiler was stopped: it took more than {} s or 3 GiB",
                                 options.cpu_s)};
    words = replaced(replaced(std::move(words), folder.string() + "/", ""), "student::", "");
    return {.refused = compiled.exit_code == 2,
            .why = words.empty() ? "solution.cu: it does not compile" : words};
  }
  const simt::CommandResult symbols = simt::run_command({"nm", "-u", "-P", (folder / "submission.o").string()});
  if (symbols.exit_code != 0) throw EnvironmentError("nm (binutils) cannot read what the compiler made");
  for (const std::string& line : split(symbols.output, '\n')) {
    const std::string symbol = line.substr(0, line.find(' '));
    if (!may_call(symbol)) {
      const std::string name = simt::run_command({"c++filt", symbol}).output;
      return {.refused = true,
              .why = fmt::format(
                  "solution.cu: it uses `{}`, which is not among what device code of the labs may call",
                  name.substr(0, name.find('\n')))};
    }
  }
  // Nor may it bring what others call: a function of C's would stand in for the library's in the grader's own part.
  const simt::CommandResult defined =
      simt::run_command({"nm", "--defined-only", "-g", "-P", (folder / "submission.o").string()});
  for (const std::string& line : split(defined.output, '\n')) {
    const std::string symbol = line.substr(0, line.find(' '));
    if (!may_define(symbol))
      return {.refused = true,
              .why = fmt::format("solution.cu: it defines `{}`, which is not its own", symbol)};
  }
  std::vector<std::string> link = {compiler, (folder / "submission.o").string(), "-Wl,--whole-archive",
                                   parts.libraries.front(), "-Wl,--no-whole-archive"};
  link.insert(link.end(), parts.libraries.begin() + 1, parts.libraries.end());
  link.insert(link.end(), {"-Wl,-z,relro,-z,now,-z,noexecstack", "-o", (folder / "program").string()});
  const simt::CommandResult linked = simt::run_command(link);
  if (linked.exit_code != 0) return {.why = "solution.cu: it does not link:\n" + linked.output.substr(0, 1000)};
  keep(folder / "program", program);
  return {.program = program};
}

Build build_for_card(const BuildOptions& options) {
  const std::string source = read_text(options.submission), harness = read_text(options.harness);
  const Build refused = refusals_of(source, harness);
  if (refused.refused) return refused;
  const std::string nvcc = find_nvcc();
  std::error_code error;
  if (!fs::exists("/dev/nvidiactl", error) && !fs::exists("/dev/dxg", error))
    throw EnvironmentError(
        "there is no NVIDIA GPU here, or its driver is not loaded: `nvidia-smi` tells; without --machine gpu "
        "the lab "
        "needs none");
  const Parts parts = find_parts();
  const std::vector<std::string> flags = {"-O3", "-std=c++20", "-arch=native", "-lineinfo"};
  const std::string program_source = "#include \"harness.cu\"\n#include \"flashlab_lab_card.cuh\"\n";
  const std::string version = simt::run_command({nvcc, "--version"}).output;
  // Of the card too: what is compiled for one is not taken for another that stands here tomorrow.
  const std::string cards = simt::run_command({"nvidia-smi", "-L"}).output;
  Fingerprint fingerprint;
  for (const std::string* text : {&source, &harness, &program_source, &nvcc, &version, &cards})
    fingerprint.add(*text);
  for (const std::string& flag : flags) fingerprint.add(flag);
  fingerprint.add(read_text(parts.lab_include / "flashlab_lab_card.cuh"));
  make_cache(options.cache_dir);
  const fs::path program = options.cache_dir / (fingerprint.text() + "-card");
  if (fs::exists(program)) return {.program = program};

  const TemporaryFolder workshop("lab", options.cache_dir);
  const fs::path& folder = workshop.path();
  write_text(folder / "solution.cu", source);
  write_text(folder / "harness.cu", harness);
  write_text(folder / "program.cu", program_source);
  std::vector<std::string> command = {nvcc};
  command.insert(command.end(), flags.begin(), flags.end());
  command.insert(
      command.end(),
      {"-I", parts.lab_include.string(), "-I", (parts.lab_include / "../../..").lexically_normal().string(),
       (folder / "program.cu").string(), parts.wire_library, "-o", (folder / "program").string()});
  const simt::CommandResult compiled = simt::run_command(command);
  if (compiled.exit_code != 0)
    return {.why = "nvcc does not compile it:\n" +
                   replaced(compiled.output.substr(0, 2000), folder.string() + "/", "")};
  keep(folder / "program", program);
  return {.program = program};
}

}  // namespace flashlab::lab
