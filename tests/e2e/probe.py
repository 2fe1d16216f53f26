"""Heads on a finished network: it stays as it is, to the bit, and they learn what its features carry."""
import json
import shutil

import numpy

from e2e import check, checkpoint, main, rote, settings, tensors

LAYERS = ("layers=[{name: conv, type: conv2d, filters: 16, window: 3, pad: 1}, {name: norm, type: batchnorm}, "
          "{name: relu, type: relu}, {name: drop, type: dropout, p: 0.3}, {name: pool, type: globalpool}, "
          "{name: linear, type: linear, features: 48}, {name: features, type: relu}]")
COMMON = settings(data__kind="synthetic", data__channels=1, data__height=12, data__width=12, data__train_count=400,
                  data__test_count=100, data__validation=80, batch=32, epochs=6, rla_subset=0, ema=0.9,
                  lr__base=0.02) + ["--set", LAYERS]
HEADS = "heads=[{name: class, kind: class}, {name: random, n: 10}, {name: early, at: relu, n: 4}]"


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def heads(folder):
    return {h["name"]: h for h in summary(folder)["heads"]}


def stays(folder):
    rote("train", *COMMON, "--out", folder / "run", "--quiet")
    done = tensors(checkpoint(folder / "run"))[0]
    rote("train", "--probe", folder / "run", "--set", HEADS, "--set", "epochs=60", "--set", "lr.base=2", "--set",
         "optimizer.decay=0", "--out", folder / "probe", "--quiet")
    probed = tensors(checkpoint(folder / "probe"))[0]
    trunk = [name for name in done if name.split(".")[0] in ("conv", "norm", "linear")]
    check(len(trunk) == 8, f"the network's values: {trunk}")
    for name in trunk:
        average = "ema/" + name
        check(probed[name] == done[average if average in done else name], f"{name} changed")
    check(not any(name.startswith(("ema/", "optimizer.m1/conv")) for name in probed), "a frozen network is optimised")
    check(probed["heads.random.weight"] != done["heads.random.weight"], "the head was not trained")
    now = heads(folder / "probe")
    check(now["random"]["train_accuracy"] > heads(folder / "run")["random"]["train_accuracy"] + 0.05,
          f"more training teaches the head nothing: {now['random']}")
    check(abs(now["random"]["held_out_accuracy"] - 0.1) < 0.12, f"held out: {now['random']}")
    about = summary(folder / "probe")
    check(about["peak_bytes"] == about["predicted_peak_bytes"], f"memory: {about['peak_bytes']}")
    check("hint" not in (folder / "probe/log.jsonl").read_text(), "a frozen network is said to memorise more")


def begins_with_its_heads(folder):
    """With a learning rate of 0 the new run is the finished one."""
    rote("train", "--probe", folder / "run", "--set", "lr.base=0", "--set", "epochs=1", "--out", folder / "same",
         "--quiet")
    for name, h in heads(folder / "run").items():
        same = heads(folder / "same")[name]
        for figure in ("train_accuracy", "test_accuracy", "validation_accuracy", "held_out_accuracy"):
            check(h.get(figure) == same.get(figure), f"{name}: {figure}: {h.get(figure)} {same.get(figure)}")
    rote("eval", folder / "run", "--predictions", folder / "p")
    rote("eval", folder / "same", "--predictions", folder / "q")
    for file in ("random.labels.npy", "class.logits.npy"):
        one, other = (numpy.load(folder / d / "train" / file) for d in "pq")
        check((one == other).all(), f"{file} differs")


def goes_on_without_it(folder):
    """A resumed probe needs its own checkpoint alone."""
    shutil.copytree(folder / "run", folder / "moved")
    flags = ("--set", HEADS, "--set", "epochs=4")
    rote("train", "--probe", folder / "moved", *flags, "--out", folder / "whole", "--quiet")
    rote("train", "--probe", folder / "moved", *flags, "--out", folder / "part", "--quiet", "--set", "epochs=2")
    config = folder / "part/config.yaml"
    config.write_text(config.read_text().replace("epochs: 2\n", "epochs: 4\n"))
    shutil.rmtree(folder / "moved")
    rote("eval", folder / "part")
    rote("train", "--resume", folder / "part", "--quiet")
    check(heads(folder / "part").keys() == heads(folder / "whole").keys(), "heads")


def interrupted(folder):
    """From the checkpoint of an epoch before the last to the same bits."""
    old = sorted((folder / "whole").glob("checkpoint-*"))[0]
    want = tensors(checkpoint(folder / "whole"))[0]
    rote("train", "--resume", folder / "whole", "--checkpoint", old.name, "--quiet")
    got = tensors(checkpoint(folder / "whole"))[0]
    check(got == want, "a resumed probe ends with other bits")


def fine_tuned(folder):
    """`init` alone: the whole network goes on."""
    rote("train", *COMMON, "--set", f"init={folder}/run", "--set", "epochs=1", "--out", folder / "tuned", "--quiet")
    done, tuned = (tensors(checkpoint(folder / f))[0] for f in ("run", "tuned"))
    check(done["conv.weight"] != tuned["conv.weight"], "not trained")
    check(heads(folder / "tuned")["class"]["train_accuracy"] > heads(folder / "run")["class"]["train_accuracy"] - 0.2,
          "it began anew")


def refused(folder):
    cases = [(("--probe", folder / "run", "--set", "heads[1].lambda=2"), "the network is frozen, and lambda 2"),
             (("--probe", folder / "run", "--set", "ema=0.5"), "ema is of a network that is trained"),
             (("--probe", folder / "run", "--set", "early_stop=rla"), "early_stop rla is for a network that is"),
             (("--probe", folder / "run", "--set", "layers[0].filters=8"), "has another shape"),
             (("--probe", folder / "run", "--set", "layers=[]", "--set", "model=mlp"), "configure the network"),
             (("--probe", folder), "not a run's folder"),
             (("--set", f"init={folder}/nothing"), "init: "),
             (("--set", f"init={folder}"), "has no checkpoint")]
    for flags, message in cases:
        _, error = rote("train", *flags, "--out", folder / "no", code=1)
        check(message in error, f"{message}: {error}")
        check(not (folder / "no").exists(), f"{message}: a folder was made")
    _, error = rote("train", "x.yaml", "--probe", folder / "run", code=2)
    check("own configuration" in error, error)


main(stays, begins_with_its_heads, goes_on_without_it, interrupted, fine_tuned, refused)
