/* What cells show: tables, differences, lambda, curves, maps. A section without data is not there; what is missing
 * is said at the end of the page. */
const shown = R.cells.filter(c => c.curves);
const withRuns = R.cells.filter(c => c.runs.length);
const missing = [];
function section(id, title, ...content) {
  return h("section", {id, "data-title": title}, h("h2", {}, title), content);
}

/* A long table is shut, so that the page can be read. */
const folded = (rows, what, t) => rows > 40 ? h("details", {}, h("summary", {}, "all " + rows + " " + what), t) : t;

function results() {
  const outcomes = [
    "test." + mainHead + ".accuracy", "validation." + mainHead + ".accuracy", "shifted.all.accuracy",
    "test." + mainHead + ".ece", "test." + mainHead + ".loss", "clean." + mainHead + ".accuracy"
  ].filter(f => R.cells.some(c => c.figures[f]));
  if (!R.cells.some(c => c.figures["shifted.all.accuracy"]))
    missing.push("accuracy on shifted data (shifted: true in the configuration)");
  if (!R.cells.some(c => c.figures["test." + mainHead + ".ece"]))
    missing.push("calibration (ECE)");
  return section("results", "Results",
      h("p", {},
          "Mean over runs \u00b1 standard deviation between runs, after the last epoch, " +
              "not the best one."),
      table([R.folder ? "run" : "cell", "runs", ...outcomes.map(figureName)],
          R.cells.map(c => [cellName(c), keys(c.runs, c.runs.length + (R.folder ? "" : " of " + R.seeds.length)),
                          ...outcomes.map(f => meanAndDeviation(figureOf(c, f), f))])));
}

function memorisation() {
  const rows = R.cells.flatMap(c => headsOf([c]).map(x => {
    const f = w => figureOf(c, w.replace("*", x.name)), show = w => meanAndDeviation(f(w), w);
    return [
      h("span", {}, cellName(c), ": ", headName(x)), keys(c.runs, "" + c.runs.length), one(x.lambda),
      show("clean.*.accuracy"), x.given ? "\u2013" : percent(1 / x.n), show("clean.*.chance_corrected"),
      show("test.*.accuracy"),
      show("control.*.accuracy")
    ];
  }));
  if (!rows.length)
    missing.push("random heads, and with them everything about memorisation");
  else if (!R.cells.some(c => c.heads.some(x => c.figures["control." + x.name + ".accuracy"])))
    missing.push("the control, a head on the network's initial values (control.enabled)");
  return rows.length
      && section("memorisation", "Memorisation",
          h("p", {},
              "RLA: accuracy of a random head on the random labels of " +
                  "training samples. Excess RLA is what is above chance, (n\u00b7RLA \u2212 1)/(n "
                      + "\u2212 1): 0% at chance, 100% when all are known. "
                  +
                  "Held out is on test samples and should be at chance. A part of RLA is the head's "
                      + "own doing: the control shows how much."),
          folded(rows.length, "heads",
              table(["head", "runs", "\u03bb", "RLA", "chance", "excess RLA", "held out", "control"], rows)));
}

