"""Turns a record of what Rote told OpenCL (ROTE_RECORD, docs/fuzz.md) into one C file that does the same without
Rote: kernels, data, launches, and what should come out. Used by tools/fuzz.py."""
import dataclasses
import json
import os
import re
import struct
import textwrap

TYPES = {"float32": ("float", "f", 4), "int32": ("cl_int", "i", 4), "uint8": ("cl_uchar", "B", 1),
         "words": ("cl_uint", "I", 4)}


def numbers(data, kind):
    code, size = TYPES[kind][1:]
    return struct.unpack(f"<{len(data) // size}{code}", data)


@dataclasses.dataclass
class Check:
    """One set of buffers: what went in, what was launched, what came out of each run."""
    buffers: dict = dataclasses.field(default_factory=dict)
    wants: list = dataclasses.field(default_factory=list)
    runs: list = dataclasses.field(default_factory=lambda: [[]])
    library: bool = False

    def add(self, event):
        kind = event["event"]
        if kind in ("buffer", "view"):
            self.buffers[event["id"]] = event
        elif kind == "want":
            self.wants.append(event)
            self.runs = [[]]  # what came before was preparation, and is done again in each run
        elif kind == "library":
            self.library = True
        else:
            if kind != "read" and self.reads(-1):
                self.runs.append([])
            self.runs[-1].append(event)

    def reads(self, run):
        return {e["id"]: bytes.fromhex(e["data"]) for e in self.runs[run] if e["event"] == "read"}

    def launched(self):
        return any(e["event"] in ("launch", "read") for run in self.runs for e in run)

    def wrong(self, types):
        got = self.reads(0)
        return any(w["id"] in got and off(got[w["id"]], w, types) for w in self.wants)

    def unsteady(self):
        return len(self.runs) > 1 and any(self.reads(1).get(k, v) != v for k, v in self.reads(0).items())


class Record:
    def __init__(self, path):
        self.programs, self.checks, self.device = {}, [], {}
        for line in path.read_text().splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                break  # the process ended in the middle of it
            if event["event"] == "device":
                self.device = event
            elif event["event"] == "program":
                self.programs[event["key"]] = event
            else:
                if not self.checks or event["event"] == "buffer" and self.checks[-1].launched():
                    self.checks.append(Check())
                self.checks[-1].add(event)

    def failing(self, types):
        """The check that shows it; the last one where none gave results that are off."""
        return next((c for c in self.checks if c.wrong(types)), None) or \
            next((c for c in self.checks if c.unsteady()), None) or (self.checks[-1] if self.checks else Check())


def wanted(want, types):
    data = bytes.fromhex(want["data"])
    if types.get(want["port"]) == "float32":
        return struct.unpack(f"<{len(data) // 8}d", data)
    return numbers(data, types.get(want["port"], "words"))


def rms(values):
    return (sum(v * v for v in values) / len(values)) ** 0.5


def off(data, want, types):
    """How many elements are."""
    kind = types.get(want["port"], "words")
    got, expected = numbers(data, kind), wanted(want, types)
    if kind != "float32" or not want["tolerance"]:
        return sum(g != (struct.unpack("f", struct.pack("f", w))[0] if kind == "float32" else w)
                   for g, w in zip(got, expected))
    least = rms(expected)
    return sum(not abs(g - w) <= want["tolerance"] * max(abs(w), least) + 1e-37 for g, w in zip(got, expected))


def number(value, suffix):
    if value != value:
        return "NAN"
    if value in (float("inf"), float("-inf")):
        return "INFINITY" if value > 0 else "-INFINITY"
    text = f"{value:.9g}"
    return text + ("" if re.search(r"[.e]", text) else ".0") + suffix


def array(kind, name, values):
    words = [number(v, "f") if kind == "float" else number(v, "") if kind == "double" else str(v) for v in values]
    body = textwrap.fill(", ".join(words), 112, initial_indent="    ", subsequent_indent="    ")
    return f"static const {kind} {name}[{len(values)}] = {{\n{body}}};\n"


def quoted(line):
    for a, b in (("\\", "\\\\"), ('"', '\\"'), ("\t", "\\t"), ("??", "?\\?")):
        line = line.replace(a, b)
    return f'    "{line}\\n",'


def source_lines(program):
    text = "\n".join(line.rstrip() for line in program["source"].splitlines())
    return re.sub(r"\n{3,}", "\n\n", text).strip().split("\n")


