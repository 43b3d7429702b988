// The kernels above online-q, unmodified, on the simt machine: each is asked for its value, its traffic and its edges.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "sim/core/error.hpp"
#include "sim/core/inputs.hpp"
#include "sim/core/stages.hpp"
#include "sim/reference/attention.hpp"
#include "sim/simt/stages/run.hpp"

using namespace flashlab;

namespace {

struct Rung {
  std::string_view slug;
  DType dtype;
};
constexpr Rung kRungs[] = {
    {"registers", DType::f32}, {"tensor-core", DType::bf16}, {"tensor-core", DType::f16}};

/// Runs with every check on; O and L must be the oracle's.
simt::StageRun check(const Rung& rung, Problem problem, float scale = 1, Index kv_heads = 0) {
  problem.dtype = rung.dtype;
  const Inputs in = random_inputs(problem, 1, scale);
  Tensor K = in.k, V = in.v, all_K = in.k, all_V = in.v;
  if (kv_heads > 0) {  // the first of each group, and for the oracle that one for the whole group
    K = V = Tensor(problem.batch, kv_heads, problem.seq, problem.dim);
    const Index group = problem.heads / kv_heads;
    for (Index head = 0; head < problem.head_count(); ++head) {
      for (auto [kept, all, from] : {std::tuple{&K, &all_K, &in.k}, std::tuple{&V, &all_V, &in.v}}) {
        std::copy_n(from->head(head / group * group), from->head_size(), kept->head(head / group));
        std::copy_n(from->head(head / group * group), from->head_size(), all->head(head));
      }
    }
  }
  CAPTURE(rung.slug);
  CAPTURE(name_of(rung.dtype));
  CAPTURE(problem.seq);
  CAPTURE(problem.dim);
  CAPTURE(problem.causal);
  const simt::StageRun run = simt::run_stage(rung.slug, problem, in.q, K, V, {.checks = true});
  const reference::Attention want = reference::attention(problem, in.q, all_K, all_V);
  const reference::Error error = reference::compare(run.O.values(), want.O);
  CAPTURE(error.relative_frobenius);
  CHECK(error.within(reference::kernel_tolerance(problem.dtype, want.largest_score)));
  CHECK(reference::compare(run.L, want.L).within(1e-5));
  CHECK(run.findings.empty());
  return run;
}

std::uint64_t metric(const simt::StageRun& run, std::string_view name) {
  for (const simt::Metric& metric : run.kernels.at(0).counters.metrics()) {
    if (metric.name == name) return metric.value;
  }
  FAIL("no such metric");
  return 0;
}

}  // namespace

TEST_SUITE_BEGIN("simt");

TEST_CASE("registers and tensor-core equal the oracle for every head dimension, ragged N, full and causal") {
  for (const Rung& rung : kRungs) {
    for (const Index dim : {32, 64, 96, 128, 256}) {
      if (dim == 256 && rung.slug == "registers") continue;
      for (const bool causal : {false, true}) {
        for (const Index seq : {1, 63, 65}) check(rung, {.heads = 2, .seq = seq, .dim = dim, .causal = causal});
      }
    }
  }
}

TEST_CASE("longer rows cross many tiles, and tiles that a mask hides are skipped") {
  for (const Rung& rung : kRungs) check(rung, {.seq = 1000, .dim = 64, .causal = true});
  check(kRungs[0], {.seq = 400, .dim = 128, .causal = true});
  check(kRungs[1], {.seq = 1537, .dim = 64, .causal = true});
}

TEST_CASE("scores of ten thousand overflow nothing") {
  for (const Rung& rung : kRungs) check(rung, {.seq = 130, .dim = 64, .causal = true}, 50);
}

TEST_CASE("heads that share K and V read those of their group, in every batch") {
  for (const Rung& rung : kRungs) {
    check(rung, {.batch = 2, .heads = 4, .seq = 70, .dim = 64}, 1, 2);
    check(rung, {.heads = 3, .seq = 70, .dim = 32, .causal = true}, 1, 1);
  }
}

TEST_CASE("the upper rungs copy, load and multiply as often as their tiles say, without a bank conflict") {
  for (const Rung& rung : kRungs) {
    for (const Index dim : {64, 128}) {
      const Index N = 256;
      const KernelTile tile = kernel_tile(rung.slug, static_cast<int>(dim));
      const Index Br = tile.rows, Bc = tile.cols, Tr = N / Br, Tc = N / Bc;
      const Index warps = 4, chunk = 16 / static_cast<Index>(bytes_of(rung.dtype));  // elements of one copy
      const simt::StageRun run = check(rung, {.seq = N, .dim = dim});
      CHECK(run.kernels.at(0).grid.count() == static_cast<std::uint64_t>(Tr));
      // K and V by asynchronous copies, a warp's 32 at a time; Q so too in tensor-core.
      const Index copied = Tr * (2 * N + (rung.dtype == DType::f32 ? 0 : Br)) * dim;
      CHECK(metric(run, "smsp__inst_executed_op_ldgsts.sum") ==
            static_cast<std::uint64_t>(copied / chunk / 32));
      // Rows past the end are filled with zeros by the same instructions.
      CHECK(metric(check(rung, {.seq = N - 6, .dim = dim}), "smsp__inst_executed_op_ldgsts.sum") ==
            metric(run, "smsp__inst_executed_op_ldgsts.sum"));
      CHECK(metric(run, "l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum") == 0);
      CHECK(metric(run, "l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_st.sum") == 0);
      if (rung.dtype == DType::f32) {
        // A step of 4 columns: 8 rows of Q and Bc/8 of K; of 4 keys: 8 of P and 4·d/32 of V. 16 bytes, two wavefronts.
        const Index loads = Tr * Tc * warps * (dim / 4 * (8 + Bc / 8) + Bc / 4 * (8 + 4 * dim / 32));
        CHECK(metric(run, "smsp__inst_executed_op_shared_ld.sum") == static_cast<std::uint64_t>(loads));
        CHECK(metric(run, "l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum") ==
              static_cast<std::uint64_t>(2 * loads));
        CHECK(metric(run, "smsp__sass_thread_inst_executed_op_ffma_pred_on.sum") ==
              static_cast<std::uint64_t>(2 * N * N * dim));
      } else {
        const Index fragments = 2 * (Bc / 16) * (dim / 16), row_tiles = Br / 16 / warps;
        CHECK(metric(run, "smsp__inst_executed_op_ldsm.sum") ==
              static_cast<std::uint64_t>(Tr * Tc * warps * (fragments + row_tiles * (dim / 16))));
        CHECK(metric(run, "sm__inst_executed_pipe_tensor_op_hmma.sum") ==
              static_cast<std::uint64_t>(Tr * Tc * warps * 2 * fragments * row_tiles));
      }
    }
  }
}

TEST_CASE("what the upper rungs' kernels do not take is refused by name") {
  const Problem problem{.seq = 8, .dim = 40};
  const Inputs in = random_inputs(problem, 1);
  const auto refused = [&](std::string_view slug, const char* says) {
    CHECK_THROWS_WITH_AS(simt::run_stage(slug, problem, in.q, in.k, in.v), doctest::Contains(says), UsageError);
  };
  refused("registers", "d = 32, 64, 96 or 128, not 40");
  refused("tensor-core", "takes fp16 and bf16, not fp32");
  refused("hopper", "TMA, mbarriers and wgmma are not simulated; take tensor-core");
  refused("register", "did you mean registers?");
}

TEST_SUITE_END();
