"""The validation split: what it takes out of the training samples and what it leaves as it was, when the test split is
evaluated, and that a run which was stopped and goes on writes the same."""
import json
import random
import signal
import subprocess
import time

from e2e import ROTE, check, checkpoint, main, npy, read_npy, rote, settings, tensors

TRAIN, HELD, SIDE = 320, 80, 10
HEADS = "[{name: class, kind: class}, {name: a, n: 4}, {name: b, n: 2, per_class: true}]"
COMMON = settings(model="mlp", batch=32, epochs=3, log_every=5, rla_subset=200, augment__crop=1, data__kind="npy",
                  data__test_images="test.npy", data__test_labels="test_labels.npy")
NOISE = settings(data__label_noise=0.2, data__canaries=0.1)


def data(folder):
    """Blobs of three classes as NPY files: `all` of the training samples, and `cut` without the last ones."""
    random.seed(7)
    for name, n in (("all", TRAIN + HELD), ("test", 100)):
        labels = [random.randrange(3) for _ in range(n)]
        pixels = bytes(min(255, max(0, int(random.gauss(60 + 100 * (k == i * 3 // SIDE ** 2), 50))))
                       for k in labels for i in range(SIDE * SIDE))
        npy(folder / f"{name}.npy", "|u1", (n, SIDE, SIDE), pixels)
        npy(folder / f"{name}_labels.npy", "|u1", (n,), bytes(labels))
        if name == "all":
            npy(folder / "cut.npy", "|u1", (TRAIN, SIDE, SIDE), pixels[:TRAIN * SIDE * SIDE])
            npy(folder / "cut_labels.npy", "|u1", (TRAIN,), bytes(labels[:TRAIN]))


def arguments(folder, files, **values):
    return [*COMMON, *settings(data__path=folder, data__train_images=f"{files}.npy", heads=HEADS,
                               data__train_labels=f"{files}_labels.npy", **values)]


def train(folder, name, files, *flags, code=0, **values):
    error = rote("train", *arguments(folder, files, **values), *flags, "--out", folder / name, "--quiet", code=code)[1]
    return error if code else folder / name


def lines(run, kind="epoch"):
    return [line for line in map(json.loads, (run / "log.jsonl").read_text().splitlines()) if line["type"] == kind]


def split(folder):
    """Beside validation's own figures a run is that of the samples that are left, normalisation and noise included."""
    data(folder)
    cut = train(folder, "cut", "cut", *NOISE, test="epoch")
    run = train(folder, "held", "all", *NOISE, data__validation=HELD, test="epoch")
    a, b = tensors(checkpoint(cut))[0], tensors(checkpoint(run))[0]
    check(all(a[name] == b[name] for name in a), "the trained values are not those of the samples that are left")
    for name in ("ledger.npy", "canaries.npy"):
        same = (cut / name).read_bytes() == (run / name).read_bytes()
        check(same, f"{name} is not that of the samples that are left")
    with_it = lines(run)
    check(all(set(line["validation"]) == {"class", "a", "b"} for line in with_it), "a head was not evaluated")
    check([{k: v for k, v in line.items() if k != "validation"} for line in with_it] == lines(cut),
          "figures of other sets changed")
    check("3,validation,class,accuracy," in (run / "log.csv").read_text(), "log.csv has no validation")
    events = next(run.glob("events.out.tfevents.*")).read_bytes()
    check(b"validation/class/loss" in events, "the event file has no validation")
    subset = train(folder, "subset", "all", data__validation=HELD, data__subset=200)
    check(len(read_npy(subset / "ledger.npy")[2]) == 200 * 11, "data.subset is not of the samples that are left")
    check(lines(subset)[-1]["validation"]["class"]["accuracy"] > 0.7, "validation labels do not belong to their images")
    wrong = train(folder, "wrong", "all", data__validation=HELD, data__label_noise=1, epochs=6)
    accuracy = lines(wrong)[-1]["validation"]["class"]["accuracy"]
    check(accuracy < 0.15, f"validation labels are noisy too: {accuracy} where every training label is wrong")
    error = train(folder, "too_many", "all", data__validation=TRAIN + HELD, code=1)
    check("cannot hold out 400 of 400 training samples" in error, error)


def untouched(folder):
    """When the test split is evaluated."""
    for name, values, epochs in (("without", {}, [1, 2, 3]), ("auto", {"data__validation": HELD}, [3]),
                                 ("end", {"test": "end"}, [3]), ("never", {"test": "never"}, []),
                                 ("epoch", {"data__validation": HELD, "test": "epoch"}, [1, 2, 3])):
        run = train(folder, f"test_{name}", "cut", **values)
        check([line["epoch"] for line in lines(run) if "test" in line] == epochs, f"{name}: not after epochs {epochs}")
        summary = json.loads((run / "summary.json").read_text())
        check((summary["test_accuracy"] is None) == (name == "never"), f"{name}: {summary}")
        held = summary["validation_accuracy"], summary["heads"][1]["validation_loss"]
        check(all((x is None) == ("data__validation" not in values) for x in held), f"{name}: {held}")
        if "data__validation" in values:
            last = lines(run)[-1]["validation"]["class"]
            check(abs(last["loss"] - summary["validation_loss"]) < 1e-8, f"{name}: {summary}")
    end = json.loads(rote("eval", folder / "test_never", "--json")[0])
    check(end["test_accuracy"] == json.loads((folder / "test_end/summary.json").read_text())["test_accuracy"],
          "the test split is evaluated otherwise when it is only evaluated at the end")
    again = json.loads(rote("eval", folder / "test_auto", "--json")[0])
    check(again["validation_loss"] == json.loads((folder / "test_auto/summary.json").read_text())["validation_loss"],
          "rote eval finds another validation loss")


def at_chance(folder):
    """Random labels of validation samples are no training sample's and no test sample's."""
    heads = "[{name: class, kind: class}, {name: a, n: 2}, {name: b, n: 10}]"
    flags = settings(model="mlp", data__kind="synthetic", data__height=12, data__width=12, data__train_count=1150,
                     data__test_count=1000, data__validation=1000, batch=50, epochs=30, lr__base=0.1, log_every=500,
                     optimizer__decay=0, heads=heads)
    rote("train", *flags, "--out", folder / "chance", "--quiet")
    last = lines(folder / "chance")[-1]
    for name, n in (("a", 2), ("b", 10)):
        band = 4 * (1 / n * (1 - 1 / n) / 1000) ** 0.5
        check(last["clean"][name]["accuracy"] > 1 / n + 2 * band, f"{name}: nothing was memorised")
        check(abs(last["validation"][name]["accuracy"] - 1 / n) < band, f"{name}: not at chance: {last}")
        check(last["validation"][name] != last["test"][name], f"{name}: the test split's figures")


NOISY = settings(model="mlp", data__kind="synthetic", data__height=12, data__width=12, data__train_count=400,
                 data__validation=200, data__label_noise=0.4, batch=50, epochs=40, lr__base=0.1, optimizer__decay=0)


def conditions(epochs):
    """docs/train.md's condition after each epoch of a run with one random head of 10 labels and 200 samples."""
    loss = [e["validation"]["class"]["loss"] for e in epochs]
    excess = [e["clean"]["random"]["accuracy"] - 0.1 for e in epochs]
    return [i >= 3 and min(loss[i - 2:i + 1]) >= min(loss[:i - 2]) and
            excess[i] - excess[i - 3] > 2 * (0.1 * 0.9 / 200) ** 0.5 for i in range(len(epochs))]


def stopping(folder):
    """Hints and the epochs at which runs stop are what the log's figures say."""
    _, error = rote("train", *NOISY, "--out", folder / "free", "--quiet")
    epochs, hints = lines(folder / "free"), lines(folder / "free", "hint")
    held = conditions(epochs)
    begins = [i + 1 for i, now in enumerate(held) if now and not held[i - 1]]
    check(begins and [h["epoch"] for h in hints] == begins, f"hints at {[h['epoch'] for h in hints]}, not {begins}")
    check(error.count("random-label accuracy of head random") == len(begins), f"not one warning a hint: {error}")
    loss = [e["validation"]["class"]["loss"] for e in epochs]
    check(all(h["best_validation_loss"] == min(loss[:h["epoch"]]) == loss[h["best_epoch"] - 1] for h in hints), f"{hints}")
    check(json.loads((folder / "free/summary.json").read_text())["stopped_early"] is None, "it did not stop")
    at = {"patience": next(i + 1 for i in range(40) if i - loss.index(min(loss[:i + 1])) >= 4),
          "rla": next(i + 1 for i in range(40) if i and held[i] and held[i - 1])}
    for kind, patience in (("patience", 4), ("rla", 2)):
        rote("train", *NOISY, *settings(early_stop=kind, early_stop_patience=patience), "--out", folder / kind,
             "--quiet")
        summary = json.loads((folder / kind / "summary.json").read_text())
        got = lines(folder / kind)
        check(at[kind] < 40 and summary["stopped_early"] == {"epoch": at[kind], "reason": kind}, f"{at}: {summary}")
        check(len(got) == at[kind] and [e["epoch"] for e in got if "test" in e] == [at[kind]], "test is not at the end")
        check(got[-1]["clean"] == epochs[at[kind] - 1]["clean"], f"{kind}: it changed what was trained")
        before = (folder / kind / "log.jsonl").read_bytes()
        rote("train", "--resume", folder / kind, "--quiet")
        check((folder / kind / "log.jsonl").read_bytes() == before, f"{kind}: the stopped run went on")
    for flags, text in ((settings(early_stop="patience", data__validation=0), "set data.validation"),
                        (settings(early_stop="rla", heads="[{name: class, kind: class}]"), "needs a random head"),
                        (settings(early_stop="rla", early_stop_patience=0), "early_stop_patience")):
        _, error = rote("train", *NOISY, *flags, "--out", folder / "wrong_stop", code=1)
        check(text in error, error)


def resumed(folder):
    flags = [*NOISY, *settings(early_stop="rla", early_stop_patience=2, checkpoint_every=3)]
    rote("train", *flags, "--out", folder / "whole", "--quiet")
    check(lines(folder / "whole", "hint"), "no hint to lose")
    out, kills = folder / "killed", 0
    process = subprocess.Popen([ROTE, "train", *map(str, flags), "--out", str(out), "--quiet"])
    while kills < 3 and process.poll() is None:
        before = (out / "latest").read_text() if (out / "latest").exists() else None
        while process.poll() is None and (not (out / "latest").exists() or (out / "latest").read_text() == before):
            time.sleep(0.001)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        process = subprocess.Popen([ROTE, "train", "--resume", str(out), "--quiet"])
    check(process.wait() == 0 and kills >= 2, f"killed {kills} times")
    check(tensors(checkpoint(folder / "whole"))[0] == tensors(checkpoint(out))[0], "other values than undisturbed")
    for name in ("log.jsonl", "log.csv", "ledger.npy"):
        check((folder / "whole" / name).read_bytes() == (out / name).read_bytes(), f"{name} is another")
    a, b = (json.loads((run / "summary.json").read_text()) for run in (folder / "whole", out))
    check(a["validation_loss"] == b["validation_loss"] and a["heads"] == b["heads"] and
          a["stopped_early"] == b["stopped_early"] is not None, "the summary lost figures")


main(split, untouched, at_chance, stopping, resumed)
