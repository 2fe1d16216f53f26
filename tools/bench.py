#!/usr/bin/env python3
"""Rote's operators and training steps beside PyTorch's CPU build: both sides in this process, in
turn, on the same shapes and threads. `sh tools/bench.sh` installs what it needs and runs it on
each OpenCL implementation; by hand:

  python3 tools/bench.py ops|bandwidth|train [--only REGEX] [--rounds 10] [--device D]
                         [--library build/librote.so] [--json FILE]

Times are of whole calls (filters are transformed in each), least and median of the rounds; a
ratio is PyTorch's least time, in the better of its two layouts, over Rote's. The output that
was timed is then held against PyTorch in float64."""
import argparse
import ctypes
import json
import math
import os
import re
import statistics
import sys
import time

import numpy
import torch
from torch import nn
from torch.nn import functional

import twin

SETTLE = 0.01  # seconds; the other side's idle threads spin for a while before they sleep
SHAPES_3X3 = [(64, 32), (128, 16), (256, 8), (512, 4)]  # channels, side; batch 64


class Failure(Exception):
    pass


class Port(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("dims", ctypes.c_char_p), ("text", ctypes.c_char_p), ("type", ctypes.c_int),
                ("output", ctypes.c_int), ("optional", ctypes.c_int), ("shape_only", ctypes.c_int),
                ("present", ctypes.c_int), ("rank", ctypes.c_int), ("dim", ctypes.c_int64 * 8),
                ("bytes", ctypes.c_uint64)]


class Progress(ctypes.Structure):
    _fields_ = [("step", ctypes.c_int64)]  # the start of it


PROGRESS = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Progress))


class Rote:
    """librote, as little of it as a benchmark needs."""

    def __init__(self, path, device):
        self.lib = ctypes.CDLL(path)
        self.lib.rote_error_detail.restype = ctypes.c_char_p
        self.lib.rote_op_variant.restype = ctypes.c_char_p
        self.device = self.new("rote_device_open", device.encode() if device else None)

    def call(self, name, *arguments):
        if getattr(self.lib, name)(*arguments):
            raise Failure(self.lib.rote_error_detail().decode())

    def new(self, name, *arguments):
        handle = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(handle))
        return handle

    def finish(self):
        self.call("rote_device_finish", self.device)


class Op:
    """One operator with its tensors; inputs are arrays by port name, in Rote's layout."""

    def __init__(self, rote, name, words, arrays, variant=None):
        self.rote, self.tensors, self.ports = rote, {}, {}
        self.op = rote.new("rote_op_new", rote.device, name.encode(), words.encode(), variant and variant.encode())
        self.variant = rote.lib.rote_op_variant(self.op).decode()
        self.bytes = 0
        port, index = Port(), 0
        while not rote.lib.rote_op_port(self.op, index, ctypes.byref(port)):
            index += 1
            if not port.present or port.shape_only:
                continue
            self.bytes += port.bytes
            key = port.name.decode()
            self.ports[key] = (list(port.dim[:port.rank]), port.type)
            if key in self.tensors:
                continue
            self.tensors[key] = rote.new("rote_tensor_new", rote.device, ctypes.c_uint64(port.bytes))
            data = arrays.get(key)
            if data is None:
                data = numpy.zeros(port.bytes, numpy.uint8)
            data = numpy.ascontiguousarray(data)
            assert data.nbytes == port.bytes, (name, key, data.nbytes, port.bytes)
            rote.call("rote_tensor_write", self.tensors[key], data.ctypes.data_as(ctypes.c_void_p),
                      ctypes.c_uint64(port.bytes))
            rote.call("rote_op_bind", self.op, port.name, self.tensors[key])

    def run(self, times=1):
        for _ in range(times):
            self.rote.call("rote_op_run", self.op)
        self.rote.finish()

    def read(self, key):
        out = numpy.empty(self.ports[key][0], numpy.float32)
        self.rote.call("rote_tensor_read", self.tensors[key], out.ctypes.data_as(ctypes.c_void_p),
                       ctypes.c_uint64(out.nbytes))
        return out

    def free(self):
        self.rote.lib.rote_op_free(self.op)
        for t in self.tensors.values():
            self.rote.lib.rote_tensor_free(t)


def in_turn(sides, rounds, least=0.004):
    """sides: {name: function(times)}. Seconds a call, a list of `rounds` for each, taken in turn."""
    times = {}
    for name, run in sides.items():
        run(1)
        start = time.perf_counter()
        run(1)
        times[name] = max(1, math.ceil(least / (time.perf_counter() - start)))
    seconds = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            time.sleep(SETTLE)
            run(1)
            start = time.perf_counter()
            run(times[name])
            seconds[name].append((time.perf_counter() - start) / times[name])
    return seconds


