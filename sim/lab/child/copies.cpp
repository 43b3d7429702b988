// What memcpy and its kin become in a submission's object: the same, after every byte has been looked at as an access of
// the running lane's.

#include <cstddef>
#include <cstring>

#include "sim/simt/runtime/record.hpp"
#include "sim/simt/runtime/worker.hpp"

using flashlab::simt::record_pieces;

extern "C" {

void* flashlab_lab_memcpy(void* to, const void* from, std::size_t bytes) {
  const void* const where = __builtin_return_address(0);
  record_pieces(from, bytes, 4, false, where);
  record_pieces(to, bytes, 4, true, where);
  return std::memmove(to, from, bytes);
}
void* flashlab_lab_memmove(void* to, const void* from, std::size_t bytes) {
  const void* const where = __builtin_return_address(0);
  record_pieces(from, bytes, 4, false, where);
  record_pieces(to, bytes, 4, true, where);
  return std::memmove(to, from, bytes);
}
void* flashlab_lab_memset(void* to, int value, std::size_t bytes) {
  record_pieces(to, bytes, 4, true, __builtin_return_address(0));
  return std::memset(to, value, bytes);
}
}
