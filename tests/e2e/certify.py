"""rote certify: what crashes, hangs, is wrong, unsteady or flaky has a line of its own and ends nothing; every device
in turn; waivers, comparison. Needs STUB, tests/stub's library."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

from e2e import ROTE, check, main, rote

STUB = {"LD_PRELOAD": os.environ.get("STUB", "")}
FEW = ("--quick", "--only", "pool_")


def certify(folder, *flags, code=0, env=None, name="c.json"):
    out, error = rote("certify", *flags, "--out", folder / name, code=code, env=env)
    certificate = json.loads((folder / name).read_text())
    return out, {c["id"]: c for c in certificate["cases"]}, certificate


def faults(folder):
    kernel = "maxpool_fwd__plain"
    for fault, verdict in (("SKIP", "wrong"), ("UNSTEADY", "unsteady"), ("CRASH", "crashed"), ("HANG", "hung")):
        flags = ("--quick", "--only", "maxpool_fwd/", "--timeout", "2s")
        out, cases, _ = certify(folder, *flags, code=1, env={**STUB, f"STUB_{fault}": kernel})
        found = {i: c["verdict"] for i, c in cases.items()}
        mine = {v for i, v in found.items() if "/plain/" in i}
        check(verdict in mine and not mine & {"right"} - {"right" if fault == "UNSTEADY" else ""}, f"{fault}: {found}")
        check(all(v == "right" for i, v in found.items() if "/host/" in i), f"{fault}: others suffer: {found}")
        check(f"{verdict:8} maxpool_fwd/plain/" in out, out)
    once = {**STUB, "STUB_CRASH": kernel, "STUB_ONCE": str(folder / "once")}
    out, cases, certificate = certify(folder, "--quick", "--only", "maxpool_fwd/plain", env=once)
    check(certificate["summary"]["flaky"] == 1 and certificate["summary"]["crashed"] == 0, out)
    check(any("crashed after 0 cases" in c.get("why", "") for c in cases.values()), out)


def all_devices(folder):
    """A device whose driver dies when it is opened is told, and the next one is certified."""
    vendors = folder / "icd"
    vendors.mkdir()
    here = pathlib.Path(os.environ["OCL_ICD_VENDORS"]).parent
    for name in ("pocl", "intel"):
        shutil.copy(here / name / f"{name}.icd", vendors)
    env = {**STUB, "OCL_ICD_VENDORS": str(vendors)}
    flags = ("certify", "--quick", "--only", "relu_fwd", "--out", folder / "all.json")
    out, _ = rote(*flags, "--all", env=env)
    made = [json.loads(f.read_text()) for f in folder.glob("all.*.json")]
    check(len(made) == 2 and len({c["device"]["platform"] for c in made}) == 2, out)
    check(all(c["summary"]["right"] > 4 for c in made), out)
    for f in folder.glob("all.*.json"):
        f.unlink()
    out, error = rote(*flags, "--all", code=1, env={**env, "STUB_OPENING": "Portable"})
    made = [json.loads(f.read_text()) for f in folder.glob("all.*.json")]
    check(len(made) == 1 and "Intel" in made[0]["device"]["platform"], f"{out}{error}")
    check("portable" in error and "ended the process that opened the device" in error, error)
    out, error = rote(*flags, "--all", env={**env, "STUB_MUTE": "Portable"})
    check("rote: warning: a device of platform" in error and "Intel" in out, f"a device left out is not told: {error}")
    _, error = rote(*flags, "--device", "no such", code=1, env=env)
    check("no OpenCL device matches 'no such'" in error, error)


def stopped(folder):
    """Ctrl-C while a driver does not come back from being opened."""
    env = {**os.environ, **STUB, "STUB_OPENING": "Portable", "STUB_WAIT": "1"}
    for all_devices in ([], ["--all"]):
        run = subprocess.Popen([ROTE, "certify", *FEW, *all_devices], env=env, stderr=subprocess.PIPE, text=True)
        time.sleep(3)
        check(run.poll() is None, "it did not wait for the driver")
        run.send_signal(signal.SIGINT)
        _, error = run.communicate(timeout=20)
        check(run.returncode == 1 and "stopped" in error, f"exit {run.returncode}: {error}")


def waivers(folder):
    env = {**STUB, "STUB_SKIP": "maxpool_fwd__plain"}
    waive = folder / "waive"
    waive.write_text("maxpool_fwd/plain/*  # the driver leaves the kernel out\navgpool*  # mended\n")
    out, cases, certificate = certify(folder, "--quick", "--only", "maxpool_fwd", "--waive", waive, env=env)
    waived = [c for c in cases.values() if c["verdict"] == "waived"]
    check(waived and all(c["waived"]["verdict"] == "wrong" for c in waived), f"{cases}")
    check("the driver leaves the kernel out" in out and "no failing case matches the waiver 'avgpool*'" in out, out)
    check(certificate["unused_waivers"] == ["avgpool*"], "an unused waiver is not told")
    waive.write_text("maxpool_fwd/plain/*\n")
    _, error = rote("certify", *FEW, "--waive", waive, code=1)
    check(f"{waive}:1" in error and "reason" in error, error)


def comparison(folder):
    _, _, told = certify(folder, *FEW, name="a.json")
    check(told["host"], "a certificate does not tell the host")
    out, _ = rote("certify", "--compare", folder / "a.json", folder / "a.json")
    check("0 differences" in out, out)
    certify(folder, "--quick", "--only", "maxpool_", code=1, name="b.json",
            env={**STUB, "STUB_SKIP": "maxpool_fwd__plain"})
    out, _ = rote("certify", "--compare", folder / "a.json", folder / "b.json", code=1)
    check("right -> wrong: maxpool_fwd/plain/" in out and "only in A: avgpool_fwd/" in out, out)
    (folder / "no.json").write_text("{}")
    _, error = rote("certify", "--compare", folder / "a.json", folder / "no.json", code=1)
    check("not a certificate" in error and "no.json" in error, error)
    _, error = rote("certify", "--only", "no such thing", code=2)
    check("--list" in error, error)


main(faults, all_devices, stopped, waivers, comparison)
