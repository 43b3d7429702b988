// What device code calls: barriers, collectives, atomics, printf.

#include <fmt/format.h>

#include <bit>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "sim/simt/runtime/memory.hpp"
#include "sim/simt/runtime/record.hpp"

using namespace flashlab::simt;

namespace {

[[noreturn]] void outside(const char* what) {
  std::fprintf(stderr, "flashlab: %s outside of a kernel\n", what);
  std::abort();
}

Worker& worker_for(const char* what) {
  if (running.worker == nullptr) outside(what);
  return *running.worker;
}

template <class T>
T apply(int op, T old, T value, T compare) {
  if constexpr (std::is_integral_v<T>) {
    switch (op) {
      case 6:
        return old & value;
      case 7:
        return old | value;
      case 8:
        return old ^ value;
      case 9:
        return old >= value ? T{0} : old + 1;
      case 10:
        return old == 0 || old > value ? value : old - 1;
      default:
        break;
    }
  }
  switch (op) {
    case 0:
      if constexpr (std::is_integral_v<T>) {
        using U = std::make_unsigned_t<T>;
        return static_cast<T>(static_cast<U>(old) + static_cast<U>(value));
      } else
        return old + value;
    case 1:
      if constexpr (std::is_integral_v<T>) {
        using U = std::make_unsigned_t<T>;
        return static_cast<T>(static_cast<U>(old) - static_cast<U>(value));
      } else
        return old - value;
    case 2:
      return value;
    case 3:
      return old == compare ? value : old;
    case 4:
      return value < old ? value : old;
    case 5:
      return old < value ? value : old;
    default:
      return old;
  }
}

// Global atomics wait for all earlier blocks, so that plain memory operations are atomic enough.
template <class T>
T atomic(void* p, int op, T value, T compare, const void* where) {
  Worker& worker = worker_for("an atomic");
  record_access(p, sizeof(T) == 4 ? Kind::atomic4 : Kind::atomic8, where);
  const Offset offset = offset_of(p);
  if (offset >= kWindowBytes || !is_shared(offset)) worker.before_global_atomic();
  if (offset < kWindowBytes && !is_shared(offset)) device_memory::mark_written(offset, sizeof(T));
  T old;
  std::memcpy(&old, p, sizeof(T));
  const T now = apply(op, old, value, compare);
  std::memcpy(p, &now, sizeof(T));
  return old;
}

}  // namespace

#define FLASHLAB_HERE __builtin_return_address(0)

