"""Makes page and tables of the worked studies from their exported runs, in docs/studies: NAME.html and NAME.md of
NAME.yaml and NAME.jsonl.
    python3 tools/studies.py [--rote build/rote] [--out FOLDER] [NAME ...]"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "docs/studies"
RESULTS = (("test.class.accuracy", "test accuracy, %", 100),
           ("validation.class.accuracy", "validation accuracy, %", 100),
           ("shifted.all.accuracy", "on shifted data, %", 100),
           ("test.class.ece", "ECE, %", 100),
           ("test.class.loss", "test loss", 1),
           ("clean.class.accuracy", "training accuracy, %", 100))
EPOCHS = (1, 2, 5, 10, 15, 20, 30)
MANY = 8  # heads that are alike


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def signed(x, scale=1.0, digits=2):
    return "-" if x is None else f"{scale * x:+.{digits}f}"


def interval(pair, scale):
    return "-" if not pair or None in pair else f"{scale * pair[0]:+.2f} to {scale * pair[1]:+.2f}"


def scale_of(figure):
    """Percentage points, but for losses, which are in nats."""
    return 1.0 if figure.endswith(".loss") else 100.0


def spread_of(figure, scale, digits):
    mean, sd = figure["mean"], figure["sd"]
    return f"{scale * mean:.{digits}f}" + ("" if sd is None else f" ± {scale * sd:.{digits}f}")


def results(page):
    columns = [c for c in RESULTS if any(c[0] in cell["figures"] for cell in page["cells"])]
    rows = []
    for cell in page["cells"]:
        row = [cell["cell"], str(len(cell["runs"]))]
        for figure, _, scale in columns:
            f = cell["figures"].get(figure)
            digits = 2 if scale == 100 else 3
            row.append("-" if not f else spread_of(f, scale, digits))
        rows.append(row)
    return ["## Results", "", "After the last epoch: mean ± standard deviation between runs.", "",
            *table(["cell", "runs", *(c[1] for c in columns)], rows)]


def head_rows(cell, epochs):
    """By what heads are: a row each, or one of many that are alike."""
    alike = {}
    for head in (h for h in cell["heads"] if h["random"]):
        labels = f"{head['n']}, {'per class' if head['per_class'] else 'shared'}"
        push = f"{head['lambda']:.3g}" + (f" × {head['loss']}" if head["lambda"] else "")
        kind = labels, head["at"], push + (", rising" if head["lambda"] and head["schedule"] != "constant" else "")
        figure = f"clean.{head['name']}.chance_corrected"
        curve = {p[0]: p[2] for p in cell.get("curves", {}).get(figure, [])}
        control, end = cell["figures"].get(f"control.{head['name']}.chance_corrected"), cell["figures"].get(figure)
        row = [*("-" if e not in curve else f"{100 * curve[e]:.2f}" for e in epochs),
               "-" if not end else spread_of(end, 100, 2), signed(control and control["mean"], 100)]
        alike.setdefault(kind, []).append((head["name"], end["mean"] if end else None, row))
    for kind, members in alike.items():
        ends = [100 * m[1] for m in members if m[1] is not None]
        if len(members) > MANY and len(ends) == len(members):
            yield [cell["cell"], f"{len(members)} heads, {members[0][0]} to {members[-1][0]}", *kind,
                   *["-"] * len(epochs), f"{statistics.mean(ends):.2f} ({min(ends):.2f} to {max(ends):.2f})", "-"]
        else:
            yield from ([cell["cell"], name, *kind, *row] for name, _, row in members)


def heads(page):
    last = max(cell["epochs"] for cell in page["cells"])
    curves = all("curves" in cell for cell in page["cells"])  # a page has those of few cells
    epochs = sorted(e for e in EPOCHS if e < last) if curves else []
    rows = [row for cell in page["cells"] for row in head_rows(cell, epochs)]
    if not rows:
        return []
    return ["## Random heads", "",
            "Excess random-label accuracy in %, (n·RLA − 1)/(n − 1), on training samples in evaluation mode: mean over "
            "runs, at the end ± standard deviation between them; of more than "
            f"{MANY} heads that are alike mean, least and most. "
            "Control: the same head's on a copy of the network that stays as it was drawn.", "",
            *table(["cell", "head", "n", "at", "λ", *(f"epoch {e}" for e in epochs), "end", "control"], rows)]


def comparisons(page, key, title, note):
    if not page[key]:
        return []
    with_holm = key == "primary"
    head = ["of", "against", "figure", "pairs", "difference", "95% t interval", "BCa", "p"]
    head += ["Holm", "shown", "decision"] * with_holm
    rows = []
    for c in page[key]:
        s = scale_of(c["figure"])
        rows.append([c["of"], c["against"], c["figure"], str(c["pairs"]), signed(c["mean"], s), interval(c["t"], s),
                     interval(c["bca"], s), "-" if c["p"] is None else f"{c['p']:.4f}"])
        if with_holm:
            rows[-1] += ["-" if c["adjusted"] is None else f"{c['adjusted']:.4f}", c["verdict"], c["decision"]]
    return [f"## {title}", "", note, "", *table(head, rows)]


def tuning(page):
    rows = [[c["cell"], ", ".join(f"{k} {float(v):.3g}" for k, v in c["tuned"].items()), str(c["tuning"]["runs"])]
            for c in page["cells"] if c["tuned"]]
    return rows and ["## What the tuning chose", "", f"By {page['tuning_metric']}.", "",
                     *table(["cell", "values", "runs"], rows)]


def warnings(page):
    rows = [[w["signal"].replace("_", " "), str(w["runs"]), str(w["turned"]), str(w["in_time"]), str(w["false"]),
             "-" if w["auroc"] is None else f"{w['auroc']:.3f}", "-" if w["lead"] is None else f"{w['lead']:g}"]
            for w in page["early_warning"] if w["turned"]]
    return rows and ["## Early warning", "",
                     "Does a signal rise before the validation loss turns ([study.md](../study.md))? Lead: epochs from the "
                     "warning to the turn, median; below 0 it came too late.", "",
                     *table(["signal", "runs", "turned", "warned in time", "false alarms", "AUROC", "lead"], rows)]


def cost(page):
    """Of each cell's runs, and beside the cell without random heads that differs in the factor "heads" alone: seed by
    seed, since a machine's mood lasts for minutes."""
    if not page["alone"]:
        return []
    cells, rows = page["cells"], []
    run_of = {(use["cell"], use["seed"]): r for r in page["runs"] if r["state"] == "done"
              for use in r["uses"] if use["trial"] < 0}

    def base_of(cell):
        return next((i for i, c in enumerate(cells) if not any(h["random"] for h in c["heads"]) and
                     all(c["levels"][k] == v for k, v in cell["levels"].items() if k != "heads")), None)

    def more(cell, key):
        """Median and range over seeds, in percent."""
        base = base_of(cells[cell])
        pairs = [(r[key], run_of[base, seed][key]) for (c, seed), r in run_of.items()
                 if c == cell != base and (base, seed) in run_of]
        ratios = [100 * (a / b - 1) for a, b in pairs if a and b]
        return f"{statistics.median(ratios):+.1f} ({min(ratios):+.1f} to {max(ratios):+.1f})" if ratios else "-"

    for i, cell in enumerate(cells):
        timed = [r for (c, _), r in run_of.items() if c == i and r["training_seconds"]]
        if timed:
            epoch = statistics.median(r["training_seconds"] / r["last"] for r in timed)
            share = statistics.median(100 * (r["instrument_seconds"] or 0) / r["seconds"] for r in timed)
            rows.append([cell["cell"], str(len(timed)), f"{epoch:.3f}", more(i, "training_seconds"), more(i, "seconds"),
                         f"{share:.1f}", f"{cell['cost']['peak_bytes'] / 1e6:.2f}"])
    return ["## Cost", "", "Each run had the machine to itself. Medians; of the ratios, which are taken seed by seed, "
            "also the range. Training: the epochs' steps without evaluation; all: the whole run, with start, evaluation "
            "and what the instrument adds; memory: the most that OpenCL was asked for.", "",
            *table(["cell", "runs", "training of an epoch, s", "training, % more", "all, % more",
                    "instrument, % of all", "memory, MB"], rows)]


