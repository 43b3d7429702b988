#include "sim/lab/judge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

#include "sim/core/inputs.hpp"
#include "sim/core/random.hpp"
#include "sim/core/text.hpp"
#include "sim/reference/attention.hpp"
#include "sim/report/table.hpp"
#include "sim/simt/compile/compile.hpp"

namespace flashlab::lab {
namespace {

std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}
std::uint64_t hash(std::uint64_t seed, std::string_view name) {
  std::uint64_t h = mix(seed);
  for (const char c : name) h = mix(h ^ static_cast<unsigned char>(c));
  return h;
}

std::string in_source(std::string_view source, int line) {
  std::size_t at = 0;
  for (int i = 1; i < line && at != std::string_view::npos; ++i) {
    at = source.find('\n', at);
    if (at != std::string_view::npos) ++at;
  }
  if (at == std::string_view::npos || line < 1) return "";
  std::string text(source.substr(at, source.find('\n', at) - at));
  text.erase(0, text.find_first_not_of(" \t"));
  if (text.size() > 90) text = text.substr(0, 87) + "...";
  return text;
}

}  // namespace

void Evidence::look_up(std::vector<std::uint64_t> addresses) const {
  std::erase_if(addresses, [&](std::uint64_t a) { return a == 0 || lines_.contains(a); });
  if (addresses.empty()) return;
  std::vector<std::string> command = {"addr2line", "-a", "-i", "-e", program_.string()};
  for (const std::uint64_t a : addresses) {
    lines_[a] = 0;
    command.push_back(fmt::format("{:x}", a));
  }
  // For each its address, then a line for every function that was inlined there: the first that is the submission's.
  std::istringstream out(simt::run_command(command).output);
  std::uint64_t now = 0;
  for (std::string line; std::getline(out, line);) {
    if (line.starts_with("0x")) {
      now = std::strtoull(line.c_str(), nullptr, 16);
      continue;
    }
    const std::size_t at = line.find("solution.cu:");
    if (at != std::string::npos && lines_[now] == 0) lines_[now] = std::atoi(line.c_str() + at + 12);
  }
}

int Evidence::line(std::uint64_t address) const {
  look_up({address});
  const auto it = lines_.find(address);
  return it == lines_.end() ? 0 : it->second;
}

std::string Evidence::place(std::uint64_t address) const {
  const int n = line(address);
  return n == 0 ? "" : fmt::format("solution.cu:{}: {}", n, in_source(source_, n));
}

Draw::Draw(std::uint64_t seed, std::string_view name) : state_(hash(seed, name)) {}
std::int64_t Draw::between(std::int64_t low, std::int64_t high) {
  state_ = mix(state_);
  return low + static_cast<std::int64_t>(state_ % static_cast<std::uint64_t>(high - low + 1));
}

std::string title_of(const Shape& s, Values values) {
  return fmt::format("{}N = {}, d = {}{}", s.heads == 1 ? "" : fmt::format("{} heads, ", s.heads), s.N, s.d,
                     values == Values::large  ? ", scores of some hundreds"
                     : values == Values::real ? ", real Q, K and V"
                                              : "");
}

std::vector<float> input(const Shape& s, Values values, int which, std::uint64_t seed) {
  std::vector<float> all(static_cast<std::size_t>(s.heads * s.N * s.d));
  if (values == Values::real) {
    static const Inputs shipped = shipped_inputs();
    const Tensor& from = which == 0 ? shipped.q : which == 1 ? shipped.k : shipped.v;
    for (std::int64_t h = 0; h < s.heads; ++h) {
      const float* head = from.head(h % from.heads());
      for (std::int64_t i = 0; i < s.N; ++i) {
        for (std::int64_t c = 0; c < s.d; ++c)
          all[static_cast<std::size_t>((h * s.N + i) * s.d + c)] =
              head[(i + static_cast<std::int64_t>(seed % 97)) % from.seq() * from.dim() + c % from.dim()];
      }
    }
    return all;
  }
  const float scale = values == Values::large && which < 2 ? 8.0f : 1.0f;
  fill_normal(all, hash(seed, "input"), static_cast<std::uint64_t>(which), scale);
  return all;
}

