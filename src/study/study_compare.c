/* What the finished runs of a study show: cells' means, the comparisons that were declared beforehand, and all others
 * as exploration. Pairs share their seed; a pair counts when both runs are done to the end. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rote/statistics.h"
#include "study/study.h"

#define RESAMPLES 10000

const struct study_run *study_run_of(const struct rote_study *s, int cell, int64_t seed)
{
    for (int i = 0; i < s->n_runs; i++)
        if (s->run[i].cell == cell && s->run[i].trial < 0 && s->run[i].seed == seed)
            return &s->run[i];
    return NULL;
}

int study_cell_of(const struct rote_study *s, const char *id)
{
    for (int c = 0; c < s->n_cells; c++)
        if (!strcmp(s->cell[c].id, id))
            return c;
    return -1;
}

enum rote_status study_value(struct rote_study *s, int cell, int64_t seed, const char *figure, double *out)
{
    const struct study_run *r = study_run_of(s, cell, seed);
    *out = NAN;
    if (!r || !r->assignments || r->ended || r->done < r->epochs)
        return ROTE_OK;
    return study_db_figure(s, r->key, r->last, figure, out);
}

enum rote_status study_compare_pair(struct rote_study *s, struct study_difference *d)
{
    enum rote_status st = ROTE_OK;
    const struct study_plan *p = &s->plan;
    double *x = NULL;
    size_t n = 0;
    int of = study_cell_of(s, d->of), against = study_cell_of(s, d->against);
    TRY(base_alloc(&x, p->seeds_count, sizeof *x));
    d->deviation = 0;
    d->mean = d->p = d->adjusted = d->t.low = d->t.high = d->bca.low = d->bca.high = NAN;
    for (unsigned i = 0; i < p->seeds_count; i++) {
        double a, b;
        TRY(study_value(s, of, p->seeds[i], d->figure, &a));
        TRY(study_value(s, against, p->seeds[i], d->figure, &b));
        if (!isnan(a) && !isnan(b))
            x[n++] = a - b;
    }
    d->pairs = (int)n;
    if (n)
        d->mean = 0;
    for (size_t i = 0; i < n; i++)
        d->mean += x[i] / (double)n;
    if (n < 2)
        goto out;
    for (size_t i = 0; i < n; i++)
        d->deviation += (x[i] - d->mean) * (x[i] - d->mean);
    d->deviation = sqrt(d->deviation / (double)(n - 1));
    TRY(rote_t_interval(x, n, 1 - p->alpha, &d->t));
    TRY(rote_bca_interval(x, n, 1 - p->alpha, RESAMPLES, (uint64_t)p->seed, &d->bca));
    TRY(rote_sign_flip_test(x, n, (uint64_t)p->seed, &d->p));
out:
    base_free(x);
    return st;
}

static const char *usual_figure(const struct rote_study *s)
{
    for (int i = 0; i < s->n_runs; i++) {
        const struct study_run *r = &s->run[i];
        if (r->trial < 0 && (!r->assignments || config_test_when(&r->config) != CONFIG_TEST_NEVER))
            return "test.class.accuracy";
    }
    return "validation.class.accuracy";
}

enum rote_status study_compare_primary(struct rote_study *s, struct study_difference **out)
{
    enum rote_status st = ROTE_OK;
    const struct study_plan *p = &s->plan;
    struct study_difference *d = NULL;
    double *ps = NULL;
    size_t known = 0;
    TRY(base_alloc(&d, p->primary_count, sizeof *d));
    TRY(base_alloc(&ps, p->primary_count, sizeof *ps));
    for (unsigned i = 0; i < p->primary_count; i++) {
        const struct study_primary *q = &p->primary[i];
        d[i] = (struct study_difference){.figure = q->figure ? q->figure : usual_figure(s), .of = q->of,
                                         .against = q->against, .benefit = q->benefit};
        TRY(study_compare_pair(s, &d[i]));
        ps[i] = isnan(d[i].p) ? 1 : d[i].p; /* without pairs yet it counts all the same */
        known += !isnan(d[i].p);
    }
    if (known)
        TRY(rote_holm(ps, p->primary_count, ps));
    for (unsigned i = 0; i < p->primary_count; i++)
        d[i].adjusted = isnan(d[i].p) ? NAN : ps[i];
    *out = d;
    d = NULL;
