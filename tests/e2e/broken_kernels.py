"""Each kernel file made wrong (a sign, the last row, channel or tap, a stride): rote certify finds it, and a training
passes the file's variants over, by name, and gives what it gives without the fault. The breaks are mutants of
tests/mutants. Files that share no program are broken together in a training, to have fewer of them. Needs STUB."""
import json
import os
import pathlib
import shutil
import sys

from e2e import check, main, read_npy, rote, settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/mutants"))
from mutants import CL, GROUP_MUTANTS, MUTANTS, mutate  # noqa: E402

LAYERS = ("[{name: thin, type: conv2d, filters: 16, window: 3, pad: 1}, {name: gelu, type: gelu}, "
          "{name: winograd, type: conv2d, filters: 16, window: 3, pad: 1, bias: 0}, {name: norm, type: batchnorm}, "
          "{name: relu1, type: relu}, "
          "{name: depthwise, type: conv2d, filters: 16, window: 3, pad: 1, groups: 16, bias: 0}, "
          "{name: sum, type: add, from: depthwise relu1}, {name: relu2, type: relu}, "
          "{name: pool, type: maxpool, window: 2}, "
          "{name: strided, type: conv2d, filters: 16, window: 3, stride: 2, pad: 1}, {name: relu3, type: relu}, "
          "{name: drop, type: dropout, p: 0.1}, {name: features, type: linear, features: 8}]")
HEADS = "[{name: class, kind: class}, {name: each, per_class: true, n: 3, lambda: 0.1}, {name: large, n: 2048}]"
TRAINING = settings(data="{kind: synthetic, channels: 3, height: 12, width: 12, train_count: 32, test_count: 16}",
                    augment="{crop: 1, flip: true, cutout: 4}", batch=16, micro_batch=8, epochs=1, log_every=1,
                    ema=0.9, shifted="true", control__enabled="false", layers=LAYERS, heads=HEADS)
MIDDLE = settings(data="{kind: synthetic, channels: 16, height: 6, width: 6, train_count: 32, test_count: 16}",
                  batch=16, epochs=1, log_every=1, control__enabled="false", heads="[{name: class, kind: class}]",
                  layers="[{name: depthwise, type: conv2d, filters: 16, window: 3, pad: 1, groups: 16, bias: 0}, "
                         "{name: relu1, type: relu}, {name: drop, type: dropout, p: 0.1}, "
                         "{name: strided, type: conv2d, filters: 16, window: 3, stride: 2, pad: 1}, "
                         "{name: features, type: globalpool}]")
SMALL = settings(data="{kind: synthetic, channels: 3, height: 5, width: 5, train_count: 32, test_count: 16}", batch=16,
                 epochs=1, log_every=1, control__enabled="false", heads="[{name: class, kind: class}]",
                 layers="[{name: features, type: globalpool}]")
ADAMW = [*TRAINING, *settings(optimizer__kind="adamw", lr__base=0.01)]

