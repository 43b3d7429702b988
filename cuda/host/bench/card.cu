#include "cuda/host/bench/card.hpp"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

#include "cuda/host/bench/card_kernels.cuh"
#include "cuda/host/bench/cublas.hpp"
#include "cuda/host/device.cuh"
#include "sim/core/error.hpp"
#include "sim/core/float_formats.hpp"
#include "sim/core/parallel.hpp"

namespace flashlab::gpu {
namespace {

constexpr double kPassLimitSeconds = 120;

/// Set when a kernel did not end: freeing memory would wait for it, so nothing is freed any more.
bool kernel_hangs = false;

/// Bytes on the device, freed at the end of the scope.
class DeviceBytes {
 public:
  DeviceBytes() = default;
  explicit DeviceBytes(std::size_t size) : size_(size) {
    if (size_ > 0) check(cudaMalloc(&data_, size_), "allocating " + std::to_string(size_) + " bytes");
  }
  DeviceBytes(DeviceBytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  DeviceBytes& operator=(DeviceBytes&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~DeviceBytes() {
    if (!kernel_hangs) cudaFree(data_);
  }
  void* data() const { return data_; }
  float* floats() const { return static_cast<float*>(data_); }
  std::size_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// 16-bit values as bits, on all cores; fp32 as it is.
DeviceBytes upload(const std::vector<float>& values, DType dtype) {
  DeviceBytes device(values.size() * bytes_of(dtype));
  const void* source = values.data();
  std::vector<std::uint16_t> bits;
  if (dtype != DType::f32) {
    bits.resize(values.size());
    constexpr std::size_t kPart = 1 << 20;
    parallel_for(static_cast<Index>((values.size() + kPart - 1) / kPart), [&](Index part) {
      const std::size_t begin = static_cast<std::size_t>(part) * kPart;
      for (std::size_t i = begin; i < std::min(begin + kPart, values.size()); ++i)
        bits[i] = dtype == DType::f16 ? to_f16_bits(values[i]) : to_bf16_bits(values[i]);
    });
    source = bits.data();
  }
  check(cudaMemcpy(device.data(), source, device.size(), cudaMemcpyHostToDevice), "copying to the GPU");
  return device;
}

std::vector<float> download(const DeviceBytes& device, DType dtype) {
  std::vector<float> values(device.size() / bytes_of(dtype));
  if (dtype == DType::f32) {
    check(cudaMemcpy(values.data(), device.data(), device.size(), cudaMemcpyDeviceToHost),
          "copying from the GPU");
    return values;
  }
  std::vector<std::uint16_t> bits(values.size());
  check(cudaMemcpy(bits.data(), device.data(), device.size(), cudaMemcpyDeviceToHost), "copying from the GPU");
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = dtype == DType::f16 ? from_f16_bits(bits[i]) : from_bf16_bits(bits[i]);
  return values;
}

std::string gibibytes(std::size_t bytes) {
  const double value = static_cast<double>(bytes) / (1u << 30);
  return std::to_string(static_cast<int>(value * 10) / 10) + "." +
         std::to_string(static_cast<int>(value * 10) % 10) + " GiB";
}

/// The tensors of one shape, shared by all contenders of this card.
struct Tensors {
  const BenchInputs* inputs = nullptr;
  DeviceBytes Q, K, V, O, L;
};

}  // namespace

struct BenchCard::State {
  cudaStream_t stream = nullptr;
  Card card;
  DeviceBytes flush, sink;
  std::unique_ptr<Cublas> cublas;
  Tensors tensors;
  bool broken = false;
  double last_wait_s = 0;  ///< how long the last wait() took

  explicit State(std::size_t flush_bytes) : card(require_card()) {
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a stream");
    cudaDeviceProp properties{};
    int device = 0;
    check(cudaGetDevice(&device), "choosing a GPU");
    check(cudaGetDeviceProperties(&properties, device), "asking for the GPU's properties");
    // Four times the L2: whatever its replacement policy, little survives. And long enough to hide a launch behind.
    if (flush_bytes == 0) {
      flush_bytes = std::max<std::size_t>(4 * static_cast<std::size_t>(properties.l2CacheSize), 256u << 20);
    }
    flush = DeviceBytes(flush_bytes);
    sink = DeviceBytes(sizeof(float));
    check(cudaMemset(flush.data(), 0, flush.size()), "filling memory on the GPU");
  }
  ~State() {
    if (kernel_hangs) {
      cublas.release();
      return;
    }
    cublas.reset();
    if (stream) cudaStreamDestroy(stream);
  }

  void empty_l2() {
    read_all<<<8 * card.sm_count, 256, 0, stream>>>(static_cast<const float4*>(flush.data()),
                                                    flush.size() / sizeof(float4), sink.floats());
    check(cudaGetLastError(), "emptying the L2");
  }
  /// Waits for the stream. A kernel that deadlocks must not take the run, and what it has measured, with it: whoever
  /// needs longer than the limit counts as hanging.
  void wait(const std::string& what, double limit_s = kPassLimitSeconds) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
    cudaError_t error;
    while ((error = cudaStreamQuery(stream)) == cudaErrorNotReady && seconds() < limit_s)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    last_wait_s = seconds();
    broken |= error != cudaSuccess;
    if (error == cudaErrorNotReady) {
      kernel_hangs = true;
      throw EnvironmentError(what + ": it did not end within " + std::to_string(static_cast<int>(limit_s)) +
                             " s");
    }
    check(error, what);
  }

  /// Everything is queued at once and waited for at the end: the time between two events holds no launch from the CPU.
  /// `pass_s` is about what one pass takes.
  template <class Launch>
  std::vector<double> time(int runs, int warm_up, const std::string& what, double pass_s, Launch launch) {
    struct Events {
      std::vector<cudaEvent_t> all;
      ~Events() {
        for (const cudaEvent_t event : all) cudaEventDestroy(event);
      }
    } events;
    for (int i = 0; i < 2 * runs; ++i) {
      cudaEvent_t event = nullptr;
      check(cudaEventCreate(&event), "creating an event");
      events.all.push_back(event);
    }
    for (int i = 0; i < warm_up; ++i) {
      empty_l2();
      launch();
    }
    for (int i = 0; i < runs; ++i) {
      empty_l2();
      check(cudaEventRecord(events.all[2 * i], stream), "recording an event");
      launch();
      check(cudaEventRecord(events.all[2 * i + 1], stream), "recording an event");
    }
    wait("running " + what, kPassLimitSeconds + 3 * (runs + warm_up) * pass_s);
    std::vector<double> ms;
    for (int i = 0; i < runs; ++i) {
      float elapsed = 0;
      check(cudaEventElapsedTime(&elapsed, events.all[2 * i], events.all[2 * i + 1]), "reading a time");
      ms.push_back(elapsed);
    }
    return ms;
  }

  void prepare(const BenchInputs& inputs) {
    if (tensors.inputs == &inputs) return;
    tensors = {};
    const BenchShape& s = inputs.shape;
    tensors.Q = upload(inputs.q, s.dtype);
    tensors.K = upload(inputs.k, s.dtype);
    tensors.V = upload(inputs.v, s.dtype);
    tensors.O = DeviceBytes(tensors.Q.size());
    tensors.L = DeviceBytes(s.kernel_shape().rows() * sizeof(float));
    tensors.inputs = &inputs;
  }
  /// NaN into every element, in each of the types.
  void poison(std::initializer_list<const DeviceBytes*> buffers) {
    for (const DeviceBytes* buffer : buffers) {
      if (buffer->size() == 0) continue;
      check(cudaMemsetAsync(buffer->data(), 0xff, buffer->size(), stream), "filling memory on the GPU");
    }
  }
  /// "" when `bytes` more can be had, a tenth kept back.
  std::string lacks(std::size_t bytes) {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for free memory");
    if (bytes + total / 10 <= free || bytes == 0) return "";
    return "needs " + gibibytes(bytes) + " beside the tensors, and " + gibibytes(free) + " are free";
  }
};

namespace {

/// A kernel of ours. Its scratch (S and P of naive) is there only while it runs: others need the memory too.
class StageContender : public Contender {
 public:
  StageContender(BenchCard::State& card, std::string_view slug, std::string_view without)
      : Contender(std::string(slug), false, std::string(without)), card_(card) {}

