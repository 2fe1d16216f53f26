/* The sections after the outcomes, and the page. */

/* --- canaries, shifts --------------------------------------------------------------------- */
function canaries() {
  const measures = ["margin", "loss", "p", "hits", "el2n", "first_hit", "forgotten", "p_deviation", "p_random"];
  const cells = R.cells.filter(c => c.figures["canaries.loss.auroc"]);
  if (!cells.length) {
    missing.push("canaries: planted wrong labels (data.canaries)");
    return null;
  }
  const base = R.primary.map(d => cellNamed[d.against]).find(c => cells.includes(c)) || cells[0];
  const auroc = m => base.figures["canaries." + m + ".auroc"].mean;
  const best = [...measures].sort((a, b) => auroc(b) - auroc(a)).slice(0, 5);
  const rates = Object.keys(base.figures)
                    .map(f => /^canaries\.loss\.tpr_(.*)$/.exec(f))
                    .filter(Boolean)
                    .map(x => x[1])
                    .sort((a, b) => a - b);
  const rows = m => rates.map(r => {
    const f = base.figures["canaries." + m + ".tpr_" + r];
    return [+r, f.min, f.max, f.mean];
  });
  const chart = plot("ROC of " + short(base), () => ({
    data: {
      datasets: [
        ...best.map((m, i) => line(i, m, rows(m).map(r => ({x: r[0], y: r[3]})))),
        ...(base.runs.length > 1 ? band(0, rows(best[0])) : []), {
          label: "chance",
          data: [{x: 0, y: 0}, {x: 1, y: 1}],
          borderColor: style("--muted"),
          borderWidth: 1,
          borderDash: [3, 4],
          pointRadius: 0
        }
      ]
    },
    x: axis("share of other samples taken for canaries", true, {type: "linear", min: 0, max: 1}),
    y: axis("share of canaries found", true, {min: 0, max: 1})
  }),
      base.runs.length > 1 ? "Means over runs at the same rate of false alarms; the " +
              "tint is the least and the most of " + best[0] + "." :
                             "",
      "tall");
  chart.append(legend(best.map(m => m + ", AUROC " + auroc(m).toFixed(3))), keys(base.runs));
  return section("canaries", "Planted wrong labels (canaries)",
      h("p", {},
          "Some training samples were given a wrong label on purpose: ", one(base.figures["canaries.all.planted"].mean),
          " that the training visited. How well does each measure of the ledger rank them above the " +
              "others? AUROC: 0.5 knows nothing, 1 finds all first."),
      chart, h("h3", {}, "AUROC, mean \u00b1 deviation"),
      table(["cell", "runs", ...measures],
          cells.map(c => [cellName(c), keys(c.runs, "" + c.runs.length), ...measures.map(m => {
            const f = figureOf(c, "canaries." + m + ".auroc");
            return [
              span(f.mean, known(f.mean) ? f.mean.toFixed(3) : ""), known(f.sd) ? " \u00b1 " + f.sd.toFixed(3) : ""
            ];
          })])));
}

function shifted() {
  const cells = R.cells.filter(c => c.figures["shifted.all.accuracy"]);
  const kinds = [...new Set(cells.flatMap(
      c => Object.keys(c.figures).map(f => /^shifted\.(.+)\.severity1$/.exec(f)).filter(Boolean).map(x => x[1])))];
  return kinds.length ?
      section("shifted", "Shifted test data",
          h("p", {}, "Accuracy on test samples under shifts of rising severity, mean over runs."),
          folded(cells.length * kinds.length, "cells and shifts",
              table(["cell", "runs", "shift", "1", "2", "3", "4", "5"],
                  cells.flatMap(
                      c => kinds.map(
                          k => [cellName(c), keys(c.runs, "" + c.runs.length), k,
                              ...[1, 2, 3, 4, 5].map(
                                  s => value(figureOf(c, "shifted." + k + ".severity" + s).mean, "accuracy"))]))))) :
      null;
}

