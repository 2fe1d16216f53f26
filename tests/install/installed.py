"""Installs into a temporary prefix, builds docs/examples/*.c against it by pkg-config (and a
CMake project by find_package), runs them, and compiles every public header alone as C11 and
as C++. Usage: installed.py BUILD_FOLDER"""
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from e2e import npy  # noqa: E402


def run(*command, env=None, cwd=None):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=cwd,
                          env={**os.environ, **(env or {})})
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def arrays(folder):
    """Two classes that differ in which half is bright."""
    random.seed(2)
    for split, n in (("train", 512), ("test", 128)):
        pixels, labels = bytearray(), bytearray()
        for i in range(n):
            for row in range(8):
                pixels += bytes(random.randrange(160) + (90 if (row < 4) == bool(i % 2) else 0) for _ in range(8))
            labels.append(i % 2)
        npy(folder / f"{split}_x.npy", "|u1", (n, 8, 8), bytes(pixels))
        npy(folder / f"{split}_y.npy", "|u1", (n,), bytes(labels))


def examples(prefix, folder):
    pc = next(prefix.rglob("rote.pc")).parent
    env = {"PKG_CONFIG_PATH": str(pc)}
    flags = run("pkg-config", "--cflags", "--libs", "rote", env=env).split()
    library = next(p for p in prefix.rglob("librote.so"))
    if not library.is_symlink() or "librote.so.0" not in run("readelf", "-d", library):
        raise SystemExit("librote.so has no soname librote.so.0")
    names = [line.split()[-1] for line in run("nm", "-D", "--defined-only", library).splitlines()]
    if [n for n in names if not n.startswith("rote_")]:
        raise SystemExit(f"symbols that should be hidden: {[n for n in names if not n.startswith('rote_')][:5]}")
    for source in sorted((ROOT / "docs/examples").glob("*.c")):
        if len(source.read_text().splitlines()) >= 80:
            raise SystemExit(f"{source.name} has 80 lines or more")
        run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-DCL_TARGET_OPENCL_VERSION=120", source, "-o",
            folder / source.stem, *flags, "-lOpenCL", f"-Wl,-rpath,{library.parent}")
    arrays(folder)
    out = run(folder / "train_arrays", *(folder / f"{s}_{k}.npy" for s in ("train", "test") for k in "xy"))
    accuracy = float(out.split("test accuracy ")[1].split(",")[0])
    if accuracy < 0.95:
        raise SystemExit(f"train_arrays learns too little:\n{out}")
    x = [i % 7 - 3 for i in range(5 * 5 * 2 * 3)]
    w = [i % 5 - 2 for i in range(3 * 3 * 3 * 4)]
    total = sum(max(0, sum(x[((h + r - 1) * 5 + c + s - 1) * 6 + n * 3 + i] * w[((r * 3 + s) * 3 + i) * 4 + k]
                           for r in range(3) for s in range(3) for i in range(3)
                           if 0 <= h + r - 1 < 5 and 0 <= c + s - 1 < 5))
                for h in range(5) for c in range(5) for n in range(2) for k in range(4))
    out = run(folder / "own_buffers")
    if f"sum is {total:.1f}" not in out:
        raise SystemExit(f"own_buffers says {out}, should be {total}")


def headers(prefix, folder):
    for header in sorted((prefix / "include/rote").glob("*.h")):
        for suffix, compiler, standard in ((".c", "gcc", "c11"), (".cpp", "g++", "c++17"), (".c", "clang", "c11")):
            if not shutil.which(compiler):
                continue
            source = folder / f"{header.stem}{suffix}"
            source.write_text(f"#include <rote/{header.name}>\n#include <rote/{header.name}>\n"
                              "int unused_by_the_test(void);\n")
            run(compiler, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only",
                "-DCL_TARGET_OPENCL_VERSION=120", f"-I{prefix / 'include'}", source)


def cmake_package(prefix, folder):
    project = folder / "project"
    project.mkdir()
    (project / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(user C)\nfind_package(rote REQUIRED)\n"
        "add_executable(user main.c)\ntarget_link_libraries(user rote::rote)\n")
    (project / "main.c").write_text("#include <rote/status.h>\n#include <stdio.h>\n"
                                    "int main(void) { puts(rote_version()); return 0; }\n")
    run("cmake", "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", project / "build")
    print("  version by the CMake package:", run(project / "build/user").strip())


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rote-install-"))
    prefix = folder / "prefix"
    try:
        run("cmake", "--install", sys.argv[1], "--prefix", prefix)
        print("  rote", run(prefix / "bin/rote", "version").strip())
        headers(prefix, folder)
        examples(prefix, folder)
        cmake_package(prefix, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
