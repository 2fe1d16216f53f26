"""Compiles what every operator's variants build on GPUs with the compilers of three vendors, and reads from
their assembly what each kernel costs. Started by tools/offline.sh, which says where the compilers are.

AMD and NVIDIA by clang's back ends (and ptxas), which are not their OpenCL drivers; Intel by ocloc,
the driver's own compiler. Nothing runs and nothing is timed."""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[1]
AMD = ["gfx906", "gfx90a", "gfx942", "gfx1030", "gfx1100"]
NVIDIA = {"sm_75": (64, 32), "sm_80": (164, 64), "sm_90": (228, 64)}  # KiB of shared memory, warps of an SM
# threads of an EU, EUs, KiB of SLM
INTEL = {"bdw": (7, 8, 64), "skl": (7, 8, 64), "icllp": (7, 8, 64), "tgllp": (7, 16, 128), "dg2": (8, 16, 128)}
ARCHS = [*AMD, *NVIDIA, *INTEL]
QUICK = ["gfx906", "sm_80", "skl"]
# Their `accepts` wants long work-items, which GPUs do not give; CLBlast builds matmul's kernels by itself.
ON_CPUS = ["winograd", "thin", "depthwise", "direct", "rows"]
OF_CLBLAST = ["matmul/clblast"]
# Of a convolution's product and filter gradient: no spills, and at least
LEAST_WAVES, LEAST_SHARE = 2, 0.75
IN_MEMORY_SHARE = 0.1  # ocloc does not say it of all devices; it has been 1 to 5% there, else above 30%
TILE, PRODUCT = re.compile(r"__tile$"), re.compile(r"^conv2d_\w+__tile$")
BEGIN, END = "<!-- tables: written by tools/offline.sh --markdown -->", "<!-- end of tables -->"

Loop = collections.namedtuple("Loop", "first last")
Program = collections.namedtuple("Program", "kernel options source")


def run(*command, env=None):
    p = subprocess.run([str(c) for c in command], capture_output=True, text=True, env={**os.environ, **(env or {})})
    if p.returncode:
        raise RuntimeError(f"{command[0]} failed: {(p.stdout + p.stderr).strip()[-1500:]}")
    return p.stdout + p.stderr


def listed(lister, cls, folder, **env):
    """{operator/variant: programs} that a device of that class is asked for. Its vectors are 4 floats at most:
    GPUs say 1, this device more."""
    folder.mkdir()
    run(lister, folder, env={"ROTE_TEST_CLASS": cls, "ROTE_TEST_WIDTH": "4", **env})
    found = {}
    for path in folder.iterdir():
        events = [json.loads(line) for line in path.read_text().splitlines()]
        found[path.name.replace(".", "/")] = {Program(e["kernel"], e["options"].replace("-cl-std=CL1.2", "").strip(),
                                                      e["source"]) for e in events if e["event"] == "program"}
    return found


def all_listed(lister, temp):
    """What GPUs of both classes are asked for, and what those are whose driver says that kernels want memory."""
    asked = [("integrated", "", {}), ("discrete", "", {}), ("integrated", "-small", {"ROTE_TEST_PRIVATE": "1"}),
             ("discrete", "-small", {"ROTE_TEST_PRIVATE": "1"})]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        lists = list(pool.map(lambda a: listed(lister, a[0], temp / (a[0] + a[1]), **a[2]), asked))
    return [{name: lists[i][name] | lists[i + 1][name] for name in lists[i]} for i in (0, 2)]