function warnings() {
  if (!R.early_warning.length)
    return null;
  const first = R.early_warning[0], signals = R.early_warning.filter(w => w.runs);
  const words = {
    excess_rla: "excess RLA",
    loss_gap: "validation loss \u2212 training loss",
    accuracy_gap: "training \u2212 validation accuracy",
    cumulative_loss: "training loss, summed up",
    weight_norm: "norm of the weights"
  };
  return section("warning", "Early warning",
      h("p", {}, "Does a signal rise before the validation loss does? In ", one(first.turned), " of ", one(first.runs),
          " runs the validation loss turned. AUROC: the signal is high after the turn and low "
              + "elsewhere; 0.5 knows nothing. "
              +
              "Lead: epochs from the warning to the turn, median; below 0 it came too late. False: "
                  + "warnings in runs that do not turn. Exploration."),
      table(["signal", "AUROC", "median lead, epochs", "in time", "false"],
          signals.map(
              w => [words[w.signal] || w.signal, span(w.auroc, known(w.auroc) ? w.auroc.toFixed(3) : ""),
                  span(w.lead, known(w.lead) ? signed(w.lead, w.lead.toFixed(1)) : ""),
                  [one(w.in_time), " of ", one(w.turned)], [one(w.false), " of ", one(w.runs - w.turned)]])),
      keys(R.cells.flatMap(c => c.runs)));
}

/* --- cost --------------------------------------------------------------------------------- */
/* Beside its heads, what an epoch's time depends on; and the factors that change it. */
const work = c => settings(c, /^(model|layers|batch|micro_batch|augment|data)\b(?!\.(label_noise|canaries))/);
function workFactors(cells) {
  const groups = new Map();
  cells.forEach(c => groups.set(work(c), [...(groups.get(work(c)) || []), c]));
  return groups.size < 2 ? [] :
                           varying.filter(
                               f => [...groups.values()].every(g => g.every(c => c.levels[f] === g[0].levels[f])));
}
function cost() {
  const groups = new Map(), cells = withRuns.filter(c => c.cost.timed_epochs), factors = workFactors(cells);
  cells.forEach(c => {
    const heads = headsOf([c]), of = factors.map(f => f + "=" + c.levels[f]).join("/"),
          name = (of && of + ", ") + (heads.length ? count(heads.length, "random head") + ", n = "
            + [...new Set(heads.map(x => x.n || "given"))].join(", ")
            + (heads.some(x => x.lambda) ? ", \u03bb > 0" : "") :
                                "no random head");
    const key = name + work(c);
    groups.set(key, [...(groups.get(key) || []), {...c, label: name}]);
  });
  if (!groups.size) {
    missing.push("times of training and instrument");
    return null;
  }
  const rows = [...groups.values()].map(g => {
    const sum = what => g.reduce((s, c) => s + (c.cost[what] || 0), 0), epochs = sum("timed_epochs"),
          joules = sum("runs_with_joules");
    return {
      label: g[0].label,
      network: g[0].network,
      keys: g.flatMap(c => c.runs),
      training: sum("training_seconds") / epochs,
      instrument: sum("instrument_seconds") / epochs,
      joules: joules ? sum("joules") / joules : NaN,
      peak: Math.max(...g.map(c => c.cost.peak_bytes))
    };
  });
  const bars = () => ({
    type: "bar",
    indexAxis: "y",
    data: {
      labels: rows.map(r => r.label.split(/(?<=heads?), /)),
      datasets: ["training", "instrument"].map(
          (what, i) => ({label: what, data: rows.map(r => r[what]), backgroundColor: colour(i), barPercentage: 0.7}))
    },
    x: axis("seconds per epoch", false, {stacked: true}),
    y: axis("", false, {stacked: true, title: {display: false}, grid: {display: false}})
  });
  const chart = rows.length > 1 ? plot("Time of an epoch", bars) : null;
  if (chart)
    chart.append(h("ul", {class: "legend"}, ["training steps", "instrument"].map((n, i) => h("li", {}, block(i), n))));
  return section("cost", "Cost by heads and labels",
      h("p", {},
          "Instrument: evaluating heads on training samples, and the control; the heads' own " +
              "kernels are part of the training steps. ",
          R.alone ? "" : "Runs may have shared the machine: compare times with care."),
      chart,
      table(
          [
            "heads", "network", "runs", "training s/epoch", "instrument s/epoch", "instrument share", "energy per run",
            "device memory"
          ],
          rows.map(r => [r.label, r.network, keys(r.keys, "" + r.keys.length), one(r.training), one(r.instrument),
                       percent(r.instrument / r.training), energy(r.joules), mebibytes(r.peak)])));
}

