"""rote op against the formulas in plain Python, in NHWC and NCHW, forward and backward."""
import math
import random
import struct

from e2e import check, main, npy, read_npy, rote

random.seed(7)


def values(*shape):
    n = 1
    for d in shape:
        n *= d
    return [random.uniform(-1, 1) for _ in range(n)]


def save(path, shape, data):
    npy(path, "<f4", shape, struct.pack(f"<{len(data)}f", *data))


def close(name, found, wanted):
    check(len(found) == len(wanted), f"{name}: {len(found)} values, expected {len(wanted)}")
    for i, (a, b) in enumerate(zip(found, wanted)):
        check(abs(a - b) < 1e-4, f"{name}[{i}] is {a}, should be {b}")


def convolution(folder):
    n, c, h, w, k, r, pad, stride = 2, 3, 6, 5, 4, 3, 1, 2
    x, f = values(n, c, h, w), values(k, c, r, r)
    p, q = (h + 2 * pad - r) // stride + 1, (w + 2 * pad - r) // stride + 1
    dy = values(n, k, p, q)
    y, dx, df = [0.0] * (n * k * p * q), [0.0] * len(x), [0.0] * len(f)
    for b in range(n):
        for o in range(k):
            for i in range(p):
                for j in range(q):
                    at = ((b * k + o) * p + i) * q + j
                    for ch in range(c):
                        for u in range(r):
                            for v in range(r):
                                row, col = i * stride + u - pad, j * stride + v - pad
                                if 0 <= row < h and 0 <= col < w:
                                    xi, fi = ((b * c + ch) * h + row) * w + col, ((o * c + ch) * r + u) * r + v
                                    y[at] += x[xi] * f[fi]
                                    dx[xi] += dy[at] * f[fi]
                                    df[fi] += dy[at] * x[xi]
    save(folder / "x.npy", (n, c, h, w), x)
    save(folder / "w.npy", (k, c, r, r), f)
    save(folder / "g.npy", (n, k, p, q), dy)
    for variant in ("tile", "clblast", "host"):
        rote("op", "conv2d_fwd", "--x", folder / "x.npy", "--w", folder / "w.npy", "--dy", folder / "g.npy",
             "--stride_h", stride, "--stride_w", stride, "--pad_h", pad, "--pad_w", pad, "--layout", "nchw",
             "--variant", variant, "--out", folder)
        check(read_npy(folder / "y.npy")[1] == (n, k, p, q), "y has another shape")
        close("y", read_npy(folder / "y.npy")[2], y)
        close("dx", read_npy(folder / "dx.npy")[2], dx)
        close("dw", read_npy(folder / "dw.npy")[2], df)

    def nhwc(data, c, h, w):
        return [data[((b * c + ch) * h + i) * w + j] for b in range(n) for i in range(h) for j in range(w)
                for ch in range(c)]

    save(folder / "x.npy", (n, h, w, c), nhwc(x, c, h, w))
    save(folder / "w.npy", (r, r, c, k), [f[((o * c + ch) * r + u) * r + v] for u in range(r) for v in range(r)
                                          for ch in range(c) for o in range(k)])
    rote("op", "conv2d_fwd", f"--x={folder / 'x.npy'}", f"--w={folder / 'w.npy'}", "--stride_h=2", "--stride_w=2",
         "--pad_h=1", "--pad_w=1", "--out", folder)
    close("y in NHWC", read_npy(folder / "y.npy")[2], nhwc(y, k, p, q))


def linear_layer(folder):
    x, w, dy = values(5, 2, 3, 3), values(7, 18), values(5, 7)
    save(folder / "x.npy", (5, 2, 3, 3), x)
    save(folder / "w.npy", (7, 18), w)
    save(folder / "g.npy", (5, 7), dy)
    rote("op", "linear_fwd", "--w", folder / "w.npy", "--x", folder / "x.npy", "--dy", folder / "g.npy", "--layout",
         "nchw", "--out", folder)
    close("y", read_npy(folder / "y.npy")[2],
          [sum(x[b * 18 + i] * w[o * 18 + i] for i in range(18)) for b in range(5) for o in range(7)])
    close("dx", read_npy(folder / "dx.npy")[2],
          [sum(dy[b * 7 + o] * w[o * 18 + i] for o in range(7)) for b in range(5) for i in range(18)])
    check(read_npy(folder / "dw.npy")[1] == (7, 18), "dw has another shape than [out, in]")
    close("dw", read_npy(folder / "dw.npy")[2],
          [sum(dy[b * 7 + o] * x[b * 18 + i] for b in range(5)) for o in range(7) for i in range(18)])


