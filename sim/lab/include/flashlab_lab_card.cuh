#pragma once
// The program that a submission becomes on a card (`flashlab lab check --machine gpu`): reads its job from descriptor 3,
// runs the harness once for the numbers and a few times for the time, answers through descriptor 4. It follows the
// harness in one source file, which nvcc compiles. No wall stands around it: it is for one's own work on one's own
// machine, and no grading uses it.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "flashlab_lab.cuh"
#include "sim/lab/wire.hpp"

namespace flashlab_lab_card {

constexpr int kScratch = 64, kTimedRuns = 5;

struct State {
  flashlab::lab::Job job;
  flashlab::lab::RunResult result;
  std::vector<float*> buffers;
  long long* scratch = nullptr;
};
inline State& state() {
  static State one;
  return one;
}

[[noreturn]] inline void give_up(const char* what, const char* why) {
  std::fprintf(stderr, "%s: %s", what, why);
  std::fflush(nullptr);
  std::_Exit(9);
}
inline void need(cudaError_t error, const char* what) {
  if (error != cudaSuccess) give_up(what, cudaGetErrorString(error));
}

inline std::string read_all() {
  std::string all;
  static char buffer[1 << 16];
  for (ssize_t n; (n = read(3, buffer, sizeof buffer)) > 0;) all.append(buffer, static_cast<std::size_t>(n));
  return all;
}

inline void prepare() {
  State& s = state();
  for (const flashlab::lab::BufferSpec& b : s.job.buffers) {
    const std::size_t bytes = b.count * sizeof(float);
    float* p = nullptr;
    need(cudaMalloc(&p, bytes), "memory on the card");
    if (b.values.empty()) {
      need(cudaMemset(p, 0xFF, bytes), "memory on the card");  // a NaN, which no write of a kernel's makes by chance
    } else {
      need(cudaMemcpy(p, b.values.data(), bytes, cudaMemcpyHostToDevice), "memory on the card");
    }
    s.buffers.push_back(p);
  }
  need(cudaMalloc(&s.scratch, kScratch * sizeof(long long)), "memory on the card");
  need(cudaMemset(s.scratch, 0, kScratch * sizeof(long long)), "memory on the card");
}

// The least time of a whole run, launches and all: on a card that others use too, it is the one that repeats.
inline double best_ms(flashlab_lab::Run& run) {
  cudaEvent_t begin, end;
  need(cudaEventCreate(&begin), "an event");
  need(cudaEventCreate(&end), "an event");
  float best = 1e30f;
  for (int i = 0; i < kTimedRuns; ++i) {
    need(cudaEventRecord(begin), "an event");
    flashlab_lab_run(run);
    need(cudaEventRecord(end), "an event");
    need(cudaEventSynchronize(end), "a timed run");
    float ms = 0;
    need(cudaEventElapsedTime(&ms, begin, end), "an event");
    best = std::min(best, ms);
  }
  return best;
}

inline void run() {
  State& s = state();
  int cards = 0;
  need(cudaGetDeviceCount(&cards), "looking for a GPU");
  if (cards == 0) give_up("looking for a GPU", "there is none");
  s.job = flashlab::lab::read_job(read_all());
  prepare();
  flashlab_lab::Run harness;
  flashlab_lab_run(harness);
  harness.check(cudaDeviceSynchronize());
  if (s.result.cuda_error == 0) {
    for (std::size_t i = 0; i < s.job.buffers.size(); ++i) {
      const flashlab::lab::BufferSpec& b = s.job.buffers[i];
      if (!b.output) continue;
      std::vector<float> values(b.count);
      need(cudaMemcpy(values.data(), s.buffers[i], b.count * sizeof(float), cudaMemcpyDeviceToHost), "the output");
      s.result.outputs.push_back(std::move(values));
    }
    const std::vector<std::int64_t> answers = s.result.answers;
    s.result.card_ms = best_ms(harness);
    s.result.answers = answers;
  } else {  // the context is lost: what was asked for is there, as NaN
    for (const flashlab::lab::BufferSpec& b : s.job.buffers) {
      if (b.output) s.result.outputs.emplace_back(b.count, nanf(""));
    }
  }
  const std::string bytes = flashlab::lab::write_result(s.result, s.job);
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t n = write(4, bytes.data() + at, bytes.size() - at);
    if (n <= 0) give_up("the result", "nobody reads it");
    at += static_cast<std::size_t>(n);
  }
}

}  // namespace flashlab_lab_card

namespace flashlab_lab {

using flashlab_lab_card::state;

[[noreturn]] inline void give_up(const char* why) { flashlab_lab_card::give_up("the harness", why); }

#include "flashlab_lab_run.hpp"

long long Run::fetch(int i) const {
  if (i < 0 || i >= flashlab_lab_card::kScratch) give_up("reads past its scratch");
  long long value = 0;  // an error of a kernel before it shows at the next check
  cudaMemcpy(&value, state().scratch + i, sizeof value, cudaMemcpyDeviceToHost);
  return value;
}

}  // namespace flashlab_lab

int main() {
  try {
    flashlab_lab_card::run();
  } catch (const std::exception& e) {
    flashlab_lab_card::give_up("the grader's part", e.what());
  }
  std::_Exit(0);
}
