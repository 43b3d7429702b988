/// \file
/// flashlab_gpu_check: every stage on the card against double precision on the CPU.
///
///     nvcc -std=c++20 -O3 -arch=sm_90 -I. cuda/host/check.cpp cuda/host/stage_runner.cu -o flashlab_gpu_check
///     ./flashlab_gpu_check                                    random numbers, every shape of the table below
///     ./flashlab_gpu_check --q q.npy --k k.npy --v v.npy      float32 (heads, N, d)
///
/// One line a run: relative Frobenius error of O (and of L where the stage leaves it), PASS or FAIL; NaN fails.
/// Exit codes: 0 all passed, 1 one failed, 2 wrong usage, 3 a CUDA error, 77 no GPU (tests count that as skipped).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "cuda/host/inputs.hpp"
#include "cuda/host/stage_runner.hpp"
#include "sim/core/error.hpp"

using namespace flashlab;
using namespace flashlab::gpu;

namespace {

constexpr double kTolerance = 1e-5;      // relative Frobenius norm, O
constexpr double kBf16Tolerance = 1e-2;  // where O and P are rounded to bf16
constexpr double kHugeTolerance = 2e-3;  // for scores of ±10⁴: one rounding of such a score changes P by 10⁻³

struct Attention {
  std::vector<double> O, L;  // (heads, N, d), (heads, N)
};

/// Textbook attention in double, a thread a share of the rows.
Attention reference(const KernelShape& shape, const float* q, const float* k, const float* v) {
  const int N = shape.seq, d = shape.dim;
  const std::size_t rows = shape.rows();
  Attention result{std::vector<double>(rows * d, 0.0), std::vector<double>(rows)};
  const auto one_row = [&](std::size_t row, std::vector<double>& s) {
    const std::size_t head = row / N, group = static_cast<std::size_t>(shape.heads / shape.key_heads());
    const std::size_t first = head / group * N, i = row % N, keys = shape.causal ? i + 1 : N;
    double m = -std::numeric_limits<double>::infinity(), l = 0.0;
    for (std::size_t j = 0; j < keys; ++j) {
      double dot = 0.0;
      for (int c = 0; c < d; ++c) dot += double(q[row * d + c]) * double(k[(first + j) * d + c]);
      s[j] = dot / std::sqrt(double(d));
      m = std::max(m, s[j]);
    }
    for (std::size_t j = 0; j < keys; ++j) l += s[j] = std::exp(s[j] - m);
    for (std::size_t j = 0; j < keys; ++j) {
      for (int c = 0; c < d; ++c) result.O[row * d + c] += s[j] / l * double(v[(first + j) * d + c]);
    }
    result.L[row] = m + std::log(l);
  };
  const std::size_t workers = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (std::size_t worker = 0; worker < workers; ++worker) {
    threads.emplace_back([&, worker] {
      std::vector<double> s(N);
      for (std::size_t row = worker; row < rows; row += workers) one_row(row, s);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return result;
}

/// ‖computed − expected‖ / ‖expected‖; NaN anywhere makes it NaN, which passes no comparison.
double relative_error(const std::vector<float>& computed, const std::vector<double>& expected) {
  double difference = 0.0, norm = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double delta = double(computed[i]) - expected[i];
    difference += delta * delta;
    norm += expected[i] * expected[i];
  }
  return norm > 0.0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

/// To the nearest bf16, ties to even.
void round_to_bf16(std::vector<float>& values) {
  for (float& value : values) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, 4);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    std::memcpy(&value, &bits, 4);
  }
}

/// Runs every stage that takes fp32 on this input, rounds the input to bf16, runs the others, and prints a line for
/// each; returns how many failed.
int check_all(KernelShape shape, std::vector<float> q, std::vector<float> k, std::vector<float> v,
              const char* kind, double tolerance) {
  const Card card = require_card();
  int failures = 0;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    shape.dtype = dtype;
    if (dtype == DType::bf16) {
      for (std::vector<float>* values : {&q, &k, &v}) round_to_bf16(*values);
    }
    const double allowed = dtype == DType::f32 ? tolerance : std::max(tolerance, kBf16Tolerance);
    const Attention expected = reference(shape, q.data(), k.data(), v.data());
    for (const KernelStage& stage : kKernelStages) {
      if (dtype == DType::f32 ? !stage.in_f32 : !stage.in_16_bits) continue;
      char label[112];
      std::snprintf(label, sizeof label, "%-11s %-4s %-7s heads %2d/%-2d N %-5d d %-4d %-7s", stage.slug.data(),
                    name_of(dtype).data(), shape.causal ? "causal" : "full", shape.heads, shape.key_heads(),
                    shape.seq, shape.dim, kind);
      if (const std::string why = refusal(stage.slug, shape, card); !why.empty()) {
        std::printf("%s REFUSED  %s\n", label, why.c_str());
        continue;
      }
      StageRunner runner(stage.slug, shape, q.data(), k.data(), v.data());
      runner.launch();
      runner.wait();
      const std::vector<float> L = runner.statistics();
      const double O_error = relative_error(runner.output(), expected.O);
      const double L_error = L.empty() ? 0.0 : relative_error(L, expected.L);
      const bool pass = O_error <= allowed && L_error <= kTolerance;
      failures += !pass;
      char L_text[16] = "-";
      if (!L.empty()) std::snprintf(L_text, sizeof L_text, "%.2e", L_error);
      std::printf("%s O %.2e  L %-9s %s\n", label, O_error, L_text, pass ? "PASS" : "FAIL");
      std::fflush(stdout);
    }
  }
  return failures;
}

int check_random(int heads, int seq, int dim, bool causal, float scale = 2.0f, const char* kind = "random",
                 double tolerance = kTolerance, int kv_heads = 0) {
  const KernelShape shape{heads, seq, dim, causal, kv_heads};
  return check_all(shape, random_values(shape.query_elements(), 1, scale),
                   random_values(shape.key_elements(), 2, scale), random_values(shape.key_elements(), 3), kind,
                   tolerance);
}

int check_files(const std::string& q_path, const std::string& k_path, const std::string& v_path) {
  const HostArray q = read_float_npy(q_path), k = read_float_npy(k_path), v = read_float_npy(v_path);
  for (const HostArray* array : {&k, &v}) {
    if (array->heads != q.heads || array->seq != q.seq || array->dim != q.dim) {
      throw UsageError("--q, --k and --v differ in shape");
    }
  }
  int failures = 0;
  for (const bool causal : {false, true}) {
    failures += check_all({q.heads, q.seq, q.dim, causal}, q.values, k.values, v.values, "file", kTolerance);
  }
  return failures;
}

int check_everything() {
  int failures = 0;
  for (const bool causal : {false, true}) {
    for (const int dim : {32, 64, 96, 128, 256}) {
      for (const int seq : {1, 2, 31, 32, 33, 63, 64, 65, 200}) failures += check_random(2, seq, dim, causal);
    }
    failures += check_random(3, 1000, 64, causal);
    failures += check_random(1, 1000, 128, causal);
    for (const int dim : {64, 128}) failures += check_random(1, 1537, dim, causal);
    for (const int seq : {63, 300})
      failures += check_random(6, seq, 64, causal, 2.0f, "grouped", kTolerance, 2);
    failures += check_random(4, 200, 128, causal, 2.0f, "grouped", kTolerance, 1);
    failures += check_random(1, 130, 64, causal, 60.0f, "±1e4", kHugeTolerance);
  }
  return failures;
}

int run(int argc, char** argv) {
  std::string paths[3];
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    const std::size_t which = std::string("qkv").find(option.size() == 3 ? option[2] : '?');
    if (option.rfind("--", 0) != 0 || which == std::string::npos || i + 1 == argc) {
      throw UsageError("usage: flashlab_gpu_check [--q Q.npy --k K.npy --v V.npy]");
    }
    paths[which] = argv[i + 1];
  }
  try {
    std::printf("%s\n", require_card().name.c_str());
  } catch (const EnvironmentError& error) {
    std::fprintf(stderr, "flashlab_gpu_check: skipped: %s\n", error.what());
    return 77;
  }
  const int failures = argc > 1 ? check_files(paths[0], paths[1], paths[2]) : check_everything();
  std::printf(failures == 0 ? "all passed\n" : "%d FAILED\n", failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const UsageError& error) {
    std::fprintf(stderr, "flashlab_gpu_check: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "flashlab_gpu_check: %s\n", error.what());
    return 3;
  }
}
