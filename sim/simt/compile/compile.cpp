#include "sim/simt/compile/compile.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "sim/core/error.hpp"
#include "sim/core/text_file.hpp"
#include "sim/simt/compile/arithmetic_marks.hpp"
#include "sim/simt/compile/loop_marks.hpp"

extern char** environ;

namespace flashlab::simt {
namespace {

namespace fs = std::filesystem;

// A file that is gone when the program is.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view suffix) {
    std::string name = (fs::temp_directory_path() / "flashlab-XXXXXX").string() + std::string(suffix);
    const int file = mkstemps(name.data(), static_cast<int>(suffix.size()));
    if (file < 0)
      throw EnvironmentError(fmt::format("cannot write a temporary file in {}: {}",
                                         fs::temp_directory_path().string(), std::strerror(errno)));
    close(file);
    path_ = name;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The lines that say what is wrong, and not the three screens of template backtrace around them.
std::string first_errors(const std::string& output) {
  std::istringstream lines(output);
  std::string errors, line;
  for (int count = 0; count < 5 && std::getline(lines, line);) {
    if (line.find("error") == std::string::npos) continue;
    errors += (errors.empty() ? "" : "\n") + line;
    ++count;
  }
  return errors.empty() ? output.substr(0, 2000) : errors;
}

// A header that is not there: of a library of the card's, which cannot run here, or one that a flag would find.
void refuse_missing_header(const std::string& output) {
  static constexpr std::pair<std::string_view, std::string_view> libraries[] = {
      {"cublas", "cuBLAS"},     {"cudnn", "cuDNN"},       {"cufft", "cuFFT"},    {"curand", "cuRAND"},
      {"cusparse", "cuSPARSE"}, {"cusolver", "cuSOLVER"}, {"thrust/", "Thrust"}, {"cub/", "CUB"},
      {"cutlass/", "CUTLASS"},  {"cute/", "CUTLASS"},     {"nccl", "NCCL"},      {"npp", "NPP"},
      {"torch/", "PyTorch"},    {"ATen/", "PyTorch"},     {"c10/", "PyTorch"},   {"nvrtc", "NVRTC"},
      {"cuda/", "libcu++"},     {"GL/", "OpenGL"},        {"nvml", "NVML"},      {"mpi", "MPI"}};
  constexpr std::string_view fatal = "fatal error: ", missing = ": No such file or directory";
  const std::size_t at = output.find(fatal), end = output.find(missing, at);
  if (at == std::string::npos || end == std::string::npos) return;
  const std::string header = output.substr(at + fatal.size(), end - at - fatal.size());
  std::string where = output.substr(0, at);  // … "file:line:column: "
  where = where.substr(where.rfind('\n') + 1);
  where = where.substr(0, where.rfind(':', where.size() - 3));
  for (const auto& [prefix, library] : libraries) {
    if (header.starts_with(prefix))
      throw EnvironmentError(fmt::format(
          "{}: includes {}: {} does not run on the simt machine, which runs a program's own kernels; profile a "
          "program without it",
          where, header, library));
  }
  throw UsageError(
      fmt::format("{}: there is no header {}; name its folder with --flag=-IFOLDER", where, header));
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw EnvironmentError("cannot make a pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  pid_t child = 0;
  const int error = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    throw EnvironmentError(fmt::format("cannot run {}: {}; install it (Debian: apt install g++ binutils)",
                                       arguments[0], std::strerror(error)));
  }
  CommandResult result;
  char buffer[65536];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);) {
    if (n > 0) result.output.append(buffer, static_cast<std::size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

const std::vector<std::string>& hook_flags() {
  static const std::vector<std::string> flags = {
      "-fsanitize=thread", "--param=tsan-instrument-func-entry-exit=0", "--param=tsan-distinguish-volatile=1",
      // Each access of the source stays one access: no vectors of ours, no float4 torn into four.
      "-fno-tree-vectorize", "-fno-tree-slp-vectorize", "-fno-tree-sra",
      // Code stays in the order of the source, once: the merge takes lanes by their lowest address.
      "-fno-reorder-blocks", "-fno-reorder-blocks-and-partition", "-fno-thread-jumps", "-fno-crossjumping",
      "-fno-tree-tail-merge", "-fno-split-loops", "-fno-unswitch-loops", "-fno-peel-loops",
      "-fno-code-hoisting", "--param=max-completely-peel-times=0", "-fno-ipa-cp-clone", "-fno-partial-inlining",
      // CUDA code reads floats as float4 and bits as floats; the card's compiler inlines nearly everything and fuses
      // multiply and add.
      "-fno-strict-aliasing", "-finline-functions", "--param=max-inline-insns-single=2000",
      "--param=max-inline-insns-auto=2000", "--param=large-function-growth=2000",
      "--param=inline-unit-growth=1000", "-ffp-contract=fast",
      "--param=avoid-fma-max-bits=0",  // some processors would rather not chain them
      "-fno-builtin-printf", "-fno-math-errno", "-fno-trapping-math", "-fno-stack-protector", "-mno-red-zone",
      "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls"};
  return flags;
}

Rewritten preprocess_and_rewrite(const fs::path& source, const CompileOptions& options) {
  if (!fs::is_regular_file(source)) throw EnvironmentError(fmt::format("no CUDA file at {}", source.string()));
  const TemporaryFile preprocessed(".ii");
  std::vector<std::string> command = {options.compiler,
                                      "-E",
                                      "-x",
                                      "c++",
                                      "-std=c++20",
                                      "-w",
                                      fmt::format("-D__CUDA_ARCH__={}", options.architecture)};
  command.insert(command.end(), options.flags.begin(), options.flags.end());
  const std::vector<std::string> rest = {"-D__CUDACC__=1",
                                         "-D__NVCC__=1",
                                         "-D__CUDACC_VER_MAJOR__=12",
                                         "-D__CUDACC_VER_MINOR__=4",
                                         "-D__FLASHLAB_SIMT__=1",
                                         "-isystem",
                                         options.include_dir.string(),
                                         "-include",
                                         "cuda_runtime.h",
                                         source.string(),
                                         "-o",
                                         preprocessed.path()};
  command.insert(command.end(), rest.begin(), rest.end());
  if (!options.dependency_file.empty())
    command.insert(command.end(), {"-MD", "-MF", options.dependency_file.string(), "-MT", "flashlab_object"});
  const CommandResult result = run_command(command);
  if (result.exit_code != 0) refuse_missing_header(result.output);
  if (result.exit_code != 0)
    throw UsageError(fmt::format("{} does not preprocess:\n{}", source.string(), first_errors(result.output)));
  Rewritten rewritten = rewrite(read_text(preprocessed.path()));
  if (!rewritten.unsupported.empty()) {
    std::string list;
    for (const Unsupported& u : rewritten.unsupported)
      list += fmt::format("\n  {}:{}: {}", u.file, u.line, u.what);
    throw EnvironmentError(fmt::format("{} uses what the simt machine cannot run:{}", source.string(), list));
  }
  return rewritten;
}

void compile(const Rewritten& rewritten, const fs::path& object, const CompileOptions& options) {
  const TemporaryFile source(".ii"), assembly(".s");
  std::ofstream(source.path(), std::ios::binary) << rewritten.text;
  std::vector<std::string> command = {
      options.compiler,      "-fpreprocessed",          "-x", "c++", "-std=c++20", "-O2", "-g1", "-w", "-fPIC",
      "-fvisibility=hidden", "-ftls-model=initial-exec"};
  if (options.native) command.push_back("-march=native");
  command.insert(command.end(), hook_flags().begin(), hook_flags().end());
  command.insert(command.end(), options.code_flags.begin(), options.code_flags.end());
  command.insert(command.end(), {"-S", source.path(), "-o", assembly.path()});
  CommandResult result = run_command(command);
  if (result.exit_code != 0)
    throw UsageError(fmt::format("the file does not compile:\n{}", first_errors(result.output)));
  std::string code = read_text(assembly.path());
  if (options.on_assembly) code = options.on_assembly(std::move(code));
  const std::string with_table = mark_loops(mark_arithmetic(code));
  std::ofstream(assembly.path(), std::ios::binary) << with_table;
  result = run_command({options.compiler, "-c", assembly.path(), "-o", object.string()});
  if (result.exit_code != 0)
    throw UsageError(fmt::format("the file does not assemble:\n{}", first_errors(result.output)));
}

}  // namespace flashlab::simt
