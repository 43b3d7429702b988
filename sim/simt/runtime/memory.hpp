#pragma once
/// \file
/// Device memory: allocations at fixed, 256-byte aligned addresses with unusable room between them, and a note of
/// which words have been written.

#include <cstdint>
#include <string>
#include <vector>

#include "sim/simt/runtime/window.hpp"

namespace flashlab::simt {

enum class MemoryKind : std::uint8_t { device, managed, pinned, variable, shared };

struct Allocation {
  Offset begin = 0, end = 0;  ///< [begin, end)
  MemoryKind kind = MemoryKind::device;
  std::string name;  ///< "allocation 3 (4096 bytes)", "__shared__ memory (512 bytes)"
  bool contains(Offset offset) const { return begin <= offset && offset < end; }
};

/// The device memory of the process. Not thread-safe: only the host changes it, between launches.
namespace device_memory {

/// nullptr when there is no room. Deterministic: the same sequence of calls yields the same addresses.
void* allocate(std::size_t bytes, MemoryKind kind);
/// False when `p` is not the begin of an allocation.
bool release(void* p);
std::size_t bytes_in_use();
std::size_t bytes_total();

/// The allocation, variable or shared array that holds the offset; nullptr when there is none. `shared_base` is the
/// shared memory of the asking worker.
const Allocation* find(Offset offset, Offset shared_base, std::uint32_t dynamic_shared_bytes);
/// "12 bytes after allocation 3 (4096 bytes)", for an offset that find() does not know.
std::string neighbourhood(Offset offset, Offset shared_base, std::uint32_t dynamic_shared_bytes);
std::string hex_address(Offset offset);
std::vector<Allocation> live_allocations();

/// Offset of a variable of the program itself (__device__, __constant__), or 0 when p is not in its data.
Offset image_offset(const void* p);
/// Closed, the program's variables are no memory of the device's: image_offset() answers 0.
void close_image(bool closed);
bool image_is_closed();
/// The pointer behind an offset of either kind.
void* pointer(Offset offset);

/// Marks words as written, by the host or by a warp. Only whole or partial 4-byte words are known.
void mark_written(Offset begin, std::size_t bytes);
/// The first byte in [begin, begin + bytes) whose word nothing wrote, or begin + bytes. Variables count as written.
Offset first_unwritten(Offset begin, std::size_t bytes);
/// The notes themselves, a byte a sector of 32, a bit a word of it; nullptr when they are off. For a look at many addresses.
const std::uint8_t* written_words();
/// Turns the notes on; off, marking costs nothing. Memory allocated before counts as unwritten.
void track_writes(bool on);
bool tracks_writes();

/// A __shared__ variable of the program: gets its place in every worker's static shared memory.
std::uint32_t place_shared(std::size_t bytes, std::size_t alignment);

}  // namespace device_memory
}  // namespace flashlab::simt
