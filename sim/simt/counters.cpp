#include "sim/simt/counters.hpp"

namespace flashlab::simt {

MemoryCounters& MemoryCounters::operator+=(const MemoryCounters& o) {
  requests += o.requests;
  threads += o.threads;
  bytes += o.bytes;
  sectors += o.sectors;
  ideal_sectors += o.ideal_sectors;
  wavefronts += o.wavefronts;
  conflicts += o.conflicts;
  return *this;
}

std::uint64_t LaunchCounters::flops() const {
  return arithmetic_of(Arithmetic::fadd) + arithmetic_of(Arithmetic::fmul) +
         2 * arithmetic_of(Arithmetic::ffma) + arithmetic_of(Arithmetic::dadd) +
         arithmetic_of(Arithmetic::dmul) + 2 * arithmetic_of(Arithmetic::dfma);
}

std::vector<Metric> LaunchCounters::metrics() const {
  MemoryCounters gl = of(Space::global, Op::load);
  gl += of(Space::global, Op::async_copy);  // the card counts them as loads
  const auto& gs = of(Space::global, Op::store);
  const auto& ga = of(Space::global, Op::atomic);
  const auto& sc = of(Space::shared, Op::async_copy);  // every lane writes; one that fills zeros reads nothing
  const auto& sl = of(Space::shared, Op::load);
  const auto& ss = of(Space::shared, Op::store);
  const auto& sa = of(Space::shared, Op::atomic);
  const auto& sm = of(Space::shared, Op::matrix_load);
  return {
      {"l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum", "request", gl.requests},
      {"l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum", "sector", gl.sectors},
      {"l1tex__t_requests_pipe_lsu_mem_global_op_st.sum", "request", gs.requests},
      {"l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum", "sector", gs.sectors},
      {"l1tex__t_requests_pipe_lsu_mem_global_op_atom.sum", "request", ga.requests},
      {"l1tex__t_sectors_pipe_lsu_mem_global_op_atom.sum", "sector", ga.sectors},
      {"smsp__inst_executed_op_ldgsts.sum", "inst", sc.requests},
      {"smsp__inst_executed_op_shared_ld.sum", "inst", sl.requests},
      {"smsp__inst_executed_op_shared_st.sum", "inst", ss.requests},
      {"smsp__inst_executed_op_shared_atom.sum", "inst", sa.requests},
      {"l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum", "wavefront", sl.wavefronts + sm.wavefronts},
      {"l1tex__data_pipe_lsu_wavefronts_mem_shared_op_st.sum", "wavefront", ss.wavefronts},
      {"l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum", "conflict", sl.conflicts + sm.conflicts},
      {"l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_st.sum", "conflict", ss.conflicts},
      {"smsp__inst_executed_op_ldsm.sum", "inst", sm.requests},
      {"sm__inst_executed_pipe_tensor_op_hmma.sum", "inst", matrix_products},
      {"smsp__sass_thread_inst_executed_op_fadd_pred_on.sum", "inst", arithmetic_of(Arithmetic::fadd)},
      {"smsp__sass_thread_inst_executed_op_fmul_pred_on.sum", "inst", arithmetic_of(Arithmetic::fmul)},
      {"smsp__sass_thread_inst_executed_op_ffma_pred_on.sum", "inst", arithmetic_of(Arithmetic::ffma)},
      {"smsp__sass_thread_inst_executed_op_dadd_pred_on.sum", "inst", arithmetic_of(Arithmetic::dadd)},
      {"smsp__sass_thread_inst_executed_op_dmul_pred_on.sum", "inst", arithmetic_of(Arithmetic::dmul)},
      {"smsp__sass_thread_inst_executed_op_dfma_pred_on.sum", "inst", arithmetic_of(Arithmetic::dfma)},
      {"flashlab__thread_inst_special.sum", "inst", arithmetic_of(Arithmetic::special)},
      {"flashlab__flops_cuda_cores.sum", "flop", flops()},
      {"flashlab__flops_tensor_cores.sum", "flop", matrix_flops},
      {"flashlab__inst_executed_barrier.sum", "inst", barriers},
      {"flashlab__inst_executed_collective.sum", "inst", collectives},
  };
}

}  // namespace flashlab::simt
