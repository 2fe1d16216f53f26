"""Bad input: each case's message and exit code, and what is left afterwards."""
import struct

from e2e import check, checkpoint, main, npy, rote, settings

SMALL = settings(model="mlp", data__kind="synthetic", data__train_count=64, data__test_count=16, batch=16, epochs=1)


def fails(parts, *arguments, code=1, env=None):
    _, error = rote(*arguments, code=code, env=env)
    for part in parts:
        check(part in error, f"{' '.join(map(str, arguments))}\nsays: {error}but not: {part}")
    check(error.count("\n") <= 3 and "rote" in error, f"an unclear error: {error}")


def idx(path, magic, shape, data):
    path.write_bytes(struct.pack(f">{1 + len(shape)}I", magic, *shape) + data)


def idx_set(folder, images=None, labels=None):
    folder.mkdir(parents=True)
    pixels = bytes(range(256)) * 13
    for split, n in (("train", 32), ("t10k", 16)):
        idx(folder / f"{split}-images-idx3-ubyte", 2051, (n, 8, 8), (pixels * 10)[:n * 64])
        idx(folder / f"{split}-labels-idx1-ubyte", 2049, (n,), bytes(i % 10 for i in range(n)))
    if images:
        images(folder / "train-images-idx3-ubyte")
    if labels:
        labels(folder / "train-labels-idx1-ubyte")
    return settings(model="mlp", data__kind="idx", data__path=folder, batch=8, epochs=1)


def data_files(folder):
    out = folder / "never"
    good = idx_set(folder / "good")
    rote("train", *good, "--out", folder / "good-run", "--quiet")

    def cut(path):
        path.write_bytes(path.read_bytes()[:-100])

    def wrong_magic(path):
        path.write_bytes(b"\x00\x00\x08\x07" + path.read_bytes()[4:])

    def label_11(path):
        path.write_bytes(path.read_bytes()[:-1] + b"\xff")

    fails(["train-images", "truncated", "expected"], "train", *idx_set(folder / "cut", images=cut), "--out", out)
    fails(["train-images", "magic"], "train", *idx_set(folder / "magic", images=wrong_magic), "--out", out)
    missing = idx_set(folder / "missing")
    (folder / "missing/train-labels-idx1-ubyte").unlink()
    fails(["train-labels-idx1-ubyte", "exist"], "train", *missing, "--out", out)
    fails(["label 255", "sample 31"], "train", *idx_set(folder / "label", labels=label_11),
          *settings(data__classes=10), "--out", out)
    check(not out.exists(), "a failed start left a run folder")


def npy_files(folder):
    base = folder / "npy"
    base.mkdir()
    pixels, labels = bytes(64 * 16), b"".join(struct.pack("<q", i % 4) for i in range(16))
    for split in ("train", "test"):
        npy(base / f"{split}_images.npy", "|u1", (16, 8, 8), pixels)
        npy(base / f"{split}_labels.npy", "<i8", (16,), labels)
    common = settings(model="mlp", data__kind="npy", batch=8, epochs=1, data__path=base,
                      data__train_images="train_images.npy", data__train_labels="train_labels.npy",
                      data__test_images="test_images.npy", data__test_labels="test_labels.npy")
    rote("train", *common, "--out", folder / "npy-run", "--quiet")
    npy(base / "train_images.npy", "<i4", (16, 8, 8), bytes(4 * 64 * 16))
    fails(["train_images.npy", "int32", "uint8"], "train", *common, "--out", folder / "never")
    text = (base / "test_images.npy").read_bytes()
    (base / "train_images.npy").write_bytes(text.replace(b"'fortran_order': False", b"'fortran_order': True "))
    fails(["train_images.npy", "Fortran"], "train", *common, "--out", folder / "never")


