#!/usr/bin/env python3
"""Puts the figures of bench.json into docs/performance.md, between its two marks:

  python3 tools/bench/report.py [bench.json] [docs/performance.md]"""
import json
import pathlib
import sys

BEGIN, END = "<!-- figures: written by tools/bench/report.py -->", "<!-- end of figures -->"


def number(value, digits=3):
    return f"{value:.{digits}g}" if abs(value) < 100 else f"{value:.0f}"


def mark(row):
    return "yes" if row["pass"] else "**no**"


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *("| " + " | ".join(r) + " |" for r in rows), ""]


def compared(rows, keys, head):
    """Rows with least and median of both sides, and their ratio."""
    return table(head + ["ratio", "bar", "reached"],
                 [[r["name"], *(number(r[k], 4) for k in keys), f"{r['ratio']:.2f}", f"{r['bar']:.2f}", mark(r)]
                  for r in rows])


def ops(rows):
    return table(["shape", "variant", "Rote ms", "median", "PyTorch ms", "median", "GFLOP/s", "ratio", "bar",
                  "reached"],
                 [[r["name"], r["variant"], *(number(r[k]) for k in ("rote_ms", "rote_median_ms", "torch_ms",
                                                                     "torch_median_ms", "gflops")),
                   f"{r['ratio']:.2f}", f"{r['bar']:.2f}", mark(r)] for r in rows])


def bandwidth(rows):
    return table(["operator", "MB", "ms", "median", "GB/s", "triad GB/s", "share", "bar", "reached"],
                 [[r["name"], number(r["bytes"] / 1e6), *(number(r[k]) for k in ("rote_ms", "rote_median_ms", "gb_s",
                                                                                 "triad_gb_s")),
                   f"{r['value']:.2f}", f"{r['bar']:.2f}", mark(r)] for r in rows])


def train(rows):
    named = [{**r, "name": f"{r['name']}, batch {r['batch']}"} for r in rows]
    keys = ("rote_images_s", "rote_median_images_s", "torch_images_s", "torch_median_images_s")
    return compared(named, keys, ["network", "Rote images/s", "median", "PyTorch images/s", "median"])


def shares(rows):
    return table(["", "measured", "at most", "reached"],
                 [[r["name"], f"{100 * r['value']:.2f}%", f"{100 * r['bar']:g}%", mark(r)] for r in rows])


def values(rows):
    return table(["", "measured", "at most", "reached"],
                 [[r["name"], number(r["value"]), number(r["bar"]), mark(r)] for r in rows])


def large_head(rows):
    return compared(rows, ("rote_ms", "torch_ms"), ["", "Rote ms", "PyTorch ms"]) if rows else []


PARTS = [("train", "Training steps", train), ("ops", "Convolutions, linear layers, products", ops),
         ("bandwidth", "Operators that move memory", bandwidth), ("heads", "Random heads", shares),
         ("instrument", "The whole instrument", shares), ("large-head", "A head of 100,000 labels", large_head),
         ("memory", "Memory", values), ("start", "Start", values)]


def figures(whole):
    facts = whole["machine"]
    lines = [BEGIN, "", f"{facts['cpu']}, {facts['cores']} cores, {facts['avx']}, {facts['threads']} threads; "
             f"{facts['system']}.", ""]
    for name, result in whole["implementations"].items():
        device = result["device"]
        lines += [f"### {name}", "", f"{device['platform']} {device['driver']}; PyTorch {result['pytorch']}.", ""]
        for part, title, view in PARTS:
            text = view(result[part]) if part in result else []
            lines += [f"#### {title}", "", *text] if text else []
    return "\n".join(lines + [END])


def main():
    source = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "bench.json")
    page = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "docs/performance.md")
    text = page.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"report.py: {page} has no marks '{BEGIN}' and '{END}'")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(before + figures(json.loads(source.read_text())) + after)


if __name__ == "__main__":
    main()
