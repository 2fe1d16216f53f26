"""rote doctor: every fault that it should find, made on purpose: drivers that are missing, empty, no drivers,
that crash and hang; rights, hardware, folders. Each with its mark, words and mend."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from e2e import ROTE, check, main, rote

VENDOR = os.environ.get("OCL_ICD_VENDORS", "/etc/OpenCL/vendors")
DEBIAN = "ID=debian\n"
NOBODY = 65534
PLATFORM_CALL = "int clIcdGetPlatformIDsKHR(unsigned n, void **p, unsigned *count) " \
                "{ (void)n; (void)p; (void)count; %s }"
ADDRESS_CALL = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
%s
int clGetPlatformInfo(void) { return -30; }
void *clGetExtensionFunctionAddress(const char *name)
{
    int (*f)(unsigned, void **, unsigned *) = clIcdGetPlatformIDsKHR;
    void *p = NULL;
    if (!strcmp(name, "clIcdGetPlatformIDsKHR"))
        memcpy(&p, &f, sizeof p);
    return p;
}
"""

# A whole driver of one platform, whose GPU of AMD's make can be listed and no more.
PLATFORM = """
#include <string.h>
typedef struct object { void **dispatch; } object;
static int text_of(const char *text, size_t cap, void *out, size_t *size)
{
    if (out && cap > strlen(text))
        strcpy(out, text);
    if (size)
        *size = strlen(text) + 1;
    return 0;
}
static int platform_info(object *p, unsigned what, size_t cap, void *out, size_t *size)
{
    (void)p;
    return text_of(what == 0x904 ? "cl_khr_icd" : "Hollow Platform", cap, out, size);
}
/* A reference to this name would be taken for the loader's function. */
int clGetPlatformInfo(object *p, unsigned what, size_t cap, void *out, size_t *size)
{
    return platform_info(p, what, cap, out, size);
}
static int device_info(object *d, unsigned what, size_t cap, void *out, size_t *size)
{
    (void)d;
    if (what == 0x102b || what == 0x102c || what == 0x102d || what == 0x102f)
        return text_of("Hollow", cap, out, size);
    if (out)
        memset(out, 0, cap);
    if (what == 0x1000)
        *(unsigned long *)out = 4;
    if (what == 0x1001)
        *(unsigned *)out = 0x1002;
    return 0;
}
static int device_ids(object *p, unsigned long type, unsigned n, object **out, unsigned *count);
static void *dispatch[256] = {NULL, (void *)platform_info, (void *)device_ids, (void *)device_info};
static object platform = {dispatch}, device = {dispatch};
static int device_ids(object *p, unsigned long type, unsigned n, object **out, unsigned *count)
{
    (void)p; (void)type; (void)device;
    %s
    if (out && n)
        *out = &device;
    if (count)
        *count = 1;
    return 0;
}
int clIcdGetPlatformIDsKHR(unsigned n, object **out, unsigned *count)
{
    if (out && n)
        *out = &platform;
    if (count)
        *count = 1;
    return 0;
}
void *clGetExtensionFunctionAddress(const char *name)
{
    return !strcmp(name, "clIcdGetPlatformIDsKHR") ? (void *)clIcdGetPlatformIDsKHR : NULL;
}
"""


def compiled(folder, name, source):
    """A shared library out of C."""
    library = folder / f"{name}.so"
    (folder / f"{name}.c").write_text(source)
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    check(compiler, "no C compiler for the drivers of this test")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / f"{name}.c"], check=True)
    return library


def driver(folder, name, body):
    return compiled(folder, name, ADDRESS_CALL % (PLATFORM_CALL % body))


def vendors(folder, name, **files):
    """A folder of .icd files."""
    made = folder / name
    made.mkdir()
    for stem, text in files.items():
        (made / f"{stem}.icd").write_text(text)
    return made


