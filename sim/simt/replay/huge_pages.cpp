#include "sim/simt/replay/huge_pages.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <new>

namespace flashlab::simt {

HugePages::~HugePages() {
  for (const Region& region : regions_) ::munmap(region.begin, region.bytes);
}

void* HugePages::do_allocate(std::size_t bytes, std::size_t alignment) {
  if (bytes >= kAlone) return new_region(bytes);
  void* at = next_;
  if (at == nullptr || std::align(alignment, bytes, at, left_) == nullptr) {
    at = new_region(kRegion);
    left_ = kRegion;
  }
  next_ = static_cast<std::byte*>(at) + bytes;
  left_ -= bytes;
  return at;
}

void HugePages::do_deallocate(void* at, std::size_t bytes, std::size_t) {
  if (bytes < kAlone) return;
  const auto region = std::ranges::find(regions_, at, &Region::at);
  ::munmap(region->begin, region->bytes);
  *region = regions_.back();
  regions_.pop_back();
}

void* HugePages::new_region(std::size_t bytes) {
  bytes = (bytes + kPage - 1) / kPage * kPage + kPage;  // one more, for a begin at a page's
  regions_.reserve(regions_.size() + 1);
  void* const got = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (got == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  ::madvise(got, bytes, MADV_HUGEPAGE);  // a wish: without it all works the same
#endif
  void* at = got;
  std::size_t space = bytes;
  std::align(kPage, bytes - kPage, at, space);
  regions_.push_back({got, bytes, at});
  return at;
}

}  // namespace flashlab::simt
