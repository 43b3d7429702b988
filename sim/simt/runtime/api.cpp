// The CUDA runtime: memory, errors, events, properties. Everything is synchronous.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "sim/core/error.hpp"
#include "sim/simt/launch.hpp"
#include "sim/simt/runtime/device_facts.hpp"
#include "sim/simt/runtime/memory.hpp"
#include "sim/simt/runtime/status.hpp"
#include "sim/simt/runtime/worker.hpp"

#include <cuda_runtime_api.h>

namespace flashlab::simt::status {
namespace {
int current = 0;
bool is_sticky = false;
}  // namespace

int set(int error) {
  if (error != 0 && !is_sticky) current = error;
  return error;
}
int set_sticky(int error) {
  current = error;
  is_sticky = true;
  return error;
}
bool sticky() { return is_sticky; }
int last() { return current; }
int take_last() {
  const int error = current;
  if (!is_sticky) current = 0;
  return error;
}
void forget() {  // cudaDeviceReset
  current = 0;
  is_sticky = false;
}

struct Name {
  int error;
  const char *name, *text;
};
constexpr Name kNames[] = {
    {0, "cudaSuccess", "no error"},
    {1, "cudaErrorInvalidValue", "invalid argument"},
    {2, "cudaErrorMemoryAllocation", "out of memory"},
    {9, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {13, "cudaErrorInvalidSymbol", "invalid device symbol"},
    {17, "cudaErrorInvalidDevicePointer", "invalid device pointer"},
    {21, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {100, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {101, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {400, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {600, "cudaErrorNotReady", "device not ready"},
    {700, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {719, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {801, "cudaErrorNotSupported", "operation not supported"},
};
const Name& entry(int error) {
  static constexpr Name unknown{999, "cudaErrorUnknown", "unknown error"};
  for (const Name& n : kNames) {
    if (n.error == error) return n;
  }
  return unknown;
}
const char* name_of(int error) { return entry(error).name; }
const char* text_of(int error) { return entry(error).text; }

}  // namespace flashlab::simt::status

using namespace flashlab::simt;

namespace flashlab::simt {
namespace {
DeviceFacts& facts() {
  static auto* const f = new DeviceFacts;
  return *f;
}
}  // namespace
const DeviceFacts& device_facts() { return facts(); }
void set_device_facts(DeviceFacts f) { facts() = std::move(f); }
}  // namespace flashlab::simt

namespace {

cudaError_t answer(int error) { return static_cast<cudaError_t>(status::set(error)); }

// How many bytes from p on may be used, when p lies in device memory or in a variable; null for host memory.
const Allocation* device_range(const void* p) {
  const Offset offset = offset_of(p);
  return offset < kSharedBegin ? device_memory::find(offset, 0, 0) : nullptr;
}

bool fits(const void* p, std::size_t bytes) {
  const Offset offset = offset_of(p);
  if (offset >= kWindowBytes) return true;
  const Allocation* a = device_range(p);
  return a != nullptr && bytes <= a->end - offset;
}

void note(FindingKind kind, std::string what, std::string cause);

}  // namespace

struct flashlab_event {
  std::chrono::steady_clock::time_point at;
  bool recorded;
};

extern "C" {

cudaError_t flashlab_malloc(void** p, std::size_t bytes, int kind) {
  if (p == nullptr) return answer(status::kInvalidValue);
  *p = nullptr;
  if (status::sticky()) return cudaError_t(status::last());
  if (bytes == 0) return cudaSuccess;
  try {
    *p = device_memory::allocate(bytes, static_cast<MemoryKind>(kind));
  } catch (const flashlab::EnvironmentError& e) {
    std::fprintf(stderr, "flashlab: %s\n", e.what());
  }
  // The host writes to managed and pinned memory as it likes, unseen: all of it counts as written.
  if (*p != nullptr && kind != 0) device_memory::mark_written(offset_of(*p), bytes);
  return *p == nullptr ? answer(status::kMemoryAllocation) : cudaSuccess;
}

cudaError_t cudaFree(void* p) {
  if (p == nullptr || device_memory::release(p)) return cudaSuccess;
  return answer(status::kInvalidDevicePointer);
}
cudaError_t cudaFreeHost(void* p) { return cudaFree(p); }

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  if (status::sticky()) return cudaError_t(status::last());
  if (bytes == 0) return cudaSuccess;
  if (to == nullptr || from == nullptr || !fits(to, bytes) || !fits(from, bytes))
    return answer(status::kInvalidValue);
  const Offset source = offset_of(from), target = offset_of(to);
  if (source < kWindowBytes) {
    const Allocation* a = device_range(from);
    if (const Offset bad = device_memory::first_unwritten(source, bytes);
        a->kind == MemoryKind::device && bad < source + bytes) {
      note(FindingKind::unwritten_read,
           "cudaMemcpy copies byte " + std::to_string(bad - a->begin) + " of " + a->name +
               ", which nothing has written",
           "a kernel was to fill the whole array and left elements out, often in the last block");
    }
  }
  std::memmove(to, from, bytes);
  if (target < kWindowBytes) device_memory::mark_written(target, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                         std::size_t width, std::size_t height, cudaMemcpyKind kind) {
  for (std::size_t row = 0; row < height; ++row) {
    const cudaError_t e = cudaMemcpy(static_cast<char*>(to) + row * to_pitch,
                                     static_cast<const char*>(from) + row * from_pitch, width, kind);
    if (e != cudaSuccess) return e;
  }
  return cudaSuccess;
}

cudaError_t cudaMemset(void* p, int value, std::size_t bytes) {
  if (status::sticky()) return cudaError_t(status::last());
  if (bytes == 0) return cudaSuccess;
  if (p == nullptr || device_range(p) == nullptr || !fits(p, bytes)) return answer(status::kInvalidValue);
  std::memset(p, value, bytes);
  device_memory::mark_written(offset_of(p), bytes);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
  *total_bytes = device_memory::bytes_total();
  *free_bytes = *total_bytes - device_memory::bytes_in_use();
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() { return cudaError_t(status::sticky() ? status::last() : 0); }
cudaError_t cudaDeviceReset() {
  for (const Allocation& a : device_memory::live_allocations())
    device_memory::release(device_memory::pointer(a.begin));
  status::forget();
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return cudaError_t(status::take_last()); }
cudaError_t cudaPeekAtLastError() { return cudaError_t(status::last()); }
const char* cudaGetErrorString(cudaError_t e) { return status::text_of(e); }
const char* cudaGetErrorName(cudaError_t e) { return status::name_of(e); }
int flashlab_set_error(int error) { return status::set(error); }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : answer(status::kInvalidDevice); }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  if (device != 0) return answer(status::kInvalidDevice);
  *p = {};
  const DeviceFacts& facts = device_facts();
  std::snprintf(p->name, sizeof p->name, "Flashlab simt machine (as %s)", facts.card.c_str());
  p->totalGlobalMem = device_memory::bytes_total();
  p->sharedMemPerBlock = 48 << 10;
  p->sharedMemPerBlockOptin = facts.shared_bytes_per_block;
  p->sharedMemPerMultiprocessor = facts.shared_bytes_per_sm;
  p->totalConstMem = 64 << 10;
  p->memPitch = 0x7FFFFFFF;
  p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->warpSize = 32;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
  p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = 0x7FFFFFFF;
  p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->clockRate = facts.clock_khz;
  p->major = facts.major;
  p->minor = facts.minor;
  p->multiProcessorCount = facts.sm_count;
  p->memoryClockRate = facts.memory_clock_khz;
  p->memoryBusWidth = facts.memory_bus_bits;
  p->l2CacheSize = static_cast<int>(facts.l2_bytes);
  p->maxThreadsPerMultiProcessor = facts.threads_per_sm;
  p->maxBlocksPerMultiProcessor = facts.blocks_per_sm;
  p->unifiedAddressing = p->managedMemory = p->canMapHostMemory = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  if (const cudaError_t e = cudaGetDeviceProperties(&p, device); e != cudaSuccess) return e;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = p.maxThreadsPerBlock;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(p.sharedMemPerBlock);
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(p.sharedMemPerBlockOptin);
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = static_cast<int>(p.sharedMemPerMultiprocessor);
      break;
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      *value = p.regsPerMultiprocessor;
      break;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      *value = p.maxBlocksPerMultiProcessor;
      break;
    case cudaDevAttrWarpSize:
      *value = p.warpSize;
      break;
    case cudaDevAttrClockRate:
      *value = p.clockRate;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = p.multiProcessorCount;
      break;
    case cudaDevAttrMemoryClockRate:
      *value = p.memoryClockRate;
      break;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = p.memoryBusWidth;
      break;
    case cudaDevAttrL2CacheSize:
      *value = p.l2CacheSize;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = p.maxThreadsPerMultiProcessor;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = p.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = p.minor;
      break;
    case cudaDevAttrCooperativeLaunch:
      *value = 0;
      break;
    default:
      return answer(status::kInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new flashlab_event{};
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  if (event == nullptr) return answer(status::kInvalidResourceHandle);
  *event = {std::chrono::steady_clock::now(), true};
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return event == nullptr ? answer(status::kInvalidResourceHandle) : cudaDeviceSynchronize();
}

// Time on this machine, which says nothing about the card's.
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
  if (from == nullptr || to == nullptr || !from->recorded || !to->recorded)
    return answer(status::kInvalidResourceHandle);
  *ms = std::chrono::duration<float, std::milli>(to->at - from->at).count();
  return cudaSuccess;
}

cudaError_t flashlab_copy_symbol(void* symbol, std::size_t symbol_bytes, void* other, std::size_t bytes,
                                 std::size_t offset, int to_symbol) {
  if (offset > symbol_bytes || bytes > symbol_bytes - offset || !fits(other, bytes))
    return answer(status::kInvalidValue);
  char* at = static_cast<char*>(symbol) + offset;
  to_symbol != 0 ? std::memcpy(at, other, bytes) : std::memcpy(other, at, bytes);
  return cudaSuccess;
}

cudaError_t flashlab_occupancy(int* blocks, int threads, std::size_t shared_bytes) {
  if (threads <= 0 || threads > 1024) return answer(status::kInvalidValue);
  const DeviceFacts& facts = device_facts();
  const int by_threads = facts.threads_per_sm / ((threads + 31) / 32 * 32);
  const std::size_t block_bytes = shared_bytes + facts.shared_bytes_reserved;
  const int by_shared =
      block_bytes == 0 ? facts.blocks_per_sm : static_cast<int>(facts.shared_bytes_per_sm / block_bytes);
  *blocks = std::min({facts.blocks_per_sm, by_threads, by_shared});
  return cudaSuccess;
}

cudaError_t flashlab_function_attributes(cudaFuncAttributes* a) {
  *a = {};
  a->maxThreadsPerBlock = 1024;
  a->numRegs = 32;  // unknown to a host compiler
  a->maxDynamicSharedSizeBytes = 48 << 10;
  return cudaSuccess;
}
}

namespace {
void note(FindingKind kind, std::string what, std::string cause) {
  Finding finding{};
  finding.kind = kind;
  finding.what = std::move(what);
  finding.cause = std::move(cause);
  add_finding(std::move(finding));
}
}  // namespace
