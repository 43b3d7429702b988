/// \file
/// flashlab_gpu_count: exactly one pass of each stage and shape, made to be run under Nsight Compute.
///
///     nvcc -std=c++20 -O3 -arch=sm_90 -I. cuda/host/count.cpp cuda/host/stage_runner.cu -o flashlab_gpu_count
///     ncu --csv … ./flashlab_gpu_count online-q --heads 4 --seq 1000 --dim 64 --causal
///     ncu --csv … ./flashlab_gpu_count --launches launches.csv
///
/// Without STAGE: every stage. Without --heads, --seq, --dim: the shapes of the validation table, full and causal.
/// Inputs are random with a fixed seed: the counters depend on the shape alone. --launches FILE gets a line of CSV for
/// each kernel launch, in order. --no-fill leaves fresh memory unwritten, for compute-sanitizer's initcheck.
/// --metrics prints the counters worth asking for, and runs nothing. Exit codes: 0, 2 wrong usage, 3 no GPU or a CUDA error.

#include <charconv>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cuda/host/inputs.hpp"
#include "cuda/host/metrics.hpp"
#include "cuda/host/stage_runner.hpp"
#include "sim/core/error.hpp"

using namespace flashlab;
using namespace flashlab::gpu;

namespace {

constexpr KernelShape kValidationShapes[] = {{4, 1000, 64}, {4, 1000, 128}, {4, 512, 64},  {2, 1024, 128},
                                             {8, 2048, 64}, {1, 4096, 64},  {16, 1024, 64}};

struct Options {
  std::vector<KernelStage> stages;
  std::vector<KernelShape> shapes;
  std::string launches;
  bool fill = true;
  bool metrics = false;
};

int whole_number(std::string_view option, std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1) {
    throw UsageError(std::string(option) + " wants a whole number, 1 or more");
  }
  return value;
}

const KernelStage& stage_named(std::string_view slug) {
  for (const KernelStage& stage : kKernelStages) {
    if (stage.slug == slug) return stage;
  }
  throw UsageError(
      "unknown stage or option \"" + std::string(slug) +
      "\"; usage: flashlab_gpu_count [naive|fused|tiled|online-kv|online-q …] [--heads H] [--seq N] "
      "[--dim D] [--causal] [--launches FILE] [--no-fill] [--metrics]");
}

Options parse(int argc, char** argv) {
  Options options;
  KernelShape shape{4, 1000, 64, false};
  bool one_shape = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
    if (option == "--causal") {
      shape.causal = one_shape = true;
    } else if (option == "--no-fill") {
      options.fill = false;
    } else if (option == "--metrics") {
      options.metrics = true;
    } else if (option == "--launches") {
      options.launches = value, ++i;
    } else if (option == "--heads" || option == "--seq" || option == "--dim") {
      (option == "--heads" ? shape.heads
       : option == "--seq" ? shape.seq
                           : shape.dim) = whole_number(option, value);
      one_shape = true, ++i;
    } else {
      options.stages.push_back(stage_named(option));
    }
  }
  if (options.stages.empty()) options.stages.assign(kKernelStages.begin(), kKernelStages.end());
  if (one_shape) {
    options.shapes = {shape};
  } else {
    for (KernelShape validated : kValidationShapes) {
      for (const bool causal : {false, true}) {
        validated.causal = causal;
        options.shapes.push_back(validated);
      }
    }
  }
  return options;
}

class LaunchLog {
 public:
  explicit LaunchLog(const std::string& path) : file_(path.empty() ? nullptr : std::fopen(path.c_str(), "w")) {
    if (path.empty()) return;
    if (!file_) throw EnvironmentError("cannot write " + path);
    std::fprintf(file_, "launch,stage,kernel,heads,seq,dim,causal\n");
  }
  LaunchLog(const LaunchLog&) = delete;
  LaunchLog& operator=(const LaunchLog&) = delete;
  ~LaunchLog() {
    if (file_) std::fclose(file_);
  }

  void add(const KernelStage& stage, const KernelShape& shape) {
    for (const std::string_view kernel : stage.kernels) {
      if (!file_ || kernel.empty()) continue;
      std::fprintf(file_, "%d,%s,%s,%d,%d,%d,%d\n", count_++, stage.slug.data(), kernel.data(), shape.heads,
                   shape.seq, shape.dim, shape.causal);
    }
  }

 private:
  std::FILE* file_;
  int count_ = 0;
};

void one_pass(const KernelStage& stage, KernelShape shape, bool fill, LaunchLog& log,
              std::set<std::string>& refused) {
  if (!stage.in_f32) shape.dtype = DType::bf16;
  if (const std::string why = refusal(stage.slug, shape, require_card()); !why.empty()) {
    if (refused.insert(why).second) std::fprintf(stderr, "flashlab_gpu_count: %s\n", why.c_str());
    return;
  }
  const std::size_t elements = static_cast<std::size_t>(shape.heads) * shape.seq * shape.dim;
  const std::vector<float> q = random_values(elements, 1, 2.0f), k = random_values(elements, 2, 2.0f),
                           v = random_values(elements, 3);
  StageRunner runner(stage.slug, shape, q.data(), k.data(), v.data(), fill);
  runner.launch();
  runner.wait();
  log.add(stage, shape);
}

void run(const Options& options) {
  if (options.metrics) {
    for (const std::string_view metric : kMetrics) std::printf("%s\n", metric.data());
    return;
  }
  require_card();
  LaunchLog log(options.launches);
  std::set<std::string> refused;  // said once
  for (const KernelStage& stage : options.stages) {
    for (const KernelShape& shape : options.shapes) one_pass(stage, shape, options.fill, log, refused);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(parse(argc, argv));
    return 0;
  } catch (const UsageError& error) {
    std::fprintf(stderr, "flashlab_gpu_count: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "flashlab_gpu_count: %s\n", error.what());
    return 3;
  }
}
