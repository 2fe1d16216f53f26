/* A device's peaks, by cl/peak.cl. */
#include <math.h>

#include "bench/bench.h"

#define CHAINS 12
#define TIMES 4
#define LONGEST 0.25 /* seconds of a run */

struct rote_peaks {
    struct rote_device *dev;
    struct rt_kernel *fma, *triad;
    struct rt_mem *out, *a, *b, *c;
    size_t items, group, triad_items;
    int iterations, vec;
    uint64_t n; /* the triad's elements */
    double flops, bandwidth;
};

static enum rote_status prepare_fma(struct rote_peaks *p)
{
    enum rote_status st = ROTE_OK;
    const struct rt_facts *f = rt_facts_of(p->dev);
    bool cpu = f->long_items;
    char options[64];
    p->vec = !cpu || f->native_float < 8 ? 4 : f->native_float < 16 ? 8 : 16;
    /* Enough for some 0.1 ms a core or more, and below what drivers stop at. */
    p->iterations = cpu ? 16384 : 4096;
    p->items = (size_t)f->compute_units * (cpu ? 4 : 2048);
    p->group = cpu || f->max_work_group < 64 ? 1 : 64;
    snprintf(options, sizeof options, "-DVEC=%d -DCHAINS=%d", p->vec, CHAINS);
    TRY(rt_kernel_new(p->dev, "peak", "peak__fma", options, &p->fma));
    while (p->group > rt_kernel_max_group(p->fma))
        p->group /= 2;
    TRY(rt_mem_new(p->dev, (uint64_t)p->items * (uint64_t)p->vec * sizeof(float), "the peak's sums", &p->out));
out:
    return st;
}

static enum rote_status prepare_triad(struct rote_peaks *p)
{
    enum rote_status st = ROTE_OK;
    const struct rt_facts *f = rt_facts_of(p->dev);
    int span = f->long_items ? 4096 : p->vec;
    uint64_t bytes = 64ull << 20;
    char options[64];
    while (bytes > f->max_alloc || bytes > f->mem_bytes / 8)
        bytes /= 2;
    p->n = bytes / sizeof(float);
    p->triad_items = (size_t)((p->n + (uint64_t)span - 1) / (uint64_t)span);
    snprintf(options, sizeof options, "-DVEC=%d -DSPAN=%d", p->vec, span);
    TRY(rt_kernel_new(p->dev, "peak", "peak__triad", options, &p->triad));
    while (p->group > rt_kernel_max_group(p->triad))
        p->group /= 2;
    TRY(rt_mem_new(p->dev, bytes, "the triad's a", &p->a));
    TRY(rt_mem_new(p->dev, bytes, "the triad's b", &p->b));
    TRY(rt_mem_new(p->dev, bytes, "the triad's c", &p->c));
    TRY(rt_fill(p->b, 0x3f800000));
    TRY(rt_fill(p->c, 0x3f800000));
out:
    return st;
}

static enum rote_status run_fma(rote_peaks *p)
{
    return rt_run(p->fma, 1, &p->items, &p->group, "iffm", p->iterations, 0.5, 1.0, p->out);
}

static enum rote_status run_triad(rote_peaks *p)
{
    size_t group = p->group;
    return rt_run(p->triad, 1, &p->triad_items, &group, "lfmmm", p->n, 3.0, p->b, p->c, p->a);
}

/* Seconds of the second of two runs: the first may compile. */
static enum rote_status time_of(rote_peaks *p, enum rote_status (*run)(rote_peaks *), double *seconds)
{
    enum rote_status st = ROTE_OK;
    for (int i = 0; i < 2; i++) {
        double began = base_now();
        TRY(run(p));
        TRY(rt_finish(p->dev));
        *seconds = base_now() - began;
    }
out:
    return st;
}

/* A 64th is run first, and from then on what takes no longer than LONGEST: some devices are slow beyond all
 * expectation. */
