"""With lambda = 0 the class head and the trunk are, bit for bit, those of a run without
random heads: resnet18, shared and per-class heads at three depths, heads of many labels at two."""
import json
import re

from e2e import check, checkpoint, main, rote, settings, tensors

COMMON = settings(model="resnet18", data__kind="synthetic", data__height=16, data__width=16, data__channels=3,
                  data__train_count=96, data__test_count=16, batch=16, epochs=1, log_every=2, rla_subset=16,
                  augment__crop=2, augment__flip="true", lr__base=0.05)
PROBES = "[{name: class, kind: class}" + "".join(
    f", {{name: s{i}, at: {at}, n: {n}}}, {{name: p{i}, at: {at}, n: {n}, per_class: true}}"
    for i, (at, n) in enumerate((("block1.1", 2), ("block3.0", 10), ("features", 33)))) + "".join(
    f", {{name: l{i}, at: {at}, n: {n}}}" for i, (at, n) in enumerate(
        (("block3.0", 2500), ("features", 5000), ("features", 2048)))) + "]"


def trunk(folder):
    found, _ = tensors(checkpoint(folder))
    return {k: v for k, v in found.items() if not k.startswith(("ledger", "sums/")) and
            ("heads." not in k or "heads.class." in k)}, found


def probes_change_nothing(folder):
    rote("train", *COMMON, "--set", "heads=[{name: class, kind: class}]", "--out", folder / "alone", "--quiet")
    rote("train", *COMMON, "--set", f"heads={PROBES}", "--out", folder / "probed", "--quiet")
    alone, _ = trunk(folder / "alone")
    probed, everything = trunk(folder / "probed")
    check(alone.keys() == probed.keys() and len(alone) > 120, f"{len(alone)} and {len(probed)} tensors")
    for name, value in alone.items():
        check(value == probed[name], f"{name} differs with probes attached")
    check(everything["heads.l1.weight"][1] == [5000, 512], "the head of 5000 labels is not there")
    check("heads.p1.weight" in everything and everything["heads.p1.weight"][1] == [10, 10, 256],
          "the per-class head is not there")
    moved, _ = trunk(folder / "probed")
    check(any(b"\0" * 8 not in v[2] for k, v in moved.items() if "optimizer.m1" in k), "nothing was trained")


def probes_between_fused_layers(folder):
    """A probe at a layer that is otherwise computed within the next one."""
    small = [*COMMON, *settings(model="cnn", data__channels=1)]
    rote("train", *small, "--set", "heads=[{name: class, kind: class}]", "--out", folder / "fused", "--quiet")
    heads = "[{name: class, kind: class}" + "".join(
        f", {{name: {at}, at: {at}, n: 3}}" for at in ("conv1", "relu1", "conv2", "linear")) + "]"
    rote("train", *small, "--set", f"heads={heads}", "--out", folder / "apart", "--quiet")
    operators = [{n["operator"] for n in json.loads(rote("plan", *small, "--set", f"heads={h}", "--json")[0])["nodes"]}
                 for h in ("[{name: class, kind: class}]", heads)]
    check("bias_relu_bwd" in operators[0] and "bias_relu_bwd" not in operators[1], "nothing was fused, or all still is")
    fused, _ = trunk(folder / "fused")
    apart, _ = trunk(folder / "apart")
    check(len(fused) > 12, "few tensors")
    for name, value in fused.items():
        check(value == apart[name], f"{name} differs with probes attached")


def probes_on_a_tuned_device(folder):
    """A layer's line of a tuning file holds with its relu and, where a probe keeps them apart, without."""
    small = [*COMMON, *settings(model="cnn", data__channels=1)]
    env = {"ROTE_CACHE": str(folder / "tuned")}
    line = re.compile(r"(?m)^(conv2d_bias_fwd [^|]*w=3x3x32x64 [^|]*\| )(\w+)[^|]*( \|)")
    for _ in range(30):  # a driver that builds slowly spends a whole budget on programs; the next search goes on
        rote("tune", *small, "--budget", "10s", env=env)
        path = next((folder / "tuned").glob("*.tune"), None)
        if path and line.search(path.read_text()):
            break
    else:
        check(False, "30 searches of 10 s never came to the second convolution")
    other = {"winograd": "winograd:tile=2", "tile": "tile:rows=4"}[line.search(path.read_text())[2]]
    path.write_text(line.sub(lambda m: m[1] + other + m[3], path.read_text()))
    for name, heads in (("whole", "[{name: class, kind: class}]"),
                        ("split", "[{name: class, kind: class}, {name: p, at: conv2, n: 3}]")):
        chosen, _ = rote("plan", *small, "--set", f"heads={heads}", env=env)
        check(f" {other} " in chosen, f"{name}: the tuned variant {other} is not chosen: {chosen}")
        rote("train", *small, "--set", f"heads={heads}", "--out", folder / name, "--quiet", env=env)
    whole, _ = trunk(folder / "whole")
    split, _ = trunk(folder / "split")
    for name, value in whole.items():
        check(value == split[name], f"{name} differs with a probe attached on a tuned device")


def lambda_changes_the_trunk(folder):
    """The same comparison must be able to fail."""
    for n in (10, 3000):
        heads = f"[{{name: class, kind: class}}, {{name: s, at: block3.0, n: {n}, lambda: 1}}]"
        rote("train", *COMMON, "--set", f"heads={heads}", "--out", folder / f"pushed{n}", "--quiet")
        alone, _ = trunk(folder / "alone")
        pushed, _ = trunk(folder / f"pushed{n}")
        check(alone["stem.weight"] != pushed["stem.weight"], f"lambda = 1 did not reach the stem, n = {n}")


main(probes_change_nothing, probes_between_fused_layers, probes_on_a_tuned_device, lambda_changes_the_trunk)
