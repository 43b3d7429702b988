#pragma once
/// \file
/// The filter of system calls.

namespace flashlab::lab {

/// From here on the process may compute, take memory, read and write what is open, and end: no files, no processes, no
/// threads, no sockets, no signals to others. Anything else ends it with SIGSYS. Ends the process when the filter
/// cannot be had: a submission never runs without.
void seal_process();

}  // namespace flashlab::lab
