#pragma once
/// \file
/// Clock, power and driver version of a card through NVML, which is opened at run time: without it they are unknown.

#include <memory>
#include <string>

#include "cuda/host/bench/contender.hpp"

namespace flashlab::gpu {

/// Samples SM clock and board power every few milliseconds in a thread of its own, from start() to stop().
/// `pci_bus_id` as CUDA writes it ("0000:1b:00.0"): NVML counts cards without regard to CUDA_VISIBLE_DEVICES.
class NvmlMeter : public LoadMeter {
 public:
  explicit NvmlMeter(const std::string& pci_bus_id);
  ~NvmlMeter() override;
  void start() override;
  Load stop() override;
  /// Why there is nothing to read; "" when all is well.
  const std::string& problem() const;
  std::string driver_version() const;  ///< "unknown" without NVML

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace flashlab::gpu