class Report:
    def __init__(self, text, code):
        whole = json.loads(text)
        self.code, self.findings, self.counts = code, whole["findings"], whole
        for mark, key in (("ok", "ok"), ("note", "notes"), ("fault", "faults")):
            check(whole[key] == sum(f["mark"] == mark for f in self.findings), f"counts differ: {text}")
        check(code == (1 if whole["faults"] else 0), f"exit code {code} with {whole['faults']} faults")

    def has(self, mark, part, *words, mend=()):
        for f in self.findings:
            if f["mark"] == mark and f["check"] == part and all(w in f["text"] for w in words):
                for m in (mend,) if isinstance(mend, str) else mend:
                    check(m in f.get("mend", ""), f"{f} is not mended by {m}")
                return
        check(False, f"no {mark} of {part} with {words} in {json.dumps(self.findings, indent=1)}")

    def lacks(self, mark, part=None):
        for f in self.findings:
            check(f["mark"] != mark or part not in (None, f["check"]), f"unwanted: {f}")


def settle(folder, env):
    """Everything that is not under test is in order, whatever this machine has."""
    calm = folder / "calm"
    if not calm.exists():
        for sub in ("dev", "sys", "lib", "data", "cache"):
            (calm / sub).mkdir(parents=True)
        (calm / "data/train-images-idx3-ubyte").write_text("")
        (calm / "os").write_text(DEBIAN)
    base = {**os.environ, "ROTE_TEST_DEV": calm / "dev", "ROTE_TEST_SYS": calm / "sys", "ROTE_TEST_LIB": calm / "lib",
            "ROTE_TEST_DATA": calm / "data", "ROTE_TEST_OS": calm / "os", "ROTE_CACHE": calm / "cache"}
    for name in ("OPENCL_VENDOR_PATH", "OCL_ICD_FILENAMES", "ROTE_NO_CACHE"):
        base.pop(name, None)
    base.update(env)
    return {k: str(v) for k, v in base.items() if v is not None}


def doctor(folder, *flags, cwd=None, user=None, json_flag="--json", **env):
    as_user = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
    done = subprocess.run([ROTE, "doctor", *([json_flag] if json_flag else []), *flags], capture_output=True, text=True,
                          cwd=cwd or folder, env=settle(folder, env), timeout=600, **as_user)
    check(done.returncode in (0, 1), f"exit {done.returncode}: {done.stderr}")
    return Report(done.stdout, done.returncode) if json_flag else (done.stdout, done.returncode)


def in_order(folder):
    r = doctor(folder)
    r.lacks("fault")
    r.has("ok", "loader", VENDOR, "OCL_ICD_VENDORS")
    r.has("ok", "icd", "pocl")
    r.has("ok", "device", "Portable Computing Language", "driver", "units", "GiB", "a kernel ran")
    r.has("ok", "cache")
    r.has("ok", "runs")
    r.has("ok", "data", str(folder / "calm/data"))
    check(not list((folder / "calm/cache").glob(".rote-doctor*")), "a file was left in the cache")
    check(not (folder / "runs").exists(), "runs/ was made")
    text, code = doctor(folder, json_flag=None)
    lines = text.splitlines()
    check(code == 0 and lines[0].startswith("ok     loader    "), text)
    check(lines[-1] == f"{r.counts['ok']} ok, {r.counts['notes']} note{'s' * (r.counts['notes'] != 1)}, 0 faults", text)