# By training: file, a part of what its mutant puts in, operator and variant, the case of them that is certified
BROKEN = [
    ("all but tile, adamw and headers", TRAINING, [
        ("accumulate.cl", "LOAD(sum) - LOAD(g)", "accumulate/plain", "sum=33"),
        ("add.cl", "LOAD(a) - LOAD(b)", "add_fwd/plain", "a=3x5x7x31"),
        ("batchnorm.cl", "r + 1 < stop", "batchnorm_relu_fwd/plain", "x=3x5x7x31"),
        ("bias.cl", "C - c) - v", "bias_fwd/plain", "x=3x5x7x31"),
        ("conv2d_depthwise.cl", "VLOAD((p) + 1)", "conv2d_fwd/depthwise", "x=7x6x9x20"),
        ("conv2d_direct.cl", "t + 1 < T", "linear_bias_fwd/direct", "x=3x2x5x7"),
        ("conv2d_thin.cl", "w0 - s * step_w", "conv2d_bias_fwd/thin", "x=5x7x2x3"),
        ("conv2d_winograd.cl", "c + 1 < C", "conv2d_fwd/winograd", "x=7x5x1x31"),
        ("conv2d_winograd_filter.cl", "(row - first) - 1", "conv2d_bwd_filter/winograd", "x=6x7x5x34"),
        ("dropout.cl", "< p ?", "dropout_fwd/plain", "x=2x2x2x32"),
        ("ema.cl", "LOAD(p) + v", "ema/plain", "s=33"),
        ("gather.cl", "TOGETHER - 1 - i", "gather/plain", "images=13x1x63x2"),
        ("gelu.cl", "erfc(0.7", "gelu_fwd/plain", "x=1x2x3x5"),
        ("head_large.cl", "l + 1 < L", "head_large_fwd/tile", "x=3x5"),
        ("head_loss.cl", "t == j)", "head_loss/rows", "z=7x24"),
        ("ledger.cl", "row[1] -=", "ledger/plain", "stats=64x1x8"),
        ("metrics.cl", "n + 1 < N", "metrics/plain", "stats=64x65x8"),
        ("pool.cl", "h + 1 < h_end", "maxpool_fwd/plain", "x=5x9x4x4"),
        ("shift.cl", "m - strength", "shift/plain", "x=7x5x4x3"),
        ("reduce.cl", "r + 1 < end", "bias_bwd/plain", "dy=3x5x7x31"),
        ("relu.cl", "LOAD(y) < 0.0f", "relu_bwd/plain", "y=1x2x3x5"),
        ("segment.cl", "d + 1 < D", "segment_fwd/plain", "x=7x64"),
        ("sgd.cl", "(vecf)(lr)", "sgd/plain", "p=33"),
    ]),
    ("tile, adamw, headers of Winograd's kernels and of labels", ADAMW, [
        ("adamw.cl", "shrink + rate", "adamw/plain", "p=33"),
        ("conv2d.cl", "c + 1 < C", "conv2d_fwd/tile", "x=5x7x2x3"),
        ("conv2d_filter.cl", "-pad_h, pad_w", "conv2d_bwd_filter/tile", "x=5x7x2x3"),
        ("common/winograd.clh", "even + odd", "conv2d_fwd/winograd", "x=7x5x1x31"),
        ("common/label.clh", "c3 ^= h0", "head_loss/rows", "z=7x24"),
    ]),
    ("headers of windows, heads and spans", MIDDLE, [
        ("common/window.clh", "p * (mul_h + 1)", "conv2d_bwd_filter/depthwise", "x=7x6x9x20"),
        ("common/head.clh", "one) + p", "head_loss/rows", "z=7x24"),
        ("common/span.clh", "i += 2 * VEC", "relu_bwd/plain", "y=1x2x3x5"),
    ]),
    ("headers of tiles and random numbers", MIDDLE, [
        ("common/tile.clh", "i + 1 < ROWS", "conv2d_bias_fwd/tile", "x=5x7x2x3"),
        ("common/philox.clh", "k0 -= PHILOX", "dropout_fwd/plain", "x=2x2x2x32"),
    ]),
    ("epilogues", MIDDLE, [("common/epilogue.clh", "v - vec_load", "conv2d_bias_fwd/tile", "x=5x7x2x3")]),
    ("shares", SMALL, [("common/share.clh", "/ items - 1", "matmul/direct", "a=2x3")]),
    ("vectors", SMALL, [("common/vec.clh", "j + 1 < left", "bias_fwd/plain", "x=3x5x7x31")]),
]
FILES = [line for _, _, files in BROKEN for line in files]


def break_file(kernels, file, new):
    """The first mutant of the file that puts this in."""
    mutant = next((m for m in MUTANTS + GROUP_MUTANTS if m[1] == file and new in m[3]), None)
    check(mutant, f"tests/mutants has no '{new}' for {file}")
    mutate(kernels, *mutant[1:])


def every_file(folder):
    files = {str(p.relative_to(CL)) for p in CL.rglob("*.cl*")}
    named = [file for file, _, _, _ in FILES] + ["peak.cl"]
    check(sorted(named) == sorted(files), f"no break for a file, or no file for a break: {files ^ set(named)}")


def certified(folder):
    for file, new, variant, case in FILES:
        kernels = folder / "one"
        shutil.rmtree(kernels, ignore_errors=True)
        shutil.copytree(CL, kernels)
        break_file(kernels, file, new)
        out, _ = rote("certify", "--quick", "--only", f"{variant}/{case}", code=1, env={"ROTE_KERNELS": str(kernels)})
        check(f"wrong    {variant}/{case}" in out, f"{file} with '{new}': {out}")


