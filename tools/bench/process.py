"""Figures of whole processes: memory of a ResNet-18 training run beside PyTorch's, and how long a run
takes to its first step. `python3 process.py rote LIBRARY DEVICE|-` and `process.py torch`, which the
memory benchmark starts, print resident bytes when idle and at most."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

TOOLS = pathlib.Path(__file__).resolve().parents[1]
BATCH, STEPS = 64, 4
MODEL = ["model=resnet18", f"batch={BATCH}", "epochs=1", "rla_subset=1", "heads=[{name: class, kind: class}]",
         f"data={{kind: synthetic, channels: 3, height: 32, width: 32, train_count: {BATCH * STEPS}, test_count: 1}}"]


def resident(key):
    """VmRSS: now; VmHWM: at most so far. Bytes."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return 1024 * int(line.split()[1])
    raise SystemExit(f"no {key} in /proc/self/status")


def probe_rote(library, device):
    from bench.library import Rote
    rote = Rote(library, None if device == "-" else device)
    idle = resident("VmRSS")
    config = rote.new("rote_config_new")
    for word in MODEL:
        rote.call("rote_config_set", config, word.encode())
    run = rote.new("rote_run_new", rote.device, config, None)
    rote.call("rote_run_train", run, None, None)
    return idle


def probe_torch():
    import torch
    from bench.steps import TorchStep
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    idle = resident("VmRSS")
    TorchStep("resnet18", BATCH, 3, 32, False).run(STEPS)
    return idle


def probe(*arguments):
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"process.py {' '.join(arguments)}: {done.stderr}")
    return json.loads(done.stdout)


def bench_memory(_library, options):
    """The first probe fills the program caches: what a compiler needs is not a run's memory."""
    from bench.heads import rote
    from bench.library import passes, verdict
    plan = json.loads(rote(options, "plan", *[part for word in MODEL for part in ("--set", word)], "--json"))
    arena = next(m["bytes"] for m in plan["memory"] if "arena" in m["what"])
    arguments = ("rote", options.library, options.device or "-")
    probe(*arguments)
    mine = [probe(*arguments) for _ in range(3)]
    theirs = [probe("torch") for _ in range(3)]
    over = [min(p["most"] - p["idle"] for p in side) for side in (mine, theirs)]
    rows = [{"name": "ResNet-18, batch 64: arena, MB", "value": arena / 1e6, "bar": 400, "at_most": True},
            {"name": "ResNet-18, batch 64: resident over idle, of PyTorch's", "value": over[0] / over[1], "bar": 0.7,
             "at_most": True, "rote_bytes": over[0], "torch_bytes": over[1], "rote_idle_bytes": mine[0]["idle"],
             "torch_idle_bytes": theirs[0]["idle"]}]
    for row in rows:
        row["pass"] = passes(row)
        print(f"{row['name']:56} {row['value']:8.2f} {row['bar']:7.2f} {verdict(row)}", flush=True)
    print(f"  over idle: rote {over[0] / 1e6:.0f} MB (idle {mine[0]['idle'] / 1e6:.0f}), "
          f"PyTorch {over[1] / 1e6:.0f} MB (idle {theirs[0]['idle'] / 1e6:.0f})")
    return rows


def first_step(options, folder, caches):
    """Seconds from the start of `rote train` to the first step in its log."""
    out = pathlib.Path(folder) / "run"
    env = {**os.environ, "ROTE_CACHE": f"{caches}/rote", "POCL_CACHE_DIR": f"{caches}/pocl",
           "XDG_CACHE_HOME": f"{caches}/xdg"}
    for path in ("rote", "pocl", "xdg"):
        (pathlib.Path(caches) / path).mkdir(exist_ok=True)
    command = [options.rote, "train", "--set", "model=cnn", "--set", "log_every=1", "--out", out, "--quiet"]
    command += ["--device", options.device] if options.device else []
    start = time.perf_counter()
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE) as process:
        log = out / "log.jsonl"
        while not (log.exists() and b"\n" in log.read_bytes()):
            if process.poll() is not None:
                raise SystemExit(f"rote train ended before its first step: {process.stderr.read().decode()}")
            time.sleep(0.002)
        seconds = time.perf_counter() - start
        process.kill()
    return seconds


def bench_start(_library, options):
    from bench.library import passes, verdict
    seconds = {"empty": [], "warm": []}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(3):
            caches = pathlib.Path(folder) / f"caches{i}"
            caches.mkdir()
            for kind in seconds:
                place = pathlib.Path(folder) / f"{kind}{i}"
                place.mkdir()
                seconds[kind].append(first_step(options, place, caches))
                print(f"  {kind} cache: {seconds[kind][-1]:.2f} s", flush=True)
    rows = [{"name": f"cnn: start to first step, {kind} cache, s", "value": min(seconds[kind]), "bar": bar,
             "median": sorted(seconds[kind])[1], "at_most": True} for kind, bar in (("empty", 15), ("warm", 1.5))]
    for row in rows:
        row["pass"] = passes(row)
        print(f"{row['name']:56} {row['value']:8.2f} {row['bar']:7.2f} {verdict(row)}", flush=True)
    return rows


if __name__ == "__main__":
    sys.path[0] = str(TOOLS)  # where the package `bench` is
    found = probe_torch() if sys.argv[1] == "torch" else probe_rote(*sys.argv[2:])
    print(json.dumps({"idle": found, "most": resident("VmHWM")}))