def no_drivers(folder):
    r = doctor(folder, OCL_ICD_VENDORS=folder / "nowhere")
    r.has("fault", "icd", "OCL_ICD_VENDORS", "nowhere: there is no such file or folder")
    r.has("fault", "platform", "CL_PLATFORM_NOT_FOUND_KHR", mend="sudo apt-get install pocl-opencl-icd")
    r = doctor(folder, OCL_ICD_VENDORS=folder / "nowhere.icd")
    r.has("fault", "icd", "no such file or folder")
    r = doctor(folder, OCL_ICD_VENDORS=None, OPENCL_VENDOR_PATH=folder / "nowhere")
    r.has("fault", "icd", "OPENCL_VENDOR_PATH", "No such file or directory")
    (folder / "fedora").write_text("ID=fedora\n")
    (folder / "arch").write_text("NAME=x\nID=manjaro\nID_LIKE=arch\n")
    empty = vendors(folder, "empty")
    r = doctor(folder, OCL_ICD_VENDORS=empty, ROTE_TEST_OS=folder / "fedora")
    r.has("fault", "icd", "no .icd file", str(empty))
    r.has("fault", "platform", mend="sudo dnf install pocl")
    doctor(folder, OCL_ICD_VENDORS=empty, ROTE_TEST_OS=folder / "arch").has("fault", "platform", mend="pacman -S pocl")
    text, code = doctor(folder, json_flag=None, OCL_ICD_VENDORS=empty)
    check(code == 1 and "FAULT  platform" in text and f"\n{' ' * 17}mend: sudo apt-get install pocl" in text, text)


def broken_drivers(folder):
    (folder / "text.so").write_text("these are no instructions\n" * 100)
    (folder / "hollow.so").write_text("")
    place = vendors(folder, "broken", nowhere="/no/such/libdriver.so\n", bare="libno-such-driver.so.1\n",
                    text=f"{folder}/text.so\n", hollow=f"{folder}/hollow.so\n", maths="libm.so.6\n", blank="\n",
                    carriage="libpocl.so.2\r\n", nothing="")
    half = compiled(folder, "half", "void *clGetExtensionFunctionAddress(const char *n) { (void)n; return 0; }")
    (place / "half.icd").write_text(f"{half}\n")
    mute = ADDRESS_CALL.replace("clGetPlatformInfo", "other") % (PLATFORM_CALL % "*count = 1; return 0;")
    (place / "mute.icd").write_text(f"{compiled(folder, 'mute', mute)}\n")
    r = doctor(folder, OCL_ICD_VENDORS=place)
    r.has("fault", "icd", "nowhere.icd", "/no/such/libdriver.so", "does not exist", mend=f"sudo rm {place}/nowhere.icd")
    r.has("fault", "icd", "bare.icd", "cannot open shared object file")
    r.has("fault", "icd", "text.icd", "does not load", "ELF")
    r.has("fault", "icd", "hollow.icd", "empty file")
    r.has("fault", "icd", "maths.icd", "lacks clGetExtensionFunctionAddress")
    r.has("fault", "icd", "half.icd", "lacks clIcdGetPlatformIDsKHR")
    if "ocl-icd" in r.findings[0]["text"]:
        r.has("fault", "icd", "mute.icd", "lacks clGetPlatformInfo")
    r.has("fault", "icd", "blank.icd", "names no driver")
    r.has("fault", "icd", "nothing.icd", "names no driver")
    r.has("fault", "icd", "carriage.icd", "carriage return",
          mend=f"echo 'libpocl.so.2' | sudo tee {place}/carriage.icd")
    r.lacks("ok", "icd")
    r = doctor(folder, OCL_ICD_VENDORS=place / "maths.icd")
    r.has("ok", "loader", "only")
    r.has("fault", "icd", "maths.icd", "lacks")
    doctor(folder, OCL_ICD_VENDORS=folder / "text.so").has("fault", "icd", "text.so", "does not load")


