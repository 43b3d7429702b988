#pragma once
/// \file
/// What grader and submission say to each other: a job one way, a result the other. The grader believes nothing: a
/// result is read with bounds, and is taken only when it is whole and ends with the job's nonce.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/simt/checks.hpp"
#include "sim/simt/counters.hpp"

namespace flashlab::lab {

/// Device memory that the harness is given.
struct BufferSpec {
  std::uint64_t count = 0;    ///< floats
  std::vector<float> values;  ///< as many, or none: every float is a NaN
  bool output = false;        ///< sent back after the run
};

/// One run of a lab's harness.
struct Job {
  std::string nonce;                  ///< 32 bytes that no submission has seen
  std::vector<std::int64_t> numbers;  ///< shapes and choices; their meaning is the harness's
  std::vector<BufferSpec> buffers;
  bool races = true, unwritten = true;  ///< what the simt machine looks for
};

/// What one source instruction caused, with its place in the program's file.
struct SiteRecord {
  std::uint64_t address = 0;
  simt::Op op = simt::Op::load;
  simt::Space space = simt::Space::global;
  int width_bytes = 0;
  simt::MemoryCounters counters;
};

struct LaunchRecord {
  simt::Dim3 grid, block;
  std::uint64_t static_shared_bytes = 0, dynamic_shared_bytes = 0;
  simt::LaunchCounters counters;  ///< without sites
  std::vector<SiteRecord> sites;
};

struct FindingRecord {
  simt::Finding finding;
  std::uint64_t address = 0, other_address = 0;  ///< of site and other_site in the program's file; 0: none
};

struct RunResult {
  std::vector<std::int64_t> answers;  ///< what the harness noted: a plan's numbers
  std::vector<LaunchRecord> launches;
  std::vector<FindingRecord> findings;
  std::vector<std::vector<float>> outputs;  ///< of the buffers that are outputs, in their order
  int cuda_error = 0;                       ///< the first error of the harness's calls
  double card_ms = 0;                       ///< the least time of a run on a card; 0 on the simt machine
};

std::string write_job(const Job& job);
/// Throws std::runtime_error when it is no job.
Job read_job(const std::string& bytes);

std::string write_result(const RunResult& result, const Job& job);
/// The result, or nullopt with `why` when anything is missing, late, too long or odd.
std::optional<RunResult> read_result(const std::string& bytes, const Job& job, std::string& why);

}  // namespace flashlab::lab
