#!/usr/bin/env python3
"""Whether Winograd's larger rounding errors do harm: whole training runs with it beside runs with direct sums
(`variant: tile`), the same seeds, on Fashion-MNIST. Prints a table for docs/performance.md: test accuracy of
each epoch, mean and standard deviation over the seeds.

  python3 tools/winograd.py [--rote build/rote] [--seeds 3] [--device D] [--set KEY=VALUE ...]"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile


def accuracies(options, seed, variant, folder):
    words = [f"seed={seed}", *options.set, *([f"variant={variant}"] if variant else [])]
    command = [options.rote, "train", "--quiet", "--out", str(folder), *(["--device", options.device] if options.device
                                                                        else [])]
    subprocess.run(command + [part for word in words for part in ("--set", word)], check=True)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["test"]["class"]["accuracy"] for line in lines if line["type"] == "epoch"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rote", default="build/rote")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = {name: [accuracies(options, seed, variant, pathlib.Path(scratch) / f"{name}{seed}")
                       for seed in range(options.seeds)] for name, variant in (("winograd", None), ("direct", "tile"))}
    print("| epoch | Winograd | direct | difference | noise of it |\n|---|---|---|---|---|")
    for epoch, (mine, theirs) in enumerate(zip(zip(*runs["winograd"]), zip(*runs["direct"])), 1):
        means, spread = [statistics.mean(v) for v in (mine, theirs)], [statistics.stdev(v) for v in (mine, theirs)]
        noise = ((spread[0] ** 2 + spread[1] ** 2) / options.seeds) ** 0.5
        print(f"| {epoch} | {100 * means[0]:.2f} ± {100 * spread[0]:.2f}% | {100 * means[1]:.2f} ± {100 * spread[1]:.2f}% "
              f"| {100 * (means[0] - means[1]):+.2f} | {100 * noise:.2f} |")


if __name__ == "__main__":
    main()
