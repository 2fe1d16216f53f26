"""Writes docs/certificates/README.md: a table of operators by the implementations whose certificates lie there.
    python3 tools/certificates.py"""
import json
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "docs/certificates"


def cell(cases):
    """How many variants are right, the greatest error of them, and what else there is."""
    by = {}
    for case in cases:
        by.setdefault(case["id"].split("/")[1], []).append(case)
    right = [v for v, cs in by.items() if any(c["verdict"] == "right" for c in cs)]
    other = sorted({c["verdict"] for c in cases} - {"right", "untaken"})
    error = max((c.get("error") or 0 for c in cases), default=0)
    variants = [v for v in by if v != "gradient"]
    text = f"{len([v for v in right if v != 'gradient'])} of {len(variants)}, {error:.2f}"
    return text + "".join(f", **{o}**" for o in other)


def main():
    certificates = {p.stem: json.loads(p.read_text()) for p in sorted(FOLDER.glob("*.json"))}
    groups = {}
    for name, certificate in certificates.items():
        for case in certificate["cases"]:
            operator = case["id"].split("/")[0]
            groups.setdefault(operator, {}).setdefault(name, []).append(case)
    lines = ["# Certificates", "",
             "What `rote certify --quick` found on implementations that install from packages "
             "([certify.md](../certify.md)); written by `tools/certificates.py`.", "",
             "| | " + " | ".join(certificates) + " |", "|---|" + "---|" * len(certificates)]
    for key in ("platform", "name", "driver"):
        lines.append(f"| {key} | " + " | ".join(c["device"][key] for c in certificates.values()) + " |")
    lines.append("| Rote | " + " | ".join(f"{c['rote']['commit']}, kernels {c['rote']['kernels']}"
                                          for c in certificates.values()) + " |")
    lines.append("| cases | " + " | ".join(
        ", ".join(f"{n} {v}" for v, n in c["summary"].items()
                  if n and v in ("right", "untaken", "waived", "flaky", "wrong", "unsteady", "failed", "crashed", "hung"))
        for c in certificates.values()) + " |")
    for id_ in ("rate/bandwidth", "rate/multiply-adds", "rate/launch", "rate/launch and wait"):
        values = [next(c for c in m["cases"] if c["id"] == id_) for m in certificates.values()]
        lines.append(f"| {id_[5:]} | " + " | ".join(f"{v['value']:.4g} {v['unit']}" for v in values) + " |")
    training = [next(c for c in m["cases"] if c["id"] == "training/small") for m in certificates.values()]
    lines.append("| a small training | " + " | ".join(f"{c['verdict']}, {c['error']:.2f} of its envelope"
                                                      for c in training) + " |")
    lines += ["", "Operators: variants that are right, of those in the list (the others take no case of this level on this "
              "device), and the greatest error in units of the tolerance.", "",
              "| operator | " + " | ".join(certificates) + " |", "|---|" + "---|" * len(certificates)]
    for operator, by in groups.items():
        if operator not in ("rate", "training"):
            lines.append(f"| {operator} | " + " | ".join(cell(by[n]) if n in by else "-" for n in certificates) + " |")
    (FOLDER / "README.md").write_text("\n".join(lines) + "\n")


main()
