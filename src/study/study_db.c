/* A study's results: one SQLite file. A run's row and figures are written in one transaction when it is done, or as
 * far as its tuning goes; nothing in the file tells of a run that is under way, so that killed processes leave
 * nothing behind. Tables without row numbers: the order in which runs finished does not show. */
#include "study/study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1

static const char tables[] =
    "CREATE TABLE IF NOT EXISTS study (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
    /* assignments: the keys that differ from the defaults; state: done, diverged, failed */
    "CREATE TABLE IF NOT EXISTS run (key TEXT PRIMARY KEY, assignments TEXT NOT NULL, epochs INTEGER NOT NULL,"
    " state TEXT NOT NULL, error TEXT, device TEXT, driver TEXT, rote TEXT, peak_bytes INTEGER, seconds REAL,"
    " training_seconds REAL, instrument_seconds REAL, joules REAL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS figure (key TEXT, epoch INTEGER, part TEXT, head TEXT, figure TEXT, value REAL,"
    " PRIMARY KEY (key, part, head, figure, epoch)) WITHOUT ROWID;"
    /* trial -1: a run of the comparison */
    "CREATE TABLE IF NOT EXISTS member (cell TEXT, trial INTEGER, seed INTEGER, key TEXT,"
    " PRIMARY KEY (cell, trial, seed)) WITHOUT ROWID;";

enum rote_status study_db_error(struct rote_study *s, const char *doing)
{
    return base_error(ROTE_EIO, "%s: cannot %s: %s", s->path, doing, sqlite3_errmsg(s->db));
}

enum rote_status study_db_prepare(struct rote_study *s, const char *sql, sqlite3_stmt **out)
{
    return sqlite3_prepare_v2(s->db, sql, -1, out, NULL) ? study_db_error(s, "ask") : ROTE_OK;
}

static enum rote_status execute(struct rote_study *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) ? study_db_error(s, "write") : ROTE_OK;
}

static enum rote_status set(struct rote_study *s, const char *name, const char *value)
{
    enum rote_status st = ROTE_OK;
    sqlite3_stmt *q = NULL;
    TRY(study_db_prepare(s, "INSERT OR REPLACE INTO study VALUES (?, ?)", &q));
    sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, value, -1, SQLITE_STATIC);
    if (sqlite3_step(q) != SQLITE_DONE)
        st = study_db_error(s, "write");
out:
    sqlite3_finalize(q);
    return st;
}

static enum rote_status check_format(struct rote_study *s)
{
    enum rote_status st = ROTE_OK;
    sqlite3_stmt *q = NULL;
    char number[16];
    TRY(study_db_prepare(s, "SELECT value FROM study WHERE name = 'format'", &q));
    int step = sqlite3_step(q);
    int format = step == SQLITE_ROW ? sqlite3_column_int(q, 0) : FORMAT;
    sqlite3_finalize(q);
    q = NULL;
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        TRY(study_db_error(s, "read"));
    if (format != FORMAT)
        FAIL(ROTE_EFORMAT, "%s has format %d; this version of Rote reads %d", s->path, format, FORMAT);
    snprintf(number, sizeof number, "%d", FORMAT);
    TRY(execute(s, "BEGIN IMMEDIATE"));
    TRY(set(s, "format", number));
    TRY(set(s, "name", s->plan.name));
    TRY(set(s, "question", s->plan.question));
    TRY(execute(s, "COMMIT"));
out:
    sqlite3_finalize(q);
    return st;
}

enum rote_status study_db_open(struct rote_study *s)
{
    enum rote_status st = ROTE_OK;
    if (sqlite3_open(s->path, &s->db))
        FAIL(ROTE_EIO, "%s: cannot open the database: %s", s->path, s->db ? sqlite3_errmsg(s->db) : "no memory");
    sqlite3_busy_timeout(s->db, 60000); /* another process writes a run's results in well under a second */
    if (sqlite3_exec(s->db, tables, NULL, NULL, NULL))
        FAIL(ROTE_EIO, "%s: is not a study's database: %s", s->path, sqlite3_errmsg(s->db));
    TRY(check_format(s));
out:
    return st;
}

enum rote_status study_db_load(struct rote_study *s)
{
    enum rote_status st = ROTE_OK;
    sqlite3_stmt *q = NULL;
    TRY(study_db_prepare(s, "SELECT epochs, state, (SELECT max(epoch) FROM figure WHERE figure.key = run.key) "
                            "FROM run WHERE key = ?", &q));
    for (int i = 0; i < s->n_runs; i++) {
        struct study_run *r = &s->run[i];
        if (!r->assignments)
            continue;
        sqlite3_bind_text(q, 1, r->key, -1, SQLITE_STATIC);
        int step = sqlite3_step(q);
        r->done = step == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
        r->last = step == SQLITE_ROW ? sqlite3_column_int64(q, 2) : 0;
        r->ended = step == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(q, 1), "done") != 0;
        if (step != SQLITE_ROW && step != SQLITE_DONE)
            TRY(study_db_error(s, "read"));
        sqlite3_reset(q);
    }
out:
    sqlite3_finalize(q);
    return st;
}

