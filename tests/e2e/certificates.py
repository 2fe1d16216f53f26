"""Certifies the implementation NAME by the command that docs/certificates was made by, leaves certificate and JUnit XML
in the folder CERTIFICATES, and holds the certificate against the one in docs/certificates: other verdicts are a fault
where the kernels are the same; other kernels are told."""
import json
import os
import pathlib

from e2e import check, main, rote

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = os.environ.get("NAME", "pocl")


def certified(folder):
    out = pathlib.Path(os.environ["CERTIFICATES"])
    out.mkdir(exist_ok=True)
    made, known = out / f"{NAME}.json", ROOT / "docs/certificates" / f"{NAME}.json"
    text, _ = rote("certify", "--quick", "--redact", "--out", made, "--junit", out / f"{NAME}.xml")
    new, old = (json.loads(path.read_text()) for path in (made, known))
    check(new["summary"]["right"] > 400, text[-600:])
    check(all(new["summary"][v] == 0 for v in ("wrong", "unsteady", "failed", "crashed", "hung", "flaky")), text[-2000:])
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
