"""A variant that gives wrong results, by a broken kernel or by a driver that does not run it, is passed over with a
warning, and training gives what it gives without the fault. Needs STUB, tests/stub's library."""
import json
import os
import pathlib
import shutil

from e2e import check, main, rote, settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMON = settings(data__kind="synthetic", data__channels=3, data__height=12, data__width=12, data__train_count=128,
                  data__test_count=32, batch=32, epochs=1, log_every=1, control__enabled="false",
                  layers="[{name: a, type: conv2d, filters: 32, window: 3, pad: 1}, {name: r, type: relu}, "
                         "{name: b, type: conv2d, filters: 32, window: 3, pad: 1}, {name: s, type: relu}, "
                         "{name: features, type: globalpool}]")
WARNING = "variant winograd is passed over: on this driver it fails its self-test"


def losses(folder, name, *flags, **env):
    """Losses of a run, what it said, and the cache's verdicts; every run with a cache of its own."""
    cache = folder / f"cache-{env.pop('cache', name)}"
    cache.mkdir(exist_ok=True)
    out, error = rote("train", *COMMON, *flags, "--out", folder / name, "--quiet",
                      env={"ROTE_CACHE": str(cache), **env})
    lines = [json.loads(line) for line in (folder / name / "log.jsonl").read_text().splitlines()]
    values = [head["loss"] for line in lines if line["type"] == "step" for head in line["train"].values()]
    check(len(values) >= 4, f"too few losses in the log: {lines[:2]}")
    verdicts = [line for f in cache.glob("*.verdicts") for line in f.read_text().splitlines()]
    return values, error, verdicts


def close(a, b):
    return len(a) == len(b) and all(abs(x - y) <= 2e-4 * abs(y) for x, y in zip(a, b))


def broken_kernels(folder, sign):
    kernels = folder / f"kernels-{len(sign)}"
    shutil.copytree(ROOT / "cl", kernels)
    path = kernels / "common/winograd.clh"
    text = path.read_text()
    check(sign in text, f"{path} has no '{sign}'")
    path.write_text(text.replace(sign, sign.replace("-", "+", 1), 1))
    return str(kernels)


def broken_variant(folder):
    good, error, verdicts = losses(folder, "good")
    check(WARNING not in error, error)
    check(len(verdicts) > 10 and all(" right" in v for v in verdicts), f"verdicts: {verdicts}")
    kernels = broken_kernels(folder, "d1 = M(1) - M(2), s2")
    trusted, error, verdicts = losses(folder, "trusted", ROTE_KERNELS=kernels, ROTE_NO_SELFTEST="1")
    check(not close(trusted, good) and not verdicts, "the broken kernel changes nothing: this test shows nothing")
    saved, error, verdicts = losses(folder, "saved", ROTE_KERNELS=kernels)
    check(error.count(WARNING) >= 1, f"no warning: {error}")
    check(close(saved, good), f"losses with the next variant: {saved}, without a fault {good}")
    check(any(" wrong conv2d_bias_fwd/" in v for v in verdicts), f"verdicts: {verdicts}")
    again, error, more = losses(folder, "again", ROTE_KERNELS=kernels, cache="saved")
    check(WARNING in error and more == verdicts, "a known verdict was not used, or told of no more")
    check(again == saved, "the same choice gave other bits")
    preferred, error, _ = losses(folder, "preferred", "--set", "variant=winograd", ROTE_KERNELS=kernels, cache="saved")
    check(WARNING in error and preferred == saved, "a configuration's variant is trusted")


def wrong_driver(folder):
    good, _, _ = losses(folder, "right-driver")
    skip = {"LD_PRELOAD": os.environ["STUB"], "STUB_SKIP": "conv2d_product__winograd"}
    saved, error, verdicts = losses(folder, "wrong-driver", **skip)
    check(WARNING in error and "nan" in error, f"a kernel that is not run went unnoticed: {error}")
    check(close(saved, good), f"losses on a driver that leaves a kernel out: {saved}, else {good}")
    unsteady = {"LD_PRELOAD": os.environ["STUB"], "STUB_UNSTEADY": "conv2d_filter__winograd"}
    _, error, verdicts = losses(folder, "unsteady-driver", **unsteady)
    check(any(" wrong conv2d_bwd_filter/" in v for v in verdicts), f"other bits went unnoticed: {verdicts}")


main(broken_variant, wrong_driver)
