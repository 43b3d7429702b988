#!/usr/bin/env python3
"""When does the card repeat an access of shared memory? Runs variants of three kernels (wavefronts.cu) and prints as CSV
how many wavefronts their shared loads and stores took; one an instruction is what the banks ask for.

    cuda/micro/wavefronts.py > wavefronts.csv        ARCH=sm_90 by default

Needs nvcc, ncu and permission to read counters.
"""

import concurrent.futures
import csv
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
KERNELS = ["fused", "tiled", "online_q"]
OF_ALL = {"as it is": [], "past L1": ["PAST_L1"], "4 loads together": ["TOGETHER=4"], "1 load at a time": ["TOGETHER=1"],
          "no loads": ["TOGETHER=0"]}
OF_LAST = {"no shuffles": ["NO_SHUFFLES"], "no exponentials": ["NO_EXPONENTIALS"]}
COUNTERS = {
    "smsp__inst_executed_op_shared_ld.sum": "shared_loads",
    "l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum": "load_wavefronts",
    "smsp__inst_executed_op_shared_st.sum": "shared_stores",
    "l1tex__data_pipe_lsu_wavefronts_mem_shared_op_st.sum": "store_wavefronts",
    "sm__cycles_elapsed.max": "cycles",
}


def build(program, defines):
    subprocess.run(["nvcc", "-std=c++20", "-O3", f"-arch={os.environ.get('ARCH', 'sm_90')}", f"-I{HERE.parent.parent}",
                    *(f"-D{define}" for define in defines), "-o", program, HERE / "wavefronts.cu"], check=True)


def count(program):
    report = subprocess.run(["ncu", "--csv", "--cache-control", "all", "--clock-control", "none", "--print-units", "base",
                             "--metrics", ",".join(COUNTERS), program], check=True, capture_output=True, text=True).stdout
    rows = csv.DictReader(line for line in report.splitlines() if line.startswith('"'))
    values = {row["Metric Name"]: round(float(row["Metric Value"].replace(",", ""))) for row in rows}
    return [values[name] for name in COUNTERS]


def main():
    if len(sys.argv) > 1:
        print(__doc__, file=sys.stderr)
        return 2
    if shutil.which("nvcc") is None or shutil.which("ncu") is None:
        print("wavefronts.py: nvcc or ncu is missing: install the CUDA toolkit and Nsight Compute", file=sys.stderr)
        return 3
    variants = [(kernel, name, defines) for kernel in KERNELS for name, defines in OF_ALL.items()]
    variants += [(KERNELS[-1], name, defines) for name, defines in OF_LAST.items()]
    try:
        with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor() as builders:
            programs = [pathlib.Path(folder) / str(i) for i in range(len(variants))]
            list(builders.map(build, programs, ([f"KERNEL={KERNELS.index(k) + 1}", *d] for k, _, d in variants)))
            out = csv.writer(sys.stdout, lineterminator="\n")
            out.writerow(["kernel", "variant", *COUNTERS.values()])
            for program, (kernel, name, _) in zip(programs, variants):
                out.writerow([kernel, name, *count(program)])
    except subprocess.CalledProcessError as error:
        print(f"wavefronts.py: {error.cmd[0]} ended with exit code {error.returncode}\n{error.stderr or ''}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
