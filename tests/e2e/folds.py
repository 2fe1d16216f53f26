"""Cross-validation: what the folds are, that each sample's probabilities come from the network that has not seen it,
that label-error tools read the arrays and find planted errors, and that an ended one goes on to the same bits."""
import json
import os
import pathlib
import pty
import signal
import subprocess
import time

import numpy
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn import metrics

from e2e import ROTE, check, main, rote, settings

COMMON = settings(data__kind="synthetic", data__channels=1, data__height=12, data__width=12, data__train_count=403,
                  data__test_count=50, batch=32, epochs=4, model="mlp", data__canaries=0.1)
K = 4


def arrays(folder):
    return [numpy.load(folder / f"{name}.npy") for name in ("probabilities", "labels", "fold", "canaries")]


def structure(folder):
    rote("folds", *COMMON, "--folds", K, "--out", folder / "folds", "--quiet")
    p, labels, fold, canaries = arrays(folder / "folds")
    check((p.dtype, labels.dtype, fold.dtype) == (numpy.float32, numpy.int64, numpy.int32), "types")
    check(p.shape == (403, 10) and labels.shape == fold.shape == canaries.shape == (403,), f"{p.shape}")
    check(numpy.allclose(p.sum(1), 1, atol=1e-6) and (p >= 0).all(), "rows are not probabilities")
    check(sorted(numpy.bincount(fold, minlength=K)) == [100, 101, 101, 101], f"folds of {numpy.bincount(fold)}")
    check(len(set(zip(fold, fold[1:]))) == K * K, "neighbours' folds depend on each other")
    for k in range(K):
        run = folder / f"folds/fold-{k}"
        visits = numpy.load(run / "ledger.npy")[:, 0]
        check((visits[fold == k] == 0).all(), f"run {k} has seen samples of its fold")
        check((visits[fold != k] > 0).sum() > 280, f"run {k} has not seen the others")
        if k not in (1, K - 1):
            continue
        out, _ = rote("eval", run, "--predictions", folder / f"eval{k}", "--json")
        written = folder / f"eval{k}/train"
        check((numpy.load(written / "class.probabilities.npy")[fold == k] == p[fold == k]).all(),
              f"fold {k}'s rows are not those of its run")
        check((numpy.load(written / "fold.npy") == fold).all() and (numpy.load(written / "labels.npy") == labels).all(),
              "the run has other folds or labels")
        check(json.loads(out)["heads"][0]["train_accuracy"] > 0.8, "nothing was learned")


def label_errors(folder):
    p, labels, _, canaries = arrays(folder / "folds")
    summary = json.loads((folder / "folds/summary.json").read_text())
    check(abs(summary["accuracy"] - (p.argmax(1) == labels).mean()) < 1e-9, f"accuracy {summary}")
    check(abs(summary["loss"] + numpy.log(p[range(403), labels]).mean()) < 1e-5, f"loss {summary}")
    found = find_label_issues(labels, p)
    precision, recall = canaries[found].mean(), found[canaries == 1].mean()
    check(precision > 0.7 and recall > 0.7 > 4 * canaries.mean(), f"cleanlab: precision {precision}, recall {recall}")
    for mine, theirs in (("self_confidence", "self_confidence"), ("margin", "normalized_margin")):
        score = -get_label_quality_scores(labels, p, method=theirs)
        want = metrics.roc_auc_score(canaries, score), metrics.average_precision_score(canaries, score)
        got = summary["canaries"]["measures"][mine]
        check(numpy.allclose((got["auroc"], got["auprc"]), want, atol=1e-6), f"{mine}: {got}, of cleanlab's {want}")
        check(want[0] > 0.9, f"{mine} ranks canaries at {want[0]}")


def killed(folder):
    """With -9 at any moment: the same command ends with the same arrays."""
    command = ["folds", *COMMON, "--set", "checkpoint_every=2", "--folds", str(K), "--out", str(folder / "killed")]
    for moment in (1, 2, 3):
        process = subprocess.Popen([ROTE, *command, "--quiet"])
        deadline = time.time() + 60
        while time.time() < deadline and process.poll() is None and \
                len(list((folder / "killed").glob("fold-*/checkpoint-*"))) < 2 * moment:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    first = folder / "killed/fold-0/left_out.npy"
    before = first.stat().st_mtime_ns if first.exists() else None
    out, _ = rote(*command)
    check("accuracy" in out and "canaries, found by" in out, out)
    check(before is None or first.stat().st_mtime_ns == before, "a finished fold was trained again")
    for one, other in zip(arrays(folder / "folds"), arrays(folder / "killed")):
        check((one == other).all(), "other arrays after kills")
    _, error = rote(*command, "--set", "seed=2", code=1)
    check("another configuration" in error, error)
    rote("train", *COMMON, *settings(seeds__folds=9, epochs=1, data__folds=K), "--out", folder / "other", "--quiet")
    rote("eval", folder / "other", "--predictions", folder / "other")
    other, fold = numpy.load(folder / "other/train/fold.npy"), numpy.load(folder / "killed/fold.npy")
    check(100 < (other != fold).sum() < 380, "seeds.folds does nothing")


def terminal(folder):
    """A bar there alone, which goes over all folds."""
    command = [ROTE, "folds", *COMMON, "--set", "epochs=1", "--folds", "2"]
    parent, child = pty.openpty()
    done = subprocess.Popen([*command, "--out", str(folder / "bar")], stdout=subprocess.DEVNULL, stderr=child)
    os.close(child)
    seen = b""
    try:
        while part := os.read(parent, 65536):
            seen += part
    except OSError:  # the end of a terminal
        pass
    check(done.wait() == 0 and b"\r" in seen and b"epoch 2/2" in seen and b"100%" in seen, repr(seen[-300:]))
    quiet = subprocess.run([*command, "--out", str(folder / "pipe")], capture_output=True, check=True)
    check(b"\r" not in quiet.stderr + quiet.stdout, quiet.stderr)


def refused(folder):
    for flags, words in ((("--folds", "1"), "2 to 1000"), ((), "--out DIR")):
        _, error = rote("folds", *COMMON, *flags, code=2)
        check(words in error, error)
    for keys, words in (({"data.folds": 3, "data.fold": 3}, "data.fold 3 of"), ({"data.folds": 404}, "403 training"),
                        ({"batch": 403}, "outside the fold")):
        sets = [x for key, value in keys.items() for x in ("--set", f"{key}={value}")]
        _, error = rote("folds" if "batch" in keys else "train", *COMMON, *sets, "--out", folder / "no", code=1)
        check(words in error, error)
    run = folder / "folds/fold-1"
    config = pathlib.Path(run / "config.yaml")
    config.write_text(config.read_text().replace("fold: 1", "fold: 2"))
    _, error = rote("eval", run, code=1)
    check("without fold 1 of 4" in error, error)


main(structure, label_errors, killed, terminal, refused)
