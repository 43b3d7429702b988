#include "sim/simt/runtime/lane_call.hpp"

#ifdef __x86_64__
asm(R"(
  .pushsection .text
  .globl flashlab_call_lane
  .hidden flashlab_call_lane
  .type flashlab_call_lane, @function
flashlab_call_lane:
  .cfi_startproc
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  subq $8, %rsp
  .cfi_adjust_cfa_offset 56
  movq %rdi, %rax
  movq %rsi, %rdi
  xorl %ebp, %ebp
  call *%rax
  addq $8, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  .cfi_adjust_cfa_offset -56
  ret
  .cfi_endproc
  .size flashlab_call_lane, .-flashlab_call_lane
  .popsection
)");
#else
extern "C" void flashlab_call_lane(void (*call)(const void*), const void* arguments) { call(arguments); }
#endif
