"""The documentation names every key of the configuration, every subcommand and flag, and
every operator has its files."""
import json
import pathlib
import re

from e2e import check, main, rote, settings

ROOT = pathlib.Path(__file__).resolve().parents[2]


def keys(folder):
    rote("train", *settings(model="mlp", data__kind="synthetic", data__train_count=32, data__test_count=8, batch=16,
                            epochs=1), "--out", folder / "run", "--quiet")
    found, parent = [], ""
    for line in (folder / "run/config.yaml").read_text().splitlines():
        top, inner = re.match(r"(\w+):", line), re.match(r"  (\w+):", line)
        parent = top.group(1) if top else parent
        found += [top.group(1)] if top and line.rstrip() != f"{parent}:" else []
        found += [f"{parent}.{inner.group(1)}"] if inner else []
        if line.startswith("  - {"):
            found += re.findall(r"[{ ](\w+):", line)
    check(len(set(found)) > 50, f"only {len(found)} keys were found")
    text = (ROOT / "docs/config.md").read_text()
    for key in sorted(set(found)):
        check(f"`{key}`" in text, f"docs/config.md does not name {key}")


def subcommands(folder):
    overview, _ = rote("--help")
    names = re.findall(r"^  (\w+) +\w", overview, re.M)
    check({"train", "eval", "plan", "op", "devices", "version"} <= set(names), overview)
    for name in names:
        page = (ROOT / f"docs/{name}.md").read_text()
        text, _ = rote(name, "--help")
        for flag in set(re.findall(r"--[a-z]+", text)) - {"--help"}:
            check(flag in page, f"docs/{name}.md does not name {flag}")
        check(f"rote {name}" in page, f"docs/{name}.md")


def operators(folder):
    listed = [o["name"] for o in json.loads(rote("op", "--list", "--json")[0])]
    check(len(listed) > 35, f"{len(listed)} operators")
    sources = {layer: "".join(p.read_text() for p in ROOT.glob(f"{layer}/*.c*"))
               for layer in ("src/op", "src/ref")}
    for name in listed:
        check(f"op_{name} =" in sources["src/op"] and f"void ref_{name}(" in sources["src/ref"], name)


main(keys, subcommands, operators)
