#!/usr/bin/env python3
"""Random operator shapes and attributes on several OpenCL implementations, each held against the float64 reference.
What differs, crashes or hangs is shrunk to a small case and written as one C file that needs no Rote.

  python3 tools/fuzz.py --on pocl --on intel --budget 10m

docs/fuzz.md tells more. Exit code: 0 nothing was found, 1 something was, 2 it could not begin."""
import argparse
import dataclasses
import json
import math
import os
import pathlib
import random
import re
import select
import shlex
import struct
import subprocess
import sys
import textwrap
import time

import repro

BAD = ("wrong", "unsteady", "failed", "crashed", "hung")
ROOT = pathlib.Path(__file__).resolve().parents[1]


def fail(message):
    print(f"fuzz.py: {message}", file=sys.stderr)
    sys.exit(2)


def run(program, *arguments, env=None):
    try:
        return subprocess.run([program, *arguments], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as error:
        return fail(f"{program}: {error.strerror}; --rote names the program that the build made")


# --- calls ----------------------------------------------------------------------------------------

# Around vectors, register tiles and work-groups; primes
SIZES = (1, 1, 2, 3, 4, 5, 7, 8, 9, 11, 13, 15, 16, 17, 19, 23, 31, 32, 33, 37, 47, 48, 49, 53, 63, 64, 65, 67, 97, 127,
         128, 129, 131, 257)
SMALL = {"stride": (1, 2, 3, 4), "pad": (0, 1, 2, 3), "dilation": (1, 2, 3), "window": (1, 2, 3, 4, 5),
         "groups": (1, 2, 3, 4, 8, 16), "eps": (1e-5, 1e-3, 0.1)}
INTEGERS, FLOATS = (0, 1, 2, 3, 4, 5, 7, 9, 17, 33), (0, 0.001, 0.1, 0.25, 0.5, 0.9, 1)


class Operator:
    def __init__(self, listed):
        self.name, self.inputs, self.outputs = listed["name"], listed["inputs"], listed["outputs"]
        self.attributes = {a["name"]: a for a in listed["attributes"]}
        self.tunables = listed["tunables"]
        self.variants = [v for v in listed["variants"] if v != "host"]
        self.letters = {d for p in self.inputs for d in p["dims"]}
        self.windowed, self.grouped = "stride_h" in self.attributes, "groups" in self.attributes
        self.heads = {"T", "M"} <= self.letters  # M heads of n labels each are T columns
        self.types = {p["name"]: p["type"] for p in self.inputs + self.outputs}

    def fixed(self, letter):
        """Not free: a number, what follows from others, what has one value only."""
        return letter.isdigit() or letter in "PQ" or self.heads and letter == "T" or \
            self.name == "ledger" and letter == "L"


@dataclasses.dataclass
class Call:
    """Dimensions by letter: C and K are those of one group, n the labels of one head."""
    op: Operator
    size: dict
    given: dict
    variant: str = ""

    def copy(self):
        return Call(self.op, dict(self.size), dict(self.given), self.variant)

    def attribute(self, name):
        a = self.op.attributes[name]
        text = self.given.get(name)
        return (a["default"] if text is None else float(text)) if a["kind"] == "float" else \
            int(a["default"] if text is None else text)

    def dims(self, port):
        text = port["dims"]
        transposed = {"a": "trans_a", "b": "trans_b"}.get(port["name"])
        return text[::-1] if transposed in self.op.attributes and self.attribute(transposed) else text

    def window(self, side):
        window = self.size["RS"[side == "w"]] if "R" in self.op.letters else self.attribute(f"window_{side}")
        step = self.attribute(f"dilation_{side}") if f"dilation_{side}" in self.op.attributes else 1
        return (window - 1) * step + 1

    def value(self, port, letter):
        if letter.isdigit():
            return int(letter)
        if letter in "PQ":
            side = "h" if letter == "P" else "w"
            room = self.size[side.upper()] + 2 * self.attribute(f"pad_{side}") - self.window(side) \
                if self.op.windowed else 0
            return room // self.attribute(f"stride_{side}") + 1 if self.op.windowed else 1
        if self.op.heads and letter == "T":
            return self.size["M"] * self.size["n"]
        if self.op.grouped and (letter == "K" or letter == "C" and "R" not in port["dims"]):
            return self.size[letter] * self.attribute("groups")
        return self.size[letter]

    def shape(self, port):
        return [self.value(port, letter) for letter in self.dims(port)]

    def words(self):
        shapes = [f"{p['name']}={'x'.join(map(str, self.shape(p)))}" for p in self.op.inputs]
        return " ".join(shapes + [f"{k}={v}" for k, v in self.given.items()])

    def identity(self, variant=None):
        return f"{self.op.name}/{variant or self.variant}/{self.words()}"

    def work(self):
        """About the most multiplications: every dimension by every other, once."""
        ports = self.op.inputs if self.op.windowed else self.op.inputs + self.op.outputs
        largest = {}
        for port in ports:
            for letter in port["dims"]:
                if letter in self.size and not letter.isdigit() or letter == "T":
                    largest[letter] = max(largest.get(letter, 1), self.value(port, letter))
        if "batch" in self.op.attributes and self.op.name.startswith("gather"):  # only a batch of the images is read
            largest |= {"I": 1, "J": 1, "batch": self.attribute("batch")}
        if "window_h" in self.op.attributes:
            largest["window"] = self.window("h") * self.window("w")
        return math.prod(largest.values())

    def elements(self):
        """Of the inputs that hold data."""
        return sum(math.prod(self.shape(p)) for p in self.op.inputs if not p["shape_only"])

    def make_valid(self):
        """What the operators' shape rules and test data ask for, beyond what letters say."""
        name, size = self.op.name, self.size
        for side in "hw" if self.op.windowed else "":
            if "R" not in self.op.letters and self.attribute(f"pad_{side}") >= self.window(side):
                self.given[f"pad_{side}"] = str(self.window(side) // 2)
            size[side.upper()] = max(size[side.upper()], self.window(side) - 2 * self.attribute(f"pad_{side}"))
        if self.op.heads:
            size["n"] = max(size["n"], 2)
        if name.startswith("gather") and "count" in self.op.attributes:
            count = min(self.attribute("count"), size["J"])
            self.given |= {"count": str(count), "offset": str(min(self.attribute("offset"), count - 1))}
        if name == "ledger":
            size["I"] = max(size["I"], size["N"])
            self.given["random_heads"] = str(min(self.attribute("random_heads"), size["M"]))
        if name == "ema":  # one value whose two parts cancel is held against nothing larger
            letter = self.op.inputs[0]["dims"][0]
            size[letter] = max(size[letter], 16)
        if name == "segment_bwd_filter":
            size["J"] = max(size["J"], 2)
        if name.startswith("batchnorm") and "dy" in self.op.types or name.endswith("_fwd") and "gamma" in self.op.types:
            size["N"] = max(size["N"], 2)  # of one value there is no variance
        return self


def parse(op, words):
    """A call from the words of a case; None where they have no form that is known here."""
    pairs = [w.split("=") for w in words.split()]
    shapes = {k: [int(d) for d in v.split("x")] for k, v in pairs if k in {p["name"] for p in op.inputs}}
    call = Call(op, {}, {k: v for k, v in pairs if k not in shapes})
    for port in op.inputs:
        for letter, value in zip(call.dims(port), shapes.get(port["name"], [])):
            if not letter.isdigit():
                call.size[letter] = min(value, call.size.get(letter, value))
    if op.grouped:
        call.size["K"] //= call.attribute("groups")
    if op.heads:
        call.size["n"] = call.size["T"] // call.size["M"]
    return call if call.words().split() == words.split() else None


def choices(attribute):
    if attribute["kind"] == "enum":
        return attribute["choices"].split("|")
    small = SMALL.get(re.sub(r"_[hw]$", "", attribute["name"]))
    values = small or (FLOATS if attribute["kind"] == "float" else INTEGERS)
    return [f"{v:g}" for v in values if attribute["min"] <= v <= attribute["max"]]


def mutate(call, rng):
    free = sorted(letter for letter in call.size if not call.op.fixed(letter))
    names = sorted(call.op.attributes)
    if names and rng.random() < len(names) / (len(names) + 2 * len(free)):
        attribute = call.op.attributes[rng.choice(names)]
        call.given[attribute["name"]] = rng.choice(choices(attribute))
    else:
        call.size[rng.choice(free)] = rng.choice(SIZES)


def bound_work(call, most):
    """Halves dimensions, large ones first, where that makes it less."""
    while call.work() > most:
        for letter in sorted((k for k in call.size if not call.op.fixed(k)), key=lambda k: -call.size[k]):
            less = call.copy()
            less.size[letter] = (call.size[letter] + 1) // 2
            if less.make_valid().work() < call.work():
                call.size, call.given = less.size, less.given
                break
        else:
            return


def generate(table, seed, index, options):
    """The call number `index` of a seed, whatever came of the ones before."""
    rng = random.Random(f"{seed} {index}")
    op, cases = rng.choices(table, [len(op.variants) for op, _ in table])[0]
    call = rng.choice(cases).copy()
    variants = [v for v in op.variants if re.search(options.variant, v)]
    call.variant = rng.choice(variants or op.variants)
    for _ in range(rng.randint(1, 4)):
        mutate(call, rng)
    call.make_valid()
    bound_work(call, options.work)
    tunables = op.tunables.get(call.variant, [])
    if options.settings and tunables and rng.random() < 0.5:
        chosen = rng.sample(tunables, rng.randint(1, min(3, len(tunables))))
        call.variant += ":" + ",".join(f"{t['name']}={rng.choice(t['values'])}" for t in chosen)
    return call


# --- devices --------------------------------------------------------------------------------------

@dataclasses.dataclass
class Target:
    """A device by the environment and the selector that reach it."""
    name: str
    env: dict
    device: str = ""
    facts: str = ""
    verdicts: dict = dataclasses.field(default_factory=dict)
    greatest: float = 0.0

    def environment(self, **more):
        return {**os.environ, "ROTE_NO_TUNING": "1", **self.env, **more}

    def shell(self):
        kernels = {"ROTE_KERNELS": os.environ["ROTE_KERNELS"]} if "ROTE_KERNELS" in os.environ else {}
        return "".join(f"{k}={shlex.quote(v)} " for k, v in {**self.env, **kernels}.items())


@dataclasses.dataclass
class Answer:
    verdict: str
    error: float = 0.0
    why: str = ""


class Worker:
    """`rote worker` on a target; replaced when it ended or was silent for too long."""
    def __init__(self, rote, target, timeout, **more):
        self.command = [rote, "worker", "--device", target.device]
        self.env, self.timeout, self.process, self.text = target.environment(**more), timeout, None, b""

    def send(self, identity):
        if not self.process:
            self.process, self.text = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                                       stderr=subprocess.DEVNULL, env=self.env, bufsize=0), b""
        self.deadline = time.monotonic() + self.timeout
        try:
            self.process.stdin.write(f"certify {identity}\n".encode())
        except BrokenPipeError:
            pass  # receive tells

    def receive(self):
        while b"\n" not in self.text:
            left = max(0.0, self.deadline - time.monotonic())
            if not select.select([self.process.stdout], [], [], left)[0]:
                self.close()
                return Answer("hung", why=f"no answer in {self.timeout:g} s")
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                code = self.close()
                return Answer("crashed", why=f"signal {-code}" if code < 0 else f"exit code {code}")
            self.text += part
        line, self.text = self.text.split(b"\n", 1)
        fields = line.decode(errors="replace").split("\t")
        if len(fields) < 8:
            return Answer("failed", why=fields[0])
        return Answer(fields[0], float(fields[1]), fields[7])

    def ask(self, identity):
        self.send(identity)
        return self.receive()

    def refuses(self, call, answer):
        """Whether the call itself makes no sense: no variant runs it, the reference neither, for the same reason."""
        if answer.verdict != "failed":
            return False
        host = self.ask(call.identity("host"))
        return host.verdict == "failed" and host.why == answer.why

    def close(self):
        if not self.process:
            return 0
        if self.process.poll() is None and not self.text:
            try:
                self.process.wait(0.2)  # it closed its pipe: let it end by itself, for its exit code
            except subprocess.TimeoutExpired:
                self.process.kill()
        code = self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process = None
        return code


def targets(options):
    vendors = pathlib.Path(os.environ.get("ROTE_VENDORS", ROOT / "vendors"))
    out = []
    for name in options.on:
        folder = vendors / "icd" / name
        if not folder.is_dir():
            fail(f"--on {name}: there is no {folder}; sh tools/vendors.sh makes it, ROTE_VENDORS names another place")
        out.append(Target(name, {"OCL_ICD_VENDORS": str(folder), "RUSTICL_ENABLE": "llvmpipe"}))
    out += [Target(f"device {d}" if d else "device", {}, d) for d in options.device]
    out = out or [Target("device", {})]
    for target in out:
        opened = run(options.rote, "worker", "--device", target.device, env=target.environment())
        if opened.returncode:
            fail(f"{target.name}: {opened.stderr.strip()}")
        listed = run(options.rote, "devices", "--json", env=target.environment())
        if not target.device and listed.returncode == 0:
            target.facts = "{name}, {platform}, driver {driver}".format(**json.loads(listed.stdout)[0])
    return out


# --- findings -------------------------------------------------------------------------------------

@dataclasses.dataclass
class Finding:
    call: Call
    target: Target
    answer: Answer
    number: int
    first: str = ""      # the case before it was made smaller
    flaky: bool = False  # a new process did not show it again
    others: dict = dataclasses.field(default_factory=dict)

    def kind(self):
        return self.target.name, self.call.op.name, self.call.variant.split(":")[0], self.answer.verdict


def smaller(call):
    """Calls that are one step smaller, the smallest first."""
    for name in list(call.given):
        less = call.copy()
        del less.given[name]
        yield less
        a = call.op.attributes[name]
        if a["kind"] == "int":
            for value in range(int(a["min"]), min(int(call.given[name]), int(a["min"]) + 3)):
                less = call.copy()
                less.given[name] = str(value)
                yield less
    if ":" in call.variant:
        less = call.copy()
        less.variant = call.variant.split(":")[0]
        yield less
    for letter in sorted((k for k in call.size if not call.op.fixed(k)), key=lambda k: -call.size[k]):
        value = call.size[letter]
        less_values = {1, 2, 3, 4, 8, 16, value // 4, *(value - value // n for n in (2, 4, 8, 16, 32, value))}
        for less_value in sorted(less_values):
            if 0 < less_value < value:
                less = call.copy()
                less.size[letter] = less_value
                yield less


def measure(call):
    return call.elements(), len(call.given), len(call.variant), sum(call.size.values())


def shrink(finding, options):
    """Steps that still fail in the same way, as long as there are any, in bounds."""
    worker = Worker(options.rote, finding.target, options.timeout)
    end, trials, seen = time.monotonic() + options.shrink, 0, set()
    going = True
    while going:
        going = False
        for call in smaller(finding.call):
            call.make_valid()
            if call.identity() in seen or measure(call) >= measure(finding.call):
                continue
            if time.monotonic() > end:
                print(f"  not made smaller for longer than {options.shrink:g} s")
                break
            seen.add(call.identity())
            trials += 1
            answer = worker.ask(call.identity())
            if answer.verdict == finding.answer.verdict and not worker.refuses(call, answer):
                finding.call, finding.answer = call, answer
                print(f"  smaller: {call.identity()}", flush=True)
                going = True
                break
    worker.close()
    print(f"  {trials} trials: {finding.call.elements()} elements of input")


def confirm(finding, options):
    """Once more in a new process, with twice the time: what depends on what ran before, or comes and goes, or was
    only slow, is flaky."""
    worker = Worker(options.rote, finding.target, 2 * options.timeout)
    again = [worker.ask(finding.call.identity()).verdict]
    if again[0] != finding.answer.verdict:
        again += [worker.ask(finding.call.identity()).verdict for _ in range(2)]
    worker.close()
    finding.flaky = finding.answer.verdict not in again[:1]
    if finding.flaky:
        print(f"  a new process says {', '.join(again)}: flaky")


def npy(path, kind, shape, data):
    code = {"float32": "<f4", "int32": "<i4", "uint8": "|u1"}[kind]
    text = f"{{'descr': '{code}', 'fortran_order': False, 'shape': ({', '.join(map(str, shape))},), }}"
    text += " " * (63 - (10 + len(text)) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data)


def op_command(finding, check, folder):
    """`rote op` on arrays that are written beside it."""
    call, words = finding.call, []
    given = {check.buffers[e["id"]].get("name"): bytes.fromhex(e["data"])
             for e in check.runs[0] if e["event"] == "write"}
    for port in call.op.inputs:
        name, shape = port["name"], call.shape(port)
        if port["shape_only"]:
            words += [f"--{name}", "x".join(map(str, shape))]
        elif name in given:
            npy(folder / f"{name}.npy", port["type"], shape, given[name])
            words += [f"--{name}", f"{name}.npy"]
    for name, value in call.given.items():
        words += [f"--{name}", value]
    device = ["--device", finding.target.device] if finding.target.device else []
    return shlex.join(["rote", "op", call.op.name, *words, "--variant", call.variant, "--layout", "native", *device,
                       "--out", "out"])


def write_repro(finding, record, check, folder, commands):
    """repro.c, or why there is none."""
    variant = finding.call.variant.split(":")[0]
    if variant == "host":
        return "none: the host variant has no kernels"
    if check.library or variant == "clblast":
        return "none: CLBlast makes launches of its own, which are not recorded"
    if not record.programs:
        return "none: no kernel was reached"
    text = {"wrong": "gives wrong results", "unsteady": "gives other results in a second run on the same data",
            "failed": "cannot be built or launched", "crashed": "ends the process", "hung": "does not end"}
    comment = [f"A kernel {text[finding.answer.verdict]} on {record.device.get('name', finding.target.name)}",
               f"({record.device.get('platform', '')}, driver {record.device.get('driver', '')}).", "",
               f"Its call is {finding.call.op.name} {finding.call.words()}, variant {finding.call.variant}:",
               finding.answer.why or finding.answer.verdict, "",
               "Build it and run it on device 0 of platform 0, or on another:",
               "    cc -std=c99 -Wall repro.c -lOpenCL && ./a.out [PLATFORM [DEVICE]]",
               "Its exit code is 0 where all is as it should be, else 1. What should come out is from a float64",
               "reference.", "", "Written by Rote's fuzzer. There the same is:", *commands]
    lines = [part for line in comment for part in textwrap.wrap(
        line, 112, break_long_words=False, break_on_hyphens=False, subsequent_indent="        ") or [""]]
    program = repro.Program(record, check, finding.call.op.types, finding.answer.verdict == "unsteady")
    (folder / "repro.c").write_text("/* " + "\n".join(f" * {line}".rstrip() for line in lines)[3:].replace("*/", "* /")
                                    + " */\n" + program.text(""))
    return "repro.c"


def write_out(finding, options):
    name = "-".join([f"{finding.number:03d}", *finding.kind()]).replace(" ", "-").replace("/", "-")
    folder = pathlib.Path(options.out) / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "record.jsonl"
    path.unlink(missing_ok=True)
    worker = Worker(options.rote, finding.target, options.timeout, ROTE_RECORD=str(path))
    worker.ask(finding.call.identity())
    worker.close()
    call, types = finding.call, finding.call.op.types
    record = repro.Record(path) if path.exists() else None
    check = record.failing(types) if record else repro.Check()
    device = f" --device {shlex.quote(finding.target.device)}"
    commands = [f"{finding.target.shell()}{op_command(finding, check, folder)}",
                f"echo {shlex.quote('certify ' + call.identity())} | {finding.target.shell()}rote worker{device}"]
    made = write_repro(finding, record, check, folder, commands) if record else "none: the device could not be opened"
    path.unlink(missing_ok=True)
    lines = [f"operator  {call.op.name}", f"variant   {call.variant}", f"call      {call.words()}",
             f"found as  {finding.first}",
             f"flaky     {'yes: a new process did not show it' if finding.flaky else 'no'}", "",
             *(f"{target:9} {answer.verdict}  {answer.why}".rstrip() for target, answer in finding.others.items()), "",
             *([f"{finding.target.name} is {finding.target.facts}", ""] if finding.target.facts else []),
             "Again, in this folder:", "", *(f"    {c}" for c in commands), "", f"without Rote: {made}"]
    (folder / "finding.txt").write_text("\n".join(lines) + "\n")
    print(f"  written to {folder} ({made})", flush=True)


def handle(finding, options, all_targets):
    print(f"{finding.target.name}: {finding.answer.verdict}: {finding.call.identity()}\n  {finding.answer.why}")
    finding.first = finding.call.identity()
    confirm(finding, options)
    if not finding.flaky:
        shrink(finding, options)
    for target in all_targets:
        worker = Worker(options.rote, target, options.timeout)
        finding.others[target.name] = worker.ask(finding.call.identity())
        worker.close()
    write_out(finding, options)


# --- the search -----------------------------------------------------------------------------------

def table_of(options):
    """Operators with their own cases to start from."""
    def rote(*words):
        done = run(options.rote, *words)
        if done.returncode:
            fail(f"{options.rote} {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout
    operators = {o["name"]: Operator(o) for o in json.loads(rote("op", "--list", "--json"))}
    cases = {}
    for identity in rote("certify", "--list").splitlines():
        name, variant, words = (identity.split("/", 2) + ["", ""])[:3]
        if name in operators and variant == "host" and re.search(options.only, name):
            call = parse(operators[name], words)
            if call:
                cases.setdefault(name, []).append(call)
            else:
                print(f"fuzz.py: {name} {words}: a shape of no known form, left out", file=sys.stderr)
    if not cases:
        fail(f"--only {options.only}: no operator's name matches; 'rote op --list' has them")
    return [(operators[name], cases[name]) for name in sorted(cases)]


def seconds(text):
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is no time; write 90s, 10m or 2h")
    return float(found.group(1)) * {"s": 1, "": 1, "m": 60, "h": 3600}[found.group(2)]


def search(options, table, all_targets):
    workers = [Worker(options.rote, t, options.timeout) for t in all_targets]
    began, said, kinds, index = time.monotonic(), time.monotonic(), {}, 0
    while not (options.count and index >= options.count) and len(kinds) < options.most:
        if options.budget and time.monotonic() - began > options.budget:
            break
        call = generate(table, options.seed, index, options)
        index += 1
        if options.verbose:
            print(call.identity(), flush=True)
        for worker in workers:
            worker.send(call.identity())
        for worker, target in zip(workers, all_targets):
            answer = worker.receive()
            if worker.refuses(call, answer):
                answer = Answer("refused")
            target.verdicts[answer.verdict] = target.verdicts.get(answer.verdict, 0) + 1
            target.greatest = max(target.greatest, answer.error) if answer.verdict == "right" else target.greatest
            finding = Finding(call.copy(), target, answer, len(kinds) + 1)
            if answer.verdict in BAD and finding.kind() not in kinds:
                kinds[finding.kind()] = finding
                handle(finding, options, all_targets)
        if sys.stdout.isatty() and time.monotonic() - said > 2:
            said = time.monotonic()
            print(f"\r{index} calls, {len(kinds)} findings", end="\r", flush=True)
    for worker in workers:
        worker.close()
    return index, kinds


def main():
    sys.stdout.reconfigure(line_buffering=True)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rote", default=str(ROOT / "build/rote"), help="the program; default build/rote")
    parser.add_argument("--on", action="append", default=[], metavar="NAME",
                        help="an implementation of tools/vendors.sh: pocl, intel, rusticl; several may be named")
    parser.add_argument("--device", action="append", default=[], metavar="D",
                        help="a device as rote's --device takes it; several may be named")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same calls; default 1")
    parser.add_argument("--count", type=int, default=0, help="how many calls")
    parser.add_argument("--budget", type=seconds, default=0, metavar="TIME",
                        help="for how long; default 60s where there is no --count")
    parser.add_argument("--only", default="", metavar="REGEX", help="operators")
    parser.add_argument("--variant", default="", metavar="REGEX", help="variants; of an operator without such, any")
    parser.add_argument("--settings", action="store_true",
                        help="also settings of the variants' tunables: much compiling")
    parser.add_argument("--work", type=float, default=2e6, help="most operations of a call, about; default 2e6")
    parser.add_argument("--timeout", type=seconds, default=120.0, metavar="TIME",
                        help="a call that takes longer hangs; default 120s")
    parser.add_argument("--shrink", type=seconds, default=120.0, metavar="TIME",
                        help="for how long a finding is made smaller; default 120s")
    parser.add_argument("--most", type=int, default=10, help="stop after so many findings; default 10")
    parser.add_argument("--out", default="findings", metavar="DIR", help="where findings go; default findings")
    parser.add_argument("--list", action="store_true", help="print the calls and run nothing")
    parser.add_argument("--verbose", action="store_true", help="print each call before it runs")
    options = parser.parse_args()
    if not options.count and not options.budget:
        options.budget = 60.0
    for flag in ("only", "variant"):
        try:
            re.compile(getattr(options, flag))
        except re.error as error:
            fail(f"--{flag} {getattr(options, flag)}: {error}")
    table = table_of(options)
    if options.list:
        for index in range(options.count or 20):
            print(generate(table, options.seed, index, options).identity())
        return 0
    all_targets = targets(options)
    count, kinds = search(options, table, all_targets)
    print(f"{count} calls of seed {options.seed}, {len(kinds)} findings")
    for target in all_targets:
        verdicts = ", ".join(f"{n} {v}" for v, n in sorted(target.verdicts.items()))
        print(f"{target.name:9} {verdicts}; greatest error of what is right: {target.greatest:.2f} of its tolerance")
    return 1 if kinds else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nfuzz.py: ended by Ctrl-C", file=sys.stderr)
        sys.exit(2)
