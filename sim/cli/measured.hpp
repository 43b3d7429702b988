#pragma once
/// \file
/// What flashlab measure compares: the counters, what each card counted of them, and what was simulated and kept.

#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "cuda/host/measure.hpp"
#include "sim/cli/commands.hpp"
#include "sim/core/problem.hpp"

namespace flashlab::cli {

/// How near a simulated counter must come to the card's.
struct Counter {
  std::string_view metric, heading;
  double relative = 0;  ///< allowed deviation; 0: equal
  double absolute = 0;  ///< or this much, whichever is larger (the metric's unit)
};
inline constexpr double kMega = 1e6;
inline constexpr Bytes kSectorBytes = 32;
inline constexpr std::array kCounters{
    Counter{"l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum", "load requests"},
    Counter{"l1tex__t_requests_pipe_lsu_mem_global_op_st.sum", "store requests"},
    Counter{"l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum", "load sectors"},
    Counter{"l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum", "store sectors"},
    Counter{"smsp__inst_executed_op_shared_ld.sum", "shared loads"},
    Counter{"smsp__inst_executed_op_shared_st.sum", "shared stores"},
    Counter{"smsp__inst_executed_op_ldgsts.sum", "asynchronous copies"},
    Counter{"smsp__inst_executed_op_ldsm.sum", "ldmatrix"},
    Counter{"sm__inst_executed_pipe_tensor_op_hmma.sum", "tensor-core products"},
    Counter{"l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum", "load wavefronts", 0.001},
    Counter{"l1tex__data_pipe_lsu_wavefronts_mem_shared_op_st.sum", "store wavefronts", 0.15},
    Counter{"lts__t_sectors_srcunit_tex_op_read.sum", "L2 read sectors", 0.15},
    Counter{"dram__bytes_read.sum", "HBM read", 0.05, kMega},
    Counter{"dram__bytes_write.sum", "HBM written", 0.10, 2 * kMega},
    // Which products and sums become one instruction is the compiler's choice; shown, not judged.
    Counter{"smsp__sass_thread_inst_executed_op_ffma_pred_on.sum", "FFMA", 0.01},
};
inline constexpr std::size_t kExact = 9;  // of them, the first
inline constexpr std::size_t kSharedLoads = 4, kCopies = 6, kProducts = 8;
static_assert(kCounters[kSharedLoads].heading == "shared loads" &&
              kCounters[kCopies].heading == "asynchronous copies" &&
              kCounters[kProducts].heading == "tensor-core products");
inline constexpr std::size_t kLoadWavefronts = 9, kStoreWavefronts = 10, kL2Read = 11, kHbmRead = 12,
                             kHbmWritten = 13, kFfma = 14;
static_assert(kCounters[kLoadWavefronts].heading == "load wavefronts" && kCounters[kFfma].heading == "FFMA");

/// What the card had no counter for, an older measurement did not ask for, or no profile simulates, is not judged.
bool within(const Counter& counter, double simulated, double measured);

using Shape = std::tuple<std::string, int, int, int, bool>;  // stage, heads, seq, dim, causal

/// The kernels of one stage on one shape: what the card counted, and what the machines say.
struct Comparison {
  Shape shape;
  std::string kernel;
  std::map<std::string_view, double> simulated, measured;
};

/// Measurements of one card.
struct OneCard {
  gpu::MeasuredCard card;
  std::filesystem::path folder;
  std::vector<gpu::Measurement> measurements;  ///< a stage each, in order

  /// Of the replay; empty when it has none for this card.
  std::string_view profile() const;
};

/// Every card that has measurements in `folder`, by name. Throws EnvironmentError when none has.
std::vector<OneCard> read_measured(const std::filesystem::path& folder);
/// The card that `device` names by its profile or its folder; empty: the only one, or the H100. Throws UsageError when
/// that is none, or several.
OneCard one_of(std::vector<OneCard> all, const std::string& device);

/// Whether the options ask for this launch.
bool wanted(const MeasureArguments& a, const gpu::MeasuredLaunch& launch);

/// What was simulated of the measured launches, kept beside them: a long run is not repeated to print its result.
class KeptFile {
 public:
  /// Of the card whose measurements lie in `folder`. Throws UsageError when what is there is no such file.
  explicit KeptFile(const std::filesystem::path& folder);

  const std::filesystem::path& path() const { return path_; }
  /// Fills in what is known of a launch; false when it was not kept. A counter that was not kept is NaN.
  bool fill(Comparison& row) const;
  void put(const Comparison& row);
  /// A launch a line, in order, so that a change shows as such. Old or new, never half.
  void write() const;

 private:
  std::filesystem::path path_;
  std::map<std::pair<Shape, std::string>, std::map<std::string, double>> rows_;
};

}  // namespace flashlab::cli
