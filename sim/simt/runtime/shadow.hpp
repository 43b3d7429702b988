#pragma once
/// \file
/// What the checks remember about memory: who touched each shared word since the last barrier, and which words of
/// shared and global memory have been written at all.

#include <cstdint>
#include <vector>

#include "sim/simt/runtime/tally.hpp"

namespace flashlab::simt {

/// Shared memory of one worker.
class SharedShadow {
 public:
  /// A race as the shadow sees it: who was there before.
  struct Conflict {
    bool found = false;
    Offset where = 0;  ///< byte offset in the worker's shared memory
    int lane = 0;      ///< of the access that met the conflict
    std::uint32_t other_warp = 0;
    std::uint32_t other_site = 0;
    bool other_wrote = false;
  };

  void begin_block();
  void barrier() { ++epoch_; }
  /// Notes a warp's access and answers whether another warp touched one of its words in the same epoch, one of the
  /// two writing. Lanes of one warp never conflict: they may be ordered by __syncwarp or by a collective.
  Conflict touch(const WarpAccess& a, Offset shared_base, std::uint32_t warp, std::uint32_t site, bool writes,
                 bool atomic);
  /// Marks the words written; for reads answers the first lane that reads a word which nothing wrote, or -1.
  int written(const WarpAccess& a, Offset shared_base, bool writes);

 private:
  struct Word {
    std::uint32_t write_epoch = 0, read_epoch = 0;
    std::uint32_t write_site = 0, read_site = 0;
    std::uint16_t write_warp = 0, read_warp = 0;
    bool read_by_many = false, write_atomic = false;
    std::uint32_t written_in_block = 0;
  };
  Word& word(Offset offset);
  std::vector<Word> static_words_, dynamic_words_;
  std::uint32_t epoch_ = 0, block_ = 0;
};

}  // namespace flashlab::simt
