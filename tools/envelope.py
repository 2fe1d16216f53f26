#!/usr/bin/env python3
"""The same training on several OpenCL implementations: `cnn` with heads, one seed, 200 steps.
    python3 tools/envelope.py [--figure FILE.svg] [--kernels FOLDER] NAME...

NAME: an implementation that tools/vendors.sh made. The reference is PoCL's run. Two trainings that differ by rounding go
apart, chaotically, so that a bound for all steps can't be had from analysis: steps 1 to 5 must agree within an analytic
bound, later ones within what rounding alone does to the reference, seen from runs of it whose learning rate is a few
units in the last place off. The test accuracy must agree within what other seeds do to it. Exit code 1 where not.
FOLDER has the kernel sources of NAME's runs (the reference keeps its own): whether a change of kernels shows."""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROTE = os.environ.get("ROTE", str(ROOT / "build/rote"))
VENDORS = pathlib.Path(os.environ.get("ROTE_VENDORS", ROOT / "vendors"))
SETTINGS = ["model=cnn", "data={kind: synthetic, height: 8, width: 8, train_count: 3200, test_count: 500, "
            "label_noise: 0.2}", "batch=16",
            "epochs=1", "log_every=1", "rla_subset=32", "control.enabled=false",
            "heads=[{name: class, kind: class}, {name: pushes, lambda: 0.5}, {name: probe, at: pool1}]"]
ULP = 2.0 ** -23
NUDGES = (1, -1, 2, -2, 4, -4)
SEEDS = (2, 3, 4)
BEYOND = 4  # how many times farther from the reference than its farthest nudged run
# The longest sums of cnn at this size, and the constants of their tolerance (src/op: Winograd's is 16).
SUMS = ((4, 9), (16, 288), (4, 576), (4, 128))


def analytic(step):
    """Relative: each step adds what its sums may be off by."""
    return step * sum(c * math.sqrt(length) for c, length in SUMS) * ULP


def train(name, nudge=0, seed=1, kernels=None):
    """Losses of the class head by step, and the test accuracy at the end."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "run"
        words = [*SETTINGS, f"lr.base={0.03 * (1 + nudge * ULP):.10g}", f"seed={seed}"]
        env = {**os.environ, "OCL_ICD_VENDORS": str(VENDORS / "icd" / name), "RUSTICL_ENABLE": "llvmpipe"}
        if kernels:  # as they are: a wrong one is to be seen here
            env |= {"ROTE_KERNELS": kernels, "ROTE_NO_SELFTEST": "1"}
        subprocess.run([ROTE, "train", *[w for s in words for w in ("--set", s)], "--out", out, "--quiet"], check=True,
                       env=env, stdout=subprocess.DEVNULL)
        lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        loss = [line["train"]["class"]["loss"] for line in lines if line["type"] == "step"]
        return loss, json.loads((out / "summary.json").read_text())["test_accuracy"]


def off(loss, reference):
    return [abs(a - b) / abs(b) for a, b in zip(loss, reference)]


def envelope(reference, nudged):
    most, out = 0.0, []
    for step, values in enumerate(zip(*(off(loss, reference) for loss in nudged)), 1):
        most = max(most, *values)
        out.append(analytic(step) if step <= 5 else max(BEYOND * most, analytic(5)))
    return out


def draw(path, limit, curves):
    """Distance from the reference by step, by powers of ten up to 1."""
    width, height, left, top, right, bottom = 760, 400, 64, 44, 24, 46
    colours = ("#0b6e99", "#d9480f", "#2b8a3e", "#862e9c")
    steps = len(limit)
    low = -8

    def x(step):
        return left + (width - left - right) * (step - 1) / (steps - 1)

    def y(value):
        return top + (height - top - bottom) * math.log10(max(value, 10.0 ** low)) / low

    def line(values, style):
        points = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(values, 1))
        return f'<polyline points="{points}" fill="none" {style}/>'

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
           'font-size="12"><rect width="100%" height="100%" fill="white"/>',
           f'<text x="{left}" y="24" font-size="15">The same training elsewhere: relative distance of the loss from '
           "PoCL's</text>"]
    for power in range(low, 1):
        out.append(f'<line x1="{left}" x2="{width - right}" y1="{y(10.0 ** power):.1f}" y2="{y(10.0 ** power):.1f}" '
                   f'stroke="#e5e5e5"/><text x="{left - 6}" y="{y(10.0 ** power) + 4:.1f}" text-anchor="end">'
                   f'{"≤ " if power == low else ""}1e{power}</text>')
    for step in (1, 25, 50, 75, 100, 125, 150, 175, 200):
        if step <= steps:
            out.append(f'<text x="{x(step):.1f}" y="{height - bottom + 18}" text-anchor="middle">{step}</text>')
    out.append(f'<text x="{(left + width - right) / 2}" y="{height - 8}" text-anchor="middle">step</text>')
    out.append(line(limit, 'stroke="#444" stroke-width="1.4" stroke-dasharray="5 4"'))
    out.append(f'<text x="{left + 12}" y="{y(limit[4]) - 8:.1f}" fill="#444">limit</text>')
    for i, (name, values) in enumerate(curves.items()):
        colour = colours[i % len(colours)]
        out.append(line(values, f'stroke="{colour}" stroke-width="1.4"'))
        out.append(f'<text x="{left + 12 + 70 * i}" y="{top + 16}" fill="{colour}">{name}</text>')
    pathlib.Path(path).write_text("\n".join([*out, "</svg>"]) + "\n")


def reference():
    """The reference's losses and test accuracy, the limit by step, the accuracy's deviation over seeds."""
    loss, accuracy = train("pocl")
    nudged = [train("pocl", nudge=n)[0] for n in NUDGES]
    noise = statistics.stdev([accuracy, *(train("pocl", seed=s)[1] for s in SEEDS)])
    print(f"reference: {len(loss)} steps, loss {loss[0]:.4f} to {loss[-1]:.4f}, test accuracy {100 * accuracy:.1f}%, "
          f"deviation over seeds {100 * noise:.1f}; nudged runs are up to "
          f"{max(max(off(n, loss)) for n in nudged):.1e} off")
    return loss, accuracy, envelope(loss, nudged), noise


def main(words=None, made=None):
    """made: of reference(), where it is at hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figure")
    parser.add_argument("--kernels")
    parser.add_argument("names", nargs="+")
    options = parser.parse_args(words)
    expected, accuracy, limit, noise = made or reference()
    curves, bad = {}, 0
    for name in options.names:
        loss, other = train(name, kernels=options.kernels)
        if len(loss) != len(expected) or not all(isinstance(v, float) and math.isfinite(v) for v in loss):
            sys.exit(f"{name}: {len(loss)} losses of {len(expected)}, or some that are no numbers")
        curves[name] = off(loss, expected)
        worst = max(range(len(limit)), key=lambda i: curves[name][i] / limit[i])
        wrong = curves[name][worst] > limit[worst] or abs(other - accuracy) > 3 * noise
        bad += wrong
        print(f"{name:10} {'OUTSIDE' if wrong else 'inside'}: step 5 {curves[name][4]:.1e} of {limit[4]:.1e}; nearest to its "
              f"limit at step {worst + 1}: {curves[name][worst]:.1e} of {limit[worst]:.1e}; last {curves[name][-1]:.1e}; "
              f"test accuracy {100 * other:.1f}%")
    if options.figure:
        draw(options.figure, limit, curves)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
