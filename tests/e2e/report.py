"""The report: of a study, an unfinished one and a run's folder, in a headless Chromium on a phone's and a desk's width,
light and dark: drawn, nothing in the console, nothing over the edge or over something else, numbers those of
`rote study compare`, each with its runs; the same runs give the same bytes."""
import json
import os
import pathlib

from browser import Browser
from e2e import check, main, rote, settings

PLAN = """
name: 'try </script><script>document.title="broken"</script> & more'
question: Does "unlikelihood" <b>help</b> & how much?
base:
  model: mlp
  epochs: 3
  data: {kind: synthetic, height: 8, width: 8, train_count: 240, test_count: 128, validation: 48,
         canaries: 0.1}
  batch: 32
  control: {enabled: true, every: 1}
  heads: [{name: class, kind: class}, {name: early, at: relu1, n: 4}, {name: late, n: 10}]
factors:
- name: regulariser
  levels:
  - {name: none}
  - {name: weak, set: ['heads[2].lambda=1']}
  - {name: '<i>strong</i>', set: ['heads[2].lambda=100']}
  - {name: none-without-canaries, set: [data.canaries=0, 'heads=[{name: class, kind: class}]']}
  - {name: decay, tune: [{key: optimizer.decay, values: [0.01, 0.1]}]}
seeds: [1, 2, 3]
primary:
- {of: regulariser=weak, against: regulariser=none, benefit: 0.9}
- {of: regulariser=decay, against: regulariser=none}
- {figure: test.class.loss, of: 'regulariser=<i>strong</i>', against: regulariser=none, benefit: -0.001}
"""
# Boxes of text: no two that are not within each other have a place in common.
OVERLAPS = """(() => {
  const boxes = [], out = [], walk = document.createTreeWalker(document.getElementById("page"), NodeFilter.SHOW_TEXT);
  for (let n; (n = walk.nextNode());) {
    if (!n.data.trim() || !n.parentElement.checkVisibility()) continue;
    const scroll = n.parentElement.closest(".scroll"), edge = scroll && scroll.getBoundingClientRect().right;
    const range = document.createRange();
    range.selectNodeContents(n);
    for (const b of range.getClientRects())
      if (b.width > 1 && (!scroll || b.left < edge))
        boxes.push({b, text: n.data.trim().slice(0, 30), scroll});
  }
  for (const c of document.querySelectorAll("canvas"))
    boxes.push({b: c.getBoundingClientRect(), text: "canvas " + c.getAttribute("aria-label")});
  boxes.sort((x, y) => x.b.top - y.b.top);
  boxes.forEach((x, i) => {
    for (let k = i + 1; k < boxes.length && boxes[k].b.top < x.b.bottom - 3; k++) {
      const y = boxes[k];
      if (Math.min(x.b.right, y.b.right) - Math.max(x.b.left, y.b.left) > 1 &&
          Math.min(x.b.bottom, y.b.bottom) - y.b.top > 3)
        out.push(x.text + " | " + y.text);
    }
  });
  return [boxes.length, out];
})()"""
WIDE = """[...document.querySelectorAll("#page *")].filter(e => {
  const b = e.getBoundingClientRect();
  return !e.closest("svg, table") && e.checkVisibility() && (b.right > innerWidth + 1 || b.left < -1);
}).map(e => e.outerHTML.slice(0, 90))"""
BLANK = """[...document.querySelectorAll("canvas")].map(c => {
  const p = c.getContext("2d").getImageData(0, 0, c.width, c.height).data, seen = new Set();
  for (let i = 0; i < p.length; i += 4)
    if (p[i + 3] > 200) seen.add(p[i] >> 4 << 8 | p[i + 1] >> 4 << 4 | p[i + 2] >> 4);
  return [c.getAttribute("aria-label"), c.width, seen.size]; })"""
SCREENSHOTS = os.environ.get("SCREENSHOTS")


