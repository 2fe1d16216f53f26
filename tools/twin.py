#!/usr/bin/env python3
"""The PyTorch twin: the same network, recipe and heads, trained in PyTorch and in Rote, to
hold accuracy and random-label accuracy against each other; or one step of each, timed in
turn. Needs PyTorch and NumPy (pip install torch numpy), Fashion-MNIST's package, and rote.

  python3 tools/twin.py train [--model cnn|resnet18] [--epochs 10] [--seeds 1 2 3] [--rote PATH]
  python3 tools/twin.py step [--batch 64] [--rounds 3] [--rote PATH]
  python3 tools/twin.py ops [--rote PATH]

`train` prints, for each figure, mean and deviation over the seeds on both sides and their
difference in units of its standard error. Twins draw other random numbers: only means agree.
`step` prints images/s of a ResNet-18 training step (3 x 32 x 32 images) and their ratio.
`ops` runs operators and their gradients by `rote op` and prints the largest difference."""
import argparse
import gzip
import json
import math
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy
import torch
from torch import nn

DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
LABELS = 10


class Block(nn.Module):
    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.shortcut = None
        if stride != 1 or channels != filters:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (self.shortcut(x) if self.shortcut else x))


class PreBlock(nn.Module):
    """A wide residual network's block: norm and activation come first."""

    def __init__(self, channels, filters, stride):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(filters)
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.shortcut = None if channels == filters else nn.Conv2d(channels, filters, 1, stride, bias=False)

    def forward(self, x):
        a = torch.relu(self.bn1(x))
        y = self.conv2(torch.relu(self.bn2(self.conv1(a))))
        return y + (self.shortcut(a) if self.shortcut else x)


def residual(block, channels, stem, stages, depth):
    layers, c = [nn.Conv2d(channels, stem, 3, 1, 1, bias=False)], stem
    for stage, filters in enumerate(stages):
        for i in range(depth):
            layers.append(block(c, filters, 2 if stage and not i else 1))
            c = filters
    return layers, c


