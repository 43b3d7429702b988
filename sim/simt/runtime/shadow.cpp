#include "sim/simt/runtime/shadow.hpp"

#include <algorithm>
#include <bit>

namespace flashlab::simt {

void SharedShadow::Words::grow(std::size_t words) {
  words += 1024;
  for (auto* v : {&written_by, &read_by, &write_site, &read_site, &written_in_block}) v->resize(words);
}

void SharedShadow::begin_block() {
  ++block_;
  barrier();
}

void SharedShadow::barrier() {
  if (++epoch_ < kEpochLimit) return;
  epoch_ = 1;
  for (Words* w : {&static_words_, &dynamic_words_}) {
    std::ranges::fill(w->written_by, 0);
    std::ranges::fill(w->read_by, 0);
  }
}

template <class Body>
void SharedShadow::each_stretch(const WarpAccess& a, Offset shared_base, const Body& body) {
  const auto one = [&](int lane, Offset bytes) {
    const Offset begin = a.of(lane) - shared_base;
    Words& words = begin < kDynamicShared ? static_words_ : dynamic_words_;
    const Offset in_part = begin < kDynamicShared ? begin : begin - kDynamicShared;
    const std::size_t first = in_part / 4, count = (in_part + bytes + 3) / 4 - first;
    if (first + count > words.written_by.size()) words.grow(first + count);
    return body(words, first, count, lane);
  };
  const auto width = static_cast<Offset>(a.width);
  const int first = std::countr_zero(a.mask);
  if (a.linear && a.stride == 0) {
    one(first, width);
  } else if (a.linear && a.mask == ~0u && a.stride == a.width) {
    one(0, 32 * width);
  } else {
    for (std::uint32_t left = a.mask; left != 0; left &= left - 1) {
      if (!one(std::countr_zero(left), width)) return;
    }
  }
}

// Without branches in the loops: the compiler takes eight words at a time.

inline bool SharedShadow::conflicts(const Words& w, std::size_t first, std::size_t count, Stamp mine,
                                    bool writes) {
  const Stamp epoch = mine >> kEpochShift, either = mine & 1;  // atomics do not conflict with one another
  const Stamp* const written_by = w.written_by.data() + first;
  const Stamp* const read_by = w.read_by.data() + first;
  Stamp any = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Stamp wrote = written_by[i], read = read_by[i];
    const Stamp other_wrote = static_cast<Stamp>(wrote >> 1 != mine >> 1) & ~(either & wrote);
    any |= static_cast<Stamp>(wrote >> kEpochShift == epoch) & other_wrote;
    any |= static_cast<Stamp>(writes) & static_cast<Stamp>(read >> kEpochShift == epoch) &
           static_cast<Stamp>(read >> 1 != mine >> 1);
  }
  return (any & 1) != 0;
}

inline void SharedShadow::note(Words& w, std::size_t first, std::size_t count, Stamp mine, std::uint32_t site,
                               bool writes) {
  if (writes) {
    std::fill_n(w.written_by.begin() + static_cast<std::ptrdiff_t>(first), count, mine);
    std::fill_n(w.write_site.begin() + static_cast<std::ptrdiff_t>(first), count, site);
    return;
  }
  Stamp* const read_by = w.read_by.data() + first;
  std::uint32_t* const read_site = w.read_site.data() + first;
  const Stamp epoch = mine >> kEpochShift, many = epoch << kEpochShift | kMany << 1;
  for (std::size_t i = 0; i < count; ++i) {
    const Stamp read = read_by[i];
    const bool first_here = read >> kEpochShift != epoch;
    read_by[i] = first_here || read == mine ? mine : many;
    read_site[i] = first_here ? site : read_site[i];
  }
}

SharedShadow::Conflict SharedShadow::touch(const WarpAccess& a, Offset shared_base, std::uint32_t warp,
                                           std::uint32_t site, bool writes, bool atomic) {
  const Stamp mine = epoch_ << kEpochShift | warp << 1 | static_cast<Stamp>(atomic);
  Conflict conflict;
  each_stretch(a, shared_base, [&](Words& w, std::size_t first, std::size_t count, int lane) {
    if (!conflict.found && conflicts(w, first, count, mine, writes)) [[unlikely]] {
      std::size_t word = first;
      while (!conflicts(w, word, 1, mine, writes)) ++word;
      const Stamp wrote = w.written_by[word];
      const bool other_wrote =
          wrote >> kEpochShift == epoch_ && wrote >> 1 != mine >> 1 && !(atomic && (wrote & 1) != 0);
      conflict = {true,
                  word * 4,
                  lane + static_cast<int>((word - first) * 4 / static_cast<std::size_t>(a.width)),
                  (other_wrote ? wrote : w.read_by[word]) >> 1 & 63,
                  other_wrote ? w.write_site[word] : w.read_site[word],
                  other_wrote};
    }
    note(w, first, count, mine, site, writes);
    return true;
  });
  return conflict;
}

int SharedShadow::written(const WarpAccess& a, Offset shared_base, bool writes) {
  int unwritten = -1;
  each_stretch(a, shared_base, [&](Words& w, std::size_t first, std::size_t count, int lane) {
    std::uint32_t* const in_block = w.written_in_block.data() + first;
    if (writes) {
      std::fill_n(in_block, count, block_);
      return true;
    }
    std::uint32_t different = 0;
    for (std::size_t i = 0; i < count; ++i) different |= in_block[i] ^ block_;
    if (different == 0) return true;
    const auto word = static_cast<std::size_t>(
        std::find_if(in_block, in_block + count, [&](std::uint32_t b) { return b != block_; }) - in_block);
    unwritten = lane + static_cast<int>(word * 4 / static_cast<std::size_t>(a.width));
    return false;
  });
  return unwritten;
}

}  // namespace flashlab::simt