out:
    base_free(d);
    base_free(ps);
    return st;
}

const char *study_main_figure(const struct rote_study *s)
{
    const struct study_plan *p = &s->plan;
    return p->primary_count && p->primary[0].figure ? p->primary[0].figure : usual_figure(s);
}

enum rote_status study_explore(struct rote_study *s, const char *figure, struct study_difference **out, size_t *count)
{
    enum rote_status st = ROTE_OK;
    struct study_difference *d = NULL;
    size_t n = 0;
    for (int a = 0; a < s->n_cells; a++)
        for (int b = 0; b < s->n_cells; b++) {
            unsigned differ = 0, which = 0;
            for (unsigned f = 0; f < s->plan.factors_count; f++)
                if (s->cell[a].level[f] != s->cell[b].level[f]) {
                    differ++;
                    which = f;
                }
            if (differ != 1 || s->cell[b].level[which] != 0)
                continue;
            TRY(base_grow(&d, n + 1, sizeof *d));
            d[n] = (struct study_difference){.figure = figure, .of = s->cell[a].id, .against = s->cell[b].id};
            TRY(study_compare_pair(s, &d[n++]));
        }
    *out = d;
    *count = n;
    d = NULL;
out:
    base_free(d);
    return st;
}

static const char *verdict(const struct rote_study *s, const struct study_difference *d)
{
    if (isnan(d->adjusted))
        return "no pairs yet";
    if (d->adjusted > s->plan.alpha)
        return "not shown";
    if (d->benefit != 0)
        return d->benefit > 0 ? d->mean >= d->benefit ? "shown, and worth it" : "shown, below what would be worth it"
                              : d->mean <= d->benefit ? "shown, and worth it" : "shown, below what would be worth it";
    return "shown";
}

static enum rote_status print_difference(const struct rote_study *s, const struct study_difference *d, bool primary,
                                         struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    TRY(base_buf_printf(out, "  %s\n    - %s\n    %s", d->of, d->against, d->figure));
    if (d->pairs < 2) {
        TRY(base_buf_printf(out, ": %d pair%s\n", d->pairs, d->pairs == 1 ? "" : "s"));
        goto out;
    }
    TRY(base_buf_printf(out, " %+.5f  t [%+.5f, %+.5f]  BCa [%+.5f, %+.5f]  p %.4f", d->mean, d->t.low, d->t.high,
                        d->bca.low, d->bca.high, d->p));
    if (primary)
        TRY(base_buf_printf(out, "  Holm %.4f  %d pairs: %s\n", d->adjusted, d->pairs, verdict(s, d)));
    else
        TRY(base_buf_printf(out, "  %d pairs\n", d->pairs));
out:
    return st;
}

static enum rote_status print_cells(struct rote_study *s, const char *figure, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    int width = 4;
    for (int c = 0; c < s->n_cells; c++)
        width = (int)strlen(s->cell[c].id) > width ? (int)strlen(s->cell[c].id) : width;
    TRY(base_buf_printf(out, "%-*s  %5s  %s\n", width, "cell", "runs", figure));
    for (int c = 0; c < s->n_cells; c++) {
        double sum = 0, square = 0, v;
        int n = 0;
        for (unsigned i = 0; i < s->plan.seeds_count; i++) {
            TRY(study_value(s, c, s->plan.seeds[i], figure, &v));
            if (isnan(v))
                continue;
            sum += v;
            square += v * v;
            n++;
        }
        TRY(base_buf_printf(out, "%-*s  %5d", width, s->cell[c].id, n));
        if (n)
            TRY(base_buf_printf(out, "  %.5f", sum / n));
        if (n > 1)
            TRY(base_buf_printf(out, "  sd %.5f", sqrt(fmax(0, (square - sum * sum / n) / (n - 1)))));
        TRY(base_buf_printf(out, "\n"));
    }
out:
    return st;
}

