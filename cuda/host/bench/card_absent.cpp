// The card's side of a bench in a build without CUDA.
#include "cuda/host/bench/card.hpp"

namespace flashlab::gpu {

struct BenchCard::State {};

BenchCard::BenchCard(std::size_t) { require_card(); }  // throws: this build has no gpu machine
BenchCard::~BenchCard() = default;
void BenchCard::describe(BenchRun&) const {}
double BenchCard::flush_bytes() const { return 0; }
std::string BenchCard::open_cublas(std::span<const std::string>, std::string&) { return {}; }
std::vector<std::unique_ptr<Contender>> BenchCard::stages(std::span<const std::string>, bool) { return {}; }
std::unique_ptr<Contender> BenchCard::cublas() { return nullptr; }
Roof BenchCard::measure_roof(int, LoadMeter&) { return {}; }
bool BenchCard::usable() { return false; }
bool BenchCard::hangs() { return false; }

std::string pci_bus_id() { return {}; }
std::vector<KernelResources> kernel_resources(std::string_view, std::string_view, const BenchShape&) {
  require_card();
  return {};
}

}  // namespace flashlab::gpu
