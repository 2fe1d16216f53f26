"""The same configuration and seed give the same bits twice; another seed does not."""
import json

from e2e import check, checkpoint, main, rote, settings, tensors

COMMON = settings(data__kind="synthetic", data__train_count=256, data__test_count=64, batch=32, epochs=2,
                  log_every=3, dropout=0.3, augment__crop=2, augment__cutout=6, ema=0.9, label_smoothing=0.1,
                  optimizer__kind="adamw", lr__base=0.001, control__enabled="true", control__every=1,
                  heads="[{name: class, kind: class}, {name: a, lambda: 2, loss: reversal, schedule: ganin}, "
                        "{name: b, per_class: true, at: pool1, n: 3}, {name: c, redraw: true}]")


def twice(folder):
    for name, seed in (("one", 5), ("two", 5), ("other", 6)):
        rote("train", *COMMON, "--set", f"seed={seed}", "--out", folder / name, "--quiet")
    one, two, other = (tensors(checkpoint(folder / n))[0] for n in ("one", "two", "other"))
    check(one == two, "two runs of one seed differ")
    check((folder / "one/log.jsonl").read_bytes() == (folder / "two/log.jsonl").read_bytes(), "their logs differ")
    check((folder / "one/log.csv").read_bytes() == (folder / "two/log.csv").read_bytes(), "their tables differ")
    check(one["conv1.weight"] != other["conv1.weight"], "another seed gives the same values")
    check(len([k for k in one if k.startswith("control/heads.")]) == 6 and "ema/conv1.weight" in one,
          "control or moving average is missing")


def instrument(folder):
    """Its time is told. The control rests between its epochs, and so do its figures."""
    out, _ = rote("train", *COMMON, *settings(control__every=2, epochs=3), "--out", folder / "rests")
    summary = json.loads((folder / "rests/summary.json").read_text())
    training, more = summary["training_seconds"], summary["instrument_seconds"]
    check(training > 0 and more > 0 and training + more < summary["seconds"], f"{training} s, {more} s of {summary}")
    check(abs(summary["instrument_share"] - more / training) < 1e-6, "the share is not their ratio")
    check(f"instrument: {more:.1f} s, {100 * more / training:.1f}% of" in out, out)
    figures = [line["control"] for line in map(json.loads, (folder / "rests/log.jsonl").read_text().splitlines())
               if "control" in line]
    check(len(figures) == 3 and figures[0] == figures[1] != figures[2], f"the control's figures: {figures}")


main(twice, instrument)
