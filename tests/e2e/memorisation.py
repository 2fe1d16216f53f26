"""The integrity tests of the method, on a part of Fashion-MNIST without augmentation and
decay: random-label accuracy on training samples rises with the epochs; on held-out samples
it stays at chance; labels that are drawn anew each epoch stay at chance before the update,
and on clean samples afterwards."""
import json
import math

from e2e import check, main, rote, settings

EPOCHS, SAMPLES = 30, 2000
HEADS = ("[{name: class, kind: class}, {name: fixed, n: 10}, {name: pair, n: 2}, {name: redrawn, n: 10, redraw: true}, "
         "{name: grouped, n: 10, per_class: true}]")


def chance_band(n, samples):
    return 4.5 * math.sqrt((1 / n) * (1 - 1 / n) / samples)


def rises_and_stays(folder):
    rote("train", *settings(model="mlp", data__subset=SAMPLES, batch=50, epochs=EPOCHS, lr__base=0.05,
                            lr__schedule="constant", optimizer__decay=0, rla_subset=0, heads=HEADS, log_every=40),
         "--out", folder / "run", "--quiet")
    lines = [json.loads(line) for line in (folder / "run/log.jsonl").read_text().splitlines()]
    epochs = [line for line in lines if line["type"] == "epoch"]
    check(len(epochs) == EPOCHS, f"{len(epochs)} lines of epochs")
    for name, n, least in (("fixed", 10, 0.16), ("grouped", 10, 0.25), ("pair", 2, 0.5)):
        curve = [e["clean"][name]["accuracy"] for e in epochs]
        early, late = sum(curve[:5]) / 5, sum(curve[-5:]) / 5
        print(f"  {name}: {early:.3f} in the first five epochs, {late:.3f} in the last")
        check(late > least and (n == 2 or late > early + chance_band(n, 5 * SAMPLES)), f"{name} does not rise: {curve}")
        band = chance_band(n, 10000)
        for e in epochs:
            check(abs(e["test"][name]["accuracy"] - 1 / n) < band,
                  f"{name} is off chance on held-out samples: {e['test'][name]}")
    redrawn = [e["stream"]["redrawn"]["accuracy"] for e in epochs]
    mean = sum(redrawn) / len(redrawn)
    print(f"  redrawn, before the update: {mean:.4f} over {EPOCHS} epochs")
    check(abs(mean - 0.1) < chance_band(10, SAMPLES * EPOCHS), f"labels drawn anew are predicted: {redrawn}")
    check(epochs[-1]["test"]["class"]["accuracy"] > 0.8, "the class head did not learn")


main(rises_and_stays)