  bool takes(DType dtype) const override {
    const auto stage = std::ranges::find(kKernelStages, name(), &KernelStage::slug);
    return stage != kKernelStages.end() && (dtype == DType::f32 ? stage->in_f32 : stage->in_16_bits);
  }

  std::string prepare(const BenchInputs& inputs) override {
    shape_ = inputs.shape;
    const KernelShape kernel = shape_.kernel_shape();
    if (std::string why = refusal(name(), kernel, card_.card); !why.empty()) return why;
    if (std::string why = without().empty() ? "" : variant_refusal(kernel); !why.empty()) return why;
    card_.prepare(inputs);
    const auto scratch = scratch_floats(name(), kernel);
    return card_.lacks((scratch[0] + scratch[1]) * sizeof(float));
  }

  std::vector<float> answer() override {
    const Scratch scratch(*this);
    card_.poison({&card_.tensors.O, &card_.tensors.L, &scratch.buffers[0], &scratch.buffers[1]});
    launch(scratch);
    card_.wait("running " + name());
    pass_s_ = card_.last_wait_s;
    return download(card_.tensors.O, shape_.dtype);
  }

  std::vector<double> time(int runs, int warm_up) override {
    const Scratch scratch(*this);
    return card_.time(runs, warm_up, name(), pass_s_, [&] { launch(scratch); });
  }

