#include "sim/lab/wire.hpp"

#include <cstring>
#include <stdexcept>
#include <type_traits>

namespace flashlab::lab {
namespace {

constexpr std::uint64_t kJobMagic = 0x626F6A2D62616C66, kResultMagic = 0x6C75736572626C66;
constexpr std::uint64_t kMostItems = 1 << 20;

class Writer {
 public:
  template <class T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(const std::string& s) {
    put(static_cast<std::uint64_t>(s.size()));
    out += s;
  }
  template <class T>
  void list(const std::vector<T>& v) {
    put(static_cast<std::uint64_t>(v.size()));
    out.append(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(T));
  }
  std::string out;
};

class Reader {
 public:
  explicit Reader(const std::string& in) : in_(in) {}
  template <class T>
  T get() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, need(sizeof value), sizeof value);
    return value;
  }
  bool flag() { return get<std::uint8_t>() == 1; }
  std::string text(std::uint64_t most) {
    const std::uint64_t n = size(most);
    return {need(n), n};
  }
  template <class T>
  std::vector<T> list(std::uint64_t most) {
    const std::uint64_t n = size(most);
    std::vector<T> v(n);
    if (n != 0) std::memcpy(v.data(), need(n * sizeof(T)), n * sizeof(T));
    return v;
  }
  std::uint64_t size(std::uint64_t most) {
    const auto n = get<std::uint64_t>();
    if (n > most || n > in_.size()) throw std::runtime_error("a length that cannot be");
    return n;
  }
  bool ended() const { return at_ == in_.size(); }

 private:
  const char* need(std::uint64_t bytes) {
    if (bytes > in_.size() - at_) throw std::runtime_error("it ends too early");
    const char* p = in_.data() + at_;
    at_ += bytes;
    return p;
  }
  const std::string& in_;
  std::size_t at_ = 0;
};

// The fixed part of a launch's counters.
struct Fixed {
  simt::Dim3 grid, block;
  std::uint64_t static_shared_bytes, dynamic_shared_bytes;
  simt::MemoryCounters memory[simt::kSpaces][simt::kOps];
  std::uint64_t barriers, collectives, matrix_products, matrix_flops, divergent_requests, merged_loads;
  simt::ArithmeticCounts arithmetic;
};

}  // namespace

std::string write_job(const Job& job) {
  Writer w;
  w.put(kJobMagic);
  w.text(job.nonce);
  w.list(job.numbers);
  w.put(static_cast<std::uint64_t>(job.buffers.size()));
  for (const BufferSpec& b : job.buffers) {
    w.put(b.count);
    w.list(b.values);
    w.put(static_cast<std::uint8_t>(b.output));
  }
  w.put(static_cast<std::uint8_t>(job.races));
  w.put(static_cast<std::uint8_t>(job.unwritten));
  return std::move(w.out);
}

Job read_job(const std::string& bytes) {
  Reader r(bytes);
  if (r.get<std::uint64_t>() != kJobMagic) throw std::runtime_error("no job");
  Job job;
  job.nonce = r.text(64);
  job.numbers = r.list<std::int64_t>(kMostItems);
  const std::uint64_t buffers = r.size(64);
  for (std::uint64_t i = 0; i < buffers; ++i) {
    BufferSpec b;
    b.count = r.get<std::uint64_t>();
    b.values = r.list<float>(b.count);
    b.output = r.flag();
    job.buffers.push_back(std::move(b));
  }
  job.races = r.flag();
  job.unwritten = r.flag();
  return job;
}