def crashes_and_hangs(folder):
    crash, sleeper = driver(folder, "crash", "abort();"), driver(folder, "sleeper", "sleep(1000); return 0;")
    leaver = driver(folder, "leaver", "exit(7);")
    talker = driver(folder, "talker", 'puts("end"); fflush(stdout); abort();')
    place = vendors(folder, "wild", crash=f"{crash}\n", sleeper=f"{sleeper}\n", leaver=f"{leaver}\n",
                    talker=f"{talker}\n")
    r = doctor(folder, "--timeout", "2s", OCL_ICD_VENDORS=place)
    r.has("fault", "icd", "crash.icd", "crashes (Aborted)", mend=f"sudo rm {place}/crash.icd")
    r.has("fault", "icd", "sleeper.icd", "hangs (nothing after 2 s)")
    r.has("fault", "icd", "leaver.icd", "exit code 7")
    r.has("fault", "icd", "talker.icd", "crashes (Aborted)")
    r.has("note", "platform", "not looked at")
    r.has("ok", "cache")
    poor = driver(folder, "poor", "return -6;")
    none = driver(folder, "none", "return -1001;")
    r = doctor(folder, OCL_ICD_VENDORS=vendors(folder, "poor", poor=f"{poor}\n", none=f"{none}\n"))
    r.has("note", "icd", "poor.icd", "CL_OUT_OF_HOST_MEMORY")
    r.has("note", "icd", "none.icd", "CL_PLATFORM_NOT_FOUND_KHR", "no kernel driver")
    r.has("fault", "platform", "CL_PLATFORM_NOT_FOUND_KHR")
    late = driver(folder, "late", "if (p) abort(); *count = 1; return 0;")
    r = doctor(folder, OCL_ICD_VENDORS=vendors(folder, "late", late=f"{late}\n"))
    r.has("ok", "icd", "late.icd")
    r.has("fault", "platform", "the loader crashes (Aborted)", mend="export OCL_ICD_VENDORS=")


def hollow_platforms(folder):
    """A platform that answers its first questions only."""
    gpu, none = compiled(folder, "hollow-gpu", PLATFORM % ""), compiled(folder, "hollow-none", PLATFORM % "return -5;")
    r = doctor(folder, OCL_ICD_VENDORS=vendors(folder, "hollow", none=f"{none}\n"))
    r.has("fault", "platform", "Hollow Platform has no device: clGetDeviceIDs gives CL_OUT_OF_RESOURCES",
          mend="sudo apt-get install pocl-opencl-icd")
    r = doctor(folder, OCL_ICD_VENDORS=vendors(folder, "gpu", gpu=f"{gpu}\n"),
               ROTE_TEST_SYS=card(folder / "hollow-sys", "0x1002"))
    r.has("ok", "hardware", "AMD graphics, with an OpenCL driver")
    r.has("fault", "device", "Hollow on Hollow Platform, driver Hollow", "when it is opened", mend="pocl-opencl-icd")


def devices_that_fail(folder):
    """The driver is sound until a kernel is built or run."""
    build = "int clBuildProgram(void *a, unsigned b, void *c, const char *d, void *e, void *f) " \
            "{ (void)a; (void)b; (void)c; (void)d; (void)e; (void)f; %s }"
    top = "#include <stdlib.h>\n#include <unistd.h>\n"
    crash = compiled(folder, "build-crash", top + build % "abort();")
    hang = compiled(folder, "build-hang", top + build % "sleep(1000); return 0;")
    fail = compiled(folder, "build-fail", top + build % "return -11;")
    idle = compiled(folder, "idle", "int clEnqueueNDRangeKernel(void) { return 0; }")
    if "asan" in subprocess.run(["ldd", ROTE], capture_output=True, text=True).stdout:
        print("  calls cannot be replaced in a build with sanitizers: skipped")
        return
    r = doctor(folder, LD_PRELOAD=crash)
    r.has("ok", "icd", "pocl")
    r.has("fault", "device", "the driver crashes (Aborted) when", mend="POCL_CACHE_DIR")
    r.has("ok", "cache")
    r = doctor(folder, "--timeout", "15s", LD_PRELOAD=hang)
    r.has("fault", "device", "the driver hangs (nothing after 15 s)")
    doctor(folder, LD_PRELOAD=fail).has("fault", "device", "CL_BUILD_PROGRAM_FAILURE")
    doctor(folder, LD_PRELOAD=idle).has("fault", "device", "gets 64 wrong")


