"""The same training on all implementations (tools/envelope.py): each inside the limits, and with a learning rate that
one kernel has 1% off, outside of them."""
import contextlib
import functools
import io
import pathlib
import shutil
import sys

from e2e import check, main

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import envelope

NAMES = ("intel", "rusticl")
reference = functools.cache(envelope.reference)


def compared(*words):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = envelope.main([str(w) for w in words], reference())
    print(out.getvalue(), end="")
    return code, out.getvalue()


def inside(folder):
    code, out = compared("--figure", folder / "figure.svg", *NAMES)
    check(code == 0 and all(any(line.split()[:2] == [n, "inside:"] for line in out.splitlines()) for n in NAMES), out)
    figure = (folder / "figure.svg").read_text()
    check(figure.count("<polyline") == len(NAMES) + 1, "the figure lacks a curve")


def outside(folder):
    kernels = folder / "kernels"
    shutil.copytree(ROOT / "cl", kernels)
    path = kernels / "sgd.cl"
    text = path.read_text()
    check("(vecf)(-lr)" in text, f"{path} has no (vecf)(-lr)")
    path.write_text(text.replace("(vecf)(-lr)", "(vecf)(-1.01f * lr)"))
    code, out = compared("--kernels", kernels, "intel")
    check(code == 1 and "intel      OUTSIDE" in out, out)


main(inside, outside)