/* --- forest plot ---------------------------------------------------------------------- */
function nice(span) {
  const p = 10 ** Math.floor(Math.log10(span / 4));
  return [1, 2, 5, 10].map(k => k * p).find(s => span / s <= 7);
}
/* What a row reaches. An axis covers all of them, but for those far beyond what nine tenths of many need. */
const reach = d => Math.max(...[d.mean, ...d.t, ...d.bca, d.benefit].filter(known).map(Math.abs));
function forest(list, primary) {
  const f = list[0].figure, reaches = list.map(reach).sort((a, b) => a - b);
  const usual = reaches[Math.floor(0.9 * (reaches.length - 1))], most = reaches[reaches.length - 1];
  const end = list.length > 7 && usual && most > 5 * usual ? 1.5 * usual : most;
  const within = v => Math.min(end, Math.max(-end, v));
  const ends = list.flatMap(d => [d.mean, ...d.t, ...d.bca, d.benefit]).filter(known).map(within);
  let low = Math.min(0, ...ends), high = Math.max(0, ...ends);
  const pad = 0.06 * (high - low || 1);
  low -= pad;
  high += pad;
  const at = v => 100 * (within(v) - low) / (high - low) + "%";
  const bar = (name, pair) => known(pair[0])
      && h("i", {class: name, style: "left:" + at(pair[0]) + ";right:" + (100 - parseFloat(at(pair[1]))) + "%"});
  const mean = d => Math.abs(d.mean) > end ?
      h("span", {class: "beyond", style: "left:" + at(d.mean), title: "beyond the axis"},
          d.mean < 0 ? "\u25c2" : "\u25b8") :
      h("i", {class: "mean", style: "left:" + at(d.mean)});
  const step = nice(high - low), ticks = [];
  for (let k = Math.ceil((low + pad) / step); k * step <= high - pad / 2; k++) ticks.push(k * step);
  const rows = list.map(
      d => h("div", {class: "row"}, h("div", {}, pairName(d)),
          h("div", {class: "strip" + (primary ? "" : " weak")}, h("i", {class: "zero", style: "left:" + at(0)}),
              d.benefit ? h("i", {class: "want", style: "left:" + at(d.benefit)}) : null, bar("t", d.t),
              bar("bca", d.bca), mean(d)),
          h("div", {}, difference(d.mean, f), known(d.t[0]) ? [" (", interval(d.t, f), ")"] : "",
              keys(pairKeys(d), count(d.pairs, "pair")))));
  return h("div", {class: "forest"}, rows,
      h("div", {class: "row axis"}, h("div", {}),
          h("div", {class: "strip"},
              ticks.map(
                  v => h("span", {style: "left:" + at(v)},
                      minus(bareDifference(+v.toPrecision(6), f).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ""))))),
          h("div", {}, unit(f) ? "percentage points" : "")));
}
/* What shares an axis: a figure, and of exploration what the two cells differ in. */
function axesOf(list, primary) {
  const groups = new Map();
  for (const d of list.filter(x => known(x.mean))) {
    const title = "Difference in " + figureName(d.figure) + (primary ? ", declared beforehand" : ", exploration") +
        (primary || varying.length < 2 ? "" : ": " + apart(d).join(", "));
    groups.set(title, [...(groups.get(title) || []), d]);
  }
  return [...groups];
}
function differences() {
  const draw = (list, primary) =>
      axesOf(list, primary).map(([title, of]) => [h("h3", {}, title), forest(of, primary)]);
  const content = [draw(R.primary, true), draw(R.exploration, false)].flat(9);
  if (!content.length && !R.folder)
    missing.push("differences: no two cells have runs of the same seed");
  return content.length
      && section("differences", "Paired differences",
          h("p", {},
              "Dot: mean difference over pairs of runs that " +
                  "share a seed. Thick: " + level
                  + " t interval of the mean. Thin, below it: BCa bootstrap interval. The vertical line is no " +
                  "difference",
              R.primary.some(d => d.benefit) ? ", the dashed one the benefit that was declared worth it" : "", ".",
              R.exploration.length ? " Nothing of exploration is shown by itself." : "",
              " An arrow: it lies beyond the axis."),
          content);
}

/* --- lambda ----------------------------------------------------------------------------- */
function lambdas() {
  const groups = new Map();
  withRuns.filter(c => known(c.lambda)).forEach(c => groups.set(c.group, [...(groups.get(c.group) || []), c]));
  const push = x => x.name + ": " + x.loss + (x.schedule === "constant" ? "" : ", " + x.schedule);
  const lossOf = c => [...new Set(c.heads.filter(x => x.lambda).map(push))].join(" and ");
  const drawn = [];
  groups.forEach(all => {
    const losses = [...new Set(all.filter(c => c.lambda).map(lossOf))];
    losses.forEach(loss => {
      const cells = all.filter(c => !c.lambda || lossOf(c) === loss).sort((a, b) => a.lambda - b.lambda);
      if (new Set(cells.map(c => c.lambda)).size > 1)
        drawn.push({cells, loss: losses.length > 1 ? loss : ""});
    });
  });
  if (!drawn.length) {
    if (!R.folder)
      missing.push("\u03bb against accuracy and memorisation: no cells differ in \u03bb alone");
    return null;
  }
  const compared = drawn.flatMap(g => g.cells);
  const levels = [...new Set(compared.map(c => c.lambda))].sort((a, b) => a - b), labels = levels.map(short3);
  const same = g => varying.filter(f => new Set(g.cells.map(c => c.levels[f])).size === 1);
  const name = g => [levelsOf(g.cells[0], same(g)), g.loss].filter(Boolean).join(", ") || "all else equal";
  const series = (figures) => drawn
                                  .flatMap(g => figures.map(([f, word]) => ({
                                    name: [drawn.length > 1 || !word ? name(g) : "", word].filter(Boolean).join(", "),
                                    cells: g.cells,
                                    figure: f
                                  })))
                                  .filter(s => s.cells.some(c => c.figures[s.figure]))
                                  .slice(0, 8);
  function chart(title, list) {
    const ends = list.flatMap(s => s.cells.map(c => c.figures[s.figure]).filter(Boolean).flatMap(f => [f.min, f.max]));
    const make = () => ({
      data: {
        labels,
        datasets: list.map((s, i) => {
          const f = levels.map(l => {
            const c = s.cells.find(x => x.lambda === l);
            return c && c.figures[s.figure];
          });
          return line(i, s.name, f.map(x => x ? x.mean : null),
              {pointRadius: 4, spanGaps: true, whiskers: f.map(x => x && [x.min, x.max])});
        })
      },
      x: axis("\u03bb (levels equally spaced)", false, {type: "category", offset: true}),
      y: axis(title, true, {suggestedMin: Math.min(...ends), suggestedMax: Math.max(...ends), grace: "5%"})
    });
    const fig = plot(title, make);
    fig.append(legend(list.map(s => s.name)));
    return fig;
  }
  const split = compared.some(c => c.figures["test." + mainHead + ".accuracy"]) ? "test" : "validation";
  const accuracy = series([[split + "." + mainHead + ".accuracy", ""]]);
  const rla = series(headsOf(compared).map(x => ["clean." + x.name + ".chance_corrected", headName(x)]));
  return section("lambda", "\u03bb against accuracy and memorisation",
      h("p", {},
          "Means over runs; whiskers reach from the least to the " +
              "most of them. What a regulariser is for is to lower the right figure without lowering the left one."),
      h("div", {class: "grid"}, chart(split + " accuracy", accuracy), rla.length ? chart("excess RLA", rla) : null),
      keys(compared.flatMap(c => c.runs)));
}

