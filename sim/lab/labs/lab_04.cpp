// Lab 4: `fused`: whole rows of S in shared memory, no S or P in HBM, and the N at which that must fail.

#include <fmt/format.h>

#include <algorithm>

#include "sim/lab/judge.hpp"

namespace flashlab::lab {
namespace {

constexpr double kTolerance = 2e-5;  // fp32 sums of some hundred terms
constexpr double kSlack = 1.05;      // of the traffic gates
constexpr std::int64_t kWarps = 8, kMostRows = 64, kKeys = 32;
constexpr std::int64_t kKiB = 1 << 10;

// The harness's last number.
enum What : std::int64_t { run_N = 0, run_largest = 1, ask_only = 2 };
// Its answers.
enum : std::size_t { kLargest = 0, kRunN, kRows, kSharedBytes };
enum : std::size_t { kRefused = 1, kAccepted, kTooLarge, kOddRows };

/// Shared memory of `rows` rows when nothing is packed tightly: scores padded to whole tiles and one more, Q and a tile
/// of K or V with a padded column. The gates take this much, so that a tighter layout passes with a margin.
std::int64_t roomy_bytes(std::int64_t rows, std::int64_t N, std::int64_t d) {
  return 4 * (rows * (N / kKeys * kKeys + kKeys + 1) + (rows + kKeys) * (d + 1));
}
std::int64_t roomy_rows(std::int64_t N, std::int64_t d, std::int64_t limit) {
  for (std::int64_t rows = kMostRows; rows > kWarps; rows -= kWarps) {
    if (rows - kWarps < N && roomy_bytes(rows, N, d) <= limit) return rows;
  }
  return kWarps;
}
/// The largest N that the roomy layout takes with the fewest rows.
std::int64_t roomy_largest(std::int64_t d, std::int64_t limit) {
  std::int64_t N = 0;
  while (roomy_bytes(kWarps, N + 1, d) <= limit) ++N;
  return N;
}
/// No layout holds kWarps rows of more scores.
std::int64_t never_beyond(std::int64_t limit) { return limit / (4 * kWarps); }

/// Bytes that are loaded: Q once, K and V once a row block; in a causal run the tiles of keys that the block sees.
double loaded_bytes(const Shape& s, std::int64_t rows, bool causal) {
  return bytes_loaded(s, rows, kKeys, causal, 2);
}

Case make(const Shape& s, bool causal, std::int64_t limit, std::uint64_t seed, What what = run_N) {
  Case c;
  if (what == ask_only) {
    c.job.numbers = {s.heads, s.N, s.d};
    c.title = fmt::format("d = {}", s.d);
  } else {
    c = attention_case(s, Values::normal, seed, static_cast<std::uint64_t>(s.heads * s.N * s.d));
    if (what == run_largest) c.title = fmt::format("your largest N, d = {}", s.d);
  }
  c.title += fmt::format("{}, {} B of shared memory", causal ? ", causal" : "",
                         grouped(static_cast<std::uint64_t>(limit)));
  c.job.numbers.insert(c.job.numbers.end(), {causal ? 1 : 0, limit, what});
  return c;
}
bool causal_of(const Case& c) { return c.job.numbers.at(3) != 0; }
std::int64_t limit_of(const Case& c) { return c.job.numbers.at(4); }

class Lab04 final : public Lab {
 public:
  int number() const override { return 4; }
  std::string_view slug() const override { return "04-fused"; }
  std::string_view title() const override { return "Fused: rows of S in shared memory, and where that ends"; }