  void release() override { card_.tensors = {}; }

 private:
  struct Scratch {
    explicit Scratch(const StageContender& of) {
      const auto floats = scratch_floats(of.name(), of.shape_.kernel_shape());
      for (std::size_t i = 0; i < floats.size(); ++i) buffers[i] = DeviceBytes(floats[i] * sizeof(float));
    }
    std::array<DeviceBytes, 2> buffers;
  };

  void launch(const Scratch& scratch) {
    const Tensors& t = card_.tensors;
    launch_stage(name(), without(), shape_.kernel_shape(),
                 {t.Q.data(),
                  t.K.data(),
                  t.V.data(),
                  t.O.data(),
                  t.L.floats(),
                  {scratch.buffers[0].floats(), scratch.buffers[1].floats()}},
                 card_.stream);
  }

  BenchCard::State& card_;
  BenchShape shape_;
  double pass_s_ = 0;  // about what one pass takes
};

/// Textbook attention from a library: S = Q Kᵀ / √d by cuBLAS in fp32, softmax, O = P V by cuBLAS, so many heads at a
/// time that S stays below 2 GiB.
class CublasContender : public Contender {
 public:
  explicit CublasContender(BenchCard::State& card) : Contender("cublas", true), card_(card) {}

  std::string prepare(const BenchInputs& inputs) override {
    shape_ = inputs.shape;
    card_.prepare(inputs);
    const std::size_t group = static_cast<std::size_t>(shape_.heads / shape_.kv_heads);
    const std::size_t head_bytes = sizeof(float) * shape_.seq * shape_.seq;
    const std::size_t at_once = std::max<std::size_t>(1, (std::size_t{2} << 30) / (head_bytes * group)) * group;
    chunk_ = static_cast<int>(std::min<std::size_t>(
        {at_once, 65535 / group * group, static_cast<std::size_t>(shape_.kernel_shape().heads)}));
    scores_bytes_ = head_bytes * chunk_;
    return card_.lacks(2 * scores_bytes_);
  }

  std::vector<float> answer() override {
    const Scratch scratch(*this);
    card_.poison({&card_.tensors.O, &scratch.S, &scratch.P});
    launch(scratch);
    card_.wait("running cuBLAS");
    pass_s_ = card_.last_wait_s;
    return download(card_.tensors.O, shape_.dtype);
  }

  std::vector<double> time(int runs, int warm_up) override {
    const Scratch scratch(*this);
    return card_.time(runs, warm_up, "cuBLAS", pass_s_, [&] { launch(scratch); });
  }

  void release() override { card_.tensors = {}; }