def loaders(folder):
    """What a loader reads is told by the names in it."""
    r = doctor(folder, OCL_ICD_FILENAMES="libpocl.so.2", OPENCL_VENDOR_PATH=folder)
    system = next(f["text"] for f in r.findings if f["check"] == "loader")
    if "ocl-icd" not in system:
        print(f"  written for ocl-icd, this is {system}: skipped")
        return
    r.has("note", "loader", "OCL_ICD_FILENAMES is set, but is not read by ocl-icd")
    r.has("note", "loader", "OPENCL_VENDOR_PATH is set, but OCL_ICD_VENDORS comes before it")
    r = doctor(folder, OCL_ICD_VENDORS=None, OPENCL_VENDOR_PATH=VENDOR)
    r.has("ok", "loader", VENDOR, "by OPENCL_VENDOR_PATH")
    r.has("ok", "device")
    other = folder / "loader"
    other.mkdir()
    text = pathlib.Path(system[system.index("(") + 1:system.index(")")]).read_bytes()
    text = text.replace(b"OPENCL_VENDOR_PATH\0", b"OCL_ICD_FILENAMES\0\0")
    (other / "libOpenCL.so.1").write_bytes(text.replace(b"/etc/OpenCL/vendors\0", b"/opt/OpenCL/vendors\0"))
    r = doctor(folder, LD_LIBRARY_PATH=other, OCL_ICD_FILENAMES="/no/such/first.so:libm.so.6",
               OPENCL_VENDOR_PATH=folder)
    r.has("ok", "loader", "Khronos loader", str(other), "before it OCL_ICD_FILENAMES")
    r.has("note", "loader", "OPENCL_VENDOR_PATH", "not read by this Khronos loader")
    r.has("fault", "icd", "/no/such/first.so", "does not exist")
    r.has("fault", "icd", "libm.so.6", "lacks clGetExtensionFunctionAddress")
    r = doctor(folder, LD_LIBRARY_PATH=other, OCL_ICD_VENDORS=None)
    r.has("fault", "icd", "/opt/OpenCL/vendors")


def drivers_without_icd(folder):
    lib = folder / "lib"
    lib.mkdir()
    for name in ("libnvidia-opencl.so.1", "libnvidia-opencl.so.550.1", "libamdocl64.so", "libpocl.so.2",
                 "libamdocl64.socket"):
        (lib / name).write_text("")
    r = doctor(folder, ROTE_TEST_LIB=lib)
    r.has("fault", "icd", "NVIDIA", str(lib / "libnvidia-opencl.so.1"), "no .icd file names it",
          mend=f"echo {lib}/libnvidia-opencl.so.1 | sudo tee {VENDOR}/nvidia.icd")
    r.has("fault", "icd", "AMD", mend="amdocl64.icd")
    check(sum(f["mark"] == "fault" for f in r.findings) == 2, f"{r.findings}")


def platforms_without_devices(folder):
    rusticl = pathlib.Path(VENDOR).parent / "rusticl"
    if not rusticl.exists():
        print("  no rusticl here: skipped")
        return
    amd = card(folder / "amd-sys", "0x1002")
    r = doctor(folder, OCL_ICD_VENDORS=rusticl, RUSTICL_ENABLE=None)
    r.has("fault", "platform", "rusticl has no device, because RUSTICL_ENABLE is not set",
          mend="export RUSTICL_ENABLE=llvmpipe")
    r = doctor(folder, OCL_ICD_VENDORS=rusticl, RUSTICL_ENABLE="nosuch", ROTE_TEST_SYS=amd)
    r.has("fault", "platform", "RUSTICL_ENABLE=nosuch", mend="export RUSTICL_ENABLE=radeonsi")
    both = folder / "both"
    shutil.copytree(VENDOR, both)
    shutil.copy(next(rusticl.glob("*.icd")), both / "rusticl.icd")
    r = doctor(folder, OCL_ICD_VENDORS=both, RUSTICL_ENABLE=None)
    r.has("note", "platform", "RUSTICL_ENABLE is not set")
    r.lacks("fault")


