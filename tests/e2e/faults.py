"""The n-th OpenCL call fails as a lost device's does: exit code 3 (1 while devices are
looked for, 0 where the fault was got over), no temporary file, and the run goes on from its last checkpoint to the same end."""
import random

from e2e import check, checkpoint, main, rote, settings, tensors

COMMON = settings(model="mlp", data__kind="synthetic", data__train_count=256, data__test_count=32, batch=32, epochs=2,
                  checkpoint_every=3, log_every=2, rla_subset=32)


def every_call(folder):
    random.seed(3)
    rote("train", *COMMON, "--out", folder / "whole", "--quiet")
    whole, _ = tensors(checkpoint(folder / "whole"))
    lost = resumed = 0
    for i, n in enumerate(sorted([*range(1, 40, 3), *random.sample(range(40, 3000), 27)])):
        out = folder / f"run{i}"
        _, error, code = rote("train", *COMMON, "--out", out, "--quiet", code=(0, 1, 3), env={"ROTE_FAULT_CL": str(n)})
        check(code == 0 or "failed with CL_OUT_OF_RESOURCES" in error or "no device" in error, f"call {n}: {error}")
        lost += code == 3
        if code == 0:
            continue
        if not out.exists():
            continue
        check(not [p for p in out.iterdir() if ".tmp" in p.name], f"call {n}: a temporary file was left")
        if (out / "latest").exists():
            rote("train", "--resume", out, "--quiet")
            found, _ = tensors(checkpoint(out))
            check(found == whole, f"call {n}: the resumed run ends elsewhere")
            resumed += 1
    print(f"  {lost} runs lost their device, {resumed} of them resumed")
    check(lost > 15 and resumed > 3, "too few faults were met")


main(every_call)
