/* What the runs of one cell show: each figure's mean and spread after the last epoch, and epoch by epoch. */
#include <math.h>
#include <string.h>

#include "study/report.h"

static bool starts(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

static bool wanted(const char *part, const char *figure, bool curve)
{
    static const char *const parts[] = {"test", "validation", "clean", "control", "canaries", "shifted"};
    static const char *const figures[] = {"accuracy", "loss", "ece", "chance_corrected"};
    bool known = false;
    for (int i = 0; i < (curve ? 4 : 6); i++)
        known = known || !strcmp(part, parts[i]);
    if (!known || !strcmp(part, "canaries") || (!strcmp(part, "shifted") && starts(figure, "severity")))
        return known;
    for (size_t i = 0; i < COUNT_OF(figures); i++)
        if (!strcmp(figure, figures[i]))
            return true;
    return false;
}

/* The array object[name], made where it is missing. */
static json_t *array_of(json_t *object, const char *name)
{
    json_t *a = json_object_get(object, name);
    if (!a)
        json_object_set_new(object, name, a = json_array());
    return a;
}

static json_t *object_of(json_t *object, const char *name)
{
    json_t *o = json_object_get(object, name);
    if (!o)
        json_object_set_new(object, name, o = json_object());
    return o;
}

/* Adds a run's values to last[figure] and curve[figure][epoch]. */
static enum rote_status add_run(struct rote_study *s, const struct study_run *r, json_t *last, json_t *curve)
{
    enum rote_status st = ROTE_OK;
    sqlite3_stmt *q = NULL;
    char name[200], epoch[24];
    TRY(study_db_prepare(s, "SELECT part, head, figure, epoch, value FROM figure WHERE key = ? AND value IS NOT NULL "
                            "ORDER BY part, head, figure, epoch", &q));
    sqlite3_bind_text(q, 1, r->key, -1, SQLITE_STATIC);
    while (sqlite3_step(q) == SQLITE_ROW) {
        const char *part = (const char *)sqlite3_column_text(q, 0), *figure = (const char *)sqlite3_column_text(q, 2);
        int64_t at = sqlite3_column_int64(q, 3);
        double v = sqlite3_column_double(q, 4);
        snprintf(name, sizeof name, "%s.%s.%s", part, (const char *)sqlite3_column_text(q, 1), figure);
        snprintf(epoch, sizeof epoch, "%lld", (long long)at);
        if (at == r->last && wanted(part, figure, false))
            json_array_append_new(array_of(last, name), json_real(v));
        if (curve && wanted(part, figure, true))
            json_array_append_new(array_of(object_of(curve, name), epoch), json_real(v));
    }
out:
    sqlite3_finalize(q);
    return st;
}

/* n, mean, sd, min, max, and the t interval of the mean. */
static enum rote_status spread(const json_t *values, double level, json_t *out)
{
    enum rote_status st = ROTE_OK;
    size_t n = json_array_size(values);
    double *x = NULL, mean = 0, square = 0, low = INFINITY, high = -INFINITY;
    struct rote_interval t = {NAN, NAN};
    TRY(base_alloc(&x, n, sizeof *x));
    for (size_t i = 0; i < n; i++) {
        x[i] = json_real_value(json_array_get(values, i));
        mean += x[i] / (double)n;
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
    }
    for (size_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean);
    if (n > 1)
        TRY(rote_t_interval(x, n, level, &t));
    json_object_set_new(out, "n", json_integer((json_int_t)n));
    json_object_set_new(out, "mean", study_json_real(mean));
    json_object_set_new(out, "sd", study_json_real(n > 1 ? sqrt(square / (double)(n - 1)) : NAN));
    json_object_set_new(out, "min", study_json_real(low));
    json_object_set_new(out, "max", study_json_real(high));
    json_object_set_new(out, "low", study_json_real(t.low));
    json_object_set_new(out, "high", study_json_real(t.high));
out:
    base_free(x);
    return st;
}

static enum rote_status figures_of(const json_t *values, double level, json_t *out)
{
    enum rote_status st = ROTE_OK;
    const char *name;
    json_t *list;
    json_object_foreach((json_t *)values, name, list)
        TRY(spread(list, level, object_of(out, name)));
out:
    return st;
}

/* Each figure as rows [epoch, runs, mean, least, most]. */
static void curves_of(const json_t *values, json_t *out)
{
    const char *name, *epoch;
    json_t *epochs, *list, *value;
    size_t i;
    json_object_foreach((json_t *)values, name, epochs) {
        json_t *rows = array_of(out, name);
        json_object_foreach(epochs, epoch, list) {
            double mean = 0, low = INFINITY, high = -INFINITY, n = (double)json_array_size(list);
            json_array_foreach(list, i, value) {
                mean += json_real_value(value) / n;
                low = fmin(low, json_real_value(value));
                high = fmax(high, json_real_value(value));
            }
            json_array_append_new(rows, json_pack("[I, I, o, o, o]", (json_int_t)strtoll(epoch, NULL, 10),
                                                  (json_int_t)n, study_json_real(mean), study_json_real(low),
                                                  study_json_real(high)));
        }
    }
}

/* What a group of cells that differ in lambda alone has in common. */
static enum rote_status group_of(const struct rote_study *s, const struct study_cell *c, json_t *out)
{
    enum rote_status st = ROTE_OK;
    struct config config = {0};
    struct base_buf text = {0};
    struct base_sha256 sha;
    char hex[65];
    TRY(study_cell_config(s, c, &config));
    for (unsigned i = 0; i < config.heads_count; i++) {
        config.heads[i].lambda = 0;
        config.heads[i].loss = CONFIG_LOSS_UNLIKELIHOOD;
        config.heads[i].schedule = CONFIG_LAMBDA_CONSTANT;
    }
    TRY(config_assignments(&config, &text));
    for (int i = 0; i < c->n_tune; i++)
        TRY(base_buf_printf(&text, "tuned %s\n", c->tune[i]->key));
    base_sha256_init(&sha);
    base_sha256_add(&sha, text.text, text.len);
    base_sha256_hex(&sha, hex);
    json_object_set_new(out, "group", json_stringn(hex, 16));
out:
    base_buf_free(&text);
    config_free(&config);
    return st;
}

/* Levels, heads, lambda, and what the tuning chose. */
static enum rote_status facts(const struct rote_study *s, int cell, const struct config *config, json_t *out)
{
    static const char *const kind[] = {
#define TEXT(name, text) text,
        CONFIG_DATA_KINDS(TEXT)
#undef TEXT
    };
    enum rote_status st = ROTE_OK;
    const struct study_cell *c = &s->cell[cell];
    json_t *levels = object_of(out, "levels"), *tuned = object_of(out, "tuned");
    double lambda = 0;
    for (unsigned f = 0; f < s->plan.factors_count; f++)
        json_object_set_new(levels, s->plan.factors[f].name,
                            study_json_text(study_level_name(&s->plan.factors[f], c->level[f])));
    for (int d = 0; c->trials && c->selected >= 0 && d < c->n_tune; d++) {
        char value[64];
        study_trial_value(s, c, c->selected, d, value);
        json_object_set_new(tuned, c->tune[d]->key, study_json_text(value));
    }
    json_object_set_new(out, "trials", json_integer(c->trials));
    for (unsigned i = 0; i < config->heads_count; i++) {
        double l = config->heads[i].kind == CONFIG_HEAD_RANDOM ? config->heads[i].lambda : 0;
        lambda = l == 0 || lambda == l ? lambda : lambda == 0 ? l : NAN;
    }
    json_object_set_new(out, "lambda", study_json_real(lambda)); /* null: heads have several */
    const char *network = config->model ? config->model : config->network ? config->network : "cnn";
    json_object_set_new(out, "network", study_json_text(config->layers_count ? "own layers" : network));
    json_object_set_new(out, "data", study_json_text(kind[config->data.kind]));
    json_object_set_new(out, "subset", json_integer(config->data.subset));
    json_object_set_new(out, "label_noise", study_json_real(config->data.label_noise));
    json_object_set_new(out, "canaries", study_json_real(config->data.canaries));
    json_object_set_new(out, "epochs", json_integer(config->epochs));
    TRY(report_heads(config, array_of(out, "heads")));
    TRY(group_of(s, c, out));
out:
    return st;
}

/* A run of the cell whose configuration is known, else NULL: it is tuned first. */
static const struct config *config_of(const struct rote_study *s, int cell)
{
    const struct config *any = NULL;
    for (int i = 0; i < s->n_runs; i++)
        if (s->run[i].cell == cell && s->run[i].assignments && (!any || s->run[i].trial < 0))
            any = &s->run[i].config;
    return any;
}

enum rote_status report_cell(struct rote_study *s, int cell, bool curves, json_t **out)
{
    enum rote_status st = ROTE_OK;
    json_t *o = json_object(), *keys = array_of(o, "runs"), *last = json_object(), *curve = json_object(), *cost = NULL;
    int ended = 0, left = 0;
    json_object_set_new(o, "cell", study_json_text(s->cell[cell].id));
    TRY(facts(s, cell, config_of(s, cell), o));
    for (unsigned i = 0; i < s->plan.seeds_count; i++) {
        const struct study_run *r = study_run_of(s, cell, s->plan.seeds[i]);
        ended += r->assignments && r->ended;
        left += !r->assignments || study_unfinished(r);
        if (!r->assignments || r->ended || r->done < r->epochs)
            continue;
        json_array_append_new(keys, study_json_text(r->key));
        TRY(add_run(s, r, last, curves ? curve : NULL));
    }
    json_object_set_new(o, "ended", json_integer(ended));
    json_object_set_new(o, "left", json_integer(left));
    TRY(figures_of(last, 1 - s->plan.alpha, object_of(o, "figures")));
    if (curves)
        curves_of(curve, object_of(o, "curves"));
    TRY(report_cost(s, cell, false, &cost));
    json_object_set_new(o, "cost", cost);
    TRY(report_cost(s, cell, true, &cost));
    json_object_set_new(o, "tuning", cost);
    *out = o;
    o = NULL;
out:
    json_decref(o);
    json_decref(last);
    json_decref(curve);
    return st;
}