# What an instruction does: multiply-adds, bytes that it loads. In order (pattern, value of a match).
BYTES = {"amd": [(r"(ds_read2|ds_load_2addr)(st64)?_b(\d+)", lambda m: int(m[3]) // 4),
                 (r"(?:ds_read|ds_load|(?:global|flat|buffer)_load)_(b|dword|ushort)(x?\d*)",
                  lambda m: amd_bytes(m[1], m[2]))],
         "nvidia": [(r"LD[SG]?\.\S*?(64|128)", lambda m: int(m[1]) // 8), (r"LD[SG]?\b", lambda m: 4)],
         "intel": [(r"(?:wr:\d+\+\d+|wr:\d+\w*), rd:(\d+)", lambda m: int(m[1]) * 32)]}


def amd_bytes(kind, size):
    if kind == "b":
        return int(size) // 8
    return 4 * int(size.lstrip("x") or 1)


MADD = {"amd": re.compile(r"v_pk_fma_f32|(?:v_|v_dual_)(?:fma|fmac|fmamk|fmaak|mac|mad)\w*_f32"),
        "nvidia": re.compile(r"\bFFMA"), "intel": re.compile(r"\bmad \((?:8|16|32)\|\S+\s+\S+:f ")}
HINTS = re.compile(r"s_delay_alu|s_clause|NOP\b|nop\b|sync\.nop")


def madds(vendor, text):
    found = MADD[vendor].findall(text)
    return sum(2 if "pk_" in f else 1 for f in found)


def bytes_loaded(vendor, text):
    for pattern, value in BYTES[vendor]:
        m = re.search(pattern, text)
        if m:
            return value(m)
    return 0


def instructions(vendor, text):
    """[(instruction, target of its jump or None)] and {label: index}."""
    code, labels = [], {}
    for line in text.splitlines():
        line = re.sub(r"^\s*/\*[0-9a-f]+\*/\s*", "", line.strip()) if vendor == "nvidia" else line.strip()
        label = re.match(r"(\.?L[\w.]*|\.LBB\S*):", line)
        if label:
            labels[label[1]] = len(code)
        elif line and not line.startswith((";", ".", "//", "/*", "#")) and not HINTS.search(line):
            jump = {"amd": r"s_c?branch\S*\s+(\.LBB\w+)", "nvidia": r"\bBRA.*?`?\(?(\.L_\w+)",
                    "intel": r"(?:while|jmpi|goto|brc?|brd)\b.*\s(L\d+)"}[vendor]
            target = re.search(jump, line)
            code.append((line, target and target[1]))
    return code, labels


def hot_loop(vendor, text, per_slice):
    """The innermost loop with most multiply-adds, and with `per_slice` multiply-adds the loop
    around it that prepares slices: shares of multiply-adds, bytes loaded for each."""
    code, labels = instructions(vendor, text)
    weight = [madds(vendor, line) for line, _ in code]
    loops = [Loop(labels[t], i) for i, (_, t) in enumerate(code) if t in labels and labels[t] <= i]
    worth = [l for l in loops if sum(weight[l.first:l.last + 1]) >= 8]
    inner = [l for l in worth if not any(k != l and l.first <= k.first and k.last <= l.last for k in worth)]
    if not inner:
        return None
    hot = max(inner, key=lambda l: sum(weight[l.first:l.last + 1]))
    body = code[hot.first:hot.last + 1]
    total = sum(weight[hot.first:hot.last + 1])
    length = sum(max(w, 1) for w in weight[hot.first:hot.last + 1])  # a packed one counts as two
    out = {"share": total / length, "bytes": sum(bytes_loaded(vendor, l) for l, _ in body) / total}
    around = [l for l in loops if l.first <= hot.first and hot.last <= l.last and l != hot]
    turns = max(1, round(per_slice / total)) if per_slice else 1
    if turns > 1 and around:
        outer = min(around, key=lambda l: l.last - l.first)
        out["slice"] = total * turns / (length * turns + (outer.last - outer.first - hot.last + hot.first))
    else:
        out["slice"] = out["share"]
    return out


def option(options, name, default=1):
    m = re.search(rf"-D{name}=(\d+)", options)
    return int(m[1]) if m else default


class Compilers:
    def __init__(self, folder, temp):
        self.usr, self.temp = folder / "root/usr", temp
        libraries = self.usr / "lib/x86_64-linux-gnu"
        self.env = {"LD_LIBRARY_PATH": f"{libraries}:{self.usr}/lib/llvm-19/lib"}
        self.cuda = next(folder.glob("python/lib/python3*/site-packages/nvidia/cu*/bin"))

    def clang(self, source, options, target, library, out):
        run(self.usr / "lib/llvm-19/bin/clang", "-x", "cl", "-cl-std=CL1.2", "-O3", "-Wno-linker-warnings", *target,
            "-nogpulib", "-D__OPENCL_VERSION__=120", "-Xclang", "-mlink-builtin-bitcode",
            "-Xclang", self.usr / "lib/clc" / library,
            *options.split(), "-S", "-o", out, source, env=self.env)
        return out.read_text()

    def amd(self, program, source, arch):
        text = self.clang(source, program.options, ["-target", "amdgcn-amd-amdhsa", f"-mcpu={arch}"],
                          "amdgcn--amdhsa.bc", source.with_suffix(".s"))
        name = program.kernel
        m = re.search(rf"\n{name}:\s*; @{name}\n(.*?)\n\.Lfunc_end.*?; Kernel info:(.*?)\n; COMPUTE_PGM_RSRC2:USER",
                      text, re.S)
        meta = re.search(rf"\.name:\s+{name}\n(.*?)\.wavefront_size", text, re.S)[1]
        value = {n: int(re.search(rf"; {n}: (\d+)", m[2])[1])
                 for n in ("NumVgprs", "NumSgprs", "ScratchSize", "LDSByteSize", "Occupancy")}
        spills = {kind: int(re.search(rf"\.{kind}_spill_count: (\d+)", meta)[1]) for kind in ("sgpr", "vgpr")}
        return {"registers": value["NumVgprs"], "scalar_registers": value["NumSgprs"], "spills": spills["vgpr"],
                "scalar_spills": spills["sgpr"], "scratch": value["ScratchSize"], "local": value["LDSByteSize"],
                "waves": value["Occupancy"], "wants_memory": value["ScratchSize"] > 0, "text": m[1]}

    def nvidia(self, program, source, arch):
        ptx, cubin, options = source.with_suffix(".ptx"), source.with_suffix(".cubin"), program.options
        # libclc lacks get_global_offset for this target; 0 is what it is in whole launches
        self.clang(source, options, ["-target", "nvptx64-nvidia-nvcl", "-Xclang", "-target-cpu", "-Xclang", arch,
                                     "-Dget_global_offset(d)=0ul"], "nvptx64--nvidiacl.bc", ptx)
        log = run(self.cuda / "ptxas", "-v", f"-arch={arch}", "-o", cubin, ptx)
        sass = run(self.cuda / "nvdisasm", "-c", cubin)
        shared, warps = NVIDIA[arch]
        m = re.search(rf"Compiling entry function '{program.kernel}'.*?\n.*?\n\s*(\d+) bytes stack frame, (\d+) bytes "
                      r"spill stores, (\d+) bytes spill loads\n.*?Used (\d+) registers(.*)", log)
        local = int((re.search(r"(\d+) bytes smem", m[5]) or [0, 0])[1])
        registers, group = int(m[4]), max(option(options, "GROUP_ROWS") * option(options, "GROUP_COLUMNS"), 32)
        each = (group + 31) // 32
        most = min(65536 // (-(-registers // 8) * 8 * 32) // each, warps // each, shared * 1024 // (local or 1))
        text = re.search(rf"\n\.text\.{program.kernel}:\n(.*?)(\n//-----|\Z)", sass, re.S)[1]
        return {"registers": registers, "spills": (int(m[2]) + int(m[3])) // 4, "scratch": int(m[1]), "local": local,
                "waves": most * each // 4, "wants_memory": int(m[1]) > 0, "text": text}

    def intel(self, program, source, arch):
        ocloc, folder, options = self.usr / "bin/ocloc", source.with_suffix(""), program.options
        run(ocloc, "compile", "-q", "-file", source, "-device", arch, "-out_dir", folder, "-output", "k", "-options",
            f"-cl-std=CL1.2 {options}", env=self.env)
        run(ocloc, "disasm", "-file", next(folder.glob("k_*.bin")), "-device", arch, "-dump", folder / "dump",
            env=self.env)
        threads, units, slm = INTEL[arch]
        text, tokens = ((folder / "dump" / f).read_text() for f in (f"{program.kernel}_KernelHeap.asm", "PTM.txt"))
        # of the kernel's first patch token, MEDIA_VFE_STATE: a thread's bytes of scratch memory
        state = re.search(r"Token 18\n\t4 Size 16\n\tHex (?:\w+ ){4}((?:\w+ ?){4})", tokens)
        scratch = sum(int(b, 16) << 8 * i for i, b in enumerate(state[1].split())) if state else 0
        spills = len(re.findall(r"scratch", text))
        widths = [int(w) for w in re.findall(r"\bmad \((\d+)\|\S+\s+\S+:f ", text)] or [8]
        group = option(options, "GROUP_ROWS") * option(options, "GROUP_COLUMNS")
        each, local = max(group // max(widths), 1), slice_bytes(options) if PRODUCT.search(program.kernel) else 0
        most = min(threads * units // each, slm * 1024 // (local or 1))
        # arrays of an item in memory; its driver does not count spills as such
        return {"registers": 128, "spills": spills, "scratch": scratch, "local": local,
                "waves": max(most * each // units, 1), "wants_memory": scratch > 0 and not spills, "text": text}

    def build(self, number, program, arch):
        """What the kernel costs there, or the compiler's complaint."""
        source = self.temp / f"{number}.cl"
        source.write_text(program.source)
        vendor = "amd" if arch in AMD else "nvidia" if arch in NVIDIA else "intel"
        try:
            kernel = getattr(self, vendor)(program, source, arch)
        except RuntimeError as error:
            return {"error": str(error)}
        size = {name: option(program.options, name) for name in ("PT", "NV", "VEC", "DEPTH")}
        per_slice = size["PT"] * size["NV"] * size["VEC"] * size["DEPTH"] if PRODUCT.search(program.kernel) else 0
        kernel.update(hot_loop(vendor, kernel.pop("text"), per_slice) or {})
        # ocloc's second try: accumulators in an array in memory, its loops not unrolled
        kernel["in_memory"] = bool(TILE.search(program.kernel)) and (
            kernel["wants_memory"] or (vendor == "intel" and kernel.get("share", 0) < IN_MEMORY_SHARE))
        return kernel

    def build_all(self, jobs, done):
        jobs = [job for job in sorted(jobs) if job not in done]
        numbers = range(len(done), len(done) + len(jobs))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            done.update(zip(jobs, list(pool.map(lambda n, job: self.build(n, *job), numbers, jobs))))


def slice_bytes(options):
    o = {n: option(options, n) for n in ("DEPTH", "GROUP_ROWS", "GROUP_COLUMNS", "PT", "NV", "VEC")}
    return 8 * o["DEPTH"] * (o["GROUP_ROWS"] * o["PT"] + 4 + o["GROUP_COLUMNS"] * o["NV"] * o["VEC"])


def faults_of(row):
    """What a shipped kernel must not do."""
    if "error" in row:
        return ["does not compile: " + row["error"]]
    faults = []
    if row["spills"]:  # scalar ones go to lanes of a vector register, not to memory
        faults.append("spills")
    if row["in_memory"] or (row["scratch"] and TILE.search(row["kernel"])):
        faults.append("accumulators in memory")
    if PRODUCT.search(row["kernel"]):
        if row["waves"] < LEAST_WAVES:
            faults.append(f"fewer than {LEAST_WAVES} waves")
        if row.get("share", 0) < LEAST_SHARE and row["arch"] not in INTEL:  # not met there: docs/offline.md
            faults.append(f"less than {LEAST_SHARE:.0%} multiply-adds")
    return faults


def compiled(compilers, plain, small, archs):
    """Rows of what ships: the programs of each operator/variant; where a tile's accumulators go to memory, those
    of the smaller tile in place of all with that tile's options, as the library does. Except for Intel's they have
    to fit."""
    done, rows = {}, []
    compilers.build_all({(p, a) for programs in plain.values() for p in programs for a in archs}, done)
    shipped = {}
    for name, programs in plain.items():
        instead = small.get(name, set()) - programs
        for arch in archs:
            fell = {p.options for p in programs if instead and arch in INTEL and done[p, arch].get("in_memory")}
            shipped[name, arch] = {p for p in programs | (instead if fell else set()) if p.options not in fell}
    compilers.build_all({(p, arch) for (_, arch), programs in shipped.items() for p in programs}, done)
    for (name, arch), programs in shipped.items():
        rows += [{"variant": name, "kernel": p.kernel, "options": p.options, "arch": arch, **done[p, arch]}
                 for p in programs]
    return rows


def is_left_out(name):
    return name.split("/")[1] in ON_CPUS or name in OF_CLBLAST


def missing(plain, rows, archs):
    """Operators and variants of which nothing was compiled, though GPUs take them."""
    operators = re.findall(r"^OP\((\w+)\)", (ROOT / "src/ref/ops.def").read_text(), re.M)
    there = {(r["variant"], r["arch"]) for r in rows}
    lack = [f"{n} on {a}" for n in plain for a in archs if (n, a) not in there and not is_left_out(n)]
    return lack + [o for o in operators if not any(n.startswith(f"{o}/") for n, _ in there)]


def counts(plain, rows, archs):
    names, programs = {r["variant"] for r in rows}, {(r["kernel"], r["options"]) for r in rows}
    left = collections.Counter(n.split("/")[1] for n in plain if n not in names and is_left_out(n))
    scalar = {(r["kernel"], r["options"], r["arch"]) for r in rows if r.get("scalar_spills")}
    return (f"{len({n.split('/')[0] for n in names})} operators with {len(names)} variants for GPUs, "
            f"{len({k for k, _ in programs})} kernels, {len(programs)} with options that differ, {len(archs)} "
            f"architectures: {len(rows)} rows; {sum(bool(r.get('spills')) for r in rows)} with spills, "
            f"{sum(bool(r['faults']) for r in rows)} with faults. Kernels that keep scalars in lanes of vector "
            f"registers, which is not memory: {len(scalar)} (AMD). Variants left out, for CPUs or all CLBlast's own: "
            + ", ".join(f"{n} {v}" for v, n in sorted(left.items())) + "; host, which has no kernel.")


def spills_of(r):
    return str(r["spills"]) + (f"+{r['scalar_spills']}" if r.get("scalar_spills") else "")


def shares_of(r):
    return [f"{r['share']:.0%}", f"{r['slice']:.0%}", f"{r['bytes']:.2f}"] if "share" in r else ["-"] * 3


def print_table(rows):
    form = "{:32} {:25} {:8} {:>4} {:>4} {:>6} {:>7} {:>6} {:>5} {:>4} {:>5} {:>6}  {}"
    print(form.format("operator/variant", "kernel", "arch", "reg", "sreg", "spill", "scratch", "local", "waves", "hot",
                      "slice", "B/madd", "options"))
    for r in rows:
        figures = ["-"] * 9 if "error" in r else [r["registers"], r.get("scalar_registers", "-"), spills_of(r),
                                                  r["scratch"], r["local"], r["waves"], *shares_of(r)]
        print(form.format(r["variant"], r["kernel"], r["arch"], *figures, r["options"]),
              *[f"**{fault}**" for fault in r["faults"]])


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|---" * len(head) + "|",
            *("| " + " | ".join(str(c) for c in r) + " |" for r in rows), ""]


def short(options):
    return options.replace("-D", "")


def markdown(rows, archs, count):
    """Tiles with all columns; other kernels with registers and waves; which operator takes which."""
    kernels = {(r["kernel"], r["options"], r["arch"]): r for r in rows}
    out = [textwrap.fill(count, 118), ""]
    names = sorted({(k, o) for k, o, _ in kernels})
    for kernel, options in (n for n in names if TILE.search(n[0])):
        out += [f"`{kernel}`, {short(options)}:", ""]
        out += table(["", "registers", "spills", "scratch", "local", "waves", "hot", "slice", "B"],
                     [[a, r["registers"], spills_of(r), r["scratch"], r["local"], r["waves"], *shares_of(r)]
                      for a in archs for r in [kernels.get((kernel, options, a))] if r])
    out += ["All others: registers / waves; where there are any, s bytes of scratch and l of local memory, + scalars\n"
            "kept in lanes, spills:", ""]
    out += table(["kernel", "options", *archs],
                 [[k, short(o), *(cell(kernels.get((k, o, a))) for a in archs)] for k, o in names
                  if not TILE.search(k)])
    taken = collections.defaultdict(set)
    for r in rows:
        taken[r["variant"]].add(r["kernel"])
    out += table(["operator/variant", "kernels"], [[v, ", ".join(sorted(k))] for v, k in sorted(taken.items())])
    return "\n".join(out)


def cell(r):
    if not r:
        return ""
    marks = {" s": r["scratch"], " l": r["local"], " +": r.get("scalar_spills"), " spills ": r["spills"]}
    return f"{r['registers']}/{r['waves']}" + "".join(f"{mark}{value}" for mark, value in marks.items() if value)


def write_between(path, text):
    before, rest = path.read_text().split(BEGIN)
    path.write_text(before + BEGIN + "\n\n" + text + "\n" + END + rest.split(END)[1])


def main():
    parser = argparse.ArgumentParser(description="GPU kernels by vendors' compilers, without a GPU")
    parser.add_argument("--compilers", type=pathlib.Path, required=True)
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / "build/tests/list_programs",
                        help="that program; configure with -DROTE_TESTS=ON")
    parser.add_argument("--quick", action="store_true", help="one architecture of each vendor")
    parser.add_argument("--only", default="", help="kernels with this in their name")
    parser.add_argument("--options", help="these in place of what ships, and no smaller tile")
    parser.add_argument("--arch", help="these architectures, separated by commas")
    parser.add_argument("--json", type=pathlib.Path, help="write the table there too")
    parser.add_argument("--markdown", type=pathlib.Path, help="write tables between the marks of that file")
    a = parser.parse_args()
    if not a.programs.exists():
        sys.exit(f"offline.py: no {a.programs}: configure with -DROTE_TESTS=ON and build, or name it by --programs")
    archs = a.arch.split(",") if a.arch else QUICK if a.quick else ARCHS
    with tempfile.TemporaryDirectory(prefix="rote-offline-") as temp:
        temp = pathlib.Path(temp)
        plain, small = all_listed(a.programs, temp)
        for lists in (plain, small):
            for name in lists:
                lists[name] = {p._replace(options=p.options if a.options is None else a.options)
                               for p in lists[name] if a.only in p.kernel}
        rows = compiled(Compilers(a.compilers, temp), plain, {} if a.options else small, archs)
    rows.sort(key=lambda r: (not TILE.search(r["kernel"]), r["variant"], r["kernel"], r["options"],
                             ARCHS.index(r["arch"])))
    for r in rows:
        r["faults"] = faults_of(r)
    print_table(rows)
    if a.json:
        a.json.write_text(json.dumps(rows, indent=1) + "\n")
    lack = missing(plain, rows, archs) if not a.only else []
    if a.markdown and not lack:
        write_between(a.markdown, markdown(rows, archs, counts(plain, rows, archs)))
    for name in lack:
        print("not compiled:", name)
    print(counts(plain, rows, archs))
    sys.exit(1 if lack or not rows or any(r["faults"] for r in rows) else 0)


main()
