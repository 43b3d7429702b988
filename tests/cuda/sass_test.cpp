// Reads the machine code that nvcc made of the kernels: opcode and width of every load and store. The source says
// single floats; were the compiler to join two, the card's counters would no longer be those of the source.
//
// A cubin is a 64-bit ELF file; since Volta an instruction is 16 bytes, with its opcode in bits 0 to 11 (the lower nine name
// the operation, the upper three its operands' form) and the width of a memory access in bits 73 to 75. Found by
// compiling kernels of known accesses and comparing; the last case does that again.

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>

namespace {

struct Widths {
  std::map<int, int> shared_loads, shared_stores, global_loads, global_stores;  // bits → instructions
  int local = 0;                                                                // spills
  int matrix_loads = 0, matrix_products = 0;                                    // LDSM, HMMA
};

template <class T>
T read_at(const std::string& bytes, std::size_t at) {
  REQUIRE(at + sizeof(T) <= bytes.size());
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

Widths widths_of(const std::string& code) {
  constexpr int kBits[8] = {8, 8, 16, 16, 32, 64, 128, 0};
  Widths widths;
  for (std::size_t at = 0; at + 16 <= code.size(); at += 16) {
    const auto instruction = read_at<std::uint64_t>(code, at);
    if ((instruction >> 12 & 0xf) == 0xf)
      continue;  // predicated off for good: padding around asynchronous copies
    const int bits = kBits[read_at<std::uint64_t>(code, at + 8) >> 9 & 7];
    switch (instruction & 0x1ff) {
      case 0x03b:
        ++widths.matrix_loads;
        break;
      case 0x03c:
        ++widths.matrix_products;
        break;
      case 0x184:
        ++widths.shared_loads[bits];
        break;
      case 0x188:
        ++widths.shared_stores[bits];
        break;
      case 0x181:
        ++widths.global_loads[bits];
        break;
      case 0x186:
        ++widths.global_stores[bits];
        break;
      case 0x183:
      case 0x187:
        ++widths.local;
        break;
      default:
        break;
    }
  }
  return widths;
}

/// The accesses of every kernel in a cubin, by its mangled name.
std::map<std::string, Widths> read_cubin(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  REQUIRE_MESSAGE(bytes.compare(0, 4,
                                "\x7f"
                                "ELF") == 0,
                  path);
  const auto table = read_at<std::uint64_t>(bytes, 0x28);
  const auto entry = read_at<std::uint16_t>(bytes, 0x3a), count = read_at<std::uint16_t>(bytes, 0x3c);
  const auto section = [&](std::size_t i, std::size_t field) {
    return read_at<std::uint64_t>(bytes, table + i * entry + field);
  };
  const auto names = section(read_at<std::uint16_t>(bytes, 0x3e), 0x18);
  std::map<std::string, Widths> kernels;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = bytes.c_str() + names + read_at<std::uint32_t>(bytes, table + i * entry);
    if (name.starts_with(".text."))
      kernels[name.substr(6)] = widths_of(bytes.substr(section(i, 0x18), section(i, 0x20)));
  }
  return kernels;
}

constexpr const char* kArchitectures[] = {"75", "90"};

std::map<std::string, Widths> cubin_or_skip(const std::string& architecture,
                                            const std::string& source = "kernels") {
#ifdef FLASHLAB_CUBIN_DIR
  return read_cubin(FLASHLAB_CUBIN_DIR "/" + source + "_sm_" + architecture + ".cubin");
#else
  std::cerr << "skipped: no nvcc here to compile for sm_" << architecture << '\n';
  std::exit(77);
#endif
}

const std::map<int, int>& only_floats(const std::map<int, int>& widths) {
  for (const auto& [bits, count] : widths) CHECK(bits == 32);
  return widths;
}

}  // namespace

TEST_SUITE_BEGIN("cuda");

