"""Every network of the zoo plans and trains; networks from YAML with branches; heads at every
layer; the number of launches does not grow with the number of heads."""
import json

from e2e import check, main, rote, settings

TINY = settings(data__kind="synthetic", data__height=16, data__width=16, data__channels=3, data__train_count=32,
                data__test_count=16, batch=16, epochs=1, rla_subset=16)
# Counts as published for 3 x 32 x 32 images and 10 classes (resnet20 with 1 x 1 shortcuts).
PARAMETERS = {"cnn": None, "mlp": None, "tcn": None, "vgg11": 9_228_362, "resnet18": 11_173_962, "resnet20": 272_474,
              "wrn-16-4": 2_748_890, "wrn-28-10": 36_479_194}
NETWORK = """name: forked
layers:
- {name: stem, type: conv2d, from: input, filters: 8, window: 3, pad: 1}
- {name: left, type: conv2d, from: stem, filters: 8, window: 3, pad: 1, groups: 2}
- {name: right, type: avgpool, from: stem, window: 3, stride: 1, pad: 1}
- {name: sum, type: add, from: left right}
- {name: act, type: gelu}
- {name: down, type: maxpool, window: 2}
- {name: drop, type: dropout, p: 0.2}
- {name: features, type: linear, features: 12}
"""


def plan(*flags):
    return json.loads(rote("plan", *flags, "--json")[0])


def zoo(folder):
    for model, count in PARAMETERS.items():
        p = plan(*TINY, "--set", f"model={model}", "--set", "heads=[{name: class, kind: class}]")
        check(count is None or p["parameters"] == count, f"{model} has {p['parameters']} values, not {count}")
        check({"host"}.isdisjoint(n["variant"] for n in p["nodes"]), f"{model} runs nodes on the host")
        if model != "wrn-28-10":
            rote("train", *TINY, "--set", f"model={model}", "--out", folder / model, "--quiet")


def series(folder):
    rote("train", *settings(model="tcn", data__kind="synthetic", data__height=1, data__width=64, data__channels=4,
                            data__train_count=32, data__test_count=16, batch=16, epochs=1, rla_subset=16),
         "--out", folder / "series", "--quiet")


def from_yaml(folder):
    (folder / "net.yaml").write_text(NETWORK)
    names = [line.split("name: ")[1].split(",")[0] for line in NETWORK.splitlines() if line.startswith("- ")]
    heads = "[{name: class, kind: class}" + "".join(
        f", {{name: s-{n}, at: {n}}}, {{name: p-{n}, at: {n}, per_class: true, lambda: 0.1}}" for n in names) + "]"
    rote("train", *TINY, "--set", f"network={folder / 'net.yaml'}", "--set", f"heads={heads}", "--out",
         folder / "forked", "--quiet")
    heads_found = json.loads((folder / "forked/summary.json").read_text())["heads"]
    check(len(heads_found) == 1 + 2 * len(names), f"{len(heads_found)} heads")
    (folder / "net.yaml").unlink()
    rote("eval", folder / "forked")  # the run folder holds the network itself
    (folder / "net.yaml").write_text(NETWORK.replace("maxpool", "maxpol"))
    _, error = rote("plan", *TINY, "--set", f"network={folder / 'net.yaml'}", code=1)
    check("line 8" in error and "maxpool" in error, error)


def launches(folder):
    def nodes(n):
        heads = "[{name: class, kind: class}" + "".join(
            f", {{name: a{i}, n: {2 + i % 7}}}, {{name: b{i}, lambda: 1}}, {{name: c{i}, per_class: true}}"
            for i in range(n)) + "]"
        return len(plan(*TINY, "--set", "model=mlp", "--set", f"heads={heads}")["nodes"])

    check(nodes(1) == nodes(40), f"{nodes(1)} launches with 4 heads, {nodes(40)} with 121")


main(zoo, series, from_yaml, launches)
