#pragma once
/// \file
/// What the judges of the labs share: inputs, comparison with a double-precision reference, gates on counters.

#include <cstdint>
#include <string>
#include <vector>

#include "sim/lab/lab.hpp"

namespace flashlab::lab {

/// Random numbers that depend on the seed and a name alone.
class Draw {
 public:
  Draw(std::uint64_t seed, std::string_view name);
  std::int64_t between(std::int64_t low, std::int64_t high);  ///< both included

 private:
  std::uint64_t state_;
};

/// How inputs are made.
enum class Values {
  normal,  ///< independent, of standard deviation 1
  large,   ///< scores of some hundreds: e^S overflows
  real,    ///< rows of the Q, K, V of a small sentence encoder, shipped with Flashlab
};

struct Shape {
  std::int64_t heads = 1, N = 1, d = 64;
  bool operator==(const Shape&) const = default;
};
std::string title_of(const Shape& shape, Values values);

/// (heads, N, d) floats. `which`: 0 Q, 1 K, 2 V.
std::vector<float> input(const Shape& shape, Values values, int which, std::uint64_t seed);

/// A case with Q, K, V in the buffers 0, 1, 2, an output of `outputs` floats in buffer 3, and heads, N, d as its first
/// numbers.
Case attention_case(const Shape& shape, Values values, std::uint64_t seed, std::uint64_t output_floats);
Shape shape_of(const Case& c);

/// An output as a matrix, for messages.
struct Matrix {
  std::string name;  ///< "O"
  std::int64_t heads, rows, cols;
};
/// Every element must be within `tolerance` × (1 + largest |want|) of what is wanted; the verdict's text is "" then, else
/// what is wrong with the first wrong element, the tile around it in `detail`.
Verdict compare(const Matrix& matrix, std::span<const float> got, std::span<const double> want,
                double tolerance);

/// Of O in fp32: sums of some hundred terms, exponentials of scores up to some hundreds.
constexpr double kAttentionTolerance = 2e-4;
/// O (heads, N, d) in double; with `causal`, row i sees the keys up to i.
std::vector<double> attention_of(const Case& c, bool causal);
inline std::vector<double> attention_of(const Case& c) { return attention_of(c, false); }
/// S = Q Kᵀ / √d (heads, N, N) in double.
std::vector<double> scores_of(const Case& c);

/// What a gate counts at one instruction.
using Count = std::uint64_t (*)(const SiteRecord&);

/// Whether output 0 of every case is right: `want` gives the reference, `name` and `square` its shape: (heads, N, N) or
/// (heads, N, d). Findings of the simt machine fail a case as wrong numbers do.
Verdict right(std::span<const Ran> ran, const Evidence& evidence, std::string_view name, bool square,
              std::vector<double> (*want)(const Case&), double tolerance);
/// Passed when `value` ≤ `gate`; the text names both; when missed, the detail says which lines count most.
Verdict gate(std::uint64_t value, double gate, std::string_view unit, const Ran& ran, const Evidence& evidence,
             Count count);

/// The failure of a run, or its first finding, as a verdict with a text; "" when it ran and nothing was found.
Verdict sound(const Ran& ran, const Evidence& evidence);

/// Sums over a run's launches.
struct Sums {
  simt::MemoryCounters global_load, global_store, shared_load, shared_store, all_shared;
  std::uint64_t global_sectors = 0;  ///< loads, stores, atomics and asynchronous copies
  std::uint64_t global_bytes() const { return 32 * global_sectors; }
};
Sums sums_of(const RunResult& result);

/// Bytes of a kernel that loads Q once and, for each block of `rows` rows, all the keys that the block sees, in tiles of
/// `tile`, `matrices` times: K and V, or K twice and V.
double bytes_loaded(const Shape& s, std::int64_t rows, std::int64_t tile, bool causal, int matrices);
/// Bytes of online softmax with the Q loop outside and row tiles of `rows`: (1 + 2Tr)·N·d read, N·d written.
double bytes_of_rows(const Shape& s, std::int64_t rows);
/// Bytes of O.
double bytes_stored(const Shape& s);

/// The submission's kernels alone, without the first launch, which asks for its plan.
RunResult kernels_of(const Ran& ran);
/// Passed when at every case 32 bytes × what `count` counts stay within the gate of the case. `what` ends "… bytes"
/// ("loaded"); `remark`, if any, heads the detail of the case that does not.
Verdict gated(std::span<const Ran> ran, const Evidence& evidence, std::string_view what, Count count,
              double (*gate_of)(const Case&), std::string (*remark)(const Ran&) = nullptr);

std::uint64_t loaded_at(const SiteRecord& site);  ///< sectors of global loads and asynchronous copies
std::uint64_t stored_at(const SiteRecord& site);  ///< sectors of global stores and atomics
std::uint64_t sectors_at(const SiteRecord& site);
std::uint64_t excess_sectors_at(const SiteRecord& site);  ///< beyond four a request of 32 lanes of floats
std::uint64_t conflicts_at(const SiteRecord& site);
/// The lines of the submission that count most, with their share: up to four lines.
std::string worst_lines(const RunResult& result, const Evidence& evidence, Count count, std::string_view unit);

/// "1,234,567".
std::string grouped(std::uint64_t n);

/// A table of text: columns two spaces apart, numbers to the right but for the first column.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace flashlab::lab