def card(root, vendor):
    for name in ("card0", "card0-HDMI-A-1"):
        place = root / "class/drm" / name / "device"
        place.mkdir(parents=True)
        (place / "vendor").write_text(f"{vendor}\n" if name == "card0" else "0x10de\n")
    return root


def hardware(folder):
    dev = folder / "card-dev"
    (dev / "dri").mkdir(parents=True)
    (dev / "dri/renderD128").write_text("")
    r = doctor(folder, ROTE_TEST_SYS=card(folder / "sys-amd", "0x1002"), ROTE_TEST_DEV=dev)
    r.has("fault", "hardware", "AMD graphics", "no platform offers a GPU",
          mend=["sudo apt-get install mesa-opencl-icd", "export RUSTICL_ENABLE=radeonsi"])
    check(sum(f["check"] == "hardware" for f in r.findings) == 1, "a connector was taken for a card")
    r = doctor(folder, ROTE_TEST_SYS=card(folder / "sys-intel", "0x8086"))
    r.has("fault", "hardware", "Intel", mend=["sudo apt-get install intel-opencl-icd", "--device /dev/dri"])
    (folder / "ubuntu").write_text("ID=ubuntu\nID_LIKE=debian\n")
    nvidia = card(folder / "sys-nvidia", "0x10de")
    r = doctor(folder, ROTE_TEST_SYS=nvidia, ROTE_TEST_OS=folder / "ubuntu")
    r.has("fault", "hardware", "NVIDIA", mend=["sudo ubuntu-drivers install", "--gpus all"])
    doctor(folder, ROTE_TEST_SYS=nvidia).has("fault", "hardware", mend="nvidia-opencl-icd")
    doctor(folder, ROTE_TEST_SYS=card(folder / "sys-other", "0x1234")).lacks("fault")


def rights(folder):
    """Root passes every mode, so another user looks."""
    if os.getuid():
        print("  needs root to become another user: skipped")
        return
    dev = folder / "dev"
    (dev / "dri").mkdir(parents=True)
    video, closed, fine = dev / "dri/renderD128", dev / "kfd", dev / "nvidia0"
    for path in (video, closed, fine, dev / "nvidia-modeset"):
        path.write_text("")
    group = next(line.split(":") for line in open("/etc/group") if line.startswith("video:"))
    os.chown(video, 0, int(group[2]))
    video.chmod(0o660)
    closed.chmod(0)
    fine.chmod(0o666)
    (dev / "nvidia-modeset").chmod(0)
    home = folder / "nobody"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    r = doctor(folder, user=NOBODY, cwd=home, ROTE_TEST_DEV=dev, ROTE_CACHE=home / "cache", POCL_CACHE_DIR=home)
    r.has("fault", "access", str(video), "group video", mend="sudo usermod -aG video $USER   # then log out and in")
    r.has("fault", "access", str(closed), "000", mend=f"sudo chgrp render {closed}")
    r.has("ok", "access", "1 device file of")
    check(sum(f["check"] == "access" for f in r.findings) == 3, f"{r.findings}")
    r.has("ok", "cache", str(home / "cache"))
    r = doctor(folder, user=NOBODY, cwd=home, ROTE_CACHE=home / "cache", POCL_CACHE_DIR=folder / "calm/below")
    r.has("fault", "platform", "Portable Computing Language has no device", mend="export POCL_CACHE_DIR=")
    r = doctor(folder, user=NOBODY, cwd=home, ROTE_CACHE=home / "cache", POCL_CACHE_DIR=folder / "calm/cache")
    r.has("fault", "device", "Portable Computing Language", mend="export POCL_CACHE_DIR=")
    r = doctor(folder, user=NOBODY, cwd=folder, ROTE_CACHE=folder / "calm/cache", POCL_CACHE_DIR=home)
    r.has("fault", "cache", "Permission denied", mend=['sudo chown "$USER"', "export ROTE_CACHE="])
    r.has("note", "runs", "Permission denied", mend="--out")
    video.chmod(0o666)
    closed.chmod(0o666)
    r = doctor(folder, user=NOBODY, cwd=home, ROTE_TEST_DEV=dev, ROTE_CACHE=home / "cache", POCL_CACHE_DIR=home)
    r.lacks("fault")
    r.has("ok", "access", "3 device files")