def configuration(folder):
    path = folder / "bad.yaml"
    path.write_text("model: cnn\noptimiser: {kind: sgd}\n")
    fails(["bad.yaml", "line 2", "optimiser", "optimizer"], "train", path)
    path.write_text("model: cnn\noptimizer:\n  kind: sgd\n  momentun: 0.9\n")
    fails(["line 4", "momentun", "momentum"], "train", path)
    path.write_text("epochs: many\n")
    fails(["line 1", "epochs"], "train", path)
    fails(["resnet19", "resnet18"], "plan", "--set", "model=resnet19")
    fails(["lr.bse", "did you mean base"], "train", "--set", "lr.bse=1")
    fails(["featres", "features"], "plan", *SMALL, "--set", "heads=[{name: class, kind: class, at: featres}]")
    fails(["--devise", "--device"], "train", "--devise", "0", code=2)
    fails(["trian", "train"], "trian", code=2)
    fails(["conv2d_fw", "conv2d_fwd"], "op", "conv2d_fw")
    fails(["batch 128"], "plan", *SMALL, "--set", "batch=128")


def devices(folder):
    fails(["no-such-device"], "train", *SMALL, "--device", "no-such-device", "--out", folder / "never")
    (folder / "icd").mkdir()
    fails(["platform"], "train", *SMALL, "--out", folder / "never", env={"OCL_ICD_VENDORS": str(folder / "icd")})
    fails(["MiB"], "train", *settings(data__kind="synthetic", data__height=224, data__width=224, model="wrn-28-10",
                                      data__train_count=512, data__test_count=1, batch=512, micro_batch=512,
                                      epochs=1),
          "--out", folder / "never")
    fails(["micro-batches of 1:", "memory.limit is 1.0 MiB"], "train", *SMALL, "--memory", "1M", "--out", folder / "never")
    check(not (folder / "never").exists(), "a run folder was made for a run that could not start")


def unwritable(folder):
    """A file where the folder should be: no permission bits, which root would pass."""
    (folder / "file").write_text("")
    fails(["file"], "train", *SMALL, "--out", folder / "file/run")
    rote("train", *SMALL, "--out", folder / "taken", "--quiet")
    before = sorted(p.name for p in (folder / "taken").iterdir())
    fails(["holds a run already"], "train", *SMALL, "--out", folder / "taken")
    check(sorted(p.name for p in (folder / "taken").iterdir()) == before, "the folder was changed")


def checkpoints(folder):
    out = folder / "run"
    rote("train", *SMALL, *settings(epochs=3), "--out", out, "--quiet")
    newest = checkpoint(out)
    older = sorted(p for p in out.glob("checkpoint-*.safetensors"))[0]
    check(older != newest, "only one checkpoint is kept")
    good = newest.read_bytes()
    newest.write_bytes(good[:len(good) // 2])
    fails([newest.name, "truncated"], "eval", out)
    for place in (3, 40, len(good) // 3, len(good) - 5):
        newest.write_bytes(good[:place] + bytes([good[place] ^ 16]) + good[place + 1:])
        _, error = rote("eval", out, code=1)
        check(newest.name in error, f"a flipped bit at {place}: {error}")
    rote("eval", out, "--checkpoint", older.name)
    newest.write_bytes(good)
    rote("eval", out)
    other = folder / "other"
    rote("train", *SMALL, "--set", "heads=[{name: class, kind: class}]", "--out", other, "--quiet")
    fails(["another network"], "eval", out, "--checkpoint", checkpoint(other))
    fails(["config.yaml"], "eval", folder / "nowhere")
    fails(["no-such"], "train", "--resume", out, "--checkpoint", "no-such.safetensors")
    check(not [p for p in out.iterdir() if ".tmp" in p.name], "temporary files were left")
    rote("eval", out)


def divergence(folder):
    """A loss that is no number stops the run; the checkpoint before it loads."""
    out = folder / "diverged"
    _, error = rote("train", *SMALL, *settings(epochs=40, lr__base=1e30, lr__schedule="constant", log_every=1,
                                               checkpoint_every=1, optimizer__nesterov="false"),
                    "--out", out, "--quiet", code=1)
    check("not a finite number" in error and "lr.base" in error, error)
    if (out / "latest").exists():
        rote("eval", out)


main(data_files, npy_files, configuration, devices, unwritable, checkpoints, divergence)
