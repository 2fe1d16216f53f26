/* Opening a study, and its finished runs as text. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "study/study.h"

enum rote_status rote_study_open(const char *plan, const char *database, rote_study **out)
{
    enum rote_status st = ROTE_OK;
    struct rote_study *s = NULL;
    if (!plan || !out)
        return base_null_argument("rote_study_open");
    TRY(base_alloc(&s, 1, sizeof *s));
    s->lock = s->machine = -1;
    TRY(study_plan_load(plan, &s->plan));
    const char *dot = strrchr(plan, '.');
    bool yaml = dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
    if (database)
        TRY(base_strdup(&s->path, database));
    else
        TRY(base_sprintf(&s->path, "%.*s.db", (int)(yaml ? dot - plan : (long)strlen(plan)), plan));
    TRY(base_sprintf(&s->folder, "%s.runs", s->path));
    TRY(study_cells(s));
    TRY(study_db_open(s));
    TRY(study_next(s));
    *out = s;
    s = NULL;
out:
    rote_study_free(s);
    return st;
}

void rote_study_free(rote_study *s)
{
    if (!s)
        return;
    if (s->lock >= 0)
        close(s->lock);
    if (s->machine >= 0)
        close(s->machine);
    sqlite3_close(s->db);
    study_cells_free(s);
    study_plan_free(&s->plan);
    base_free(s->path);
    base_free(s->folder);
    base_free(s);
}

static enum rote_status export_run(sqlite3_stmt *run, sqlite3_stmt *figure, struct base_buf *out)
{
    json_t *o = json_object(), *figures = json_array();
    for (int i = 0; i < sqlite3_column_count(run); i++)
        json_object_set_new(o, sqlite3_column_name(run, i), study_json_column(run, i));
    sqlite3_bind_text(figure, 1, (const char *)sqlite3_column_text(run, 0), -1, SQLITE_TRANSIENT);
    while (sqlite3_step(figure) == SQLITE_ROW) {
        json_t *one = json_array();
        for (int i = 0; i < 5; i++)
            json_array_append_new(one, study_json_column(figure, i));
        json_array_append_new(figures, one);
    }
    sqlite3_reset(figure);
    json_object_set_new(o, "figures", figures);
    /* nine digits, as the log has: figures come back to the same bits */
    enum rote_status st = study_json_write(o, JSON_COMPACT | JSON_REAL_PRECISION(9), out);
    json_decref(o);
    return st;
}

enum rote_status rote_study_export(rote_study *s, char **text)
{
    enum rote_status st = ROTE_OK;
    sqlite3_stmt *run = NULL, *figure = NULL;
    struct base_buf out = {0};
    int step;
    if (!s || !text)
        return base_null_argument("rote_study_export");
    TRY(base_buf_printf(&out, "%s", ""));
    TRY(study_db_prepare(s, "SELECT * FROM run ORDER BY key", &run));
    TRY(study_db_prepare(s, "SELECT epoch, part, head, figure, value FROM figure WHERE key = ? "
                            "ORDER BY part, head, figure, epoch", &figure));
    while ((step = sqlite3_step(run)) == SQLITE_ROW)
        TRY(export_run(run, figure, &out));
    if (step != SQLITE_DONE)
        TRY(study_db_error(s, "read"));
    *text = out.text;
    out.text = NULL;
out:
    sqlite3_finalize(run);
    sqlite3_finalize(figure);
    base_buf_free(&out);
    return st;
}

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static double number_of(const json_t *o, const char *key, double otherwise)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : otherwise;
}

static enum rote_status figures_of(const json_t *o, const char *where, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    const json_t *figures = json_object_get(o, "figures");
    TRY(base_buf_printf(out, "%s", ""));
    for (size_t i = 0; i < json_array_size(figures); i++) {
        json_int_t epoch;
        const char *part, *head, *figure;
        json_t *value;
        if (json_unpack(json_array_get(figures, i), "[I s s s o]", &epoch, &part, &head, &figure, &value))
            FAIL(ROTE_EFORMAT, "%s: a figure is not [epoch, part, head, figure, value]", where);
        TRY(base_buf_printf(out, "%lld,%s,%s,%s,", (long long)epoch, part, head, figure));
        if (json_is_number(value))
            TRY(base_buf_printf(out, "%.17g\n", json_number_value(value)));
        else
            TRY(base_buf_printf(out, "nan\n"));
    }
out:
    return st;
}

/* One that the database has as far, or further, stays as it is. */
static enum rote_status import_run(rote_study *s, const json_t *o, const char *where, sqlite3_stmt *known, int *added,
                                   int *kept)
{
    enum rote_status st = ROTE_OK;
    struct base_buf figures = {0};
    const char *key = text_of(o, "key"), *assignments = text_of(o, "assignments");
    struct study_result r = {.state = text_of(o, "state"), .error = text_of(o, "error"), .device = text_of(o, "device"),
                             .driver = text_of(o, "driver"), .rote = text_of(o, "rote"),
                             .epochs = (int64_t)number_of(o, "epochs", -1),
                             .peak_bytes = (int64_t)number_of(o, "peak_bytes", 0),
                             .seconds = number_of(o, "seconds", 0), .joules = number_of(o, "joules", NAN),
                             .training_seconds = number_of(o, "training_seconds", NAN),
                             .instrument_seconds = number_of(o, "instrument_seconds", NAN)};
    if (!key || strlen(key) != STUDY_KEY - 1 || !assignments || !r.state || r.epochs < 0)
        FAIL(ROTE_EFORMAT, "%s: is not a run as 'rote study export' writes it", where);
    TRY(figures_of(o, where, &figures));
    r.figures = figures.text;
    sqlite3_bind_text(known, 1, key, -1, SQLITE_STATIC);
    bool there = sqlite3_step(known) == SQLITE_ROW && sqlite3_column_int64(known, 0) >= r.epochs;
    sqlite3_reset(known);
    *(there ? kept : added) += 1;
    if (!there)
        TRY(study_db_put(s, key, assignments, &r));
out:
    base_buf_free(&figures);
    return st;
}

enum rote_status rote_study_import(rote_study *s, const char *path, int *added, int *known)
{
    enum rote_status st = ROTE_OK;
    sqlite3_stmt *q = NULL;
    char *text = NULL, where[300];
    int line = 0, counts[2] = {0, 0};
    if (!s || !path || !added || !known)
        return base_null_argument("rote_study_import");
    TRY(base_read_file(path, &text, NULL));
    TRY(study_db_prepare(s, "SELECT epochs FROM run WHERE key = ?", &q));
    for (char *p = text, *end; *p; p = end) {
        end = p + strcspn(p, "\n");
        end += *end == '\n';
        snprintf(where, sizeof where, "%.200s:%d", path, ++line);
        json_t *o = json_loadb(p, (size_t)(end - p), 0, NULL);
        st = o ? import_run(s, o, where, q, &counts[0], &counts[1])
               : base_error(ROTE_EFORMAT, "%s: is not JSON", where);
        json_decref(o);
        TRY(st);
    }
    TRY(study_next(s)); /* what was imported may select trials */
    *added = counts[0];
    *known = counts[1];
out:
    sqlite3_finalize(q);
    base_free(text);
    return st;
}
