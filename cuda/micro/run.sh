#!/bin/sh
# Asks the card: builds micro, runs every group of cases under Nsight Compute, leaves CSV files.
#   cuda/micro/run.sh OUT_DIR [GROUP…]        ARCH=sm_90 by default
# Needs nvcc, ncu and the permission to read counters. Leaves OUT_DIR/{cases,GROUP,occupancy,schedule,deal,timeline,card}.csv;
# row k of GROUP.csv's launches (ncu's column ID) is launch k of that group in cases.csv.
set -eu
out=${1:?"usage: run.sh OUT_DIR [GROUP...]"}
shift
here=$(dirname "$0")
groups=${*:-"banks coalescing l1 l1_to_l2 merging l2_sweep l2_writes l2_reads softmax"}
mkdir -p "$out"
nvcc -std=c++20 -O2 -arch="${ARCH:-sm_90}" -o "$out/micro" "$here/micro.cu"

"$out/micro" list > "$out/cases.csv"
nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,clocks.max.mem,memory.total --format=csv > "$out/card.csv"
nvcc --version | tail -2 >> "$out/card.csv"
date -u +%Y-%m-%d >> "$out/card.csv"
"$out/micro" occupancy > "$out/occupancy.csv"
"$out/micro" schedule > "$out/schedule.csv"
"$out/micro" deal > "$out/deal.csv"
nvcc -std=c++20 -O3 -I"$here/../.." -arch="${ARCH:-sm_90}" -o "$out/timeline" "$here/timeline.cu"
"$out/timeline" > "$out/timeline.csv"

shared=smsp__inst_executed_op_shared_ld.sum,smsp__inst_executed_op_shared_st.sum
shared=$shared,l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum,l1tex__data_pipe_lsu_wavefronts_mem_shared_op_st.sum
shared=$shared,l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum
shared=$shared,l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_st.sum
l1=l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum,l1tex__t_requests_pipe_lsu_mem_global_op_st.sum
l1=$l1,l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum,l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum
l1=$l1,l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_hit.sum
l1=$l1,l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_miss.sum
l1=$l1,l1tex__t_sectors_pipe_lsu_mem_global_op_st_lookup_hit.sum
l1=$l1,l1tex__t_sectors_pipe_lsu_mem_global_op_st_lookup_miss.sum
l1=$l1,l1tex__m_xbar2l1tex_read_bytes.sum,l1tex__m_l1tex2xbar_write_bytes.sum
async=l1tex__t_requests_pipe_lsu_mem_global_op_ldgsts.sum,l1tex__t_sectors_pipe_lsu_mem_global_op_ldgsts.sum
async=$async,l1tex__t_sectors_pipe_lsu_mem_global_op_ldgsts_lookup_hit.sum
async=$async,l1tex__t_sectors_pipe_lsu_mem_global_op_ldgsts_lookup_miss.sum
wave=l1tex__data_pipe_lsu_wavefronts_mem_lg.sum,l1tex__t_output_wavefronts_pipe_lsu_mem_global_op_ld.sum
l2=lts__t_sectors_srcunit_tex_op_read.sum,lts__t_sectors_srcunit_tex_op_write.sum
l2=$l2,lts__t_sectors_srcunit_tex_op_read_lookup_hit.sum,lts__t_sectors_srcunit_tex_op_read_lookup_miss.sum
l2=$l2,lts__t_sectors_srcunit_tex_op_write_lookup_hit.sum,lts__t_sectors_srcunit_tex_op_write_lookup_miss.sum
l2=$l2,lts__t_requests_srcunit_tex.sum,lts__t_sectors_op_atom.sum,lts__t_sectors_op_red.sum
l2=$l2,lts__t_sectors_srcunit_ltcfabric.sum
hbm=dram__bytes_read.sum,dram__bytes_write.sum,lts__t_sectors_srcnode_gpc.sum,gpu__time_duration.sum

for group in $groups; do
  case $group in
    banks) metrics=$shared ;;
    coalescing) metrics=$l1,$wave ;;
    l1) metrics=$l1,$async,lts__t_sectors_srcunit_tex_op_read.sum ;;
    l1_to_l2) metrics=$l1,$l2 ;;
    merging) metrics=l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_miss.sum,lts__t_sectors_srcunit_tex_op_read.sum ;;
    *) metrics=$l2,$hbm,l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_hit.sum ;;
  esac
  echo "micro: $group" >&2
  # A metric that this card does not have would stop ncu: leave it out, and say so.
  [ -s "$out/metrics.txt" ] || ncu --query-metrics 2>/dev/null | awk '{print $1}' > "$out/metrics.txt"
  known=""
  for metric in $(echo "$metrics" | tr ',' ' '); do
    if grep -q dram__bytes_read "$out/metrics.txt" && ! grep -qx "${metric%%.*}" "$out/metrics.txt"; then
      echo "micro: this card has no $metric" >&2
    else
      known=$known${known:+,}$metric
    fi
  done
  ncu --csv --page raw --print-units base --cache-control all --clock-control none --metrics "$known" \
      "$out/micro" run "$group" > "$out/$group.csv" 2> "$out/$group.log" ||
    { tail -3 "$out/$group.log" >&2; grep '^==' "$out/$group.csv" | tail -3 >&2; }
done
