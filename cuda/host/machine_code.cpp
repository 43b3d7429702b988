#include "cuda/host/machine_code.hpp"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>

#include "sim/core/error.hpp"

namespace flashlab::gpu {
namespace {

/// A CUDA image as an ELF file (System V ABI, "Object Files"). Of NVIDIA's own sections, what is read here was found by
/// compiling kernels whose resources `nvcc -Xptxas -v` prints, with CUDA 12 and 13.
class Image {
 public:
  explicit Image(std::string_view bytes) : bytes_(bytes) {}

  struct Section {
    std::string_view name;
    std::uint32_t type = 0, info = 0;
    std::uint64_t offset = 0, size = 0;
  };
  struct Torn {};  // thrown where something lies outside

  template <class T>
  T at(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) throw Torn{};
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }

  int architecture() const {
    constexpr int kAbiOfCuda13 = 8;  // moved the number within the flags
    const auto flags = at<std::uint32_t>(0x30);
    return static_cast<int>((at<std::uint8_t>(8) >= kAbiOfCuda13 ? flags >> 8 : flags) & 0xff);
  }

  std::vector<Section> sections() const {
    const auto table = at<std::uint64_t>(0x28);
    const auto entry = at<std::uint16_t>(0x3a), count = at<std::uint16_t>(0x3c),
               names = at<std::uint16_t>(0x3e);
    const auto header = [&](std::uint64_t i) { return table + i * entry; };
    const auto name_table = at<std::uint64_t>(header(names) + 0x18);
    std::vector<Section> all;
    for (std::uint64_t i = 0; i < count; ++i) {
      all.push_back({.name = text(name_table + at<std::uint32_t>(header(i))),
                     .type = at<std::uint32_t>(header(i) + 4),
                     .info = at<std::uint32_t>(header(i) + 0x2c),
                     .offset = at<std::uint64_t>(header(i) + 0x18),
                     .size = at<std::uint64_t>(header(i) + 0x20)});
    }
    return all;
  }

  std::string_view text(std::uint64_t offset) const {
    if (offset >= bytes_.size()) throw Torn{};
    const std::size_t end = bytes_.find('\0', offset);
    if (end == std::string_view::npos) throw Torn{};
    return bytes_.substr(offset, end - offset);
  }

 private:
  std::string_view bytes_;
};

std::string demangled(std::string_view mangled) {
  int status = 0;
  char* const text = abi::__cxa_demangle(std::string(mangled).c_str(), nullptr, nullptr, &status);
  std::string name = status == 0 && text ? text : std::string(mangled);
  std::free(text);
  return name;
}

void read_image(const Image& image, std::vector<CompiledKernel>& all) {
  constexpr std::uint8_t kRegisters = 0x2f, kFrame = 0x11, kHasValue = 4;
  const int architecture = image.architecture();
  const std::vector<Image::Section> sections = image.sections();
  std::map<std::uint32_t, std::uint32_t> registers, frames;  // by the number of the kernel's symbol
  std::map<std::string_view, std::uint64_t> shared;
  std::uint64_t symbols = 0;
  for (const Image::Section& section : sections) {
    if (section.name == ".symtab") symbols = section.offset;
    constexpr std::string_view kShared = ".nv.shared.";
    if (section.name.starts_with(kShared)) shared[section.name.substr(kShared.size())] = section.size;
    if (section.name != ".nv.info") continue;
    for (std::uint64_t at = section.offset; at + 4 <= section.offset + section.size;) {
      const auto format = image.at<std::uint8_t>(at), attribute = image.at<std::uint8_t>(at + 1);
      const std::uint64_t size = format == kHasValue ? image.at<std::uint16_t>(at + 2) : 0;
      if (format == kHasValue && size == 8 && (attribute == kRegisters || attribute == kFrame)) {
        (attribute == kRegisters ? registers : frames)[image.at<std::uint32_t>(at + 4)] =
            image.at<std::uint32_t>(at + 8);
      }
      at += 4 + size;
    }
  }
  std::map<std::string_view, std::uint32_t> symbol_of;
  std::uint64_t names = 0;
  for (const Image::Section& section : sections) {
    if (section.name == ".strtab") names = section.offset;
  }
  for (const auto& [symbol, count] : registers) {
    symbol_of[image.text(names + image.at<std::uint32_t>(symbols + 24 * std::uint64_t{symbol}))] = symbol;
  }
  for (const Image::Section& section : sections) {
    constexpr std::string_view kText = ".text.";
    if (!section.name.starts_with(kText)) continue;
    const std::string_view mangled = section.name.substr(kText.size());
    const auto symbol = symbol_of.find(mangled);
    if (symbol == symbol_of.end()) continue;
    // From sm_90 on the section begins with what the system keeps for itself.
    const std::uint64_t reserved = architecture >= 90 ? 1024 : 0;
    const std::uint64_t own = shared.contains(mangled) ? shared.at(mangled) : 0;
    all.push_back({.architecture = architecture,
                   .name = demangled(mangled),
                   .registers = static_cast<int>(registers.at(symbol->second)),
                   .local_bytes = frames.contains(symbol->second) ? frames.at(symbol->second) : 0,
                   .static_shared_bytes = own > reserved ? own - reserved : 0});
  }
}

}  // namespace

std::string_view CompiledKernel::short_name() const {
  constexpr std::string_view kOurs = "flashlab::";
  std::string_view text = name;
  const std::size_t end =
      text.find('(', text.find('<'));  // a template argument may be in an (anonymous namespace)
  const std::size_t begin = text.find(kOurs);
  if (begin == std::string_view::npos) return text;
  text = text.substr(begin + kOurs.size());
  return end == std::string_view::npos ? text : text.substr(0, end - begin - kOurs.size());
}

std::vector<CompiledKernel> compiled_kernels(std::string_view bytes) {
  constexpr std::string_view kElf =
      "\x7f"
      "ELF\x02\x01";
  constexpr std::uint16_t kCuda = 190;
  std::vector<CompiledKernel> all;
  for (std::size_t at = bytes.find(kElf); at != std::string_view::npos; at = bytes.find(kElf, at + 1)) {
    const Image image(bytes.substr(at));
    std::vector<CompiledKernel> kernels;
    try {
      if (image.at<std::uint16_t>(0x12) != kCuda) continue;
      read_image(image, kernels);
    } catch (const Image::Torn&) {
      continue;
    }
    std::ranges::move(kernels, std::back_inserter(all));
  }
  return all;
}

std::vector<CompiledKernel> compiled_kernels_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  if (!stream) throw EnvironmentError(fmt::format("cannot read {}", file.string()));
  return compiled_kernels(bytes);
}

}  // namespace flashlab::gpu