def folders(folder):
    (folder / "file").write_text("")
    doctor(folder, ROTE_CACHE=folder / "file").has("fault", "cache", "file cannot be written", "this is a file",
                                                   mend="export ROTE_CACHE=")
    doctor(folder, ROTE_CACHE=folder / "file/below").has("fault", "cache", "below cannot be made", "this is a file")
    doctor(folder, ROTE_CACHE=None, XDG_CACHE_HOME=folder / "file").has("fault", "cache", "file/rote")
    doctor(folder, ROTE_CACHE=None, XDG_CACHE_HOME=None, HOME=folder / "file").has("fault", "cache", "file/.cache/rote")
    doctor(folder, ROTE_NO_CACHE=1).has("note", "cache", "ROTE_NO_CACHE", mend="unset")
    away = folder / "away"
    away.mkdir()
    (away / "runs").write_text("")
    doctor(folder, cwd=away).has("note", "runs", "is a file", mend="rote train --out")
    r = doctor(folder, ROTE_TEST_DATA=away)
    r.has("note", "data", str(away), mend="sudo apt-get install dataset-fashion-mnist")
    r.lacks("fault")


@contextlib.contextmanager
def small_disk():
    """A full and a read-only file system, in a mount namespace that ends with the test; None without the right."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="rote-disk-"))
    script = f"mount -t tmpfs -o size=8k none {place} && echo ready && read line && " \
             f"mount -o remount,ro {place} && echo ready && read line"
    p = subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True) if shutil.which("unshare") else None
    try:
        yield (place, p) if p and p.stdout.readline() == "ready\n" else None
    finally:
        if p:
            p.stdin.close()
            p.wait()
        place.rmdir()


def full_disk(folder):
    with small_disk() as made:
        if not made or not shutil.which("nsenter"):
            print("  no right to mount: skipped")
            return
        place, holder = made
        enter = ["nsenter", "-m", "-t", str(holder.pid)]
        command = [*enter, ROTE, "doctor", "--json"]
        fill = ["sh", "-c", f"head -c 100000 /dev/zero >{place}/fill 2>/dev/null; true"]
        subprocess.run([*enter, *fill], check=True)
        env = settle(folder, {"ROTE_CACHE": place})
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder)
        Report(done.stdout, done.returncode).has("fault", "cache", "full", mend=["df -h", "export ROTE_CACHE="])
        holder.stdin.write("go on\n")
        holder.stdin.flush()
        check(holder.stdout.readline() == "ready\n", "the remount failed")
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder)
        Report(done.stdout, done.returncode).has("fault", "cache", "read-only")


def usage(folder):
    _, error = rote("doctor", "--jason", code=2)
    check("nearest: --json" in error, error)
    _, error = rote("doctor", "--timeout", "soon", code=2)
    check("'soon' is no time" in error, error)
    rote("doctor", "now", code=2)


def open_up(folder):
    """Another user looks in here too."""
    folder.chmod(0o755)
    check(os.access(ROTE, os.X_OK), f"{ROTE} does not run")


main(open_up, in_order, no_drivers, broken_drivers, crashes_and_hangs, hollow_platforms, devices_that_fail, loaders,
     drivers_without_icd, platforms_without_devices, hardware, rights, folders, full_disk, usage)