  std::vector<Item> items(const Conditions& c) const override {
    Draw draw(c.seed, "lab04");
    const auto a_case = [&](const Shape& s, bool causal, std::int64_t limit) {
      return make(s, causal, limit, c.seed);
    };
    std::vector<Case> whole = {a_case({1, 32, 32}, false, 48 * kKiB), a_case({1, 64, 64}, false, 48 * kKiB)};
    std::vector<Case> ragged = {
        a_case({1, 1, 32}, false, 48 * kKiB), a_case({1, 7, 64}, false, 64 * kKiB),
        a_case({2, c.hidden ? draw.between(33, 63) : 45, 32}, false, 48 * kKiB),
        a_case({1, c.hidden ? 32 * draw.between(2, 3) + draw.between(1, 31) : 77, 64}, false, 64 * kKiB)};
    std::vector<Case> causal = {a_case({1, 32, 32}, true, 48 * kKiB), a_case({2, 45, 64}, true, 48 * kKiB)};
    if (c.hidden) {
      whole.push_back(
          a_case({draw.between(2, 3), 32 * draw.between(1, 3), 32}, false, 1024 * draw.between(40, 99)));
      causal.push_back(a_case({1, draw.between(33, 99), 32}, true, 99 * kKiB));
    }
    const std::int64_t N = c.hidden ? 32 * draw.between(4, 5) : 160;
    const std::vector<Case> counted = {a_case({1, N, 64}, false, 48 * kKiB),
                                       a_case({1, N, 64}, true, 48 * kKiB)};
    whole.push_back(counted[0]), causal.push_back(counted[1]);

    std::vector<Case> surveys, bounds;
    const auto survey = [&](std::int64_t d, std::int64_t limit) {
      surveys.push_back(make({1, never_beyond(limit) + 64, d}, false, limit, c.seed, ask_only));
    };
    for (const std::int64_t d :
         {32, 64}) {  // too little for one tile; then what a block of a T4, A100 or H100 may have
      for (const std::int64_t KiB : {4, 48, 64, 163, 227}) survey(d, KiB * kKiB);
      if (c.hidden) survey(d, draw.between(12 * kKiB, 227 * kKiB));
    }
    const auto bound = [&](std::int64_t d, std::int64_t limit, bool masked) {
      bounds.push_back(make({1, never_beyond(limit), d}, masked, limit, c.seed, run_largest));
    };
    bound(32, c.hidden ? draw.between(8 * kKiB, 10 * kKiB) : 9 * kKiB, false);
    bound(64, c.hidden ? draw.between(14 * kKiB, 17 * kKiB) : 16 * kKiB, true);

    std::vector<Item> list;
    list.push_back({.id = "values",
                    .title = "O is right where N is a multiple of 32",
                    .points = 20,
                    .cases = whole,
                    .judge = values});
    list.push_back({.id = "ragged",
                    .title = "O is right for any N that fits",
                    .points = 10,
                    .cases = ragged,
                    .judge = values});
    list.push_back({.id = "causal",
                    .title = "O is right with the causal mask",
                    .points = 10,
                    .cases = causal,
                    .judge = values});
    list.push_back({.id = "stores",
                    .title = "nothing but O is stored: no S or P in HBM",
                    .points = 10,
                    .after = {"values", "causal"},
                    .cases = counted,
                    .judge = stores,
                    .counted = true});
    list.push_back({.id = "loads",
                    .title = "K and V are loaded as seldom as the shared memory allows",
                    .points = 15,
                    .after = {"values", "causal"},
                    .cases = counted,
                    .judge = loads,
                    .counted = true});
    list.push_back({.id = "bound",
                    .title = "the plan accepts every N up to the largest and none beyond",
                    .points = 20,
                    .after = {"values"},
                    .cases = surveys,
                    .judge = bound_is_true});
    list.push_back({.id = "at-bound",
                    .title = "the largest N runs, and fits",
                    .points = 15,
                    .after = {"values", "bound"},
                    .cases = bounds,
                    .judge = values});
    return list;
  }

