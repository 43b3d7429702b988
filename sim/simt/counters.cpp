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

std::vector<Metric> LaunchCounters::metrics() const {
  const auto& gl = of(Space::global, Op::load);
  const auto& gs = of(Space::global, Op::store);
  const auto& ga = of(Space::global, Op::atomic);
  const auto& gc = of(Space::global, Op::async_copy);
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
      {"smsp__inst_executed_op_ldgsts.sum", "inst", gc.requests},
      {"smsp__inst_executed_op_shared_ld.sum", "inst", sl.requests},
      {"smsp__inst_executed_op_shared_st.sum", "inst", ss.requests},
      {"smsp__inst_executed_op_shared_atom.sum", "inst", sa.requests},
      {"l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum", "wavefront", sl.wavefronts + sm.wavefronts},
      {"l1tex__data_pipe_lsu_wavefronts_mem_shared_op_st.sum", "wavefront", ss.wavefronts},
      {"l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum", "conflict", sl.conflicts + sm.conflicts},
      {"l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_st.sum", "conflict", ss.conflicts},
      {"smsp__inst_executed_op_ldsm.sum", "inst", sm.requests},
      {"sm__inst_executed_pipe_tensor_op_hmma.sum", "inst", matrix_products},
  };
}

}  // namespace flashlab::simt
