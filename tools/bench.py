#!/usr/bin/env python3
"""Rote's operators, training steps and what they cost beside PyTorch's CPU build: both sides in this
process, in turn, on the same shapes and threads. `sh tools/bench.sh` installs what it needs and runs
it on each OpenCL implementation; by hand, for all or some of

  python3 tools/bench.py [ops] [bandwidth] [train] [heads] [instrument] [large-head] [memory] [start]
                         [--only REGEX] [--rounds 10] [--device D] [--rote build/rote]
                         [--library build/librote.so] [--json FILE --name IMPLEMENTATION]

Times are of whole calls (filters are transformed in each), least and median of the rounds; a
ratio is PyTorch's least time, in the better of its two layouts, over Rote's. The output that
was timed is then held against PyTorch in float64. docs/performance.md tells the method."""
import argparse
import ctypes
import json
import os
import pathlib
import platform
import sys

import torch

from bench.heads import bench_heads, bench_instrument, bench_large_head
from bench.library import DeviceInfo, Failure, Rote
from bench.operators import bench_bandwidth, bench_ops
from bench.process import bench_memory, bench_start
from bench.steps import bench_train

PARTS = {"ops": bench_ops, "bandwidth": bench_bandwidth, "train": bench_train, "heads": bench_heads,
         "instrument": bench_instrument, "large-head": bench_large_head, "memory": bench_memory, "start": bench_start}


def machine(threads):
    """Facts that figures depend on; from /proc/cpuinfo where there is one."""
    facts = {"system": platform.platform(), "cpu": platform.processor(), "cores": os.cpu_count(), "threads": threads,
             "avx": "none known"}
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        lines = [line.split(":", 1) for line in info.read_text().splitlines() if ":" in line]
        fields = {key.strip(): value.strip() for key, value in lines}
        flags = fields.get("flags", "").split()
        facts["cpu"] = fields.get("model name", facts["cpu"])
        facts["avx"] = next((text for flag, text in (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("avx", "AVX"))
                             if flag in flags), "none")
    return facts


def save(path, name, facts, part, rows, more):
    """Adds a part's rows to those of an implementation; a row that was there is replaced."""
    path = pathlib.Path(path)
    whole = json.loads(path.read_text()) if path.exists() else {}
    whole["machine"] = facts
    own = whole.setdefault("implementations", {}).setdefault(name, {})
    own.update(more)
    merged = {(row["name"], row.get("words")): row for row in own.get(part, []) + rows}
    own[part] = list(merged.values())
    path.write_text(json.dumps(whole, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; default all")
    parser.add_argument("--only", help="only names that hold this regular expression")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--variant", help="of every operator, instead of the first that takes the shape")
    parser.add_argument("--unchecked", action="store_true", help="skip the comparison with float64")
    parser.add_argument("--device")
    parser.add_argument("--rote", default="build/rote")
    parser.add_argument("--library", default="build/librote.so")
    parser.add_argument("--instrument-images", type=int, default=1280, help="of its training set; a tenth is evaluated")
    parser.add_argument("--json", help="results are added to this file")
    parser.add_argument("--name", help="of the OpenCL implementation, in the file; default the device's platform")
    options = parser.parse_args()
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"there is no part '{part}'; choose of {', '.join(PARTS)}")
    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    results = {}
    try:
        rote = Rote(options.library, options.device)
        info = DeviceInfo()
        rote.call("rote_device_info_get", rote.device, ctypes.byref(info))
        facts, name = machine(threads), options.name or info.platform.decode()
        device = {key: getattr(info, key).decode() for key in ("name", "platform", "driver")}
        more = {"pytorch": torch.__version__, "device": {**device, "compute_units": info.compute_units}}
        print(f"{facts['cpu']}, {facts['cores']} cores, {facts['avx']}; {threads} threads on both sides\n"
              f"PyTorch {torch.__version__}; {device['name']}, {device['platform']} {device['driver']}")
        for part in options.parts or PARTS:
            print(f"\n== {name}: {part}")
            results[part] = PARTS[part](rote, options)
            if options.json:
                save(options.json, name, facts, part, results[part], more)
    except Failure as e:
        sys.exit(f"bench.py: {e}")
    rows = [row for part in PARTS for row in results.get(part, [])]
    failed = [row["name"] for row in rows if not row["pass"]]
    print(f"\n{name}: {len(rows) - len(failed)} of {len(rows)} rows reach their bar"
          + (f"; these do not: {'; '.join(failed)}" if failed else ""))


if __name__ == "__main__":
    main()
