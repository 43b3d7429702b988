#include "cuda/host/bench/peers.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cuda/host/bench/peers_script.hpp"
#include "sim/core/error.hpp"
#include "sim/core/float_formats.hpp"
#include "sim/core/parallel.hpp"
#include "sim/core/temporary_folder.hpp"

extern char** environ;

namespace flashlab::gpu {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;
constexpr double kStartSeconds = 180, kCallSeconds = 300;

std::string last_line_of(const fs::path& path) {
  std::ifstream file(path);
  std::string last;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

void write_raw(const fs::path& path, const std::vector<float>& values, DType dtype) {
  std::ofstream file(path, std::ios::binary);
  if (dtype == DType::f32) {
    file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * 4));
  } else {
    std::vector<std::uint16_t> bits(values.size());
    constexpr std::size_t kPart = 1 << 20;
    parallel_for(static_cast<Index>((values.size() + kPart - 1) / kPart), [&](Index part) {
      const std::size_t begin = static_cast<std::size_t>(part) * kPart;
      for (std::size_t i = begin; i < std::min(begin + kPart, values.size()); ++i)
        bits[i] = dtype == DType::f16 ? to_f16_bits(values[i]) : to_bf16_bits(values[i]);
    });
    file.write(reinterpret_cast<const char*>(bits.data()), static_cast<std::streamsize>(bits.size() * 2));
  }
  file.close();
  if (!file) throw EnvironmentError(fmt::format("cannot write {}: is the disk full?", path.string()));
}

std::vector<float> read_raw(const fs::path& path, std::size_t size, DType dtype) {
  std::ifstream file(path, std::ios::binary);
  std::vector<float> values(size);
  if (dtype == DType::f32) {
    file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(size * 4));
  } else {
    std::vector<std::uint16_t> bits(size);
    file.read(reinterpret_cast<char*>(bits.data()), static_cast<std::streamsize>(size * 2));
    for (std::size_t i = 0; i < size; ++i)
      values[i] = dtype == DType::f16 ? from_f16_bits(bits[i]) : from_bf16_bits(bits[i]);
  }
  if (!file || file.peek() != std::ifstream::traits_type::eof())
    throw EnvironmentError(fmt::format("{} does not hold {} values", path.string(), size));
  return values;
}

}  // namespace

CoProcess::CoProcess(const std::vector<std::string>& arguments, fs::path errors) : errors_(std::move(errors)) {
  int ends[2];
  // A socket, not pipes: writing to a process that has died is then an error and no signal.
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw EnvironmentError(fmt::format("cannot make a socket: {}", std::strerror(errno)));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors_.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                   0600);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const int error = posix_spawnp(&child_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  socket_ = ends[0];
  if (error != 0) {
    close(socket_);
    throw EnvironmentError(fmt::format("cannot run {}: {}", arguments.at(0), std::strerror(error)));
  }
}

