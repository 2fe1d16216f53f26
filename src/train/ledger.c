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

const double train_roc_rates[TRAIN_ROC_POINTS] = {0,   0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25,
                                                  0.3, 0.4,   0.5,  0.6,  0.7,  0.8, 0.9,  1};

/* Of samples that were visited; one that is in each epoch's remainder never is. */
static enum rote_status find_canaries(const float *ledger, const uint8_t *canary, int64_t count,
                                      struct train_roc out[ROTE_CANARY_MEASURES], int64_t *planted)
{
    enum rote_status st = ROTE_OK;
    double *score = NULL;
    int *positive = NULL;
    int64_t n = 0;
    *planted = 0;
    TRY(base_alloc(&score, (size_t)count, sizeof *score));
    TRY(base_alloc(&positive, (size_t)count, sizeof *positive));
    for (int64_t i = 0; i < count; i++) {
        if (!(ledger[i * MODEL_LEDGER + VISITS] > 0))
            continue;
        positive[n++] = canary[i];
        *planted += canary[i];
    }
    if (*planted == 0 || *planted == n) {
        *planted = 0;
        goto out;
    }
    for (int m = 0; m < ROTE_CANARY_MEASURES; m++) {
        struct rote_canary_measure *to = &out[m].measure;
        n = 0;
        for (int64_t i = 0; i < count; i++) {
            const float *row = ledger + i * MODEL_LEDGER;
            if (row[VISITS] > 0)
                score[n++] = fmax(-1e30, fmin(measures[m].of(row), 1e30)); /* finite, whatever diverged */
        }
        snprintf(to->name, sizeof to->name, "%s", measures[m].name);
        TRY(rote_auroc(score, positive, (size_t)n, &to->auroc));
        TRY(rote_auprc(score, positive, (size_t)n, &to->auprc));
        TRY(rote_roc(score, positive, (size_t)n, train_roc_rates, TRAIN_ROC_POINTS, out[m].tpr));
    }
out:
    base_free(score);
    base_free(positive);
    return st;
}

enum rote_status ledger_canaries(const struct rote_run *t, struct rote_canary_measure out[ROTE_CANARY_MEASURES],
                                 int64_t *planted)
{
    enum rote_status st = ROTE_OK;
    struct train_roc found[ROTE_CANARY_MEASURES];
    float *ledger = NULL;
    *planted = 0;
    if (!t->canary)
        return ROTE_OK;
    TRY(read_ledger(t, &ledger));
    TRY(find_canaries(ledger, t->canary, t->data->train.count, found, planted));
    for (int m = 0; *planted && m < ROTE_CANARY_MEASURES; m++)
        out[m] = found[m].measure;
out:
    base_free(ledger);
    return st;
}

enum rote_status train_folder_canaries(const char *folder, struct train_roc out[ROTE_CANARY_MEASURES],
                                       int64_t *planted)
{
    enum rote_status st = ROTE_OK;
    char *path[2] = {NULL, NULL};
    struct npy a[2] = {{.data = NULL}, {.data = NULL}};
    *planted = 0;
    TRY(base_sprintf(&path[0], "%s/ledger.npy", folder));
    TRY(base_sprintf(&path[1], "%s/canaries.npy", folder));
    if (!base_file_exists(path[0]) || !base_file_exists(path[1]))
        goto out;
    for (int i = 0; i < 2; i++)
        TRY(npy_read(path[i], &a[i]));
    if (a[0].type != ROTE_F32 || a[0].rank != 2 || a[0].dim[1] != MODEL_LEDGER || a[1].type != ROTE_U8 ||
        a[1].rank != 1 || a[1].dim[0] != a[0].dim[0])
        FAIL(ROTE_EFORMAT, "%s and canaries.npy beside it are not a run's: float32 [samples][%d] and uint8 [samples]",
             path[0], MODEL_LEDGER);
    TRY(find_canaries(a[0].data, a[1].data, a[0].dim[0], out, planted));
out:
    for (int i = 0; i < 2; i++) {
        npy_free(&a[i]);
        base_free(path[i]);
    }
    return st;
}
