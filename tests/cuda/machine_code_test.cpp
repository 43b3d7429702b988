// What `flashlab resources` reads where there is no card: the kernels' machine code.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "cuda/host/machine_code.hpp"

using namespace flashlab::gpu;

namespace {

std::string file_or_skip(const std::string& name) {
#ifdef FLASHLAB_CUBIN_DIR
  std::ifstream file(name == "hopper" ? FLASHLAB_HOPPER_OBJECT : FLASHLAB_CUBIN_DIR "/" + name + ".cubin",
                     std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
#else
  std::cerr << "skipped: no nvcc here to compile " << name << '\n';
  std::exit(77);
#endif
}

const CompiledKernel& find(const std::vector<CompiledKernel>& kernels, std::string_view name) {
  const auto found = std::ranges::find(kernels, name, &CompiledKernel::short_name);
  REQUIRE_MESSAGE(found != kernels.end(), std::string(name));
  return *found;
}

}  // namespace

TEST_SUITE_BEGIN("cuda");

TEST_CASE("registers, shared memory and spills of a kernel stand in its machine code") {
  // Tiles of 32 rows of Q, K and V, padded to 65 floats, and P, padded to 33.
  constexpr std::size_t kTiled = 4 * (3 * 32 * 65 + 32 * 33);
  for (const char* const architecture : {"75", "90"}) {
    const auto kernels = compiled_kernels(file_or_skip(std::string("kernels_sm_") + architecture));
    const CompiledKernel& tiled = find(kernels, "tiled<64, true>");
    CHECK(tiled.architecture == std::stoi(architecture));
    CHECK(tiled.static_shared_bytes == kTiled);
    CHECK(tiled.registers > 16);
    CHECK(tiled.registers <= 128);
    CHECK(tiled.local_bytes == 0);
    CHECK(find(kernels, "naive_softmax<false>").static_shared_bytes == 0);
  }
  CHECK(compiled_kernels(file_or_skip("planted_spills")).at(0).local_bytes > 0);
}

TEST_CASE(
    "hopper spills nothing, for any head dimension, type and mask, and keeps the registers it shares out") {
  const auto kernels = compiled_kernels(file_or_skip("hopper"));
  int whole = 0;
  for (const CompiledKernel& kernel : kernels) {
    if (kernel.short_name().find("flashlab::HopperOptions>") == std::string_view::npos) continue;
    CAPTURE(kernel.name);
    ++whole;
    CHECK(kernel.local_bytes == 0);
    // 65536 for one warpgroup that fetches and two or three that compute, before they trade.
    CHECK(kernel.registers == (kernel.short_name().find(", 64, ") != std::string_view::npos ? 128 : 168));
  }
  CHECK(whole == 3 * 2 * 2);
}

TEST_CASE("machine code that is torn, or none at all, is passed over") {
  CHECK(compiled_kernels("").empty());
  CHECK(compiled_kernels("\x7f"
                         "ELF\x02\x01 and then nothing")
            .empty());
  const std::string whole = file_or_skip("planted_spills");
  for (std::size_t size = 0; size < whole.size(); size += 97) compiled_kernels(whole.substr(0, size));
  std::string spoilt = whole;
  for (std::size_t at = 16; at < whole.size(); at += 31) {
    spoilt[at] = static_cast<char>(0xff);
    compiled_kernels(spoilt);
    spoilt[at] = whole[at];
  }
  CHECK(compiled_kernels("in the midst of " + whole + whole).size() == 2);
}

TEST_SUITE_END();
