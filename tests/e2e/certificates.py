"""Certifies the implementation NAME by the command that docs/certificates was made by, leaves certificate and JUnit XML
in the folder CERTIFICATES, and holds the certificate against the one in docs/certificates: other verdicts are a fault
where the kernels are the same; other kernels are told."""
import json
import os
import pathlib
import xml.etree.ElementTree as xml

from e2e import check, main, rote

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = os.environ.get("NAME", "pocl")


def sound(text, certificate, junit):
    """All of the quick level: every operator, variant and gradient of the list has a verdict, the rest its values."""
    cases, summary = {c["id"]: c for c in certificate["cases"]}, certificate["summary"]
    operators = {o["name"]: o for o in json.loads(rote("op", "--list", "--json")[0])}
    for name, operator in operators.items():
        for variant in [*operator["variants"], "host"]:
            check(any(i.startswith(f"{name}/{variant}/") for i in cases), f"{name}/{variant} has no verdict")
    check(summary["operators"] == len(operators), f"{summary['operators']} of {len(operators)} operators")
    check(summary["right"] + summary["untaken"] == summary["cases"] == len(cases), f"{summary}")
    check(f"{summary['operators']} operators by {summary['variants']} variants" in text, text[-400:])
    right = [c for c in cases.values() if c["verdict"] == "right" and "value" not in c]
    check(all(c["error"] <= 1 and c["ulp"] >= 0 for c in right), "a right case is out of tolerance")
    check(cases["rate/bandwidth"]["value"] > 0 and cases["rate/launch"]["unit"] == "us", "no rates")
    check(len(cases["training/small"]["loss"]) == len(cases["training/small"]["reference"]) > 10, "no curves")
    check(certificate["rote"]["kernels"] and certificate["device"]["driver"], "facts are missing")
    check("host" not in certificate, "a redacted certificate tells the host")
    suite = xml.parse(junit).getroot()
    check(len(suite) == len(cases) == int(suite.get("tests")), "JUnit has other cases")
    check(suite.get("failures") == "0", "JUnit counts otherwise")


def certified(folder):
    out = pathlib.Path(os.environ["CERTIFICATES"])
    out.mkdir(exist_ok=True)
    made, known = out / f"{NAME}.json", ROOT / "docs/certificates" / f"{NAME}.json"
    text, _ = rote("certify", "--quick", "--redact", "--out", made, "--junit", out / f"{NAME}.xml")
    new, old = (json.loads(path.read_text()) for path in (made, known))
    check(new["summary"]["right"] > 400, text[-600:])
    check(all(new["summary"][v] == 0 for v in ("wrong", "unsteady", "failed", "crashed", "hung", "flaky")), text[-2000:])
    sound(text, new, out / f"{NAME}.xml")
    compared, _, code = rote("certify", "--compare", known, made, code=(0, 1))
    if new["rote"]["kernels"] != old["rote"]["kernels"]:
        print(f"  stale: {known.relative_to(ROOT)} is of kernels {old['rote']['kernels']}, these are "
              f"{new['rote']['kernels']}; make it anew by\n"
              f"    sh tools/vendors.sh run {NAME} build/rote certify --quick --redact -o docs/certificates/{NAME}.json")
    elif all(new["device"][key] == old["device"][key] for key in ("id", "driver")):
        check(code == 0, compared)
    elif code:
        print(compared)


main(certified)
