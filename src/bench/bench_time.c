/* Timing: enqueued many times, waited for once, in turn with what it is compared with. */
#include <math.h>
#include <stdlib.h>

#include "bench/bench.h"

#define LEAST_SECONDS 0.005 /* of a round of one side */
#define MOST_TIMES 2000
#define COLD_SECONDS 0.02   /* what takes longer does not feel what ran before it */

bool bench_wanted(const struct rote_bench *b, const char *name)
{
    return !b->has_only || !regexec(&b->only, name, 0, NULL, 0);
}

enum rote_status bench_any(const struct rote_bench *b)
{
    if (b->total)
        return ROTE_OK;
    return base_error(ROTE_ENOTFOUND, "no row of this benchmark has a name that holds '%s'", b->options.only);
}

enum rote_status bench_tell(struct rote_bench *b, const char *doing)
{
    if (!b->progress)
        return ROTE_OK;
    double spent = base_now() - b->began;
    struct rote_progress p = {.step = b->done, .steps = b->total, .seconds = spent, .doing = doing, .remaining = -1,
                              .loss = NAN, .accuracy = NAN};
    if (b->done > 0)
        p.remaining = spent / b->done * (b->total - b->done);
    if (b->progress(b->user, &p))
        return ROTE_OK;
    b->stopped = true;
    return base_error(ROTE_EINTERRUPTED, "stopped after %d of %d rows", b->done, b->total);
}

static enum rote_status timed(struct rote_bench *b, struct bench_side *s, int times, double *seconds)
{
    enum rote_status st = ROTE_OK;
    double start = base_now();
    TRY(s->enqueue(s->what, times));
    TRY(rt_finish(b->dev));
    *seconds = (base_now() - start) / times;
out:
    return st;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void settle(struct bench_side *s, double *seconds, int n)
{
    qsort(seconds, (size_t)n, sizeof *seconds, ascending);
    s->least = seconds[0];
    s->median = (seconds[(n - 1) / 2] + seconds[n / 2]) / 2;
}

enum rote_status bench_in_turn(struct rote_bench *b, const char *doing, struct bench_side *side, int n)
{
    enum rote_status st = ROTE_OK;
    int rounds = b->options.rounds, *times = NULL;
    double *seconds = NULL, once;
    TRY(base_alloc(&times, (size_t)n, sizeof *times));
    TRY(base_alloc(&seconds, (size_t)n * (size_t)rounds, sizeof *seconds));
    for (int i = 0; i < n; i++) {
        TRY(bench_tell(b, doing));
        TRY(timed(b, &side[i], 1, &once)); /* first use */
        TRY(timed(b, &side[i], 1, &once));
        double wanted = ceil(LEAST_SECONDS / (once + 1e-9));
        times[i] = wanted < 1 ? 1 : wanted > MOST_TIMES ? MOST_TIMES : (int)wanted;
    }
    for (int r = 0; r < rounds; r++) {
        for (int i = 0; i < n; i++) {
            TRY(bench_tell(b, doing));
            if (times[i] > 1 || seconds[i * rounds] < COLD_SECONDS)
                TRY(timed(b, &side[i], 1, &once));
            TRY(timed(b, &side[i], times[i], &seconds[i * rounds + r]));
        }
    }
    for (int i = 0; i < n; i++)
        settle(&side[i], seconds + i * rounds, rounds);
out:
    base_free(times);
    base_free(seconds);
    return st;
}