static enum rote_status calibrate(rote_peaks *p)
{
    enum rote_status st = ROTE_OK;
    int iterations = p->iterations;
    uint64_t n = p->n;
    double seconds;
    p->iterations = iterations / 64;
    TRY(time_of(p, run_fma, &seconds));
    while (p->iterations < iterations && 2 * seconds < LONGEST) {
        p->iterations *= 2;
        seconds *= 2;
    }
    p->n = n / 64;
    TRY(time_of(p, run_triad, &seconds));
    while (p->n < n && 2 * seconds < LONGEST) {
        p->n *= 2;
        seconds *= 2;
    }
    rt_kernel_measure_again(p->fma);
    rt_kernel_measure_again(p->triad);
out:
    return st;
}

/* `n` floats of m must be `want`: a rate of wrong results means nothing. */
static enum rote_status all_are(struct rt_mem *m, uint64_t n, float want, const char *kernel)
{
    enum rote_status st = ROTE_OK;
    float *got = NULL;
    TRY(base_alloc(&got, n, sizeof *got));
    TRY(rt_read(m, 0, got, n * sizeof *got));
    for (uint64_t i = 0; i < n; i++)
        if (!(fabsf(got[i] - want) <= 1e-5f * want))
            FAIL(ROTE_ECL, "%s is wrong on this device: element %llu is %.9g, should be %.9g", kernel,
                 (unsigned long long)i, got[i], want);
out:
    base_free(got);
    return st;
}

/* a / 2 + 1 comes to 2 in each chain. */
static enum rote_status check(rote_peaks *p)
{
    enum rote_status st = ROTE_OK;
    TRY(rt_fill(p->out, 0));
    TRY(rt_fill(p->a, 0));
    TRY(run_fma(p));
    TRY(run_triad(p));
    TRY(all_are(p->out, (uint64_t)p->items * (uint64_t)p->vec, 2 * CHAINS, "peak__fma"));
    TRY(all_are(p->a, p->n, 4, "peak__triad"));
out:
    return st;
}

enum rote_status rote_peaks_new(rote_device *device, rote_peaks **out)
{
    enum rote_status st = ROTE_OK;
    rote_peaks *p = NULL;
    if (!device || !out)
        return base_null_argument("rote_peaks_new");
    TRY(base_alloc(&p, 1, sizeof *p));
    p->dev = device;
    TRY(prepare_fma(p));
    TRY(prepare_triad(p));
    TRY(calibrate(p));
    TRY(check(p));
    *out = p;
    p = NULL;
out:
    rote_peaks_free(p);
    return st;
}

void rote_peaks_free(rote_peaks *p)
{
    if (!p)
        return;
    rt_kernel_free(p->fma);
    rt_kernel_free(p->triad);
    struct rt_mem *mem[] = {p->out, p->a, p->b, p->c};
    for (size_t i = 0; i < COUNT_OF(mem); i++)
        rt_mem_free(mem[i]);
    base_free(p);
}

enum rote_status rote_peaks_measure(rote_peaks *p)
{
    enum rote_status st = ROTE_OK;
    if (!p)
        return base_null_argument("rote_peaks_measure");
    double flops = 2.0 * CHAINS * p->vec * (double)p->items * p->iterations, bytes = 12.0 * (double)p->n;
    TRY(run_fma(p));
    TRY(rt_finish(p->dev));
    double start = base_now();
    for (int i = 0; i < TIMES; i++)
        TRY(run_fma(p));
    TRY(rt_finish(p->dev));
    double rate = flops * TIMES / (base_now() - start);
    p->flops = rate > p->flops ? rate : p->flops;
    TRY(run_triad(p));
    TRY(rt_finish(p->dev));
    start = base_now();
    for (int i = 0; i < TIMES; i++)
        TRY(run_triad(p));
    TRY(rt_finish(p->dev));
    rate = bytes * TIMES / (base_now() - start);
    p->bandwidth = rate > p->bandwidth ? rate : p->bandwidth;
out:
    return st;
}

double rote_peaks_flops(const rote_peaks *p)
{
    return p ? p->flops : 0;
}

double rote_peaks_bandwidth(const rote_peaks *p)
{
    return p ? p->bandwidth : 0;
}

json_t *bench_peaks_json(const rote_peaks *p)
{
    return json_pack("{s:f s:f}", "gflops", p->flops * 1e-9, "gb_s", p->bandwidth * 1e-9);
}
