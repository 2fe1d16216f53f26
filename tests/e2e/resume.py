"""Killed with -9 at random steps, as often as it takes, and resumed: parameters, ledger
and log are those of a run that nobody disturbed. Ctrl-C writes a checkpoint."""
import os
import random
import signal
import subprocess
import time

from e2e import ROTE, check, checkpoint, main, rote, settings, tensors

KILLS = int(os.environ.get("ROTE_KILLS", "20"))
COMMON = settings(data__kind="synthetic", data__train_count=2048, data__test_count=64, batch=16, epochs=4,
                  log_every=7, checkpoint_every=5, dropout=0.2, augment__crop=2, ema=0.95, rla_subset=64,
                  control__enabled="true", control__every=2,
                  micro_batch=8,
                  heads="[{name: class, kind: class}, {name: a, lambda: 1, schedule: ganin}, "
                        "{name: b, per_class: true, n: 3}]")


def compare(one, two):
    a, _ = tensors(checkpoint(one))
    b, _ = tensors(checkpoint(two))
    check(a.keys() == b.keys(), "the checkpoints hold other tensors")
    for name in a:
        check(a[name] == b[name], f"{name} differs from the undisturbed run's")
    for name in ("log.jsonl", "log.csv", "ledger.npy"):
        check((one / name).read_bytes() == (two / name).read_bytes(), f"{name} differs from the undisturbed run's")
    check(not [p for p in two.iterdir() if ".tmp" in p.name], "a temporary file was left")


def start(*arguments):
    return subprocess.Popen([ROTE, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def killed(folder):
    random.seed(1)
    began = time.time()
    rote("train", *COMMON, "--out", folder / "whole", "--quiet")
    patience = (time.time() - began) / 50  # so that the run outlives its kills on any machine
    out = folder / "killed"
    kills = 0
    process = start("train", *COMMON, "--out", out, "--quiet")
    while True:
        seen = None
        # wait for a first checkpoint of this process, then for a random while
        before = (out / "latest").read_text() if (out / "latest").exists() else None
        deadline = time.time() + 120
        while process.poll() is None and time.time() < deadline:
            seen = (out / "latest").read_text() if (out / "latest").exists() else None
            if seen != before:
                break
            time.sleep(0.002)
        if kills < KILLS and process.poll() is None:
            time.sleep(random.random() * patience)
            if process.poll() is None:
                process.kill()
                kills += 1
        process.wait()
        error = process.stderr.read().decode()
        if process.returncode == 0:
            break
        check(process.returncode == -9, f"resumed run failed: {error}")
        process = start("train", "--resume", out, "--quiet")
    print(f"  killed {kills} times")
    check(kills >= KILLS, f"the run was killed {kills} times only: make it longer")
    compare(folder / "whole", out)


def interrupted(folder):
    out = folder / "interrupted"
    process = start("train", *COMMON, "--out", out, "--quiet")
    while not (out / "latest").exists():
        check(process.poll() is None, "the run ended before its first checkpoint")
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.wait(60)
    error = process.stderr.read().decode()
    check(process.returncode == 1 and "resume with: rote train --resume" in error, f"{process.returncode}: {error}")
    rote("train", "--resume", out, "--quiet")
    compare(folder / "whole", out)


def ended_early(folder):
    """A run without a checkpoint yet starts anew; one whose `latest` is lost is not thrown away;
    a finished run keeps its summary; one process at a time writes to a folder."""
    out = folder / "early"
    process = start("train", *COMMON, *settings(checkpoint_every=0, epochs=1), "--out", out, "--quiet")
    while not (out / "log.jsonl").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGSTOP)  # else it may be done before the other one has started
    check(not (out / "latest").exists(), "too late")
    _, error = rote("train", "--resume", out, code=1)
    check("another process" in error, error)
    process.kill()
    process.wait()
    rote("train", "--resume", out, "--quiet")
    summary = (out / "summary.json").read_bytes()
    check(len(list(out.glob("events.out.tfevents.*"))) == 1, "two event files")
    rote("train", "--resume", out, "--quiet")
    check((out / "summary.json").read_bytes() == summary, "a finished run's summary was written again")
    text = (out / "config.yaml").read_text()
    (out / "config.yaml").write_text(text.replace("batch: 16", "batch: 8"))
    _, error = rote("train", "--resume", out, code=1)
    check("trained with batch 16" in error, error)
    (out / "config.yaml").write_text(text.replace("epochs: 1", "epochs: 2"))
    _, error = rote("train", "--resume", out, "--quiet")
    check("config.yaml was changed" in error, error)
    (out / "latest").unlink()
    _, error = rote("train", "--resume", out, code=1)
    check("no checkpoint" in error and list(out.glob("checkpoint-*")), error)


main(killed, interrupted, ended_early)
