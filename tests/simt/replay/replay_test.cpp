#include "sim/simt/replay/replay.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "sim/core/error.hpp"
#include "tests/simt/measured_csv.hpp"
#include "tests/simt/replay/streams.hpp"

using namespace flashlab;
using namespace flashlab::simt;

namespace {

ReplayCounters cold(Stream stream, const KernelResources& resources, const ReplayOptions& options = {}) {
  Replay replay(replay_profile("h100"));
  return replay.launch(stream, resources, options);
}
ReplayCounters cold(Stream stream, const ReplayOptions& options = {}) {
  const KernelResources resources = stream.resources();
  return cold(std::move(stream), resources, options);
}

double mib(Bytes bytes) { return static_cast<double>(bytes) / (1 << 20); }

}  // namespace

TEST_SUITE_BEGIN("simt");

TEST_CASE("a cold copy reads every byte once, and what it wrote has left or is dirty") {
  for (const std::uint64_t size : {1, 8, 40}) {
    CAPTURE(size);
    const ReplayCounters c = cold(copy_stream(size));
    const Bytes bytes = size << 20;
    CHECK(c.load_sectors == bytes / 32);
    CHECK(c.load_requests == bytes / 512);
    CHECK(c.store_requests == bytes / 512);
    CHECK(c.load_l1_hit_sectors == 0);
    CHECK(c.l2_read_sectors == bytes / 32);
    CHECK(c.l2_write_sectors == bytes / 32);
    CHECK(c.hbm_read_bytes == bytes);
    CHECK(c.hbm_write_bytes + c.l2_dirty_bytes == bytes);
    CHECK(c.resident_blocks == 1056);
  }
}

TEST_CASE("a launch finds in L2 what the launch before it left, until the caches are flushed") {
  Replay replay(replay_profile("h100"));
  const auto read = [&](std::uint64_t size) {
    Stream stream = read_stream(size, 1);
    return replay.launch(stream, stream.resources()).hbm_read_bytes;
  };
  CHECK(read(8) == Bytes{8} << 20);
  CHECK(read(8) == 0);
  replay.flush_caches();
  CHECK(read(8) == Bytes{8} << 20);
}

TEST_CASE("softmax a warp a row reads S once while it fits L2 and three times when the resident rows do not") {
  const auto reads = [](std::uint64_t n) {
    return static_cast<double>(cold(softmax_stream(n)).hbm_read_bytes) /
           static_cast<double>(n * n * sizeof(float));
  };
  CHECK(reads(2048) == doctest::Approx(1.0).epsilon(0.02));  // measured 1.0
  CHECK(reads(4096) == doctest::Approx(3.0).epsilon(0.02));  // measured 3.0
}

TEST_CASE("fills, reads and copies around the size of the L2 leave what the H100 left") {
  // The card's figures: cuda/measured/h100-l2-sweep.json; all of them beside the replay's: the replay_sweep program. The
  // capacity is fitted to naive_softmax; reads and copies of about that size are the price (docs/replay-model.md).
  CHECK(mib(cold(fill_stream(20)).hbm_write_bytes) < 0.5);
  CHECK(mib(cold(fill_stream(32)).l2_dirty_bytes) == doctest::Approx(24.1).epsilon(0.03));
  CHECK(mib(cold(fill_stream(64)).l2_dirty_bytes) == doctest::Approx(23.6).epsilon(0.02));
  CHECK(std::abs(mib(cold(copy_stream(16)).l2_dirty_bytes) - 15.9) < 1);
  CHECK(std::abs(mib(cold(copy_stream(24)).l2_dirty_bytes) - 19.4) < 3.2);
  CHECK(std::abs(mib(cold(copy_stream(64)).l2_dirty_bytes) - 20.8) < 4.2);
  CHECK(mib(cold(read_stream(24, 4)).hbm_read_bytes) / 24 == doctest::Approx(1.0).epsilon(0.005));
  CHECK(mib(cold(read_stream(32, 4)).hbm_read_bytes) / 32 == doctest::Approx(1.01).epsilon(0.12));
  CHECK(mib(cold(read_stream(40, 4)).hbm_read_bytes) / 40 == doctest::Approx(1.25).epsilon(0.25));
  CHECK(mib(cold(read_stream(64, 4)).hbm_read_bytes) / 64 == doctest::Approx(3.98).epsilon(0.02));
}