def vgg11(channels):
    layers, c = [], channels
    for filters, pool in ((64, 1), (128, 1), (256, 0), (256, 1), (512, 0), (512, 1), (512, 0), (512, 1)):
        layers += [nn.Conv2d(c, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pool else []
        c = filters
    return layers, c


def trunk(model, channels, side):
    """The zoo's network up to its features, and how many these are."""
    if model == "cnn":
        last = 64 * (side // 4) ** 2
        return nn.Sequential(nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                             nn.Linear(last, 128), nn.ReLU()), 128
    if model == "vgg11":
        layers, c = vgg11(channels)
    elif model == "wrn-16-4":
        layers, c = residual(PreBlock, channels, 16, (64, 128, 256), 2)
        layers += [nn.BatchNorm2d(c), nn.ReLU()]
    else:
        layers, c = residual(Block, channels, 64, (64, 128, 256, 512), 2)
        layers[1:1] = [nn.BatchNorm2d(64), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), c


class Heads(nn.Module):
    """The class head, and two probes on detached features: one random head, and one a class."""

    def __init__(self, features, classes):
        super().__init__()
        self.classes = nn.Linear(features, classes)
        self.random = nn.Linear(features, LABELS)
        self.grouped = nn.Linear(features, LABELS * classes)

    def forward(self, f, y):
        grouped = self.grouped(f.detach()).view(len(f), -1, LABELS)
        return self.classes(f), self.random(f.detach()), grouped[torch.arange(len(f)), y]


def read(split):
    raw = [gzip.decompress((DATA / f"{split}-{kind}.gz").read_bytes())
           for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    x = numpy.frombuffer(raw[0], numpy.uint8, offset=16).reshape(-1, 1, 28, 28).astype(numpy.float32) / 255
    return torch.tensor(x), torch.tensor(numpy.frombuffer(raw[1], numpy.uint8, offset=8).astype(numpy.int64))


def torch_run(options, seed):
    torch.manual_seed(seed)
    (x, y), (tx, ty) = read("train"), read("t10k")
    mean, std = x.mean(), x.std(unbiased=False)
    x, tx = (x - mean) / std, (tx - mean) / std
    body, features = trunk(options.model, 1, 28)
    heads = Heads(features, 10)
    label = [torch.randint(0, LABELS, (len(s),)) for s in (x, tx)]
    parameters = [*body.parameters(), *heads.parameters()]
    sgd = torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True, weight_decay=options.decay)
    steps, loss = len(x) // 128, nn.functional.cross_entropy
    for epoch in range(options.epochs):
        body.train()
        order = torch.randperm(len(x))
        for i in range(steps):
            at = order[i * 128:(i + 1) * 128]
            done = (epoch * steps + i) / (options.epochs * steps)
            for group in sgd.param_groups:
                group["lr"] = 0.05 * 0.5 * (1 + math.cos(math.pi * done))
            z, r, g = heads(body(x[at]), y[at])
            total = loss(z, y[at]) + loss(r, label[0][at]) + loss(g, label[0][at])
            sgd.zero_grad()
            total.backward()
            sgd.step()
    body.eval()
    out = {}
    with torch.no_grad():
        for name, (a, b, c) in {"train": (x[:10000], y[:10000], label[0][:10000]), "test": (tx, ty, label[1])}.items():
            z, r, g = (torch.cat(parts) for parts in zip(*(heads(body(a[i:i + 500]), b[i:i + 500])
                                                           for i in range(0, len(a), 500))))
            out[f"{name} accuracy"] = (z.argmax(1) == b).double().mean().item()
            out[f"{name} random"] = (r.argmax(1) == c).double().mean().item()
            out[f"{name} per-class"] = (g.argmax(1) == c).double().mean().item()
    return out


def rote_run(options, seed):
    heads = ("[{name: class, kind: class}, {name: random, n: 10}, {name: grouped, n: 10, per_class: true}]")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([options.rote, "train", "--quiet", "--out", f"{folder}/run", "--set", f"model={options.model}",
                        "--set", f"epochs={options.epochs}", "--set", f"seed={seed}", "--set", "lr.base=0.05",
                        "--set", f"optimizer.decay={options.decay}", "--set", f"heads={heads}"], check=True)
        summary = json.loads(pathlib.Path(f"{folder}/run/summary.json").read_text())
    out = {}
    for head, name in zip(summary["heads"], ("accuracy", "random", "per-class")):
        out[f"train {name}"] = head["train_accuracy"]
        out[f"test {name}"] = head["held_out_accuracy"]
    return out


def train(options):
    sides = {"rote": [], "torch": []}
    for seed in options.seeds:
        sides["rote"].append(rote_run(options, seed))
        sides["torch"].append(torch_run(options, seed))
        print(f"seed {seed}:", {k: [round(v[-1][k], 4) for v in sides.values()] for k in sides["rote"][-1]}, flush=True)
    print(f"\n{options.model}, {options.epochs} epochs, {len(options.seeds)} seeds")
    print(f"{'figure':18} {'rote':>16} {'torch':>16} {'difference':>11} {'/ std error':>11}")
    for figure in sides["rote"][0]:
        a, b = ([run[figure] for run in sides[s]] for s in ("rote", "torch"))
        spread = [statistics.stdev(v) if len(v) > 1 else float("nan") for v in (a, b)]
        gap = statistics.mean(a) - statistics.mean(b)
        error = math.sqrt((spread[0] ** 2 + spread[1] ** 2) / len(a))
        print(f"{figure:18} {statistics.mean(a):8.4f}±{spread[0]:.4f} {statistics.mean(b):8.4f}±{spread[1]:.4f} "
              f"{gap:11.4f} {gap / error if error else 0:11.2f}")


def torch_step(batch, steps, channels_last):
    body, features = trunk("resnet18", 3, 32)
    net = nn.Sequential(body, nn.Linear(features, 10))
    x, y = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
    if channels_last:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    sgd = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    best = math.inf
    for i in range(steps + 2):
        start = time.perf_counter()
        sgd.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        sgd.step()
        if i > 1:
            best = min(best, time.perf_counter() - start)
    return batch / best


def rote_step(options, steps):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([options.rote, "train", "--quiet", "--out", f"{folder}/run", "--set", "model=resnet18", "--set",
                        "data={kind: synthetic, channels: 3, height: 32, width: 32, test_count: 1, "
                        f"train_count: {options.batch * steps}}}", "--set", f"batch={options.batch}", "--set",
                        "epochs=2", "--set", "rla_subset=1", "--set", "log_every=1000000", "--set",
                        "heads=[{name: class, kind: class}]"], check=True)
        return json.loads(pathlib.Path(f"{folder}/run/summary.json").read_text())["images_per_second"]


def step(options):
    """In turn: best of torch's two layouts, rote's mean (its first step compiles)."""
    a, b = [], []
    for i in range(options.rounds):
        a.append(rote_step(options, 10))
        b.append(max(torch_step(options.batch, 5, last) for last in (False, True)))
        print(f"round {i + 1}: rote {a[-1]:.1f}, torch {b[-1]:.1f} images/s", flush=True)
    print(f"rote / torch: {max(a) / max(b):.3f} (a step takes {max(b) / max(a):.2f} of PyTorch's time)")


def one_op(options, folder, name, inputs, output, attributes):
    """Runs rote op forward and backward; `inputs` are leaves of PyTorch's graph, `output` its result."""
    upstream = torch.randn_like(output)
    output.backward(upstream)
    command = [options.rote, "op", name, "--layout", "nchw", "--out", folder]
    for port, value in {**inputs, "dy": upstream}.items():
        numpy.save(f"{folder}/in_{port}.npy", value.detach().numpy())
        command += [f"--{port}", f"{folder}/in_{port}.npy"]
    for key, value in attributes.items():
        command += [f"--{key}", str(value)]
    subprocess.run(command, check=True, capture_output=True)
    results = {"y": output.detach(), **{f"d{k}": v.grad for k, v in inputs.items() if v.grad is not None}}
    for port, wanted in results.items():
        found = torch.tensor(numpy.load(f"{folder}/{port}.npy")).reshape(wanted.shape)
        scale = max(wanted.abs().max().item(), 1e-30)
        print(f"{name:16} {port:8} largest difference {(found - wanted).abs().max().item() / scale:.1e} of the largest value")


def ops(options):
    torch.manual_seed(0)
    f = nn.functional

    def leaf(*shape):
        return torch.randn(*shape, requires_grad=True)

    with tempfile.TemporaryDirectory() as folder:
        x, w = leaf(3, 8, 13, 11), leaf(12, 4, 3, 5)
        one_op(options, folder, "conv2d_fwd", {"x": x, "w": w},
               f.conv2d(x, w, stride=(2, 1), padding=(1, 3), dilation=(1, 2), groups=2),
               {"stride_h": 2, "pad_h": 1, "pad_w": 3, "dilation_w": 2, "groups": 2})
        x, w = leaf(2, 32, 9, 9), leaf(48, 32, 3, 3)
        one_op(options, folder, "conv2d_fwd", {"x": x, "w": w}, f.conv2d(x, w, padding=1), {"pad_h": 1, "pad_w": 1})
        x, w = leaf(5, 6, 4, 3), leaf(7, 72)
        one_op(options, folder, "linear_fwd", {"x": x, "w": w}, f.linear(x.flatten(1), w), {})
        window = {"window_h": 3, "window_w": 3, "stride_h": 2, "stride_w": 2, "pad_h": 1, "pad_w": 1}
        for name, pool in (("maxpool_fwd", f.max_pool2d), ("avgpool_fwd", f.avg_pool2d)):
            x = leaf(2, 5, 9, 8)
            one_op(options, folder, name, {"x": x}, pool(x, 3, 2, 1), window)
        x, gamma, beta, mean, var = leaf(6, 5, 4, 3), leaf(5), leaf(5), torch.zeros(5), torch.ones(5)
        y = f.batch_norm(x, mean.clone(), var.clone(), gamma, beta, True, 0.1, 1e-5)
        one_op(options, folder, "batchnorm_fwd",
               {"x": x, "gamma": gamma, "beta": beta, "running_mean": mean, "running_var": var}, y, {})
        for name, function in (("relu_fwd", torch.relu), ("gelu_fwd", f.gelu)):
            x = leaf(4, 3, 2, 5)
            one_op(options, folder, name, {"x": x}, function(x), {})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "step", "ops"))
    parser.add_argument("--rote", default="build/rote")
    parser.add_argument("--model", choices=("cnn", "resnet18"), default="cnn")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--decay", type=float, default=5e-4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    {"train": train, "step": step, "ops": ops}[options.what](options)


if __name__ == "__main__":
    main()