Case attention_case(const Shape& s, Values values, std::uint64_t seed, std::uint64_t output_floats) {
  Case c;
  c.title = title_of(s, values);
  c.job.numbers = {s.heads, s.N, s.d};
  for (int which = 0; which < 3; ++which) {
    BufferSpec b;
    b.values = input(s, values, which, hash(seed, c.title));
    b.count = b.values.size();
    c.job.buffers.push_back(std::move(b));
  }
  c.job.buffers.push_back({.count = output_floats, .output = true});
  return c;
}

Shape shape_of(const Case& c) { return {c.job.numbers.at(0), c.job.numbers.at(1), c.job.numbers.at(2)}; }

Verdict compare(const Matrix& m, std::span<const float> got, std::span<const double> want, double tolerance) {
  double largest = 0;
  for (const double w : want) largest = std::max(largest, std::fabs(w));
  const double allowed = tolerance * (1 + largest);
  const auto wrong = [&](std::size_t i) {
    return !(std::fabs(static_cast<double>(got[i]) - want[i]) <= allowed);
  };
  std::size_t first = want.size(), count = 0, nans = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (!wrong(i)) continue;
    if (count++ == 0) first = i;
    if (std::isnan(got[i])) ++nans;
  }
  if (count == 0) return {.share = 1};
  const auto cols = static_cast<std::size_t>(m.cols), rows = static_cast<std::size_t>(m.rows);
  const std::size_t row = first / cols % rows, col = first % cols, head = first / cols / rows;
  Verdict v;
  const bool equal = got.size() > 1 && std::ranges::all_of(got, [&](float g) { return g == got[0]; });
  v.text = fmt::format("{} of {} elements of {} are wrong", grouped(count), grouped(want.size()), m.name);
  if (nans == count)
    v.text += nans == want.size()
                  ? ": all are NaN, as before the launch: nothing wrote them, or NaN was computed"
                  : ": they are NaN (nothing wrote them, or NaN was computed)";
  else if (equal)
    v.text += fmt::format(": all of them are {:g}", got[0]);
  v.detail =
      fmt::format("first: {}[{}{}][{}] is {:g}, expected {:g} (± {:.1g})\n", m.name,
                  m.heads > 1 ? fmt::format("{}][", head) : "", row, col, got[first], want[first], allowed);
  const std::size_t row0 = row, col0 = col, row1 = std::min(rows, row0 + 4), col1 = std::min(cols, col0 + 5);
  v.detail += fmt::format("{:<52}expected\n",
                          fmt::format("actual, rows {}–{}, columns {}–{}", row0, row1 - 1, col0, col1 - 1));
  for (std::size_t r = row0; r < row1; ++r) {
    std::string actual, expected;
    for (std::size_t c = col0; c < col1; ++c) {
      const std::size_t i = (head * rows + r) * cols + c;
      actual += fmt::format("{:>9.4g}{}", got[i], wrong(i) ? '*' : ' ');
      expected += fmt::format("{:>9.4g} ", want[i]);
    }
    v.detail += fmt::format("{:<52}{}\n", actual, expected);
  }
  return v;
}

namespace {
double product(const Case& c, const Shape& s, std::int64_t h, std::int64_t i, std::int64_t j) {
  const float* q = c.job.buffers[0].values.data() + (h * s.N + i) * s.d;
  const float* k = c.job.buffers[1].values.data() + (h * s.N + j) * s.d;
  double sum = 0;
  for (std::int64_t x = 0; x < s.d; ++x) sum += static_cast<double>(q[x]) * static_cast<double>(k[x]);
  return sum / std::sqrt(static_cast<double>(s.d));
}
}  // namespace

std::vector<double> attention_of(const Case& c, bool causal) {
  const Shape s = shape_of(c);
  const Problem problem{.batch = 1, .heads = s.heads, .seq = s.N, .dim = s.d, .causal = causal};
  Tensor tensors[3];
  for (std::size_t which = 0; which < 3; ++which) {
    tensors[which] = Tensor(1, s.heads, s.N, s.d);
    std::ranges::copy(c.job.buffers[which].values, tensors[which].data());
  }
  return reference::attention(problem, tensors[0], tensors[1], tensors[2]).O;
}

std::vector<double> scores_of(const Case& c) {
  const Shape s = shape_of(c);
  std::vector<double> S;
  S.reserve(static_cast<std::size_t>(s.heads * s.N * s.N));
  for (std::int64_t h = 0; h < s.heads; ++h) {
    for (std::int64_t i = 0; i < s.N; ++i) {
      for (std::int64_t j = 0; j < s.N; ++j) S.push_back(product(c, s, h, i, j));
    }
  }
  return S;
}