function tuning() {
  const cells = R.cells.filter(c => c.trials);
  return cells.length ?
      section("tuning", "Tuning",
          h("p", {}, "By ", R.tuning_metric, ", on ", count(R.tuned_on.length, "seed"),
              " apart from the comparison's."),
          table(["cell", "trials", "runs", "time", "energy", "chosen"],
              cells.map(
                  c => [cellName(c), one(c.trials), one(c.tuning.runs), time(c.tuning.seconds), energy(c.tuning.joules),
                      Object.entries(c.tuned).map(([k, v]) => k + " = " + v).join("; ") || "not yet"]))) :
      null;
}

/* --- the card ------------------------------------------------------------------------------ */
function card() {
  const regular = R.cells.filter(c => c.heads.some(x => x.lambda > 0)), seen = new Map();
  regular.forEach(c => c.heads.filter(x => x.lambda > 0).forEach(x => {
    const text = "Head " + headName(x) + ": \u03bb = " + short3(x.lambda) + " \u00d7 " + x.loss
        + (x.schedule === "ganin" ? ", rising over training" : "") + ". "
        + (x.layers ?
                "Its gradient reaches " + (x.reaches === x.layers ? "all " + x.layers : x.reaches + " of " + x.layers)
                    + " layers with parameters, those up to " + x.at + "." :
                "");
    seen.set(text, [...(seen.get(text) || []), c]);
  }));
  const changed =
      R.primary.filter(d => regular.includes(cellNamed[d.of]))
          .map(d => h("li", {}, pairName(d), ": ",
                   [d, ...d.side]
                       .filter(x => known(x.mean))
                       .map((x, i) => [i ? "; " : "", figureName(x.figure), " ", difference(x.mean, x.figure),
                                " " + unit(x.figure), known(x.t[0]) ? [" (", interval(x.t, x.figure), ")"] : ""]),
                   ". ", keys(pairKeys(d))));
  const set = f => [...new Set(R.cells.map(f))].join("; "), have = f => R.cells.some(c => c.figures[f]);
  const devices = [...new Set(R.runs.map(r => r.device).filter(Boolean))];
  const not = [
    "networks other than " + set(c => c.network) + ", data other than " + set(c => c.data),
    have("shifted.all.accuracy") ? "shifts of the data other than those measured" :
                                   "data that is shifted from the training data",
    !have("test." + mainHead + ".ece") && "calibration: whether the network's probabilities can be trusted",
    "single classes or groups of samples: all figures are means over all",
    "whether training samples can be told or recovered from the network: a low RLA is no proof of privacy",
    "inputs made to deceive", devices.length < 2 && "other devices than " + (devices[0] || "one")
  ].filter(Boolean);
  return section("card", "Card: what was altered, what was not tested",
      h("p", {}, "For whoever must account for a model that was trained so."),
      h("h3", {}, "What the regulariser altered"),
      regular.length ?
          h("ul", {}, [...seen].map(([text, cells]) => h("li", {}, text, " ", keys(cells.flatMap(c => c.runs))))) :
          h("p", {},
              "No run had a regulariser (\u03bb = 0 everywhere). Random heads were probes: they change nothing " +
                  "in the network."),
      changed.length ?
          [
            h("p", {}, "Measured beside the same without it (differences, " + level + " t intervals):"),
            h("ul", {}, changed)
          ] :
          "",
      regular.length ? h("p", {},
          "All else of network, data and training was as in the runs' configurations below. Random heads " +
              "are not part of the network that is used afterwards.") :
                       "",
      h("h3", {}, "Tested"),
      h("p", {}, "Network: ", set(c => c.network), ". Data: ",
          set(c => c.data + (c.subset ? ", first " + c.subset + " samples" : "")
                  + (c.label_noise ? ", " + 100 * c.label_noise + "% label noise" : "")),
          ". Seeds: ", R.seeds.join(", "), ". Devices: ", devices.join(", ") || "not known",
          ". Rote: ", [...new Set(R.runs.map(r => r.rote).filter(Boolean))].join(", ") || R.rote, "."),
      h("h3", {}, "Not tested"), h("ul", {}, not.map(x => h("li", {}, x))));
}