TEST_CASE("the textbook product of Q and K hits L1 as on the H100") {
  const ReplayCounters c = cold(qk_stream(1024, 64, 8));
  CHECK(c.load_sectors == 69'206'016);  // measured
  CHECK(static_cast<double>(c.load_l1_hit_sectors) / static_cast<double>(c.load_sectors) ==
        doctest::Approx(0.985).epsilon(0.005));
  CHECK(c.hbm_read_bytes == 2 * 1024 * 64 * 4);  // Q and K, once; measured 0.53 MB
}

TEST_CASE("SMs that read the same at the same time ask L2 once for every four, as on the H100") {
  // cuda/measured/h100-micro/l1-to-l2.csv: a block of 256 threads an SM, all read the same 128 KiB with float4.
  for (const MeasuredRow& row : measured_rows("l1-to-l2")) {
    const int blocks = row.parameter("blocks");
    if (row.parameter("kib") != 128 || blocks > 132) continue;
    CAPTURE(blocks);
    Stream stream(static_cast<std::uint64_t>(blocks), 256, [](std::uint64_t, int warp, WarpStream& out) {
      for (std::uint64_t line = 4 * static_cast<std::uint64_t>(warp); line < 1024; line += 32)
        out.load(line, 4);
    });
    const ReplayCounters c = cold(stream);
    CHECK(static_cast<double>(c.load_sectors - c.load_l1_hit_sectors) == row.number("load_misses"));
    CHECK(static_cast<double>(c.l2_read_sectors) ==
          doctest::Approx(row.number("l2_read_sectors")).epsilon(0.1));
  }
}

TEST_CASE("HBM brings sectors by twos, as on the H100") {
  for (const MeasuredRow& row : measured_rows("l2-reads")) {
    // 16 MiB of lines, of each so many sectors, read once; 64 bytes a fetch is what CUDA sets.
    if (row.text("case") != "fetch_granularity" || row.parameter("limit") != 64) continue;
    const int sectors = row.parameter("sectors");
    CAPTURE(sectors);
    Stream stream(1056, 256, [=](std::uint64_t block, int warp, WarpStream& out) {
      for (std::uint64_t line = block * 8 + static_cast<std::uint64_t>(warp); line < (16 << 20) / 128;
           line += 1056 * 8)
        out.touch(LineOp::load, line, (1u << sectors) - 1);
    });
    const ReplayCounters c = cold(stream);
    CHECK(static_cast<double>(c.l2_read_sectors) == row.number("l2_read_sectors"));
    CHECK(static_cast<double>(c.hbm_read_bytes) == doctest::Approx(row.number("hbm_read_bytes")).epsilon(0.01));
  }
}

TEST_CASE("SMs of a GPC merge their reads until L2 has answered, when they are of the same sectors") {
  // Two SMs, each with a block, whose reads lie so many turns of an SM's clock apart.
  const auto reads_a_line = [](std::uint64_t gap_lines, SectorMask first, SectorMask second) {
    Stream stream(2, 32, [=](std::uint64_t block, int, WarpStream& out) {
      for (std::uint64_t i = 0; block == 1 && i < gap_lines; ++i) out.load((std::uint64_t{1} << 25) + i, 1);
      out.barrier();
      out.touch(LineOp::load, 7, block == 0 ? first : second);
    });
    ReplayOptions options;
    options.visit_ticks = 8;
    return cold(stream, options).l2_read_requests - gap_lines;
  };
  CHECK(reads_a_line(0, 15, 15) == 1);
  CHECK(reads_a_line(0, 1, 1) == 1);
  CHECK(reads_a_line(0, 15, 1) == 2);
  CHECK(reads_a_line(0, 1, 2) == 2);
  CHECK(reads_a_line(64, 15, 15) == 2);  // some thousands of cycles later
}

