"""Pages and tables in docs/studies are what tools/studies.py makes of the exported runs: the same text, and figures alike
to 1e-6 (the last digits of a logarithm are the C library's); the page's own code may be of another day."""
import json
import math
import os
import pathlib
import re
import subprocess
import sys

from e2e import check, main

ROOT = pathlib.Path(__file__).resolve().parents[2]
STUDIES = ROOT / "docs/studies"
DECIMAL = re.compile(r"[-+]?\d+\.\d+")


def page_data(path):
    """What a page draws, without what draws it."""
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.S).group(1))


def data_difference(one, other, at="page"):
    """The first place where two pages' data differ; fractions by 1e-6, all else exactly."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return next((d for k in one if (d := data_difference(one[k], other[k], f"{at}.{k}"))), None)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return next((d for i, (a, b) in enumerate(zip(one, other)) if (d := data_difference(a, b, f"{at}[{i}]"))), None)
    if isinstance(one, float) and isinstance(other, float) and math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9):
        return None
    return None if type(one) is type(other) and one == other else f"{at}: {str(one)[:80]} and {str(other)[:80]}"


def table_difference(one, other):
    """Of two texts; the last digit of a fraction may be rounded otherwise."""
    words, others = DECIMAL.split(one), DECIMAL.split(other)
    if words != others:
        at = next((i for i, (a, b) in enumerate(zip(words, others)) if a != b), min(len(words), len(others)) - 1)
        return f"text {at}: {words[at][:200]!r} and {others[at][:200]!r}"
    return next((f"{a} and {b}" for a, b in zip(DECIMAL.findall(one), DECIMAL.findall(other))
                 if abs(float(a) - float(b)) > 1.01 * 10.0 ** -len(a.split(".")[1]) or len(a) - len(b) not in (-1, 0, 1)), None)


def made(folder):
    exported = sorted(p.stem for p in STUDIES.glob("*.jsonl"))
    check(exported, "no exported runs")
    subprocess.run([sys.executable, ROOT / "tools/studies.py", "--rote", os.environ["ROTE"], "--out", folder], check=True)
    for name in exported:
        for kind, read, difference in ((".md", pathlib.Path.read_text, table_difference),
                                       (".html", page_data, data_difference)):
            new, known = pathlib.Path(folder) / f"{name}{kind}", STUDIES / f"{name}{kind}"
            check(known.exists(), f"{known} is not there: python3 tools/studies.py {name}")
            found = difference(read(known), read(new))
            check(not found, f"{known} is not of {name}.jsonl: {found}; python3 tools/studies.py {name} makes it")


def differences_are_seen(folder):
    check(not table_difference("a 1.23 b", "a 1.24 b") and table_difference("a 1.23 b", "a 1.25 b"), "a table's last digit")
    check(table_difference("a 1.23 b", "a 1.23 c") and table_difference("8 runs", "9 runs"), "a table's text")
    page = {"n": 20000000, "x": [1.0, 0.5], "key": "9e400"}
    for other in ({**page, "n": 20000001}, {**page, "x": [1.0, 0.500001]}, {**page, "key": "8e400"},
                  {**page, "x": [1.0]}, {"n": 20000000}):
        check(data_difference(page, other) and not data_difference(page, page), f"{other} is taken for {page}")
    check(not data_difference(page, {**page, "x": [1.0, 0.5 + 1e-9]}), "the last digits of a logarithm")


main(made, differences_are_seen)