def looks(page, name, charts):
    for width in (390, 1280):
        for dark in (False, True):
            BROWSER.open(page, width, dark)
            where = f"{name} at {width}, {'dark' if dark else 'light'}"
            check(BROWSER.value("innerWidth") == width, f"{where}: another width")
            BROWSER.value("new Promise(done => setTimeout(done, 150))")
            check(BROWSER.complaints() == [], f"{where}: {BROWSER.complaints()}")
            check(BROWSER.value("document.documentElement.scrollWidth") <= width, f"{where}: scrolls sideways")
            check(BROWSER.value(WIDE) == [], f"{where}: over the edge: {BROWSER.value(WIDE)[:3]}")
            boxes, over = BROWSER.value(OVERLAPS)
            check(boxes > 50 and over == [], f"{where}: {boxes} boxes, overlapping: {over[:5]}")
            blank = BROWSER.value(BLANK)
            check(len(blank) >= charts and all(w > 100 and colours > 2 for _, w, colours in blank), f"{where}: {blank}")
            background = BROWSER.value("getComputedStyle(document.body).backgroundColor")
            check((background == "rgb(255, 255, 255)") != dark, f"{where}: {background}")
            if SCREENSHOTS:
                BROWSER.screenshot(pathlib.Path(SCREENSHOTS) / f"{name}-{width}-{'dark' if dark else 'light'}.png")


def numbers(within):
    return BROWSER.value(f"[...document.querySelectorAll({json.dumps(within + ' [data-v]')})].map(e => +e.dataset.v)")


def texts(selector):
    return BROWSER.value(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent)")


def has(numbers, value):
    return any(abs(n - value) <= 1e-9 + 1e-8 * abs(value) for n in numbers)


