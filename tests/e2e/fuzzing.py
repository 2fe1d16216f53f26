"""The fuzzer finds a kernel that was made wrong, makes the call small and writes a C program that shows it without
Rote; finds nothing in kernels that are right; and gives the same calls for the same seed."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

from e2e import ROTE, check, main

ROOT = pathlib.Path(__file__).resolve().parents[2]
# file, right, wrong, operator, variant, most elements of the smallest call
MISTAKES = [("conv2d.cl", "for (; c < C; c++, b += KT)", "for (; c + 1 < C; c++, b += KT)", "conv2d_fwd", "tile", 2),
            ("gelu.cl", "erfc(-0.70710678f", "erfc(0.70710678f", "gelu_fwd", "plain", 1),
            ("head_loss.cl", "j < K; j += VEC", "j + VEC < K; j += VEC", "head_loss", "plain", 24)]


def fuzz(*arguments, code=0, env=None):
    done = subprocess.run([sys.executable, str(ROOT / "tools/fuzz.py"), "--rote", ROTE, *map(str, arguments)],
                          capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=1200)
    check(done.returncode == code,
          f"fuzz.py {arguments}: exit {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
    return done.stdout


def run(program):
    done = subprocess.run([program], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout


def compiled(source):
    program = source.with_suffix("")
    done = subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", str(source), "-o", str(program), "-lOpenCL"],
                          capture_output=True, text=True, timeout=120)
    check(done.returncode == 0 and not done.stderr, f"{source} does not compile cleanly: {done.stderr}")
    return program


def mistaken(folder, mistake):
    file, right, wrong, operator, variant, most = mistake
    kernels, out = folder / f"{operator}-cl", folder / operator
    shutil.copytree(ROOT / "cl", kernels)
    text = (kernels / file).read_text()
    check(right in text, f"{file} has no '{right}': the list of mistakes is out of date")
    (kernels / file).write_text(text.replace(right, wrong))
    told = fuzz("--only", f"^{operator}$", "--variant", variant, "--count", 12, "--most", 1, "--seed", 3,
                "--work", "1e5", "--out", out, code=1, env={"ROTE_KERNELS": str(kernels)})
    (found,) = out.iterdir()
    elements = int(re.search(r"trials: (\d+) elements", told).group(1))
    check(elements <= most, f"{operator}: not small: {told}")
    note = (found / "finding.txt").read_text()
    for words in (f"operator  {operator}", f"variant   {variant}", f"rote op {operator}", f"certify {operator}/",
                  "wrong"):
        check(words in note, f"{words} is not in {note}")
    code, said = run(compiled(found / "repro.c"))
    check(code == 1 and "should be" in said, f"{operator}: exit {code}: {said}")
    source = (found / "repro.c").read_text()
    check(wrong in source, f"{wrong} is not in repro.c")
    (found / "right.c").write_text(source.replace(wrong, right))
    code, said = run(compiled(found / "right.c"))
    check(code == 0, f"{operator}: with the line put right: exit {code}: {said}")
    return found, note, kernels


def mistakes(folder):
    for mistake in MISTAKES:
        found, note, kernels = mistaken(folder, mistake)
    # the commands that it gives
    for line in re.findall(r"^    (.*rote (?:op|worker).*)$", note, re.M):
        line = re.sub(r"\brote (op|worker)", lambda m: f"'{ROTE}' {m.group(1)}", line)
        done = subprocess.run(line, shell=True, cwd=found, capture_output=True, text=True, timeout=120)
        check(done.returncode == 0, f"{line}: {done.stderr}")
        check("certify" not in line or done.stdout.startswith("wrong"), f"{line}: {done.stdout}")
    check(list((found / "out").glob("*.npy")), "rote op wrote nothing")


def crash(folder):
    told = fuzz("--only", "^relu_fwd$", "--count", 3, "--most", 1, "--out", folder / "crash", code=1,
                env={"ROTE_FAULT_WORKER": "crash relu_fwd"})
    check("crashed" in told, told)
    told = fuzz("--only", "^relu_fwd$", "--count", 1, "--timeout", "2s", "--shrink", "1s", "--out", folder / "hang",
                code=1, env={"ROTE_FAULT_WORKER": "hang relu_fwd"})
    check("hung" in told, told)


def nothing(folder):
    told = fuzz("--count", 200, "--seed", 1, "--work", "2e5", "--out", folder / "nothing")
    check("200 calls of seed 1, 0 findings" in told and not (folder / "nothing").exists(), told)
    right = int(re.search(r"(\d+) right", told).group(1))
    check(right > 150, f"only {right} of 200 calls were run: {told}")


def seeds(folder):
    first, second, other = (fuzz("--list", "--count", 50, "--seed", seed) for seed in (5, 5, 6))
    check(first == second and first.count("\n") == 50, "the same seed gave other calls")
    check(first != other, "another seed gave the same calls")


def usage(folder):
    page = (ROOT / "docs/fuzz.md").read_text()
    for flag in set(re.findall(r"--[a-z]+", fuzz("--help"))) - {"--help"}:
        check(f"`{flag}" in page, f"docs/fuzz.md does not name {flag}")
    for words in (("--only", "no_such"), ("--on", "no_such"), ("--only", "("), ("--budget", "soon"),
                  ("--rote", "/dev/null"), ("--device", "no_such")):
        fuzz("--count", 1, *words, code=2)


main(usage, seeds, mistakes, crash, nothing)
