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
  const Stamp* const written_by = w.written_by.data() + first;
  const Stamp* const read_by = w.read_by.data() + first;
  const LaneStamp* const write_lane = w.write_lane.data() + first;
  const LaneStamp* const read_lane = w.read_lane.data() + first;
  const std::uint32_t* const write_site = w.write_site.data() + first;
  const Stamp either = mine & 1;
  Stamp any = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const LaneStamp lane = lanes.of(i);
    any |= static_cast<Stamp>(written_by[i] >> 1 == mine >> 1) & in_same_step(write_lane[i], lane) &
           static_cast<Stamp>(write_site[i] != site) & ~(either & written_by[i]);
    any |= static_cast<Stamp>(writes) & static_cast<Stamp>(read_by[i] >> 1 == mine >> 1) &
           in_same_step(read_lane[i], lane);
  }
  return (any & 1) != 0;
}

// Whether a read of these few words changes nothing: nobody has written them in this epoch, and this lane has read them
// before, or several warps have. So it is mostly where each lane reads a row of its own.
inline bool SharedShadow::is_noted(const Words& w, std::size_t first, std::size_t count, Stamp mine,
                                   Lanes lanes) {
  const Stamp epoch = mine >> kEpochShift, many = epoch << kEpochShift | kMany << 1;
  for (std::size_t i = first; i < first + count; ++i) {
    const Stamp read = w.read_by[i];
    const bool known = read == many || (read == mine && w.read_lane[i] == lanes.first);
    if (w.written_by[i] >> kEpochShift == epoch || !known) return false;
  }
  return true;
}

// Before note(), which writes over what was there.
inline void SharedShadow::note_lanes(Words& w, std::size_t first, std::size_t count, Stamp mine, Lanes lanes,
                                     std::uint32_t site, bool writes) {
  LaneStamp* const lane_of = (writes ? w.write_lane : w.read_lane).data() + first;
  if (lanes.first == kNoLane) {
    std::fill_n(lane_of, count, kNoLane);
    return;
  }
  const Stamp* const touched_by = (writes ? w.written_by : w.read_by).data() + first;
  std::uint32_t* const site_of = (writes ? w.write_site : w.read_site).data() + first;
  if (writes) {
    for (std::uint32_t i = 0; i < count; ++i) {
      // Several lanes of one instruction write: whose value stays is not known.
      const LaneStamp lane = lanes.of(i);
      const Stamp again = static_cast<Stamp>(touched_by[i] >> 1 == mine >> 1) &
                          static_cast<Stamp>(site_of[i] == site) & in_same_step(lane_of[i], lane);
      lane_of[i] = again != 0 ? kNoLane : lane;
    }
    return;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    const LaneStamp lane = lanes.of(i);
    const Stamp before = static_cast<Stamp>(touched_by[i] >> 1 == mine >> 1),
                others = before & in_same_step(lane_of[i], lane);
    site_of[i] = (before & ~others) != 0 ? site : site_of[i];
    lane_of[i] = others != 0 ? lane | kManyLanes : lane;
  }
}

SharedShadow::Conflict SharedShadow::touch(const WarpAccess& a, Offset shared_base, std::uint32_t warp,
                                           const LaneSteps& steps, std::uint32_t site, bool writes,
                                           bool atomic) {
  const Stamp mine = epoch_ << kEpochShift | warp << 1 | static_cast<Stamp>(atomic);
  const auto step_of = [&](int lane) { return steps.of(lane); };
  const bool alike = steps.alike(a.mask);
  // Lanes that share a word by being narrower than one, or by all writing it, are not told apart.
  const bool at_one_word = a.linear && a.stride == 0 && !std::has_single_bit(a.mask);
  const bool told_apart = a.width >= 4 && !(at_one_word && writes) && (!a.linear || alike);
  const auto lanes_from = [&](int lane) -> Lanes {
    if (!told_apart || step_of(lane) == kOutOfStep) return {kNoLane, 31};
    if (at_one_word) return {step_of(lane) << kStepShift | kManyLanes, 31};
    return {step_of(lane) << kStepShift | static_cast<LaneStamp>(lane),
            static_cast<unsigned>(std::countr_zero(static_cast<unsigned>(a.width / 4)))};
  };
  // Of a warp that has written nothing since its lanes were in step no read can meet a write of its own.
  LastWrite& last_write = last_writes_[warp];
  if (last_write.epoch != epoch_) last_write = {epoch_, 0, false};
  const std::uint32_t step = step_of(std::countr_zero(a.mask));
  if (writes) last_write = {epoch_, std::max(last_write.step, alike ? step : kOutOfStep), true};
  const bool may_meet = last_write.any && (writes || !alike || last_write.step >= step);
  Conflict conflict;
  each_stretch(a, shared_base, [&](Words& w, std::size_t first, std::size_t count, int lane) {
    const Lanes lanes = lanes_from(lane);
    if (!writes && count <= 4 && is_noted(w, first, count, mine, lanes)) return true;
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
    if (may_meet && !conflict.found && lanes.first != kNoLane &&
        conflict_of_lanes(w, first, count, mine, lanes, site, writes)) [[unlikely]] {
      std::size_t word = first;
      const auto at = [&](std::size_t i) {
        return Lanes{lanes.of(static_cast<std::uint32_t>(i - first)), lanes.shift};
      };
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
