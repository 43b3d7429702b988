#pragma once
/// \file
/// What a bench run says: every contender's time at every shape, the roof of the card in the same run, and how it was
/// measured. Written and read as JSON (schema "flashlab.bench/1").

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cuda/host/stage_runner.hpp"
#include "sim/core/problem.hpp"

namespace flashlab::gpu {

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();  ///< null in JSON, "–" in tables

/// One attention call: Q and O (batch, heads, N, d), K and V (batch, kv_heads, N, d).
struct BenchShape {
  DType dtype = DType::f32;
  int batch = 1, heads = 1, kv_heads = 1, seq = 1, dim = 64;
  bool causal = false;

  /// 4·B·H·N²·d, halved for causal: as the FlashAttention papers count.
  double flops() const;
  /// Q, K, V, O in their type and L in fp32, each once.
  double compulsory_bytes() const;
  KernelShape kernel_shape() const;
  bool operator==(const BenchShape&) const = default;
};

/// Times of one contender at one shape, ms between events around the call.
struct Spread {
  int runs = 0;
  double median_ms = kUnknown, low_ms = kUnknown, high_ms = kUnknown;  ///< the middle, the quartiles
  double least_ms = kUnknown;
};
/// Quartiles by linear interpolation between the sorted values; all unknown for none.
Spread spread_of(std::vector<double> ms);

/// The times below which a contender cannot go on this card at its nominal rates, ms; unknown where nothing is known.
struct Floor {
  double hbm_ms = kUnknown;       ///< bytes that must cross the HBM boundary ÷ bandwidth
  double products_ms = kUnknown;  ///< both matrix products ÷ the peak of tensor cores (fp32: CUDA cores)
  double exp_ms = kUnknown;       ///< exponentials ÷ 16 a clock and SM
  double shared_ms = kUnknown;  ///< wavefronts of shared memory ÷ 1 a clock and SM, where the tiling is known

  double ms() const;               ///< the largest known one; unknown when none is
  std::string_view bound() const;  ///< its name: "hbm", "products", "exp", "shared"; "" when none is known
};

struct BenchRow {
  std::string contender;  ///< a stage's slug, "cublas", or "torch-flash" and its kin
  std::string without;    ///< the idea left out of the stage's kernel; "": none
  bool is_peer = false;
  std::string problem;               ///< why there is no time; "" when there is one
  bool wrong = false;                ///< it ran, and its answer was not the reference's
  double relative_error = kUnknown;  ///< ‖O − reference‖ / ‖reference‖ over the rows that were checked
  Spread time;
  double clock_mhz = kUnknown, power_w = kUnknown;  ///< means while it was timed
  Floor floor;

  bool measured() const { return time.runs > 0; }
  std::string name() const { return without.empty() ? contender : contender + " without " + without; }
};

struct BenchCase {
  BenchShape shape;
  std::vector<BenchRow> rows;

  const BenchRow* find(std::string_view contender, std::string_view without = "") const;
  /// FLOP/s of a row that was measured; unknown otherwise.
  double flops_per_s(const BenchRow& row) const;
  double bytes_per_s(const BenchRow& row) const;  ///< compulsory bytes ÷ time
};

/// What this card does at its best, measured in the same run.
struct Roof {
  double copy_bytes_per_s = kUnknown;          ///< device to device, read and written bytes together
  double fp32_product_flops_per_s = kUnknown;  ///< cuBLAS, 8192³, TF32 off
  double bf16_product_flops_per_s = kUnknown;  ///< cuBLAS, 8192³, fp32 accumulation
  double copy_clock_mhz = kUnknown, fp32_clock_mhz = kUnknown, bf16_clock_mhz = kUnknown;
  double copy_power_w = kUnknown, fp32_power_w = kUnknown, bf16_power_w = kUnknown;
};

struct BenchMethod {
  int runs = 30, rounds = 5;
  double seconds = 3;  ///< a slow contender is timed at least 3 times, and no longer than this
  double flush_bytes = 0;
  int checked_rows = 0;  ///< rows of O compared with double precision, at most
};

struct BenchRun {
  std::string card;
  int compute_capability = 0, sm_count = 0;
  double memory_bytes = 0;
  std::string driver, toolkit, date;
  std::map<std::string, std::string> software;  ///< "torch", "cudnn", "cublas", … → version
  std::vector<std::string> notes;               ///< what was not there, and why
  BenchMethod method;
  Roof roof;
  std::vector<BenchCase> cases;

  bool passed() const;  ///< no answer was wrong
};

std::string bench_json(const BenchRun& run);
/// Throws UsageError, beginning with `origin`, for anything that bench_json does not write.
BenchRun bench_from_json(const std::string& text, const std::string& origin);
/// EnvironmentError when the file cannot be read.
BenchRun read_bench(const std::filesystem::path& file);

/// The floors of a contender on the card of that description; unknown for a card without a profile.
Floor floor_of(std::string_view contender, const BenchShape& shape, const BenchRun& card);

}  // namespace flashlab::gpu
