"use strict";
/* What the page is made of: elements, numbers in words, drawings. Text of a study only ever becomes text nodes. */
const R = JSON.parse(document.getElementById("data").textContent);

function h(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {}))
    if (value !== null && value !== undefined && value !== false)
      e.setAttribute(key, value);
  e.append(...children.flat(9).filter(c => c !== null && c !== undefined && c !== false));
  return e;
}
function svg(tag, attributes, ...children) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes || {})) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

/* --- numbers ------------------------------------------------------------------------ */
const known = v => typeof v === "number" && isFinite(v);
const isShare = figure => /accuracy|ece|chance_corrected|auroc|auprc|severity|tpr_/.test(figure);
const lowIsGood = figure => /\.(loss|ece)$/.test(figure);
function plain(v) {
  const a = Math.abs(v);
  return Number.isInteger(v) || a >= 1000 ? v.toFixed(0) :
      a >= 100                            ? v.toFixed(1) :
      a >= 1                              ? v.toFixed(2) :
      a >= 0.001                          ? v.toPrecision(3) :
                                            v.toExponential(1);
}
const minus = text => text.replace(/^-/, "\u2212");
const span = (v, text) => h("span", {class: "num", "data-v": known(v) ? v : null}, known(v) ? minus(text) : "\u2013");
const bare = (v, figure) => isShare(figure) ? (100 * v).toFixed(2) : Math.abs(v) < 100 ? v.toFixed(3) : plain(v);
const value = (v, figure) => span(v, !known(v) ? "" : bare(v, figure) + (isShare(figure) ? "%" : ""));
const signed = (v, text) => (v > 0 ? "+" : "") + text;
const bareDifference = (v, figure) => !known(v) ? "" : signed(v, isShare(figure) ? (100 * v).toFixed(2) : plain(v));
const difference = (v, figure) => span(v, bareDifference(v, figure));
const unit = figure => isShare(figure) ? "points" : "";
const interval = (pair, figure) =>
    known(pair[0]) ? [difference(pair[0], figure), " to ", difference(pair[1], figure)] : ["\u2013"];
const probability = p => span(p, !known(p) ? "" : p < 0.0001 ? p.toExponential(1) : p.toFixed(4));
const percent = v => span(v, known(v) ? (100 * v).toFixed(1) + "%" : "");
const short3 = v =>
    Math.abs(v) >= 1e-4 && Math.abs(v) < 1e6 ? String(+v.toPrecision(3)) : plain(v); /* without zeros at the end */
const one = v => span(v, known(v) ? short3(v) : "");
function time(s) {
  const text = !known(s) ? "" :
      s < 1              ? s.toPrecision(2) + " s" :
      s < 120            ? s.toFixed(1) + " s" :
      s < 7200           ? (s / 60).toFixed(1) + " min" :
                           (s / 3600).toFixed(1) + " h";
  return span(s, text);
}
function energy(j) {
  return span(j,
      !known(j)     ? "" :
          j < 1000  ? plain(j) + " J" :
          j < 3.6e6 ? (j / 1000).toFixed(1) + " kJ" :
                      (j / 3.6e6).toFixed(2) + " kWh");
}
const mebibytes = b => span(b || NaN, (b / 1048576).toFixed(1) + " MiB");
const count = (n, one, many) => n + " " + (n === 1 ? one : many || one + "s");

/* --- names -------------------------------------------------------------------------- */
const cellNamed = {};
R.cells.forEach((c, i) => {
  cellNamed[c.cell] = c;
  c.index = i;
});
const factors = Object.keys(R.cells[0].levels);
const varying = factors.filter(f => new Set(R.cells.map(c => c.levels[f])).size > 1);
/* What tells cells apart: of one factor that varies the level, of several "factor=level/factor=level". */
const levelsOf = (c, of) => of.map(f => (varying.length > 1 ? f + "=" : "") + c.levels[f]).join("/");
const short = c => levelsOf(c, varying) || (R.folder ? R.name : "all runs");
function breakable(name) { /* a line may end after these signs */
  return name.split(/(?<=[/=])/).flatMap((part, i) => i ? [h("wbr"), part] : [part]);
}
const cellName = c => h("span", {title: c.cell}, breakable(short(c)));
/* What a run was set to, of keys that begin so; the first run stands for a cell's. */
const assigned = {};
R.runs.forEach(r => assigned[r.key] = (r.assignments || "").split("\n"));
const settings = (c, keys) => (assigned[c.runs[0]] || []).filter(x => keys.test(x)).join("\n") || c.network;
const networkOf = c => settings(c, /^(model|layers)\b/);
const classHeads = [...new Set(R.cells.flatMap(c => c.heads.filter(x => !x.random).map(x => x.name)))];
const mainHead = classHeads[0];
function headsOf(cells) { /* random heads by name, the shallowest first */
  const heads = new Map();
  cells.forEach(c => c.heads.forEach(x => x.random && !heads.has(x.name) && heads.set(x.name, x)));
  return [...heads.values()].sort((a, b) => a.depth - b.depth);
}
const headName = x => x.name + " at " + x.at + (x.per_class ? ", per class" : "") + (x.given ? ", labels given" : "")
    + (x.n ? ", n\u00a0=\u00a0" + x.n : "");
