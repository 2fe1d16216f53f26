"""docs/time-series.md at a small size: the data are the same each time and as their truth says, the networks beat
chance by far on data they have not seen, random labels stay at chance there, and the ledger finds the wrong labels."""
import json
import pathlib
import subprocess
import sys

import numpy

from e2e import check, main, rote

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "docs/examples"


def script(*words):
    done = subprocess.run([sys.executable, EXAMPLES / "time_series.py", *map(str, words)], capture_output=True,
                          text=True)
    check(done.returncode == 0, done.stdout + done.stderr)
    return done.stdout


def generated(folder):
    sizes = ["--train", 500, "--test", 250]
    for name, classes in (("bearing", 3), ("sensors", 5)):
        series = folder / "series" / name
        script(name, series, *sizes)
        script(name, folder / "again", *sizes)
        script(name, folder / "other", *sizes, "--seed", 2)
        for file in series.iterdir():
            check((folder / "again" / file.name).read_bytes() == file.read_bytes(), f"{file.name} is not the same again")
        windows, labels = numpy.load(series / "train_windows.npy"), numpy.load(series / "train_labels.npy")
        check((numpy.load(folder / "other/train_windows.npy") != windows).any(), "the seed does nothing")
        wrong, true = numpy.load(series / "wrong.npy"), numpy.load(series / "true_labels.npy")
        check(((labels != true) == (wrong == 1)).all() and 8 <= wrong.sum() <= 40, f"{wrong.sum()} wrong labels")
        check(set(labels) == set(range(classes)) and windows.dtype == numpy.float32 and windows.ndim == 4 and
              windows.shape[1] == 1 and numpy.isfinite(windows).all(), f"{windows.shape}")
    wear, true = numpy.load(folder / "series/bearing/wear.npy"), numpy.load(folder / "series/bearing/true_labels.npy")
    check((true == numpy.where(wear == 0, 0, numpy.where(wear < 0.4, 1, 2))).all(), "stages are not those of the wear")


def train(folder, name, subset):
    rote("train", EXAMPLES / f"{name}.yaml", "--set", "epochs=8", "--set", "batch=32", "--set", "shifted=false",
         "--set", f"data.subset={subset}", "--set", f"data.path={folder / 'series' / name}", "--out", folder / name,
         "--quiet")
    summary = json.loads((folder / name / "summary.json").read_text())
    heads = [h for h in summary["heads"] if h["kind"] == "random"]
    check(len(heads) == 3 and all(0.02 < h["held_out_accuracy"] < 0.2 for h in heads), f"{heads}")
    majority = numpy.bincount(numpy.load(folder / "series" / name / "test_labels.npy")).max() / 250
    found = json.loads(script("score", folder / name, folder / "series" / name))
    check(found["wrong"] == numpy.load(folder / "series" / name / "wrong.npy")[:subset].sum(), f"{found}")
    return summary["test_accuracy"], majority, found


def bearing(folder):
    accuracy, majority, found = train(folder, "bearing", 500)
    check(accuracy > majority + 0.08, f"test accuracy {accuracy}, the largest class has {majority}")
    check(found["auroc"]["margin"] > 0.85 and found["auroc"]["loss"] > 0.85, f"{found}")


def sensors(folder):
    accuracy, majority, found = train(folder, "sensors", 480)
    check(accuracy > majority + 0.15, f"test accuracy {accuracy}, the largest class has {majority}")
    check(found["auroc"]["margin"] > 0.75 and found["precision"] > 0.15, f"{found}")
    check(found["auroc"]["p_random"] < 0.8, "a random label's probability tells a wrong class label")


main(generated, bearing, sensors)
