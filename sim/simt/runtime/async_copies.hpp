#pragma once
/// \file
/// cp.async: copies that a lane has begun and not waited for. What they bring stands in shared memory only when the lane
/// has waited, so that a kernel that forgets to wait reads what was there before, as it may on the card.

namespace flashlab::simt {

/// The running lane ends: its copies complete.
void finish_copies();
/// A launch begins: what a failed one left is gone.
void forget_copies();

}  // namespace flashlab::simt
