#include "sim/simt/runtime/matrix_sites.hpp"

#include <mutex>
#include <set>

namespace flashlab::simt {
namespace {

struct Known {
  std::mutex mutex;
  std::set<std::uint32_t> sites;
};
Known& known() {
  static auto* const k = new Known;  // asked while the program ends
  return *k;
}

}  // namespace

void note_matrix_site(std::uint32_t site) {
  thread_local std::uint32_t recent[64];
  std::uint32_t& slot = recent[site * 0x9E3779B1u >> 26];
  if (slot == site) return;
  slot = site;
  const std::lock_guard lock(known().mutex);
  known().sites.insert(site);
}

bool is_matrix_site(std::uint32_t site) {
  const std::lock_guard lock(known().mutex);
  return known().sites.contains(site);
}

}  // namespace flashlab::simt
