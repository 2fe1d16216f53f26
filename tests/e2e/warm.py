"""rote warm: every program of a network is built, by workers, and the next start builds none; a
worker that fails changes nothing but the time."""
import json
import pathlib
import shutil

from e2e import check, main, rote, settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = settings(model="mlp", data__kind="synthetic", data__height=4, data__width=4, data__train_count=64,
                data__test_count=16, batch=16, epochs=1, rla_subset=16)


def warm(env, *flags):
    return json.loads(rote("warm", *TINY, "--json", *flags, env=env)[0])


def builds_once(folder):
    env = {"ROTE_CACHE": str(folder / "cache"), "POCL_CACHE_DIR": str(folder / "driver")}
    pathlib.Path(env["POCL_CACHE_DIR"]).mkdir()
    (first,) = warm(env)
    check(first["built"] >= 10 and first["cached"] == 0, f"{first}")
    (second,) = warm(env)
    check(second["built"] == 0 and second["cached"] == first["built"], f"{second}")
    driver = {p for p in (folder / "driver").rglob("*.so")}
    out, _ = rote("train", *TINY, "--out", folder / "run", env=env)
    late = {p for p in (folder / "driver").rglob("*.so")} - driver
    check(not late, f"the run compiled {late}")
    check("first step after" in out, out)
    two = warm(env, "--model", "mlp", "--model", "cnn", "--set", "batch=8")
    check([m["model"] for m in two] == ["mlp", "cnn"] and two[1]["built"] > 3, f"{two}")
    text, _ = rote("warm", *TINY, env=env)
    check("0 programs built" in text, text)


def without_a_cache(folder):
    """Nothing to gain, nothing to lose: the process builds for itself."""
    _, error = rote("warm", *TINY, code=2, env={"ROTE_NO_CACHE": "1"})
    check("ROTE_NO_CACHE" in error, error)
    rote("train", *TINY, "--out", folder / "none", "--quiet", env={"ROTE_NO_CACHE": "1"})
    unwritable = folder / "file"
    unwritable.write_text("")
    rote("train", *TINY, "--out", folder / "unwritable", "--quiet", env={"ROTE_CACHE": str(unwritable)})


def bad_kernels(folder):
    """What does not compile in a worker does not here either, which says so and takes the next variant."""
    kernels = folder / "kernels"
    shutil.copytree(ROOT / "cl", kernels)
    (kernels / "ledger.cl").write_text("kernel void ledger__plain(\n")
    _, error = rote("warm", *TINY, env={"ROTE_KERNELS": str(kernels), "ROTE_CACHE": str(folder / "other")})
    check("ledger: variant plain is passed over" in error and error.count("relu") == 0, error)
    rote("warm", "--frost", code=2)


main(builds_once, without_a_cache, bad_kernels)
