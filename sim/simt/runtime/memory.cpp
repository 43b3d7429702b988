#include "sim/simt/runtime/memory.hpp"

#include "sim/simt/runtime/module.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>

#include "sim/core/error.hpp"
#include "sim/core/text.hpp"

namespace flashlab::simt {

void reserve_window() {
  static const bool done = [] {
    void* wanted = reinterpret_cast<void*>(kWindowBase);
    void* got = mmap(wanted, kWindowBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != wanted) {
      throw EnvironmentError(
          "the simt machine cannot reserve 64 GiB of addresses (no memory is used by that): "
          "lift `ulimit -v`, or set vm.overcommit_memory to 0 or 1");
    }
    madvise(wanted, kWindowBytes, MADV_DONTDUMP);
    return true;
  }();
  (void)done;
}

namespace device_memory {
namespace {

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kRedzone = 256;  // at least; an index that is off by a row of 64 floats still lands in it
constexpr std::size_t kSharedRedzone = 128;  // a multiple of the banks' width, so that banks stay as declared
constexpr std::size_t kSectorBytes = 32;

struct State {
  std::map<Offset, Allocation> live;
  std::map<Offset, Offset> free_ranges{{kGlobalBegin, kImageBegin}};  // begin → end
  std::vector<Allocation> shared_slots;                               // relative to a worker's shared memory
  std::uint64_t count = 0;
  std::size_t in_use = 0;
  std::uint8_t* written = nullptr;  // a bit a word, a byte a sector, for all of the window below kSharedBegin
  bool tracks = false;
  bool image_closed = false;
};

State& state() {
  static auto* const s = new State;  // never destroyed: programs free memory while they end
  return *s;
}

std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

Allocation dynamic_array(Offset shared_base, std::uint32_t bytes) {
  const Offset begin = shared_base + kDynamicShared;
  return {begin, begin + bytes, MemoryKind::shared, fmt::format("dynamic shared memory ({} bytes)", bytes)};
}

Allocation image() {
  const std::size_t bytes = static_cast<std::size_t>(own_module().end - own_module().constants_end);
  return {kImageBegin, kImageBegin + bytes, MemoryKind::variable,
          "the program's __device__ and __constant__ variables"};
}

}  // namespace

void* allocate(std::size_t bytes, MemoryKind kind) {
  reserve_window();
  State& s = state();
  if (bytes == 0 || bytes > bytes_total() - std::min(bytes_total(), s.in_use)) return nullptr;
  const std::size_t taken = round_up(bytes + kRedzone, kAlignment);
  for (auto it = s.free_ranges.begin(); it != s.free_ranges.end(); ++it) {
    const auto [begin, end] = *it;
    if (end - begin < taken) continue;
    s.free_ranges.erase(it);
    if (begin + taken < end) s.free_ranges[begin + taken] = end;
    s.live[begin] = {begin, begin + bytes, kind, fmt::format("allocation {} ({} bytes)", ++s.count, bytes)};
    s.in_use += bytes;
    return pointer_of(begin);
  }
  return nullptr;
}

bool release(void* p) {
  State& s = state();
  const auto it = s.live.find(offset_of(p));
  if (it == s.live.end()) return false;
  const std::size_t bytes = it->second.end - it->second.begin;
  Offset begin = it->first, end = begin + round_up(bytes + kRedzone, kAlignment);
  s.in_use -= bytes;
  s.live.erase(it);
  if (s.written != nullptr) {
    std::fill(s.written + begin / kSectorBytes, s.written + end / kSectorBytes, std::uint8_t{0});
  }
  if (bytes >= 1 << 20) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const Offset inner = round_up(begin, page);
    madvise(pointer_of(inner), (begin + bytes - inner) / page * page, MADV_DONTNEED);
  }
  const auto next = s.free_ranges.lower_bound(begin);
  if (next != s.free_ranges.end() && next->first == end) {
    end = next->second;
    s.free_ranges.erase(next);
  }
  auto before = s.free_ranges.lower_bound(begin);
  if (before != s.free_ranges.begin() && (--before)->second == begin) {
    before->second = end;
  } else {
    s.free_ranges[begin] = end;
  }
  return true;
}

std::size_t bytes_in_use() { return state().in_use; }

std::size_t bytes_total() {
  static const std::size_t total =
      std::min<std::size_t>(static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) *
                                static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) / 5 * 4,
                            kImageBegin - kGlobalBegin);
  return total;
}

const Allocation* find(Offset offset, Offset shared_base, std::uint32_t dynamic_shared_bytes) {
  State& s = state();
  thread_local Allocation answer;
  if (is_shared(offset)) {
    answer = dynamic_array(shared_base, dynamic_shared_bytes);
    if (answer.contains(offset)) return &answer;
    const auto it = std::upper_bound(s.shared_slots.begin(), s.shared_slots.end(), offset - shared_base,
                                     [](Offset o, const Allocation& a) { return o < a.begin; });
    if (it == s.shared_slots.begin()) return nullptr;
    answer = *std::prev(it);
    answer.begin += shared_base;
    answer.end += shared_base;
    return answer.contains(offset) ? &answer : nullptr;
  }
  if (offset >= kImageBegin) {
    answer = image();
    return answer.contains(offset) ? &answer : nullptr;
  }
  auto it = s.live.upper_bound(offset);
  if (it == s.live.begin()) return nullptr;
  --it;
  return it->second.contains(offset) ? &it->second : nullptr;
}

