#include "sim/simt/runtime/async_copies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "sim/simt/runtime/record.hpp"

namespace flashlab::simt {
namespace {

struct Copy {
  void* to;
  std::size_t group;
  std::uint32_t bytes;
  std::byte data[16];
};

struct Copies {
  std::vector<Copy> pending;   // in the order that they were begun
  std::size_t open_group = 0;  // that the next commit closes
};

// Of the lanes of the block that this OS thread runs.
std::vector<Copies>& all_copies() {
  thread_local std::vector<Copies> copies(kMaxBlockThreads);
  return copies;
}

Copies& my_copies() {
  const Lane& lane = *running.lane;
  return all_copies()[static_cast<std::size_t>(lane.warp) * kWarp + lane.index];
}

void complete(Copies& copies, std::size_t groups_below) {
  auto it = copies.pending.begin();
  for (; it != copies.pending.end() && it->group < groups_below; ++it) std::memcpy(it->to, it->data, it->bytes);
  copies.pending.erase(copies.pending.begin(), it);
}

}  // namespace

void finish_copies() {
  Copies& copies = my_copies();
  complete(copies, ~std::size_t{0});
  copies.open_group = 0;
}

void forget_copies() { all_copies().assign(kMaxBlockThreads, {}); }

}  // namespace flashlab::simt

using namespace flashlab::simt;

extern "C" {

/// Copies bytes − zeros bytes from global to shared memory and fills the rest with zeros. A lane that reads nothing takes
/// no part in the warp's request.
void flashlab_copy_async(void* to, const void* from, std::size_t bytes, std::size_t zeros) {
  void* const where = __builtin_return_address(0);
  if (running.worker == nullptr) {  // host code
    std::memcpy(to, from, bytes - zeros);
    std::memset(static_cast<char*>(to) + (bytes - zeros), 0, zeros);
    return;
  }
  if ((bytes != 4 && bytes != 8 && bytes != 16) || zeros > bytes) {
    running.worker->find(FindingKind::misaligned, site_of(where),
                         fmt::format("an asynchronous copy of {} bytes", bytes),
                         "an asynchronous copy moves 4, 8 or 16 bytes");
    return;
  }
  const Kind kind = bytes == 4 ? Kind::async4 : bytes == 8 ? Kind::async8 : Kind::async16;
  // Every lane logs both, so that lanes which differ in this stay in step.
  record_access(zeros < bytes ? from : pointer_of(kNowhere), kind, where);
  record_access(to, kind, where);
  Copies& copies = my_copies();
  Copy& copy = copies.pending.emplace_back(Copy{to, copies.open_group, static_cast<std::uint32_t>(bytes), {}});
  std::memcpy(copy.data, from, bytes - zeros);
}

void flashlab_copy_commit() {
  if (running.worker != nullptr) ++my_copies().open_group;
}

/// Waits until at most `groups_left` of the committed groups are under way; ~0: for everything, committed or not.
void flashlab_copy_wait(std::size_t groups_left) {
  if (running.worker == nullptr) return;
  Copies& copies = my_copies();
  if (groups_left == ~std::size_t{0}) {
    complete(copies, groups_left);
  } else {
    complete(copies, copies.open_group - std::min(groups_left, copies.open_group));
  }
}
}