/* --- curves ----------------------------------------------------------------------------- */
function curves() {
  const cells = shown.filter(c => Object.keys(c.curves).length);
  if (!cells.length)
    return null;
  const heads = headsOf(cells), many = f => cells.some(c => (c.curves[f] || []).length > 1);
  const split = what => { /* the test split may be touched at the end alone */
    const of = ["validation", "test"].map(part => part + "." + mainHead + "." + what);
    return of.some(many) ? of.filter(many) : of;
  };
  const figures = [
    ...split("accuracy"), "clean." + mainHead + ".accuracy", ...split("loss"), ...split("ece").filter(many),
    ...heads.slice(0, 4).map(x => "clean." + x.name + ".chance_corrected")
  ];
  const lastEpoch = Math.max(...cells.flatMap(c => Object.values(c.curves).map(rows => rows[rows.length - 1][0])));
  const chart = f => plot(figureName(f), () => ({
    data: {
      datasets: cells.flatMap((c, i) => {
        const rows = c.curves[f] || [];
        return [
          line(i, short(c), rows.map(r => ({x: r[0], y: r[2]}))),
          ...(rows.some(r => r[1] > 1) ? band(i, rows.map(r => [r[0], r[3], r[4]])) : [])
        ];
      })
    },
    x: axis("epoch", false,
        {type: "linear", min: lastEpoch > 1 ? 1 : 0, ticks: {color: style("--muted"), precision: 0, maxRotation: 0}}),
    y: axis(isShare(f) ? figureName(f).replace(/^excess RLA.*/, "excess RLA") : "nats", isShare(f),
        isShare(f) ? {} : {type: scaleOf(cells.flatMap(c => (c.curves[f] || []).flatMap(r => [r[3], r[4]])))})
  }));
  const drawn = figures.filter(f => cells.some(c => c.curves[f]));
  return section("curves", "Curves",
      h("p", {},
          "Lines are means over a cell's runs after each epoch"
              + (R.folder ? " (here one run). " : "; the tint reaches from the least to the most of them. "),
          cells.length < R.cells.length ? "Drawn are " + cells.length + " of " + R.cells.length
                  + " cells, those of declared comparisons first; the tables have all. " :
                                          "",
          heads.length > 4 ? "Drawn are the 4 shallowest of " + heads.length + " random heads. " : ""),
      legend(cells.map(c => breakable(short(c)))), h("div", {class: "grid"}, drawn.map(chart)),
      keys(cells.flatMap(c => c.runs)));
}

function layerMap() {
  const cells =
      shown.filter(c => headsOf([c]).some(x => (c.curves["clean." + x.name + ".chance_corrected"] || []).length > 1));
  const rowsOf = (c, x) => c.curves["clean." + x.name + ".chance_corrected"] || [];
  if (!cells.length)
    return null;
  const most = Math.max(0.01, ...cells.flatMap(c => headsOf([c]).flatMap(x => rowsOf(c, x).map(r => r[2]))));
  const one = c => {
    const heads = headsOf([c]).filter(x => rowsOf(c, x).length),
          epochs = Math.max(...heads.map(x => rowsOf(c, x).length));
    return h("figure", {}, h("h3", {}, cellName(c)),
        h("div", {class: "map"}, heads.map(x => {
          const means = rowsOf(c, x).map(r => r[2]);
          return [
            h("div", {class: "label"}, h("b", {}, x.at), " ", x.name + (x.n ? ", n\u00a0=\u00a0" + x.n : "")),
            strip(means, most),
            h("div", {class: "n"}, value(means[means.length - 1], "accuracy"))
          ];
        }),
            h("div", {}), h("div", {class: "ends"}, h("span", {}, "epoch 1"), h("span", {}, "" + epochs)),
            h("div", {class: "muted"}, "at end")),
        keys(c.runs));
  };
  const scale = svg("svg",
      {viewBox: "0 0 60 1", preserveAspectRatio: "none", "shape-rendering": "crispEdges", "aria-hidden": "true"});
  for (let i = 0; i < 60; i++) scale.append(svg("rect", {x: i, y: 0, width: 1, height: 1, fill: tint(i / 59)}));
  return section("layers", "Memorisation by layer and epoch",
      h("p", {},
          "Excess RLA, mean over a cell's runs; the shallowest layer " +
              "first, one row a random head. Heads with different n do not compare in colour.",
          cells.length < R.cells.length ? " Drawn are " + cells.length + " of " + R.cells.length + " cells." : ""),
      h("div", {class: "scale"}, h("span", {}, "0% or less"), scale, value(most, "accuracy")),
      h("div", {class: "grid"}, cells.map(one)));
}
