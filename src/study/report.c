/* Reports of studies, and of a run's folder, which is taken as a study of one run. */
#include "rote/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/report.h"
#include "train/train.h"

#define MOST_CURVES 8 /* cells that are told apart in one drawing */

/* Cells whose curves are drawn: those of primary comparisons, then in the plan's order. */
static enum rote_status choose_cells(const struct rote_study *s, bool **out)
{
    enum rote_status st = ROTE_OK;
    int n = 0;
    TRY(base_alloc(out, (size_t)s->n_cells, sizeof **out));
    for (unsigned i = 0; i < s->plan.primary_count && n + 2 <= MOST_CURVES; i++) {
        const int side[2] = {study_cell_of(s, s->plan.primary[i].of), study_cell_of(s, s->plan.primary[i].against)};
        for (int k = 0; k < 2; k++) {
            n += !(*out)[side[k]];
            (*out)[side[k]] = true;
        }
    }
    for (int c = 0; c < s->n_cells && n < MOST_CURVES; c++) {
        n += !(*out)[c];
        (*out)[c] = true;
    }
out:
    return st;
}

static enum rote_status gather_cells(struct rote_study *s, json_t *out)
{
    enum rote_status st = ROTE_OK;
    bool *curves = NULL;
    json_t *cell;
    TRY(choose_cells(s, &curves));
    for (int c = 0; c < s->n_cells; c++) {
        TRY(report_cell(s, c, curves[c], &cell));
        json_array_append_new(out, cell);
    }
out:
    base_free(curves);
    return st;
}

static enum rote_status gather_exploration(struct rote_study *s, json_t *out)
{
    enum rote_status st = ROTE_OK;
    struct study_difference *d = NULL;
    size_t n = 0;
    TRY(study_explore(s, study_main_figure(s), &d, &n));
    for (size_t i = 0; i < n; i++)
        json_array_append_new(out, study_difference_json(s, &d[i], false));
out:
    base_free(d);
    return st;
}

static json_t *plan_json(const struct rote_study *s)
{
    const struct study_plan *p = &s->plan;
    int done, total;
    json_t *seeds = json_array(), *tuned_on = json_array();
    study_count(s, &done, &total);
    for (unsigned i = 0; i < p->seeds_count; i++)
        json_array_append_new(seeds, json_integer(p->seeds[i]));
    for (unsigned i = 0; i < p->tuning.seeds_count; i++)
        json_array_append_new(tuned_on, json_integer(p->tuning.seeds[i]));
    return json_pack("{s:o s:o s:f s:o s:i s:s s:i s:i s:b s:o s:s}", "name", study_json_text(p->name), "question",
                     study_json_text(p->question), "alpha", p->alpha, "seeds", seeds, "seeds_needed",
                     rote_seeds_needed(p->primary_count, p->alpha), "figure", study_main_figure(s), "done", done,
                     "planned", total, "alone", p->alone, "tuned_on", tuned_on, "tuning_metric", p->tuning.metric);
}

/* All of it; `folder` is the run folder that the study stands for, or NULL. */
static enum rote_status gather(struct rote_study *s, const char *folder, bool complete, json_t **out)
{
    enum rote_status st = ROTE_OK;
    json_t *o = plan_json(s), *cells = json_array(), *runs = json_array(), *primary = json_array(),
           *exploration = json_array(), *warnings = json_array(), *cost = NULL;
    json_object_set_new(o, "cells", cells);
    json_object_set_new(o, "runs", runs);
    json_object_set_new(o, "primary", primary);
    json_object_set_new(o, "exploration", exploration);
    json_object_set_new(o, "rote", json_string(rote_version()));
    json_object_set_new(o, "folder", study_json_text(folder));
    json_object_set_new(o, "complete", json_boolean(complete)); /* a run's folder: it is at its end */
    json_object_set_new(o, "early_warning", warnings);
    TRY(gather_cells(s, cells));
    TRY(report_runs(s, runs));
    TRY(report_primary(s, primary));
    TRY(gather_exploration(s, exploration));
    TRY(study_warnings_json(s, warnings));
    TRY(report_cost(s, -1, false, &cost));
    json_object_set_new(o, "cost", cost);
    *out = o;
    o = NULL;
out:
    json_decref(o);
    return st;
}