def rates(folder):
    """cl/peak.cl is no operator's: its results are only held against what they must be."""
    kernels = folder / "peak"
    shutil.copytree(CL, kernels)
    mutate(kernels, "peak.cl", "fma((vecf)(s)", "fma((vecf)(-s)")
    out, _ = rote("certify", "--quick", "--only", "rate/bandwidth", code=1, env={"ROTE_KERNELS": str(kernels)})
    check("failed   rate/bandwidth" in out and "peak__triad is wrong" in out, out)


def losses(values):
    if isinstance(values, dict):
        return [v for key, value in values.items() for v in ([value] if key == "loss" else losses(value))]
    return []


def train(folder, flags, cache, code=0, **env):
    """Every loss of a run's log and ledger, and what it said."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    _, error, *_ = rote("train", *flags, "--out", folder / "run", "--quiet", code=code,
                        env={"ROTE_CACHE": str(folder / cache), **env})
    if not (folder / "run/ledger.npy").exists():
        return [], error
    log = [json.loads(line) for line in (folder / "run/log.jsonl").read_text().splitlines()]
    of_samples = read_npy(folder / "run/ledger.npy")[2][1::11]
    values = [v for line in log for v in losses(line)] + of_samples
    check(len(values) > len(of_samples) + 4, f"too few losses in the log: {log[:2]}")
    return values, error


def close(a, b):
    return len(a) == len(b) and all(abs(x - y) <= 2e-4 * abs(y) for x, y in zip(a, b))


def trained(folder):
    good = []
    for i, (group, flags, files) in enumerate(BROKEN):
        if flags not in [f for f, _ in good]:
            values, error = train(folder, flags, "good")
            check("passed over" not in error, error)
            good.append((flags, values))
        want = next(values for f, values in good if f == flags)
        kernels = folder / f"kernels-{i}"
        shutil.copytree(CL, kernels)
        for file, new, _, _ in files:
            break_file(kernels, file, new)
        env = {"ROTE_KERNELS": str(kernels)}
        if flags not in (MIDDLE, SMALL):
            trusted, _ = train(folder, flags, "good", code=(0, 1), ROTE_NO_SELFTEST="1", **env)
            check(not close(trusted, want), f"{group}: the breaks change nothing")
        shutil.copytree(folder / "good", folder / f"cache-{i}")
        got, error = train(folder, flags, f"cache-{i}", **env)
        for file, _, variant, _ in files:
            operator, name = variant.split("/")
            check(f"{operator}: variant {name} is passed over: on this driver it fails its self-test" in error,
                  f"{file} is broken, and no warning names {variant}: {error}")
        check(close(got, want), f"{group}: losses by other variants: {got}, without a fault {want}")


def groups(folder):
    """The same of the kernels that GPUs take, as most and as those whose driver finds no registers for them get them."""
    files = [("conv2d.cl", "c0 + DEPTH < C", "conv2d_fwd/tile", "x=1x31x5x9"),
             ("conv2d_filter.cl", "DEPTH - 1", "conv2d_bwd_filter/tile", "x=5x7x2x3"),
             ("head_large.cl", "l + 1 < L", "head_large_fwd/tile", "x=3x5")]
    kernels = folder / "groups"
    shutil.copytree(CL, kernels)
    for file, new, _, _ in files:
        break_file(kernels, file, new)
    for private in ("0", "64"):
        env = {"ROTE_TEST_CLASS": "discrete", "LD_PRELOAD": os.environ["STUB"], "STUB_PRIVATE": private}
        broken = {**env, "ROTE_KERNELS": str(kernels)}
        want, error = train(folder, TRAINING, f"private {private}", **env)
        check("passed over" not in error, error)
        trusted, _ = train(folder, TRAINING, f"trusted {private}", code=(0, 1), ROTE_NO_SELFTEST="1", **broken)
        check(not close(trusted, want), "the breaks change nothing")
        got, error = train(folder, TRAINING, f"broken {private}", **broken)
        check(close(got, want), f"losses by other variants: {got}, without a fault {want}")
        for file, _, variant, case in files:
            operator, name = variant.split("/")
            check(f"{operator}: variant {name} is passed over: on this driver it fails its self-test" in error,
                  f"{file} is broken, and no warning names {variant}: {error}")
            out, _ = rote("certify", "--quick", "--only", f"{variant}/{case}", code=1, env=broken)
            check(f"wrong    {variant}/{case}" in out, f"{file}: {out}")


main(every_file, rates, certified, trained, groups)
