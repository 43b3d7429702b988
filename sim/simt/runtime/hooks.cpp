// The functions that `-fsanitize=thread` makes the compiler call before every load and store. The sanitizer's own
// runtime is not linked: these are ours. The return address is the instruction.

#include <fmt/format.h>

#include <atomic>
#include <cstddef>
#include <cstring>

#include "sim/simt/runtime/arithmetic.hpp"
#include "sim/simt/runtime/builtins.hpp"
#include "sim/simt/runtime/host_access.hpp"
#include "sim/simt/runtime/memory.hpp"
#include "sim/simt/runtime/module.hpp"
#include "sim/simt/runtime/record.hpp"

namespace flashlab::simt {

__thread std::uint32_t thread_index[3], block_index[3], block_extent[3], grid_extent[3];

namespace {

// An access outside the window: the lane's own stack (registers and local memory on the card), a variable or constant
// of the program, or an error.
[[gnu::noinline]] void record_outside(const void* p, Kind kind, const void* where) {
  if (running.worker == nullptr) return;
  if (running.worker->on_stack_of_lane(p)) {
    // The frame of this function is the first; the hooks between it and the code that they were called from have none, or
    // keep the frame pointer (CMakeLists.txt).
    if (!device_memory::image_is_closed() ||
        !running.worker->meets_a_frame(p, static_cast<std::size_t>(width_of(kind)), __builtin_frame_address(0)))
      return note_uncounted(site_of(where));
    running.worker->find(FindingKind::host_pointer, site_of(where),
                         "device code touches its stack outside of its own variables",
                         "an index ran past the end of an array");
    return;
  }
  const char* c = static_cast<const char*>(p);
  if (c >= own_module().begin && c < own_module().constants_end)
    return note_uncounted(site_of(where));  // constants
  if (const Offset offset = device_memory::image_offset(p); offset != 0) {
    append(kind, pointer_of(offset), where);
    return;
  }
  running.worker->find(FindingKind::host_pointer, site_of(where),
                       reinterpret_cast<std::uintptr_t>(p) < 65536
                           ? fmt::format("device code touches address {}: a null pointer", fmt::ptr(p))
                           : fmt::format("device code touches {}, which is memory of the host", fmt::ptr(p)),
                       "pass the pointer that cudaMalloc gave, and copy the data with cudaMemcpy");
}

[[gnu::noinline]] void record_misaligned(const void* p, Kind kind, const void* where) {
  if (running.worker == nullptr) return;
  const Complaint c = misaligned(width_of(kind), offset_of(p));
  running.worker->find(FindingKind::misaligned, site_of(where), c.what, c.cause);
}

}  // namespace

[[gnu::noinline]] void append_after_wait(Kind kind, const void* p, const void* where) {
  if (running.worker == nullptr) return note_host_access(kind, offset_of(p), site_of(where));
  running.worker->wait_for_log();
  append(kind, p, where);
}

template <Kind kind>
[[gnu::always_inline]] inline void record(const void* p, const void* where) {
  if (!in_window(p)) [[unlikely]]
    return record_outside(p, kind, where);
  if constexpr (width_of(kind) ==
                16) {  // the processor would fault before the merge, which looks at all the others
    if (reinterpret_cast<std::uintptr_t>(p) % width_of(kind) != 0) [[unlikely]]
      return record_misaligned(p, kind, where);
  }
  append(kind, p, where);
}

// Pieces of an access whose type promises no alignment of its own: a float3 is three words. The size tells how wide they
// may be, so that all lanes take the same; a struct that is larger than its alignment says may come out too wide.
void record_pieces(const void* p, std::size_t bytes, std::size_t widest, bool write, const void* where) {
  if (running.worker == nullptr) return;
  auto at = reinterpret_cast<std::uintptr_t>(p);
  std::size_t width = widest;
  while (bytes % width != 0 || at % width != 0) width /= 2;
  while (bytes != 0) {
    const Kind kind = write ? store_of(static_cast<int>(width)) : load_of(static_cast<int>(width));
    record_access(reinterpret_cast<const void*>(at), kind, where);
    at += width;
    bytes -= width;
  }
}

void record_access(const void* p, Kind kind, const void* where) {
  if (!in_window(p)) return record_outside(p, kind, where);
  append(kind, p, where);
}

namespace {

// Code from before __syncwarp() has the lanes of a warp exchange values through volatile shared memory, each access in
// step: before one of them, the other lanes of the warp come to theirs.
void keep_step(const void* p) {
  if (running.worker != nullptr && in_window(p) && is_shared(offset_of(p))) running.worker->let_others_come();
}

}  // namespace

}  // namespace flashlab::simt

using namespace flashlab::simt;

#define FLASHLAB_HOOK(bytes)                                                                        \
  void __tsan_read##bytes(void* p) { record<Kind::load##bytes>(p, __builtin_return_address(0)); }   \
  void __tsan_write##bytes(void* p) { record<Kind::store##bytes>(p, __builtin_return_address(0)); } \
  void __tsan_volatile_read##bytes(void* p) {                                                       \
    record<Kind::load##bytes>(p, __builtin_return_address(0));                                      \
    keep_step(p);                                                                                   \
  }                                                                                                 \
  void __tsan_volatile_write##bytes(void* p) {                                                      \
    record<Kind::store##bytes>(p, __builtin_return_address(0));                                     \
    keep_step(p);                                                                                   \
  }                                                                                                 \
  void __tsan_unaligned_read##bytes(void* p) {                                                      \
    record_pieces(p, bytes, 4, false, __builtin_return_address(0));                                 \
  }                                                                                                 \
  void __tsan_unaligned_write##bytes(void* p) { record_pieces(p, bytes, 4, true, __builtin_return_address(0)); }