TEST_CASE("counts do not depend on where the host put the pages") {
  const auto shifted = [](std::uint64_t pages) {
    Stream stream(64, 256, [=](std::uint64_t block, int warp, WarpStream& out) {
      for (std::uint64_t i = 0; i < 64; ++i) {
        out.load((pages << 14) + block * 512 + static_cast<std::uint64_t>(warp) * 64 + i * 37 % 64);
        out.store((pages << 16) + kOtherArray + block * 512 + i);
      }
    });
    Replay replay(replay_profile("t4"));
    const ReplayCounters c = replay.launch(stream, stream.resources());
    return std::vector{c.load_l1_hit_sectors, c.l2_read_hit_sectors, c.hbm_read_bytes, c.hbm_write_bytes};
  };
  CHECK(shifted(0) == shifted(12345));
}

TEST_CASE("blocks are asked for in order, and only when they become resident") {
  struct Counting : BlockSource {
    std::uint64_t block_count() const override { return 5000; }
    BlockTrace run(std::uint64_t block) override {
      CHECK(block == asked++);
      BlockTrace trace;
      TraceWriter writer;
      writer.begin(trace, 1);
      WarpStream stream(writer, 0);
      for (int i = 0; i < 3; ++i) stream.load(block);
      return trace;
    }
    std::uint64_t asked = 0;
  } source;
  Replay replay(replay_profile("h100"));
  std::uint64_t most_ahead = 0;
  ReplayOptions options;
  options.progress = [&](std::uint64_t done, std::uint64_t) {
    most_ahead = std::max(most_ahead, source.asked - done);
  };
  const ReplayCounters c = replay.launch(source, {.threads_per_block = 1024}, options);
  CHECK(source.asked == 5000);
  CHECK(c.resident_blocks == 264);
  CHECK(most_ahead <= 264);
  CHECK(c.load_requests == 15000);
}

TEST_CASE("a barrier holds a warp until every warp of its block has come or ended") {
  // Warp 0 writes a line's worth after the barrier; warp 1 reads 100 lines before it; warp 2 ends at once.
  Stream stream(1, 96, [](std::uint64_t, int warp, WarpStream& out) {
    if (warp == 0) {
      out.barrier();
      out.load(0);
    } else if (warp == 1) {
      for (std::uint64_t i = 0; i < 100; ++i) out.load(i);
      out.barrier();
    }
  });
  const ReplayCounters c = cold(stream);
  CHECK(c.load_requests == 101);
  CHECK(c.load_l1_hit_sectors == 4);  // line 0 was there already: warp 0 came after warp 1
  CHECK(c.hbm_read_bytes == 100 * 128);
}

TEST_CASE(
    "loads that pass L1 by never hit it, stores never fetch and stay in L1, atomics read and write in L2") {
  Stream stream(1, 32, [](std::uint64_t, int, WarpStream& out) {
    for (int i = 0; i < 2; ++i) out.touch(LineOp::load_no_l1, 1, 0b0011, 0, 0, 0);
    out.touch(LineOp::store, 2, 0b0001, 0b0001, 0, 1);
    out.touch(LineOp::load, 2, 0b0001, 0, 0, 2);
    for (int i = 0; i < 2; ++i) out.touch(LineOp::atomic, 3, 0b1000, 0, 0, 3);
    out.touch(LineOp::load_no_l1, 4, 0b0100, 0, 0, 4);
  });
  ReplayOptions options;
  options.per_site = true;
  const ReplayCounters c = cold(stream, options);
  CHECK(c.no_l1_load_sectors == 5);
  CHECK(c.l2_read_sectors == 5);
  CHECK(c.l2_read_hit_sectors == 2);
  CHECK(c.l2_write_sectors == 1);
  CHECK(c.atomic_sectors == 2);
  CHECK(c.hbm_read_bytes == (2 + 2 + 2) * 32);  // HBM brings sectors by twos
  CHECK(c.l2_dirty_bytes == 2 * 32);
  REQUIRE(c.sites.size() == 5);
  CHECK(c.sites[4].sectors == 1);
  CHECK(c.sites[4].l2_hits == 0);
  CHECK(c.sites[4].hbm_sectors == 2);
  CHECK(c.sites[0].sectors == 4);
  CHECK(c.sites[0].l2_hits == 2);
  CHECK(c.sites[0].hbm_sectors == 2);
  CHECK(c.sites[2].l1_hits == 1);  // what the store left there
  CHECK(c.sites[3].requests == 2);
}