 private:
  struct Scratch {
    explicit Scratch(const CublasContender& of)
        : S(of.scores_bytes_), P(of.shape_.dtype == DType::f32 ? 0 : of.scores_bytes_ / 2) {}
    DeviceBytes S, P;  // fp32: P takes the place of S
  };

  void launch(const Scratch& scratch) {
    const KernelShape shape = shape_.kernel_shape();
    const int N = shape.seq, d = shape.dim, group = shape.heads / shape.key_heads();
    const ElementType type = shape.dtype == DType::f32   ? ElementType::f32
                             : shape.dtype == DType::f16 ? ElementType::f16
                                                         : ElementType::bf16;
    const std::size_t element = bytes_of(shape.dtype);
    const auto at = [&](const DeviceBytes& tensor, int head) {
      return static_cast<char*>(tensor.data()) + static_cast<std::size_t>(head) * N * d * element;
    };
    const long long matrix = static_cast<long long>(N) * N, head_size = static_cast<long long>(N) * d;
    const Tensors& t = card_.tensors;
    const DeviceBytes& P = shape.dtype == DType::f32 ? scratch.S : scratch.P;
    for (int head = 0; head < shape.heads; head += chunk_) {
      const int heads = std::min(chunk_, shape.heads - head);
      // With a K and V for every head one call does them all; else one call a group, whose heads share them.
      const int batch = group == 1 ? heads : group;
      for (int i = 0; i < heads; i += batch) {
        // Row-major matrices are column-major ones transposed: Sᵀ = K Qᵀ.
        card_.cublas->multiply({.transpose_a = true,
                                .m = N,
                                .n = N,
                                .k = d,
                                .alpha = 1.0f / std::sqrt(static_cast<float>(d)),
                                .A = at(t.K, (head + i) / group),
                                .B = at(t.Q, head + i),
                                .C = scratch.S.floats() + i * matrix,
                                .input = type,
                                .output = ElementType::f32,
                                .lda = d,
                                .ldb = d,
                                .ldc = N,
                                .stride_a = group == 1 ? head_size : 0,
                                .stride_b = head_size,
                                .stride_c = matrix,
                                .batch = batch});
      }
      const dim3 grid(N, heads);
      if (shape.dtype == DType::f32) {
        softmax_rows<<<grid, kSoftmaxThreads, 0, card_.stream>>>(scratch.S.floats(), scratch.S.floats(), N,
                                                                 shape.causal);
      } else if (shape.dtype == DType::f16) {
        softmax_rows<<<grid, kSoftmaxThreads, 0, card_.stream>>>(
            scratch.S.floats(), static_cast<__half*>(P.data()), N, shape.causal);
      } else {
        softmax_rows<<<grid, kSoftmaxThreads, 0, card_.stream>>>(
            scratch.S.floats(), static_cast<__nv_bfloat16*>(P.data()), N, shape.causal);
      }
      check(cudaGetLastError(), "launching softmax");
      for (int i = 0; i < heads; i += batch) {
        card_.cublas->multiply(
            {.m = d,
             .n = N,
             .k = N,
             .A = at(t.V, (head + i) / group),
             .B = static_cast<char*>(P.data()) + static_cast<std::size_t>(i) * matrix * element,
             .C = at(t.O, head + i),
             .input = type,
             .output = type,
             .lda = d,
             .ldb = N,
             .ldc = d,
             .stride_a = group == 1 ? head_size : 0,
             .stride_b = matrix,
             .stride_c = head_size,
             .batch = batch});
      }
    }
  }