function figureName(figure) {
  const [part, head] = figure.split("."), what = figure.slice(part.length + head.length + 2);
  const of = classHeads.length > 1 || !classHeads.includes(head) ? " (" + head + ")" : "";
  const words = {
    "test.accuracy": "test accuracy" + of,
    "test.loss": "test loss" + of,
    "validation.accuracy": "validation accuracy" + of,
    "validation.loss": "validation loss" + of,
    "test.ece": "calibration error on test data, ECE" + of,
    "validation.ece": "calibration error on validation data, ECE" + of,
    "clean.accuracy": "training accuracy" + of,
    "clean.loss": "training loss" + of,
    "clean.chance_corrected": "excess RLA of head " + head
  };
  const labels = {
    "clean.accuracy": "RLA",
    "clean.loss": "random-label loss",
    "control.accuracy": "the control's RLA",
    "test.accuracy": "RLA on test samples",
    "validation.accuracy": "RLA on validation samples"
  };
  if (figure === "shifted.all.accuracy")
    return "accuracy on shifted test data";
  if (labels[part + "." + what] && headsOf(R.cells).some(x => x.name === head && !x.given))
    return labels[part + "." + what] + " of head " + head;
  return words[part + "." + what] || figure;
}
const figureOf = (c, figure) => c.figures[figure] || {n: 0};
/* "92.31% ± 0.20", the deviation over runs. */
function meanAndDeviation(f, figure) {
  if (!f.n)
    return ["\u2013"];
  return [value(f.mean, figure), known(f.sd) ? [" \u00b1 ", span(f.sd, bare(f.sd, figure))] : ""];
}

/* Links to the runs that a number comes from. */
function keys(all, label) {
  const list = [...new Set(all)];
  if (!list.length)
    return h("span", {class: "muted"}, "no runs");
  return h("details", {class: "keys"}, h("summary", {}, label || count(list.length, "run")),
      list.map(k => [h("a", {href: "#run-" + k}, k), " "]));
}
function table(head, rows, named = 1) {
  const cell = (tag, x, i) => h(tag, {class: i < named ? "name" : "n"}, x);
  return h("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": "table"},
      h("table", {}, h("thead", {}, h("tr", {}, head.map((x, i) => h("th", {class: i < named ? null : "n"}, x)))),
          h("tbody", {}, rows.map(row => h("tr", {id: row.id}, (row.cells || row).map((x, i) => cell("td", x, i)))))));
}

/* --- charts ------------------------------------------------------------------------- */
const light = ["#0072b2", "#d55e00", "#00815e", "#b8588f", "#946a00", "#4aa3d8", "#6a4fa3", "#555555"];
const dark = ["#56b4e9", "#f08a4b", "#35c9a0", "#e29ac4", "#e3c440", "#9bb8ff", "#c79bff", "#bbbbbb"];
const dashes = [[], [7, 3], [2, 2], [9, 3, 2, 3], [12, 4], [4, 4], [1, 3], [6, 2, 2, 2]];
const shapes = ["circle", "rect", "triangle", "rectRot", "crossRot", "star", "rectRounded", "cross"];
const scheme = window.matchMedia("(prefers-color-scheme: dark)");
const paper = window.matchMedia("print");
let printing = false;
const isDark = () => scheme.matches && !printing && !paper.matches;
const colour = i => (isDark() ? dark : light)[i % 8];
const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const charts = [];

function block(i) {
  const box = svg("rect", {width: 12, height: 12});
  charts.push({draw: () => box.setAttribute("fill", colour(i))});
  return svg("svg", {width: 12, height: 12, "aria-hidden": "true"}, box);
}
function swatch(i) {
  const line =
      svg("line", {x1: 0, x2: 30, y1: 6, y2: 6, "stroke-width": 2.5, "stroke-dasharray": dashes[i % 8].join(" ")});
  charts.push({draw: () => line.setAttribute("stroke", colour(i))});
  return svg("svg", {width: 30, height: 12, "aria-hidden": "true"}, line);
}
const legend = names => h("ul", {class: "legend"}, names.map((n, i) => h("li", {}, swatch(i), h("span", {}, n))));

