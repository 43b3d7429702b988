#pragma once
/// \file
/// The formulas of docs/formulas.md as one table: HBM bytes by tensor and direction, SRAM, footprint, FLOPs, tile sizes,
/// time floor. The tests hold them to the tile machine; the page evaluates the same table as its sliders move.
///
/// Names that must have a value: N, d, M (bytes of SRAM), element (bytes of one), heads (batch · heads), causal (0 or 1),
/// Br_given, Bc_given (0: by the rule); for the times hbm_bytes_per_s, product_flops_per_s (the peak for the type) and
/// fp32_flops_per_s.

#include <string>
#include <vector>

#include "sim/core/stages.hpp"
#include "sim/memory/device.hpp"
#include "sim/tile/run.hpp"
#include "sim/view/expression.hpp"

namespace flashlab::view {

struct Formula {
  std::string name;  ///< "Br", "hbm_read_bytes", "K_read_bytes", …
  Expression value;  ///< may use the names above it
};

/// The formulas of a stage, each usable by those after it. A Br of 0 says that the stage cannot run, and nothing after it
/// counts; `largest_seq` is the largest N that it could take (0: none; 2³⁰: any). Bytes, FLOPs and footprint are those of
/// all heads.
std::vector<Formula> formulas_of(const StageInfo& stage);

/// N²d²/M elements a head, in bytes of all heads: of the order of the least possible [Dao 2022, Prop. 3].
Expression lower_bound_bytes();

/// The values that the formulas want.
Variables variables_of(const Problem& problem, const tile::RunOptions& options, const DeviceProfile& device);

/// All formulas of a stage in turn. Under a mask O(Tr + Tc).
Variables evaluate(const std::vector<Formula>& formulas, Variables variables);

/// {"stages": {"naive": [["Br", …], …], …}, "lower_bound_bytes": …}.
std::string formulas_json();

}  // namespace flashlab::view