  std::string figures() const override {
    const Shape s{1, 160, 64};
    const std::int64_t limit = 48 * kKiB;
    const auto text = [](double b) { return grouped(static_cast<std::uint64_t>(b)); };
    const auto N_of = [](std::int64_t d, std::int64_t KiB) {
      return grouped(static_cast<std::uint64_t>(roomy_largest(d, KiB * kKiB)));
    };
    const std::int64_t rows = roomy_rows(s.N, s.d, limit);
    const auto row = [&](const std::string& name, std::int64_t of_rows) -> std::vector<std::string> {
      return {name, text(loaded_bytes(s, of_rows, false)), text(loaded_bytes(s, of_rows, true))};
    };
    const double naive = 4.0 * (2 * 160.0 * 160 + (1 + 2 * 20) * 160 * 64);
    return table({{"bytes loaded at N = 160, d = 64, 48 KiB of shared memory", "full", "causal"},
                  {"baseline: naive, S and P read back, 8 rows a block", text(naive), ""},
                  row("8 rows a block", kWarps),
                  row(fmt::format("ideal: {} rows a block, padded, in 48 KiB", rows), rows),
                  {"gate \"loads\": what 3/4 of it hold, and 5 %", text(gate_bytes(s, false, limit)),
                   text(gate_bytes(s, true, limit))}}) +
           "\n" +
           table({{"bytes stored at N = 160, d = 64", "full", "causal"},
                  {"baseline: naive, S, P and O", text(bytes_stored(s) + 8.0 * 160 * 160), ""},
                  {"ideal: O", text(bytes_stored(s)), text(bytes_stored(s))},
                  {"gate \"stores\": O, and 5 %", text(kSlack * bytes_stored(s)),
                   text(kSlack * bytes_stored(s))}}) +
           "\n" +
           table({{"gate \"bound\": the largest N is at least", "d = 32", "d = 64"},
                  {"48 KiB", N_of(32, 48), N_of(64, 48)},
                  {"64 KiB, a T4", N_of(32, 64), N_of(64, 64)},
                  {"163 KiB, an A100", N_of(32, 163), N_of(64, 163)},
                  {"227 KiB, an H100", N_of(32, 227), N_of(64, 227)}});
  }

 private:
  /// With rows as three quarters of the limit would hold.
  static double gate_bytes(const Shape& s, bool causal, std::int64_t limit) {
    return kSlack * loaded_bytes(s, roomy_rows(s.N, s.d, limit * 3 / 4), causal);
  }

  /// What is wrong with the plan of a run; "" when nothing is.
  static std::string plan_is_wrong(const Ran& r) {
    if (r.result.answers.size() != 4) return "the plan's answers are missing";
    const std::int64_t largest = r.result.answers[kLargest], N = r.result.answers[kRunN];
    const std::int64_t rows = r.result.answers[kRows], bytes = r.result.answers[kSharedBytes],
                       limit = limit_of(*r.of);
    const std::int64_t d = shape_of(*r.of).d;
    if (r.of->job.numbers.at(5) == run_largest && largest > never_beyond(limit))
      return fmt::format("largest_N({}, {}) is {}, but {} rows of {} scores alone need {} bytes", d, limit,
                         largest, kWarps, largest, 4 * kWarps * largest);
    if (rows == 0) return fmt::format("plan({}, {}, {}) refuses an N that fits", N, d, limit);
    if (rows < 0 || rows % kWarps != 0 || rows > kMostRows)
      return fmt::format("plan({}, {}, {}) chooses {} rows: take a multiple of 8 from 8 to 64", N, d, limit,
                         rows);
    if (bytes < 0 || bytes > limit)
      return fmt::format("plan({}, {}, {}) asks for {} bytes of shared memory, more than its limit", N, d,
                         limit, bytes);
    for (const LaunchRecord& l : r.result.launches) {
      if (l.static_shared_bytes + l.dynamic_shared_bytes > static_cast<std::uint64_t>(limit))
        return fmt::format(
            "the kernel takes {} bytes of shared memory with its __shared__ arrays, the limit is {}",
            l.static_shared_bytes + l.dynamic_shared_bytes, limit);
    }
    return "";
  }

