"""Accuracy on shifted test samples: it falls with severity; images and accuracies are those that NumPy makes by
docs/eval.md; the key changes no other figure, and rote eval gives the same."""
import json
import math

import numpy

from e2e import check, main, rote, settings

KINDS = ["noise", "blur", "contrast", "translation", "occlusion"]
NOISE = [0.05, 0.1, 0.15, 0.2, 0.3]
BLUR = [0.04, 0.07, 0.1, 0.14, 0.2]
CONTRAST = [0.7, 0.5, 0.35, 0.2, 0.1]
TRANSLATION = [0.04, 0.07, 0.11, 0.14, 0.21]
OCCLUSION = [0.2, 0.3, 0.4, 0.5, 0.6]
FOLDERS = "train_images train_labels test_images test_labels".split()


def patterns(count, seed):
    """Images of 12 x 10 in 3 channels: a bright patch whose place is the class, on noise."""
    r = numpy.random.RandomState(seed)
    labels = r.randint(0, 4, count)
    images = r.randint(0, 90, (count, 12, 10, 3))
    for i, k in enumerate(labels):
        images[i, 2 + k // 2 * 5:5 + k // 2 * 5, 2 + k % 2 * 4:4 + k % 2 * 4] += 110
    return images.astype(numpy.uint8), labels.astype(numpy.int32)


def train(folder, name, *flags):
    files = [folder / f"{part}.npy" for part in FOLDERS]
    rote("train", *settings(data__kind="npy", batch=32, epochs=3, lr__base=0.02, model="mlp",
                            **{f"data__{part}": file for part, file in zip(FOLDERS, files)}), *flags,
         "--out", folder / name, "--quiet")
    return json.loads((folder / name / "summary.json").read_text())


def accuracy(folder):
    for part, (images, labels) in {"train": patterns(800, 1), "test": patterns(400, 2)}.items():
        numpy.save(folder / f"{part}_images.npy", images)
        numpy.save(folder / f"{part}_labels.npy", labels)
    plain = train(folder, "plain")
    check("shifted" not in plain and plain["test_accuracy"] > 0.9, f"{plain}")
    summary = train(folder, "run", "--set", "shifted=true")
    for file in ("log.jsonl", "ledger.npy"):
        check((folder / "run" / file).read_bytes() == (folder / "plain" / file).read_bytes(), f"shifted changes {file}")
    check(summary["test_accuracy"] == plain["test_accuracy"], "shifted changes the test accuracy")
    table = numpy.array([summary["shifted"][k] for k in KINDS])
    check(list(summary["shifted"]) == KINDS and table.shape == (5, 5), f"{summary['shifted']}")
    check(abs(summary["shifted_accuracy"] - table.mean()) < 1e-8, "the mean")
    by_severity = table.mean(axis=0)
    check((numpy.diff(by_severity) <= 0).all() and by_severity[0] > by_severity[-1] + 0.1, f"{by_severity}")
    check((table[:, -1] <= table[:, 0]).all() and (table[:, 0] <= summary["test_accuracy"] + 0.02).all(), f"{table}")
    for name in ("run", "plain"):
        out, error = rote("eval", folder / name, "--shifted", "--json")
        check(json.loads(out)["shifted"] == summary["shifted"] and "warning" not in error, f"eval --shifted: {error}")
    check("shifted" not in json.loads(rote("eval", folder / "plain", "--json")[0]), "shifted where nobody asked")
    out, _ = rote("eval", folder / "run")
    check(f"shifted test samples: {100 * table.mean():.2f}%" in out and "occlusion" in out, out)


def philox(c0, c1, c2, c3):
    """Philox4x32-10 with key 0; arrays of counters."""
    c = [numpy.asarray(v, dtype=numpy.uint64) for v in numpy.broadcast_arrays(c0, c1, c2, c3)]
    k, low, by = [0, 0], numpy.uint64(0xFFFFFFFF), numpy.uint64(32)
    for _ in range(10):
        a, b = c[0] * numpy.uint64(0xD2511F53), c[2] * numpy.uint64(0xCD9E8D57)
        c = [b >> by ^ c[1] ^ numpy.uint64(k[0]), b & low, a >> by ^ c[3] ^ numpy.uint64(k[1]), a & low]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return numpy.stack(c, axis=-1).astype(numpy.int64)


def pixels(share, side):
    return math.floor(share * side + 0.5)


def shift(images, kind, severity):
    """Of images [N][H][W][C] in 0..1, sample i having the id i: docs/eval.md's table."""
    n, h, w, c = images.shape
    word, s = 8 * KINDS.index(kind) + severity, severity - 1
    out = images.copy()
    if kind == "noise":
        draws = philox(numpy.arange(h * w * c)[None], numpy.arange(n)[:, None], 8, word)
        total = sum((draws >> 8 * i & 255).sum(axis=-1) for i in range(4)).reshape(images.shape)
        return numpy.clip(images + NOISE[s] * (total - 2040) / math.sqrt(16 * 65535 / 12), 0, 1)
    if kind == "contrast":
        mean = images.mean(axis=(1, 2), keepdims=True)
        return mean + CONTRAST[s] * (images - mean)
    if kind == "blur":
        for axis, side in ((1, h), (2, w)):
            d = numpy.abs(numpy.arange(side)[:, None] - numpy.arange(side))
            weights = numpy.maximum(0, 1 - d / (1 + BLUR[s] * side))
            out = numpy.moveaxis(numpy.tensordot(weights / weights.sum(axis=1, keepdims=True), out, (1, axis)), 0, axis)
        return out
    for i, r in enumerate(philox(0, numpy.arange(n), 8, word)):
        if kind == "translation":
            dy, dx = (pixels(TRANSLATION[s], side) * (1 if r[k] >> 31 else -1) for k, side in enumerate((h, w)))
            padded = numpy.pad(images[i], ((h, h), (w, w), (0, 0)))
            out[i] = padded[h - dy:2 * h - dy, w - dx:2 * w - dx]
        else:
            high, wide = (max(1, pixels(OCCLUSION[s], side)) for side in (h, w))
            top, left = int(r[0]) * (h - high + 1) >> 32, int(r[1]) * (w - wide + 1) >> 32
            out[i, top:top + high, left:left + wide] = numpy.nan  # the data's mean
    return out


def images(folder):
    """The operator on its own, on the trained data's normalisation: every kind and severity."""
    train_images = numpy.load(folder / "train_images.npy") / 255
    test = numpy.load(folder / "test_images.npy")[:32] / 255
    mean, deviation = train_images.mean(axis=(0, 1, 2)), train_images.std(axis=(0, 1, 2))
    x = ((test - mean) / deviation).transpose(1, 2, 0, 3)
    arrays = {"x": x, "mean": x.mean(axis=(0, 1), keepdims=True), "norm": numpy.stack([mean, 1 / deviation])}
    for name, array in arrays.items():
        numpy.save(folder / f"{name}.npy", array.astype(numpy.float32))
    numpy.save(folder / "id.npy", numpy.arange(32, dtype=numpy.int32))
    flags = ["op", "shift", "--layout", "native", *(f"--{k}={folder / k}.npy" for k in ("x", "mean", "id", "norm"))]
    for kind in KINDS:
        for severity in range(1, 6):
            rote(*flags, "--kind", kind, "--severity", severity, "--out", folder)
            got = numpy.load(folder / "y.npy").transpose(2, 0, 1, 3)
            want = numpy.nan_to_num((shift(test, kind, severity) - mean) / deviation)
            check(numpy.abs(got - want).max() < 1e-5, f"{kind} {severity}: off by {numpy.abs(got - want).max()}")
    rote(*flags, "--kind", "occlusion", "--severity", 0, "--out", folder)
    check((numpy.load(folder / "y.npy") == x.astype(numpy.float32)).all(), "severity 0 is no copy")


def network(folder):
    """NumPy's images, rounded to bytes, as the test set: the accuracies that were told but for what the rounding
    turns."""
    told = json.loads((folder / "run/summary.json").read_text())["shifted"]
    images, labels = numpy.load(folder / "test_images.npy"), numpy.load(folder / "test_labels.npy")
    for kind, severity in (("translation", 3), ("noise", 4)):
        shifted = numpy.rint(255 * shift(images / 255, kind, severity)).astype(numpy.uint8)
        numpy.save(folder / "test_images.npy", shifted)
        got = train(folder, kind)["test_accuracy"]
        allowed = 0 if kind == "translation" else 0.01
        check(abs(got - told[kind][severity - 1]) <= allowed + 1e-9, f"{kind}: {got}, told {told[kind][severity - 1]}")
    numpy.save(folder / "test_images.npy", images)


def refused(folder):
    numpy.save(folder / "vectors.npy", numpy.zeros((64, 6), dtype=numpy.float32))
    numpy.save(folder / "classes.npy", numpy.arange(64, dtype=numpy.int32) % 2)
    images, labels = folder / "vectors.npy", folder / "classes.npy"
    _, error = rote("train", *settings(data__kind="npy", data__train_images=images, data__train_labels=labels,
                                       data__test_images=images, data__test_labels=labels, shifted="true", batch=32,
                                       model="mlp"), "--out", folder / "no", code=1)
    check("vectors" in error, error)


main(accuracy, images, network, refused)