  BenchCard::State& card_;
  BenchShape shape_;
  double pass_s_ = 0;  // about what one pass takes
  int chunk_ = 1;
  std::size_t scores_bytes_ = 0;
};

}  // namespace

BenchCard::BenchCard(std::size_t flush_bytes) : state_(std::make_unique<State>(flush_bytes)) {}
BenchCard::~BenchCard() = default;

void BenchCard::describe(BenchRun& run) const {
  const Card& card = state_->card;
  run.card = card.name;
  run.compute_capability = card.compute_capability;
  run.sm_count = card.sm_count;
  run.memory_bytes = static_cast<double>(card.memory_bytes);
  run.toolkit = std::to_string(card.runtime_cuda_version / 1000) + "." +
                std::to_string(card.runtime_cuda_version % 1000 / 10);
}

double BenchCard::flush_bytes() const { return static_cast<double>(state_->flush.size()); }

std::string BenchCard::open_cublas(std::span<const std::string> folders, std::string& problem) {
  try {
    state_->cublas = std::make_unique<Cublas>(folders, state_->stream);
    return state_->cublas->version();
  } catch (const EnvironmentError& error) {
    problem = error.what();
    return "";
  }
}

std::vector<std::unique_ptr<Contender>> BenchCard::stages(std::span<const std::string> slugs, bool ablate) {
  std::vector<std::unique_ptr<Contender>> all;
  for (const std::string& slug : slugs) {
    all.push_back(std::make_unique<StageContender>(*state_, slug, ""));
    if (!ablate) continue;
    for (const std::string_view without : variants_of(slug))
      all.push_back(std::make_unique<StageContender>(*state_, slug, without));
  }
  return all;
}

std::unique_ptr<Contender> BenchCard::cublas() {
  return state_->cublas ? std::make_unique<CublasContender>(*state_) : nullptr;
}

bool BenchCard::usable() {
  if (kernel_hangs) return false;
  cudaGetLastError();  // what a refused call left behind is no fault of the card
  return !state_->broken && cudaDeviceSynchronize() == cudaSuccess;
}

bool BenchCard::hangs() { return kernel_hangs; }

Roof BenchCard::measure_roof(int runs, LoadMeter& meter) {
  State& s = *state_;
  Roof roof;
  const auto median_of = [&](const char* what, Load& load, auto launch) {
    s.time(1, 2, what, 0, launch);
    meter.start();
    const Spread spread = spread_of(s.time(runs, 1, what, 0, launch));
    load = meter.stop();
    return spread.median_ms * 1e-3;
  };
  const auto keep = [](const Load& load, double& clock, double& power) {
    clock = load.clock_mhz;
    power = load.power_w;
  };
  Load load;
  {
    const DeviceBytes from(std::size_t{1} << 30), to(from.size());
    const double seconds = median_of("a copy", load, [&] {
      check(cudaMemcpyAsync(to.data(), from.data(), from.size(), cudaMemcpyDeviceToDevice, s.stream),
            "copying");
    });
    roof.copy_bytes_per_s = 2.0 * static_cast<double>(from.size()) / seconds;
    keep(load, roof.copy_clock_mhz, roof.copy_power_w);
  }
  if (!s.cublas) return roof;
  const auto product = [&](auto zero, ElementType type) {
    using T = decltype(zero);
    constexpr int n = 8192;
    const std::size_t elements = static_cast<std::size_t>(n) * n;
    const DeviceBytes A(elements * sizeof(T)), B(A.size()), C(A.size());
    fill_noise<<<8 * s.card.sm_count, 256, 0, s.stream>>>(static_cast<T*>(A.data()), elements, 1u);
    fill_noise<<<8 * s.card.sm_count, 256, 0, s.stream>>>(static_cast<T*>(B.data()), elements, 2u);
    check(cudaGetLastError(), "filling matrices");
    const double seconds = median_of("a product", load, [&] {
      s.cublas->multiply({.m = n,
                          .n = n,
                          .k = n,
                          .A = A.data(),
                          .B = B.data(),
                          .C = C.data(),
                          .input = type,
                          .output = type,
                          .lda = n,
                          .ldb = n,
                          .ldc = n});
    });
    return 2.0 * n * n * n / seconds;
  };
  roof.fp32_product_flops_per_s = product(0.0f, ElementType::f32);
  keep(load, roof.fp32_clock_mhz, roof.fp32_power_w);
  if (s.card.compute_capability >= 80) {
    roof.bf16_product_flops_per_s = product(__nv_bfloat16(), ElementType::bf16);
    keep(load, roof.bf16_clock_mhz, roof.bf16_power_w);
  }
  return roof;
}

}  // namespace flashlab::gpu
