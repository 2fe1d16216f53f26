"""Devices with little: work-groups of one item, 32 KiB of local memory, small buffers, no extensions. Every case of the
quick certification is right or not taken, and a network trains to what it trains to elsewhere. Needs STUB."""
import json
import os

from e2e import check, main, rote, settings

COMMON = settings(data__kind="synthetic", data__channels=3, data__height=16, data__width=16, data__train_count=64,
                  data__test_count=16, batch=16, epochs=1, control__enabled="false")
LITTLE = {"one item": {"STUB_GROUP": "1"}, "small groups": {"STUB_GROUP": "48", "STUB_LOCAL": "32768"},
          "little local memory": {"STUB_LOCAL": "32768", "STUB_PLAIN": "1"}}


def environment(folder, name, more):
    cache = folder / f"cache {name}"
    cache.mkdir(exist_ok=True)
    return {"LD_PRELOAD": os.environ["STUB"], "ROTE_CACHE": str(cache), **more}


def operators(folder):
    """As a CPU and as a GPU, whose kernels have groups and local memory."""
    for name, limits in LITTLE.items():
        env = environment(folder, name, {**limits, "ROTE_TEST_CLASS": "discrete"})
        out, _ = rote("certify", "--quick", "--only", "conv2d", "--out", folder / "c.json", env=env)
        summary = json.loads((folder / "c.json").read_text())["summary"]
        check(summary["right"] > 20 and summary["wrong"] + summary["failed"] == 0, f"{name}: {out}")
        tile = [line.split() for line in out.splitlines() if line.startswith("conv2d_fwd") and " tile " in line]
        check(tile and int(tile[0][2]) >= 4 and int(tile[0][3]) == 0, f"{name}: tile leaves cases to others: {tile}")


def heads(folder, name, env, model):
    rote("train", *COMMON, "--set", f"model={model}", "--out", folder / name, "--quiet", env=env)
    return [head["train_loss"] for head in json.loads((folder / name / "summary.json").read_text())["heads"]]


def same(folder, name, limits, model):
    want = heads(folder, f"{name} all", {}, model)
    got = heads(folder, name, environment(folder, name, limits), model)
    check(want and all(abs(x - y) <= 1e-3 * abs(y) for x, y in zip(got, want)), f"{name}: {got}, elsewhere {want}")


def training(folder):
    for name, limits in LITTLE.items():
        same(folder, name, limits, "resnet20")
    same(folder, "small buffers", {"STUB_ALLOC": str(2 << 20)}, "cnn")


def watchdog(folder):
    """A device that is reset by launches of more than 100 ms, on which a work-item takes 20 us: as a GPU, whose launches
    are cut, it gives the same bits as one without; uncut launches end the run."""
    slow = {"STUB_ITEM_NS": "20000", "STUB_WATCHDOG_MS": "100"}
    for cls in ("integrated", "discrete"):
        env = {"ROTE_TEST_CLASS": cls, "ROTE_LAUNCH_MS": "100"}
        want = heads(folder, f"any {cls}", environment(folder, cls, {**env, "ROTE_LAUNCH_MS": "0"}), "cnn")
        got = heads(folder, f"cut {cls}", environment(folder, cls, {**env, **slow}), "cnn")
        check(want and got == want, f"{cls}: cut launches gave {got}, whole ones {want}")
    env = environment(folder, "integrated", {"ROTE_TEST_CLASS": "integrated", **slow})
    check(heads(folder, "by itself", env, "cnn") == heads(folder, "again", env, "cnn"), "other bits")
    _, error = rote("train", *COMMON, "--set", "model=cnn", "--out", folder / "whole", "--quiet", code=(1, 3),
                    env={**env, "ROTE_LAUNCH_MS": "0"})[:2]
    check("ROTE_LAUNCH_MS" in error, error)
    rote("train", *COMMON, "--set", "model=mlp", "--out", folder / "lost", "--quiet", code=(0, 1, 3),
         env=environment(folder, "lost", {**env, "STUB_WATCHDOG_MS": "1", "ROTE_LAUNCH_MS": "0",
                                          "ROTE_CACHE": str(folder / "cache lost")}))
    verdicts = [line for f in (folder / "cache lost").glob("*.verdicts") for line in f.read_text().splitlines()]
    check(not any(" wrong " in v for v in verdicts), f"a lost device left verdicts on its kernels: {verdicts}")
    _, error = rote("train", *COMMON, "--set", "model=cnn", "--out", folder / "soon", code=(1, 2),
                    env={"ROTE_LAUNCH_MS": "soon"})[:2]
    check("'soon'" in error and "milliseconds" in error, error)


def too_small(folder):
    """What cannot be had is said before the first step."""
    env = environment(folder, "none", {"STUB_ALLOC": "4096"})
    _, error = rote("train", *COMMON, "--out", folder / "none", "--quiet", code=1, env=env)
    check("device gives at most" in error or "largest" in error or "one piece" in error, error)


main(operators, training, watchdog, too_small)
