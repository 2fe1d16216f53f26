#!/usr/bin/env python3
"""Two data sets of time series whose truth is known, for docs/time-series.md; needs NumPy alone.

    time_series.py bearing FOLDER [--train N] [--test N] [--seed S]   vibration of machines with a wearing bearing
    time_series.py sensors FOLDER [--train N] [--test N] [--seed S]   windows of four sensors, some with an anomaly
    time_series.py score RUN FOLDER                                   how well the ledger finds the wrong labels

FOLDER gets train_windows.npy and test_windows.npy (float32 [N][1][samples][channels]), train_labels.npy and
test_labels.npy (int32), and the truth: wrong.npy (uint8, 1 where a training label is wrong), true_labels.npy, and for
bearing machines.npy and wear.npy of the training windows."""
import argparse
import json
import pathlib

import numpy

# --- bearing: healthy, early fault, late fault ------------------------------------------------------

LENGTH, SHAFT, BEARING_WRONG = 256, 64.0, 0.04  # samples of a window, of a turn; share of wrong labels
ONSET_WEAR, LATE_WEAR = 0.08, 0.4
IMPACTS_A_TURN = 3.58                           # of a ball on a fault of the outer ring


def ringing(times):
    """The casing's answer to an impact at each of these times."""
    t = numpy.arange(LENGTH)[:, None] - times[None]
    return (numpy.where(t >= 0, numpy.exp(-numpy.maximum(t, 0) / 5), 0) * numpy.sin(2 * numpy.pi * 0.3 * t)).sum(axis=1)


def vibration(r, machine, wear):
    """A window of two accelerometers: the shaft's harmonics, noise, a foreign impact now and then, and impacts of
    the fault, as strong as the wear, at a rate that the shaft's speed fixes."""
    t = numpy.arange(LENGTH)
    turn = SHAFT * machine["speed"] * r.uniform(0.97, 1.03)
    shaft = sum(a * numpy.sin(2 * numpy.pi * k * t / turn + r.uniform(0, 2 * numpy.pi))
                for k, a in enumerate(machine["harmonics"], 1))
    step = turn / IMPACTS_A_TURN
    impacts = numpy.arange(r.uniform(0, step) - step, LENGTH, step)
    fault = 3 * wear * ringing(impacts + r.normal(0, 0.3, len(impacts)))
    foreign = r.uniform(0.5, 2) * ringing(r.uniform(0, LENGTH, r.poisson(1)))
    return numpy.stack([shaft + fault + foreign, 0.6 * shaft + machine["gain"] * fault + 0.5 * foreign], axis=1) + \
        r.normal(0, machine["noise"], (LENGTH, 2))


