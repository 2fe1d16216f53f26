"""The same training on all implementations (tools/envelope.py): each inside the limits, and with a learning rate that
one kernel has 1% off, outside of them."""
import pathlib
import shutil
import subprocess
import sys

from e2e import check, main

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = ("intel", "rusticl")


def envelope(*arguments):
    done = subprocess.run([sys.executable, ROOT / "tools/envelope.py", *arguments], capture_output=True, text=True)
    print(done.stdout, done.stderr, end="")
    return done.returncode, done.stdout


def inside(folder):
    code, out = envelope("--figure", folder / "figure.svg", *NAMES)
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
    code, out = envelope("--kernels", kernels, "intel")
    check(code == 1 and "intel      OUTSIDE" in out, out)


main(inside, outside)