std::string hex_address(Offset offset) { return fmt::format("{:#x}", kWindowBase + offset); }

std::string neighbourhood(Offset offset, Offset shared_base, std::uint32_t dynamic_shared_bytes) {
  State& s = state();
  const auto say = [&](const Allocation& before) {
    return fmt::format("{} bytes after the end of {}", offset - before.end, before.name);
  };
  if (is_shared(offset)) {
    const Allocation dynamic = dynamic_array(shared_base, dynamic_shared_bytes);
    if (offset >= dynamic.end) return say(dynamic);
    const auto it = std::upper_bound(s.shared_slots.begin(), s.shared_slots.end(), offset - shared_base,
                                     [](Offset o, const Allocation& a) { return o < a.begin; });
    if (it == s.shared_slots.begin()) return "before all shared memory";
    Allocation before = *std::prev(it);
    before.end += shared_base;
    return say(before);
  }
  const auto after = s.live.upper_bound(offset);
  const bool has_before = after != s.live.begin();
  const Offset past = has_before ? offset - std::prev(after)->second.end : ~Offset{0};
  if (after != s.live.end() && after->first - offset <= 4096 && after->first - offset < past) {
    return fmt::format("{} bytes before {}", after->first - offset, after->second.name);
  }
  if (!has_before) return "near no allocation: a null or freed pointer";
  return say(std::prev(after)->second);
}

std::vector<Allocation> live_allocations() {
  std::vector<Allocation> all;
  for (const auto& [begin, a] : state().live) all.push_back(a);
  return all;
}

void close_image(bool closed) { state().image_closed = closed; }
bool image_is_closed() { return state().image_closed; }

Offset image_offset(const void* p) {
  if (state().image_closed) return 0;
  const char* c = static_cast<const char*>(p);
  const Module& module = own_module();
  if (c < module.constants_end || c >= module.end) return 0;
  return kImageBegin + static_cast<Offset>(c - module.constants_end);
}

void* pointer(Offset offset) {
  if (offset >= kImageBegin && offset < kSharedBegin)
    return const_cast<char*>(own_module().constants_end) + (offset - kImageBegin);
  return pointer_of(offset);
}

void track_writes(bool on) {
  State& s = state();
  if (on && s.written == nullptr) {
    void* p = mmap(nullptr, kSharedBegin / kSectorBytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw EnvironmentError("no address space left to note which memory has been written");
    s.written = static_cast<std::uint8_t*>(p);
  }
  s.tracks = on;
}

bool tracks_writes() { return state().tracks; }
const std::uint8_t* written_words() { return state().tracks ? state().written : nullptr; }

void mark_written(Offset begin, std::size_t bytes) {
  State& s = state();
  if (!s.tracks || begin >= kImageBegin) return;
  for (Offset sector = begin / kSectorBytes; sector <= (begin + bytes - 1) / kSectorBytes && bytes != 0;
       ++sector) {
    const Offset low = std::max(begin, sector * kSectorBytes) % kSectorBytes / 4;
    const Offset high = (std::min(begin + bytes, (sector + 1) * kSectorBytes) - 1) % kSectorBytes / 4;
    const auto mask = static_cast<std::uint8_t>(((1u << (high + 1)) - 1) & ~((1u << low) - 1));
    std::atomic_ref<std::uint8_t> bits(s.written[sector]);
    if ((bits.load(std::memory_order_relaxed) & mask) != mask) bits.fetch_or(mask, std::memory_order_relaxed);
  }
}

Offset first_unwritten(Offset begin, std::size_t bytes) {
  const State& s = state();
  const Offset end = begin + bytes;
  if (!s.tracks || begin >= kImageBegin) return end;
  for (Offset at = begin; at < end;) {
    const Offset sector = at / kSectorBytes;
    const std::uint8_t bits = s.written[sector];
    if (bits == 0xFF) {
      at = (sector + 1) * kSectorBytes;
      continue;
    }
    if ((bits >> (at % kSectorBytes / 4) & 1) == 0) return at;
    at = at / 4 * 4 + 4;
  }
  return end;
}

std::uint32_t place_shared(std::size_t bytes, std::size_t alignment) {
  static std::uint32_t next = 0;
  (void)alignment;  // each array starts at a multiple of 128, which serves every type and keeps its banks
  State& s = state();
  const std::uint32_t begin = next;
  const std::size_t taken = round_up(bytes + kSharedRedzone, 128);
  if (begin + taken > kDynamicShared)
    throw EnvironmentError("the program declares more than 8 MiB of __shared__ variables");
  next += static_cast<std::uint32_t>(taken);
  s.shared_slots.push_back(
      {begin, begin + bytes, MemoryKind::shared, fmt::format("a __shared__ array ({} bytes)", bytes)});
  return begin;
}

}  // namespace device_memory
}  // namespace flashlab::simt