def bearing_split(r, machines, count):
    """Machines from new to failure. A fault begins at 45 to 65% of a life and grows exponentially."""
    windows, labels, machine_of, wears = [], [], [], []
    for m in range(machines):
        machine = {"speed": r.uniform(0.9, 1.1), "harmonics": r.uniform(0.2, 1, 3), "gain": r.uniform(0.4, 0.9),
                   "noise": r.uniform(0.3, 0.5)}
        onset = r.uniform(0.45, 0.65)
        for age in (numpy.arange(count // machines + (m < count % machines)) + 0.5) / (count // machines + 1):
            wear = 0.0 if age < onset else ONSET_WEAR ** (1 - (age - onset) / (1 - onset))
            windows.append(vibration(r, machine, wear))
            labels.append(0 if wear == 0 else 1 if wear < LATE_WEAR else 2)
            machine_of.append(m)
            wears.append(wear)
    return windows, numpy.array(labels), numpy.array(machine_of), numpy.array(wears)


def bearing(r, train, test):
    windows, labels, machines, wear = bearing_split(r, 24, train)
    tests = bearing_split(r, 12, test)
    wrong = r.random_sample(train) < BEARING_WRONG
    neighbour = numpy.where(labels == 1, 2 * r.randint(0, 2, train), 1)  # a stage too early or too late
    return windows, numpy.where(wrong, neighbour, labels), tests[0], tests[1], \
        {"wrong": wrong.astype(numpy.uint8), "true_labels": labels.astype(numpy.int32),
         "machines": machines.astype(numpy.int32), "wear": wear.astype(numpy.float32)}


# --- sensors: none, spike, drift, stuck, uncoupled --------------------------------------------------

STEPS, SENSORS, SENSORS_WRONG = 96, 4, 0.03
KINDS = ["none", "spike", "drift", "stuck", "uncoupled"]


def load(r):
    """What drives all sensors: a slow swing and a random walk that is drawn back."""
    walk = numpy.zeros(STEPS)
    for i in range(1, STEPS):
        walk[i] = 0.95 * walk[i - 1] + r.normal(0, 0.25)
    return numpy.sin(2 * numpy.pi * numpy.arange(STEPS) / r.uniform(60, 120) + r.uniform(0, 2 * numpy.pi)) + walk


def readings(r, kind):
    """Four sensors that follow the load, each in its own way; one of them has the anomaly."""
    common, x = load(r), numpy.zeros((STEPS, SENSORS))
    for s, (gain, lag) in enumerate(((1.0, 0), (0.8, 3), (-0.7, 1), (0.5, 6))):
        x[:, s] = gain * numpy.concatenate([numpy.full(lag, common[0]), common[:STEPS - lag]])
    x += r.normal(0, 0.15, x.shape)
    s, start = r.randint(SENSORS), r.randint(8, STEPS // 2)
    end = start + r.randint(24, STEPS // 2)
    if kind == 1:
        x[start + numpy.arange(r.randint(1, 4)), s] += r.choice([-1, 1]) * r.uniform(1.2, 2.5)
    elif kind == 2:
        x[start:, s] += r.choice([-1, 1]) * r.uniform(1, 2) * numpy.linspace(0, 1, STEPS - start)
    elif kind == 3:
        x[start:end, s] = x[start, s]
    elif kind == 4:
        x[:, s] = r.uniform(0.5, 0.9) * load(r) + r.normal(0, 0.15, STEPS)
    return x


def sensors(r, train, test):
    labels = r.choice(5, train + test, p=[0.6, 0.1, 0.1, 0.1, 0.1])
    windows = [readings(r, kind) for kind in labels]
    wrong = r.random_sample(train) < SENSORS_WRONG * numpy.where(labels[:train] == 0, 0.8, 2)
    given = numpy.where(labels[:train] == 0, r.randint(1, 5, train), 0)  # a false alarm, or an anomaly that was missed
    return windows[:train], numpy.where(wrong, given, labels[:train]), windows[train:], labels[train:], \
        {"wrong": wrong.astype(numpy.uint8), "true_labels": labels[:train].astype(numpy.int32)}


# --- the ledger against the truth -------------------------------------------------------------------

COLUMNS = "visits loss margin forgotten first_hit last_hit p p_squared hits el2n p_random".split()


def measures(ledger):
    """As in docs/train.md: more is more suspicious."""
    c = {name: ledger[:, i].astype(float) for i, name in enumerate(COLUMNS)}
    v, never = c["visits"], c["first_hit"] == 0
    return {"loss": c["loss"] / v, "el2n": c["el2n"] / v, "p_random": c["p_random"] / v, "margin": -c["margin"] / v,
            "p": -c["p"] / v, "hits": -c["hits"] / v,
            "p_deviation": numpy.sqrt(numpy.maximum(0, c["p_squared"] / v - (c["p"] / v) ** 2)),
            "forgotten": numpy.where(never, v + 1, c["forgotten"]), "first_hit": numpy.where(never, 1e9, c["first_hit"])}


def auroc(wrong, score):
    """By ranks, those of equal scores averaged."""
    _, inverse, counts = numpy.unique(score, return_inverse=True, return_counts=True)
    rank = (numpy.cumsum(counts) - (counts - 1) / 2)[inverse]
    n, m = int(wrong.sum()), int((wrong == 0).sum())
    return float((rank[wrong == 1].sum() - n * (n + 1) / 2) / (n * m))


def score(run, folder):
    ledger = numpy.load(run / "ledger.npy")
    wrong = numpy.load(folder / "wrong.npy")[:len(ledger)]  # fewer with data.subset
    seen = ledger[:, 0] > 0
    found = {name: auroc(wrong[seen], s) for name, s in measures(ledger[seen]).items()}
    worst = numpy.argsort(-measures(ledger[seen])["margin"], kind="stable")[:int(wrong[seen].sum())]
    return {"wrong": int(wrong[seen].sum()), "windows": int(seen.sum()), "auroc": found,
            "precision": float(wrong[seen][worst].mean())}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("bearing", "sensors"):
        c = commands.add_parser(name)
        c.add_argument("folder", type=pathlib.Path)
        c.add_argument("--train", type=int, default=3000)
        c.add_argument("--test", type=int, default=1500)
        c.add_argument("--seed", type=int, default=1)
    c = commands.add_parser("score")
    c.add_argument("run", type=pathlib.Path)
    c.add_argument("folder", type=pathlib.Path)
    a = parser.parse_args()
    if a.command == "score":
        print(json.dumps(score(a.run, a.folder), indent=2))
        return
    made = {"bearing": bearing, "sensors": sensors}[a.command](numpy.random.RandomState(a.seed), a.train, a.test)
    a.folder.mkdir(parents=True, exist_ok=True)
    for split, windows, labels in (("train", *made[:2]), ("test", *made[2:4])):
        numpy.save(a.folder / f"{split}_windows.npy", numpy.stack(windows)[:, None].astype(numpy.float32))
        numpy.save(a.folder / f"{split}_labels.npy", numpy.asarray(labels).astype(numpy.int32))
    for name, array in made[4].items():
        numpy.save(a.folder / f"{name}.npy", array)
    print(f"{a.train} and {a.test} windows, {int(made[4]['wrong'].sum())} training labels are wrong: {a.folder}")


if __name__ == "__main__":
    main()
