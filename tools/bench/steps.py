"""Whole training steps beside PyTorch's, in one process and in turn."""
import re
import statistics
import time

import torch
from torch import nn
from torch.nn import functional

import twin
from bench.library import PROGRESS, SETTLE, Failure, passes, verdict

# Network, batch, channels, side, least ratio.
TRAIN = [("resnet18", 64, 3, 32, 2.0), ("cnn", 128, 1, 28, 1.5), ("wrn-16-4", 128, 3, 32, 1.7),
         ("vgg11", 64, 3, 32, 1.7)]


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
    print(f"{'network':12} {'batch':>5} {'rote images/s':>14} {'median':>8} {'torch':>8} {'median':>8} {'':5} "
          f"{'ratio':>6} {'bar':>5}")
    for model, batch, channels, side, bar in TRAIN:
        if options.only and not re.search(options.only, model):
            continue
        steps = 16 if model == "cnn" else 2
        config = rote.new("rote_config_new")
        for word in (f"model={model}", f"batch={batch}", "epochs=2", "rla_subset=1", f"log_every={steps}",
                     "lr.base=0.01", f"data={{kind: synthetic, channels: {channels}, height: {side}, width: {side}, "
                     f"test_count: 1, train_count: {batch * steps * (options.rounds + 2)}}}", "control.enabled=false",
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
        row["ratio"] = row["value"] = row["rote_images_s"] / row["torch_images_s"]
        row["pass"] = passes(row)
        rows.append(row)
        print(f"{model:12} {batch:5} {row['rote_images_s']:14.1f} {row['rote_median_images_s']:8.1f} "
              f"{row['torch_images_s']:8.1f} {row['torch_median_images_s']:8.1f} {layout:5} {row['ratio']:6.2f} "
              f"{bar:5.2f} {verdict(row)}", flush=True)
    return rows
