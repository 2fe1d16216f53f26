"""The predicted peak is what the device gave, counted at the OpenCL calls of the whole
process. Usage: predicted_peak.py PRELOAD_LIBRARY"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from e2e import check, main, rote, settings  # noqa: E402

SMALL = settings(data__kind="synthetic", data__height=16, data__width=16, data__channels=3, data__train_count=64,
                 data__test_count=32, batch=16, epochs=1, rla_subset=32)
HEADS = "[{name: class, kind: class}, {name: a, lambda: 1}, {name: b, per_class: true, at: %s}]"


def peaks(folder):
    cases = [("cnn", "pool1", []), ("resnet18", "block2.0", []), ("vgg11", "conv3", ["ema=0.99"]),
             ("wrn-16-4", "block1.0", ["optimizer.kind=adamw", "control.enabled=true"]), ("mlp", "relu1", []),
             ("tcn", "block2", []), ("cnn", "pool1", ["variant=clblast"]),
             ("mlp", "relu1", ["data.validation=24", "control.enabled=true"]),
             ("resnet20", "stem", []), ("resnet20", "block1.0", ["micro_batch=4", "memory.recompute=on"]),
             ("cnn", "pool1", ["micro_batch=8", "optimizer.kind=adamw", "control.enabled=true"])]
    for i, (model, at, extra) in enumerate(cases):
        out, count = folder / str(i), folder / f"{i}.count"
        flags = [*SMALL, "--set", f"model={model}", "--set", f"heads={HEADS % at}"]
        for e in extra:
            flags += ["--set", e]
        plan = json.loads(rote("plan", *flags, "--json")[0])
        rote("train", *flags, "--out", out, "--quiet", env={"LD_PRELOAD": sys.argv[1], "ROTE_COUNT_FILE": str(count)})
        peak, calls = map(int, count.read_text().split())
        summary = json.loads((out / "summary.json").read_text())
        check(calls > 10, "the counter saw no buffers")
        check(plan["predicted_peak_bytes"] == peak == summary["peak_bytes"] == summary["predicted_peak_bytes"],
              f"{model}: planned {plan['predicted_peak_bytes']}, counted {peak}, summary {summary['peak_bytes']}")
        check(sum(i["bytes"] for i in plan["memory"]) == peak, f"{model}: the plan's list does not add up")
        check(sum(i["bytes"] for i in plan["peak"]["live"]) <= plan["memory"][0]["bytes"], "more lives than the arena holds")
        if "variant=clblast" in extra:
            check(any(n["variant"] == "clblast" for n in plan["nodes"]), "no node runs by CLBlast")
        print(f"  {model:10} {peak:>12} bytes in {calls} buffers")


main(peaks)