extern "C" {
FLASHLAB_HOOK(1)
FLASHLAB_HOOK(2)
FLASHLAB_HOOK(4)
FLASHLAB_HOOK(8)
FLASHLAB_HOOK(16)
void __tsan_read_range(void* p, std::size_t bytes) {
  record_pieces(p, bytes, 16, false, __builtin_return_address(0));
}
void __tsan_write_range(void* p, std::size_t bytes) {
  record_pieces(p, bytes, 16, true, __builtin_return_address(0));
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
}

// Host code of the same file may use std::atomic, which the compiler also redirects.
#define FLASHLAB_ATOMIC(bits, T)                                                                            \
  extern "C" T __tsan_atomic##bits##_load(const volatile T* p, int) {                                       \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                            \
  }                                                                                                         \
  extern "C" void __tsan_atomic##bits##_store(volatile T* p, T v, int) {                                    \
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                               \
  }                                                                                                         \
  extern "C" T __tsan_atomic##bits##_exchange(volatile T* p, T v, int) {                                    \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                                     \
  }                                                                                                         \
  extern "C" T __tsan_atomic##bits##_fetch_add(volatile T* p, T v, int) {                                   \
    return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                                      \
  }                                                                                                         \
  extern "C" T __tsan_atomic##bits##_fetch_sub(volatile T* p, T v, int) {                                   \
    return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                                      \
  }                                                                                                         \
  extern "C" T __tsan_atomic##bits##_fetch_and(volatile T* p, T v, int) {                                   \
    return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);                                                      \
  }                                                                                                         \
  extern "C" T __tsan_atomic##bits##_fetch_or(volatile T* p, T v, int) {                                    \
    return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);                                                       \
  }                                                                                                         \
  extern "C" T __tsan_atomic##bits##_fetch_xor(volatile T* p, T v, int) {                                   \
    return __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST);                                                      \
  }                                                                                                         \
  extern "C" T __tsan_atomic##bits##_fetch_nand(volatile T* p, T v, int) {                                  \
    return __atomic_fetch_nand(p, v, __ATOMIC_SEQ_CST);                                                     \
  }                                                                                                         \
  extern "C" int __tsan_atomic##bits##_compare_exchange_strong(volatile T* p, T* expected, T v, int, int) { \
    return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);          \
  }                                                                                                         \
  extern "C" int __tsan_atomic##bits##_compare_exchange_weak(volatile T* p, T* expected, T v, int, int) {   \
    return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);          \
  }                                                                                                         \
  extern "C" T __tsan_atomic##bits##_compare_exchange_val(volatile T* p, T expected, T v, int, int) {       \
    __atomic_compare_exchange_n(p, &expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                \
    return expected;                                                                                        \
  }
FLASHLAB_ATOMIC(8, std::uint8_t)
FLASHLAB_ATOMIC(16, std::uint16_t)
FLASHLAB_ATOMIC(32, std::uint32_t)
FLASHLAB_ATOMIC(64, std::uint64_t)

// Called before a marked loop goes back (see compile/loop_marks.hpp): every register and the flags must survive. Appends
// a mark to the running lane's log, or counts one more in the mark that stands there last. Marks never wait: they have
// some room after the log's end, and what does not fit is dropped.
static_assert(offsetof(Running, cursor) == 0 && offsetof(Running, end) == 8);
static_assert(static_cast<int>(Kind::mark) == 15 && kOffsetBits == 36 && kKindBits == 4);
__asm__(R"(
    .text
    .globl flashlab_back_edge
    .type flashlab_back_edge, @function
flashlab_back_edge:
    pushq %rax
    lahf
    seto %al
    pushq %rax
    pushq %rcx
    pushq %rdx
    movq _ZN8flashlab4simt7runningE@gottpoff(%rip), %rdx
    movq %fs:(%rdx), %rcx
    testq %rcx, %rcx
    jz 2f
    movq 32(%rsp), %rax
    subq _ZN8flashlab4simt9code_baseE(%rip), %rax
    salq $4, %rax
    orq $15, %rax
    salq $36, %rax
    pushq %rax
    xorq -8(%rcx), %rax
    shrq $36, %rax
    jnz 1f
    incq -8(%rcx)
    popq %rax
    jmp 2f
1:  movq %fs:8(%rdx), %rax
    addq $504, %rax
    cmpq %rax, %rcx
    popq %rax
    jae 2f
    incq %rax
    movq %rax, (%rcx)
    addq $8, %rcx
    movq %rcx, %fs:(%rdx)
2:  popq %rdx
    popq %rcx
    popq %rax
    addb $127, %al
    sahf
    popq %rax
    ret
    .size flashlab_back_edge, .-flashlab_back_edge
)");
static_assert(kMarkRoom * sizeof(Entry) > 504);