def document(name, page):
    device = sorted({f"{r['device']} ({r['driver']})" for r in page["runs"]})
    ended = {}
    for r in page["runs"]:
        ended[r["state"]] = ended.get(r["state"], 0) + 1
    lines = [f"# {name}", "", page["question"], "",
             f"{page['done']} of {page['planned']} runs: " + ", ".join(f"{n} {s}" for s, n in sorted(ended.items())) +
             f"; on {', '.join(device)}. Made by `tools/studies.py` from [{name}.jsonl]({name}.jsonl), the finished "
             f"runs of [{name}.yaml]({name}.yaml); the whole page, with curves and each figure's runs, is "
             f"[{name}.html]({name}.html). "
             "Differences are in percentage points, of losses in nats.", ""]
    lines += comparisons(page, "primary", "Declared beforehand",
                         f"Paired by seeds; p by sign flips, adjusted by Holm; alpha {page['alpha']}.")
    lines += results(page) + heads(page) + cost(page) + tuning(page) + warnings(page)
    lines += comparisons(page, "exploration", "Exploration", "Not declared beforehand, not adjusted for their number.")
    return "\n".join(lines)


def make(rote, name, folder):
    with tempfile.TemporaryDirectory() as temporary:
        plan, db = FOLDER / f"{name}.yaml", pathlib.Path(temporary) / "study.db"
        subprocess.run([rote, "study", "import", plan, FOLDER / f"{name}.jsonl", "--db", db], check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run([rote, "report", plan, "--db", db, "-o", folder / f"{name}.html"], check=True,
                       stdout=subprocess.DEVNULL)
    html = (folder / f"{name}.html").read_text()
    page = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S).group(1))
    (folder / f"{name}.md").write_text(document(name, page))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rote", default=FOLDER.parents[1] / "build/rote", type=pathlib.Path)
    parser.add_argument("--out", default=FOLDER, type=pathlib.Path, help="folder of the pages and tables")
    parser.add_argument("names", nargs="*", help="studies; default all that have exported runs")
    args = parser.parse_args()
    for name in args.names or sorted(p.stem for p in FOLDER.glob("*.jsonl")):
        make(args.rote.resolve(), name, args.out)
        print(args.out / f"{name}.html")


if __name__ == "__main__":
    main()
