"""What measuring memorisation costs: random heads, and the whole instrument of a run."""
import json
import math
import pathlib
import re
import subprocess
import tempfile

import numpy
import torch
from torch.nn import functional

from bench.library import Failure, Op, in_turn, passes, repeat, verdict


def synthetic(model, batch, train_count, test_count=1):
    channels, side = (1, 28) if model == "cnn" else (3, 32)
    words = [f"model={model}", f"batch={batch}", f"data={{kind: synthetic, channels: {channels}, height: {side}, "
             f"width: {side}, train_count: {train_count}, test_count: {test_count}}}"]
    return [part for word in words for part in ("--set", word)]


def rote(options, *arguments, on_device=True):
    command = [options.rote, *map(str, arguments)]
    if on_device and options.device:
        command += ["--device", options.device]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def add(rows, name, value, bar, at_most=True, **more):
    row = {"name": name, "value": value, "bar": bar, "at_most": at_most, **more}
    row["pass"] = passes(row)
    rows.append(row)
    print(f"{name:58} {100 * value:8.2f}% {100 * bar:6.1f}% {verdict(row)}", flush=True)


def bench_heads(_library, options):
    """Shares of kernels' time, and 64 heads' steps in turn with one head's, by `rote bench heads`."""
    rows = []
    print(f"{'random heads, n = 10, at the features':58} {'':>9} {'bar':>7}")
    for model, batch, most in (("resnet18", 64, 0.01), ("cnn", 128, 0.05)):
        if options.only and not re.search(options.only, model):
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "heads.json"
            rote(options, "bench", "heads", *synthetic(model, batch, 4 * batch), "--only", "number: (10|64) heads",
                 "--rounds", options.rounds, "--json", path, "--quiet")
            found = {r["heads"]: r for r in json.loads(path.read_text())["rows"]}
        add(rows, f"{model}: kernel time of 10 heads, of the step's", found[10]["kernel_share"], most)
        add(rows, f"{model}: step with 64 heads over one with 1", found[64]["over_one"], 0.05,
            step_ms=found[64]["step_ms"], one_ms=found[64]["one_ms"])
    return rows


def bench_instrument(_library, options):
    """Evaluation of random heads, ledger and control head at their defaults, as the run's summary tells: over
    20 epochs, in one of which the control follows. The evaluated subset is to the training set as the default
    5000 is to 50000."""
    rows, count = [], options.instrument_images
    print(f"{'the instrument':58} {'':>9} {'bar':>7}")
    with tempfile.TemporaryDirectory() as folder:
        rote(options, "train", "--quiet", "--out", folder, *synthetic("resnet18", 64, count), "--set", "epochs=20",
             "--set", f"rla_subset={count // 10}", "--set", "control.enabled=true")
        summary = json.loads((pathlib.Path(folder) / "summary.json").read_text())
    add(rows, "resnet18: the instrument, of training time", summary["instrument_share"], 0.05,
        instrument_s=summary["instrument_seconds"], training_s=summary["training_seconds"])
    return rows


LETTERS = {"N": 512, "D": 512, "T": 100000, "M": 1}


def large_case(options, name):
    """Words and arrays of an operator by its ports' dimension letters, or None where it does not
    exist or has letters that are not known here."""
    try:
        (op,) = json.loads(rote(options, "op", "--list", name, "--json", on_device=False))
    except Failure:
        return None
    words, arrays = [], {}
    generator = numpy.random.default_rng(0)
    for port in op["inputs"]:
        if not all(c.isdigit() or c in LETTERS for c in port["dims"]):
            return None
        shape = [int(c) if c.isdigit() else LETTERS[c] for c in port["dims"]]
        words.append(f"{port['name']}={'x'.join(map(str, shape))}")
        if port["shape_only"]:
            continue
        if port["name"] == "table":  # head_loss: one random head of all columns
            arrays["table"] = numpy.array([[0, LETTERS["T"], 1, 0, 7, 5, 0, 0]], numpy.int32)
        elif port["type"] == "float32":
            scale = 1 / math.sqrt(LETTERS["D"]) if port["name"] == "w" else 1
            arrays[port["name"]] = (generator.standard_normal(shape) * scale).astype(numpy.float32)
        else:
            arrays[port["name"]] = numpy.arange(math.prod(shape), dtype=numpy.int32) % 10
        if port["name"] == "weight":
            arrays["weight"] = numpy.ones(shape, numpy.float32)
    return name, " ".join(words), arrays


def bench_large_head(library, options):
    """A head of n = 100,000 on 512 features, batch 512: forward and backward beside PyTorch's linear
    layer with cross-entropy. Nothing where the operators do not exist."""
    cases = [large_case(options, name) for name in ("head_large_fwd", "head_large_bwd")]
    if not all(cases):
        print("head_large_fwd, head_large_bwd: not there, or of other ports")
        return []
    ops = [Op(library, *case) for case in cases]
    torch.manual_seed(0)
    x = torch.randn(LETTERS["N"], LETTERS["D"], requires_grad=True)
    w = (torch.randn(LETTERS["T"], LETTERS["D"]) / math.sqrt(LETTERS["D"])).requires_grad_()
    b, y = torch.zeros(LETTERS["T"], requires_grad=True), torch.randint(0, LETTERS["T"], (LETTERS["N"],))

    def mine(times):
        for _ in range(times):
            for op in ops:
                library.call("rote_op_run", op.op)
        library.finish()

    def theirs():
        x.grad = w.grad = b.grad = None
        functional.cross_entropy(functional.linear(x, w, b), y).backward()

    seconds = in_turn({"rote": mine, "torch": repeat(theirs)}, options.rounds)
    for op in ops:
        op.free()
    ratio = min(seconds["torch"]) / min(seconds["rote"])
    row = {"name": "head of 100,000, forward and backward", "rote_ms": min(seconds["rote"]) * 1e3,
           "torch_ms": min(seconds["torch"]) * 1e3, "ratio": ratio, "value": ratio, "bar": 1.0}
    row["pass"] = passes(row)
    print(f"{row['name']:40} rote {row['rote_ms']:.1f} ms, PyTorch {row['torch_ms']:.1f} ms, ratio {ratio:.2f} "
          f"{verdict(row)}")
    return [row]
