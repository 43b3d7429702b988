#pragma once
/// \file
/// The card's side of a bench: our stages and cuBLAS as contenders, the roof, and the resources of every kernel.
/// Plain C++; a build without CUDA has it too, and says what is missing.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cuda/host/bench/contender.hpp"

namespace flashlab::gpu {

/// What one kernel of a stage takes on the card, as it is launched at one shape.
struct KernelResources {
  std::string stage, without, kernel;
  BenchShape shape;
  int threads = 0;              ///< of a block
  int registers = 0;            ///< of a thread
  std::size_t local_bytes = 0;  ///< of a thread: arrays that did not fit in registers, and spills
  std::size_t static_shared_bytes = 0, dynamic_shared_bytes = 0;  ///< of a block
  int blocks_per_sm = 0;
  double occupancy = 0;  ///< warps that are resident at once ÷ warps that the SM can hold
  double blocks = 0;     ///< of the grid
};

/// The current card with a stream, a buffer to empty the L2 with, and cuBLAS when it is found.
class BenchCard {
 public:
  /// Throws EnvironmentError when there is no card, no driver, or no CUDA in this build.
  /// `flush_bytes` is what empties the L2; 0: four times its size.
  explicit BenchCard(std::size_t flush_bytes = 0);
  ~BenchCard();

  /// Name, capability, SMs, memory, toolkit; the driver's version is NVML's to say.
  void describe(BenchRun& run) const;
  double flush_bytes() const;

  /// Looks for libcublas: where the loader looks, then in `folders`. Returns its version, or "" and why not in `problem`.
  std::string open_cublas(std::span<const std::string> folders, std::string& problem);

  /// The stages of these slugs, with `ablate` each variant of theirs too; and "cublas" when it is open. They use this
  /// card and must not outlive it.
  std::vector<std::unique_ptr<Contender>> stages(std::span<const std::string> slugs, bool ablate);
  std::unique_ptr<Contender> cublas();

  /// Copy bandwidth and, with cuBLAS, products of 8192³; the median of `runs`.
  Roof measure_roof(int runs, LoadMeter& meter);

  /// Whether the card still takes work: false after a kernel has faulted.
  bool usable();

  /// Whether a kernel did not end: then this process must end by std::_Exit, because CUDA would wait for it.
  static bool hangs();

  /// The kernels that a stage launches at that shape; empty when it refuses the shape.
  std::vector<KernelResources> resources(std::string_view slug, std::string_view without,
                                         const BenchShape& shape);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

/// Where the current card sits, as CUDA writes it: "0000:1b:00.0".
std::string pci_bus_id();

/// The kernels that a stage launches at that shape; empty when it refuses the shape. Nothing runs.
std::vector<KernelResources> kernel_resources(std::string_view slug, std::string_view without,
                                              const BenchShape& shape);

}  // namespace flashlab::gpu
