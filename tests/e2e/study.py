"""A study: killed ten times with kill -9, shared by two processes, or brought from another machine as text, its
database holds what an undisturbed one holds, time and energy aside; nothing runs twice; the comparison says what SciPy
says of the same numbers; what is wrong in a plan is told."""
import json
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import time

from e2e import ROTE, check, main, rote

PLAN = """
name: try
question: Does weight decay help?
base:
  model: mlp
  epochs: 4
  data: {kind: synthetic, train_count: 448, test_count: 128, validation: 64, canaries: 0.05}
  batch: 64
factors:
- {name: noise, key: data.label_noise, values: [0.3]}
- name: regulariser
  levels:
  - {name: none}
  - name: decay
    set: [augment.crop=1, "heads=[{name: class, kind: class}, {name: random, n: 4, lambda: 0.1}]"]
    tune:
    - {key: optimizer.decay, low: 1e-4, high: 1e-1, log: true}
tuning: {trials: 3, first_epochs: 1, eta: 2}
seeds: [1, 2]
primary:
- {of: noise=0.3/regulariser=decay, against: noise=0.3/regulariser=none, benefit: 0.01}
"""
TIMES = ("seconds", "training_seconds", "instrument_seconds", "joules")


def plan(folder, name, text=PLAN):
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def content(path):
    """Every table but what tells of time and energy."""
    db = sqlite3.connect(path)
    out = {}
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
        rows = db.execute(f"SELECT * FROM {table}")
        keep = [i for i, c in enumerate(rows.description) if c[0] not in TIMES]
        out[table] = [[row[i] for i in keep] for row in rows]
    db.close()
    check(len(out["run"]) == 7 and len(out["figure"]) > 300, f"{[(k, len(v)) for k, v in out.items()]}")
    return out


def undisturbed(folder):
    global WANT, START, WORK  # seconds of a study that has nothing to do, and of its runs
    path = plan(folder, "a")
    out, _ = rote("study", "run", path)
    check("[7 of 7]" in out and "nan" not in out, out)
    WANT = content(folder / "a.db")
    trials = {row[3] for row in WANT["member"] if row[1] >= 0}
    check(len(trials) == 3 and not any(row[0] in trials and row[2] == "test" for row in WANT["figure"]),
          "the tuning looked at the test split")
    check(sum(row[2] == "canaries" and row[3] == "margin" and row[4] == "auroc" for row in WANT["figure"]) == 5,
          "no figures of canaries, or of runs that are not at their end")
    check(not (folder / "a.db.runs").exists(), "folders of finished runs are left")
    start = time.monotonic()
    out, _ = rote("study", "run", path)
    START = time.monotonic() - start
    check(out == "", f"something ran twice: {out}")
    db = sqlite3.connect(folder / "a.db")
    seconds = [row[0] for row in db.execute("SELECT seconds FROM run")]
    db.close()
    WORK = statistics.median(seconds) * len(seconds)
    out, _ = rote("study", "status", path)
    check("7 of 7 runs" in out and "optimizer.decay=" in out, out)
    told = json.loads(rote("study", "status", path, "--json")[0])
    check(told["done"] == told["runs"] == 7 and told["seconds_left"] == 0, f"{told}")


def killed(folder):
    path = plan(folder, "b")
    dice = random.Random(5)
    ended = 0
    for kills in range(60):
        if ended == 10:
            break
        run = subprocess.Popen([ROTE, "study", "run", path, "--quiet"], stderr=subprocess.DEVNULL)
        time.sleep(START + dice.uniform(0, 0.15 * WORK))
        ended += run.poll() is None
        run.send_signal(signal.SIGKILL)
        run.wait()
        if sqlite3.connect(folder / "b.db").execute("SELECT count(*) FROM run WHERE epochs = 4").fetchone()[0] == 6:
            break
    rote("study", "run", path, "--quiet")
    check(ended == 10, f"it was killed {ended} times only")
    check(content(folder / "b.db") == WANT, "killed, the database holds something else")


