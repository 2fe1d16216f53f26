#!/usr/bin/env python3
"""Draws a run's random-label accuracies over its epochs as SVG, standard library only:
   python3 tools/figure.py RUN > figure.svg"""
import json
import pathlib
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 380, 56, 40, 170, 44
COLOURS = ("#0b6e99", "#d9480f", "#2b8a3e", "#862e9c", "#c92a2a", "#5c7cfa")


def curves(run):
    lines = [json.loads(line) for line in (pathlib.Path(run) / "log.jsonl").read_text().splitlines()]
    epochs = [line for line in lines if line["type"] == "epoch"]
    heads = [name for name, f in epochs[0]["clean"].items() if "chance_corrected" in f]
    return [e["epoch"] for e in epochs], {h: ([e["clean"][h]["accuracy"] for e in epochs],
                                              [e["test"][h]["accuracy"] for e in epochs]) for h in heads}


def draw(run):
    epochs, heads = curves(run)
    top = min(10, int(max(max(a) for a, _ in heads.values()) * 10) + 1) / 10
    inner_w, inner_h = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(e):
        return LEFT + inner_w * (e - epochs[0]) / max(1, epochs[-1] - epochs[0])

    def y(a):
        return TOP + inner_h * (1 - a / top)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
           'font-size="12"><rect width="100%" height="100%" fill="white"/>',
           f'<text x="{LEFT}" y="22" font-size="15">Random-label accuracy by epoch</text>']
    for i in range(round(top * 10) + 1):
        a = i / 10
        out.append(f'<line x1="{LEFT}" x2="{LEFT + inner_w}" y1="{y(a):.1f}" y2="{y(a):.1f}" stroke="#e5e5e5"/>'
                   f'<text x="{LEFT - 6}" y="{y(a) + 4:.1f}" text-anchor="end">{100 * a:.0f}%</text>')
    ticks = 5
    for i in range(ticks + 1):
        e = round(epochs[0] + (epochs[-1] - epochs[0]) * i / ticks)
        out.append(f'<text x="{x(e):.1f}" y="{TOP + inner_h + 18}" text-anchor="middle">{e}</text>')
    out.append(f'<text x="{LEFT + inner_w / 2}" y="{HEIGHT - 8}" text-anchor="middle">epoch</text>')
    ends = []
    for i, (name, (clean, held_out)) in enumerate(heads.items()):
        colour = COLOURS[i % len(COLOURS)]
        for values, dash in ((clean, ""), (held_out, ' stroke-dasharray="2 4"')):
            points = " ".join(f"{x(e):.1f},{y(a):.1f}" for e, a in zip(epochs, values))
            out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>')
        ends.append([y(clean[-1]), name, colour])
    ends.sort()
    for i in range(1, len(ends)):
        ends[i][0] = max(ends[i][0], ends[i - 1][0] + 15)
    for at, name, colour in ends:
        out.append(f'<text x="{LEFT + inner_w + 8}" y="{at + 4:.1f}" fill="{colour}">{escape(name)}</text>')
    out.append(f'<text x="{LEFT + inner_w + 8}" y="{TOP + 4}" fill="#666">dotted: held out</text></svg>')
    return "\n".join(out)


if len(sys.argv) != 2:
    sys.exit(__doc__)
print(draw(sys.argv[1]))
