"""What Rote writes, read by others: the event file by TensorBoard's own reader, the
checkpoint by the safetensors package, the ledger by NumPy, the log by a JSON parser."""
import csv
import json
import math

import numpy
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from e2e import check, checkpoint, main, rote, settings


def run(folder):
    rote("train", *settings(data__kind="synthetic", data__train_count=256, data__test_count=64, batch=32, epochs=2,
                            log_every=3, heads="[{name: class, kind: class}, {name: a, lambda: 1}, "
                                               "{name: b, per_class: true, n: 3, at: pool1}, {name: odd, n: 3}]"),
         "--out", folder / "run", "--quiet")


def events(folder):
    accumulator = EventAccumulator(str(folder / "run"), size_guidance={"scalars": 0})
    accumulator.Reload()
    rows = list(csv.DictReader(open(folder / "run/log.csv")))
    found = {(tag, e.step): e.value for tag in accumulator.Tags()["scalars"] for e in accumulator.Scalars(tag)}
    check(len(rows) > 100, f"only {len(rows)} rows in log.csv")
    for row in rows:
        tag = f"{row['set']}/{row['head']}/{row['figure']}"
        value = found.pop((tag, int(row["step"])), None)
        check(value is not None and math.isclose(value, float(row["value"]), rel_tol=1e-6, abs_tol=1e-12),
              f"{tag} at {row['step']}: the event file has {value}, the table {row['value']}")
    check({tag for tag, _ in found} == {"lr"}, f"more in the event file than in the table: {list(found)[:4]}")
    lines = [json.loads(line) for line in open(folder / "run/log.jsonl")]
    check([line["step"] for line in lines if line["type"] == "epoch"] == [8, 16], "the epochs' lines")


def arrays(folder):
    path = checkpoint(folder / "run")
    tensors = load_file(path)
    check(tensors["conv1.weight"].shape == (32, 1, 3, 3), "conv1.weight is not KCRS")
    check(tensors["linear.weight"].shape == (128, 64 * 7 * 7), "linear.weight is not [out, in]")
    check(tensors["heads.b.weight"].shape == (10, 3, 32), "a per-class head is not [classes, n, features]")
    check(tensors["heads.odd.bias"].shape == (3,), "a tensor of an odd number of values")
    network = [x for name, x in tensors.items() if name.startswith(("conv", "linear"))]
    norm = math.sqrt(sum((x.astype(float) ** 2).sum() for x in network))
    line = json.loads((folder / "run/log.jsonl").read_text().splitlines()[-1])
    check(len(network) == 6 and math.isclose(line["weight_norm"], norm, rel_tol=1e-8), f"{line['weight_norm']}, not {norm}")
    ledger = numpy.load(folder / "run/ledger.npy")
    check(ledger.shape == (256, 11) and ledger.dtype == numpy.float32, "the ledger's shape")
    check(numpy.array_equal(ledger, tensors["ledger"]), "ledger.npy and the checkpoint's ledger differ")
    check((ledger[:, 0] == 2).all() and (ledger[:, 8] <= 2).all() and ledger[:, 8].sum() > 256, "the ledger's visits")
    shares = ledger[:, 10] / ledger[:, 0]
    check(((shares > 0) & (shares < 1)).all(), "the random heads' probabilities")


main(run, events, arrays)