/* Whiskers from least to most at each point of datasets that have `whiskers`. */
const whiskers = {
  id: "whiskers",
  afterDatasetsDraw(chart) {
    const c = chart.ctx, y = chart.scales.y;
    chart.data.datasets.forEach((d, i) => {
      if (!d.whiskers)
        return;
      c.save();
      c.strokeStyle = d.borderColor;
      c.lineWidth = 1.5;
      chart.getDatasetMeta(i).data.forEach((point, k) => {
        const w = d.whiskers[k];
        if (!w)
          return;
        const low = y.getPixelForValue(w[0]), high = y.getPixelForValue(w[1]);
        c.beginPath();
        c.moveTo(point.x, low);
        c.lineTo(point.x, high);
        for (const end of [low, high]) {
          c.moveTo(point.x - 4, end);
          c.lineTo(point.x + 4, end);
        }
        c.stroke();
      });
      c.restore();
    });
  }
};

function axis(title, percentages, more) {
  return {
    title: {display: true, text: title, color: style("--muted")},
    grid: {color: style("--grid")},
    ticks: {
      color: style("--muted"),
      maxRotation: 0,
      autoSkipPadding: 14,
      ...(percentages ? {callback: v => +(100 * v).toFixed(2) + "%"} : {})
    },
    ...more
  };
}
/* `make` gives type, data, x and y axes in today's colours. */
function plot(title, make, words, className = "") {
  const canvas = h("canvas", {role: "img", "aria-label": title});
  const state = {
    chart: null,
    draw() {
      const m = make();
      if (state.chart)
        state.chart.destroy();
      state.chart = new Chart(canvas, {
        type: m.type || "line",
        data: m.data,
        plugins: [whiskers],
        options: {
          animation: false,
          responsive: true,
          maintainAspectRatio: false,
          indexAxis: m.indexAxis || "x",
          interaction: {mode: "nearest", intersect: false},
          scales: {x: m.x, y: m.y},
          plugins: {legend: {display: false}, tooltip: {filter: item => !item.dataset.band, callbacks: m.tips || {}}}
        }
      });
    }
  };
  charts.push(state);
  return h("figure", {}, h("h3", {}, title), h("div", {class: "plot " + className}, canvas),
      words && h("figcaption", {}, words));
}
function line(i, label, points, more) {
  return {
    label,
    data: points,
    borderColor: colour(i),
    backgroundColor: colour(i),
    borderDash: dashes[i % 8],
    borderWidth: 2,
    pointRadius: points.length > 1 ? 0 : 4,
    pointHitRadius: 8,
    pointStyle: shapes[i % 8],
    tension: 0,
    ...more
  };
}
/* Where values of one axis are so far apart that most would lie on its end. */
const scaleOf = values => {
  const v = values.filter(x => x > 0);
  return Math.max(...v) > 50 * Math.min(...v) ? "logarithmic" : "linear";
};
/* Two invisible lines with a tint between them. */
function band(i, rows) {
  const edge = k => ({
    data: rows.map(r => ({x: r[0], y: r[k]})),
    borderWidth: 0,
    pointRadius: 0,
    pointHitRadius: 0,
    band: true,
    tension: 0
  });
  return [edge(1), {...edge(2), backgroundColor: colour(i) + "2e", fill: "-1"}];
}
function drawAll() {
  Chart.defaults.color = style("--muted");
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  charts.forEach(c => c.draw());
}
scheme.addEventListener("change", drawAll);
for (const [event, now] of [["beforeprint", true], ["afterprint", false]])
  window.addEventListener(event, () => {
    printing = now;
    drawAll();
  });

/* --- maps: layers by epochs ----------------------------------------------------------- */
const cividis = ["#00204d", "#31446b", "#666970", "#958f78", "#cbba69", "#ffea46"].map(
    c => [1, 3, 5].map(i => parseInt(c.slice(i, i + 2), 16)));
function tint(share) {
  const at = Math.max(0, Math.min(1, share)) * (cividis.length - 1), i = Math.min(Math.floor(at), cividis.length - 2);
  return "rgb(" + cividis[i].map((v, k) => Math.round(v + (at - i) * (cividis[i + 1][k] - v))).join(",") + ")";
}
function strip(values, most) { /* one rectangle an epoch */
  const s = svg("svg", {
    viewBox: "0 0 " + values.length + " 1",
    preserveAspectRatio: "none",
    "shape-rendering": "crispEdges",
    "aria-hidden": "true"
  });
  values.forEach((v, i) => s.append(svg("rect", {x: i, y: 0, width: 1, height: 1, fill: tint(v / most)})));
  return s;
}
