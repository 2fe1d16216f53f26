"""rote bench: its JSON says what a plan says, and its figures agree with each other. Times are
whatever they are."""
import json

from e2e import check, main, rote, settings

SMALL = settings(model="cnn", data__kind="synthetic", data__train_count=64, data__test_count=4, data__height=8,
                 data__width=8, batch=16)


def bench(folder, what, *flags):
    path = folder / f"{what}.json"
    text, _ = rote("bench", what, *SMALL, "--rounds", 2, "--json", path, *flags)
    result = json.loads(path.read_text())
    check(result["bench"] == what and result["complete"] and result["batch"] == 16 and result["network"] == "cnn",
          f"{what}: {result}")
    return result, text


def near(a, b, what):
    check(abs(a - b) <= 1e-6 * max(abs(a), abs(b)), f"{what}: {a}, expected {b}")


def ops(folder):
    page = folder / "ops.html"
    result, text = bench(folder, "ops", "--html", page)
    nodes = json.loads(rote("plan", *SMALL, "--json")[0])["nodes"]
    variants = {o["name"]: o["variants"] for o in json.loads(rote("op", "--list", "--json")[0])}
    planned = {}
    for n in nodes:
        key = n["operator"], n["variant"]
        planned[key] = planned.get(key, 0) + 1
    found = {}
    for row in result["operators"]:
        first = row["variants"][0]
        check([v["chosen"] for v in row["variants"]].count(True) == 1 and first["chosen"], f"chosen: {row}")
        key = row["operator"], first["variant"].split(":")[0]
        found[key] = found.get(key, 0) + row["count"]
        names = [v["variant"].split(":")[0] for v in row["variants"]]
        check(len(set(names)) == len(names) and set(names) <= set(variants[row["operator"]]), f"variants: {names}")
        check("host" not in names, f"host was measured: {names}")
        for v in row["variants"]:
            near(v["gflops"], row["flops"] / v["least_ms"] * 1e-6, "GFLOP/s")
            near(v["gb_s"], row["bytes"] / v["least_ms"] * 1e-6, "GB/s")
            near(v["flops_share"], v["gflops"] / result["peak"]["gflops"], "share of FLOP/s")
            near(v["bandwidth_share"], v["gb_s"] / result["peak"]["gb_s"], "share of GB/s")
            near(v["roof_share"], max(v["flops_share"], v["bandwidth_share"]), "share of the roof")
            check(v["least_ms"] <= v["median_ms"] and v["flops_share"] < (4.8 if v["variant"] == "winograd" else 1.2), f"{row['words']}: {v}")
            check(v["variant"] in text, f"the table has no {v['variant']}")
    check(found == planned, f"nodes by operator and variant: {found}, the plan has {planned}")
    check(sum(found.values()) == result["nodes"] == len(nodes), "number of nodes")
    known = {(r["operator"], r["words"]): r for r in result["operators"]}
    check(len(known) == len(result["operators"]), "a shape is listed twice")
    conv = known["conv2d_bias_fwd", "x=8x8x16x1 w=3x3x1x32 b=32 pad_h=1 pad_w=1"]
    check(conv["flops"] == 2 * 8 * 8 * 16 * 32 * 9, conv)
    check(conv["bytes"] == 4 * (8 * 8 * 16 * 33 + 9 * 32 + 32), conv)
    linear = next(r for r in result["operators"] if r["operator"] == "linear_bias_fwd")
    check({"tile", "clblast"} <= {v["variant"] for v in linear["variants"]}, linear)
    svg = page.read_text()
    points = sum(len(r["variants"]) for r in result["operators"])
    check(svg.count("<circle ") == points, f"{svg.count('<circle ')} of {points} points")
    check("prefers-color-scheme" in svg, "light alone")
    check("http" not in svg, "the page reaches for the network")


def chosen(folder):
    result, _ = bench(folder, "ops", "--variants", "chosen", "--only", "^conv2d_bias_fwd$")
    check({r["operator"] for r in result["operators"]} == {"conv2d_bias_fwd"}, result["operators"])
    check(all(len(r["variants"]) == 1 for r in result["operators"]), result["operators"])
    check(result["nodes"] > len(result["operators"]), "the step's nodes are all counted")


def train(folder):
    result, text = bench(folder, "train")
    plan = json.loads(rote("plan", *SMALL, "--json")[0])
    near(result["images_s"], 16 / result["step_ms"] * 1e3, "images/s")
    near(sum(r["share"] for r in result["profile"]), 1, "shares of the profile")
    check({(r["operator"], r["variant"]) for r in result["profile"]} ==
          {(n["operator"], n["variant"]) for n in plan["nodes"]}, "the profile's operators are the plan's")
    check(result["predicted_peak_bytes"] == plan["predicted_peak_bytes"], "predicted peak")
    check(result["memory"] == plan["memory"], "memory")
    check("images/s" in text and "MiB" in text, text)


def heads(folder):
    result, _ = bench(folder, "heads", "--only", "number: (1|4|64) |width|n 100,")
    rows = result["rows"]
    check([r["heads"] for r in rows if r["sweep"] == "number"] == [1, 4, 64], rows)
    check([r["n"] for r in rows if r["sweep"] == "n"] == [100], rows)
    check({r["width"] for r in rows if r["sweep"] == "width"} == {32, 64, 128}, rows)
    for r in rows:
        near(r["over_none"] + 1, r["step_ms"] / r["none_ms"], "over none")
        near(r["over_one"] + 1, r["step_ms"] / r["one_ms"], "over one")
        check(0 < r["kernel_share"] < 1, r)


def scale(folder):
    result, text = bench(folder, "scale")
    rows = result["rows"]
    check([r["batch"] for r in rows if r["sweep"] == "batch"] == [1, 2, 4, 8, 16, 32, 64], rows)
    check([r["heads"] for r in rows if r["sweep"] == "heads"] == [0, 1, 4, 16, 64], rows)
    for r in rows:
        near(r["images_s"], r["batch"] / r["step_ms"] * 1e3, "images/s")
    check(text.count("\n") == len(rows) + 2, text)


def refused(folder):
    for arguments, words in ((["opps"], "nearest: ops"), (["ops", "--only", "("], "regular expression"),
                             (["ops", "--only", "nothing"], "no row"), (["ops", "--rounds", "0"], "--rounds"),
                             (["ops", "--variants", "some"], "all or chosen"), ([], "which benchmark")):
        _, error, _ = rote("bench", *arguments, *SMALL, code=(1, 2))
        check(words in error, f"{arguments}: {error}")
    _, error = rote("bench", "train", *SMALL, "--rounds", 1, "--json", folder / "no/file.json", code=1)
    check("cannot write" in error, error)


main(ops, chosen, train, heads, scale, refused)