def shared(folder):
    path = plan(folder, "c")
    two = [subprocess.Popen([ROTE, "study", "run", path], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    out = [run.communicate(timeout=300)[0].splitlines() for run in two]
    check(all(run.returncode == 0 for run in two) and all(out), f"{out}")
    told = [line.split("(")[1].split(")")[0] + line.split("after")[1].split()[0] for lines in out for line in lines]
    check(len(told) == len(set(told)), f"a run was done by both: {out}")
    check(content(folder / "c.db") == WANT, "by two processes, the database holds something else")


def carried(folder):
    text, _ = rote("study", "export", folder / "a.yaml")
    lines = text.splitlines()
    check(len(lines) == len(WANT["run"]), f"{len(lines)} lines")
    path = plan(folder, "d")
    (folder / "half.jsonl").write_text("".join(line + "\n" for line in lines[::2]))
    out, _ = rote("study", "import", path, folder / "half.jsonl")
    check(f"{len(lines[::2])} runs added" in out, out)
    rote("study", "run", path, "--quiet")
    check(content(folder / "d.db") == WANT, "with runs from elsewhere, the database holds something else")
    out, _ = rote("study", "import", path, folder / "half.jsonl")
    check(out.startswith("0 runs added"), out)
    check(rote("study", "export", path, "--out", folder / "again.jsonl")[0] == "", "printed as well")
    check(sorted(json.loads(s)["key"] for s in (folder / "again.jsonl").read_text().splitlines()) ==
          sorted(json.loads(s)["key"] for s in lines), "other runs come out")
    (folder / "bad.jsonl").write_text(lines[0] + "\n{}\n")
    _, error = rote("study", "import", path, folder / "bad.jsonl", code=1)
    check("bad.jsonl:2" in error, error)


def compared(folder):
    text, _ = rote("study", "compare", folder / "a.yaml")
    check("cannot show anything" in text and "at least 6" in text and "Exploration" in text, text)
    told = json.loads(rote("study", "compare", folder / "a.yaml", "--json")[0])
    of, against = ([r["figures"]["test.class.accuracy"] for r in next(
        c["runs"] for c in told["cells"] if c["cell"] == told["primary"][0][side])] for side in ("of", "against"))
    mean = statistics.mean(a - b for a, b in zip(of, against))
    check(abs(told["primary"][0]["mean"] - mean) < 1e-9 and len(told["exploration"]) == 1, f"{told['primary']}")


def warned(folder):
    """Early warning, on validation figures that are made up, against the definition written down once more."""
    plan(folder, "w")
    shutil.copy(folder / "a.db", folder / "w.db")
    db = sqlite3.connect(folder / "w.db")
    keys = sorted({key for (key,) in db.execute("SELECT key FROM member WHERE trial = -1")})
    dice = random.Random(3)
    runs = []
    for i, key in enumerate(keys):
        db.execute("DELETE FROM figure WHERE key = ? AND part = 'validation'", (key,))
        loss = [abs(e - (1 + i % 3)) + 0.1 * dice.random() for e in range(4)]  # the last in turn: it does not turn
        for e in range(4):
            for name, value in (("loss", loss[e]), ("accuracy", 0.5)):
                db.execute("INSERT INTO figure VALUES (?, ?, 'validation', 'class', ?, ?)", (key, e + 1, name, value))

        def series(part, head, name):
            return [v for (v,) in db.execute("SELECT value FROM figure WHERE key = ? AND part = ? AND head = ? AND "
                                             "figure = ? ORDER BY epoch", (key, part, head, name))]
        if i == 1:  # as a run of before there was such a figure: it is judged by the other signals
            db.execute("DELETE FROM figure WHERE key = ? AND figure = 'weight_norm'", (key,))
        stream = series("stream", "class", "loss")
        turn = loss.index(min(loss))
        runs.append((turn if turn < 3 else 4, {
            "excess_rla": series("clean", "random", "chance_corrected"),
            "loss_gap": [a - b for a, b in zip(loss, stream)],
            "accuracy_gap": [a - 0.5 for a in series("stream", "class", "accuracy")],
            "cumulative_loss": [sum(stream[:e + 1]) for e in range(4)],
            "weight_norm": series("network", "all", "weight_norm")}))
    check([len(x["weight_norm"]) for _, x in runs] == [4, 0] + [4] * (len(runs) - 2), f"weight norms: {runs[0]}")
    db.commit()
    db.close()
    told = json.loads(rote("study", "compare", folder / "w.yaml", "--json")[0])["early_warning"]
    check([w["signal"] for w in told] == list(runs[0][1]), f"{told}")
    for w in told:
        known = [(turn, x[w["signal"]]) for turn, x in runs if x[w["signal"]]]
        high = [x[e] for turn, x in known for e in range(turn, 4)]
        low = [x[e] for turn, x in known for e in range(min(turn, 4))]
        auroc = sum((a > b) + 0.5 * (a == b) for a in high for b in low) / len(high) / len(low)
        leads, in_time, false = [], 0, 0
        for i, (turn, x) in enumerate(known):
            others = sorted(y[e] for k, (t, y) in enumerate(known) if k != i for e in range(min(t, 4)))
            above = [e for e, v in enumerate(x) if v > others[int(0.95 * (len(others) - 1))]]
            if turn < 4 and above:
                leads.append(turn - above[0])
                in_time += above[0] <= turn
            false += turn == 4 and bool(above)
        check(abs(w["auroc"] - auroc) < 1e-8 and w["in_time"] == in_time and w["false"] == false and
              w["runs"] == len(known) and w["turned"] == sum(t < 4 for t, _ in known),
              f"{w}, expected {auroc}, {in_time}, {false} of {len(known)}")
        check(w["lead"] == (statistics.median(leads) if leads else None), f"{w}, leads {leads}")


def wrong(folder):
    for change, said in (
            (("model: mlp", "model: mpl"), "mlp"), (("seeds: [1, 2]", "seeds: [1, 1]"), "twice"),
            (("seeds: [1, 2]", "seeds: [1001]"), "tunes and compares"), (("  epochs: 4", "  epocs: 4"), "epochs"),
            (("set: [augment.crop=1", "set: [augment.corp=1"), "did you mean crop"),
            (("of: noise=0.3/regulariser=decay", "of: noise=1/regulariser=decay"), "no cell"),
            (("low: 1e-4", "low: 0"), "log needs"), (("key: data.label_noise, ", ""), "factor noise"),
            (("eta: 2}", "eta: 2, metric: validation.class.accuray}"), "no figure"),
            (("eta: 2}", "eta: 2, metric: test.class.accuracy}"), "not there to choose by"),
            (("validation: 64, ", ""), "data.validation")):
        path = plan(folder, "bad", PLAN.replace(*change))
        _, error = rote("study", "run", path, "--db", folder / "bad.db", code=1)
        check(said in error, f"{change}: {error}")
    _, error = rote("study", "stat", folder / "a.yaml", code=2)
    check("nearest: status" in error, error)
    (folder / "text.db").write_text("not a database, but more than a hundred bytes of text " * 4)
    _, error = rote("study", "status", folder / "a.yaml", "--db", folder / "text.db", code=1)
    check("text.db" in error and "database" in error, error)


def untested(folder):
    """Where no run is tested, comparisons that name no figure are of validation accuracy, and runs tell theirs."""
    path = plan(folder, "u", PLAN.replace("  epochs: 4", "  epochs: 1\n  test: never").replace("seeds: [1, 2]", "seeds: [1]"))
    out, _ = rote("study", "run", path)
    told = json.loads(rote("study", "compare", path, "--json")[0])
    for d in told["primary"] + told["exploration"]:
        check(d["figure"] == "validation.class.accuracy" and isinstance(d["mean"], float), f"{d}")
    check(" nan" not in out and out.count("validation.class.accuracy 0.") >= 2, out)


def kept(folder):
    """Only the figures that the plan wants, and what is measured at the end; so much the smaller."""
    text = PLAN.replace("seeds: [1, 2]", "seeds: [1]\nfigures: [accuracy, loss]").replace("epochs: 4", "epochs: 2")
    rote("study", "run", plan(folder, "f", text), "--quiet")
    rows = sqlite3.connect(folder / "f.db").execute("SELECT DISTINCT part, figure FROM figure").fetchall()
    check({f for p, f in rows if p in ("stream", "clean")} == {"accuracy", "loss"}, f"{rows}")
    check(("canaries", "auroc") in rows and ("test", "ece") in rows, f"{rows}")


def nvml(folder):
    """A folder with a library of this name in place of the system's."""
    library = folder / "library"
    library.mkdir(exist_ok=True)
    shutil.copy(os.environ["NVML"], library / "libnvidia-ml.so.1")
    return library


def energy(folder):
    """Counters of one package, which wrap; a part of it and the same one told again do not count."""
    zones = folder / "zones"
    for name in ("control:0", "control:0:0", "control-mmio:0"):
        (zones / name).mkdir(parents=True)
        (zones / name / "max_energy_range_uj").write_text("1000000000\n")
        (zones / name / "energy_uj").write_text("999000000\n")
    path = plan(folder, "g", PLAN.replace("seeds: [1, 2]", "seeds: [1]").replace("  - name: decay", "  - name: other")
                .replace("    tune:\n    - {key: optimizer.decay, low: 1e-4, high: 1e-1, log: true}\n", "")
                .replace("{of: noise=0.3/regulariser=decay, ", "{of: noise=0.3/regulariser=other, "))
    run = subprocess.Popen([ROTE, "study", "run", path, "--quiet"], env={
        **os.environ, "ROTE_TEST_POWERCAP": str(zones), "LD_LIBRARY_PATH": str(nvml(folder)), "STUB_GPUS": "0"})
    used = 0
    while run.poll() is None:
        used += 0.05
        for name in ("control:0", "control:0:0", "control-mmio:0"):
            new = zones / name / "new"
            new.write_text(f"{int(999000000 + used * 1e6) % 1000000000}\n")
            new.rename(zones / name / "energy_uj")
        time.sleep(0.05)
    db = sqlite3.connect(folder / "g.db")
    joules = [j for (j,) in db.execute("SELECT joules FROM run")]
    check(run.returncode == 0 and len(joules) == 2 and all(j and j > 0 for j in joules) and sum(joules) <= used + 0.1,
          f"{joules} of {used} J")


def energy_of_gpus(folder):
    """Two GPUs, of which one stops to tell; the other uses 50 W."""
    library = nvml(folder)
    path = plan(folder, "h", PLAN.replace("seeds: [1, 2]", "seeds: [1]"))
    before = time.time()
    subprocess.run([ROTE, "study", "run", path, "--quiet"], check=True, timeout=600, env={
        **os.environ, "LD_LIBRARY_PATH": str(library), "ROTE_TEST_POWERCAP": str(library)})
    seconds = time.time() - before
    joules, counted = sqlite3.connect(folder / "h.db").execute("SELECT sum(joules), sum(seconds) FROM run").fetchone()
    check(0 < joules <= 50 * seconds and joules > 25 * counted, f"{joules} J in {seconds} s, {counted} of them counted")


def diverging(folder):
    """A loss that is no number is a result; the study goes on."""
    text = PLAN.replace("{name: none}", "{name: none, set: [lr.base=1e25]}")
    path = plan(folder, "e", text)
    out, _ = rote("study", "run", path)
    check(out.count("diverged:") == 2 and "lower lr.base" in out, out)
    told = json.loads(rote("study", "status", path, "--json")[0])
    check(told["done"] == told["runs"] and told["cells"][0]["diverged"] == 2, f"{told}")


main(undisturbed, killed, shared, carried, compared, warned, wrong, untested, kept, energy, energy_of_gpus, diverging)
