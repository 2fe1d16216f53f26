"""rote tune: what it writes is what runs; it ends in time, goes on where it ended, and gets over
workers that crash or hang and kernels that are wrong for one value of a tunable."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from e2e import ROTE, check, main, rote, settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = settings(model="mlp", data__kind="synthetic", data__height=4, data__width=4, data__train_count=600,
                data__test_count=300, batch=300, epochs=1, rla_subset=300)
BUDGET = os.environ.get("ROTE_TEST_BUDGET", "25s")
CHOICE = re.compile(r"^(\w+ [^|]+) \| ([\w:=,]+) \| ([\d.e+-]+) \| ([\d.e+-]+) \| (all|variants) \| ([0-9a-f]{16})$")
FAILURE = re.compile(r"^(\w+ [^|]+) \| ([\w:=,]+) \| (crashed|hung|wrong) \| ([0-9a-f]{16})$")


def environment(folder, name, **more):
    cache = folder / name
    cache.mkdir(exist_ok=True)
    return {"ROTE_CACHE": str(cache), **more}


def tuning_file(env):
    files = list(pathlib.Path(env["ROTE_CACHE"]).glob("*.tune"))
    check(len(files) == 1, f"{len(files)} tuning files")
    return files[0]


def lines(env):
    """choices by call, failures; every line must be one or the other."""
    text = tuning_file(env).read_text().splitlines()
    check(text[0] == "rote-tuning 1" and text[1].startswith("device ") and text[2].startswith("driver "), text[:3])
    choices, failures = {}, []
    for line in text[3:]:
        choice, failure = CHOICE.match(line), FAILURE.match(line)
        check(choice or failure, f"not a line of a tuning file: {line}")
        if choice:
            choices[choice.group(1)] = choice.groups()[1:]
        else:
            failures.append(failure.groups())
    return choices, failures


def tuned(env, *flags, budget=BUDGET):
    return json.loads(rote("tune", *TINY, "--budget", budget, "--json", *flags, env=env)[0])["calls"]


def searches(folder):
    env = environment(folder, "searches")
    rote("warm", *TINY, env=env)
    began = time.time()
    calls = tuned(env, budget="8s")
    check(time.time() - began < 8 + 6, f"a budget of 8 s took {time.time() - began:.1f} s")
    choices, _ = lines(env)
    check(choices, "nothing was tuned in 8 s")
    shares = [c["share"] for c in calls]
    check(shares == sorted(shares, reverse=True) and 0 < sum(shares) <= 1.001, f"shares {shares}")
    for c in calls:
        if c["call"] in choices:
            check(c["variant"] == choices[c["call"]][0], f"{c} is not what the file has")
            check(c["ms"] <= c["default_ms"] and (c["variant"] == c["default"] or c["ms"] < c["default_ms"]), c)
    again = tuned(env, budget="1s")
    for c in again:
        before = choices.get(c["call"])
        check(not before or before[4] != "all" or (c["skipped"] and c["trials"] == 0), f"tuned twice: {c}")
    text, _ = rote("tune", *TINY, "--budget", "1s", env=env)
    check("nothing to choose" in text and "training step" in text, text)


def workers_that_fail(folder):
    env = environment(folder, "faults", ROTE_FAULT_WORKER="crash tile:vectors=1")
    tuned(env)
    _, failures = lines(env)
    check(failures and all(f[1:3] == ("tile:vectors=1", "crashed") for f in failures), f"{failures}")
    env["ROTE_FAULT_WORKER"] = "hang clblast"  # of variants, which come first
    began = time.time()
    text, _ = rote("tune", *TINY, "--budget", "12s", "--trial", "1s", "--all", env=env)
    check(time.time() - began < 12 + 6, "a hanging worker outlived the budget")
    check("hung" in text and "not done after 1 s" in text, text)
    check(any(f[2] == "hung" and "clblast" in f[1] for f in lines(env)[1]), "a hung trial is not in the file")


def wrong_kernel(folder):
    kernels = folder / "kernels"
    shutil.copytree(ROOT / "cl", kernels)
    path = kernels / "conv2d.cl"
    text = path.read_text()
    check("tap < R * S; tap++" in text, "the mutant's place is gone")
    path.write_text(text.replace("tap < R * S; tap++", "tap < R * S - (PT == 4); tap++"))
    env = environment(folder, "wrong", ROTE_KERNELS=str(kernels))
    tuned(env, "--trial", "20s", budget=BUDGET)
    choices, failures = lines(env)
    check(any(f[2] == "wrong" and "rows=4" in f[1] for f in failures), f"the wrong kernel was not met: {failures}")
    check(not [c for c in choices.items() if "tile" in c[1][0] and "rows=4" in c[1][0] and "filter" not in c[0]],
          f"a wrong kernel was chosen: {choices}")
    call, variant, _, kernels = next(f for f in failures if f[2] == "wrong" and "fwd" in f[0])
    path = tuning_file(env)
    head = "\n".join(path.read_text().splitlines()[:3]) + "\n"
    path.write_text(f"{head}{call} | {variant} | 1 | 2 | all | {kernels}\n")
    chosen, error = rote("plan", *TINY, env=env)
    check(variant not in chosen and f"{variant} fails its self-test" in error, f"a file's choice is trusted: {error}")


def killed(folder):
    env = environment(folder, "killed")
    rote("warm", *TINY, env=env)
    process = subprocess.Popen([ROTE, "tune", *TINY, "--budget", "60s"], env={**os.environ, **env},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.time() + 60
    while time.time() < end and not list(pathlib.Path(env["ROTE_CACHE"]).glob("*.tune")):
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before, _ = lines(env)
    check(before, "no line was there when it was killed")
    calls = tuned(env, budget="3s")
    after, _ = lines(env)
    check(set(before) <= set(after), "a line was lost")
    check(len(calls) >= len(after), "more lines than calls")


def what_the_file_says_runs(folder):
    env = environment(folder, "faults")
    path = tuning_file(env)
    call, variant, _, kernels = next(f for f in lines(env)[1] if "fwd" in f[0])
    head = "\n".join(path.read_text().splitlines()[:3]) + "\n"
    plain, _ = rote("plan", *TINY, env={**env, "ROTE_NO_TUNING": "1"})
    path.write_text(f"{head}{call} | {variant} | 1 | 2 | all | {kernels}\n")
    chosen, error = rote("plan", *TINY, env=env)
    check(f" {variant} " in chosen and variant not in plain and not error, f"{chosen}{error}")
    out = folder / "run"
    text, error = rote("train", *TINY, "--out", out, env=env)
    check("not tuned" not in text and "first step after" in text and not error, text + error)
    rote("train", *TINY, "--out", folder / "same", "--quiet", env=env)
    check((out / "log.jsonl").read_bytes() == (folder / "same/log.jsonl").read_bytes(), "one tuning file, other bits")
    summary = json.loads((out / "summary.json").read_text())
    check(0 < summary["seconds_to_first_step"] < 300, f"{summary['seconds_to_first_step']}")
    path.write_text(f"{head}{call} | {variant} | 1 | 2 | all | {'0' * 16}\n")
    chosen, error = rote("plan", *TINY, env=env)
    check(variant not in chosen and error.count("warning") == 1 and "have changed since" in error and
          "rote tune" in error, error)
    path.write_text(f"{head}{call} | {variant} | fast | 2 | all | {kernels}\n{call} | tyle | 1 | 2 | all | {kernels}\n")
    chosen, error = rote("plan", *TINY, env=env)
    check(f"{path}:4: milliseconds" in error and "no variant 'tyle'" in error and ".tune:5" in error, error)
    path.unlink()
    text, error = rote("train", "--resume", out, env=env)
    check("other variants" in error and "same bits" in error, error)
    check("not tuned" in text, text)
    shipped = folder / "shipped"
    shutil.copytree(ROOT / "cl", shipped)
    (shipped / "tune").mkdir(exist_ok=True)
    (shipped / "tune/a.tune").write_text(f"rote-tuning 1\nclass cpu\n{call} | {variant} | 1 | 2 | all | {kernels}\n")
    (shipped / "tune/b.tune").write_text(f"rote-tuning 1\nfamily nothing-*\n{call} | clblast | 1 | 2 | all | {kernels}\n")
    chosen, error = rote("plan", *TINY, env={**env, "ROTE_KERNELS": str(shipped)})
    check(f" {variant} " in chosen and not error, f"a shipped line is not used: {error}")


def usage(folder):
    for arguments, part in ((["--budget", "soon"], "soon"), (["--modle", "cnn"], "--model"), (["a", "b"], "'b'")):
        _, error = rote("tune", *arguments, code=2, env=environment(folder, "usage"))
        check(part in error, error)
    rote("tune", "--model", "resnet19", code=1, env=environment(folder, "usage"))


def preferred_variant(folder):
    small = settings(model="cnn", data__kind="synthetic", data__train_count=32, data__test_count=8, batch=8)
    text, _ = rote("plan", *small, "--set", "variant=winograd:items=1", env=environment(folder, "usage"))
    check(text.count(" winograd:items=1 ") >= 2 and " direct " in text, text)


main(searches, workers_that_fail, wrong_kernel, killed, what_the_file_says_runs, usage, preferred_variant)