def repeat(function):
    def run(times):
        for _ in range(times):
            function()
    return run


def hwnc(t):
    return t.permute(2, 3, 0, 1).contiguous().numpy()


def rsck(w):
    return w.permute(2, 3, 1, 0).contiguous().numpy()


def conv_case(name, passname, n, c, k, side, window=3, stride=1, groups=1):
    """(name, operator, words, arrays by port, {layout: PyTorch's call}, float64 result in Rote's layout, output, flops)"""
    pad = window // 2
    torch.manual_seed(0)
    x, w = torch.randn(n, c, side, side), torch.randn(k, c // groups, window, window) / math.sqrt(c * window * window)
    out = (side + 2 * pad - window) // stride + 1
    dy = torch.randn(n, k, out, out)
    attributes = f"stride_h={stride} stride_w={stride} pad_h={pad} pad_w={pad} groups={groups}"
    xs, ws, ys = f"{side}x{side}x{n}x{c}", f"{window}x{window}x{c // groups}x{k}", f"{out}x{out}x{n}x{k}"
    words = {"fwd": f"x={xs} w={ws}", "data": f"dy={ys} w={ws} x={xs}", "filter": f"x={xs} dy={ys} w={ws}"}[passname]
    arrays = {"x": hwnc(x), "w": rsck(w), "dy": hwnc(dy)}
    calls = {}

    def call(x, w, dy):
        if passname == "fwd":
            return functional.conv2d(x, w, None, stride, pad, 1, groups)
        mask = [passname == "data", passname == "filter", False]
        return torch.ops.aten.convolution_backward(dy, x, w, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0],
                                                   groups, mask)[0 if passname == "data" else 1]

    for layout, memory in (("nchw", torch.contiguous_format), ("nhwc", torch.channels_last)):
        args = [t.to(memory_format=memory) for t in (x, w, dy)]
        calls[layout] = lambda args=args: call(*args)

    def exact():
        y = call(x.double(), w.double(), dy.double())
        return rsck(y) if passname == "filter" else hwnc(y)

    operator = {"fwd": "conv2d_fwd", "data": "conv2d_bwd_data", "filter": "conv2d_bwd_filter"}[passname]
    output = {"fwd": "y", "data": "dx", "filter": "dw"}[passname]
    return (f"{name} {passname}", operator, f"{words} {attributes}", arrays, calls, exact, output,
            2.0 * n * out * out * k * c // groups * window * window)


def linear_case(name, passname, n, c, k):
    torch.manual_seed(0)
    x, w, dy = torch.randn(n, c), torch.randn(k, c) / math.sqrt(c), torch.randn(n, k)
    words = {"fwd": f"x=1x1x{n}x{c} w=1x1x{c}x{k}", "data": f"dy=1x1x{n}x{k} w=1x1x{c}x{k} x=1x1x{n}x{c}",
             "filter": f"x=1x1x{n}x{c} dy=1x1x{n}x{k} w=1x1x{c}x{k}"}[passname]

    def call(x, w, dy):
        return {"fwd": lambda: functional.linear(x, w), "data": lambda: dy @ w, "filter": lambda: dy.T @ x}[passname]()

    def exact():
        y = call(x.double(), w.double(), dy.double())
        return (y.T if passname == "filter" else y).contiguous().numpy().reshape(
            (1, 1, c, k) if passname == "filter" else (1, 1, n, -1))

    operator = {"fwd": "linear_fwd", "data": "linear_bwd_data", "filter": "linear_bwd_filter"}[passname]
    return (f"{name} {passname}", operator, words,
            {"x": x.numpy(), "w": w.T.contiguous().numpy(), "dy": dy.numpy()}, {"": lambda: call(x, w, dy)}, exact,
            {"fwd": "y", "data": "dx", "filter": "dw"}[passname], 2.0 * n * c * k)


def matmul_case(name, i, l, j):
    torch.manual_seed(0)
    a, b = torch.randn(i, l), torch.randn(l, j) / math.sqrt(l)
    return (name, "matmul", f"a={i}x{l} b={l}x{j}", {"a": a.numpy(), "b": b.numpy()}, {"": lambda: a @ b},
            lambda: (a.double() @ b.double()).numpy(), "c", 2.0 * i * l * j)


def op_cases():
    """Name, bar (least ratio), maker. Batch 64 unless the name tells."""
    cases = []

    def conv(name, bars, *shape, **more):
        for passname, bar in zip(("fwd", "data", "filter"), bars):
            if bar:
                cases.append((f"{name} {passname}", bar, lambda p=passname: conv_case(name, p, *shape, **more)))

    for c, side in SHAPES_3X3:
        bar = 2.2 if c < 512 else 1.6
        conv(f"3x3 {c}@{side}", (bar, bar, 1.3), 64, c, c, side)
    for c, side in SHAPES_3X3[:3]:
        conv(f"3x3/2 {c}-{2 * c}@{side}", (1, 1, 1), 64, c, 2 * c, side, stride=2)
        conv(f"1x1/2 {c}-{2 * c}@{side}", (1, 1, 1), 64, c, 2 * c, side, window=1, stride=2)
    conv("stem 3-64@32", (1, 0, 1), 64, 3, 64, 32)
    conv("stem 3-16@32 b128", (1, 0, 1), 128, 3, 16, 32)
    conv("stem 1-32@28 b128", (1, 0, 1), 128, 1, 32, 28)
    conv("cnn 32-64@14 b128", (1, 1, 1), 128, 32, 64, 14)
    conv("wrn 16-64@32 b128", (1, 1, 1), 128, 16, 64, 32)
    conv("wrn 64-64@32 b128", (1, 1, 1), 128, 64, 64, 32)
    conv("wrn 1x1 16-64@32 b128", (1, 1, 1), 128, 16, 64, 32, window=1)
    conv("wrn 1x1/2 64-128@32 b128", (1, 1, 1), 128, 64, 128, 32, window=1, stride=2)
    conv("vgg 64-128@16", (1, 1, 1), 64, 64, 128, 16)
    conv("vgg 256-512@4", (1, 1, 1), 64, 256, 512, 4)
    conv("vgg 512-512@2", (1, 1, 1), 64, 512, 512, 2)
    conv("batch 1 128@16", (1, 1, 1), 1, 128, 128, 16)
    conv("batch 4 128@16", (1, 1, 1), 4, 128, 128, 16)
    conv("depthwise 128@16", (1, 1, 1), 64, 128, 128, 16, groups=128)
    conv("groups 4 128@16", (1, 1, 1), 64, 128, 128, 16, groups=4)
    for shape in ((128, 3136, 128), (128, 128, 10), (64, 512, 10), (64, 512, 100), (8, 3136, 128)):
        for passname in ("fwd", "data", "filter"):
            name = "linear {}x{}x{}".format(*shape)
            cases.append((f"{name} {passname}", 1, lambda n=name, p=passname, s=shape: linear_case(n, p, *s)))
    for shape in ((1024, 1024, 1024), (65536, 576, 64), (256, 256, 256)):
        name = "gemm {}x{}x{}".format(*shape)
        cases.append((name, 1, lambda n=name, s=shape: matmul_case(n, *s)))
    return cases


def show(row):
    print(f"{row['name']:34} {row['variant']:9} {row['rote_ms']:9.3f} {row['rote_median_ms']:9.3f} "
          f"{row['torch_ms']:9.3f} {row['torch_median_ms']:9.3f} {row['layout']:5} {row['gflops']:7.0f} "
          f"{row['ratio']:6.2f} {row['bar']:5.2f} {'' if row['ratio'] >= row['bar'] else 'below':6} {row['error']:.1e}",
          flush=True)


def bench_ops(rote, options):
    print(f"{'shape':34} {'variant':9} {'rote ms':>9} {'median':>9} {'torch ms':>9} {'median':>9} {'':5} {'GFLOP/s':>7} "
          f"{'ratio':>6} {'bar':>5} {'':6} error / rms")
    rows = []
    for label, bar, make in op_cases():
        if options.only and not re.search(options.only, label):
            continue
        name, operator, words, arrays, calls, exact, output, flops = make()
        op = Op(rote, operator, words, arrays, options.variant)
        with torch.no_grad():
            seconds = in_turn({"rote": op.run, **{k: repeat(v) for k, v in calls.items()}}, options.rounds)
            wanted = exact() if not options.unchecked else None
        found = op.read(output).astype(numpy.float64)
        layout = min(calls, key=lambda k: min(seconds[k]))
        mine, theirs = seconds["rote"], seconds[layout]
        error = float("nan") if wanted is None else float(
            abs(found - wanted.reshape(found.shape)).max() / math.sqrt((wanted ** 2).mean()))
        rows.append({"name": name, "operator": operator, "words": words, "variant": op.variant, "bar": bar,
                     "rote_ms": min(mine) * 1e3, "rote_median_ms": statistics.median(mine) * 1e3,
                     "torch_ms": min(theirs) * 1e3, "torch_median_ms": statistics.median(theirs) * 1e3,
                     "layout": layout, "ratio": min(theirs) / min(mine), "gflops": flops / min(mine) * 1e-9,
                     "error": error})
        op.free()
        show(rows[-1])
    return rows


def triad():
    """GB/s of a = b + 3 c over 64 MB arrays, PyTorch's threads; in turn with the rest."""
    a, b, c = (torch.ones(16 << 20) for _ in range(3))
    return lambda: torch.add(b, c, alpha=3, out=a), 3 * a.nbytes


def norm(x, c):
    return f"x={x} gamma={c} beta={c} running_mean={c} running_var={c}"


def norm_bwd(x, c):
    return f"x={x} gamma={c} mean={c} rstd={c} dy={x}"


def reads_again(op, operator):
    """Bytes of the ports that a norm's second pass reads once more."""
    ports = {"fwd": ("x",), "bwd": ("x", "dy", "y")}.get(operator.rsplit("_", 1)[1], ()) if "batchnorm" in operator else ()
    return sum(4 * math.prod(op.ports[p][0]) for p in ports if p in op.ports)


def bandwidth_cases():
    """Each reads and writes tensors of 32 MB and more; bytes are those of its ports, for a norm
    twice those that it must read twice."""
    shape = "32x32x128x64"
    window = "window_h=2 window_w=2 stride_h=2 stride_w=2"
    order = numpy.arange(4096, dtype=numpy.int32)
    return [("relu_fwd", f"x={shape}", {}), ("relu_bwd", f"y={shape} dy={shape}", {}),
            ("add_fwd", f"a={shape} b={shape}", {}),
            ("batchnorm_fwd", norm(shape, 64), {}), ("batchnorm_relu_fwd", norm(shape, 64), {}),
            ("batchnorm_add_relu_fwd", f"{norm(shape, 64)} r={shape}", {}),
            ("batchnorm_bwd", norm_bwd(shape, 64), {}), ("batchnorm_relu_bwd", norm_bwd(shape, 64) + " beta=64", {}),
            ("batchnorm_add_relu_bwd", f"{norm_bwd(shape, 64)} y={shape}", {}),
            ("batchnorm_relu_fwd", norm("8x8x512x256", 256), {}),
            ("batchnorm_relu_bwd", norm_bwd("8x8x512x256", 256) + " beta=256", {}),
            ("maxpool_fwd", f"x={shape} {window}", {}), ("avgpool_fwd", f"x={shape} {window}", {}),
            ("globalpool_fwd", f"x={shape}", {}),
            ("sgd", "p=11173962 g=11173962 m=11173962 lr=0.1 momentum=0.9 nesterov=1", {}),
            ("gather", "images=4096x32x32x3 labels=4096 order=4096 norm=2x3 batch=4096 count=4096", {"order": order}),
            ]


def bench_bandwidth(rote, options):
    print(f"{'operator':24} {'MB':>7} {'ms':>8} {'GB/s':>7} {'triad':>7} {'share':>6}")
    rows, (stream, stream_bytes) = [], triad()
    for operator, words, arrays in bandwidth_cases():
        if options.only and not re.search(options.only, operator):
            continue
        op = Op(rote, operator, words, arrays)
        seconds = in_turn({"rote": op.run, "triad": repeat(stream)}, options.rounds)
        moved = op.bytes + reads_again(op, operator)
        rate, most = moved / min(seconds["rote"]) * 1e-9, stream_bytes / min(seconds["triad"]) * 1e-9
        rows.append({"name": operator, "words": words, "bytes": moved, "ms": min(seconds["rote"]) * 1e3,
                     "gb_s": rate, "triad_gb_s": most, "share": rate / most, "bar": 0.8})
        print(f"{operator:24} {moved / 1e6:7.0f} {rows[-1]['ms']:8.2f} {rate:7.1f} {most:7.1f} {rate / most:6.2f} "
              f"{'' if rate >= 0.8 * most else 'below'}", flush=True)
        op.free()
    return rows


TRAIN = [("resnet18", 64, 3, 32, 2.0), ("cnn", 128, 1, 28, 1.5), ("wrn-16-4", 128, 3, 32, 1.7), ("vgg11", 64, 3, 32, 1.7)]


class TorchStep:
    def __init__(self, model, batch, channels, side, channels_last):
        torch.manual_seed(0)
        body, features = twin.trunk(model, channels, side)
        self.net = nn.Sequential(body, nn.Linear(features, 10))
        self.x, self.y = torch.randn(batch, channels, side, side), torch.randint(0, 10, (batch,))
        if channels_last:
            self.net, self.x = (t.to(memory_format=torch.channels_last) for t in (self.net, self.x))
        self.sgd = torch.optim.SGD(self.net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def run(self, steps):
        for _ in range(steps):
            self.sgd.zero_grad()
            functional.cross_entropy(self.net(self.x), self.y).backward()
            self.sgd.step()


def bench_train(rote, options):
    """Rote trains; after every few of its steps, when its queue is empty, PyTorch takes as many."""
    rows = []
    print(f"{'network':12} {'batch':>5} {'rote images/s':>14} {'median':>8} {'torch':>8} {'median':>8} {'':5} {'ratio':>6} {'bar':>5}")
    for model, batch, channels, side, bar in TRAIN:
        if options.only and not re.search(options.only, model):
            continue
        steps = 16 if model == "cnn" else 2
        config = rote.new("rote_config_new")
        for word in (f"model={model}", f"batch={batch}", "epochs=2", "rla_subset=1", f"log_every={steps}", "lr.base=0.01",
                     f"data={{kind: synthetic, channels: {channels}, height: {side}, width: {side}, test_count: 1, "
                     f"train_count: {batch * steps * (options.rounds + 2)}}}", "control.enabled=false",
                     "heads=[{name: class, kind: class}]"):
            rote.call("rote_config_set", config, word.encode())
        run = rote.new("rote_run_new", rote.device, config, None)
        sides = {layout: TorchStep(model, batch, channels, side, layout == "nhwc") for layout in ("nchw", "nhwc")}
        seconds = {"rote": [], "nchw": [], "nhwc": []}
        state = {"calls": 0, "step": 0, "start": time.perf_counter()}

        def progress(_user, now):
            took = time.perf_counter() - state["start"]
            if now.contents.step < state["step"] + steps:
                return 1
            state["step"] = now.contents.step
            state["calls"] += 1
            if state["calls"] <= 2:  # compiles, first touches
                for s in sides.values():
                    s.run(2)
            else:
                seconds["rote"].append(took / steps)
                for layout, s in sides.items():
                    time.sleep(SETTLE)
                    start = time.perf_counter()
                    s.run(steps)
                    seconds[layout].append((time.perf_counter() - start) / steps)
            time.sleep(SETTLE)
            state["start"] = time.perf_counter()
            return int(len(seconds["rote"]) < options.rounds)

        status = rote.lib.rote_run_train(run, PROGRESS(progress), None)
        if len(seconds["rote"]) < options.rounds:
            raise Failure(f"{status}: {rote.lib.rote_error_detail().decode()}")
        rote.lib.rote_run_free(run)
        rote.lib.rote_config_free(config)
        layout = min(("nchw", "nhwc"), key=lambda k: min(seconds[k]))
        row = {"name": model, "batch": batch, "bar": bar, "layout": layout}
        for side_name, s in (("rote", seconds["rote"]), ("torch", seconds[layout])):
            row[f"{side_name}_images_s"] = batch / min(s)
            row[f"{side_name}_median_images_s"] = batch / statistics.median(s)
        row["ratio"] = row["rote_images_s"] / row["torch_images_s"]
        rows.append(row)
        print(f"{model:12} {batch:5} {row['rote_images_s']:14.1f} {row['rote_median_images_s']:8.1f} "
              f"{row['torch_images_s']:8.1f} {row['torch_median_images_s']:8.1f} {layout:5} {row['ratio']:6.2f} {bar:5.2f} "
              f"{'' if row['ratio'] >= bar else 'below'}", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=("ops", "bandwidth", "train"))
    parser.add_argument("--only", help="only names that hold this regular expression")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--variant", help="of every operator, instead of the first that takes the shape")
    parser.add_argument("--unchecked", action="store_true", help="skip the comparison with float64")
    parser.add_argument("--device")
    parser.add_argument("--library", default="build/librote.so")
    parser.add_argument("--json", help="adds to this file, by device")
    options = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    try:
        rote = Rote(options.library, options.device)
        name = ctypes.create_string_buffer(256)
        print(f"PyTorch {torch.__version__}, {threads} threads; {os.environ.get('OCL_ICD_VENDORS', 'system ICDs')}")
        result = {what: {"ops": bench_ops, "bandwidth": bench_bandwidth, "train": bench_train}[what](rote, options)
                  for what in options.what}
    except Failure as e:
        sys.exit(f"bench.py: {e}")
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"pytorch": torch.__version__, "threads": threads, **result}, f, indent=1)
            f.write("\n")


if __name__ == "__main__":
    main()
