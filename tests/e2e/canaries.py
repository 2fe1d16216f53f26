"""Planted wrong labels: where they are, what the ledger's files say of them, and how well each measure ranks them, by
scikit-learn on the same numbers."""
import csv
import json

import numpy
from sklearn import metrics

from e2e import check, main, rote, settings

COMMON = settings(data__kind="synthetic", data__channels=1, data__height=12, data__width=12, data__train_count=400,
                  data__test_count=50, batch=32, epochs=5, model="mlp", ledger_csv="true", control__enabled="false")
NAMES = ["visits", "loss", "margin", "forgotten", "first_hit", "last_hit", "p", "p_squared", "hits", "el2n", "p_random"]


def train(folder, name, *flags):
    rote("train", *COMMON, *flags, "--out", folder / name, "--quiet")
    rows = list(csv.DictReader((folder / name / "ledger.csv").open()))
    return numpy.array([int(r["label"]) for r in rows]), rows, json.loads((folder / name / "summary.json").read_text())


def scores(ledger):
    """docs/train.md's table."""
    c = {name: ledger[:, i].astype(float) for i, name in enumerate(NAMES)}
    v, never = c["visits"], c["first_hit"] == 0
    mean = c["p"] / v
    return {"loss": c["loss"] / v, "margin": -c["margin"] / v, "forgotten": numpy.where(never, v + 1, c["forgotten"]),
            "first_hit": numpy.where(never, 1e9, c["first_hit"]), "p": -mean, "hits": -c["hits"] / v,
            "p_deviation": numpy.sqrt(numpy.maximum(0, c["p_squared"] / v - mean * mean)), "el2n": c["el2n"] / v,
            "p_random": c["p_random"] / v}


def planted(folder):
    clean, rows, summary = train(folder, "clean")
    check("canaries" not in summary and "canary" not in rows[0], "canaries where none were asked for")
    labels, rows, summary = train(folder, "planted", "--canaries", "0.1")
    canary = numpy.load(folder / "planted/canaries.npy")
    ledger = numpy.load(folder / "planted/ledger.npy")
    check(canary.dtype == numpy.uint8 and set(canary) == {0, 1} and 20 <= canary.sum() <= 60, f"{canary.sum()} of 400")
    check(all((labels != clean) == (canary == 1)), "the labels that changed are not the canaries'")
    check(all(int(r["canary"]) == c for r, c in zip(rows, canary)), "ledger.csv names others")
    table = numpy.array([[float(r[name]) for name in NAMES] for r in rows], dtype=numpy.float32)
    check((table == ledger).all(), "ledger.csv is not ledger.npy")
    seen = ledger[:, 0] > 0
    got = summary["canaries"]
    check(got["planted"] == canary[seen].sum() and len(got["measures"]) == 9, f"{got}")
    for name, score in scores(ledger[seen]).items():
        want = (metrics.roc_auc_score(canary[seen], score), metrics.average_precision_score(canary[seen], score))
        mine = (got["measures"][name]["auroc"], got["measures"][name]["auprc"])
        check(numpy.allclose(mine, want, atol=1e-7), f"{name}: {mine}, scikit-learn {want}")
    check(got["measures"]["margin"]["auroc"] > 0.9, "the margin finds nothing")
    check(got["measures"]["p_random"]["auroc"] < 0.7, "a random label's probability tells a wrong class label")


def beside_noise(folder):
    """Canaries change no other label's noise, and a run is the same again."""
    noisy, _, _ = train(folder, "noisy", "--set", "data.label_noise=0.2")
    both, rows, summary = train(folder, "both", "--set", "data.label_noise=0.2", "--canaries", "0.1")
    canary = numpy.load(folder / "both/canaries.npy")
    check(all((both == noisy)[canary == 0]), "the noise depends on the canaries")
    again, _, same = train(folder, "again", "--set", "data.label_noise=0.2", "--canaries", "0.1")
    check(same["canaries"] == summary["canaries"] and all(again == both), "other canaries the second time")
    _, error = rote("train", *COMMON, "--canaries", "0.7", "--out", folder / "no", code=1)
    check("data.canaries" in error, error)


main(planted, beside_noise)
