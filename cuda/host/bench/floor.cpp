// The least time that a contender can take, before anything is measured: from what its algorithm must move and compute
// and the card's nominal rates.
#include <algorithm>

#include "cuda/host/bench/bench.hpp"
#include "sim/memory/device.hpp"

namespace flashlab::gpu {
namespace {

/// What one algorithm does beyond what every attention must.
struct Work {
  double products = 2;           ///< matrix products of N²·d; tiled computes Q Kᵀ twice
  double exponentials = 1;       ///< a score
  double matrix_passes_f32 = 0;  ///< times that N² numbers of 4 bytes cross the HBM boundary
  double matrix_passes = 0;      ///< the same for N² numbers of the shape's type
  bool products_ignore_mask = false;
};

Work work_of(std::string_view contender) {
  // Exponentials as the kernels are written: naive, fused and tiled compute them for the sum and again for P.
  if (contender == "naive") return {.exponentials = 2, .matrix_passes_f32 = 4};
  if (contender == "fused") return {.exponentials = 2};
  if (contender == "tiled") return {.products = 3, .exponentials = 2};
  // S leaves the product in fp32, softmax reads it and writes P in the inputs' type, the second product reads that.
  if (contender == "cublas")
    return {.exponentials = 2, .matrix_passes_f32 = 2, .matrix_passes = 2, .products_ignore_mask = true};
  if (contender == "torch-math") return {.matrix_passes = 4, .products_ignore_mask = true};
  return {};
}

/// Wavefronts of shared memory for each score in the stages that are built from tile.cuh: a warp owns `rows` rows and 32
/// keys. Q Kᵀ loads one word of K for the lanes and broadcasts `rows` words of Q for each of the d columns; P V
/// broadcasts `rows` words of P and loads d/32 times 32 words of V for each key. Unknown for the others.
double shared_wavefronts_per_score(std::string_view contender, int dim) {
  const double rows = dim > 96 ? 4 : 8;
  const double scores = dim * (1 + rows) / (32 * rows), output = (rows + dim / 32.0) / rows;
  if (contender == "online-q" || contender == "online-kv") return scores + output;
  if (contender == "tiled") return 2 * scores + output;
  // Both products: 16 loads of 2 wavefronts for 256 fused multiply-adds of a warp.
  if (contender == "registers") return 2.0 * dim / 32 * (16 * 2) / 256;
  return kUnknown;
}

/// The profile of this card; null when none fits. The name alone would not do: it differs between drivers.
const DeviceProfile* profile_of(const BenchRun& card) {
  for (const DeviceProfile& device : devices()) {
    const double memory = static_cast<double>(device.hbm_bytes);
    if (10 * device.compute_capability_major + device.compute_capability_minor == card.compute_capability &&
        device.sm_count == card.sm_count && std::abs(card.memory_bytes / memory - 1) < 0.15) {
      return &device;
    }
  }
  return nullptr;
}

}  // namespace

Floor floor_of(std::string_view contender, const BenchShape& shape, const BenchRun& card) {
  const DeviceProfile* const device = profile_of(card);
  if (!device) return {};
  const Work work = work_of(contender);
  const double heads = double(shape.batch) * shape.heads, all_scores = heads * shape.seq * double(shape.seq);
  const double scores = shape.causal ? heads * shape.seq * (shape.seq + 1.0) / 2 : all_scores;
  const double matrix_scores = work.products_ignore_mask ? all_scores : scores;
  const double element = static_cast<double>(bytes_of(shape.dtype));
  const double bytes =
      shape.compulsory_bytes() + matrix_scores * (4 * work.matrix_passes_f32 + element * work.matrix_passes);
  // A fused multiply-add a lane and clock: that gives the clock behind the data sheet's fp32 rate.
  const int lanes = card.compute_capability >= 86 ? 128 : 64;
  const double sm_clocks_per_s = device->fp32_flops_per_s / (2 * lanes);  // of all SMs together
  constexpr double kExpPerClock =
      16;  // CUDA C++ Programming Guide, "Throughput of Native Arithmetic Instructions"
  Floor floor;
  floor.hbm_ms = 1e3 * bytes / device->hbm_bytes_per_s;
  // PyTorch's memory-efficient fp32 is three products in TF32, which the tensor cores do at half the rate of fp16.
  const bool in_tf32 =
      contender == "torch-efficient" && shape.dtype == DType::f32 && card.compute_capability >= 80;
  const double peak = in_tf32 ? device->tensor_flops_per_s / 6 : device->peak_flops_per_s(shape.dtype);
  floor.products_ms = 1e3 * 2 * work.products * matrix_scores * shape.dim / peak;
  floor.exp_ms = 1e3 * work.exponentials * scores / (kExpPerClock * sm_clocks_per_s);
  floor.shared_ms = 1e3 * shared_wavefronts_per_score(contender, shape.dim) * scores / sm_clocks_per_s;
  return floor;
}

}  // namespace flashlab::gpu
