"""include/rote/statistics.h against SciPy and scikit-learn on the same numbers. Needs LIBRARY, librote's path."""
import ctypes
import os

import numpy
from scipy import stats
from sklearn import metrics

from e2e import check, main

ROTE = ctypes.CDLL(os.environ["LIBRARY"])
RANDOM = numpy.random.default_rng(7)
SAMPLES = [RANDOM.normal(size=n) * scale + shift for n, scale, shift in
           ((2, 1, 0), (3, 1, 2), (6, 0.01, 0.004), (8, 1, 0.5), (12, 30, -9), (20, 1e-5, 0), (60, 1, 0.1))]
SAMPLES += [RANDOM.exponential(size=15), numpy.array([1.0, 1, 1, 1]), numpy.array([0.3, -0.3, 0.2, -0.1, 0.1, 0.3])]


def doubles(x):
    return (ctypes.c_double * len(x))(*map(float, x))


def call(name, *arguments, code=0):
    found = getattr(ROTE, name)(*arguments)
    check(found == code if code == 0 else found != 0, f"{name}: status {found}")


def interval(name, x, *more):
    out = (ctypes.c_double * 2)()
    call(name, doubles(x), ctypes.c_size_t(len(x)), *more, out)
    return list(out)


def near(a, b, relative=1e-9, absolute=0.0):
    return abs(a - b) <= relative * abs(b) + absolute


def t_intervals(folder):
    for x in SAMPLES:
        for level in (0.5, 0.9, 0.95, 0.999):
            got = interval("rote_t_interval", x, ctypes.c_double(level))
            want = stats.t.interval(level, len(x) - 1, numpy.mean(x), stats.sem(x)) if numpy.std(x) else [x[0], x[0]]
            check(all(near(g, w, 1e-9, 1e-12 * numpy.std(x)) for g, w in zip(got, want)), f"{x} {level}: {got}, {want}")


def bca_intervals(folder):
    """Both draw: the ends may differ by what a million resamples leave, some hundredths of the width."""
    for x in SAMPLES:
        if len(x) < 6:
            continue
        got = interval("rote_bca_interval", x, ctypes.c_double(0.95), ctypes.c_int(400000), ctypes.c_uint64(3))
        again = interval("rote_bca_interval", x, ctypes.c_double(0.95), ctypes.c_int(400000), ctypes.c_uint64(3))
        want = stats.bootstrap((x,), numpy.mean, n_resamples=200000, batch=20000, method="BCa", random_state=5)
        want = want.confidence_interval
        check(got == again, "one seed, two intervals")
        check(all(abs(g - w) <= 0.01 * (want.high - want.low) for g, w in zip(got, want)), f"{x}: {got}, SciPy {want}")
    got = interval("rote_bca_interval", [2.0] * 5, ctypes.c_double(0.95), ctypes.c_int(1000), ctypes.c_uint64(3))
    check(got == [2, 2], f"of equal values: {got}")


def sign_flips(folder):
    p = ctypes.c_double()
    for x in SAMPLES:
        call("rote_sign_flip_test", doubles(x), ctypes.c_size_t(len(x)), ctypes.c_uint64(1), ctypes.byref(p))
        exact = len(x) <= 16
        want = stats.permutation_test((x,), numpy.sum, permutation_type="samples", alternative="two-sided",
                                      n_resamples=numpy.inf if exact else 200000, random_state=2).pvalue
        check(near(p.value, want, 1e-12) if exact else abs(p.value - want) < 0.005, f"{x}: {p.value}, SciPy {want}")
    for n in range(1, 12):
        call("rote_sign_flip_test", doubles([1.0] * n), ctypes.c_size_t(n), ctypes.c_uint64(1), ctypes.byref(p))
        check(p.value == 2.0 ** (1 - n), f"the least p of {n} values: {p.value}")


