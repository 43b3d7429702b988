#pragma once
/// \file
/// How a lane calls the kernel.

namespace flashlab::simt {

/// call(arguments), from which nothing of ours comes back but the return: on x86-64 the registers that a function keeps
/// for its caller are kept above the frames of the code that is called, and its chain of frames ends with a 0
/// (Worker::meets_a_frame).
extern "C" void flashlab_call_lane(void (*call)(const void*), const void* arguments);

}  // namespace flashlab::simt