Verdict right(std::span<const Ran> ran, const Evidence& evidence, std::string_view name, bool square,
              std::vector<double> (*want)(const Case&), double tolerance) {
  for (const Ran& r : ran) {
    const Shape s = shape_of(*r.of);
    Verdict v = sound(r, evidence);
    if (v.passed())
      v = compare({std::string(name), s.heads, s.N, square ? s.N : s.d}, r.result.outputs[0], want(*r.of),
                  tolerance);
    if (v.passed()) continue;
    v.share = 0;
    v.text = fmt::format("at {}: {}", r.of->title, v.text);
    return v;
  }
  return {.share = 1, .text = fmt::format("{} cases, up to {}", ran.size(), ran.back().of->title)};
}

Verdict gate(std::uint64_t value, double most, std::string_view unit, const Ran& ran, const Evidence& evidence,
             Count count) {
  Verdict v{.text = fmt::format("{} {} at {}; at most {}", grouped(value), unit, ran.of->title,
                                grouped(static_cast<std::uint64_t>(most)))};
  v.share = static_cast<double>(value) <= most ? 1 : 0;
  if (!v.passed()) v.detail = "by line:\n" + worst_lines(ran.result, evidence, count, unit);
  return v;
}

Verdict sound(const Ran& ran, const Evidence& evidence) {
  if (!ran.failure.empty()) return {.text = ran.failure};
  for (const FindingRecord& f : ran.result.findings) {
    evidence.look_up({f.address, f.other_address});
    const std::string here = evidence.place(f.address), there = evidence.place(f.other_address);
    Verdict v;
    v.text = fmt::format("{}: {}", simt::name_of(f.finding.kind), f.finding.what);
    if (!here.empty()) v.detail += here + "\n";
    if (!there.empty()) v.detail += "and " + there + "\n";
    v.detail += fmt::format("block ({}, {}, {}), thread ({}, {}, {}): {}\n", f.finding.block.x,
                            f.finding.block.y, f.finding.block.z, f.finding.thread.x, f.finding.thread.y,
                            f.finding.thread.z, f.finding.cause);
    return v;
  }
  constexpr std::uint64_t kSharedOfBlock = std::uint64_t{227} << 10;
  for (const LaunchRecord& l : ran.result.launches) {
    if (l.static_shared_bytes > 48 << 10)
      return {.text =
                  fmt::format("{} bytes of __shared__ arrays: a card takes 48 KiB of them, and more only as "
                              "dynamic shared memory",
                              grouped(l.static_shared_bytes))};
    if (l.static_shared_bytes + l.dynamic_shared_bytes > kSharedOfBlock)
      return {.text = fmt::format("{} bytes of shared memory a block: an H100 has 227 KiB",
                                  grouped(l.static_shared_bytes + l.dynamic_shared_bytes))};
  }
  if (ran.result.cuda_error != 0)
    return {.text = fmt::format("the launch failed with CUDA error {}{}", ran.result.cuda_error,
                                ran.result.cuda_error == 9   ? ": a grid or block that no card takes"
                                : ran.result.cuda_error == 1 ? ": more shared memory than a block can have"
                                                             : "")};
  return {.share = 1};
}

Sums sums_of(const RunResult& result) {
  using simt::Op, simt::Space;
  Sums s;
  for (const LaunchRecord& l : result.launches) {
    s.global_load += l.counters.of(Space::global, Op::load);
    s.global_store += l.counters.of(Space::global, Op::store);
    s.shared_load += l.counters.of(Space::shared, Op::load);
    s.shared_store += l.counters.of(Space::shared, Op::store);
    for (const auto& shared : l.counters.memory[static_cast<int>(Space::shared)]) s.all_shared += shared;
    for (const auto& global : l.counters.memory[static_cast<int>(Space::global)])
      s.global_sectors += global.sectors;
  }
  return s;
}

std::uint64_t sectors_at(const SiteRecord& s) {
  return s.space == simt::Space::global ? s.counters.sectors : 0;
}
std::uint64_t excess_sectors_at(const SiteRecord& s) {
  const std::uint64_t fine = 4 * s.counters.requests;
  return s.space == simt::Space::global && s.counters.sectors > fine ? s.counters.sectors - fine : 0;
}
std::uint64_t conflicts_at(const SiteRecord& s) {
  return s.space == simt::Space::shared ? s.counters.conflicts : 0;
}

