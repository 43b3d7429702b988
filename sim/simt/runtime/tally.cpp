#include "sim/simt/runtime/tally.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <numeric>

namespace flashlab::simt {
namespace {

constexpr std::uint32_t kFullWarp = 0xFFFFFFFFu;

bool is_contiguous(std::uint32_t mask) {
  const std::uint32_t shifted = mask >> std::countr_zero(mask);
  return (shifted & (shifted + 1)) == 0;
}

// The distinct values among up to 128 numbers, by a small open-addressed set.
class SmallSet {
 public:
  bool insert(std::uint64_t value) {
    std::uint32_t slot = static_cast<std::uint32_t>((value * 0x9E3779B97F4A7C15ull) >> 56);
    while (used_[slot >> 6] >> (slot & 63) & 1) {
      if (values_[slot] == value) return false;
      slot = (slot + 1) & 255;
    }
    used_[slot >> 6] |= 1ull << (slot & 63);
    values_[slot] = value;
    return true;
  }

 private:
  std::uint64_t used_[4] = {};
  std::uint64_t values_[256];
};

// The busiest bank's distinct words among the lanes of `mask`.
std::uint32_t busiest_bank(const WarpAccess& a, std::uint32_t mask) {
  std::uint8_t load[32] = {};
  std::uint32_t busiest = 0;
  SmallSet words;
  for (std::uint32_t left = mask; left != 0; left &= left - 1) {
    const Offset begin = a.of(std::countr_zero(left));
    for (Offset word = begin >> 2; word <= (begin + static_cast<Offset>(a.width) - 1) >> 2; ++word) {
      if (words.insert(word)) busiest = std::max<std::uint32_t>(busiest, ++load[word & 31]);
    }
  }
  return busiest;
}

}  // namespace

std::uint32_t count_sectors(const WarpAccess& a) {
  if (a.linear && is_contiguous(a.mask)) {
    const int first = std::countr_zero(a.mask), last = 31 - std::countl_zero(a.mask);
    const Offset one = a.of(first), other = a.of(last);
    const Offset low = std::min(one, other), high = std::max(one, other) + static_cast<Offset>(a.width) - 1;
    const std::uint64_t step = static_cast<std::uint64_t>(std::llabs(a.stride));
    // No sector between two neighbours is skipped up to a step of 32 bytes; beyond, none is shared.
    if (step <= 32) return static_cast<std::uint32_t>((high >> 5) - (low >> 5) + 1);
    const bool whole = a.width == 1 || (a.base % static_cast<Offset>(a.width) == 0 &&
                                        step % static_cast<std::uint64_t>(a.width) == 0);
    if (whole) return static_cast<std::uint32_t>(std::popcount(a.mask));
  }
  SmallSet sectors;
  std::uint32_t count = 0;
  Offset last = ~Offset{0};
  for (std::uint32_t left = a.mask; left != 0; left &= left - 1) {
    const Offset begin = a.of(std::countr_zero(left));
    for (Offset s = begin >> 5; s <= (begin + static_cast<Offset>(a.width) - 1) >> 5; ++s) {
      if (s == last) continue;
      last = s;
      count += sectors.insert(s);
    }
  }
  return count;
}

namespace {

Wavefronts count_wavefronts_plainly(const WarpAccess& a, bool store) {
  if (a.width <= 4) {  // the common case, without sorting
    if (a.linear && a.stride % 4 == 0 && a.base % 4 == 0) {
      if (a.stride == 0) return {1, 1};
      if (a.mask == kFullWarp) return {static_cast<int>(std::gcd(std::llabs(a.stride) / 4, 32ll)), 1};
    }
    return {static_cast<int>(busiest_bank(a, a.mask)), 1};
  }
  std::array<std::uint32_t, kLanes> addresses{};
  for (std::uint32_t left = a.mask; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    addresses[static_cast<std::size_t>(lane)] = static_cast<std::uint32_t>(a.of(lane));
  }
  return shared_wavefronts(addresses, a.width, a.mask, store);
}

}  // namespace

Wavefronts count_wavefronts(const WarpAccess& a, bool store) {
  if (!a.linear || (a.width <= 4 && a.mask == kFullWarp)) return count_wavefronts_plainly(a, store);
  // Banks repeat every 128 bytes, so that a loop asks the same few questions over and over.
  struct Known {
    std::int64_t stride = 0;
    std::uint32_t mask = 0;
    std::uint16_t width = 0, place = 0;
    bool store = false;
    Wavefronts answer{};
  };
  thread_local Known known[256];
  const auto place = static_cast<std::uint16_t>(a.base % 128);
  const std::uint64_t hash = static_cast<std::uint64_t>(a.stride) * 0x9E3779B97F4A7C15ull +
                             a.mask * 0x85EBCA6Bull + place * 40503ull + static_cast<std::uint64_t>(a.width);
  Known& k = known[hash * 0x9E3779B97F4A7C15ull >> 56];
  if (k.stride != a.stride || k.mask != a.mask || k.width != a.width || k.place != place || k.store != store) {
    k = {a.stride, a.mask, static_cast<std::uint16_t>(a.width),
         place,    store,  count_wavefronts_plainly(a, store)};
  }
  return k.answer;
}

WarpAccess& WarpAccess::operator=(const WarpAccess& o) {
  mask = o.mask;
  width = o.width;
  linear = o.linear;
  stride = o.stride;
  base = o.base;
  if (!linear) std::copy(o.where, o.where + 32, where);
  return *this;
}

bool MergePredictor::continues(const WarpAccess& a, const WarpAccess& last) {
  if (a.mask != last.mask || a.linear != last.linear) return false;
  if (a.linear) return a.stride == last.stride && a.base == last.base + 4;
  for (std::uint32_t left = a.mask; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    if (a.where[lane] != last.where[lane] + 4) return false;
  }
  return true;
}

void MergePredictor::add(const WarpAccess& a, std::uint64_t segment) {
  if (!ok_[0]) return;
  any_ = true;
  if (segment != segment_) finish();
  segment_ = segment;
  for (std::size_t r = 0; r < open_; ++r) {
    Run& run = runs_[r];
    if (!continues(a, run.last)) continue;
    run.last = a;
    ++run.length;
    if (run.length % 2 == 0) count(a, 2);
    if (run.length % 4 == 0) count(a, 4);
    return;
  }
  open(a);
}

void MergePredictor::open(const WarpAccess& a) {
  Offset bits = 0;  // set in some lane's address
  if (a.linear) {
    bits = a.of(std::countr_zero(a.mask)) | (std::popcount(a.mask) > 1 ? static_cast<Offset>(a.stride) : 0);
  } else {
    for (std::uint32_t left = a.mask; left != 0; left &= left - 1) bits |= a.where[std::countr_zero(left)];
  }
  if (bits % 8 != 0) ok_[0] = false;
  if (bits % 16 != 0) ok_[1] = false;
  if (!ok_[0]) {
    ok_[1] = false;
    return;
  }
  std::size_t r = open_;
  if (open_ == kOpenRuns) {
    r = oldest_++ % kOpenRuns;
    close(runs_[r]);
  } else {
    if (open_ == runs_.size()) runs_.emplace_back();
    ++open_;
  }
  runs_[r].last = a;
  runs_[r].length = 1;
}

// The access that ends a merged one: it began `words` − 1 words below.
void MergePredictor::count(const WarpAccess& a, std::uint32_t words) {
  const int i = words == 4;
  if (!ok_[i]) return;
  WarpAccess wide = a;
  const Offset back = 4 * (words - 1);
  wide.width = static_cast<int>(4 * words);
  wide.base -= back;
  if (!wide.linear) {
    for (Offset& where : wide.where) where -= back;
  }
  const Wavefronts w = count_wavefronts(wide, false);
  const auto lanes = static_cast<std::uint64_t>(std::popcount(a.mask));
  counted_[i] += {1,
                  lanes,
                  lanes * 4 * words,
                  0,
                  0,
                  static_cast<std::uint64_t>(w.count),
                  static_cast<std::uint64_t>(w.count - w.ideal)};
}

void MergePredictor::close(Run& run) {
  if (run.length % 2 != 0) ok_[0] = ok_[1] = false;
  if (run.length % 4 != 0) ok_[1] = false;
}

void MergePredictor::finish() {
  for (std::size_t r = 0; r < open_; ++r) close(runs_[r]);
  open_ = oldest_ = 0;
}

void MergePredictor::join(const MergePredictor& other) {
  any_ = any_ || other.any_;
  for (int i = 0; i < 2; ++i) {
    ok_[i] = ok_[i] && other.ok_[i];
    counted_[i] += other.counted_[i];
  }
}

void TallyTable::clear() {
  tallies_.clear();
  for (Slot& slot : recent_) slot = {};
}

void TallyTable::add(std::uint64_t id, const SiteTally& tally) {
  const auto [it, fresh] = tallies_.try_emplace(id, tally);
  SiteTally& mine = it->second;
  if (mine.merge && fresh) mine.merge->finish();
  if (fresh) return;
  if (tally.counted.requests != 0 && (mine.counted.requests == 0 || tally.sample.block < mine.sample.block))
    mine.sample = tally.sample;
  mine.counted += tally.counted;
  mine.divergent += tally.divergent;
  if (mine.merge && tally.merge) {
    MergePredictor theirs = *tally.merge;
    theirs.finish();
    mine.merge->join(theirs);
  }
}

SiteTally& TallyTable::find(std::uint32_t key, bool shared, std::uint64_t id) {
  SiteTally& tally = tallies_[id];
  tally.key = key;
  tally.shared = shared;
  if (shared && kind_of_key(key) == Kind::load4 && !tally.merge) tally.merge.emplace();
  return tally;
}

}  // namespace flashlab::simt
