"""Micro-batches: without batch norm the same training within rounding, every sample counted
once; chosen by the trunk's memory alone, said, kept, and not chosen again."""
import json
import struct

from e2e import check, checkpoint, main, read_npy, rote, settings, tensors

SAMPLES, BATCH, STEPS = 384, 64, 6
COMMON = settings(data__kind="synthetic", data__train_count=SAMPLES, data__test_count=32, batch=BATCH, epochs=1,
                  log_every=2, rla_subset=32, augment__crop=2, optimizer__decay=1e-3, variant="tile",
                  heads="[{name: class, kind: class}, {name: a, lambda: 1, loss: confusion}, "
                        "{name: b, at: relu1, n: 3}, {name: c, per_class: true}]")
NORMED = settings(model="resnet20", data__kind="synthetic", data__height=16, data__width=16, data__channels=3,
                  data__train_count=96, data__test_count=16, batch=32, epochs=2, log_every=2, rla_subset=16,
                  dropout=0.2, ema=0.9)
CLASS = "[{name: class, kind: class}]"
PROBES = CLASS[:-1] + ", {name: s, at: block1.1, n: 5}, {name: p, at: features, per_class: true}]"


def floats(data):
    return struct.unpack(f"<{len(data) // 4}f", data)


def train(folder, *flags, **more):
    rote("train", *flags, *settings(**more), "--out", folder, "--quiet")
    return tensors(checkpoint(folder))[0]


def same_as_whole(folder):
    for model in ("mlp", "cnn"):
        flags = [*COMMON, "--set", f"model={model}"]
        whole = train(folder / f"{model}-whole", *flags)
        for micro in (32, 16, 4):
            out = folder / f"{model}-{micro}"
            parts = train(out, *flags, micro_batch=micro)
            compared = 0
            for name, (kind, shape, data) in whole.items():
                if kind != "F32" or name.startswith("sums/"):
                    continue
                a, b = floats(data), floats(parts[name][2])
                scale, off = max(map(abs, a)), max(abs(x - y) for x, y in zip(a, b))
                check(off <= 1e-5 * scale, f"{model}, micro-batches of {micro}: {name} is off by {off / scale:.2g}")
                compared += a != b
            check(compared > 3, "micro-batches changed not a bit: were there any?")
            lines = [[json.loads(x) for x in (folder / f / "log.jsonl").read_text().splitlines()]
                     for f in (f"{model}-whole", f"{model}-{micro}")]
            check(len(lines[0]) == len(lines[1]) > STEPS // 2, "the logs have other lines")
            _, _, ledger = read_npy(out / "ledger.npy")
            check(ledger[::11] == [1.0] * SAMPLES, "a sample was not counted once")
            losses = [[h["loss"] for x in log for h in x.get("train", {}).values()] for log in lines]
            check(len(losses[0]) == STEPS // 2 * 4 and
                  all(abs(x - y) <= 1e-5 * abs(x) for x, y in zip(*losses)), "the logged losses differ")


def chosen(folder):
    whole = json.loads(rote("plan", *NORMED, "--set", f"heads={CLASS}", "--json")[0])
    check(whole["micro_batch"] == 32 and not whole["recompute"], "nothing was to be chosen")
    peak = whole["predicted_peak_bytes"]
    plans = {}
    for share in (0.99, 0.6, 0.4):
        limit = [*NORMED, "--set", f"memory.limit={int(peak * share) // 1024}K"]
        for heads in (CLASS, PROBES):
            out, error = rote("plan", *limit, "--set", f"heads={heads}", "--json")
            plan = json.loads(out)
            check(plan["predicted_peak_bytes"] <= peak * share, "the plan is above the limit")
            check(("micro-batches of" in error) == (plan["micro_batch"] < 32), error)
            check(plans.setdefault(share, plan["micro_batch"]) == plan["micro_batch"], "it depends on probes")
    check(len(set(plans.values())) >= 2, f"the limits made no difference: {plans}")
    limit = [*NORMED, "--memory", f"{int(peak * 0.4) // 1024}K"]
    _, error = rote("train", *limit, "--set", f"heads={CLASS}", "--out", folder / "alone", "--quiet")
    check(f"micro-batches of {plans[0.4]}" in error, error)
    check(f"micro_batch: {plans[0.4]}\n" in (folder / "alone/config.yaml").read_text(), "it was not kept")
    probed = train(folder / "probed", *limit, heads=PROBES)
    again = train(folder / "again", *limit, heads=PROBES)
    check(probed == again, "two runs in micro-batches differ")
    for name, value in tensors(checkpoint(folder / "alone"))[0].items():
        if not name.startswith(("ledger", "sums/")):
            check(value == probed[name], f"{name} differs with probes attached")
    for recompute in ("on", "off"):
        other = train(folder / recompute, *NORMED, heads=PROBES, micro_batch=plans[0.4], memory__recompute=recompute)
        check(other == probed, f"recomputation {recompute} changed the bits")


def not_chosen_again(folder):
    text = (folder / "alone/config.yaml").read_text()
    (folder / "alone/config.yaml").write_text(text.replace("epochs: 2", "epochs: 3").replace("limit: ", "limit: 1G #"))
    _, error = rote("train", "--resume", folder / "alone", "--quiet")
    check("micro-batches of" not in error, error)
    text = (folder / "alone/config.yaml").read_text()
    (folder / "alone/config.yaml").write_text(text.replace("micro_batch: ", "micro_batch: 32 #"))
    _, error = rote("train", "--resume", folder / "alone", code=1)
    check("was trained in micro-batches of" in error, error)


def refused(folder):
    for flags, words in ((settings(micro_batch=5), "does not divide batch"),
                         (settings(memory__limit="12Q"), "no unit"), (settings(memory__limit="lots"), "write it as"),
                         (["--memory", "1M"], "needs"), (settings(micro_batch=16, memory__limit="1M"), "memory.limit")):
        _, error = rote("train", *NORMED, *flags, "--out", folder / "refused", code=1)
        check(words in error, error)
    check(not (folder / "refused").exists(), "a refused run left a folder")


main(same_as_whole, chosen, not_chosen_again, refused)