def of_a_study(folder):
    plan, page = folder / "a.yaml", folder / "a.html"
    plan.write_text(PLAN)
    rote("study", "run", plan, "--quiet")
    out, _ = rote("report", plan, "-o", page)
    check(out.strip() == str(page), out)
    first = page.read_bytes()
    rote("report", plan, "--out", page, "--db", folder / "a.db")
    check(page.read_bytes() == first, "another page the second time")
    check(rote("report", plan, "-o", "-")[0].encode() == first, "another page on standard output")
    text = first.decode()
    check("MIT" in text and "Permission is hereby granted" in text and "Chart.js v" in text, "Chart.js's licence")
    told = json.loads(rote("study", "compare", plan, "--json")[0])
    runs = {json.loads(line)["key"] for line in rote("study", "export", plan)[0].splitlines()}
    looks(page, "study", 9)
    BROWSER.value("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    check(BROWSER.value("document.querySelector('h1').textContent").startswith("try </script>"), "the name as it is")
    check("<i>strong</i>" in BROWSER.value("document.body.innerText"), "a level's name is not shown as it is")
    check(BROWSER.value("document.querySelector('#page i:not([class]), #page .question b, #page script') === null"),
          "markup got through")
    for i, d in enumerate(told["primary"]):
        got = numbers(f"#verdict-{i} + p")
        check(all(has(got, v) for v in (d["mean"], *d["t"], *d["bca"], d["p"], d["adjusted"])), f"{d}: {got}")
    got = numbers("#differences")
    check(all(has(got, v) for d in told["exploration"] for v in (d["mean"], *d["t"])), "exploration")
    got = numbers("#results")
    for cell in told["cells"]:
        mean = sum(r["figures"]["test.class.accuracy"] for r in cell["runs"]) / len(cell["runs"])
        check(has(got, mean), f"{cell['cell']}: {mean} is not among {got}")
    verdicts = [c.lstrip("\u2713\u2715\u2026 ") for c in texts("#decision .chip")]
    check(verdicts[:2] == ["no-go", "no threshold"] and verdicts[2] in ("extend", "no-go"), f"{verdicts}")
    check("at least 7 are needed" in BROWSER.value("document.querySelector('#decision').innerText").replace("\n", " "),
          "that three seeds are too few")
    links = BROWSER.value("[...document.querySelectorAll('.keys a')].map(a => a.getAttribute('href'))")
    check({k.removeprefix("#run-") for k in links} <= runs and len(links) > 60, f"links to no run: {links[:3]}")
    rows = BROWSER.value("[...document.querySelectorAll('#runs tbody tr')].map(r => r.id)")
    check(set(rows) == {f"run-{k}" for k in runs}, "runs are missing")
    sections = BROWSER.value("[...document.querySelectorAll('section')].map(s => s.id)")
    check({"decision", "results", "differences", "lambda", "memorisation", "curves", "layers", "canaries", "warning", "cost",
           "tuning", "card", "runs", "reading", "missing"} == set(sections), f"{sections}")
    beyond = BROWSER.value("""(() => {
      const near = {...R.primary[0], mean: 0.01, t: [0, 0.02], bca: [0, 0.02], benefit: null};
      const far = {...near, mean: -0.5, t: [-0.6, -0.4], bca: [-0.6, -0.4]}, drawn = forest([...Array(20).fill(near), far]);
      return [drawn.querySelectorAll(".mean").length, [...drawn.querySelectorAll(".beyond")].map(e => e.textContent)];
    })()""")
    check(beyond == [20, ["\u25c2"]], f"one of 21 lies beyond the axis: {beyond}")
    BROWSER.pdf(folder / "a.pdf")
    check((folder / "a.pdf").stat().st_size > 50000, "it does not print")


def changed(folder):
    """Figures that this version does not measure, as another might export them; a diverged and a missing run."""
    lines = [json.loads(s) for s in rote("study", "export", folder / "a.yaml")[0].splitlines()]
    told = json.loads(rote("study", "compare", folder / "a.yaml", "--json")[0])
    none, weak = ([r["key"] for r in c["runs"]] for c in told["cells"][:2])
    for r in lines:
        r["figures"] += [[3, "test", "class", "ece", 0.125], [3, "shifted", "all", "accuracy", 0.4375]]
        r["figures"] += [[3, "shifted", "blur", f"severity{s}", 0.5 - s / 20] for s in range(1, 6)]
        if r["key"] == weak[0]:
            r.update(state="diverged", error="the loss is no number", figures=[])
    (folder / "b.yaml").write_text(PLAN)
    (folder / "b.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines if r["key"] != none[2]))
    rote("study", "import", folder / "b.yaml", folder / "b.jsonl")
    rote("report", folder / "b.yaml", "-o", folder / "b.html")
    looks(folder / "b.html", "unfinished", 9)
    text = BROWSER.value("document.body.innerText")
    check("This study is unfinished" in text and "diverged" in text, "what is unfinished")
    check({c.strip("\u2026 ") for c in texts("#decision .chip")} == {"unfinished"}, text)
    check(has(numbers("#results"), 0.125) and has(numbers("#shifted"), 0.25), "ECE and shifted data")


def of_a_run(folder):
    common = settings(model="mlp", data__kind="synthetic", data__train_count=256, data__test_count=64, batch=32,
                      epochs=2)
    rote("train", *common, "--canaries", "0.1", "--set", "shifted=true", "--out", folder / "run&1", "--quiet")
    rote("report", folder / "run&1", "-o", folder / "run.html")
    summary = json.loads((folder / "run&1/summary.json").read_text())
    looks(folder / "run.html", "run", 4)
    got = numbers("#page")
    check(has(got, summary["test_accuracy"]) and has(got, summary["canaries"]["measures"]["margin"]["auroc"]), f"{got}")
    check(has(got, summary["shifted_accuracy"]) and has(got, summary["shifted"]["blur"][4]), f"shifted: {got}")
    check(has(got, summary["test_ece"]), f"ECE: {got}")
    check("One run cannot tell" in BROWSER.value("document.body.innerText"), "of one run")
    check(BROWSER.value("document.querySelector('#decision') === null"), "one run decides something")
    check(BROWSER.value("document.querySelector('h1').textContent") == "run&1", "the run's name")
    (folder / "run&1/summary.json").unlink()
    log = (folder / "run&1/log.csv").read_text().splitlines(True)
    (folder / "run&1/log.csv").write_text("".join(s for s in log if s.split(",")[1] in ("epoch", "0", "1")))
    rote("report", folder / "run&1/", "-o", folder / "half.html")
    looks(folder / "half.html", "half", 3)
    check("not at its end" in BROWSER.value("document.body.innerText"), "that the run is not at its end")


def wrong(folder):
    for arguments, code, said in (
            ((), 2, "say of what"), ((folder / "a.yaml", "more"), 2, "unexpected argument 'more'"),
            ((folder,), 1, "config.yaml"),
            ((folder / "no.yaml",), 1, "no.yaml"), ((folder / "a.yaml", "--db", folder / "no.db"), 1, "no database"),
            ((folder / "run&1", "--db", folder / "a.db"), 2, "folder"),
            ((folder / "a.yaml", "--outt", "x"), 2, "nearest: --out"),
            ((folder / "a.yaml", "-o", folder / "no/x.html"), 1, "cannot write")):
        _, error = rote("report", *arguments, code=code)
        check(said in error, f"{arguments}: {error}")


def without_runs(folder):
    (folder / "e.yaml").write_text("name: empty\nbase: {model: mlp, data: {kind: synthetic}}\n")
    rote("report", folder / "e.yaml", "-o", folder / "e.html")
    BROWSER.open(folder / "e.html", 390)
    text = BROWSER.value("document.body.innerText")
    text = text.replace("\n", " ")
    check(BROWSER.complaints() == [] and "unfinished" in text and "no primary comparison" in text, text)


with Browser() as BROWSER:
    main(of_a_study, changed, of_a_run, wrong, without_runs)
