"""Compiles what a plan builds on GPUs with the compilers of three vendors, and reads from their
assembly what each kernel costs. Started by tools/offline.sh, which says where the compilers are.

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

ROOT = pathlib.Path(__file__).resolve().parents[1]
PLANS = [["model=resnet18"], ["model=cnn"]]
AMD = ["gfx906", "gfx90a", "gfx942", "gfx1030", "gfx1100"]
NVIDIA = {"sm_75": (64, 32), "sm_80": (164, 64), "sm_90": (228, 64)}  # KiB of shared memory, warps of an SM
INTEL = {"skl": (7, 8, 64), "tgllp": (7, 16, 128), "dg2": (8, 16, 128)}  # threads of an EU, EUs, KiB of SLM
CLASSES = {"integrated": ["gfx90a", "gfx1030", "gfx1100", *INTEL],
           "discrete": [*AMD, *NVIDIA, "dg2"]}
QUICK = {"integrated": ["tgllp"], "discrete": ["gfx906", "sm_80"]}
# Of a convolution's product and filter gradient: no spills, and at least
LEAST_WAVES, LEAST_SHARE = 2, 0.75
IN_MEMORY_SHARE = 0.1  # ocloc does not say it of all devices; it has been 1 to 5% there, else above 30%
MULTIPLIES = re.compile(r"__(tile)$")

Loop = collections.namedtuple("Loop", "first last")


def run(*command, env=None):
    p = subprocess.run([str(c) for c in command], capture_output=True, text=True, env={**os.environ, **(env or {})})
    if p.returncode:
        raise RuntimeError(f"{command[0]} failed: {(p.stdout + p.stderr).strip()[-1500:]}")
    return p.stdout + p.stderr


def kernels_of(rote, cls, temp):
    """{(file, options): kernels} that plans build on a device of that class, less the small tiles that
    stand in for others. Other kernels of those files, and files that no plan reaches, only have to compile."""
    lines = temp / f"{cls}.kernels"
    for plan in PLANS:
        sets = [word for key in plan for word in ("--set", key)]
        run(rote, "plan", *sets, env={"ROTE_TEST_CLASS": cls, "ROTE_TEST_KERNELS": str(lines)})
    builds = {}
    for file, kernel, options in (line.split(" ", 2) for line in lines.read_text().splitlines()):
        builds.setdefault((file, options), set()).add(kernel)
    made = set(builds)
    second = {(file, smaller(options)) for file, options in made if smaller(options) != options}
    builds = {key: kernels for key, kernels in builds.items() if key not in second}
    reached = {file for file, _ in made}
    for path in (ROOT / "cl").glob("*.cl"):
        if path.stem not in reached:
            builds[path.stem, "-DVEC=4"] = set()
    return builds


def expanded(name, seen=None):
    """A kernel file with its headers in place, as the library gives it to drivers."""
    seen = set() if seen is None else seen
    out = []
    for line in (ROOT / "cl" / name).read_text().splitlines(keepends=True):
        include = re.match(r'#include "(.*/.*)"', line)
        if not include:
            out.append(line)
        elif include[1] not in seen:
            seen.add(include[1])
            out.append(expanded(include[1], seen))
    return "".join(out)


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

    def amd(self, source, options, arch, stem):
        text = self.clang(source, options, ["-target", "amdgcn-amd-amdhsa", f"-mcpu={arch}"], "amdgcn--amdhsa.bc",
                          self.temp / f"{stem}.s")
        out = {}
        for m in re.finditer(r"\n(\w+):\s*; @\1\n(.*?)\n\.Lfunc_end.*?; Kernel info:(.*?)\n; COMPUTE_PGM_RSRC2:USER",
                             text, re.S):
            value = lambda name: int(re.search(rf"; {name}: (\d+)", m[3])[1])
            meta = re.search(rf"\.name:\s+{m[1]}\n(.*?)\.wavefront_size", text, re.S)
            if not meta:
                continue  # a function, not a kernel
            spills = {kind: int(re.search(rf"\.{kind}_spill_count: (\d+)", meta[1])[1]) for kind in ("sgpr", "vgpr")}
            out[m[1]] = {"registers": value("NumVgprs"), "scalar_registers": value("NumSgprs"),
                         "spills": spills["vgpr"], "scalar_spills": spills["sgpr"], "scratch": value("ScratchSize"),
                         "local": value("LDSByteSize"), "waves": value("Occupancy"), "text": m[2]}
        return out

    def nvidia(self, source, options, arch, stem):
        ptx, cubin = self.temp / f"{stem}.ptx", self.temp / f"{stem}.cubin"
        self.clang(source, options, ["-target", "nvptx64-nvidia-nvcl", "-Xclang", "-target-cpu", "-Xclang", arch],
                   "nvptx64--nvidiacl.bc", ptx)
        log = run(self.cuda / "ptxas", "-v", f"-arch={arch}", "-o", cubin, ptx)
        sass = run(self.cuda / "nvdisasm", "-c", cubin)
        shared, warps = NVIDIA[arch]
        out = {}
        for m in re.finditer(r"Compiling entry function '(\w+)'.*?\n.*?\n\s*(\d+) bytes stack frame, (\d+) bytes spill "
                             r"stores, (\d+) bytes spill loads\n.*?Used (\d+) registers(.*)", log):
            local = int((re.search(r"(\d+) bytes smem", m[6]) or [0, 0])[1])
            registers, group = int(m[5]), max(option(options, "GROUP_ROWS") * option(options, "GROUP_COLUMNS"), 32)
            each = (group + 31) // 32
            most = min(65536 // (-(-registers // 8) * 8 * 32) // each, warps // each, shared * 1024 // (local or 1))
            text = re.search(rf"\n\.text\.{m[1]}:\n(.*?)(\n//-----|\Z)", sass, re.S)[1]
            out[m[1]] = {"registers": registers, "spills": (int(m[3]) + int(m[4])) // 4, "scratch": int(m[2]),
                         "local": local, "waves": most * each // 4, "text": text}
        return out

    def intel(self, source, options, arch, stem):
        ocloc, folder = self.usr / "bin/ocloc", self.temp / stem
        run(ocloc, "compile", "-q", "-file", source, "-device", arch, "-out_dir", folder, "-output", "k", "-options",
            f"-cl-std=CL1.2 {options}", env=self.env)
        binary = next(folder.glob("k_*.bin"))
        run(ocloc, "disasm", "-file", binary, "-device", arch, "-dump", folder / "dump", env=self.env)
        threads, units, slm = INTEL[arch]
        out, tokens = {}, (folder / "dump/PTM.txt").read_text()
        for path in (folder / "dump").glob("*_KernelHeap.asm"):
            name, text = path.name[:-len("_KernelHeap.asm")], path.read_text()
            # of the kernel's first patch token, MEDIA_VFE_STATE: a thread's bytes of scratch memory
            state = re.search(rf"KernelName {name}\n.*?Token 18\n\t4 Size 16\n\tHex (?:\w+ ){{4}}((?:\w+ ?){{4}})",
                              tokens, re.S)
            scratch = sum(int(b, 16) << 8 * i for i, b in enumerate(state[1].split())) if state else 0
            widths = [int(w) for w in re.findall(r"\bmad \((\d+)\|\S+\s+\S+:f ", text)] or [8]
            group = option(options, "GROUP_ROWS") * option(options, "GROUP_COLUMNS")
            each, local = max(group // max(widths), 1), slice_bytes(options) if name.endswith("__tile") else 0
            most = min(threads * units // each, slm * 1024 // (local or 1))
            out[name] = {
                "registers": 128, "spills": len(re.findall(r"scratch", text)), "scratch": scratch, "local": local,
                "simd": max(widths), "waves": min(threads, most * each // units), "text": text}
        return out

    def build(self, file, options, arch):
        stem = re.sub(r"\W+", "_", f"{file}{options}{arch}")
        source = self.temp / f"{stem}.cl"
        source.write_text(expanded(f"{file}.cl"))
        vendor = "amd" if arch in AMD else "nvidia" if arch in NVIDIA else "intel"
        found = self.measured(vendor, source, options, arch, stem)
        if any(k["scratch"] or k.get("in_memory") for name, k in found.items() if MULTIPLIES.search(name)):
            found = self.measured(vendor, source, smaller(options), arch, stem + "small")  # as conv2d_tile.c does
        return found

    def measured(self, vendor, source, options, arch, stem):
        found = getattr(self, vendor)(source, options, arch, stem)
        per_slice = option(options, "PT") * option(options, "NV") * option(options, "VEC") * option(options, "DEPTH")
        for name, kernel in found.items():
            tile = MULTIPLIES.search(name)
            kernel.update(hot_loop(vendor, kernel.pop("text"), per_slice if tile else 0) or {}, options=options)
            # ocloc's second try: accumulators in an array in memory, its loops not unrolled
            kernel["in_memory"] = bool(tile) and vendor == "intel" and kernel.get("share", 0) < IN_MEMORY_SHARE
        return found


def smaller(options):
    """The small tile of src/op/conv2d_tile.c, taken where the full one needs memory."""
    for name, value in {"PT": 4, "MC": 4, "NV": 1, "GROUP_ROWS": 8, "GROUP_COLUMNS": 8}.items():
        options = re.sub(rf"-D{name}=\d+", f"-D{name}={value}", options)
    return options


def slice_bytes(options):
    o = {n: option(options, n) for n in ("DEPTH", "GROUP_ROWS", "GROUP_COLUMNS", "PT", "NV", "VEC")}
    return 8 * o["DEPTH"] * (o["GROUP_ROWS"] * o["PT"] + 4 + o["GROUP_COLUMNS"] * o["NV"] * o["VEC"])


def faults_of(row):
    """What a shipped kernel must not do."""
    faults = []
    if row["spills"]:  # scalar ones go to lanes of a vector register, not to memory
        faults.append("spills")
    if MULTIPLIES.search(row["kernel"]):
        if row["scratch"]:
            faults.append("scratch")
        if row["in_memory"]:
            faults.append("accumulators in memory")
        if row["waves"] < LEAST_WAVES:
            faults.append(f"fewer than {LEAST_WAVES} waves")
        if row.get("share", 0) < LEAST_SHARE and row["arch"] not in INTEL:  # not met there: docs/performance.md
            faults.append(f"less than {LEAST_SHARE:.0%} multiply-adds")
    return faults


def print_table(rows):
    print(f"{'kernel':26} {'arch':8} {'reg':>4} {'sreg':>4} {'spill':>5} {'scratch':>7} {'local':>6} {'waves':>5} "
          f"{'hot':>4} {'slice':>5} {'B/madd':>6}  options")
    for r in rows:
        share = f"{'-':>4} {'-':>5} {'-':>6}"
        if "share" in r:
            share = f"{r['share']:4.0%} {r['slice']:5.0%} {r['bytes']:6.2f}"
        spill = str(r["spills"]) + (f"+{r['scalar_spills']}" if r.get("scalar_spills") else "")
        print(f"{r['kernel']:26} {r['arch']:8} {r['registers']:4} {r.get('scalar_registers', '-'):>4} {spill:>5} "
              f"{r['scratch']:7} {r['local']:6} {r['waves']:5} {share}  {r['options']} {'; '.join(r['faults'])}")


def main():
    parser = argparse.ArgumentParser(description="GPU kernels by vendors' compilers, without a GPU")
    parser.add_argument("--compilers", type=pathlib.Path, required=True)
    parser.add_argument("--rote", type=pathlib.Path, default=ROOT / "build/rote")
    parser.add_argument("--quick", action="store_true", help="one architecture of each vendor")
    parser.add_argument("--only", default="", help="kernel files of this name")
    parser.add_argument("--options", help="these in place of what plans build, with --only")
    parser.add_argument("--arch", help="these architectures, separated by commas")
    parser.add_argument("--json", type=pathlib.Path, help="write the table there too")
    a = parser.parse_args()
    rows, failed = [], []
    with tempfile.TemporaryDirectory(prefix="rote-offline-") as temp:
        temp = pathlib.Path(temp)
        compilers, jobs = Compilers(a.compilers, temp), {}
        for cls, archs in (QUICK if a.quick else CLASSES).items():
            builds = {(a.only, a.options): None} if a.options else kernels_of(a.rote, cls, temp)
            for (file, options), shipped in builds.items():
                for arch in a.arch.split(",") if a.arch else archs:
                    if a.only in ("", file):
                        jobs[file, options, arch] = shipped
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            futures = {pool.submit(compilers.build, *job): job for job in jobs}
            for future in concurrent.futures.as_completed(futures):
                file, options, arch = futures[future]
                try:
                    for kernel, facts in future.result().items():
                        rows.append({"file": file, "kernel": kernel, "arch": arch,
                                     "shipped": jobs[file, options, arch] is None or
                                     kernel in jobs[file, options, arch], **facts})
                except RuntimeError as error:
                    failed.append(f"{file} {options} for {arch}: {error}")
    rows.sort(key=lambda r: (not MULTIPLIES.search(r["kernel"]), r["file"], r["kernel"], r["options"], r["arch"]))
    for r in rows:
        r["faults"] = faults_of(r) if r["shipped"] else []
    print_table(rows)
    if a.json:
        a.json.write_text(json.dumps(rows, indent=1) + "\n")
    bad = [r for r in rows if r["faults"]]
    for line in failed:
        print("does not compile:", line)
    print(f"{len(rows)} kernels; {len(bad)} with faults, {len(failed)} builds that fail")
    sys.exit(1 if bad or failed else 0)


main()
