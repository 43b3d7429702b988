// The replay's counters under the names that Nsight Compute gives them.

#include "sim/simt/replay/replay.hpp"

namespace flashlab::simt {

std::vector<std::pair<std::string_view, double>> ReplayCounters::metrics() const {
  const auto percent = [](std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  };
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  return {
      {"l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum", number(load_requests)},
      {"l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum", number(load_sectors)},
      {"l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_hit.sum", number(load_l1_hit_sectors)},
      {"l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_miss.sum",
       number(load_sectors - load_l1_hit_sectors)},
      {"l1tex__t_requests_pipe_lsu_mem_global_op_st.sum", number(store_requests)},
      {"l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum", number(store_sectors)},
      {"l1tex__t_sector_pipe_lsu_mem_global_op_ld_hit_rate.pct", percent(load_l1_hit_sectors, load_sectors)},
      {"lts__t_requests_srcunit_tex_op_read.sum", number(l2_read_requests)},
      {"lts__t_sectors_srcunit_tex_op_read.sum", number(l2_read_sectors)},
      {"lts__t_sectors_srcunit_tex_op_write.sum", number(l2_write_sectors)},
      {"lts__t_sectors_srcunit_tex_op_atom.sum", number(atomic_sectors)},
      {"lts__t_sector_op_read_hit_rate.pct", percent(l2_read_hit_sectors, l2_read_sectors)},
      {"dram__bytes_read.sum", number(hbm_read_bytes)},
      {"dram__bytes_write.sum", number(hbm_write_bytes)},
  };
}

}  // namespace flashlab::simt
