"""What the network says of each sample, as arrays: against the figures of rote eval, against the checkpoint's weights
times the features, and by epoch."""
import json
import pathlib
import signal
import subprocess
import time

import numpy
from safetensors.numpy import load_file

from e2e import ROTE, check, checkpoint, main, rote, settings, tensors

HEADS = ("[{name: class, kind: class}, {name: random}, {name: early, at: pool1, n: 7, lambda: 2}, "
         "{name: class2, kind: class, at: pool2, n: 12}, {name: groups, per_class: true, n: 3}, "
         "{name: redrawn, redraw: true, at: pool1}, {name: large, n: 2100}]")
COMMON = settings(data__kind="synthetic", data__channels=1, data__height=12, data__width=12, data__train_count=203,
                  data__test_count=45, batch=32, epochs=3, model="cnn", rla_subset=0, heads=HEADS)
COUNT = {"train": 203, "test": 45}


def load(folder, name, dtype, *shape):
    a = numpy.load(folder / f"{name}.npy")
    check(a.dtype == dtype and a.shape == shape, f"{name}.npy is {a.dtype} {a.shape}")
    return a


def against_figures(folder):
    """Accuracies from the arrays are those of the report; a moving average is what is evaluated."""
    rote("train", *COMMON, "--set", "ema=0.9", "--out", folder / "run", "--quiet")
    out, _ = rote("eval", folder / "run", "--predictions", folder / "p", "--json")
    heads = {h["name"]: h for h in json.loads(out)["heads"]}
    for split, n in COUNT.items():
        where, labels = folder / "p" / split, load(folder / "p" / split, "labels", numpy.int64, COUNT[split])
        for name, h in heads.items():
            if h["kind"] == "class":
                z, p = (load(where, f"{name}.{what}", numpy.float32, n, h["n"]) for what in ("logits", "probabilities"))
                e = numpy.exp(z.astype(float) - z.max(1, keepdims=True))
                check(numpy.allclose(p, e / e.sum(1, keepdims=True), rtol=1e-6), f"{name}: p is not softmax z")
                hits, loss = p.argmax(1) == labels, -numpy.log(p[range(n), labels]).mean()
                want = h["train_loss" if split == "train" else "held_out_loss"]
                check(abs(loss - want) < 1e-4, f"{split} {name}: loss {loss}, reported {want}")
            else:
                drawn, said = (load(where, f"{name}.{what}", numpy.int32, n) for what in ("labels", "predicted"))
                check(0 <= min(drawn) and max(drawn) < h["n"] and max(said) < h["n"], f"{name}: labels")
                hits = drawn == said
            want = h["train_accuracy" if split == "train" else "held_out_accuracy"]
            check(abs(hits.mean() - want) < 1e-6, f"{split} {name}: accuracy {hits.mean()}, reported {want}")
    check(not list((folder / "p").rglob("fold.npy")), "folds where there are none")


def calibration(folder):
    rote("train", *COMMON, "--set", "heads=[{name: class, kind: class}]", "--out", folder / "c", "--quiet")
    out, _ = rote("eval", folder / "c", "--predictions", folder / "cp", "--json")
    p, labels = (numpy.load(folder / f"cp/test/{a}.npy") for a in ("class.probabilities", "labels"))
    confidence, hit = p.max(1).astype(float), p.argmax(1) == labels
    bins = numpy.digitize(confidence, numpy.arange(1, 15) / 15, right=True)
    ece = sum(abs((hit - confidence)[bins == b].sum()) for b in range(15)) / len(labels)
    told, ended = json.loads(out), json.loads((folder / "c/summary.json").read_text())
    check(abs(told["test_ece"] - ece) < 1e-6 and abs(ended["test_ece"] - ece) < 1e-6 and ece > 0.01,
          f"calibration error {ece}, reported {told['test_ece']}, at the end {ended['test_ece']}")
    check(ended["validation_ece"] is None, "calibration on samples that are not there")