def holm(folder):
    for m in (1, 2, 5, 40):
        p = RANDOM.uniform(0, 0.2, size=m)
        out = (ctypes.c_double * m)()
        call("rote_holm", doubles(p), ctypes.c_size_t(m), out)
        order = numpy.argsort(p)
        want = numpy.empty(m)
        want[order] = numpy.minimum(1, numpy.maximum.accumulate(p[order] * (m - numpy.arange(m))))
        check(numpy.allclose(list(out), want, rtol=1e-12), f"{list(out)}, {want}")
    needed = ROTE.rote_seeds_needed
    needed.argtypes = (ctypes.c_size_t, ctypes.c_double)
    # 1 + log2(m / alpha), rounded up
    check([needed(m, 0.05) for m in (1, 2, 4, 12)] == [6, 7, 8, 9], str([needed(m, 0.05) for m in (1, 2, 4, 12)]))
    check(needed(0, 0.05) == 0 and needed(3, 0.0) == 0, "out of range")


def seeds_for_interval(folder):
    seeds = ROTE.rote_seeds_for_interval
    seeds.argtypes = (ctypes.c_double,) * 3
    for deviation, half, level in ((1, 0.5, 0.95), (0.01, 0.004, 0.975), (1, 3, 0.5), (2, 0.02, 0.95), (0, 1, 0.9)):
        wide = [stats.t.ppf((1 + level) / 2, n - 1) * deviation / n ** 0.5 > half for n in range(2, 50000)]
        got = seeds(deviation, half, level)
        check(got == 2 + wide.index(False), f"{deviation}, {half}: {got}")
    check([seeds(1, 1e-9, 0.95), seeds(1, 0, 0.95), seeds(1, 1, 1)] == [0, 0, 0], "out of range")


def rankings(folder):
    out = ctypes.c_double()
    for n, ties in ((2, False), (30, False), (200, True), (5000, True)):
        y = numpy.array([0, 1] + list(RANDOM.integers(0, 2, size=n - 2)))
        score = RANDOM.normal(size=n) + 0.5 * y
        score = numpy.round(score) if ties else score
        labels = (ctypes.c_int * n)(*map(int, y))
        for name, want in (("rote_auroc", metrics.roc_auc_score(y, score)),
                           ("rote_auprc", metrics.average_precision_score(y, score))):
            call(name, doubles(score), labels, ctypes.c_size_t(n), ctypes.byref(out))
            check(near(out.value, want), f"{name} of {n}: {out.value}, {want}")
        u = stats.mannwhitneyu(score[y == 1], score[y == 0]).statistic
        call("rote_auroc", doubles(score), labels, ctypes.c_size_t(n), ctypes.byref(out))
        check(near(out.value, u / (sum(y == 1) * sum(y == 0))), "auroc is not Mann and Whitney's U")
        rates, found, _ = metrics.roc_curve(y, score, drop_intermediate=False)
        between = [(a + b) / 2 for a, b in zip(rates, rates[1:]) if a < b] + [1.0] # where the curve has one height
        curve = (ctypes.c_double * len(between))()
        call("rote_roc", doubles(score), labels, ctypes.c_size_t(n), doubles(between), ctypes.c_size_t(len(between)),
             curve)
        check(numpy.allclose(list(curve), numpy.interp(between, rates, found), atol=1e-12), f"the ROC curve of {n}")
        call("rote_roc", doubles([3, 2, 1, 0]), (ctypes.c_int * 4)(1, 1, 0, 0), ctypes.c_size_t(4), doubles([0, 0.5]),
             ctypes.c_size_t(2), curve)
        check(list(curve)[:2] == [1, 1], "where it steps up it has the upper end")


def refusals(folder):
    out = (ctypes.c_double * 2)()
    for x, level in (([1.0], 0.95), ([1.0, float("nan")], 0.95), ([1.0, 2.0], 1.0), ([1.0, 2.0], float("nan"))):
        for name in ("rote_t_interval", "rote_bca_interval"):
            more = [] if name == "rote_t_interval" else [ctypes.c_int(1000), ctypes.c_uint64(1)]
            call(name, doubles(x), ctypes.c_size_t(len(x)), ctypes.c_double(level), *more, out, code=1)
    call("rote_auroc", doubles([1, 2]), (ctypes.c_int * 2)(1, 1), ctypes.c_size_t(2), out, code=1)
    call("rote_holm", doubles([0.2, 1.5]), ctypes.c_size_t(2), out, code=1)


main(t_intervals, bca_intervals, sign_flips, holm, seeds_for_interval, rankings, refusals)
