#pragma once
/// \file
/// Appending to the log of the running lane: what the hooks and the device functions share.

#include "sim/simt/runtime/worker.hpp"

namespace flashlab::simt {

/// Waits until the running lane's full log has been merged, then appends. Does nothing outside of kernels.
void append_after_wait(Kind kind, const void* p, const void* where);

/// Logs an access to an address in the window. Every load and store of a kernel comes here: no instruction is spared.
[[gnu::always_inline]] inline void append(Kind kind, const void* p, const void* where) {
  Entry* const at = running.cursor;
  if (at >= running.end) [[unlikely]]
    return append_after_wait(kind, p, where);
  *at = make_entry(running.entry_origin, where, kind, p);
  running.cursor = at + 1;
}

/// An access of any kind at any address, checked as the hooks check it.
void record_access(const void* p, Kind kind, const void* where);
/// `bytes` bytes at an address without promised alignment, in pieces of up to `widest` bytes.
void record_pieces(const void* p, std::size_t bytes, std::size_t widest, bool write, const void* where);

}  // namespace flashlab::simt
