// The program that a submission becomes: reads its job from descriptor 3, shuts itself in, lets the harness run, and
// answers through descriptor 4. Everything here is trusted; what the submission brings runs in simulated lanes alone.

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "flashlab_lab.cuh"
#include "sim/lab/child/seal.hpp"
#include "sim/lab/wire.hpp"
#include "sim/simt/launch.hpp"
#include "sim/simt/runtime/memory.hpp"
#include "sim/simt/runtime/module.hpp"
#include "sim/simt/runtime/worker.hpp"

namespace flashlab::lab {
namespace {

constexpr int kInput = 3, kOutput = 4, kScratch = 64;

struct State {
  Job job;
  RunResult result;
  std::vector<float*> buffers;
  long long* scratch = nullptr;
};
State& state() {
  static State one;
  return one;
}

std::string read_all(int fd) {
  std::string all;
  static char buffer[1 << 16];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);) {
    if (n > 0) all.append(buffer, static_cast<std::size_t>(n));
  }
  return all;
}

void write_all(int fd, const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t n = write(fd, bytes.data() + at, bytes.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) _exit(5);
    at += static_cast<std::size_t>(n);
  }
}

std::uint64_t place_in_file(std::uint32_t site) {
  // One byte back from the return address: inside the call.
  return site == 0 ? 0 : simt::address_of_site(site) - simt::own_module().load_offset - 1;
}

void keep_launch(const simt::Launch& launch, const simt::LaunchCounters& counters) {
  LaunchRecord record;
  record.grid = launch.shape().grid, record.block = launch.shape().block;
  record.static_shared_bytes = launch.shape().static_shared_bytes;
  record.dynamic_shared_bytes = launch.shape().dynamic_shared_bytes;
  record.counters = counters;
  for (const simt::SiteCounters& s : counters.sites)
    record.sites.push_back({place_in_file(s.site), s.op, s.space, s.width_bytes, s.expected()});
  record.counters.sites.clear();
  state().result.launches.push_back(std::move(record));
}

void prepare(const Job& job) {
  simt::RunOptions options;
  options.processors = 1;
  options.checks = {.races = job.races, .unwritten = job.unwritten, .closed = true};
  simt::set_run_options(options);
  simt::set_launch_finished(keep_launch);
  for (const BufferSpec& b : job.buffers) {
    float* p = nullptr;
    if (cudaMalloc(reinterpret_cast<void**>(&p), b.count * sizeof(float)) != cudaSuccess)
      throw std::runtime_error("not enough memory for the lab's buffers");
    if (b.values.empty()) {  // poison, which no write of a kernel's makes by chance; and known as unwritten
      std::memset(static_cast<void*>(p), 0xFF, b.count * sizeof(float));
    } else {
      cudaMemcpy(p, b.values.data(), b.count * sizeof(float), cudaMemcpyHostToDevice);
    }
    state().buffers.push_back(p);
  }
  cudaMalloc(reinterpret_cast<void**>(&state().scratch), kScratch * sizeof(long long));
  cudaMemset(state().scratch, 0, kScratch * sizeof(long long));
  (void)simt::own_module();  // asks the system for the program's name
}

int run() {
  State& s = state();
  s.job = read_job(read_all(kInput));
  close(kInput);
  prepare(s.job);
  seal_process();
  flashlab_lab::Run harness;
  flashlab_lab_run(harness);
  for (const simt::Finding& f : simt::take_findings())
    s.result.findings.push_back({f, place_in_file(f.site), place_in_file(f.other_site)});
  for (std::size_t i = 0; i < s.job.buffers.size(); ++i) {
    const BufferSpec& b = s.job.buffers[i];
    if (!b.output) continue;
    s.result.outputs.emplace_back(s.buffers[i], s.buffers[i] + b.count);
  }
  write_all(kOutput, write_result(s.result, s.job));
  return 0;
}

}  // namespace
}  // namespace flashlab::lab

namespace flashlab_lab {

using flashlab::lab::state;

namespace {
[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "flashlab: the lab's harness %s\n", what);
  std::_Exit(6);
}
}  // namespace

#include "flashlab_lab_run.hpp"

long long Run::fetch(int i) const {
  long long value = 0;
  if (i < 0 || i >= flashlab::lab::kScratch) give_up("reads past its scratch");
  std::memcpy(&value, state().scratch + i, sizeof value);
  return value;
}

}  // namespace flashlab_lab

int main() {
  int code = 7;
  try {
    code = flashlab::lab::run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "flashlab: %s\n", e.what());
  }
  std::fflush(nullptr);
  std::_Exit(code);
}
