/* Whether a rise of random-label accuracy warns of overfitting, as a hypothesis that is tested on a study's runs,
 * beside simpler signals that cost nothing.
 *
 * A run turns at the epoch of its least validation loss, if that is not its last. A signal should be high from there
 * on and low before, and throughout runs that do not turn: AUROC over all epochs of all runs. It warns at the first
 * epoch at which it exceeds the 95th percentile that it has over such low epochs of the *other* runs; the lead is how
 * many epochs before the turn that is (negative: after it); a warning in a run that does not turn is false. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rote/statistics.h"
#include "study/study.h"

#define LEVEL 0.95

static const char *const names[STUDY_SIGNALS] = {"excess_rla", "loss_gap", "accuracy_gap", "cumulative_loss",
                                                  "weight_norm"};

struct series {
    double *x[STUDY_SIGNALS]; /* NULL: the run does not have it */
    int epochs, turn; /* turn: epoch counted from 0, or epochs where it does not turn */
};

static enum rote_status figure(struct rote_study *s, const struct study_run *r, int epoch, const char *name,
                               double *out)
{
    return study_db_figure(s, r->key, epoch + 1, name, out);
}

/* The first random head whose labels are drawn, and stay; "": there is none. */
static void random_head(const struct study_run *r, char name[160])
{
    const struct config *c = &r->config;
    unsigned i = 0;
    while (i < c->heads_count && (c->heads[i].kind != CONFIG_HEAD_RANDOM || c->heads[i].redraw || c->heads[i].labels))
        i++;
    name[0] = 0;
    if (i < c->heads_count)
        snprintf(name, 160, "clean.%s.chance_corrected", c->heads[i].name);
}

static void series_clear(struct series *y)
{
    for (int k = 0; k < STUDY_SIGNALS; k++)
        base_free(y->x[k]);
    *y = (struct series){.epochs = 0};
}

static enum rote_status read_series(struct rote_study *s, const struct study_run *r, struct series *y, bool *whole)
{
    enum rote_status st = ROTE_OK;
    char head[160];
    double least = INFINITY, sum = 0;
    random_head(r, head);
    *whole = *head && r->last > 1; /* heads are what this is about, the losses say when a run turns */
    for (int k = 0; k < STUDY_SIGNALS && *whole; k++)
        TRY(base_alloc(&y->x[k], (size_t)r->last, sizeof(double)));
    for (int e = 0; e < r->last && *whole; e++) {
        double loss, accuracy, rla, training, hits, norm;
        TRY(figure(s, r, e, "validation.class.loss", &loss));
        TRY(figure(s, r, e, "validation.class.accuracy", &accuracy));
        TRY(figure(s, r, e, head, &rla));
        TRY(figure(s, r, e, "stream.class.loss", &training));
        TRY(figure(s, r, e, "stream.class.accuracy", &hits));
        TRY(figure(s, r, e, "network.all.weight_norm", &norm));
        sum += training;
        const double x[STUDY_SIGNALS] = {rla, loss - training, hits - accuracy, sum, norm};
        *whole = isfinite(rla) && isfinite(loss);
        for (int k = 0; k < STUDY_SIGNALS; k++) {
            if (y->x[k] && isfinite(x[k])) {
                y->x[k][e] = x[k];
                continue;
            }
            base_free(y->x[k]);
            y->x[k] = NULL;
        }
        if (loss < least) {
            least = loss;
            y->turn = e;
        }
    }
    y->epochs = (int)r->last;
    if (y->turn == y->epochs - 1)
        y->turn = y->epochs;
out:
    return st;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The percentile over the low epochs of all runs but one. */
static double threshold(const struct series *y, int n, int but, int signal, double *room)
{
    size_t count = 0;
    for (int i = 0; i < n; i++)
        for (int e = 0; y[i].x[signal] && e < y[i].turn && e < y[i].epochs && i != but; e++)
            room[count++] = y[i].x[signal][e];
    if (!count)
        return INFINITY;
    qsort(room, count, sizeof *room, ascending);
    return room[(size_t)(LEVEL * (double)(count - 1))];
}

static enum rote_status judge(const struct series *y, int n, int signal, double *room, double *lead, int *positive,
                              struct study_warning *out)
{
    enum rote_status st = ROTE_OK;
    size_t count = 0, turned = 0, n_leads = 0;
    *out = (struct study_warning){.signal = names[signal], .auroc = NAN, .lead = NAN};
    for (int i = 0; i < n; i++) {
        if (!y[i].x[signal])
            continue;
        out->runs++;
        double most = threshold(y, n, i, signal, room);
        int first = 0;
        while (first < y[i].epochs && y[i].x[signal][first] <= most)
            first++;
        bool turns = y[i].turn < y[i].epochs;
        turned += turns;
        out->false_warnings += !turns && first < y[i].epochs;
        out->warned += turns && first <= y[i].turn;
        if (turns && first < y[i].epochs)
            lead[n_leads++] = y[i].turn - first;
    }
    out->turned = (int)turned;
    if (n_leads) {
        qsort(lead, n_leads, sizeof *lead, ascending);
        out->lead = n_leads % 2 ? lead[n_leads / 2] : 0.5 * (lead[n_leads / 2 - 1] + lead[n_leads / 2]);
    }
    for (int i = 0; i < n; i++)
        for (int e = 0; y[i].x[signal] && e < y[i].epochs; e++) {
            room[count] = y[i].x[signal][e];
            positive[count++] = e >= y[i].turn;
        }
    size_t ones = 0;
    for (size_t i = 0; i < count; i++)
        ones += (size_t)positive[i];
    if (ones && ones < count)
        TRY(rote_auroc(room, positive, count, &out->auroc));
out:
    return st;
}

enum rote_status study_warnings(struct rote_study *s, struct study_warning out[STUDY_SIGNALS], int *runs)
{
    enum rote_status st = ROTE_OK;
    struct series *y = NULL;
    double *room = NULL;
    size_t epochs = 0;
    int *positive = NULL, n = 0;
    TRY(base_alloc(&y, (size_t)s->n_runs, sizeof *y));
    for (int i = 0; i < s->n_runs; i++) {
        const struct study_run *r = &s->run[i];
        bool whole;
        if (r->trial >= 0 || !r->assignments || r->ended || r->done < r->epochs)
            continue;
        TRY(read_series(s, r, &y[n], &whole));
        if (whole)
            epochs += (size_t)y[n++].epochs;
        else
            series_clear(&y[n]);
    }
    *runs = n;
    if (n < 2)
        goto out;
    TRY(base_alloc(&room, epochs + (size_t)n, sizeof *room));
    TRY(base_alloc(&positive, epochs, sizeof *positive));
    for (int k = 0; k < STUDY_SIGNALS; k++)
        TRY(judge(y, n, k, room, room + epochs, positive, &out[k]));
out:
    for (int i = 0; y && i < s->n_runs; i++)
        series_clear(&y[i]);
    base_free(y);
    base_free(room);
    base_free(positive);
    return st;
}
