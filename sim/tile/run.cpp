#include "sim/tile/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <stdexcept>

#include "sim/core/memory.hpp"
#include "sim/core/parallel.hpp"
#include "sim/core/text.hpp"

namespace flashlab::tile {
namespace {

using Program = void (*)(Attention&);

bool is_upper_rung(const StageInfo& stage) {
  return std::ranges::any_of(upper_rungs(), [&](const StageInfo& rung) { return rung.slug == stage.slug; });
}

/// Whether the stage writes L. The upper rungs are other kernels of the same algorithm.
bool runs_online_q(const StageInfo& stage) { return stage.slug == "online-q" || is_upper_rung(stage); }

Program program_of(const StageInfo& stage) {
  constexpr std::array<std::pair<std::string_view, Program>, 4> programs{
      {{"naive", naive}, {"fused", fused}, {"tiled", tiled}, {"online-kv", online_kv}}};
  if (runs_online_q(stage)) return online_q;
  for (const auto& [slug, program] : programs) {
    if (slug == stage.slug) return program;
  }
  throw UsageError(fmt::format("{} does not run on the tile machine", stage.slug));
}

/// Q, K, V, O of one head, and L; all null when only counting.
struct HeadData {
  const float *Q = nullptr, *K = nullptr, *V = nullptr;
  float *O = nullptr, *L = nullptr;
};

struct HeadRun {
  Traffic traffic;
  std::vector<std::string> notes;
};

HeadRun run_head(const StageInfo& stage, const Problem& problem, TileSizes size, Machine::Options options,
                 const HeadData& data) {
  Machine sram(problem, std::move(options));
  const auto input = [&](TensorId tensor, const float* values) {
    // Loads only read: the machine keeps one kind of matrix for inputs and outputs.
    return sram.matrix(tensor, problem.seq, problem.dim, const_cast<float*>(values));  // NOLINT
  };
  Attention a{sram,
              input(TensorId::Q, data.Q),
              input(TensorId::K, data.K),
              input(TensorId::V, data.V),
              input(TensorId::O, data.O),
              data.L,
              problem.seq,
              problem.dim,
              size};
  program_of(stage)(a);
  return {sram.traffic(), sram.notes()};
}

HeadRun count_head(const StageInfo& stage, const Problem& problem, TileSizes size, const RunOptions& options) {
  return run_head(stage, problem, size,
                  {.sram_bytes = options.sram_bytes,
                   .arithmetic = false,
                   .fold = true,
                   .register_tile = options.register_tile,
                   .sink = {}},
                  {});
}

/// Whether the stage's working set stays within M. The mask makes no tile larger, so the full problem, all of whose
/// equal tiles fold, answers for both: some dozens of operations, whatever N.
bool fits(const StageInfo& stage, Problem problem, TileSizes size, Bytes sram_bytes) {
  problem.causal = false;
  size = {std::min(size.rows, problem.seq), std::min(size.cols, problem.seq)};
  try {
    run_head(stage, problem, size, {.sram_bytes = sram_bytes, .arithmetic = false, .probe = true, .sink = {}},
             {});
    return true;
  } catch (const SramOverflow&) {
    return false;
  }
}

/// The largest x in [1, high] that holds, for a predicate that holds up to some point; 0 when none does.
template <class Predicate>
Index largest_that(Index high, Predicate holds) {
  Index low = 0;
  while (low < high) {
    const Index middle = low + (high - low + 1) / 2;
    if (holds(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

bool keeps_whole_rows(const StageInfo& stage) { return stage.slug == "fused"; }

StageRefusal refusal(const StageInfo& stage, const Problem& problem, const RunOptions& options) {
  const std::optional<Index> bound = largest_seq(stage, problem, options);
  if (keeps_whole_rows(stage) && bound && *bound > 0) {
    return StageRefusal(
        fmt::format("{} refuses N = {}: whole rows of S must fit in {} B of SRAM, which hold up to N = {} at d "
                    "= {} in {}{}: take "
                    "tiled, or more SRAM",
                    stage.slug, problem.seq, options.sram_bytes, *bound, problem.dim, name_of(problem.dtype),
                    options.rows ? fmt::format(" with Br = {}", *options.rows) : ""));
  }
  const TileSizes smallest{std::min(options.rows.value_or(1), problem.seq),
                           std::min(options.cols.value_or(1), problem.seq)};
  Problem shortest = problem;
  if (keeps_whole_rows(stage)) shortest.seq = std::max(smallest.rows, smallest.cols);
  constexpr Index kPlenty = Index{1} << 50;
  const Index need = 1 + largest_that(kPlenty, [&](Index m) {
                       return !fits(stage, shortest, smallest, static_cast<Bytes>(m));
                     });
  return StageRefusal(fmt::format(
      "{} needs {} B of SRAM for tiles of Br = {}, Bc = {} at d = {} in {}, but M is {} B: {}", stage.slug,
      need, smallest.rows, smallest.cols, problem.dim, name_of(problem.dtype), options.sram_bytes,
      options.rows || options.cols ? "take smaller tiles or more SRAM" : "take more SRAM"));
}

}  // namespace

std::optional<Index> largest_seq(const StageInfo& stage, const Problem& problem, const RunOptions& options) {
  constexpr Index kEndless = Index{1} << 30;
  const TileSizes smallest{options.rows.value_or(1), options.cols.value_or(1)};
  const auto runs = [&](Index seq) {
    Problem longer = problem;
    longer.seq = seq;
    return fits(stage, longer, smallest, options.sram_bytes);
  };
  if (runs(kEndless)) return std::nullopt;
  return largest_that(kEndless, runs);
}

TileChoice choose_tiles(const StageInfo& stage, const Problem& problem, const RunOptions& options) {
  for (const auto& [name, size] : {std::pair{"Br", options.rows}, std::pair{"Bc", options.cols}}) {
    if (size && *size < 1) throw UsageError(fmt::format("{} is {}: a tile has at least one row", name, *size));
  }
  const auto sram_elements = static_cast<Index>(options.sram_bytes / bytes_of(problem.dtype));
  const Index paper_cols = std::max<Index>(1, (sram_elements + 4 * problem.dim - 1) / (4 * problem.dim));
  const auto sizes = [&](Index rows, Index cols) {
    return TileSizes{std::min(options.rows.value_or(rows), problem.seq),
                     std::min(options.cols.value_or(cols), problem.seq)};
  };
  const auto fit = [&](TileSizes size) { return fits(stage, problem, size, options.sram_bytes); };
  const Index paper_rows = std::min(paper_cols, problem.dim);

  if (keeps_whole_rows(stage)) {  // narrow tiles of K and V, so that more rows of S fit
    for (const Index cols : {std::min<Index>(32, paper_cols), Index{1}}) {
      const Index rows = largest_that(paper_rows, [&](Index r) { return fit(sizes(r, cols)); });
      if (rows > 0)
        return {sizes(rows, cols), rows == paper_rows ? "paper, Bc up to 32" : "as many rows of S as fit"};
    }
    throw refusal(stage, problem, options);
  }
  if (const KernelTile own = kernel_tile(stage.slug, static_cast<int>(problem.dim)); own.rows > 0) {
    // Bc changes no byte of HBM traffic, Br does: it goes last. A kernel's S and O are in registers, which M is not.
    for (Index rows = own.rows; rows > 0; rows /= 2) {
      const Index cols = largest_that(own.cols, [&](Index c) { return fit(sizes(rows, c)); });
      if (cols == 0) continue;
      return {sizes(rows, cols), options.rows && options.cols           ? "given"
                                 : rows == own.rows && cols == own.cols ? "the kernel's"
                                                                        : "the kernel's, shrunk to fit M"};
    }
    throw refusal(stage, problem, options);
  }
  const TileSizes paper = sizes(paper_rows, paper_cols);
  if (fit(paper)) return {paper, options.rows && options.cols ? "given" : "paper"};
  const auto shrunk = [&](Index cols) { return sizes(std::min(cols, problem.dim), cols); };
  const Index cols = largest_that(paper_cols, [&](Index c) { return fit(shrunk(c)); });
  if (cols == 0) throw refusal(stage, problem, options);
  return {shrunk(cols), "paper's, shrunk to fit M"};
}

StageRun count(const StageInfo& stage, const Problem& problem, const RunOptions& options) {
  problem.validate();
  StageRun run{.stage = &stage, .tiles = choose_tiles(stage, problem, options)};
  HeadRun head = count_head(stage, problem, run.tiles.size, options);
  run.traffic = head.traffic * static_cast<Bytes>(problem.head_count());
  run.notes = std::move(head.notes);
  return run;
}

StageRun trace(const StageInfo& stage, const Problem& problem, const RunOptions& options,
               const EventSink& sink) {
  problem.validate();
  StageRun run{.stage = &stage, .tiles = choose_tiles(stage, problem, options)};
  HeadRun head = run_head(stage, problem, run.tiles.size,
                          {.sram_bytes = options.sram_bytes,
                           .arithmetic = false,
                           .register_tile = options.register_tile,
                           .sink = sink},
                          {});
  run.traffic = head.traffic;
  run.notes = std::move(head.notes);
  return run;
}

StageRun trace(const StageInfo& stage, const Problem& problem, const RunOptions& options, const Tensor& Q,
               const Tensor& K, const Tensor& V, Index head, const EventSink& sink) {
  problem.validate();
  Problem one = problem;
  one.batch = one.heads = 1;
  const StageInfo* const stages[] = {&stage};
  require_memory(stages, one);
  StageRun run{.stage = &stage, .tiles = choose_tiles(stage, problem, options)};
  run.O.emplace(1, 1, problem.seq, problem.dim, kPoison);
  if (stage.slug == "online-q") run.L.emplace(1, 1, problem.seq, 1, kPoison);
  HeadRun answer =
      run_head(stage, problem, run.tiles.size,
               {.sram_bytes = options.sram_bytes, .register_tile = options.register_tile, .sink = sink},
               {Q.head(head), K.head(head), V.head(head), run.O->head(0), run.L ? run.L->head(0) : nullptr});
  run.traffic = answer.traffic;
  run.notes = std::move(answer.notes);
  return run;
}

void require_memory(std::span<const StageInfo* const> stages, const Problem& problem) {
  constexpr std::string_view what = "the memory of a run";
  const Bytes rows = static_cast<Bytes>(problem.seq),
              head = checked_mul(rows, static_cast<Bytes>(problem.dim), what);
  const Bytes tensor =
      checked_mul(checked_mul(head, static_cast<Bytes>(problem.head_count()), what), sizeof(float), what);
  // Q, K, V, the oracle's O in double, and each stage's O.
  Bytes need = checked_mul(tensor, 5 + static_cast<Bytes>(stages.size()), what);
  if (std::any_of(stages.begin(), stages.end(),
                  [](const StageInfo* stage) { return stage->slug == "naive"; })) {
    const auto heads_at_once = static_cast<Bytes>(std::min<Index>(available_threads(), problem.head_count()));
    const Bytes matrix = checked_mul(checked_mul(rows, rows, what), sizeof(float), what);
    need = checked_add(need, checked_mul(matrix, 2 * heads_at_once, what), what);
  }
  if (const Bytes available = available_memory_bytes(); need > available) {
    throw EnvironmentError(
        fmt::format("a run with numbers at N = {} needs {} of memory, {} are available: --count-only needs "
                    "none{}",
                    problem.seq, format_bytes(need), format_bytes(available),
                    need > 16 * tensor ? ", and stages other than naive keep no N × N matrix" : ""));
  }
}

std::vector<StageRun> execute(std::span<const StageInfo* const> stages, const Problem& problem, const Tensor& Q,
                              const Tensor& K, const Tensor& V, const RunOptions& options,
                              const std::function<void(Index, Index)>& progress) {
  problem.validate();
  for (const Tensor* input : {&Q, &K, &V}) {
    if (input->batch() != problem.batch || input->heads() != problem.heads || input->seq() != problem.seq ||
        input->dim() != problem.dim) {
      throw std::logic_error("the tensors are not of the problem's shape");
    }
  }
  require_memory(stages, problem);
  const Index heads = problem.head_count();
  std::vector<StageRun> runs;
  for (const StageInfo* stage : stages) {
    StageRun& run =
        runs.emplace_back(StageRun{.stage = stage, .tiles = choose_tiles(*stage, problem, options)});
    run.O.emplace(problem.batch, problem.heads, problem.seq, problem.dim, kPoison);
    if (runs_online_q(*stage)) run.L.emplace(problem.batch, problem.heads, problem.seq, 1, kPoison);
  }
  std::vector<HeadRun> answers(static_cast<std::size_t>(heads * std::ssize(runs)));
  std::atomic<Index> done = 0;
  parallel_for(std::ssize(answers), [&](Index task) {
    StageRun& run = runs[static_cast<std::size_t>(task / heads)];
    const Index head = task % heads;
    answers[static_cast<std::size_t>(task)] = run_head(
        *run.stage, problem, run.tiles.size,
        {.sram_bytes = options.sram_bytes, .register_tile = options.register_tile, .sink = {}},
        {Q.head(head), K.head(head), V.head(head), run.O->head(head), run.L ? run.L->head(head) : nullptr});
    if (progress) progress(++done, std::ssize(answers));
  });
  for (Index task = 0; task < std::ssize(answers); ++task) {
    StageRun& run = runs[static_cast<std::size_t>(task / heads)];
    run.traffic += answers[static_cast<std::size_t>(task)].traffic;
    run.notes = answers[static_cast<std::size_t>(task)].notes;
  }
  return runs;
}

}  // namespace flashlab::tile