static enum rote_status to_page(struct rote_study *s, const char *folder, bool complete, char **html)
{
    enum rote_status st = ROTE_OK;
    json_t *report = NULL;
    TRY(gather(s, folder, complete, &report));
    TRY(report_page(report, html));
out:
    json_decref(report);
    return st;
}

enum rote_status rote_study_report(rote_study *s, char **html)
{
    enum rote_status st = ROTE_OK;
    if (!s || !html)
        return base_null_argument("rote_study_report");
    TRY(study_next(s));
    TRY(to_page(s, NULL, true, html));
out:
    return st;
}

/* --- a run's folder ------------------------------------------------------------------ */

static double number_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

/* The epochs that log.csv tells of. */
static int64_t last_epoch(const char *figures)
{
    int64_t last = 0;
    for (const char *line = figures; *line; line += strcspn(line, "\n") + (strchr(line, '\n') != NULL))
        last = strtoll(line, NULL, 10) > last ? strtoll(line, NULL, 10) : last;
    return last;
}

/* A study of one cell and one seed, in memory, without a plan's file. */
static enum rote_status one_run_study(const char *folder, struct rote_study **out)
{
    enum rote_status st = ROTE_OK;
    struct rote_study *s = NULL;
    char *name = NULL;
    TRY(base_alloc(&s, 1, sizeof *s));
    s->lock = s->machine = -1;
    TRY(study_plan_text("", "the run", &s->plan));
    config_free(&s->plan.base);
    TRY(train_folder_config(folder, &s->plan.base));
    TRY(base_strdup(&name, folder));
    for (size_t n = strlen(name); n > 1 && name[n - 1] == '/'; n--)
        name[n - 1] = 0;
    base_free(s->plan.name);
    s->plan.name = NULL;
    TRY(base_strdup(&s->plan.name, strrchr(name, '/') && strrchr(name, '/')[1] ? strrchr(name, '/') + 1 : name));
    s->plan.seeds_count = 1;
    s->plan.seeds[0] = s->plan.base.seed;
    TRY(base_strdup(&s->path, ":memory:"));
    TRY(study_cells(s));
    TRY(study_db_open(s));
    *out = s;
    s = NULL;
out:
    base_free(name);
    rote_study_free(s);
    return st;
}

static enum rote_status put_folder(struct rote_study *s, const char *folder, bool *complete)
{
    enum rote_status st = ROTE_OK;
    struct study_run *r = &s->run[0];
    struct base_buf figures = {0};
    char *path = NULL;
    json_t *summary = NULL;
    TRY(base_sprintf(&path, "%s/summary.json", folder));
    summary = json_load_file(path, 0, NULL);
    if (!summary && base_file_exists(path))
        FAIL(ROTE_EFORMAT, "%s is not JSON; let 'rote train --resume %s' write it again", path, folder);
    *complete = summary != NULL;
    TRY(study_read_figures(folder, r->config.epochs, *complete, NULL, &figures));
    int64_t last = last_epoch(figures.text);
    struct study_result put = {.state = "done", .epochs = *complete ? r->config.epochs : last, .figures = figures.text,
                               .device = json_string_value(json_object_get(summary, "device")),
                               .rote = json_string_value(json_object_get(summary, "rote")),
                               .seconds = number_of(summary, "seconds"),
                               .training_seconds = number_of(summary, "training_seconds"),
                               .instrument_seconds = number_of(summary, "instrument_seconds"), .joules = NAN};
    double peak = number_of(summary, "peak_bytes");
    put.peak_bytes = isnan(peak) ? 0 : (int64_t)peak;
    if (!last)
        FAIL(ROTE_EINVAL, "%s: no epoch of the run is over yet, so that there is nothing to report", folder);
    TRY(study_db_put(s, r->key, r->assignments, &put));
    TRY(study_next(s));
    r->epochs = r->done; /* what there is counts as the end; the page tells that it is not */
out:
    json_decref(summary);
    base_buf_free(&figures);
    base_free(path);
    return st;
}

enum rote_status rote_run_folder_report(const char *folder, char **html)
{
    enum rote_status st = ROTE_OK;
    struct rote_study *s = NULL;
    bool complete = false;
    if (!folder || !html)
        return base_null_argument("rote_run_folder_report");
    TRY(one_run_study(folder, &s));
    TRY(put_folder(s, folder, &complete));
    TRY(to_page(s, folder, complete, html));
out:
    rote_study_free(s);
    return st;
}
