/* The first page: what was asked, what came out, how sure it is, what it costs, what to do. */
const chips = {
  go: ["go", "\u2713 go"],
  "no-go": ["no-go", "\u2715 no-go"],
  extend: ["extend", "\u2026 extend"],
  unfinished: ["unfinished", "\u2026 unfinished"],
  "no threshold": ["other", "no threshold"]
};
const chip = d => h("span", {class: "chip " + chips[d][0]}, chips[d][1]);
const level = (100 * (1 - R.alpha)).toFixed(R.alpha < 0.01 ? 1 : 0) + "%";
const pairKeys = d => [...cellNamed[d.of].runs, ...cellNamed[d.against].runs];
const apart = d => varying.filter(f => cellNamed[d.of].levels[f] !== cellNamed[d.against].levels[f]);
/* What differs, then what both have. */
function pairName(d) {
  const of = cellNamed[d.of], against = cellNamed[d.against], differ = apart(d);
  const both = levelsOf(of, varying.filter(f => !differ.includes(f)));
  return h("span", {title: of.cell + " against " + against.cell}, breakable(levelsOf(of, differ)), " against ",
      breakable(levelsOf(against, differ)), both ? [", at ", breakable(both)] : "");
}
const sign = d => d.benefit < 0 ? -1 : 1;
const perRun = (cost, what) => cost.runs && known(cost[what]) ? cost[what] / cost.runs : NaN;
const joulesPerRun = cost => cost.runs_with_joules ? cost.joules / cost.runs_with_joules : NaN;

function meaning(d) {
  const more = d.more ?
      [
        "At least ", one(d.more), d.more === 1 ? " more seed (" : " more seeds (", one(d.needed),
        " in all) would be needed, if mean and spread stayed as they are."
      ] :
      ["No number of seeds up to a million would tell, if mean and spread stayed as they are."];
  switch (d.decision) {
    case "go":
      return [
        "The difference reaches what was declared worth it, and chance is an unlikely explanation: p after adjustment ",
        probability(d.adjusted), " is not above ", one(R.alpha), "."
      ];
    case "no-go":
      return sign(d) * (sign(d) > 0 ? d.t[1] : d.t[0]) < Math.abs(d.benefit) ?
          "Even the better end of the interval does not reach what was declared worth it." :
          "There is a difference, and it is below what was declared worth it.";
    case "unfinished":
      return [
        "Runs of these two that are still to be done: ", one(d.left),
        ". There is no verdict before the end: to look early " +
            "and stop when it suits makes findings out of chance."
      ];
    case "no threshold":
      return [
        "The study fixed no benefit beforehand, so that there is nothing to decide by. That the two differ is ",
        known(d.adjusted) && d.adjusted <= R.alpha ? "shown" : "not shown", " (p after adjustment ",
        probability(d.adjusted), ")."
      ];
    default:
      return [
        d.lost && known(d.adjusted) && d.adjusted <= R.alpha ?
            [
              "Runs of these two that ended without a result: ", one(d.lost),
              ". What is left does not stand for all of them. "
            ] :
            "The runs cannot tell yet. ",
        more
      ];
  }
}

function verdict(d) {
  return [
    h("div", {class: "verdict", id: "verdict-" + R.primary.indexOf(d)}, chip(d.decision), h("b", {}, pairName(d))),
    h("p", {}, "Difference in ", figureName(d.figure), ": ", h("span", {class: "big"}, difference(d.mean, d.figure)),
        " " + unit(d.figure),
        known(d.t[0]) ?
            [
              ", ", level, " t interval ", interval(d.t, d.figure), ", BCa bootstrap ", interval(d.bca, d.figure),
              "; p ", probability(d.p), ", adjusted ", probability(d.adjusted)
            ] :
            "",
        "; ", count(d.pairs, "pair"), " of runs. ",
        d.benefit ?
            [
              "Threshold fixed beforehand: ", sign(d) > 0 ? "at least " : "at most ", difference(d.benefit, d.figure),
              " " + unit(d.figure), ". "
            ] :
            ""),
    h("p", {}, meaning(d)), keys(pairKeys(d), "the runs behind this (" + pairKeys(d).length + ")")
  ];
}

