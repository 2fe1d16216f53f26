"""Fails when an #include points upwards, when OpenCL or CLBlast is included outside src/rt
and include/rote/opencl.h, when a kernel file names a vendor or asks how much was launched, when two files share a name
they should not, or when the command line reaches past the public API."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ORDER = ["base", "rt", "ref", "op", "graph", "model", "data", "train", "study", "bench"]
# src/ref knows neither devices nor OpenCL; src/model and src/data do not know each other.
FORBIDDEN = {("ref", "rt"), ("op", "data"), ("graph", "data"), ("model", "data"), ("data", "rt"), ("data", "ref"),
             ("data", "op"), ("data", "graph"), ("data", "model")}
VENDORS = re.compile(r"\b(amd|nvidia|intel|pocl|mesa|rusticl|radeon|geforce|apple|qualcomm|adreno|mali)\b", re.I)
LAUNCHED = re.compile(r"get_(global_size|num_groups|group_id)")  # of a part: src/rt/rt_cut.c
errors = []


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+[<"]([^>"]+)[>"]', line)
        if found:
            yield number, found.group(1)


def check_source(path):
    where = path.relative_to(ROOT)
    layer = path.parent.name
    for number, target in includes(path):
        folder = target.split("/")[0]
        if re.match(r"CL/|clblast", target) and layer != "rt":
            errors.append(f"{where}:{number}: OpenCL is included outside src/rt: {target}")
        if "/" not in target or folder not in ORDER or target.startswith("CL/"):
            continue
        if ORDER.index(folder) > ORDER.index(layer) or (layer, folder) in FORBIDDEN:
            errors.append(f"{where}:{number}: {layer} must not include {target}")


def main():
    for path in sorted(ROOT.glob("src/*/*.[ch]")):
        if path.parent.name not in ORDER:
            errors.append(f"{path.relative_to(ROOT)}: the layer {path.parent.name} is not in the order")
        else:
            check_source(path)
    for path in sorted(ROOT.glob("include/rote/*.h")):
        for number, target in includes(path):
            if re.match(r"CL/|clblast", target) and path.name != "opencl.h":
                errors.append(f"{path.relative_to(ROOT)}:{number}: OpenCL in a public header")
            if target.split("/")[0] in ORDER:
                errors.append(f"{path.relative_to(ROOT)}:{number}: a public header includes {target}")
        if len(path.read_text().splitlines()) > 400:
            errors.append(f"{path.relative_to(ROOT)}: a public header of more than 400 lines")
    for path in sorted(ROOT.glob("tools/rote/*.[ch]")):
        for number, target in includes(path):
            if target.split("/")[0] in ORDER or re.match(r"CL/|clblast", target):
                errors.append(f"{path.relative_to(ROOT)}:{number}: the command line includes {target}")
    for path in sorted(list(ROOT.glob("cl/*.cl")) + list(ROOT.glob("cl/common/*"))):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if VENDORS.search(line):
                errors.append(f"{path.relative_to(ROOT)}:{number}: a kernel file names a vendor")
            if LAUNCHED.search(line) and path.name != "share.clh":
                errors.append(f"{path.relative_to(ROOT)}:{number}: a launch may be cut; GROUP_OF is in share.clh")
    for error in errors:
        print(error)
    sys.exit(1 if errors else 0)


main()
