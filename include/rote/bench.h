/* Benchmarks on a device: operators of a training step against measured peaks, whole steps,
 * what heads cost, how time grows.
 *
 *   rote_bench_new(dev, config, "ops", NULL, NULL, NULL, &b); rote_bench_text(b, &text);
 *
 * Work is enqueued many times and waited for once; what is compared is measured in turn.
 * Threads: as a run, a benchmark belongs to its device's thread. */
#ifndef ROTE_BENCH_H
#define ROTE_BENCH_H

#include "rote/run.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rote_bench_options {
    int rounds;       /* at least 1; figures are the least and the median of so many */
    const char *only; /* rows whose name holds this extended regular expression; NULL: all */
    int chosen_only;  /* operators: not 0: only the variants that the plan has */
};
#define ROTE_BENCH_OPTIONS_INIT {10, NULL, 0}

typedef struct rote_bench rote_bench;

/* Measures; what is "ops", "train", "heads" or "scale" (docs/bench.md). options NULL: the
 * defaults. progress is called every round; when it returns 0, the result has the rows so far,
 * or the call gives ROTE_EINTERRUPTED where there are none. config stays the caller's. */
ROTE_API enum rote_status rote_bench_new(rote_device *device, const rote_config *config, const char *what,
                                         const struct rote_bench_options *options, rote_progress_fn progress,
                                         void *user, rote_bench **out);
ROTE_API void rote_bench_free(rote_bench *b);
/* 0: it was stopped before its end. */
ROTE_API int rote_bench_complete(const rote_bench *b);
/* As tables, as JSON (docs/bench.md), as one self-contained HTML page; *text is the caller's
 * (rote_free). */
ROTE_API enum rote_status rote_bench_text(const rote_bench *b, char **text);
ROTE_API enum rote_status rote_bench_json(const rote_bench *b, char **text);
ROTE_API enum rote_status rote_bench_html(const rote_bench *b, char **text);

/* A device's peaks, by kernels: fused multiply-adds in registers, and the triad a = b + s c over
 * arrays of 64 MiB (less where the device is small). An error where their results are wrong. */
typedef struct rote_peaks rote_peaks;
ROTE_API enum rote_status rote_peaks_new(rote_device *device, rote_peaks **out);
ROTE_API void rote_peaks_free(rote_peaks *p);
/* One more round of each; the best so far count. */
ROTE_API enum rote_status rote_peaks_measure(rote_peaks *p);
/* Floating-point operations, and bytes, a second; 0 before the first round. */
ROTE_API double rote_peaks_flops(const rote_peaks *p);
ROTE_API double rote_peaks_bandwidth(const rote_peaks *p);

#ifdef __cplusplus
}
#endif
#endif