std::string worst_lines(const RunResult& result, const Evidence& evidence, Count count, std::string_view unit) {
  std::vector<std::uint64_t> addresses;
  for (const LaunchRecord& l : result.launches) {
    for (const SiteRecord& s : l.sites) {
      if (count(s) != 0) addresses.push_back(s.address);
    }
  }
  evidence.look_up(addresses);
  std::map<int, std::pair<std::uint64_t, std::uint64_t>> lines;  // line → count, an address in it
  std::uint64_t total = 0;
  for (const LaunchRecord& l : result.launches) {
    for (const SiteRecord& s : l.sites) {
      if (count(s) == 0) continue;
      auto& line = lines[evidence.line(s.address)];
      line.first += count(s), line.second = s.address;
      total += count(s);
    }
  }
  std::vector<std::pair<std::uint64_t, std::uint64_t>> sorted;
  for (const auto& [line, what] : lines) sorted.push_back(what);
  std::ranges::sort(sorted, std::greater{});
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(sorted.size(), 4); ++i) {
    const std::string place = evidence.place(sorted[i].second);
    text += fmt::format("{:>15} {} ({:2.0f} %)  {}\n", grouped(sorted[i].first), unit,
                        100.0 * static_cast<double>(sorted[i].first) / static_cast<double>(total),
                        place.empty() ? "(a line of a header)" : place);
  }
  return text;
}

std::uint64_t stored_at(const SiteRecord& s) {
  const bool counts = s.space == simt::Space::global && (s.op == simt::Op::store || s.op == simt::Op::atomic);
  return counts ? s.counters.sectors : 0;
}
std::uint64_t loaded_at(const SiteRecord& s) {
  const bool counts =
      s.space == simt::Space::global && (s.op == simt::Op::load || s.op == simt::Op::async_copy);
  return counts ? s.counters.sectors : 0;
}

double bytes_loaded(const Shape& s, std::int64_t rows, std::int64_t tile, bool causal, int matrices) {
  std::int64_t keys = 0;
  for (std::int64_t row0 = 0; row0 < s.N; row0 += rows) {
    const std::int64_t seen = causal ? std::min(s.N, row0 + rows) : s.N;
    keys += std::min(s.N, (seen + tile - 1) / tile * tile);
  }
  return 4.0 * static_cast<double>(s.heads * s.d * (s.N + matrices * keys));
}
double bytes_of_rows(const Shape& s, std::int64_t rows) {
  const auto Tr = static_cast<double>((s.N + rows - 1) / rows);
  return 4.0 * static_cast<double>(s.heads * s.N * s.d) * (2 + 2 * Tr);
}
double bytes_stored(const Shape& s) { return 4.0 * static_cast<double>(s.heads * s.N * s.d); }

RunResult kernels_of(const Ran& ran) {
  RunResult result = ran.result;
  if (!result.launches.empty()) result.launches.erase(result.launches.begin());
  return result;
}

Verdict gated(std::span<const Ran> ran, const Evidence& evidence, std::string_view what, Count count,
              double (*gate_of)(const Case&), std::string (*remark)(const Ran&)) {
  Verdict v{.share = 1};
  for (const Ran& r : ran) {
    const RunResult result = kernels_of(r);
    std::uint64_t bytes = 0;
    for (const LaunchRecord& l : result.launches) {
      for (const SiteRecord& s : l.sites) bytes += 32 * count(s);
    }
    const double gate = gate_of(*r.of);
    v.text = fmt::format("{} bytes {} at {}; at most {}", grouped(bytes), what, r.of->title,
                         grouped(static_cast<std::uint64_t>(gate)));
    if (static_cast<double>(bytes) <= gate) continue;
    v.share = 0;
    v.detail = (remark != nullptr ? remark(r) : "") + "32-byte sectors, by line:\n" +
               worst_lines(result, evidence, count, "sectors");
    return v;
  }
  return v;
}

std::string grouped(std::uint64_t n) { return format_count(n); }

std::string table(const std::vector<std::vector<std::string>>& rows) {
  using enum report::TextTable::Align;
  report::TextTable text;
  for (std::size_t i = 0; i < rows.front().size(); ++i) text.column(rows.front()[i], i == 0 ? left : right);
  for (std::size_t r = 1; r < rows.size(); ++r) text.row(rows[r]);
  return text.str(false);
}

}  // namespace flashlab::lab
