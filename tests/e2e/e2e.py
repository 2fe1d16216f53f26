"""What the end-to-end tests share: running rote, reading its files. Standard library only."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

ROTE = os.environ.get("ROTE", "rote")
CHECKS = 0


def check(condition, message):
    global CHECKS
    CHECKS += 1
    if not condition:
        raise AssertionError(message)


def rote(*arguments, code=0, env=None, cwd=None):
    """Runs rote; checks the exit code (one or several); gives standard output and error, and
    with several codes the one it was."""
    codes = code if isinstance(code, tuple) else (code,)
    done = subprocess.run([ROTE, *map(str, arguments)], capture_output=True, text=True, cwd=cwd,
                          env={**os.environ, **(env or {})}, timeout=1200)
    check(done.returncode in codes,
          f"rote {' '.join(map(str, arguments))}: exit {done.returncode}, expected {code}\n{done.stdout}{done.stderr}")
    return (done.stdout, done.stderr, done.returncode)[:2 + (len(codes) > 1)]


def settings(**values):
    out = []
    for key, value in values.items():
        out += ["--set", f"{key.replace('__', '.')}={value}"]
    return out


def tensors(path):
    """name -> (dtype, shape, bytes) and the metadata of a safetensors file."""
    data = pathlib.Path(path).read_bytes()
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + n])
    meta = header.pop("__metadata__", {})
    body = data[8 + n:]
    return {k: (v["dtype"], v["shape"], body[v["data_offsets"][0]:v["data_offsets"][1]])
            for k, v in header.items()}, meta


def checkpoint(folder):
    folder = pathlib.Path(folder)
    return folder / (folder / "latest").read_text()


def npy(path, dtype, shape, data):
    """Writes an NPY file, format 1.0; data are the bytes."""
    text = "{'descr': '%s', 'fortran_order': False, 'shape': %r, }" % (dtype, tuple(shape))
    text += " " * (63 - (10 + len(text)) % 64) + "\n"
    pathlib.Path(path).write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data)


def read_npy(path):
    """(dtype, shape, list of values)"""
    data = pathlib.Path(path).read_bytes()
    (n,) = struct.unpack("<H", data[8:10])
    header = eval(data[10:10 + n], {"__builtins__": {}}, {"True": True, "False": False})  # a literal
    code = {"<f4": "f", "<i4": "i", "|u1": "B", "<f8": "d", "<i8": "q"}[header["descr"]]
    body = data[10 + n:]
    return header["descr"], header["shape"], list(struct.unpack(f"<{len(body) // struct.calcsize(code)}{code}", body))


def main(*tests):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rote-test-"))
    try:
        for test in tests:
            test(folder)
            print(f"  {test.__name__}: passed")
        check(CHECKS > len(tests), "a test without checks")
        print(f"{CHECKS} checks passed")
    except AssertionError as error:
        print(error)
        sys.exit(1)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
