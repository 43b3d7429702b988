// The worked example of docs/add-a-stage.md: a stage of one's own on the tile machine, checked and counted.

#include <doctest/doctest.h>

#include "sim/core/inputs.hpp"
#include "sim/reference/attention.hpp"
#include "sim/tile/attention.hpp"
#include "sim/tile/ops.hpp"

// [program]
namespace flashlab::tile {

// All of K and V stays in SRAM; rows of Q pass by. Nothing is read twice, so N is bounded by M.
// HBM, elements a head: reads 3N·d, writes N·d.
void kv_resident(Attention& a) {
  const Rows keys{0, a.N};
  Tile sK = a.sram.load(a.gK, keys);               // (N, d)    N·d in all
  Tile sV = a.sram.load(a.gV, keys);               // (N, d)    N·d in all
  for (const Rows i : a.row_tiles()) {             // Tr = ceil(N / Br)
    Tile sQ = a.sram.load(a.gQ, i);                // (Br, d)   N·d in all
    Tile sS = a.sram.alloc(TensorId::S, i, keys);  // (Br, N)
    scores(sS, sQ, sK);                            // S = Q Kᵀ / √d
    Tile m = a.sram.fill(TensorId::stats, i, kOneColumn, -kInfinity);
    Tile l = a.sram.fill(TensorId::stats, i, kOneColumn, 0.0f);
    Tile alpha = a.sram.alloc(TensorId::stats, i, kOneColumn);
    raise_max(m, alpha, sS);
    exponentiate(sS, m);  // P = exp(S − m)
    add_row_sums(l, alpha, sS);
    Tile sO = a.sram.fill(TensorId::O, i, a.all_dims(), 0.0f);  // (Br, d)
    add_product(sO, sS, sV);                                    // O = P V
    divide_rows(sO, l);
    a.sram.store(a.gO, sO);  //           N·d
  }
}

}  // namespace flashlab::tile
// [program]

namespace {

using namespace flashlab;

// [run]
/// One head of random inputs through the program: its traffic, and how far O is from the oracle's.
std::pair<Traffic, reference::Error> run(Index N, Index d, Index Br, bool causal, Bytes sram_bytes) {
  Inputs in = random_inputs({.seq = N, .dim = d, .causal = causal}, 1);
  Tensor O(1, 1, N, d);
  tile::Machine sram(in.problem, {.sram_bytes = sram_bytes});
  tile::Attention a{sram,
                    sram.matrix(TensorId::Q, N, d, in.q.data()),
                    sram.matrix(TensorId::K, N, d, in.k.data()),
                    sram.matrix(TensorId::V, N, d, in.v.data()),
                    sram.matrix(TensorId::O, N, d, O.data()),
                    nullptr,
                    N,
                    d,
                    {.rows = Br, .cols = N}};
  tile::kv_resident(a);
  const reference::Attention want = reference::attention(in.problem, in.q, in.k, in.v);
  return {sram.traffic(), reference::compare(O.values(), want.O)};
}
// [run]

}  // namespace

// [test]
TEST_CASE("kv-resident equals the oracle and moves every element once, ragged and causal too") {
  for (const Index N : {1, 33, 100}) {
    for (const bool causal : {false, true}) {
      CAPTURE(N);
      CAPTURE(causal);
      const auto [traffic, error] = run(N, 32, 16, causal, 200'000);
      CHECK(error.within(1e-6));
      CHECK(traffic.hbm.total().read == Bytes(3 * N * 32) * 4);
      CHECK(traffic.hbm.total().written == Bytes(N * 32) * 4);
    }
  }
}

TEST_CASE("kv-resident refuses an N whose K and V do not fit in SRAM") {
  CHECK_THROWS_AS(run(100, 32, 16, false, 2 * 100 * 32 * 4), tile::SramOverflow);
}
// [test]
