#pragma once
/// \file
/// Memory in large pages, where the system has them: what a replay touches in turn, the SMs and their warps' requests, is
/// spread over more pages of 4 KiB than a processor's TLB knows.

#include <cstddef>
#include <memory_resource>
#include <vector>

namespace flashlab::simt {

/// Hands out pieces of large regions, which the system gets back when this is destroyed; what is a region by itself, when
/// it is given back. Not for several threads at a time.
class HugePages : public std::pmr::memory_resource {
 public:
  HugePages() = default;
  HugePages(const HugePages&) = delete;
  HugePages& operator=(const HugePages&) = delete;
  ~HugePages() override;

 private:
  static constexpr std::size_t kPage = std::size_t{2} << 20, kRegion = 16 * kPage, kAlone = 2 * kPage;
  struct Region {
    void* begin;
    std::size_t bytes;
    void* at;  ///< the first page in it
  };

  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* at, std::size_t bytes, std::size_t alignment) override;
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
  void* new_region(std::size_t bytes);

  std::vector<Region> regions_;
  std::byte* next_ = nullptr;
  std::size_t left_ = 0;
};

}  // namespace flashlab::simt