def others(folder):
    x, dy = values(2, 3, 4, 4), values(2, 3, 4, 4)
    save(folder / "x.npy", (2, 3, 4, 4), x)
    save(folder / "g.npy", (2, 3, 4, 4), dy)
    rote("op", "relu_fwd", "--x", folder / "x.npy", "--dy", folder / "g.npy", "--layout", "nchw", "--out", folder)
    close("relu", read_npy(folder / "y.npy")[2], [max(v, 0) for v in x])
    close("relu's dx", read_npy(folder / "dx.npy")[2], [g if v > 0 else 0 for v, g in zip(x, dy)])
    rote("op", "add_fwd", "--a", folder / "x.npy", "--b", folder / "g.npy", "--dy", folder / "g.npy", "--out", folder)
    close("add", read_npy(folder / "y.npy")[2], [a + b for a, b in zip(x, dy)])
    close("add's da", read_npy(folder / "da.npy")[2], dy)


def greatest(folder):
    """A NaN wins, the first of equals does, and a window of nothing but -inf has one too."""
    nan, low = math.nan, -math.inf
    windows = [(nan, 1, 2, nan), (1, nan, 3, nan), (low, low, low, low), (1, 5, 5, 2)]
    save(folder / "x.npy", (2, 8, 1, 1), [w[2 * row + i] for row in range(2) for w in windows for i in range(2)])
    rote("op", "maxpool_fwd", "--x", folder / "x.npy", "--window_h", 2, "--window_w", 2, "--stride_h", 2,
         "--stride_w", 2, "--layout", "native", "--out", folder)
    y = read_npy(folder / "y.npy")[2]
    check(math.isnan(y[0]) and math.isnan(y[1]) and y[2:] == [low, 5], f"greatest values: {y}")
    index = read_npy(folder / "index.npy")[2]
    check(index == [0, 3, 4, 7], f"their places: {index}")


def listing(folder):
    text, _ = rote("op", "--list")
    for name in ("conv2d_fwd", "head_loss", "batchnorm_fwd", "adamw", "gather"):
        check(f"{name}:" in text, f"{name} is not listed")
    text, _ = rote("op", "--list", "maxpool_fwd", "--json")
    check('"window_h"' in text and '"variants"' in text, text)
    save(folder / "x.npy", (2, 2), values(2, 2))
    _, error = rote("op", "conv2d_fwd", "--x", folder / "x.npy", "--w", folder / "x.npy", "--out", folder, code=1)
    check("dimensions" in error, error)
    _, error = rote("op", "relu_fwd", "--x", folder / "x.npy", "--strde", 1, "--out", folder, code=1)
    check("strde" in error, error)
    _, error = rote("op", "relu_fwd", "--x", folder / "x.npy", "--variant", "plian", "--out", folder, code=1)
    check("plain" in error, error)


def indices(folder):
    """Indices that point outside are refused before a kernel sees them."""
    npy(folder / "images.npy", "|u1", (3, 2, 2, 1), bytes(range(12)))
    npy(folder / "labels.npy", "<i4", (3,), struct.pack("<3i", 0, 1, 2))
    npy(folder / "norm.npy", "<f4", (2, 1), struct.pack("<2f", 0, 1))
    flags = ["op", "gather", "--images", folder / "images.npy", "--labels", folder / "labels.npy", "--order",
             folder / "order.npy", "--norm", folder / "norm.npy", "--batch", 2, "--count", 2, "--out", folder]
    npy(folder / "order.npy", "<i4", (2,), struct.pack("<2i", 2, 0))
    rote(*flags)
    check(read_npy(folder / "y.npy")[2] == [2, 0] and read_npy(folder / "id.npy")[2] == [2, 0], "the batch's classes")
    npy(folder / "order.npy", "<i4", (2,), struct.pack("<2i", 2, 1 << 30))
    _, error = rote(*flags, code=1)
    check("order[1]" in error and "0 to 2" in error, error)


main(indices, convolution, linear_layer, others, greatest, listing)
