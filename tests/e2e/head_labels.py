"""Heads with labels of the user's own: the same bits as heads that draw these labels, samples without a label left out,
and nothing changed in the network."""
import json

import numpy

from e2e import check, checkpoint, main, rote, settings, tensors

COMMON = settings(data__kind="synthetic", data__channels=1, data__height=12, data__width=12, data__train_count=203,
                  data__test_count=45, batch=32, epochs=3, model="cnn", rla_subset=0, control__enabled="true")
# Each alone in its matrix product, as a head with labels of its own always is.
DRAWN = {"probe": "n: 7", "early": "n: 7, at: pool1, lambda: 2", "groups": "per_class: true, n: 3",
         "large": "n: 2100, at: relu2", "early-large": "n: 2100, at: relu1, lambda: 1"}


def heads(**more):
    return "heads=[{name: class, kind: class}" + "".join(
        f", {{name: {name}, {words}{more.get(name.replace('-', '_'), '')}}}" for name, words in DRAWN.items()) + "]"


def run(folder, name, *flags):
    rote("train", *COMMON, *flags, "--out", folder / name, "--quiet")
    summary = json.loads((folder / name / "summary.json").read_text())
    check(summary["peak_bytes"] == summary["predicted_peak_bytes"], f"memory: {summary['peak_bytes']}")
    return tensors(checkpoint(folder / name))[0], {h["name"]: h for h in summary["heads"]}


def as_drawn(folder):
    want, drawn = run(folder, "drawn", "--set", heads())
    rote("eval", folder / "drawn", "--predictions", folder / "p")
    given = {name.replace("-", "_"): f", labels: {folder}/p/train/{name}.labels.npy" for name in DRAWN}
    got, own = run(folder, "own", "--set", heads(**given))
    for key in want:
        if not key.startswith(("sums/", "ledger")):
            check(got[key] == want[key], f"{key} differs")
    for name in DRAWN:
        check(own[name]["train_accuracy"] == drawn[name]["train_accuracy"] and own[name]["n"] == drawn[name]["n"],
              f"{name}: {own[name]}")
        check(own[name]["control_accuracy"] == drawn[name]["control_accuracy"], f"{name}'s control")
        check(own[name]["held_out_accuracy"] is None is not drawn[name]["held_out_accuracy"], f"{name}: held out")
    ledgers = [numpy.load(folder / f / "ledger.npy") for f in ("drawn", "own")]
    check((ledgers[0][:, :10] == ledgers[1][:, :10]).all() and (ledgers[1][:, 10] == 0).all() and
          ledgers[0][:, 10].all(), "labels that were given count as random in the ledger")
    rote("eval", folder / "own", "--predictions", folder / "q")
    for name in DRAWN:
        for what in ("labels", "predicted"):
            one, other = (numpy.load(folder / f"{d}/train/{name}.{what}.npy") for d in "pq")
            check((one == other).all(), f"{name}.{what}")
        check((numpy.load(folder / f"q/test/{name}.labels.npy") == -1).all(), "held-out labels from nowhere")


def left_out(folder):
    """Half of the samples have no label; the others' are their classes, which a probe can find."""
    labels = numpy.load(folder / "p/train/labels.npy")
    labels[::2] = -3
    numpy.save(folder / "half.npy", labels.astype(numpy.int32))
    own = f"heads=[{{name: class, kind: class}}, {{name: half, labels: {folder}/half.npy}}]"
    got, report = run(folder, "half", "--set", own, "--set", "epochs=10")
    want, _ = run(folder, "none", "--set", "heads=[{name: class, kind: class}]", "--set", "epochs=10")
    for key in want:
        check(key.startswith(("sums/", "ledger", "control/")) or got[key] == want[key], f"{key} depends on a probe")
    rote("eval", folder / "half", "--predictions", folder / "h")
    said, known = numpy.load(folder / "h/train/half.predicted.npy"), labels >= 0
    check(abs((said == labels)[known].mean() - report["half"]["train_accuracy"]) < 1e-6, f"{report['half']}")
    check(report["half"]["n"] == labels.max() + 1 and report["half"]["train_accuracy"] > 0.6, f"{report['half']}")
    config = (folder / "half/config.yaml").read_text()
    check("half.npy" in config, "config.yaml has no labels")
    labels[1] = (labels[1] + 1) % 10
    numpy.save(folder / "half.npy", labels.astype(numpy.uint8) if labels.min() >= 0 else labels)
    _, error = rote("eval", folder / "half", code=1)
    check("other data" in error, error)


def refused(folder):
    a = numpy.zeros(203, numpy.int64)
    a[5] = 9
    cases = [(a[:200], "", "has 200 labels, but there are 203"), (a, ", n: 9", "sample 5 has label 9"),
             (a.astype(numpy.float32), "", "int64, int32 or uint8"), (a - 99, "", "no sample has a label"),
             (a, ", redraw: true", "without redraw"), (a, ", kind: class", "are for random heads")]
    for array, words, message in cases:
        numpy.save(folder / "bad.npy", array)
        _, error = rote("train", *COMMON, "--set", "heads=[{name: class, kind: class}, {name: own, labels: "
                        f"{folder}/bad.npy{words}}}]", "--out", folder / "no", code=1)
        check(message in error, f"{message}: {error}")
    numpy.save(folder / "bad.npy", a)
    run(folder, "subset", "--set", f"heads=[{{name: class, kind: class}}, {{name: own, labels: {folder}/bad.npy}}]",
        "--set", "data.subset=64", "--set", "epochs=1")


main(as_drawn, left_out, refused)