static enum rote_status print_warnings(struct rote_study *s, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    struct study_warning w[STUDY_SIGNALS];
    int runs;
    TRY(study_warnings(s, w, &runs));
    if (runs < 2)
        goto out;
    TRY(base_buf_printf(out, "\nEarly warning: does a signal rise before validation loss does? %d of %d runs turn.\n"
                        "  %-16s  %6s  %11s  %8s  %5s\n", w[0].turned, runs, "signal", "AUROC", "median lead",
                        "in time", "false"));
    for (int k = 0; k < STUDY_SIGNALS; k++) {
        char auroc[16] = "-", lead[16] = "-";
        if (!w[k].runs)
            continue;
        if (isfinite(w[k].auroc))
            snprintf(auroc, sizeof auroc, "%.3f", w[k].auroc);
        if (isfinite(w[k].lead))
            snprintf(lead, sizeof lead, "%+.1f", w[k].lead);
        TRY(base_buf_printf(out, "  %-16s  %6s  %11s  %4d/%-3d  %2d/%-2d\n", w[k].signal, auroc, lead, w[k].warned,
                            w[k].turned, w[k].false_warnings, w[k].runs - w[k].turned));
    }
out:
    return st;
}

static enum rote_status as_text(struct rote_study *s, const char *figure, const struct study_difference *primary,
                                const struct study_difference *other, size_t others, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    const struct study_plan *p = &s->plan;
    if (p->question)
        TRY(base_buf_printf(out, "%s\n\n", p->question));
    TRY(print_cells(s, figure, out));
    if (p->primary_count) {
        int needed = rote_seeds_needed(p->primary_count, p->alpha);
        TRY(base_buf_printf(out, "\nDeclared beforehand (sign flips, Holm over %u, alpha %g):\n", p->primary_count,
                            p->alpha));
        if ((int)p->seeds_count < needed)
            TRY(base_buf_printf(out, "  %u seeds cannot show anything here: at least %d are needed.\n", p->seeds_count,
                                needed));
        for (unsigned i = 0; i < p->primary_count; i++)
            TRY(print_difference(s, &primary[i], true, out));
    }
    if (others)
        TRY(base_buf_printf(out, "\nExploration (not adjusted for their number; nothing here is shown):\n"));
    for (size_t i = 0; i < others; i++)
        TRY(print_difference(s, &other[i], false, out));
    TRY(print_warnings(s, out));
out:
    return st;
}

json_t *study_difference_json(const struct rote_study *s, const struct study_difference *d, bool primary)
{
    json_t *o = json_pack("{s:s s:s s:s s:i s:o s:o s:[o o] s:[o o]}", "of", d->of, "against", d->against, "figure",
                          d->figure, "pairs", d->pairs, "mean", study_json_real(d->mean), "p", study_json_real(d->p),
                          "t", study_json_real(d->t.low), study_json_real(d->t.high), "bca",
                          study_json_real(d->bca.low), study_json_real(d->bca.high));
    if (primary) {
        json_object_set_new(o, "adjusted", study_json_real(d->adjusted));
        json_object_set_new(o, "benefit", study_json_real(d->benefit));
        json_object_set_new(o, "verdict", json_string(verdict(s, d)));
    }
    return o;
}

/* All figures of a run after its last epoch. */
static enum rote_status figures_json(struct rote_study *s, const struct study_run *r, json_t *out)
{
    enum rote_status st = ROTE_OK;
    sqlite3_stmt *q = NULL;
    TRY(study_db_prepare(s, "SELECT part || '.' || head || '.' || figure, value FROM figure "
                            "WHERE key = ? AND epoch = ?", &q));
    sqlite3_bind_text(q, 1, r->key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, r->last);
    while (sqlite3_step(q) == SQLITE_ROW)
        json_object_set_new(out, (const char *)sqlite3_column_text(q, 0),
                            study_json_column(q, 1));
out:
    sqlite3_finalize(q);
    return st;
}