function runs() {
  const on = r => [r.device, r.driver].filter(Boolean).join(", ") || "\u2013";
  const devices = new Set(R.runs.map(on)), several = devices.size > 1;
  const use = u => short(R.cells[u.cell]) + (u.trial >= 0 ? ", trial " + u.trial : "") + ", seed " + u.seed;
  return section("runs", "Runs",
      h("p", {}, "Every number above comes from these. A key is the hash of the configuration below it. ",
          R.folder ? "" : [h("code", {}, "rote study export"), " writes the same runs as text."],
          devices.size === 1 ? [" Device of all: ", [...devices][0], "."] : ""),
      table(["key", "what", "state", "epochs", "time", "energy", ...(several ? ["device"] : [])], R.runs.map(r => ({
        id: "run-" + r.key,
        cells: [
          h("code", {}, r.key),
          h("span", {}, r.uses.map((u, i) => [i ? h("br") : "", breakable(use(u))]),
              h("details", {}, h("summary", {}, "configuration"),
                  h("code", {}, r.assignments.trim().split("\n").map(a => [a, h("br")]))),
              r.error ? h("div", {}, r.error) : ""),
          r.state, r.last + " of " + r.of + (r.last < r.epochs && r.state === "done" ? ", stopped by itself" : ""),
          time(r.seconds), energy(r.joules), ...(several ? [on(r)] : [])
        ]
      })),
          2));
}

const reading = () => section("reading", "How to read this", h("dl", {}, [
  [
    "Random head",
    "A linear layer that learns a random label for each training " +
        "sample from the network's features. With \u03bb = 0 it only looks; with \u03bb > 0 a "
            + "regulariser pushes the features against it."
  ],
  [
    "RLA, excess RLA",
    "How many of these labels it knows; what of that is above chance. Much of it: the features still "
        + "tell single images apart, which is what is needed "
        +
        "to learn by rote."
  ],
  ["Cell", "One combination of the study's factors; its runs differ in their seed alone."],
  [
    "Pair",
    "Two runs of two cells with the same " +
        "seed; their difference has less noise than the runs have."
  ],
  [
    "Interval",
    "Where the mean difference would be found in " + level + " of such studies. Narrow: sure. " +
        "Across zero: the sign is not known."
  ],
  [
    "p, adjusted",
    "How often chance alone would make a difference as large; adjusted for the number of comparisons (Holm)."
  ],
  ["\u00b1", "Standard deviation between runs, not the error of the mean."]
].map(([a, b]) => [h("dt", {}, a), h("dd", {}, b)])));

function page() {
  const main = document.getElementById("page"), first = R.runs[0];
  document.title = R.name + " \u2013 Rote report";
  const first_page = decision(), sections = [
    results(), differences(), lambdas(), memorisation(), curves(), layerMap(), canaries(), shifted(), warnings(),
    cost(), tuning(), card(), runs(), reading()
  ].filter(Boolean);
  const state = R.folder ? !R.complete ?
                           h("p", {class: "note"}, "This run is not at its end: figures are those after epoch ",
                               one(first.last), " of ", one(first.of), ".") :
                           null :
      R.done < R.planned ? h("p", {class: "note"}, "This study is unfinished: ", one(R.done), " of ", one(R.planned),
          " runs are done. Figures are of those.") :
                           null;
  main.append(h("header", {}, h("h1", {}, R.name),
                  h("p", {class: "muted"},
                      R.folder ? "One run, " + first.key + ". One run cannot tell a difference from chance." :
                                 "Study of " + count(R.cells.length, "cell") + ", " + count(R.seeds.length, "seed")
                              + " each; " + R.done + " of " + R.planned + " runs done."),
                  R.question ? h("p", {class: "question"}, R.question) : "", state,
                  h("nav", {"aria-label": "sections"}, sections.map(s => h("a", {href: "#" + s.id}, s.dataset.title)))),
      first_page || "", ...sections,
      missing.length ? h("section", {id: "missing"}, h("h2", {}, "Not on this page"),
          h("p", {}, "For lack of data there is nothing here on:"), h("ul", {}, missing.map(m => h("li", {}, m)))) :
                       "",
      h("footer", {class: "muted"},
          h("p", {}, "Made by rote report, " + R.rote + ". Drawn with Chart.js ", Chart.version,
              " (MIT licence, in the page's source).")));
  drawAll();
}
page();
