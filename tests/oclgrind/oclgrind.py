"""The operator suite at small sizes under Oclgrind, which interprets kernels and reports accesses outside of buffers,
data races, and reads of what nobody wrote to: no report, with the kernels of CPUs and those of GPUs. Nor is memory a page
past a buffer asked for ahead. And three broken kernels, which must be reported. Usage: oclgrind.py OP_SUITE"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def findings(folder, name, **env):
    """What Oclgrind logged, the suite's exit code, its output."""
    log = folder / f"{name}.log"
    done = subprocess.run([sys.argv[1]], capture_output=True, text=True, timeout=1200, env={
        **os.environ, "OCLGRIND_DATA_RACES": "1", "OCLGRIND_LOG": str(log), "ROTE_CACHE": str(folder / "cache"),
        "ROTE_TEST_VARIANT": "default", "ROTE_TEST_SMALL": "3000", **env})
    return log.read_text() if log.exists() else "", done.returncode, done.stdout + done.stderr


def broken(folder, file, old, new, of=ROOT / "cl"):
    kernels = folder / f"kernels-{file.replace('/', '-')}"
    shutil.copytree(of, kernels)
    text = (kernels / file).read_text()
    assert old in text, f"{file} has no '{old}'"
    (kernels / file).write_text(text.replace(old, new))
    return str(kernels)


# Reads what is asked for ahead, but a page before: Oclgrind's addresses are a buffer's number and 48 bits of offset.
READ_AHEAD = ("#define PREFETCH(p) (void)(p)", "#define PREFETCH(p) (void)*(volatile global const uchar *)((size_t)(p) - "
              "min((size_t)(p) & 0xffffffffffffUL, (size_t)4096))")
# operators that ask ahead; others may write meanwhile to what these so read
AHEAD = {"OCLGRIND_DATA_RACES": "0", "ROTE_TEST_GRADIENTS": "0", "ROTE_TEST_CLASS": "cpu", "ROTE_TEST_WIDTH": "16"}
ASKING = {
    "2400000": [("conv2d_fwd", "winograd"), ("conv2d_bwd_filter", "winograd"), ("linear_fwd", "direct"),
                ("linear_bwd_filter", "direct")],
    "100000": [("conv2d_bwd_filter", "tile"), ("conv2d_bwd_filter", "thin"), ("batchnorm_add_relu_fwd", "plain"),
               ("batchnorm_relu_bwd", "plain"), ("globalpool_fwd", "plain"), ("maxpool_fwd", "plain"),
               ("avgpool_fwd", "plain"), ("gather", "plain")],
}


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rote-test-"))
    try:
        for name in ("cpu", "discrete"):
            log, code, out = findings(folder, name, ROTE_TEST_CLASS=name)
            assert not log, f"{name}: Oclgrind reports\n{log[:4000]}"
            assert code == 0 and "Failures: 0" in out, f"{name}: {out[-2000:]}"
            print(f"  {name}: no finding; {out.count(' cases, ')} operators and variants")
        # larger cases of Winograd, and kernels that only vectors of 16 get
        more = [("conv2d_fwd", "winograd", {}, "800000"), ("conv2d_bwd_data", "winograd", {}, "800000"),
                ("conv2d_bwd_filter", "winograd", {}, "2400000")]
        more += [(operator, variant, {"ROTE_TEST_WIDTH": "16"}, "100000") for operator, variant in (
            ("conv2d_fwd", "depthwise"), ("conv2d_bwd_data", "depthwise"), ("linear_bwd_data", "direct"),
            ("linear_bwd_filter", "direct"), ("gather", "plain"))]
        for operator, variant, env, most in more:
            name = f"{variant} of {operator}{', vectors of 16' if env else ''}"
            log, code, out = findings(folder, name, ROTE_TEST_OP=operator, ROTE_TEST_VARIANT=variant,
                                      ROTE_TEST_SMALL=most, **env)
            assert not log, f"{name}: Oclgrind reports\n{log[:4000]}"
            assert code == 0 and "Failures: 0" in out and " 0 cases" not in out, f"{name}: {out[-2000:]}"
            print(f"  {name}: no finding")
        reads = broken(folder, "common/vec.clh", *READ_AHEAD)
        asking = [(operator, variant, most) for most, group in ASKING.items() for operator, variant in group]
        for operator, variant, most in asking:
            log, code, out = findings(folder, f"ahead {variant} of {operator}", ROTE_TEST_OP=operator, ROTE_KERNELS=reads,
                                      ROTE_TEST_VARIANT=variant, ROTE_TEST_SMALL=most, **AHEAD)
            assert not log, f"{variant} of {operator}, asking ahead: Oclgrind reports\n{log[:4000]}"
            assert code == 0 and "Failures: 0" in out and " 0 cases" not in out, f"{variant} of {operator}: {out[-2000:]}"
        print(f"  {len(asking)} operators and variants ask for nothing a page past a buffer")
        kernels = broken(folder, "pool.cl", "p + AHEAD < end ?", "1 ?", of=reads)
        log, _, _ = findings(folder, "past", ROTE_KERNELS=kernels, ROTE_TEST_OP="globalpool_fwd", ROTE_TEST_SMALL="100000",
                             **AHEAD)
        assert "Invalid read" in log, f"what is asked for past a buffer is not reported: {log[:400]}"
        kernels = broken(folder, "sgd.cl", "v, m);", "v, m + n);")
        log, _, _ = findings(folder, "outside", ROTE_KERNELS=kernels, ROTE_TEST_OP="sgd")
        assert "Invalid write" in log, f"a write outside of a buffer is not reported: {log[:400]}"
        kernels = broken(folder, "conv2d.cl", "barrier(CLK_LOCAL_MEM_FENCE);", ";")
        log, _, _ = findings(folder, "race", ROTE_KERNELS=kernels, ROTE_TEST_OP="matmul", ROTE_TEST_CLASS="discrete")
        assert "data race" in log, f"a missing barrier is not reported: {log[:400]}"
        print("  broken kernels: reported")
    except AssertionError as error:
        sys.exit(str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