TEST_CASE("a warp waits for its loads and spends time on its work, which touches no line") {
  const auto cycles = [](std::uint64_t loads, const WarpWork& work, int warps = 1) {
    const ReplayCounters c = cold(Stream(1, 32 * warps, [=](std::uint64_t, int, WarpStream& out) {
      for (std::uint64_t i = 0; i < loads; ++i) out.load(i);
      out.work(work);
    }));
    CHECK(c.load_requests == loads);
    CHECK(c.hbm_read_bytes == loads * 128);
    return c.cycles;
  };
  const ReplayOptions o;
  const WarpPace pace;
  CHECK(cycles(8, {}) < cycles(16, {}));  // the ninth waits for the first eight
  CHECK(cycles(16, {}) >= 2 * o.hbm_ticks / 4);
  const auto alone = [](const WarpWork& w, const WarpPace& p) {
    return (w.shared * static_cast<std::uint64_t>(p.shared) +
            w.arithmetic * static_cast<std::uint64_t>(p.arithmetic) +
            w.special * static_cast<std::uint64_t>(p.special)) /
           4;
  };
  const WarpWork all{.shared = 1000, .arithmetic = 5000, .special = 300}, much{.shared = 50'000};
  CHECK(cycles(0, all) == alone(all, pace));
  CHECK(cycles(0, much) == alone(much, pace));  // more than one request tells
  const WarpPace slow{.shared = 4, .arithmetic = 36, .special = 400};
  const auto paced = [&](const WarpPace& p) {
    return cold(Stream(1, 32, [&](std::uint64_t, int, WarpStream& out) { out.work(all); }),
                {.threads_per_block = 32, .pace = p})
        .cycles;
  };
  CHECK(paced(slow) == alone(all, slow));
  CHECK_THROWS_AS(paced({.shared = -1}), UsageError);
  // Many warps keep the SM busy: with shared accesses, or with arithmetic when that takes longer.
  const auto is_bound = [&](const WarpWork& work, std::uint64_t ticks) {
    CHECK(static_cast<double>(cycles(0, work, 32)) ==
          doctest::Approx(static_cast<double>(32 * ticks) / 4).epsilon(0.08));
  };
  is_bound({.shared = 1000, .arithmetic = 3000}, 1000 * o.shared_ticks);
  is_bound({.shared = 1000, .arithmetic = 8000}, 8000 * o.arithmetic_ticks);
}

TEST_CASE("asynchronous copies hold up nothing but a barrier") {
  const auto cycles = [](LineOp op, bool barrier) {
    return cold(Stream(1, 32,
                       [=](std::uint64_t, int, WarpStream& out) {
                         for (std::uint64_t i = 0; i < 64; ++i) out.touch(op, i * 8, 0xF);
                         if (barrier) out.barrier();
                         out.work({.shared = 10});
                       }))
        .cycles;
  };
  const ReplayOptions o;
  CHECK(cycles(LineOp::load, false) > 64 / 8 * o.hbm_ticks / 4);
  CHECK(cycles(LineOp::load_no_l1, false) < o.hbm_ticks / 4);
  CHECK(cycles(LineOp::load_no_l1, true) > o.hbm_ticks / 4);
  CHECK(cycles(LineOp::load_no_l1, true) < cycles(LineOp::load, false) / 4);
}

TEST_CASE("where blocks share an SM, the one that came first is ahead") {
  // Two blocks an SM, with more work than it does at once. At the end one stores to a line that the other loads: who finds
  // it there came later.
  for (const std::uint64_t reader : {0, 1}) {
    Stream stream(264, 512, [=](std::uint64_t block, int warp, WarpStream& out) {
      out.work({.shared = 10'000});
      if (warp != 0) return;
      const std::uint64_t line = 1000 + block % 132 * 8;
      if (block / 132 == reader) {
        out.touch(LineOp::load, line, 0xF);
      } else {
        out.touch(LineOp::store, line, 0xF, 0xF);
      }
    });
    const ReplayCounters c = cold(stream, {.threads_per_block = 512, .static_shared_bytes = 48 * 1024});
    CHECK(c.resident_blocks == 264);
    CHECK(c.load_l1_hit_sectors == reader * 132 * 4);
  }
}

TEST_CASE("a warp has so many loads under way, and the next one waits for the oldest") {
  const auto cycles = [](int in_flight, std::uint64_t loads) {
    return cold(Stream(1, 32,
                       [=](std::uint64_t, int, WarpStream& out) {
                         for (std::uint64_t i = 0; i < loads; ++i) out.load(i * 8);
                       }),
                {.threads_per_block = 32, .loads_in_flight = in_flight})
        .cycles;
  };
  for (const int in_flight : {1, 2, 4, 8}) {
    CAPTURE(in_flight);
    const auto rounds = static_cast<double>(cycles(in_flight, 64)) / static_cast<double>(cycles(1, 1));
    CHECK(rounds == doctest::Approx(64.0 / in_flight).epsilon(0.25));
  }
  CHECK_THROWS_AS(cycles(0, 1), UsageError);
  CHECK_THROWS_AS(cycles(ReplayOptions::kMostInFlight + 1, 1), UsageError);
  CHECK_THROWS_AS(cold(copy_stream(1), {.shared_in_a_row = 0}), UsageError);
  CHECK_THROWS_AS(cold(copy_stream(1), {.visit_ticks = 0}), UsageError);
}

TEST_CASE(
    "HBM moves no more bytes a cycle than the profile says, and what is written back delays what is read") {
  ReplayProfile profile = replay_profile("h100");
  const auto bytes_per_cycle = [&](Stream stream) {
    Replay replay(profile);
    const ReplayCounters c = replay.launch(stream, stream.resources());
    return static_cast<double>(c.hbm_read_bytes) / static_cast<double>(c.cycles);
  };
  const auto bound = static_cast<double>(profile.hbm_bytes_per_cycle);
  CHECK(bytes_per_cycle(read_stream(64, 1)) < bound);
  CHECK(bytes_per_cycle(read_stream(64, 1)) > 0.9 * bound);
  CHECK(bytes_per_cycle(copy_stream(64)) < 0.9 * bound);
  profile.hbm_bytes_per_cycle = 0;
  CHECK(bytes_per_cycle(read_stream(64, 1)) > 2 * bound);
}

TEST_CASE("metrics bear Nsight Compute's names, each once") {
  const auto metrics = cold(copy_stream(1)).metrics();
  std::set<std::string_view> names;
  for (const auto& [name, value] : metrics) names.insert(name);
  CHECK(names.size() == metrics.size());
  const auto value = [&](std::string_view name) {
    return std::ranges::find(metrics, name, &std::pair<std::string_view, double>::first)->second;
  };
  REQUIRE(names.contains("dram__bytes_read.sum"));
  CHECK(value("dram__bytes_read.sum") == 1 << 20);
  CHECK(value("lts__t_sectors_srcunit_tex_op_read.sum") == 32768);
}

TEST_CASE("a trace with more warps than the launch has is refused") {
  Stream stream(1, 64, [](std::uint64_t, int, WarpStream& out) { out.load(0); });
  Replay replay(replay_profile("h100"));
  CHECK_THROWS_AS(replay.launch(stream, {.threads_per_block = 32}), UsageError);
}

TEST_SUITE_END();
