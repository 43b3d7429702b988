#pragma once
// cp.async: a copy from global to shared memory that passes the registers by. It is counted as an asynchronous copy, past
// L1 when it is 16 bytes wide; what it brings is there when the lane has waited for it.
#include <flashlab/ptx.h>

#include <cstddef>

FLASHLAB_INLINE void __pipeline_memcpy_async(void* to, const void* from, std::size_t bytes, std::size_t zeros = 0) {
  flashlab_copy_async(to, from, bytes, zeros);
}
FLASHLAB_INLINE void __pipeline_commit() { flashlab_copy_commit(); }
FLASHLAB_INLINE void __pipeline_wait_prior(std::size_t groups_left) { flashlab_copy_wait(groups_left); }
