/* The runs behind a report, and what they cost. */
#include <math.h>
#include <string.h>

#include "study/report.h"

/* The first run of the plan with this key: runs that the plan has twice were done once. */
static bool is_first(const struct rote_study *s, int index)
{
    const struct study_run *r = &s->run[index];
    for (int i = 0; i < index; i++)
        if (s->run[i].assignments && !strcmp(s->run[i].key, r->key))
            return false;
    return true;
}

struct sums {
    double seconds, training, instrument, joules, epochs;
    int64_t peak;
    int runs, with_joules, with_times;
};

static void add(sqlite3_stmt *q, struct sums *t)
{
    t->runs++;
    t->seconds += sqlite3_column_double(q, 0);
    if (sqlite3_column_type(q, 1) != SQLITE_NULL && sqlite3_column_type(q, 2) != SQLITE_NULL) {
        t->with_times++;
        t->training += sqlite3_column_double(q, 1);
        t->instrument += sqlite3_column_double(q, 2);
        t->epochs += sqlite3_column_double(q, 5);
    }
    if (sqlite3_column_type(q, 3) != SQLITE_NULL) {
        t->with_joules++;
        t->joules += sqlite3_column_double(q, 3);
    }
    if (sqlite3_column_int64(q, 4) > t->peak)
        t->peak = sqlite3_column_int64(q, 4);
}

enum rote_status report_cost(struct rote_study *s, int cell, bool tuning, json_t **out)
{
    enum rote_status st = ROTE_OK;
    struct sums t = {0};
    sqlite3_stmt *q = NULL;
    TRY(study_db_prepare(s, "SELECT seconds, training_seconds, instrument_seconds, joules, peak_bytes, epochs FROM run "
                            "WHERE key = ?", &q));
    for (int i = 0; i < s->n_runs; i++) {
        const struct study_run *r = &s->run[i];
        if (!r->assignments || (cell >= 0 && (r->cell != cell || (r->trial >= 0) != tuning)) ||
            (cell < 0 && !is_first(s, i)))
            continue;
        sqlite3_bind_text(q, 1, r->key, -1, SQLITE_STATIC);
        if (sqlite3_step(q) == SQLITE_ROW)
            add(q, &t);
        sqlite3_reset(q);
    }
    *out = json_pack("{s:i s:f s:o s:o s:f s:o s:i s:I}", "runs", t.runs, "seconds", t.seconds, "training_seconds",
                     study_json_real(t.with_times ? t.training : NAN), "instrument_seconds",
                     study_json_real(t.with_times ? t.instrument : NAN), "timed_epochs", t.epochs, "joules",
                     study_json_real(t.with_joules ? t.joules : NAN), "runs_with_joules", t.with_joules, "peak_bytes",
                     (json_int_t)t.peak);
out:
    sqlite3_finalize(q);
    return st;
}

enum rote_status report_runs(struct rote_study *s, json_t *out)
{
    enum rote_status st = ROTE_OK;
    sqlite3_stmt *q = NULL;
    TRY(study_db_prepare(s, "SELECT key, state, epochs, error, device, driver, rote, seconds, training_seconds, "
                            "instrument_seconds, joules, peak_bytes, assignments FROM run WHERE key = ?", &q));
    for (int i = 0; i < s->n_runs; i++) {
        const struct study_run *r = &s->run[i];
        if (!r->assignments || !is_first(s, i))
            continue;
        sqlite3_bind_text(q, 1, r->key, -1, SQLITE_STATIC);
        if (sqlite3_step(q) == SQLITE_ROW) {
            json_t *o = json_object(), *uses = json_array();
            for (int k = 0; k < sqlite3_column_count(q); k++)
                json_object_set_new(o, sqlite3_column_name(q, k), study_json_column(q, k));
            for (int k = i; k < s->n_runs; k++)
                if (s->run[k].assignments && !strcmp(s->run[k].key, r->key))
                    json_array_append_new(uses, json_pack("{s:i s:i s:I}", "cell", s->run[k].cell, "trial",
                                                          s->run[k].trial, "seed", (json_int_t)s->run[k].seed));
            json_object_set_new(o, "uses", uses);
            json_object_set_new(o, "last", json_integer(r->last)); /* before `epochs` where it stopped by itself */
            json_object_set_new(o, "of", json_integer(r->config.epochs));
            json_array_append_new(out, o);
        }
        sqlite3_reset(q);
    }
out:
    sqlite3_finalize(q);
    return st;
}