  static Verdict value_of(const Ran& r, const Evidence& evidence) {
    if (!r.failure.empty()) return {.text = r.failure};
    if (const std::string wrong = plan_is_wrong(r); !wrong.empty()) return {.text = wrong};
    if (Verdict v = sound(r, evidence); !v.passed()) return v;
    Case ran = *r.of;  // the first N rows of the buffers
    Shape s = shape_of(ran);
    s.N = r.result.answers[kRunN];
    const auto floats = static_cast<std::size_t>(s.heads * s.N * s.d);
    if (s.N < 1 || floats > r.result.outputs[0].size())
      return {.text = "the harness answers with no N that it can run"};
    ran.job.numbers[1] = s.N;
    for (int i = 0; i < 3; ++i) ran.job.buffers[static_cast<std::size_t>(i)].values.resize(floats);
    return compare({"O", s.heads, s.N, s.d}, std::span(r.result.outputs[0]).first(floats),
                   attention_of(ran, causal_of(ran)), kTolerance);
  }

  static Verdict values(std::span<const Ran> ran, const Evidence& evidence) {
    for (const Ran& r : ran) {
      Verdict v = value_of(r, evidence);
      if (v.passed()) continue;
      v.share = 0;
      v.text = fmt::format("at {}: {}", r.of->title, v.text);
      return v;
    }
    return {.share = 1, .text = fmt::format("{} cases, up to {}", ran.size(), ran.back().of->title)};
  }

  static std::string chosen(const Ran& r) {
    return fmt::format("the plan chose {} rows a block\n", r.result.answers[kRows]);
  }
  static Verdict stores(std::span<const Ran> ran, const Evidence& evidence) {
    return gated(
        ran, evidence, "stored", stored_at, [](const Case& c) { return kSlack * bytes_stored(shape_of(c)); },
        chosen);
  }
  static Verdict loads(std::span<const Ran> ran, const Evidence& evidence) {
    return gated(
        ran, evidence, "loaded", loaded_at,
        [](const Case& c) { return gate_bytes(shape_of(c), causal_of(c), limit_of(c)); }, chosen);
  }

  static Verdict bound_is_true(std::span<const Ran> ran, const Evidence& evidence) {
    for (const Ran& r : ran) {
      Verdict v = sound(r, evidence);
      if (v.passed()) v.text = what_is_wrong_with_bound(r);
      if (v.text.empty()) continue;
      v.share = 0;
      v.text = fmt::format("at {}: {}", r.of->title, v.text);
      return v;
    }
    return {.share = 1,
            .text = fmt::format("{} limits, up to N = {} at {}", ran.size(),
                                ran.back().result.answers[kLargest], ran.back().of->title)};
  }

  static std::string what_is_wrong_with_bound(const Ran& r) {
    const std::vector<std::int64_t>& a = r.result.answers;
    if (a.size() != 5) return "the plan's answers are missing";
    const std::int64_t limit = limit_of(*r.of), d = shape_of(*r.of).d, least = roomy_largest(d, limit);
    if (a[kTooLarge] != 0)
      return fmt::format("plan(N = {}) asks for more shared memory than its limit", a[kTooLarge]);
    if (a[kOddRows] != 0)
      return fmt::format("plan(N = {}): take a multiple of 8 rows, from 8 to 64", a[kOddRows]);
    if (a[kLargest] > never_beyond(limit))
      return fmt::format("largest_N says {}, but {} rows of {} scores alone need {} bytes", a[kLargest], kWarps,
                         a[kLargest], 4 * kWarps * a[kLargest]);
    if (a[kRefused] != 0)
      return fmt::format("largest_N says {}, but the plan refuses N = {}", a[kLargest], a[kRefused]);
    if (a[kAccepted] != 0)
      return fmt::format("largest_N says {}, but the plan accepts N = {}", a[kLargest], a[kAccepted]);
    if (a[kLargest] < least)
      return fmt::format("largest_N says {}: 8 rows of S, Q and a tile of 32 keys fit up to N = {}",
                         a[kLargest], least);
    return "";
  }
};

}  // namespace

std::unique_ptr<Lab> make_lab_04() { return std::make_unique<Lab04>(); }

}  // namespace flashlab::lab
