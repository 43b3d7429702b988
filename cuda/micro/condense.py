#!/usr/bin/env python3
"""Condenses what cuda/micro/run.sh left into small files, one row a case: the counters that answer its question.

    cuda/micro/condense.py OUT_DIR cuda/measured/h100-micro

Counters of `banks` and `coalescing` are divided by the number of instructions; the others are whole launches.
"""
import csv
import pathlib
import sys

L1 = "l1tex__t_sectors_pipe_lsu_mem_global_op_"
LTS = "lts__t_sectors_srcunit_tex_op_"
L2 = {
    "l2_read_sectors": LTS + "read.sum", "l2_read_hit_sectors": LTS + "read_lookup_hit.sum",
    "l2_write_sectors": LTS + "write.sum", "fabric_sectors": "lts__t_sectors_srcunit_ltcfabric.sum",
    "hbm_read_bytes": "dram__bytes_read.sum", "hbm_write_bytes": "dram__bytes_write.sum",
    "time_ns": "gpu__time_duration.sum"}
COLUMNS = {
    "l1": {"shared_config_bytes": "launch__shared_mem_config_size", "load_sectors": L1 + "ld.sum",
           "load_hits": L1 + "ld_lookup_hit.sum", "load_misses": L1 + "ld_lookup_miss.sum",
           "store_sectors": L1 + "st.sum", "store_hits": L1 + "st_lookup_hit.sum",
           "l2_read_sectors": LTS + "read.sum", "l1_read_bytes": "l1tex__m_xbar2l1tex_read_bytes.sum",
           "l1_write_bytes": "l1tex__m_l1tex2xbar_write_bytes.sum"},
    "l1_to_l2": {"load_misses": L1 + "ld_lookup_miss.sum", "l2_read_sectors": LTS + "read.sum",
                 "l1_read_bytes": "l1tex__m_xbar2l1tex_read_bytes.sum",
                 "fabric_sectors": "lts__t_sectors_srcunit_ltcfabric.sum"},
    "merging": {"load_misses": L1 + "ld_lookup_miss.sum", "l2_read_sectors": LTS + "read.sum"},
    "l2_sweep": L2, "l2_writes": L2, "l2_reads": L2, "softmax": L2}



def number(text):
    value = float(text.replace(",", ""))
    return int(value) if value == int(value) else value


def launches(folder, group):
    """(case of cases.csv, row of ncu by column) for each launch that was measured."""
    if not (folder / f"{group}.csv").exists():
        return
    with open(folder / "cases.csv", newline="") as file:
        cases = [case for case in csv.DictReader(file) if case["group"] == group]
    with open(folder / f"{group}.csv", newline="") as file:
        rows = list(csv.reader(file))
    header = next((row for row in rows if row[:1] == ["ID"]), None)
    if header is None:
        return
    for row in rows[rows.index(header) + 2:]:
        if len(row) == len(header):
            yield cases[int(row[0])], dict(zip(header, row))


def lanes_row(group, case, row):
    """One instruction of `banks` or `coalescing`: its pattern and what it costs."""
    kernel, pattern = case["case"].split("/")
    op = "st" if kernel.endswith("store") else "ld"
    settings, lanes = case["parameters"].split(" lanes=")
    values = dict(setting.split("=") for setting in settings.split())
    if group == "banks":
        names = {"wavefronts": f"l1tex__data_pipe_lsu_wavefronts_mem_shared_op_{op}.sum",
                 "conflicts": f"l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_{op}.sum"}
    else:
        names = {"requests": f"l1tex__t_requests_pipe_lsu_mem_global_op_{op}.sum", "sectors": L1 + op + ".sum"}
    counts = {name: number(row[metric]) / number(case["per"]) for name, metric in names.items()}
    return {"op": op, **values, "pattern": pattern, **{k: f"{v:g}" for k, v in counts.items()}, "lanes": lanes}


def main(source, target):
    with open(source / "card.csv") as file:
        lines = [line.strip() for line in file]
    card, driver = lines[1].split(", ")[:2]
    toolkit = next(line.split("V")[-1] for line in lines if "release" in line)
    origin = f"# {card}, driver {driver}, toolkit {toolkit}, {lines[-1]}\n"

    def write(name, rows):
        if not rows:
            print(f"condense: nothing of {name}", file=sys.stderr)
            return
        with open(target / f"{name}.csv", "w", newline="") as file:
            file.write(origin)
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    for group in ("banks", "coalescing"):
        write(group, [lanes_row(group, case, row) for case, row in launches(source, group)])
    for group, columns in COLUMNS.items():
        if (source / f"{group}.csv").exists():
            write(group.replace("_", "-"),
                  [{"case": case["case"].split(":")[0], "parameters": case["parameters"],
                    **{name: number(row[metric]) for name, metric in columns.items()}}
                   for case, row in launches(source, group)])
    for name in ("deal", "timeline"):
        with open(source / f"{name}.csv", newline="") as file:
            write(name, list(csv.DictReader(file)))
    with open(source / "occupancy.csv", newline="") as file:
        write("occupancy", list(csv.DictReader(file)))
    with open(source / "schedule.csv", newline="") as file:
        write("schedule", [{key: row[key] for key in ("blocks_per_sm", "block", "sm", "start_ns", "end_ns")}
                           for row in csv.DictReader(file)])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
