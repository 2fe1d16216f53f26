/* The ledger: what the class head did on each training sample, summed up over the run; and how well it finds
 * samples that were given a wrong label on purpose. */
#include <math.h>

#include "data/npy.h"
#include "rote/statistics.h"
#include "train/train_internal.h"

/* Columns, as cl/ledger.cl adds them up. */
enum { VISITS, LOSS, MARGIN, FORGOTTEN, FIRST_HIT, LAST_HIT, P, P_SQUARED, HITS, EL2N, P_RANDOM };
static const char *const column[MODEL_LEDGER] = {"visits", "loss", "margin",    "forgotten", "first_hit", "last_hit",
                                                 "p",      "p_squared", "hits", "el2n",      "p_random"};

static enum rote_status read_ledger(const struct rote_run *t, float **out)
{
    enum rote_status st = ROTE_OK;
    size_t values = (size_t)t->data->train.count * MODEL_LEDGER;
    TRY(base_alloc(out, values, sizeof **out));
    TRY(rt_read(t->ledger, 0, *out, values * sizeof **out));
out:
    return st;
}

static enum rote_status write_csv(const struct rote_run *t, const float *ledger, const char *path)
{
    enum rote_status st = ROTE_OK;
    struct base_buf b = {0};
    TRY(base_buf_printf(&b, "sample,label%s", t->canary ? ",canary" : ""));
    for (int k = 0; k < MODEL_LEDGER; k++)
        TRY(base_buf_printf(&b, ",%s", column[k]));
    for (int64_t i = 0; i < t->data->train.count; i++) {
        TRY(base_buf_printf(&b, "\n%lld,%d", (long long)i, t->data->train.labels[i]));
        if (t->canary)
            TRY(base_buf_printf(&b, ",%d", t->canary[i]));
        for (int k = 0; k < MODEL_LEDGER; k++)
            TRY(base_buf_printf(&b, ",%.9g", ledger[i * MODEL_LEDGER + k]));
    }
    TRY(base_buf_printf(&b, "\n"));
    TRY(base_write_file_atomic(path, b.text, b.len));
out:
    base_buf_free(&b);
    return st;
}

enum rote_status ledger_write(const struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    int64_t dim[2] = {t->data->train.count, MODEL_LEDGER};
    float *ledger = NULL;
    char *npy = NULL, *csv = NULL, *canaries = NULL;
    TRY(read_ledger(t, &ledger));
    TRY(base_sprintf(&npy, "%s/ledger.npy", t->folder));
    TRY(npy_write(npy, ROTE_F32, 2, dim, ledger));
    if (t->cfg.ledger_csv) {
        TRY(base_sprintf(&csv, "%s/ledger.csv", t->folder));
        TRY(write_csv(t, ledger, csv));
    }
    if (t->canary) {
        TRY(base_sprintf(&canaries, "%s/canaries.npy", t->folder));
        TRY(npy_write(canaries, ROTE_U8, 1, dim, t->canary));
    }
out:
    base_free(ledger);
    base_free(npy);
    base_free(csv);
    base_free(canaries);
    return st;
}

/* --- canaries: each measure so that more of it is more suspicious -------------------------- */

static double mean_loss(const float *row)
{
    return row[LOSS] / row[VISITS];
}

/* Area under the margin: Pleiss et al., 2020. */
static double small_margin(const float *row)
{
    return -row[MARGIN] / row[VISITS];
}

/* Toneva et al., 2019: what was never learned was forgotten more often than anything. */
static double forgotten(const float *row)
{
    return row[FIRST_HIT] > 0 ? row[FORGOTTEN] : row[VISITS] + 1;
}

static double late_hit(const float *row)
{
    return row[FIRST_HIT] > 0 ? row[FIRST_HIT] : HUGE_VALF;
}

/* Swayamdipta et al., 2020: confidence, variability, correctness. */
static double small_p(const float *row)
{
    return -row[P] / row[VISITS];
}

static double deviation_of_p(const float *row)
{
    double mean = row[P] / row[VISITS];
    return sqrt(fmax(0, row[P_SQUARED] / row[VISITS] - mean * mean));
}

static double few_hits(const float *row)
{
    return -row[HITS] / row[VISITS];
}

/* Paul et al., 2021. */
static double mean_el2n(const float *row)
{
    return row[EL2N] / row[VISITS];
}

static double mean_p_random(const float *row)
{
    return row[P_RANDOM] / row[VISITS];
}

static const struct {
    const char *name;
    double (*of)(const float *row);
} measures[ROTE_CANARY_MEASURES] = {
    {"loss", mean_loss},     {"margin", small_margin},  {"forgotten", forgotten},
    {"first_hit", late_hit}, {"p", small_p},            {"p_deviation", deviation_of_p},
    {"hits", few_hits},      {"el2n", mean_el2n},       {"p_random", mean_p_random},
};

enum rote_status ledger_canaries(const struct rote_run *t, struct rote_canary_measure out[ROTE_CANARY_MEASURES],
                                 int64_t *planted)
{
    enum rote_status st = ROTE_OK;
    int64_t count = t->data->train.count, n = 0;
    float *ledger = NULL;
    double *score = NULL;
    int *positive = NULL;
    *planted = 0;
    if (!t->canary)
        return ROTE_OK;
    TRY(read_ledger(t, &ledger));
    TRY(base_alloc(&score, (size_t)count, sizeof *score));
    TRY(base_alloc(&positive, (size_t)count, sizeof *positive));
    for (int64_t i = 0; i < count; i++) {
        if (!(ledger[i * MODEL_LEDGER + VISITS] > 0))
            continue; /* always in an epoch's remainder */
        positive[n++] = t->canary[i];
        *planted += t->canary[i];
    }
    if (*planted == 0 || *planted == n) {
        *planted = 0;
        goto out;
    }
    for (int m = 0; m < ROTE_CANARY_MEASURES; m++) {
        n = 0;
        for (int64_t i = 0; i < count; i++) {
            const float *row = ledger + i * MODEL_LEDGER;
            if (row[VISITS] > 0)
                score[n++] = fmax(-1e30, fmin(measures[m].of(row), 1e30)); /* finite, whatever diverged */
        }
        snprintf(out[m].name, sizeof out[m].name, "%s", measures[m].name);
        TRY(rote_auroc(score, positive, (size_t)n, &out[m].auroc));
        TRY(rote_auprc(score, positive, (size_t)n, &out[m].auprc));
    }
out:
    base_free(ledger);
    base_free(score);
    base_free(positive);
    return st;
}
