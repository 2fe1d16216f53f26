"""Single operators: convolutions, linear layers and products of the zoo's shapes beside PyTorch; and
those that only move memory, beside the triad."""
import math
import re
import statistics

import numpy
import torch
from torch.nn import functional

from bench.library import Op, Peaks, in_turn, passes, repeat, verdict

SHAPES_3X3 = [(64, 32), (128, 16), (256, 8), (512, 4)]  # channels, side; batch 64


def hwnc(t):
    return t.permute(2, 3, 0, 1).contiguous().numpy()


def rsck(w):
    return w.permute(2, 3, 1, 0).contiguous().numpy()


def conv_case(name, passname, n, c, k, side, window=3, stride=1, groups=1):
    """(name, operator, words, arrays by port, {layout: PyTorch's call}, float64 result in Rote's
    layout, output, flops)"""
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
          f"{row['ratio']:6.2f} {row['bar']:5.2f} {verdict(row):6} {row['error']:.1e}",
          flush=True)


def bench_ops(rote, options):
    print(f"{'shape':34} {'variant':9} {'rote ms':>9} {'median':>9} {'torch ms':>9} {'median':>9} {'':5} "
          f"{'GFLOP/s':>7} {'ratio':>6} {'bar':>5} {'':6} error / rms")
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
                     "error": error, "value": min(theirs) / min(mine)})
        rows[-1]["pass"] = passes(rows[-1])
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
    if "batchnorm" not in operator:
        return 0
    ports = ("x",) if operator.endswith("_fwd") else ("x", "dy", "y")
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
    """The triad is measured in every row's rounds, by PyTorch and by the device: the larger counts."""
    print(f"{'operator':24} {'MB':>7} {'ms':>8} {'median':>8} {'GB/s':>7} {'triad':>7} {'share':>6} {'bar':>5}")
    rows, (stream, stream_bytes), peaks = [], triad(), Peaks(rote)
    for operator, words, arrays in bandwidth_cases():
        if options.only and not re.search(options.only, operator):
            continue
        op = Op(rote, operator, words, arrays)
        seconds = in_turn({"rote": op.run, "triad": repeat(stream), "device": repeat(peaks.gb_s)}, options.rounds)
        moved = op.bytes + reads_again(op, operator)
        rate = moved / min(seconds["rote"]) * 1e-9
        streams = {"torch_triad_gb_s": stream_bytes / min(seconds["triad"]) * 1e-9, "device_triad_gb_s": peaks.gb_s()}
        most = max(streams.values())
        row = {"name": operator, "words": words, "bytes": moved, "rote_ms": min(seconds["rote"]) * 1e3,
               "rote_median_ms": statistics.median(seconds["rote"]) * 1e3, "gb_s": rate, "triad_gb_s": most, **streams,
               "value": rate / most, "bar": 0.8}
        row["pass"] = passes(row)
        rows.append(row)
        print(f"{operator:24} {moved / 1e6:7.0f} {row['rote_ms']:8.2f} {row['rote_median_ms']:8.2f} {rate:7.1f} "
              f"{most:7.1f} {row['value']:6.2f} {row['bar']:5.2f} {verdict(row)}", flush=True)
        op.free()
    peaks.free()
    return rows
