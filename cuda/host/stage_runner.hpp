#pragma once
/// \file
/// One stage on the card: its limits, buffers, launch and time. Plain C++, no CUDA header, so that its users need no
/// nvcc; the standard library and two headers of sim/core are all it takes, so that the check and count programs build
/// on a machine which has the CUDA toolkit and nothing else.

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/problem.hpp"

namespace flashlab::gpu {

/// The stages that have a kernel, in the order of the book: the kernels that one pass launches ("" for none), and what
/// they take. Their launches stand beside each other in stage_runner.cu, in the same order.
struct KernelStage {
  std::string_view slug;
  std::array<std::string_view, 3> kernels;
  bool in_f32 = true, in_16_bits = false;    ///< Q, K, V, O as fp32; as fp16 and bf16
  bool grouped = false;                      ///< several heads may read the same K and V
  std::array<int, 5> dims{32, 64, 96, 128};  ///< 0 for none
  int capability = 0;                        ///< the least compute capability, 10 · major + minor
  /// A thread, on sm_90, for the occupancy where no compiler says it: the naive and fused kernels take 30 to 32, the
  /// others up to 72, and their shared memory allows no more blocks than those do; the upper rungs take what two
  /// blocks of 128 threads an SM leave them.
  int registers = 32;
  /// Of a warp, as ptxas has them for sm_90 between two stores to shared memory, in the middle of what the compiled
  /// forms have: fused 5 to 15, tiled 10 to 24, online-q 9 to 12, online-kv 7 to 34.
  int loads_in_flight = 8;
  /// Quarter cycles that a warp is busy with a shared access, a sum or product, an exponential, waits included; as
  /// measured on sm_90 with one block an SM (cuda/measured/h100-micro/phases.csv). The loops of `fused` over keys are
  /// short chains, each sum of which waits for the last one. None: as most kernels.
  std::optional<std::array<int, 3>> pace{};
};
inline constexpr std::array kKernelStages{
    KernelStage{"naive", {"naive_scores", "naive_softmax", "naive_output"}},
    KernelStage{.slug = "fused", .kernels = {"fused"}, .pace = {{4, 36, 380}}},
    KernelStage{.slug = "tiled", .kernels = {"tiled"}, .loads_in_flight = 14},
    KernelStage{.slug = "online-kv", .kernels = {"online_kv"}, .loads_in_flight = 16},
    KernelStage{.slug = "online-q", .kernels = {"online_q"}, .loads_in_flight = 10},
    KernelStage{.slug = "registers", .kernels = {"registers"}, .grouped = true, .registers = 255},
    KernelStage{.slug = "tensor-core",
                .kernels = {"tensor_core"},
                .in_f32 = false,
                .in_16_bits = true,
                .grouped = true,
                .dims = {32, 64, 96, 128, 256},
                .capability = 75,
                .registers = 255},
    KernelStage{.slug = "hopper",
                .kernels = {"hopper"},
                .in_f32 = false,
                .in_16_bits = true,
                .grouped = true,
                .dims = {64, 128, 256},
                .capability = 90,
                .registers = 168},
};

/// `heads` is batch · heads: the kernels do not tell them apart.
struct KernelShape {
  int heads = 1;
  int seq = 1;
  int dim = 64;
  bool causal = false;
  int kv_heads = 0;          ///< batch · heads of K and V, dividing `heads`; 0: as many as `heads`
  DType dtype = DType::f32;  ///< of Q, K, V and O; L is fp32