CoProcess::~CoProcess() {
  shutdown(socket_, SHUT_WR);
  for (int tenths = 0; tenths < 50; ++tenths) {
    if (waitpid(child_, nullptr, WNOHANG) != 0) {
      close(socket_);
      return;
    }
    usleep(100'000);
  }
  kill(child_, SIGKILL);
  waitpid(child_, nullptr, 0);
  close(socket_);
}

void CoProcess::fail(const std::string& what) {
  const std::string said = last_line_of(errors_);
  throw EnvironmentError(said.empty() ? what : fmt::format("{}: {}", what, said));
}

std::string CoProcess::ask(const std::string& line, double seconds) {
  const std::string message = line + '\n';
  for (std::size_t sent = 0; sent < message.size();) {
    const ssize_t n = send(socket_, message.data() + sent, message.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("the Python process has ended");
    sent += static_cast<std::size_t>(n);
  }
  const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
  for (;;) {
    if (const std::size_t end = pending_.find('\n'); end != std::string::npos) {
      std::string reply = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return reply;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd wait{socket_, POLLIN, 0};
    const int ready = left > 0 ? poll(&wait, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) fail(fmt::format("the Python process said nothing for {:.0f} s", seconds));
    char buffer[65536];
    const ssize_t n = read(socket_, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("the Python process has ended");
    pending_.append(buffer, static_cast<std::size_t>(n));
  }
}

/// The process, its folder of raw files, and which inputs it holds.
struct Peers::State {
  TemporaryFolder folder{"bench"};  ///< outlives the process, which is declared after it
  std::unique_ptr<CoProcess> process;
  std::string dead;  ///< why nothing can be asked any more
  const BenchInputs* prepared = nullptr;
  std::string prepare_problem;

  /// The reply; EnvironmentError with the reason when it is not ok.
  Json ask(const Json& request, double seconds = kCallSeconds) {
    if (!dead.empty()) throw EnvironmentError(dead);
    std::string line;
    try {
      line = process->ask(request.dump(), seconds);
    } catch (const EnvironmentError& error) {
      dead = error.what();
      throw;
    }
    const Json reply = Json::parse(line, nullptr, false);
    if (!reply.is_object() || !reply.contains("ok") || !reply["ok"].is_boolean()) {
      dead = fmt::format("the Python process said something else than JSON: {}", line.substr(0, 80));
      throw EnvironmentError(dead);
    }
    if (reply["ok"].get<bool>()) return reply;
    const std::string reason = reply.contains("reason") && reply["reason"].is_string()
                                   ? reply["reason"].get<std::string>()
                                   : "no reason was given";
    if (reply.contains("fatal")) dead = reason;
    throw EnvironmentError(reason);
  }

  void prepare(const BenchInputs& inputs) {
    if (prepared == &inputs) return;
    prepared = &inputs;
    prepare_problem.clear();
    const BenchShape& s = inputs.shape;
    try {
      write_raw(folder.path() / "q", inputs.q, s.dtype);
      write_raw(folder.path() / "k", inputs.k, s.dtype);
      write_raw(folder.path() / "v", inputs.v, s.dtype);
      ask({{"op", "prepare"},
           {"dtype", name_of(s.dtype)},
           {"batch", s.batch},
           {"heads", s.heads},
           {"kv_heads", s.kv_heads},
           {"seq", s.seq},
           {"dim", s.dim},
           {"causal", s.causal},
           {"q", (folder.path() / "q").string()},
           {"k", (folder.path() / "k").string()},
           {"v", (folder.path() / "v").string()}});
    } catch (const EnvironmentError& error) {
      prepare_problem = error.what();
    }
  }
};

class PeerContender : public Contender {
 public:
  PeerContender(Peers::State& state, const std::string& backend)
      : Contender(backend == "fa3" ? backend : "torch-" + backend, true), state_(state), backend_(backend) {}

  std::string prepare(const BenchInputs& inputs) override {
    inputs_ = &inputs;
    state_.prepare(inputs);
    return state_.prepare_problem;
  }

  std::vector<float> answer() override {
    const fs::path out = state_.folder.path() / "o";
    state_.ask({{"op", "answer"}, {"backend", backend_}, {"out", out.string()}});
    return read_raw(out, inputs_->q.size(), inputs_->shape.dtype);
  }

  std::vector<double> time(int runs, int warm_up) override {
    const Json reply =
        state_.ask({{"op", "time"}, {"backend", backend_}, {"runs", runs}, {"warm_up", warm_up}});
    std::vector<double> ms;
    try {
      ms = reply.at("ms").get<std::vector<double>>();
    } catch (const Json::exception&) {
    }
    if (ms.size() != static_cast<std::size_t>(runs) || !std::ranges::all_of(ms, [](double t) { return t > 0; }))
      throw EnvironmentError(fmt::format("{} times were asked for, and {} came", runs, ms.size()));
    return ms;
  }

  void release() override {
    if (std::exchange(state_.prepared, nullptr) == nullptr || !state_.dead.empty()) return;
    try {
      state_.ask({{"op", "release"}});
    } catch (const EnvironmentError&) {  // the next prepare() says what is wrong
    }
  }

 private:
  Peers::State& state_;
  std::string backend_;
  const BenchInputs* inputs_ = nullptr;
};

Peers::Peers(const std::string& python, double flush_bytes, const std::string& script)
    : state_(std::make_unique<State>()) {
  const std::string code = script.empty() ? std::string(kPeersScript) : script;
  state_->process = std::make_unique<CoProcess>(std::vector<std::string>{python, "-u", "-c", code},
                                                state_->folder.path() / "errors");
  const Json hello = state_->ask({{"op", "hello"}, {"flush_bytes", flush_bytes}}, kStartSeconds);
  try {
    software_ = hello.at("software").get<std::map<std::string, std::string>>();
    backends_ = hello.at("backends").get<std::vector<std::string>>();
    library_folders_ = hello.at("library_folders").get<std::vector<std::string>>();
  } catch (const Json::exception& error) {
    throw EnvironmentError(fmt::format("the Python process's greeting cannot be read: {}", error.what()));
  }
}

Peers::~Peers() = default;

std::vector<std::unique_ptr<Contender>> Peers::contenders() {
  std::vector<std::unique_ptr<Contender>> all;
  for (const std::string& backend : backends_) all.push_back(std::make_unique<PeerContender>(*state_, backend));
  return all;
}

}  // namespace flashlab::gpu