TEST_CASE("the card's compiler leaves every load and store of the kernels one float wide, and spills nothing") {
  for (const char* const architecture : kArchitectures) {
    int kernels = 0;
    for (const auto& [name, widths] : cubin_or_skip(architecture)) {
      if (name.find("planted") != std::string::npos) continue;
      CAPTURE(architecture);
      CAPTURE(name);
      ++kernels;
      CHECK(widths.local == 0);
      only_floats(widths.shared_loads);
      only_floats(widths.shared_stores);
      CHECK(!only_floats(widths.global_loads).empty());
      CHECK(!only_floats(widths.global_stores).empty());
    }
    CHECK(kernels == 6 * 4 * 2 + 2);  // of four head dimensions, full and causal; the softmax of naive has none
  }
}

TEST_CASE("online-q has exactly the loads and stores that its source states") {
  for (const char* const architecture : kArchitectures) {
    const auto kernels = cubin_or_skip(architecture);
    struct Expected {
      const char* name;
      int d, rows;
    };
    for (const Expected& k : {Expected{"_ZN8flashlab8online_qILi64ELb0EEEvPKfS2_S2_PfS3_if", 64, 8},
                              Expected{"_ZN8flashlab8online_qILi128ELb1EEEvPKfS2_S2_PfS3_if", 128, 4}}) {
      CAPTURE(architecture);
      CAPTURE(k.name);
      const auto found = kernels.find(k.name);
      REQUIRE(found != kernels.end());
      const int columns = k.d / 32, tile_rows = k.rows + 8 + 8;  // of Q, K and V, for each warp
      CHECK(found->second.global_loads.at(32) == tile_rows * columns);
      CHECK(found->second.shared_stores.at(32) == tile_rows * columns + k.rows);
      CHECK(found->second.shared_loads.at(32) ==
            8 * (1 + k.rows) + 8 * (columns + k.rows));  // both loops unrolled by 8
      CHECK(found->second.global_stores.at(32) == k.rows * columns + k.rows);
    }
  }
}

TEST_CASE("registers reads and writes shared memory 16 bytes at a time, and spills nothing") {
  int kernels = 0;
  for (const auto& [name, widths] : cubin_or_skip("90", "ladder")) {
    if (name.find("9registers") == std::string::npos) continue;
    CAPTURE(name);
    ++kernels;
    CHECK(widths.local == 0);
    CHECK(widths.shared_loads.size() == 1);
    CHECK(widths.shared_stores.size() == 1);
    CHECK(widths.shared_stores.at(128) > 0);
    const int d = std::stoi(name.substr(name.find("ILi") + 3)), Bc = d <= 64 ? 64 : 32;
    CHECK(widths.shared_loads.at(128) ==
          4 * (8 + Bc / 8) + 2 * (8 + 4 * d / 32));  // both products, unrolled by 4 and 2
  }
  CHECK(kernels == 4 * 2 * 2);  // of four head dimensions, full and causal, with four warps and two
}

TEST_CASE("tensor-core multiplies on the tensor cores what ldmatrix brings, and spills nothing") {
  int kernels = 0;
  for (const auto& [name, widths] : cubin_or_skip("90", "ladder")) {
    if (name.find("11tensor_core") == std::string::npos) continue;
    CAPTURE(name);
    ++kernels;
    const int d = name.find("Li64E") != std::string::npos ? 64 : 128, Bc = d == 64 ? 128 : 64;
    const int fragments = 2 * (Bc / 16) * (d / 16);  // of K and V, each for two row tiles and two column tiles
    CHECK(widths.local == 0);
    CHECK(widths.matrix_products == 4 * fragments);
    CHECK(widths.matrix_loads == fragments + 2 * (d / 16));  // and of Q
  }
  CHECK(kernels == 4);
}

TEST_CASE("a kernel whose loads the card's compiler joins is seen as such") {
  for (const char* const architecture : kArchitectures) {
    CAPTURE(architecture);
    const auto kernels = cubin_or_skip(architecture);
    const auto planted = kernels.find("_ZN8flashlab13planted_mergeEPKfPf");
    REQUIRE(planted != kernels.end());
    CHECK(planted->second.shared_loads.at(128) == 8);
    CHECK(planted->second.shared_loads.count(32) == 0);
  }
}

TEST_SUITE_END();
