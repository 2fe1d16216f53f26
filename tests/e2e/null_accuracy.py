"""The null of a random head, what a least-squares head reaches on isotropic random features, against a simulation of
exactly that."""
import json

import numpy

from e2e import check, main, rote, settings

SAMPLES, CLASSES = 1000, 10


def simulated(n, d, m, times=12):
    """Mean accuracy on its own random labels, and its standard error."""
    dice = numpy.random.default_rng(n * 1000 + d)
    hits = []
    for _ in range(times):
        x = dice.standard_normal((m, d))
        labels = dice.integers(0, n, m)
        w = numpy.linalg.lstsq(x, numpy.eye(n)[labels] - 1 / n, rcond=None)[0]
        hits.append((numpy.argmax(x @ w, 1) == labels).mean())
    return numpy.mean(hits), numpy.std(hits, ddof=1) / times ** 0.5


def null(folder):
    for d in (32, 128):
        heads = ("[{name: class, kind: class}, {name: h2, n: 2}, {name: h10, n: 10}, {name: h50, n: 50}, "
                 "{name: each, n: 3, per_class: true}]")
        rote("train", *settings(data__kind="synthetic", data__train_count=SAMPLES, data__test_count=20, epochs=1,
                                batch=100, heads=heads,
                                layers=f"[{{name: features, type: linear, features: {d}}}]"),
             "--out", folder / f"run{d}", "--quiet")
        told = {h["name"]: h for h in json.loads((folder / f"run{d}/summary.json").read_text())["heads"]}
        for name in ("h2", "h10", "h50", "each"):
            m = SAMPLES // CLASSES if name == "each" else SAMPLES
            if d >= m:
                check(told[name]["null_accuracy"] == 1, f"{d} features of {m} samples: {told[name]}")
                continue
            mean, error = simulated(told[name]["n"], d, m, 200 if name == "each" else 12)
            check(abs(told[name]["null_accuracy"] - mean) < 0.012 + 3 * error and mean > 1.05 / told[name]["n"],
                  f"{name}, {d} features: {told[name]['null_accuracy']}, simulated {mean} +- {error}")


main(null)