extern "C" {

int flashlab_barrier(int kind, int predicate) {
  Worker& worker = worker_for("__syncthreads()");
  const std::uint32_t site = site_of(FLASHLAB_HERE);
  const auto barrier = static_cast<BarrierKind>(kind);
  return barrier == BarrierKind::plain ? worker.barrier(site) : worker.barrier_with(barrier, predicate, site);
}

void flashlab_syncwarp(std::uint32_t mask) {
  Worker& worker = worker_for("__syncwarp()");
  worker.leave(worker.meet(CollectiveKind::sync, mask, 0, site_of(FLASHLAB_HERE)));
}

std::uint64_t flashlab_shuffle(int kind, std::uint32_t mask, std::uint64_t value, int lane, int width) {
  Worker& worker = worker_for("a shuffle");
  Meeting& m = worker.meet(CollectiveKind::shuffle, mask, value, site_of(FLASHLAB_HERE));
  const int self = running.lane->index;
  const int begin = self & ~(width - 1), end = begin + width;
  int from = self;
  switch (kind) {
    case 0:
      from = begin + (lane & (width - 1));
      break;
    case 1:
      from = self - lane < begin ? self : self - lane;
      break;
    case 2:
      from = self + lane >= end ? self : self + lane;
      break;
    case 3:
      from = (self ^ lane) >= end ? self : self ^ lane;
      break;
  }
  const std::uint64_t result = m.mask >> from & 1 ? m.values[from] : value;
  worker.leave(m);
  return result;
}

std::uint32_t flashlab_vote(int kind, std::uint32_t mask, int predicate) {
  Worker& worker = worker_for("a vote");
  Meeting& m = worker.meet(CollectiveKind::vote, mask, predicate != 0, site_of(FLASHLAB_HERE));
  std::uint32_t ballot = 0;
  for (std::uint32_t left = m.mask; left != 0; left &= left - 1) {
    const int i = std::countr_zero(left);
    ballot |= static_cast<std::uint32_t>(m.values[i]) << i;
  }
  const std::uint32_t all = m.mask;
  worker.leave(m);
  return kind == 0   ? ballot
         : kind == 1 ? ballot != 0
         : kind == 2 ? ballot == all
                     : ballot == all || ballot == 0;
}

std::uint32_t flashlab_match(bool all, std::uint32_t mask, std::uint64_t value, int* predicate) {
  Worker& worker = worker_for("a match");
  Meeting& m = worker.meet(CollectiveKind::match, mask, value, site_of(FLASHLAB_HERE));
  std::uint32_t same = 0;
  for (std::uint32_t left = m.mask; left != 0; left &= left - 1) {
    const int i = std::countr_zero(left);
    same |= static_cast<std::uint32_t>(m.values[i] == value) << i;
  }
  const bool everyone = same == m.mask;
  worker.leave(m);
  if (!all) return same;
  if (predicate != nullptr) *predicate = everyone;
  return everyone ? same : 0;
}

std::uint32_t flashlab_reduce(int kind, std::uint32_t mask, std::uint32_t value, bool is_signed) {
  Worker& worker = worker_for("a warp reduction");
  Meeting& m = worker.meet(CollectiveKind::reduce, mask, value, site_of(FLASHLAB_HERE));
  bool first = true;
  std::uint32_t sum = 0;
  for (std::uint32_t left = m.mask; left != 0; left &= left - 1) {
    const auto v = static_cast<std::uint32_t>(m.values[std::countr_zero(left)]);
    const bool less = is_signed ? static_cast<std::int32_t>(v) < static_cast<std::int32_t>(sum) : v < sum;
    if (std::exchange(first, false)) {
      sum = v;
      continue;
    }
    switch (kind) {
      case 0:
        sum += v;
        break;
      case 1:
        sum = less ? v : sum;
        break;
      case 2:
        sum = less ? sum : v;
        break;
      case 3:
        sum &= v;
        break;
      case 4:
        sum |= v;
        break;
      case 5:
        sum ^= v;
        break;
    }
  }
  worker.leave(m);
  return sum;
}

std::uint32_t flashlab_activemask() {
  return worker_for("__activemask()").converged_lanes(site_of(FLASHLAB_HERE));
}
void flashlab_fence() {}

// A clock that ticks an access: deterministic, and a difference that grows with work.
std::uint64_t flashlab_clock() {
  static thread_local std::uint64_t ticks = 0;
  return ticks += 4;
}

void flashlab_trap() {
  worker_for("__trap()")
      .find(FindingKind::trap, site_of(FLASHLAB_HERE), "the kernel trapped", "__trap() ends the launch");
}

std::uint32_t flashlab_atomic_i32(void* p, int op, std::uint32_t v, std::uint32_t c) {
  return static_cast<std::uint32_t>(
      atomic<std::int32_t>(p, op, static_cast<std::int32_t>(v), static_cast<std::int32_t>(c), FLASHLAB_HERE));
}
std::uint32_t flashlab_atomic_u32(void* p, int op, std::uint32_t v, std::uint32_t c) {
  return atomic<std::uint32_t>(p, op, v, c, FLASHLAB_HERE);
}
std::uint64_t flashlab_atomic_i64(void* p, int op, std::uint64_t v, std::uint64_t c) {
  return static_cast<std::uint64_t>(
      atomic<std::int64_t>(p, op, static_cast<std::int64_t>(v), static_cast<std::int64_t>(c), FLASHLAB_HERE));
}
std::uint64_t flashlab_atomic_u64(void* p, int op, std::uint64_t v, std::uint64_t c) {
  return atomic<std::uint64_t>(p, op, v, c, FLASHLAB_HERE);
}
float flashlab_atomic_f32(void* p, int op, float v, float c) {
  return atomic<float>(p, op, v, c, FLASHLAB_HERE);
}
double flashlab_atomic_f64(void* p, int op, double v, double c) {
  return atomic<double>(p, op, v, c, FLASHLAB_HERE);
}

// Half a word counts, like a whole one, as an access to its word.
std::uint32_t flashlab_atomic_with(void* p, int bytes, std::uint32_t value,
                                   std::uint32_t (*now)(std::uint32_t, std::uint32_t)) {
  Worker& worker = worker_for("an atomic");
  void* word =
      reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(p) & ~std::uintptr_t(bytes == 2 ? 2 : 0));
  record_access(word, Kind::atomic4, FLASHLAB_HERE);
  const Offset offset = offset_of(word);
  if (offset >= kWindowBytes || !is_shared(offset)) worker.before_global_atomic();
  if (offset < kWindowBytes && !is_shared(offset)) device_memory::mark_written(offset, 4);
  std::uint32_t old = 0;
  std::memcpy(&old, p, static_cast<std::size_t>(bytes));
  const std::uint32_t result = now(old, value);
  std::memcpy(p, &result, static_cast<std::size_t>(bytes));
  return old;
}

std::uint32_t flashlab_place_shared(std::size_t bytes, std::size_t alignment) {
  return device_memory::place_shared(bytes, alignment);
}
void* flashlab_shared(std::uint32_t offset, std::uint32_t bytes) {
  return worker_for("a __shared__ variable").shared_slot(offset, bytes);
}
void* flashlab_dynamic_shared() { return worker_for("dynamic shared memory").dynamic_shared(); }

int flashlab_printf(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length;
  if (running.worker == nullptr) {
    length = std::vprintf(format, arguments);
  } else {
    char text[4096];
    length = std::vsnprintf(text, sizeof text, format, arguments);
    if (length > 0)
      running.worker->print(text, std::min<std::size_t>(static_cast<std::size_t>(length), sizeof text - 1));
  }
  va_end(arguments);
  return length;
}

[[noreturn]] void flashlab_assert_fail(const char* expression, const char* file, unsigned line,
                                       const char* function) {
  if (running.worker != nullptr) {
    running.worker->find(FindingKind::trap, site_of(FLASHLAB_HERE),
                         fmt::format("assertion `{}` failed at {}:{} in {}", expression, file, line, function),
                         "the assertion states a condition that this thread does not meet");
  }
  std::fprintf(stderr, "%s:%u: %s: Assertion `%s' failed.\n", file, line, function, expression);
  std::abort();
}
}
