#include "sim/simt/runtime/host_access.hpp"

#include <fmt/format.h>

#include <mutex>
#include <set>

#include "sim/simt/launch.hpp"
#include "sim/simt/runtime/memory.hpp"

namespace flashlab::simt {

void note_host_access(Kind kind, Offset offset, std::uint32_t site) {
  static auto& mutex = *new std::mutex;
  static auto& known = *new std::set<std::uint32_t>;
  const std::lock_guard lock(mutex);
  const Allocation* in = is_shared(offset) ? nullptr : device_memory::find(offset, 0, 0);
  if (in != nullptr && in->kind != MemoryKind::device) return;
  if (!known.insert(site).second) return;
  Finding finding{};
  finding.kind = FindingKind::device_pointer;
  finding.site = site;
  finding.what = fmt::format("host code {} {} bytes at {}, {}", op_of(kind) == Op::store ? "writes" : "reads",
                             width_of(kind), device_memory::hex_address(offset),
                             in != nullptr ? fmt::format("byte {} of {}", offset - in->begin, in->name)
                                           : "memory of the device that is not allocated");
  finding.cause =
      "with a card this is a segmentation fault: copy the data with cudaMemcpy, or take cudaMallocManaged";
  add_finding(std::move(finding));
}

}  // namespace flashlab::simt