const rule = () => h("p", {class: "rule muted"}, h("b", {}, "The rule, fixed before any run. "),
    "Runs are paired by their seeds. ", h("b", {}, "Go"), ": p of the sign-flip test, adjusted for ",
    count(R.primary.length, "comparison"), " (Holm), is at most ", one(R.alpha),
    ", the mean difference reaches the benefit that the study's file names, and no run ended without a result. ",
    h("b", {}, "No-go"),
    ": the " + level + " t interval leaves the benefit out, or a difference is shown whose mean is below it. ",
    h("b", {}, "Extend"), ": neither; the runs cannot tell yet. There is no verdict while runs are left to do.");

function costs() {
  const cells = [...new Set(R.primary.flatMap(d => [d.against, d.of]))].map(n => cellNamed[n]);
  return [
    h("h3", {}, "Cost"),
    h("p", {}, "The whole study so far: ", one(R.cost.runs), " runs, tuning included, ",
        h("b", {}, time(R.cost.seconds)), " of device time",
        R.cost.runs_with_joules ?
            [
              " and ", h("b", {}, energy(R.cost.joules)), " of processors and GPUs, measured in ",
              count(R.cost.runs_with_joules, "run"), " (of the whole machine, whatever else ran)"
            ] :
            "; energy was not measured, since this machine does not tell",
        ". ",
        R.alone ? "Each run had the machine to itself." :
                  "Runs may have shared the machine, so that times are upper estimates."),
    cells.length > 0
        && table(["per run", "runs", "time", "energy", "of which instrument", "tuning before", "tuning runs"],
            cells.map(c => [cellName(c), keys(c.runs, "" + c.runs.length), time(perRun(c.cost, "seconds")),
                          energy(joulesPerRun(c.cost)), percent(c.cost.instrument_seconds / c.cost.seconds),
                          time(c.tuning.runs ? c.tuning.seconds : NaN), one(c.tuning.runs)]))
  ];
}

/* One table for all comparisons against the same cell. */
function alternatives() {
  const tables = new Map();
  for (const d of R.primary.filter(x => x.alternatives.length))
    tables.set(d.against + " " + d.figure, [...(tables.get(d.against + " " + d.figure) || []), d]);
  const out = [...tables.values()].map(list => {
    const asked = list.map(d => d.of), mine = perRun(cellNamed[list[0].of].cost, "seconds");
    const rows = [...list, ...list[0].alternatives.filter(a => !asked.includes(a.of))].map(a => {
      const c = cellNamed[a.of], its = perRun(c.cost, "seconds");
      return [
        h("span", {title: c.cell}, breakable(levelsOf(c, apart(a))),
            asked.includes(a.of) ? h("small", {}, " (asked about)") : ""),
        difference(a.mean, a.figure), h("span", {}, interval(a.t, a.figure)), time(its),
        span(its / mine, (its / mine).toFixed(2) + "\u00d7"), time(c.tuning.runs ? c.tuning.seconds : NaN),
        one(c.tuning.runs), keys(c.runs, "" + c.runs.length)
      ];
    });
    return [
      h("p", {class: "muted"}, "Against ", cellName(cellNamed[list[0].against]), ": difference in ",
          figureName(list[0].figure), unit(list[0].figure) ? " (points)" : ""),
      table(
          [
            "instead", "difference", level + " t interval", "time per run", "beside the first", "tuning before",
            "tuning runs", "runs"
          ],
          rows)
    ];
  });
  return out.length ?
      [
        h("h3", {}, "What else was tried"), out,
        h("p", {class: "muted"}, "What was not asked about is exploration: it is not adjusted for how many there are.")
      ] :
      [
        h("h3", {}, "What else was tried"),
        h("p", {}, "Nothing: no other cell differs in one factor from what was compared against.")
      ];
}

