/* What each run is to do next. The tuning is successive halving (Jamieson & Talwalkar, AISTATS 2016): all trials do
 * first_epochs, the best 1/eta of them eta times as many, and so on up to all epochs. Rungs are synchronous, not
 * ASHA's: what is promoted then does not depend on which process finished first, and a study that was killed is the
 * study that was not. A worker without a run in one cell has others' runs to do. */
#include <math.h>
#include <stdlib.h>

#include "study/study.h"

bool study_unfinished(const struct study_run *r)
{
    return r->assignments && !r->ended && r->done < r->epochs;
}

struct candidate {
    int trial;
    double score; /* the larger the better */
};

static int by_score(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->trial - y->trial;
}

/* The mean over the tuning's seeds; of a run that ended early, the worst there is. */
static enum rote_status score(struct rote_study *s, int cell, int trial, int64_t epoch, double *out)
{
    enum rote_status st = ROTE_OK;
    double sum = 0, v;
    int n = 0;
    for (int i = 0; i < s->n_runs; i++) {
        const struct study_run *r = &s->run[i];
        if (r->cell != cell || r->trial != trial)
            continue;
        TRY(study_db_figure(s, r->key, r->last < epoch ? r->last : epoch, s->plan.tuning.metric, &v));
        if (!r->ended && isnan(v))
            FAIL(ROTE_ECONFIG, "tuning.metric: run %s of cell %s has no figure '%s' after epoch %lld; log.csv names "
                 "them, and validation figures need data.validation", r->key, s->cell[cell].id, s->plan.tuning.metric,
                 (long long)epoch);
        sum += r->ended || isnan(v) ? -INFINITY : s->plan.tuning.goal == STUDY_MINIMISE ? -v : v;
        n++;
    }
    *out = n ? sum / n : -INFINITY;
out:
    return st;
}

/* One cell: sets `epochs` of its trials' runs, and `selected` when they all are done. */
static enum rote_status tune(struct rote_study *s, int cell)
{
    enum rote_status st = ROTE_OK;
    struct study_cell *c = &s->cell[cell];
    struct candidate *alive = NULL;
    int n = c->trials;
    int64_t last = 0, rung = s->plan.tuning.first_epochs;
    TRY(base_alloc(&alive, (size_t)n, sizeof *alive));
    for (int i = 0; i < n; i++)
        alive[i].trial = i;
    for (;;) {
        bool waiting = false;
        for (int i = 0; i < s->n_runs; i++) {
            struct study_run *r = &s->run[i];
            if (r->cell != cell || r->trial < 0)
                continue;
            last = r->config.epochs;
            for (int k = 0; k < n; k++)
                if (alive[k].trial == r->trial) {
                    r->epochs = rung > 0 && rung < last ? rung : last;
                    waiting = waiting || study_unfinished(r);
                }
        }
        int64_t here = rung > 0 && rung < last ? rung : last;
        if (waiting)
            goto out;
        for (int k = 0; k < n; k++)
            TRY(score(s, cell, alive[k].trial, here, &alive[k].score));
        qsort(alive, (size_t)n, sizeof *alive, by_score);
        if (here == last)
            break;
        n = (n + s->plan.tuning.eta - 1) / s->plan.tuning.eta;
        rung = here * s->plan.tuning.eta;
    }
    c->selected = alive[0].trial;
out:
    base_free(alive);
    return st;
}

enum rote_status study_next(struct rote_study *s)
{
    enum rote_status st = ROTE_OK;
    bool made = false;
    TRY(study_db_load(s));
    for (int c = 0; c < s->n_cells; c++)
        if (s->cell[c].trials && s->cell[c].selected < 0)
            TRY(tune(s, c));
    for (int i = 0; i < s->n_runs; i++) {
        struct study_run *r = &s->run[i];
        if (r->trial >= 0)
            continue;
        bool new = !r->assignments && s->cell[r->cell].selected >= 0;
        if (new)
            TRY(study_run_make(s, r));
        made = made || new;
        r->epochs = r->config.epochs;
    }
    if (made) /* another process may have run them, or they were imported */
        TRY(study_db_load(s));
    for (int i = 0; i < s->n_runs && made; i++)
        if (s->run[i].trial < 0 && (s->run[i].done || s->run[i].ended))
            TRY(study_db_members(s, s->run[i].key));
out:
    return st;
}