def source(name, comment, lines):
    return f"/* {comment} */\nstatic const char *{name}[] = {{\n" + "\n".join(map(quoted, lines)) + "\n};\n"


def sources(programs):
    """The lines with which all begin, once; then each one's own."""
    lines = [source_lines(p) for p in programs]
    shared = os.path.commonprefix(lines) if len(lines) > 1 else []
    shared = shared if len(shared) < min(map(len, lines)) else shared[:-1]
    return [source("shared", "how all kernels' sources begin", shared)] * bool(shared) + \
        [source(f"source_{i}", p["kernel"], own[len(shared):]) for i, (p, own) in enumerate(zip(programs, lines))]


def parameters(program, count):
    """Their names, as far as they can be told from the text; else empty."""
    found = re.search(rf"\b{program['kernel']}\(([^)]*)\)", program["source"])
    names = [p.split()[-1].strip("*") for p in found.group(1).split(",") if p.split()] if found else []
    return names if len(names) == count else [""] * count


HELPERS = {
    "open_device": """static void open_device(int platform_index, int device_index)
{
    cl_platform_id platforms[16];
    cl_device_id devices[16];
    cl_uint n = 0;
    cl_int error;
    check(clGetPlatformIDs(16, platforms, &n), "clGetPlatformIDs");
    if (platform_index >= (int)n)
        check(CL_INVALID_PLATFORM, "there is no such platform");
    check(clGetDeviceIDs(platforms[platform_index], CL_DEVICE_TYPE_ALL, 16, devices, &n), "clGetDeviceIDs");
    if (device_index >= (int)n)
        check(CL_INVALID_DEVICE, "there is no such device");
    device = devices[device_index];
    context = clCreateContext(NULL, 1, &device, NULL, NULL, &error);
    check(error, "clCreateContext");
    queue = clCreateCommandQueue(context, device, 0, &error);
    check(error, "clCreateCommandQueue");
}
""",
    "build": """static cl_kernel build(const char **lines, size_t count, const char *options, const char *name)
{
    static char log[65536];
    cl_int error;
    @SHARED@cl_program program = clCreateProgramWithSource(context, (cl_uint)count, lines, NULL, &error);
    check(error, "clCreateProgramWithSource");
    error = clBuildProgram(program, 1, &device, options, NULL, NULL);
    if (error && !clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log, NULL))
        printf("%s\\n", log);
    check(error, "clBuildProgram");
    cl_kernel kernel = clCreateKernel(program, name, &error);
    check(error, name);
    return kernel;
}
""",
    "buffer": """static cl_mem buffer(size_t bytes)
{
    cl_int error;
    cl_mem m = clCreateBuffer(context, CL_MEM_READ_WRITE, bytes, NULL, &error);
    check(error, "clCreateBuffer");
    return m;
}
""",
    "view": """static cl_mem view(cl_mem of, size_t offset, size_t bytes)
{
    cl_int error;
    cl_buffer_region region = {offset, bytes};
    cl_mem m = clCreateSubBuffer(of, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region, &error);
    check(error, "clCreateSubBuffer");
    return m;
}
""",
    "write_buffer": """static void write_buffer(cl_mem m, size_t offset, const void *data, size_t bytes)
{
    check(clEnqueueWriteBuffer(queue, m, CL_TRUE, offset, bytes, data, 0, NULL, NULL), "clEnqueueWriteBuffer");
}
""",
    "read_buffer": """static void read_buffer(cl_mem m, void *data, size_t bytes)
{
    check(clEnqueueReadBuffer(queue, m, CL_TRUE, 0, bytes, data, 0, NULL, NULL), "clEnqueueReadBuffer");
}
""",
    "fill_buffer": """static void fill_buffer(cl_mem m, cl_uint word, size_t bytes)
{
    check(clEnqueueFillBuffer(queue, m, &word, sizeof word, 0, bytes, 0, NULL, NULL), "clEnqueueFillBuffer");
}
""",
    "copy_buffer": """\
static void copy_buffer(cl_mem to, size_t to_offset, cl_mem from, size_t from_offset, size_t bytes)
{
    check(clEnqueueCopyBuffer(queue, from, to, from_offset, to_offset, bytes, 0, NULL, NULL), "clEnqueueCopyBuffer");
}
""",
    "argument": """static void argument(cl_kernel kernel, cl_uint index, size_t bytes, const void *value)
{
    check(clSetKernelArg(kernel, index, bytes, value), "clSetKernelArg");
}
""",
    "launch": """static void launch(cl_kernel kernel, cl_uint dims, const size_t *global, const size_t *local)
{
    check(clEnqueueNDRangeKernel(queue, kernel, dims, NULL, global, local, 0, NULL, NULL), "clEnqueueNDRangeKernel");
    check(clFinish(queue), "clFinish");
}
""",
    "compare_floats": """\
/* Elements farther from `want` than tolerance * max(|want|, rms); tolerance 0: other floats. */
static int compare_floats(const char *name, const float *got, const double *want, int count, double tolerance,
                          double rms)
{
    int wrong = 0;
    for (int i = 0; i < count; i++) {
        double size = want[i] < 0 ? -want[i] : want[i], error = got[i] < want[i] ? want[i] - got[i] : got[i] - want[i];
        if (tolerance > 0 ? error <= tolerance * (size > rms ? size : rms) + 1e-37 : got[i] == (float)want[i])
            continue;
        if (wrong++ < 3)
            printf("%s[%d] is %.9g, should be %.9g\\n", name, i, got[i], want[i]);
    }
    printf("%s: %d of %d elements are off\\n", name, wrong, count);
    return wrong;
}
""",
    "compare_ints": """static int compare_ints(const char *name, const cl_int *got, const cl_int *want, int count)
{
    int wrong = 0;
    for (int i = 0; i < count; i++)
        if (got[i] != want[i] && wrong++ < 3)
            printf("%s[%d] is %d, should be %d\\n", name, i, (int)got[i], (int)want[i]);
    printf("%s: %d of %d elements are off\\n", name, wrong, count);
    return wrong;
}
""",
    "same": """static int same(const char *name, const void *got, const void *first, size_t bytes)
{
    if (!memcmp(got, first, bytes))
        return 1;
    printf("%s: the second run on the same data gave other bits\\n", name);
    return 0;
}
""",
}