def against_weights(folder):
    rote("train", *COMMON, *settings(predictions_every=2, epochs=4), "--out", folder / "epochs", "--quiet")
    w, f = load_file(checkpoint(folder / "epochs")), {}
    for layer in ("pool1", "linear", "conv2"):
        rote("eval", folder / "epochs", "--predictions", folder / layer, "--features", layer)
        f[layer] = numpy.load(folder / layer / "train" / f"features.{layer}.npy")
        check(f[layer].dtype == numpy.float32, "type")
    check([f[k].shape for k in f] == [(203, 32), (203, 128), (203, 64)], f"{[f[k].shape for k in f]}")
    f["features"] = numpy.maximum(f["linear"], 0)
    check((f["linear"] < 0).any() and (f["conv2"] < 0).any(), "they are after their relu")

    def product(name, layer):
        return f[layer] @ w[f"heads.{name}.weight"].T + w[f"heads.{name}.bias"]

    p = folder / "pool1/train"
    check(numpy.allclose(product("class", "features"), numpy.load(p / "class.logits.npy"), atol=1e-4), "class logits")
    for name, layer in (("random", "features"), ("early", "pool1"), ("large", "features")):
        check((product(name, layer).argmax(1) == numpy.load(p / f"{name}.predicted.npy")).mean() > 0.99, name)
    labels = numpy.load(p / "labels.npy")
    z = numpy.einsum("nd,nkd->nk", f["features"], w["heads.groups.weight"][labels]) + w["heads.groups.bias"][labels]
    check((z.argmax(1) == numpy.load(p / "groups.predicted.npy")).mean() > 0.99, "groups")
    _, error = rote("eval", folder / "epochs", "--predictions", folder / "no", "--features", "linaer", code=1)
    check("no layer linaer; the nearest is linear" in error, error)
    rote("eval", folder / "epochs", "--features", "linear", code=2)


def by_epoch(folder):
    """The same bits of the network; every second epoch's, of samples in the data's order."""
    rote("train", *COMMON, *settings(epochs=4), "--out", folder / "without", "--quiet")
    check(tensors(checkpoint(folder / "without"))[0] == tensors(checkpoint(folder / "epochs"))[0], "other bits")
    where = folder / "epochs/predictions"
    check(sorted(p.name for p in where.iterdir()) == ["epoch-0002.npy", "epoch-0004.npy"], f"{list(where.iterdir())}")
    last = load(where, "epoch-0004", numpy.int32, 203)
    check((last == numpy.load(folder / "pool1/train/class.probabilities.npy").argmax(1)).all(), "not the network's")
    check(not (folder / "without/predictions").exists(), "where none were asked for")
    summary = json.loads((folder / "epochs/summary.json").read_text())
    check(summary["peak_bytes"] == summary["predicted_peak_bytes"], f"memory: {summary['peak_bytes']}")


def resumed(folder):
    run = folder / "killed"
    process = subprocess.Popen([ROTE, "train", *COMMON, *settings(predictions_every=1, epochs=4, checkpoint_every=1),
                                "--out", str(run), "--quiet"])
    deadline = time.time() + 60
    while time.time() < deadline and not (run / "predictions/epoch-0001.npy").exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    rote("train", "--resume", run, "--quiet")
    check(len(list((run / "predictions").iterdir())) == 4, f"{list((run / 'predictions').iterdir())}")
    for n in (2, 4):
        one, other = (pathlib.Path(f / f"predictions/epoch-000{n}.npy").read_bytes() for f in (run, folder / "epochs"))
        check(one == other, f"epoch {n}'s differ after a kill")


def validation(folder):
    """The third split's too, in the order of the data's end."""
    rote("train", *COMMON, *settings(data__validation=40, epochs=1), "--out", folder / "held", "--quiet")
    out, _ = rote("eval", folder / "held", "--predictions", folder / "v", "--json")
    whole = numpy.load(folder / "p/train/labels.npy")
    for split, want in (("train", whole[:163]), ("validation", whole[163:])):
        check((numpy.load(folder / f"v/{split}/labels.npy") == want).all(), f"labels of {split}")
    p = load(folder / "v/validation", "class.probabilities", numpy.float32, 40, 10)
    hits = (p.argmax(1) == whole[163:]).mean()
    check(abs(hits - json.loads(out)["heads"][0]["validation_accuracy"]) < 1e-6, f"{hits}: {out}")


main(against_figures, calibration, against_weights, by_epoch, resumed, validation)
