"""Pages and tables in docs/studies are what tools/studies.py makes of the exported runs: the same text, and figures alike
to 1e-6 (the last digits of a logarithm are the C library's)."""
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from e2e import check, main

ROOT = pathlib.Path(__file__).resolve().parents[2]
STUDIES = ROOT / "docs/studies"
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?")


def data(path):
    """What a page draws, without what draws it; of a table all of it."""
    text = path.read_text()
    return text if path.suffix == ".md" else re.search(r'id="data">(.*?)</script>', text, re.S).group(1)


def difference(one, other):
    """The first place where two texts differ, numbers by their values."""
    words, others = NUMBER.split(one), NUMBER.split(other)
    if words != others:
        at = next((i for i, (a, b) in enumerate(zip(words, others)) if a != b), min(len(words), len(others)) - 1)
        return f"text {at}: {words[at][:200]!r} and {others[at][:200]!r}"
    for a, b in zip(NUMBER.findall(one), NUMBER.findall(other)):
        if not math.isclose(float(a), float(b), rel_tol=1e-6, abs_tol=1e-9):
            return f"{a} and {b}"
    return None


def made(folder):
    exported = sorted(p.stem for p in STUDIES.glob("*.jsonl"))
    check(exported, "no exported runs")
    subprocess.run([sys.executable, ROOT / "tools/studies.py", "--rote", os.environ["ROTE"], "--out", folder], check=True)
    for name in exported:
        for kind in (".md", ".html"):
            new, known = pathlib.Path(folder) / f"{name}{kind}", STUDIES / f"{name}{kind}"
            check(known.exists(), f"{known} is not there: python3 tools/studies.py {name}")
            found = difference(data(known), data(new))
            check(not found, f"{known} is not of {name}.jsonl: {found}; python3 tools/studies.py {name} makes it")


def differences_are_seen(folder):
    name = sorted(STUDIES.glob("*.jsonl"))[0].stem
    text = data(STUDIES / f"{name}.md")
    figure = re.search(r"\| (\d+\.\d\d) ±", text)
    other = text[:figure.start(1)] + f"{float(figure.group(1)) + 0.01:.2f}" + text[figure.end(1):]
    check(difference(text, other) and difference(text, text + "x") and not difference(text, text), "blind")


main(made, differences_are_seen)
