#pragma once
/// \file
/// Switching stacks. On x86-64 our own: it saves nothing but the place to go on and lets the compiler keep what it
/// needs, while Boost.Context also saves the control words of the floating-point units, which no kernel changes. On
/// other processors Boost.Context.

#include <cstddef>

#if !defined(__x86_64__)
#include <boost/context/detail/fcontext.hpp>
#endif

namespace flashlab::simt {

/// A place to go on: what a fiber's stack holds below this address.
using Fiber = void*;

#if defined(__x86_64__)

/// A fiber that will begin with `entry`, which must never return, on the stack that ends at `top`.
inline Fiber make_fiber(std::byte* top, std::size_t, void (*entry)()) {
  auto* const end = reinterpret_cast<void**>(reinterpret_cast<std::size_t>(top) & ~std::size_t{15});
  end[-1] = nullptr;  // where a caller's return address would stand
  end[-2] = reinterpret_cast<void*>(entry);
  return end - 2;
}

#if defined(__AVX512F__)
#define FLASHLAB_MORE_REGISTERS                                                                        \
  , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", \
      "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define FLASHLAB_MORE_REGISTERS
#endif

/// Leaves the running fiber, to go on after this call when somebody switches to what `*from` then holds, and goes on
/// with `to`. Inlined wherever it is used: each place then has a jump of its own, which the processor guesses better
/// than a return to another stack. Needs -mno-red-zone.
[[gnu::always_inline]] inline void switch_fiber(Fiber* from, Fiber to) {
  __asm__ volatile(
      "pushq %%rbp\n\t"
      "leaq 1f(%%rip), %%rax\n\t"
      "pushq %%rax\n\t"
      "movq %%rsp, (%%rdi)\n\t"
      "movq %%rsi, %%rsp\n\t"
      "popq %%rax\n\t"
      "jmpq *%%rax\n"
      "1:\n\t"
      "popq %%rbp"
      : "+D"(from), "+S"(to)
      :
      : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory",
        "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
        "xmm12", "xmm13", "xmm14", "xmm15" FLASHLAB_MORE_REGISTERS);
}
#undef FLASHLAB_MORE_REGISTERS

#else

namespace fiber_detail {
inline thread_local void (*entry)();
inline void begin(boost::context::detail::transfer_t from) {
  *static_cast<Fiber*>(from.data) = from.fctx;
  entry();
}
}  // namespace fiber_detail

inline Fiber make_fiber(std::byte* top, std::size_t bytes, void (*entry)()) {
  fiber_detail::entry = entry;
  return boost::context::detail::make_fcontext(top, bytes, fiber_detail::begin);
}
inline void switch_fiber(Fiber* from, Fiber to) {
  const auto back = boost::context::detail::jump_fcontext(to, from);
  *static_cast<Fiber*>(back.data) = back.fctx;
}

#endif

}  // namespace flashlab::simt
