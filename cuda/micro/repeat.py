#!/usr/bin/env python3
"""How far does the card differ from itself? Measures every launch of the validation table several times, each time in a
new process, and prints as CSV the least, the middle and the greatest value of the counters that time has a part in: as the
card chooses its clock ("none"), and with the SMs held at their base clock, while L2 and HBM keep theirs ("base").

    cuda/micro/repeat.py flashlab_gpu_count [RUNS] > repeats.csv

The program is what CMake builds where there is nvcc (its first lines tell how to build it alone). 8 runs unless given.
Needs ncu and permission to read counters.
"""

import csv
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

COUNTERS = {
    "lts__t_sectors_srcunit_tex_op_read.sum": "l2_read_sectors",
    "dram__bytes_read.sum": "hbm_read_bytes",
    "dram__bytes_write.sum": "hbm_write_bytes",
    "l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum": "shared_load_wavefronts",
    "sm__cycles_elapsed.max": "cycles",
}
SHAPE = ["kernel", "heads", "seq", "dim", "causal"]
CLOCKS = ["none", "base"]  # of ncu's --clock-control


def measured(program, clock, folder):
    """The launches of one run, in order, and the values of each: [(shape, {counter: value})]."""
    counters, launches = folder / "counters.csv", folder / "launches.csv"
    subprocess.run(
        ["ncu", "--csv", "--log-file", counters, "--cache-control", "all", "--clock-control", clock, "--print-units",
         "base", "--metrics", ",".join(COUNTERS), program, "--launches", launches],
        check=True, stdout=subprocess.DEVNULL)
    values = {}
    for row in csv.DictReader(line for line in counters.read_text().splitlines() if line.startswith('"')):
        values.setdefault(int(row["ID"]), {})[row["Metric Name"]] = float(row["Metric Value"].replace(",", ""))
    with launches.open() as file:
        return [(tuple(row[name] for name in SHAPE), values[i]) for i, row in enumerate(csv.DictReader(file))]


def main():
    arguments = sys.argv[1:]
    if len(arguments) not in (1, 2) or not all(text.isdecimal() and int(text) > 0 for text in arguments[1:]):
        print(__doc__, file=sys.stderr)
        return 2
    program, runs = arguments[0], int((arguments + ["8"])[1])
    if not pathlib.Path(program).is_file() or shutil.which("ncu") is None:
        print(f"repeat.py: {program} or ncu is missing: build the one, install Nsight Compute", file=sys.stderr)
        return 3
    try:
        with tempfile.TemporaryDirectory() as folder:
            all_runs = {clock: [measured(program, clock, pathlib.Path(folder)) for _ in range(runs)] for clock in CLOCKS}
    except subprocess.CalledProcessError as error:
        print(f"repeat.py: ncu ended with exit code {error.returncode}: may this user read the counters?", file=sys.stderr)
        return 3
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(SHAPE + ["clock", "runs"] + [f"{name}_{part}" for name in COUNTERS.values() for part in ("least", "middle", "most")])
    for launches in zip(*(zip(*all_runs[clock]) for clock in CLOCKS)):
        for clock, of_clock in zip(CLOCKS, launches):
            figures = []
            for counter in COUNTERS:
                values = [value[counter] for _, value in of_clock]
                figures += [round(min(values)), round(statistics.median(values)), round(max(values))]
            out.writerow([*of_clock[0][0], clock, runs, *figures])
    return 0


if __name__ == "__main__":
    sys.exit(main())