  int key_heads() const { return kv_heads > 0 ? kv_heads : heads; }
  std::size_t rows() const { return static_cast<std::size_t>(heads) * seq; }
  std::size_t query_elements() const { return rows() * dim; }
  std::size_t key_elements() const { return static_cast<std::size_t>(key_heads()) * seq * dim; }
};

/// What a launch asks for, a block.
struct BlockShape {
  int threads = 0;
  std::size_t dynamic_shared_bytes = 0;
};

/// The blocks of a stage's kernels at d and N (a card's shared memory permitting), without a card; none where the stage is
/// not in this build.
std::optional<BlockShape> block_of(std::string_view slug, int dim, int seq);

/// The card that kernels run on.
struct Card {
  std::string name;            ///< "NVIDIA H100 80GB HBM3"
  int compute_capability = 0;  ///< 10 · major + minor: 75 is a T4
  int sm_count = 0;
  std::size_t memory_bytes = 0;
  std::size_t shared_bytes_per_block = 0;  ///< the most that one block may have
  int driver_cuda_version = 0;             ///< the newest CUDA that the driver serves: 13000 is 13.0
  int runtime_cuda_version = 0;            ///< the CUDA that this program was built with
};

/// The current card. Throws EnvironmentError, naming cause and remedy, when there is no card, no driver, an old
/// driver, or when the gpu machine was not built.
Card require_card();

/// The largest N that `fused` takes when a block may have so much shared memory; 0 when not even N = 1 fits.
int fused_max_seq(int dim, std::size_t shared_bytes_per_block);

/// Why this stage cannot run this shape on this card, naming the bound; "" when it can.
std::string refusal(std::string_view slug, const KernelShape& shape, const Card& card);

/// Buffers on the card that a pass needs beside Q, K, V and O, in floats: S and P of naive, m and l of online-kv.
std::array<std::size_t, 2> scratch_floats(std::string_view slug, const KernelShape& shape);

/// Where one pass finds its tensors, all on the card, row-major: Q and O (heads, N, d), K and V (kv_heads, N, d) in the
/// shape's type, L (heads, N) and the scratch in fp32.
struct PassBuffers {
  const void *Q = nullptr, *K = nullptr, *V = nullptr;
  void* O = nullptr;
  float* L = nullptr;  ///< written by the stages that leave their statistics there, online-kv (scratch) apart
  std::array<float*, 2> scratch{};
};

/// Starts one pass on `stream` (a cudaStream_t) and returns at once. `without` names the idea to leave out ("" for
/// none; see variants_of). Throws EnvironmentError when CUDA refuses the launch.
void launch_stage(std::string_view slug, std::string_view without, const KernelShape& shape,
                  const PassBuffers& buffers, void* stream);

/// Why a kernel with an idea left out cannot run this shape: they are compiled for bf16 and d = 64 and 128 alone.
inline std::string variant_refusal(const KernelShape& shape) {
  if (shape.dtype == DType::bf16 && (shape.dim == 64 || shape.dim == 128)) return "";
  return "kernels with an idea left out are compiled for bf16, d = 64 and 128";
}

/// The ideas that this build can leave out of a stage's kernel, as `flashlab bench --ablate` names them.
std::vector<std::string_view> variants_of(std::string_view slug);

/// A stage with its inputs on the card. Every method throws EnvironmentError when CUDA reports an error.
class StageRunner {
 public:
  /// q (heads, N, d) and k, v (kv_heads, N, d): floats, row-major, on the host; rounded to the shape's type and
  /// copied. O and the scratch are filled with NaN unless
  /// `fill` is off (so that compute-sanitizer's initcheck can see reads of unwritten memory).
  /// Throws UsageError for a stage or shape that is refused.
  StageRunner(std::string_view slug, const KernelShape& shape, const float* q, const float* k, const float* v,
              bool fill = true);
  ~StageRunner();
  StageRunner(StageRunner&&) noexcept;

  /// Starts one pass and returns at once; every launch is checked.
  void launch();
  /// Waits for what was launched.
  void wait();
  /// One pass between two events, waited for: milliseconds.
  double timed_pass_ms();
  /// NaN into O and the scratch.
  void poison();

  std::vector<float> output() const;  ///< O (heads, N, d)
  /// L = m + log l (heads, N) of the stages that leave their row statistics in HBM; empty for the others.
  std::vector<float> statistics() const;

 private:
  struct Buffers;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace flashlab::gpu