function risks() {
  const out = [], ended = R.runs.filter(r => r.state !== "done");
  const devices = new Set(R.runs.map(r => r.device + ", " + r.driver)), seeds = R.seeds.length;
  if (R.done < R.planned)
    out.push(["The study is unfinished: ", one(R.done), " of ", one(R.planned), " planned runs are done."]);
  if (R.primary.length && seeds < R.seeds_needed)
    out.push([
      "With ", one(seeds), " seeds the test can show nothing, whatever the runs say: at least ", one(R.seeds_needed),
      " are needed for ", count(R.primary.length, "comparison"), "."
    ]);
  else if (seeds < 10)
    out.push([
      one(seeds),
      " seeds are few: a BCa interval covers less than it says (86% for 95% at six), and the t interval " +
          "takes the differences as normal."
    ]);
  if (ended.length)
    out.push([
      count(ended.length, "run"), " ended without a result (", [...new Set(ended.map(r => r.state))].join(", "),
      "): ", keys(ended.map(r => r.key))
    ]);
  for (const d of R.primary)
    for (const x of d.side) {
      const worse =
          known(x.t[0]) && /^(test|shifted)/.test(x.figure) && (lowIsGood(x.figure) ? x.t[0] > 0 : x.t[1] < 0);
      if (worse)
        out.push([
          figureName(x.figure), " gets worse with ", cellName(cellNamed[x.of]), ": ", difference(x.mean, x.figure), " ",
          unit(x.figure), " (", interval(x.t, x.figure), ")."
        ]);
    }
  if (devices.size > 1)
    out.push(["The runs are of ", one(devices.size), " devices or drivers; rounding differs between them."]);
  if (R.cells.some(c => c.trials) && R.tuned_on.length < 3)
    out.push([
      "Each trial of the tuning was judged by ", count(R.tuned_on.length, "seed"), ", so that its choice is noisy."
    ]);
  const budgets = new Set(R.primary.flatMap(d => [cellNamed[d.of].tuning.runs, cellNamed[d.against].tuning.runs]));
  if (budgets.size > 1)
    out.push("The two sides of a comparison were not tuned with the same number of runs.");
  const subsets = [...new Set(R.cells.map(c => c.subset))];
  if (R.cells.every(c => networkOf(c) === networkOf(R.cells[0]) && c.data === R.cells[0].data))
    out.push([
      "One network (", R.cells[0].network, ") on one data set (", R.cells[0].data,
      subsets.every(n => n) ? ", its first " + subsets.join(" or ") + " samples" : "",
      "): others may come out otherwise."
    ]);
  return [h("h3", {}, "Risks"), h("ul", {}, out.map(x => h("li", {}, x)))];
}

function nextStep() {
  const words = {
    go: d => [pairName(d),
        ": adopt it where network and data are like these; anywhere else repeat the comparison first."],
    "no-go": d => [pairName(d), ": leave it. A further look needs a new question, declared beforehand."],
    extend: d => d.more ?
        [
          pairName(d), ": give the study ", one(d.more),
          " seeds more at least, and run it on (only what is " +
              "new runs). To extend more than once, each time looking, is to be said when it is reported."
        ] :
        [pairName(d), ": more seeds do not help; reduce the spread between runs, or ask for another benefit."],
    unfinished: d => [pairName(d), ": finish it with ", h("code", {}, "rote study run"), "."],
    "no threshold": d => [pairName(d), ": fix the benefit that would be worth it, and decide on new seeds."]
  };
  return [h("h3", {}, "Next step"), h("ul", {}, R.primary.map(d => h("li", {}, words[d.decision](d))))];
}

function decision() {
  if (R.folder)
    return null;
  if (!R.primary.length)
    return h("section", {id: "decision", class: "card"}, h("h3", {}, "Decision"),
        h("p", {},
            "This study declares no primary " +
                "comparison, so that it decides nothing: all below is exploration, to ask the next question by."),
        costs(), risks());
  return h("section", {id: "decision", class: "card"}, R.primary.map(verdict), rule(), costs(), alternatives(), risks(),
      nextStep());
}
