#include "sim/simt/runtime/shadow.hpp"

#include <algorithm>
#include <bit>

namespace flashlab::simt {

void SharedShadow::Words::grow(std::size_t words) {
  words += 1024;
  for (auto* v : {&written_by, &read_by, &write_lane, &read_lane, &write_site, &read_site, &written_in_block})
    v->resize(words);
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

// Another lane of the same warp in the same step. One instruction of several lanes is no conflict.
inline bool SharedShadow::conflict_of_lanes(const Words& w, std::size_t first, std::size_t count, Stamp mine,
                                            Lanes lanes, std::uint32_t site, bool writes) {
  const Stamp either = mine & 1;
  bool any = false;
  for (std::size_t i = 0; i < count; ++i) {
    const LaneStamp lane = lanes.of(i);
    const Stamp wrote = w.written_by[first + i], read = w.read_by[first + i];
    const auto is_other = [&](LaneStamp other) {
      return (other ^ lane) - 1 < kManyLanes;
    };  // 1 to 63: not itself
    any |= (wrote >> 1 == mine >> 1) & is_other(w.write_lane[first + i]) & (w.write_site[first + i] != site) &
           ((either & wrote) == 0);
    any |= writes & (read >> 1 == mine >> 1) & is_other(w.read_lane[first + i]);
  }
  return any;
}

// Before note(), which writes over what was there.
inline void SharedShadow::note_lanes(Words& w, std::size_t first, std::size_t count, Stamp mine, Lanes lanes,
                                     std::uint32_t site, bool writes) {
  for (std::size_t i = first; i < first + count; ++i) {
    const LaneStamp lane = lanes.first == kNoLane ? kNoLane : lanes.of(i - first);
    if (writes) {
      // Several lanes of one instruction write: whose value stays is not known.
      const bool again = w.written_by[i] >> 1 == mine >> 1 && w.write_site[i] == site &&
                         w.write_lane[i] >> kStepShift == lane >> kStepShift && w.write_lane[i] != lane;
      w.write_lane[i] = again ? kNoLane : lane;
    } else {
      const bool others = w.read_by[i] >> 1 == mine >> 1 && w.read_lane[i] != lane &&
                          w.read_lane[i] >> kStepShift == lane >> kStepShift;
      if (!others && w.read_by[i] >> 1 == mine >> 1) w.read_site[i] = site;
      w.read_lane[i] = others ? lane | kManyLanes : lane;
    }
  }
}

SharedShadow::Conflict SharedShadow::touch(const WarpAccess& a, Offset shared_base, std::uint32_t warp,
                                           const LaneSteps& steps, std::uint32_t site, bool writes,
                                           bool atomic) {
  const Stamp mine = epoch_ << kEpochShift | warp << 1 | static_cast<Stamp>(atomic);
  const auto step_of = [&](int lane) { return steps[static_cast<std::size_t>(lane)]; };
  const int leader = std::countr_zero(a.mask);
  bool in_step = true;
  for (std::uint32_t left = a.mask; left != 0; left &= left - 1)
    in_step &= step_of(std::countr_zero(left)) == step_of(leader);
  // Lanes that share a word by being narrower than one, or by all writing it, are not told apart.
  const bool at_one_word = a.linear && a.stride == 0 && !std::has_single_bit(a.mask);
  const bool told_apart = a.width >= 4 && !(at_one_word && writes) && (in_step || !a.linear);
  const auto lanes_from = [&](int lane) -> Lanes {
    if (!told_apart || step_of(lane) == kOutOfStep) return {kNoLane, 31};
    if (at_one_word) return {step_of(lane) << kStepShift | kManyLanes, 31};
    return {step_of(lane) << kStepShift | static_cast<LaneStamp>(lane),
            static_cast<unsigned>(std::countr_zero(static_cast<unsigned>(a.width / 4)))};
  };
  Conflict conflict;
  each_stretch(a, shared_base, [&](Words& w, std::size_t first, std::size_t count, int lane) {
    const auto tell = [&](std::size_t word, bool other_wrote, bool within_warp) {
      conflict = {.found = true,
                  .where = word * 4,
                  .lane = lane + static_cast<int>((word - first) * 4 / static_cast<std::size_t>(a.width)),
                  .other_warp = (other_wrote ? w.written_by : w.read_by)[word] >> 1 & 63,
                  .within_warp = within_warp,
                  .other_site = (other_wrote ? w.write_site : w.read_site)[word],
                  .other_wrote = other_wrote};
    };
    if (!conflict.found && conflicts(w, first, count, mine, writes)) [[unlikely]] {
      std::size_t word = first;
      while (!conflicts(w, word, 1, mine, writes)) ++word;
      tell(word, conflicts(w, word, 1, mine, false), false);  // with the write, if that alone is a conflict
    }
    const Lanes lanes = lanes_from(lane);
    if (!conflict.found && lanes.first != kNoLane &&
        conflict_of_lanes(w, first, count, mine, lanes, site, writes)) [[unlikely]] {
      std::size_t word = first;
      const auto at = [&](std::size_t i) { return Lanes{lanes.of(i - first), lanes.shift}; };
      while (!conflict_of_lanes(w, word, 1, mine, at(word), site, writes)) ++word;
      tell(word, conflict_of_lanes(w, word, 1, mine, at(word), site, false), true);
    }
    note_lanes(w, first, count, mine, lanes, site, writes);
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