std::string write_result(const RunResult& result, const Job& job) {
  Writer w;
  w.put(kResultMagic);
  w.put(static_cast<std::int64_t>(result.cuda_error));
  w.put(result.card_ms);
  w.list(result.answers);
  w.put(static_cast<std::uint64_t>(result.launches.size()));
  for (const LaunchRecord& l : result.launches) {
    Fixed f{};
    f.grid = l.grid, f.block = l.block;
    f.static_shared_bytes = l.static_shared_bytes, f.dynamic_shared_bytes = l.dynamic_shared_bytes;
    for (int s = 0; s < simt::kSpaces; ++s) {
      for (int o = 0; o < simt::kOps; ++o) f.memory[s][o] = l.counters.memory[s][o];
    }
    f.barriers = l.counters.barriers, f.collectives = l.counters.collectives;
    f.matrix_products = l.counters.matrix_products, f.matrix_flops = l.counters.matrix_flops;
    f.divergent_requests = l.counters.divergent_requests, f.merged_loads = l.counters.merged_loads;
    f.arithmetic = l.counters.arithmetic;
    w.put(f);
    w.list(l.sites);
  }
  w.put(static_cast<std::uint64_t>(result.findings.size()));
  for (const FindingRecord& f : result.findings) {
    w.put(static_cast<std::uint8_t>(f.finding.kind));
    w.put(f.finding.block), w.put(f.finding.thread), w.put(f.finding.occurrences);
    w.put(f.address), w.put(f.other_address);
    w.text(f.finding.what.substr(0, 1000));
    w.text(f.finding.cause.substr(0, 1000));
  }
  w.put(static_cast<std::uint64_t>(result.outputs.size()));
  for (const auto& o : result.outputs) w.list(o);
  w.text(job.nonce);
  return std::move(w.out);
}

std::optional<RunResult> read_result(const std::string& bytes, const Job& job, std::string& why) {
  try {
    if (bytes.empty()) throw std::runtime_error("there is none");
    Reader r(bytes);
    if (r.get<std::uint64_t>() != kResultMagic) throw std::runtime_error("it begins wrongly");
    RunResult result;
    result.cuda_error = static_cast<int>(r.get<std::int64_t>());
    result.card_ms = r.get<double>();
    result.answers = r.list<std::int64_t>(4096);
    const std::uint64_t launches = r.size(4096);
    for (std::uint64_t i = 0; i < launches; ++i) {
      const auto f = r.get<Fixed>();
      LaunchRecord l;
      l.grid = f.grid, l.block = f.block;
      l.static_shared_bytes = f.static_shared_bytes, l.dynamic_shared_bytes = f.dynamic_shared_bytes;
      for (int s = 0; s < simt::kSpaces; ++s) {
        for (int o = 0; o < simt::kOps; ++o) l.counters.memory[s][o] = f.memory[s][o];
      }
      l.counters.barriers = f.barriers, l.counters.collectives = f.collectives;
      l.counters.matrix_products = f.matrix_products, l.counters.matrix_flops = f.matrix_flops;
      l.counters.divergent_requests = f.divergent_requests, l.counters.merged_loads = f.merged_loads;
      l.counters.arithmetic = f.arithmetic;
      l.sites = r.list<SiteRecord>(kMostItems);
      for (const SiteRecord& s : l.sites) {
        if (static_cast<int>(s.op) >= simt::kOps || static_cast<int>(s.space) >= simt::kSpaces)
          throw std::runtime_error("an operation that is none");
      }
      result.launches.push_back(std::move(l));
    }
    const std::uint64_t findings = r.size(4096);
    for (std::uint64_t i = 0; i < findings; ++i) {
      FindingRecord f{};
      const auto kind = r.get<std::uint8_t>();
      if (kind > static_cast<std::uint8_t>(simt::FindingKind::leak))
        throw std::runtime_error("a finding of no kind");
      f.finding.kind = static_cast<simt::FindingKind>(kind);
      f.finding.block = r.get<simt::Dim3>(), f.finding.thread = r.get<simt::Dim3>();
      f.finding.occurrences = r.get<std::uint64_t>();
      f.address = r.get<std::uint64_t>(), f.other_address = r.get<std::uint64_t>();
      f.finding.what = r.text(1000), f.finding.cause = r.text(1000);
      result.findings.push_back(std::move(f));
    }
    std::uint64_t wanted = 0;
    for (const BufferSpec& b : job.buffers) wanted += b.output ? 1 : 0;
    if (r.size(64) != wanted) throw std::runtime_error("outputs are missing");
    for (const BufferSpec& b : job.buffers) {
      if (!b.output) continue;
      result.outputs.push_back(r.list<float>(b.count));
      if (result.outputs.back().size() != b.count) throw std::runtime_error("an output is too short");
    }
    if (r.text(64) != job.nonce || !r.ended()) throw std::runtime_error("it ends wrongly");
    return result;
  } catch (const std::exception& e) {
    why = e.what();
    return std::nullopt;
  }
}

}  // namespace flashlab::lab
