#pragma once
/// \file
/// PyTorch's attention as contenders: a Python process that speaks lines of JSON (bench_peers.py).

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuda/host/bench/contender.hpp"

namespace flashlab::gpu {

/// A process whose stdin and stdout are ours: one line asks, one line answers. Its stderr goes to a file.
class CoProcess {
 public:
  /// Throws EnvironmentError when the program cannot be started.
  CoProcess(const std::vector<std::string>& arguments, std::filesystem::path errors);
  ~CoProcess();  ///< closes its stdin, waits a moment, then kills it
  CoProcess(const CoProcess&) = delete;
  CoProcess& operator=(const CoProcess&) = delete;

  /// Sends a line and returns the next one that comes back. Throws EnvironmentError, with the last line of its stderr,
  /// when the process ends, or says nothing for `seconds`.
  std::string ask(const std::string& line, double seconds);

 private:
  [[noreturn]] void fail(const std::string& what);
  std::filesystem::path errors_;
  int socket_ = -1;
  int child_ = 0;
  std::string pending_;
};

/// The started peers and what they said of themselves.
class Peers {
 public:
  /// Starts `python` with the script and asks for its back ends. Throws EnvironmentError, saying why, when there is no
  /// PyTorch that sees a GPU. `script` "": the one built into this program.
  Peers(const std::string& python, double flush_bytes, const std::string& script = "");
  ~Peers();

  const std::map<std::string, std::string>& software() const { return software_; }
  /// Where PyTorch brought NVIDIA's libraries along; empty when it did not.
  const std::vector<std::string>& library_folders() const { return library_folders_; }
  /// One contender a back end: "torch-math", "torch-efficient", "torch-flash", "torch-cudnn", "fa3". They share this
  /// process and must not outlive it.
  std::vector<std::unique_ptr<Contender>> contenders();

 private:
  friend class PeerContender;
  struct State;
  std::unique_ptr<State> state_;
  std::map<std::string, std::string> software_;
  std::vector<std::string> backends_, library_folders_;
};

}  // namespace flashlab::gpu