class Program:
    """The C text of one check."""
    def __init__(self, record, check, types, unsteady):
        self.check, self.types, self.unsteady = check, types, unsteady
        used = list(dict.fromkeys(e["program"] for e in check.runs[0] if e["event"] == "launch"))
        self.programs = {key: record.programs[key] for key in used or record.programs}
        self.kernels = {key: f"kernel_{i}" for i, key in enumerate(self.programs)}
        self.names, self.arrays, self.body = {}, [], []
        for number_, event in check.buffers.items():
            name = re.sub(r"\W", "_", event.get("name", "part"))
            self.names[number_] = name if name not in self.names.values() else f"{name}_{number_}"

    def kind(self, buffer):
        return self.types.get(self.check.buffers[buffer].get("name"), "words")

    def step(self, event):
        return getattr(self, event["event"])(event)

    def write(self, e):
        name, (kind, _, _) = self.names[e["id"]], TYPES[self.kind(e["id"])]
        label = f"{name}_data" if not any(f" {name}_data[" in a for a in self.arrays) else f"data_{len(self.arrays)}"
        self.arrays.append(array(kind, label, numbers(bytes.fromhex(e["data"]), self.kind(e["id"]))))
        return [f"write_buffer({name}, {e['offset']}, {label}, sizeof {label});"]

    def fill(self, e):
        bytes_, nan = self.check.buffers[e["id"]]["bytes"] // 4 * 4, e["word"] & 0x7f800000 == 0x7f800000
        return [f"fill_buffer({self.names[e['id']]}, 0x{e['word']:08x}, {bytes_});{' /* NaN */' if nan else ''}"]

    def copy(self, e):
        return [f"copy_buffer({self.names[e['to']]}, {e['to_offset']}, {self.names[e['from']]}, {e['from_offset']}, "
                f"{e['bytes']});"]

    def value(self, letter, value):
        if letter == "m":
            return (f"sizeof {self.names[value]}, &{self.names[value]}") if value else "sizeof(cl_mem), NULL"
        if letter == "L":
            return f"{value}, NULL"
        kind = {"i": "cl_int", "u": "cl_uint", "l": "cl_ulong", "f": "cl_float"}[letter]
        text = number(struct.unpack("<f", struct.pack("<I", value))[0], "f") if letter == "f" else str(value)
        return f"sizeof({kind}), &({kind}){{{text}}}"

    def launch(self, e):
        kernel = self.kernels[e["program"]]
        names = parameters(self.programs[e["program"]], len(e["arguments"]))
        lines = [f"argument({kernel}, {i}, {self.value(*a)});{f' /* {name} */' if name else ''}"
                 for i, (a, name) in enumerate(zip(e["arguments"], names))]
        size = [f"(size_t[]){{{', '.join(map(str, s))}}}" if s else "NULL" for s in (e["global"], e["local"])]
        return lines + [f"launch({kernel}, {len(e['global'])}, {size[0]}, {size[1]});"]

    def read(self, e):
        return []

    def outputs(self):
        lines = []
        for want in self.check.wants:
            port, kind, values = want["port"], self.types.get(want["port"], "words"), wanted(want, self.types)
            floats = kind == "float32"
            self.arrays.append(array("double" if floats else TYPES[kind][0], f"{port}_want", values))
            lines += [f"static {TYPES[kind][0]} {port}_got[{len(values)}];",
                      f"read_buffer({self.names[want['id']]}, {port}_got, sizeof {port}_got);"]
            more = f", {want['tolerance']:.9g}, {rms(values):.9g}" if floats else ""
            lines += [f"wrong += compare_{'floats' if floats else 'ints'}(\"{port}\", {port}_got, {port}_want, "
                      f"{len(values)}{more});"]
            if self.unsteady:
                lines += [f"static {TYPES[kind][0]} {port}_first[{len(values)}];", "if (run == 0)",
                          f"    memcpy({port}_first, {port}_got, sizeof {port}_got);", "else",
                          f"    wrong += !same(\"{port}\", {port}_got, {port}_first, sizeof {port}_got);"]
        return lines

    def memory(self):
        for id_, e in self.check.buffers.items():
            yield f"cl_mem {self.names[id_]} = " + (
                f"buffer({e['bytes']});" if e["event"] == "buffer" else
                f"view({self.names[e['of']]}, {e['offset']}, {e['bytes']});")

    def text(self, comment):
        steps = [line for event in self.check.runs[0] for line in self.step(event)]
        runs = bool(steps)
        steps += self.outputs() if runs else []
        before = [f"cl_kernel {self.kernels[key]} = build(source_{i}, sizeof source_{i} / sizeof *source_{i},\n"
                  f"                              \"{p['options'].strip()}\", \"{p['kernel']}\");"
                  for i, (key, p) in enumerate(self.programs.items())]
        before += list(self.memory()) if runs else [f"(void){k};" for k in self.kernels.values()]
        loop = ["for (int run = 0; run < 2; run++) {", *("    " + line for line in steps), "}"] if runs else []
        main = ["int main(int argc, char **argv)", "{", "    int wrong = 0;",
                "    open_device(argc > 1 ? atoi(argv[1]) : 0, argc > 2 ? atoi(argv[2]) : 0);",
                *("    " + line for line in before + loop),
                '    printf(wrong ? "not as it should be\\n" : "all is as it should be\\n");',
                "    return wrong != 0;", "}"]
        body = "\n".join(main) + "\n"
        texts = sources(list(self.programs.values()))
        joins = len(texts) > len(self.programs)
        helpers = [text.replace("@SHARED@", JOIN if joins else "") for name, text in HELPERS.items()
                   if f"{name}(" in body]
        data = self.arrays + texts
        everything = "\n".join([*data, STATE, *helpers, body])
        headers = ["CL/cl.h", *(["math.h"] if re.search(r"\b(NAN|INFINITY)\b", everything) else []), "stdio.h",
                   "stdlib.h", *(["string.h"] if self.unsteady or joins else [])]
        head = "#define CL_TARGET_OPENCL_VERSION 120\n" + "\n".join(f"#include <{h}>" for h in headers) + "\n"
        return f"{comment}\n{head}\n{everything}"


JOIN = """const char *all[sizeof shared / sizeof *shared + 8192];
    memcpy(all, shared, sizeof shared);
    memcpy(all + sizeof shared / sizeof *shared, lines, count * sizeof *lines);
    lines = all;
    count += sizeof shared / sizeof *shared;
    """
STATE = """static cl_context context;
static cl_device_id device;
static cl_command_queue queue;

static void check(cl_int error, const char *what)
{
    if (error) {
        printf("%s: OpenCL error %d\\n", what, (int)error);
        exit(1);
    }
}
"""
