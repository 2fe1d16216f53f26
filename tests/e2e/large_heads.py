"""Heads with many labels: no memory of batch x n, launches independent of their number, and they
learn as small ones do."""
import json

from e2e import check, main, rote, settings

BATCH, LABELS = 128, 100000
LOGITS = BATCH * LABELS * 4
DATA = settings(model="mlp", data__kind="synthetic", data__height=8, data__width=8, data__channels=1,
                data__train_count=256, data__test_count=128, batch=BATCH)


def plan(heads):
    return json.loads(rote("plan", *DATA, "--set", f"heads=[{{name: class, kind: class}}{heads}]", "--json")[0])


def memory(folder):
    for push in ("", ", lambda: 1"):
        with_head, without = plan(f", {{name: big, n: {LABELS}{push}}}"), plan("")
        operators = [n["operator"] for n in with_head["nodes"]]
        check("head_large_fwd" in operators, f"no head_large_fwd in {operators}")
        check(("head_large_bwd" in operators) == bool(push), f"{operators}")
        for node in with_head["nodes"]:
            size = 4
            for d in node["output"]:
                size *= d
            is_parameter = node["operator"].startswith(("head_large_bwd", "sgd"))
            check(is_parameter or size < LOGITS, f"{node['name']} gives {node['output']}")
            check(node["workspace_bytes"] < LOGITS, f"{node['name']}: workspace of {node['workspace_bytes']} bytes")
        arena = {m["what"]: m["bytes"] for m in with_head["memory"]}["the activations' arena"]
        before = {m["what"]: m["bytes"] for m in without["memory"]}["the activations' arena"]
        check(arena - before < LOGITS / 2, f"arena of {arena} bytes, {before} without the head")


def launches(folder):
    def nodes(count):
        return len(plan("".join(f", {{name: p{i}, n: {3000 + i}}}, {{name: s{i}, n: 4000, lambda: 1}}"
                                for i in range(count)))["nodes"])

    check(nodes(1) == nodes(20), f"{nodes(1)} nodes with 2 heads, {nodes(20)} with 40")


def learns(folder):
    """The same images under 2047 and 2048 labels: logits in memory, and in chunks."""
    found = {}
    for n in (2047, 2048):
        rote("train", *DATA, "--set", f"heads=[{{name: class, kind: class}}, {{name: h, n: {n}}}]",
             *settings(epochs=25, optimizer__kind="adamw", optimizer__decay=0, lr__base=0.003,
                       lr__schedule="constant", rla_subset=0, batch=64), "--out", folder / str(n), "--quiet")
        head = json.loads((folder / str(n) / "summary.json").read_text())["heads"][1]
        found[n] = head["train_accuracy"], head["train_loss"], head["held_out_accuracy"]
    for n, (accuracy, loss, held_out) in found.items():
        check(accuracy > 0.5, f"n = {n}: accuracy {accuracy} on training images")
        check(held_out < 0.05, f"n = {n}: accuracy {held_out} on others")
    check(abs(found[2047][1] / found[2048][1] - 1) < 0.3, f"losses {found}")


main(memory, launches, learns)