static enum rote_status cells_json(struct rote_study *s, json_t *out)
{
    enum rote_status st = ROTE_OK;
    for (int c = 0; c < s->n_cells; c++) {
        json_t *runs = json_array();
        json_array_append_new(out, json_pack("{s:s s:o}", "cell", s->cell[c].id, "runs", runs));
        for (unsigned i = 0; i < s->plan.seeds_count; i++) {
            const struct study_run *r = study_run_of(s, c, s->plan.seeds[i]);
            if (!r->assignments || r->ended || r->done < r->epochs)
                continue;
            json_t *figures = json_object();
            json_array_append_new(runs, json_pack("{s:I s:s s:I s:o}", "seed", (json_int_t)r->seed, "key", r->key,
                                                  "epochs", (json_int_t)r->last, "figures", figures));
            TRY(figures_json(s, r, figures));
        }
    }
out:
    return st;
}

enum rote_status study_warnings_json(struct rote_study *s, json_t *out)
{
    enum rote_status st = ROTE_OK;
    struct study_warning w[STUDY_SIGNALS];
    int runs;
    TRY(study_warnings(s, w, &runs));
    for (int k = 0; runs >= 2 && k < STUDY_SIGNALS; k++)
        json_array_append_new(out, json_pack("{s:s s:i s:i s:i s:i s:o s:o}", "signal", w[k].signal, "runs", w[k].runs,
                                             "turned", w[k].turned, "in_time", w[k].warned, "false",
                                             w[k].false_warnings, "auroc", study_json_real(w[k].auroc), "lead",
                                             study_json_real(w[k].lead)));
out:
    return st;
}

static enum rote_status as_json(struct rote_study *s, const struct study_difference *primary,
                                const struct study_difference *other, size_t others, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    const struct study_plan *p = &s->plan;
    json_t *cells = json_array(), *declared = json_array(), *exploration = json_array(), *warnings = json_array();
    json_t *all = json_pack("{s:s s:o s:f s:I s:i s:o s:o s:o s:o}", "name", p->name, "question",
                            study_json_text(p->question), "alpha", p->alpha, "seeds",
                            (json_int_t)p->seeds_count, "seeds_needed", rote_seeds_needed(p->primary_count, p->alpha),
                            "cells", cells, "primary", declared, "exploration", exploration, "early_warning", warnings);
    TRY(cells_json(s, cells));
    for (unsigned i = 0; i < p->primary_count; i++)
        json_array_append_new(declared, study_difference_json(s, &primary[i], true));
    for (size_t i = 0; i < others; i++)
        json_array_append_new(exploration, study_difference_json(s, &other[i], false));
    TRY(study_warnings_json(s, warnings));
    TRY(study_json_write(all, JSON_INDENT(2) | JSON_REAL_PRECISION(9), out));
out:
    json_decref(all);
    return st;
}

enum rote_status rote_study_compare(rote_study *s, int json, char **text)
{
    enum rote_status st = ROTE_OK;
    struct study_difference *primary = NULL, *other = NULL;
    struct base_buf out = {0};
    size_t others = 0;
    if (!s || !text)
        return base_null_argument("rote_study_compare");
    TRY(study_next(s));
    TRY(study_compare_primary(s, &primary));
    const char *figure = study_main_figure(s);
    TRY(study_explore(s, figure, &other, &others));
    TRY(json ? as_json(s, primary, other, others, &out) : as_text(s, figure, primary, other, others, &out));
    *text = out.text;
    out.text = NULL;
out:
    base_free(primary);
    base_free(other);
    base_buf_free(&out);
    return st;
}
