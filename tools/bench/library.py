"""librote by ctypes, as little of it as benchmarks need; and timing in turn."""
import ctypes
import math
import time

import numpy

SETTLE = 0.01  # seconds; the other side's idle threads spin for a while before they sleep
WARM = 0.02  # seconds of work before the clock starts: until the system has spread a side's threads over the cores
LEAST = 0.04  # seconds a measurement takes at least


class Failure(Exception):
    pass


class Port(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("dims", ctypes.c_char_p), ("text", ctypes.c_char_p), ("type", ctypes.c_int),
                ("output", ctypes.c_int), ("optional", ctypes.c_int), ("shape_only", ctypes.c_int),
                ("present", ctypes.c_int), ("rank", ctypes.c_int), ("dim", ctypes.c_int64 * 8),
                ("bytes", ctypes.c_uint64)]


class DeviceInfo(ctypes.Structure):
    _fields_ = [("id", ctypes.c_char * 64), *((key, ctypes.c_char * 128) for key in
                ("name", "vendor", "driver", "platform", "version")), ("type", ctypes.c_char * 16),
                ("compute_units", ctypes.c_uint32), ("memory_bytes", ctypes.c_uint64),
                ("max_allocation_bytes", ctypes.c_uint64), ("local_bytes", ctypes.c_uint64),
                ("max_work_group", ctypes.c_uint64), *((key, ctypes.c_int) for key in
                ("duplicate", "fp16", "fp64", "subgroups"))]


class Progress(ctypes.Structure):
    _fields_ = [("step", ctypes.c_int64)]  # the start of it


PROGRESS = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Progress))


class Rote:
    """librote, as little of it as a benchmark needs."""

    def __init__(self, path, device):
        self.lib = ctypes.CDLL(path)
        self.lib.rote_error_detail.restype = ctypes.c_char_p
        self.lib.rote_op_variant.restype = ctypes.c_char_p
        self.device = self.new("rote_device_open", device.encode() if device else None)

    def call(self, name, *arguments):
        if getattr(self.lib, name)(*arguments):
            raise Failure(self.lib.rote_error_detail().decode())

    def new(self, name, *arguments):
        handle = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(handle))
        return handle

    def finish(self):
        self.call("rote_device_finish", self.device)


class Op:
    """One operator with its tensors; inputs are arrays by port name, in Rote's layout."""

    def __init__(self, rote, name, words, arrays, variant=None):
        self.rote, self.tensors, self.ports = rote, {}, {}
        self.op = rote.new("rote_op_new", rote.device, name.encode(), words.encode(), variant and variant.encode())
        self.variant = rote.lib.rote_op_variant(self.op).decode()
        self.bytes = 0
        port, index = Port(), 0
        while not rote.lib.rote_op_port(self.op, index, ctypes.byref(port)):
            index += 1
            if not port.present or port.shape_only:
                continue
            self.bytes += port.bytes
            key = port.name.decode()
            self.ports[key] = (list(port.dim[:port.rank]), port.type)
            if key in self.tensors:
                continue
            self.tensors[key] = rote.new("rote_tensor_new", rote.device, ctypes.c_uint64(port.bytes))
            data = arrays.get(key)
            if data is None:
                data = numpy.zeros(port.bytes, numpy.uint8)
            data = numpy.ascontiguousarray(data)
            assert data.nbytes == port.bytes, (name, key, data.nbytes, port.bytes)
            rote.call("rote_tensor_write", self.tensors[key], data.ctypes.data_as(ctypes.c_void_p),
                      ctypes.c_uint64(port.bytes))
            rote.call("rote_op_bind", self.op, port.name, self.tensors[key])

    def run(self, times=1):
        for _ in range(times):
            self.rote.call("rote_op_run", self.op)
        self.rote.finish()

    def read(self, key):
        out = numpy.empty(self.ports[key][0], numpy.float32)
        self.rote.call("rote_tensor_read", self.tensors[key], out.ctypes.data_as(ctypes.c_void_p),
                       ctypes.c_uint64(out.nbytes))
        return out

    def free(self):
        self.rote.lib.rote_op_free(self.op)
        for t in self.tensors.values():
            self.rote.lib.rote_tensor_free(t)


class Peaks:
    """The device's triad, a round at a time."""

    def __init__(self, rote):
        self.rote, self.peaks = rote, rote.new("rote_peaks_new", rote.device)
        rote.lib.rote_peaks_bandwidth.restype = ctypes.c_double

    def gb_s(self):
        self.rote.call("rote_peaks_measure", self.peaks)
        return self.rote.lib.rote_peaks_bandwidth(self.peaks) * 1e-9

    def free(self):
        self.rote.lib.rote_peaks_free(self.peaks)


def in_turn(sides, rounds):
    """sides: {name: function(times)}. Seconds a call, a list of `rounds` for each, taken in turn."""
    times = {}
    for name, run in sides.items():
        run(1)
        times[name], took = 1, 0.0
        while took < LEAST / 2:  # single calls of a few microseconds are mostly the wait at their end
            times[name] = math.ceil(times[name] * (LEAST / took if took else 1))
            start = time.perf_counter()
            run(times[name])
            took = time.perf_counter() - start
        times[name] = math.ceil(times[name] * max(1, LEAST / took))
    seconds = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            time.sleep(SETTLE)
            run(math.ceil(times[name] * WARM / LEAST))
            start = time.perf_counter()
            run(times[name])
            seconds[name].append((time.perf_counter() - start) / times[name])
    return seconds


def repeat(function):
    def run(times):
        for _ in range(times):
            function()
    return run


def passes(row):
    """A row's verdict: its `value` against its `bar`, from below or above."""
    return row["value"] <= row["bar"] if row.get("at_most") else row["value"] >= row["bar"]


def verdict(row):
    return "pass" if row["pass"] else "above" if row.get("at_most") else "below"