static void bind_real(sqlite3_stmt *q, int column, double v)
{
    if (isfinite(v))
        sqlite3_bind_double(q, column, v);
    else
        sqlite3_bind_null(q, column);
}

static enum rote_status put_run(struct rote_study *s, const char *key, const char *assignments,
                                const struct study_result *r)
{
    enum rote_status st = ROTE_OK;
    sqlite3_stmt *q = NULL;
    TRY(study_db_prepare(s, "INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &q));
    const char *text[] = {key, assignments, NULL, r->state, r->error, r->device, r->driver, r->rote};
    for (int i = 0; i < 8; i++)
        if (i != 2)
            sqlite3_bind_text(q, i + 1, text[i], -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 3, r->epochs);
    sqlite3_bind_int64(q, 9, r->peak_bytes);
    bind_real(q, 10, r->seconds);
    bind_real(q, 11, r->training_seconds);
    bind_real(q, 12, r->instrument_seconds);
    bind_real(q, 13, r->joules);
    if (sqlite3_step(q) != SQLITE_DONE)
        st = study_db_error(s, "write");
out:
    sqlite3_finalize(q);
    return st;
}

static enum rote_status put_figures(struct rote_study *s, const char *key, const char *lines)
{
    enum rote_status st = ROTE_OK;
    sqlite3_stmt *q = NULL;
    char part[32], head[96], figure[64], value[40];
    long long epoch;
    TRY(study_db_prepare(s, "INSERT OR REPLACE INTO figure VALUES (?, ?, ?, ?, ?, ?)", &q));
    for (; lines && *lines; lines += strcspn(lines, "\n") + (strchr(lines, '\n') != NULL)) {
        if (sscanf(lines, "%lld,%31[^,],%95[^,],%63[^,],%39[^,\n]", &epoch, part, head, figure, value) != 5)
            FAIL(ROTE_EFORMAT, "a line of figures is not epoch,part,head,figure,value: '%.60s'", lines);
        sqlite3_bind_text(q, 1, key, -1, SQLITE_STATIC);
        sqlite3_bind_int64(q, 2, epoch);
        sqlite3_bind_text(q, 3, part, -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 4, head, -1, SQLITE_STATIC);
        sqlite3_bind_text(q, 5, figure, -1, SQLITE_STATIC);
        bind_real(q, 6, strtod(value, NULL));
        if (sqlite3_step(q) != SQLITE_DONE)
            TRY(study_db_error(s, "write"));
        sqlite3_reset(q);
    }
out:
    sqlite3_finalize(q);
    return st;
}

enum rote_status study_db_members(struct rote_study *s, const char *key)
{
    enum rote_status st = ROTE_OK;
    sqlite3_stmt *q = NULL;
    TRY(study_db_prepare(s, "INSERT OR REPLACE INTO member VALUES (?, ?, ?, ?)", &q));
    for (int i = 0; i < s->n_runs; i++) {
        const struct study_run *r = &s->run[i];
        if (!r->assignments || strcmp(r->key, key))
            continue;
        sqlite3_bind_text(q, 1, s->cell[r->cell].id, -1, SQLITE_STATIC);
        sqlite3_bind_int(q, 2, r->trial);
        sqlite3_bind_int64(q, 3, r->seed);
        sqlite3_bind_text(q, 4, key, -1, SQLITE_STATIC);
        if (sqlite3_step(q) != SQLITE_DONE)
            TRY(study_db_error(s, "write"));
        sqlite3_reset(q);
    }
out:
    sqlite3_finalize(q);
    return st;
}

enum rote_status study_db_put(struct rote_study *s, const char *key, const char *assignments,
                              const struct study_result *r)
{
    enum rote_status st = ROTE_OK;
    TRY(execute(s, "BEGIN IMMEDIATE"));
    st = put_run(s, key, assignments, r);
    if (!st)
        st = put_figures(s, key, r->figures);
    if (!st)
        st = study_db_members(s, key);
    if (st)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    else
        TRY(execute(s, "COMMIT"));
out:
    return st;
}

enum rote_status study_db_forget_failed(struct rote_study *s)
{
    return execute(s, "DELETE FROM run WHERE state = 'failed'");
}

enum rote_status study_db_figure(struct rote_study *s, const char *key, int64_t epoch, const char *figure, double *out)
{
    enum rote_status st = ROTE_OK;
    sqlite3_stmt *q = NULL;
    char part[32], head[96], name[64];
    *out = NAN;
    if (sscanf(figure, "%31[^.].%95[^.].%63s", part, head, name) != 3)
        FAIL(ROTE_ECONFIG, "'%s' is no figure: PART.HEAD.FIGURE, as test.class.accuracy", figure);
    TRY(study_db_prepare(s, "SELECT value FROM figure WHERE key = ? AND part = ? AND head = ? AND figure = ? "
                            "AND epoch = ?", &q));
    sqlite3_bind_text(q, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, part, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 3, head, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 4, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 5, epoch);
    int step = sqlite3_step(q);
    if (step == SQLITE_ROW && sqlite3_column_type(q, 0) != SQLITE_NULL)
        *out = sqlite3_column_double(q, 0);
    else if (step != SQLITE_ROW && step != SQLITE_DONE)
        st = study_db_error(s, "read");
out:
    sqlite3_finalize(q);
    return st;
}
