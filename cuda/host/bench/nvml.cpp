#include "cuda/host/bench/nvml.hpp"

#include <dlfcn.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace flashlab::gpu {
namespace {

// Of nvml.h, whose interface is frozen by name: handles are pointers, 0 is success.
using Device = void*;
constexpr unsigned kSmClock = 1;  // NVML_CLOCK_SM

struct Mean {
  double sum = 0;
  int count = 0;
  void add(double value) { sum += value, ++count; }
  double value() const { return count > 0 ? sum / count : kUnknown; }
};

}  // namespace

struct NvmlMeter::State {
  std::string problem;
  Device device = nullptr;
  int (*clock_info)(Device, unsigned, unsigned*) = nullptr;
  int (*power_usage)(Device, unsigned*) = nullptr;
  int (*driver_version)(char*, unsigned) = nullptr;
  std::thread sampler;
  std::atomic<bool> running{false};
  Mean clock, power;

  void sample() {
    unsigned value = 0;
    if (clock_info(device, kSmClock, &value) == 0) clock.add(value);
    if (power_usage(device, &value) == 0) power.add(value * 1e-3);  // milliwatts
  }
  void finish() {
    running = false;
    if (sampler.joinable()) sampler.join();
  }
};

NvmlMeter::NvmlMeter(const std::string& pci_bus_id) : state_(std::make_unique<State>()) {
  State& s = *state_;
  void* const nvml = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!nvml) {
    s.problem = "libnvidia-ml.so.1 is not installed: clock and power are unknown";
    return;
  }
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(nvml, name));
    return function != nullptr;
  };
  int (*init)() = nullptr;
  int (*by_bus_id)(const char*, Device*) = nullptr;
  if (!find(init, "nvmlInit_v2") || !find(by_bus_id, "nvmlDeviceGetHandleByPciBusId_v2") ||
      !find(s.clock_info, "nvmlDeviceGetClockInfo") || !find(s.power_usage, "nvmlDeviceGetPowerUsage")) {
    s.problem = "libnvidia-ml.so.1 lacks functions that every driver has: clock and power are unknown";
    return;
  }
  find(s.driver_version, "nvmlSystemGetDriverVersion");
  if (const int error = init(); error != 0) {
    s.problem = "NVML does not start (error " + std::to_string(error) + "): clock and power are unknown";
    s.driver_version = nullptr;
  } else if (const int missing = by_bus_id(pci_bus_id.c_str(), &s.device); missing != 0) {
    s.problem = "NVML does not know the card at " + pci_bus_id + ": clock and power are unknown";
  }
}

NvmlMeter::~NvmlMeter() { state_->finish(); }

void NvmlMeter::start() {
  State& s = *state_;
  if (!s.problem.empty()) return;
  s.finish();
  s.clock = s.power = {};
  s.running = true;
  s.sampler = std::thread([&s] {
    while (s.running) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      s.sample();
    }
  });
}

Load NvmlMeter::stop() {
  State& s = *state_;
  if (!s.problem.empty()) return {};
  s.finish();
  if (s.clock.count == 0) s.sample();
  return {s.clock.value(), s.power.value()};
}

const std::string& NvmlMeter::problem() const { return state_->problem; }

std::string NvmlMeter::driver_version() const {
  char text[96] = "";
  return state_->driver_version && state_->driver_version(text, sizeof text) == 0 ? text : "unknown";
}

}  // namespace flashlab::gpu
