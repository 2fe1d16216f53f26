/* How far a study is. */
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "study/study.h"

off_t study_lock_byte(const struct study_run *r)
{
    return (off_t)(strtoull(r->key, NULL, 16) >> 2); /* an off_t has a sign */
}

static bool finished(const struct study_run *r)
{
    return r->assignments && (r->ended || r->done >= r->epochs);
}

void study_count(const struct rote_study *s, int *done, int *total)
{
    *done = 0;
    *total = s->n_runs;
    for (int i = 0; i < s->n_runs; i++)
        *done += finished(&s->run[i]);
}

/* Seconds an epoch of a cell's finished runs, else of all; NAN: there are none. */
static enum rote_status seconds_per_epoch(struct rote_study *s, double *cell, double *all)
{
    enum rote_status st = ROTE_OK;
    sqlite3_stmt *q = NULL;
    TRY(study_db_prepare(s, "SELECT sum(r.seconds), sum(r.epochs) FROM run r JOIN member m ON m.key = r.key "
                            "WHERE m.cell = ? AND r.state = 'done' AND r.epochs > 0", &q));
    for (int c = 0; c < s->n_cells; c++) {
        sqlite3_bind_text(q, 1, s->cell[c].id, -1, SQLITE_STATIC);
        cell[c] = sqlite3_step(q) == SQLITE_ROW && sqlite3_column_double(q, 1) > 0
                      ? sqlite3_column_double(q, 0) / sqlite3_column_double(q, 1) : NAN;
        sqlite3_reset(q);
    }
    sqlite3_finalize(q);
    q = NULL;
    TRY(study_db_prepare(s, "SELECT sum(seconds), sum(epochs) FROM run WHERE state = 'done' AND epochs > 0", &q));
    *all = sqlite3_step(q) == SQLITE_ROW && sqlite3_column_double(q, 1) > 0
               ? sqlite3_column_double(q, 0) / sqlite3_column_double(q, 1) : NAN;
out:
    sqlite3_finalize(q);
    return st;
}

double study_remaining(struct rote_study *s)
{
    double *cell = NULL, all, sum = 0;
    if (base_alloc(&cell, (size_t)s->n_cells, sizeof *cell))
        return -1;
    if (seconds_per_epoch(s, cell, &all))
        all = NAN;
    for (int i = 0; i < s->n_runs && !isnan(all); i++) {
        const struct study_run *r = &s->run[i];
        int64_t epochs = r->assignments ? r->epochs - r->done : s->plan.base.epochs;
        double each = isnan(cell[r->cell]) ? all : cell[r->cell];
        if (!finished(r))
            sum += each * (double)epochs;
    }
    base_free(cell);
    return isnan(all) ? -1 : sum;
}

/* The process that does it; 0: none. */
static pid_t holder(int fd, const struct study_run *r)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = study_lock_byte(r),
                         .l_len = 1};
    if (fd < 0 || !r->assignments || fcntl(fd, F_GETLK, &lock) || lock.l_type == F_UNLCK)
        return 0;
    return lock.l_pid;
}

struct tally {
    int done, total, running, diverged, failed, trials_done, trials;
};

static enum rote_status tally(struct rote_study *s, int cell, int fd, struct tally *t)
{
    enum rote_status st = ROTE_OK;
    sqlite3_stmt *q = NULL;
    *t = (struct tally){0};
    TRY(study_db_prepare(s, "SELECT state FROM run WHERE key = ?", &q));
    for (int i = 0; i < s->n_runs; i++) {
        const struct study_run *r = &s->run[i];
        if (r->cell != cell)
            continue;
        *(r->trial < 0 ? &t->total : &t->trials) += 1;
        *(r->trial < 0 ? &t->done : &t->trials_done) += finished(r);
        t->running += study_unfinished(r) && holder(fd, r) > 0;
        if (!r->ended)
            continue;
        sqlite3_bind_text(q, 1, r->key, -1, SQLITE_STATIC);
        if (sqlite3_step(q) == SQLITE_ROW)
            *(strcmp((const char *)sqlite3_column_text(q, 0), "failed") ? &t->diverged : &t->failed) += 1;
        sqlite3_reset(q);
    }
out:
    sqlite3_finalize(q);
    return st;
}

static void duration(double seconds, char out[32])
{
    long m = lround(seconds / 60);
    if (seconds < 0)
        snprintf(out, 32, "not known yet");
    else if (m >= 60)
        snprintf(out, 32, "%ld h %02ld min", m / 60, m % 60);
    else
        snprintf(out, 32, "%ld min", m);
}

static enum rote_status as_text(struct rote_study *s, const struct tally *t, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    int done, total, running = 0, width = 4;
    char bar[31], left[32];
    study_count(s, &done, &total);
    for (int c = 0; c < s->n_cells; c++) {
        width = (int)strlen(s->cell[c].id) > width ? (int)strlen(s->cell[c].id) : width;
        running += t[c].running;
    }
    for (int i = 0; i < 30; i++)
        bar[i] = i * total < 30 * done ? '#' : '.';
    bar[30] = 0;
    duration(study_remaining(s) / (running > 1 ? running : 1), left);
    TRY(base_buf_printf(out, "%s: [%s] %d of %d runs, %d running, left %s%s\n\n", s->plan.name, bar, done, total,
                        running, left, running > 1 ? " with as many processes" : ""));
    TRY(base_buf_printf(out, "%-*s  %9s  %9s  %7s  %8s  %6s  %s\n", width, "cell", "runs", "tuning", "running",
                        "diverged", "failed", "tuned to"));
    for (int c = 0; c < s->n_cells; c++) {
        const struct study_cell *cell = &s->cell[c];
        TRY(base_buf_printf(out, "%-*s  %4d/%-4d  %4d/%-4d  %7d  %8d  %6d ", width, cell->id, t[c].done, t[c].total,
                            t[c].trials_done, t[c].trials, t[c].running, t[c].diverged, t[c].failed));
        for (int d = 0; cell->trials && cell->selected >= 0 && d < cell->n_tune; d++) {
            char value[64];
            study_trial_value(s, cell, cell->selected, d, value);
            TRY(base_buf_printf(out, " %s=%s", cell->tune[d]->key, value));
        }
        TRY(base_buf_printf(out, "\n"));
    }
out:
    return st;
}

static enum rote_status as_json(struct rote_study *s, const struct tally *t, struct base_buf *out)
{
    int done, total;
    double left = study_remaining(s);
    json_t *cells = json_array();
    study_count(s, &done, &total);
    for (int c = 0; c < s->n_cells; c++)
        json_array_append_new(cells, json_pack("{s:s s:i s:i s:i s:i s:i s:i s:i}", "cell", s->cell[c].id, "done",
                                               t[c].done, "runs", t[c].total, "trials_done", t[c].trials_done,
                                               "trials", t[c].trials, "running", t[c].running, "diverged",
                                               t[c].diverged, "failed", t[c].failed));
    json_t *all = json_pack("{s:s s:i s:i s:o s:o}", "name", s->plan.name, "done", done, "runs", total,
                            "seconds_left", left < 0 ? json_null() : json_real(left), "cells", cells);
    enum rote_status st = study_json_write(all, JSON_INDENT(2) | JSON_REAL_PRECISION(9), out);
    json_decref(all);
    return st;
}

enum rote_status rote_study_status(rote_study *s, int json, char **text)
{
    enum rote_status st = ROTE_OK;
    struct tally *t = NULL;
    struct base_buf out = {0};
    char *path = NULL;
    int fd = -1;
    if (!s || !text)
        return base_null_argument("rote_study_status");
    TRY(base_sprintf(&path, "%s.lock", s->path));
    fd = s->lock >= 0 ? -1 : open(path, O_RDWR | O_CLOEXEC); /* closing it would drop this process's own locks */
    TRY(study_next(s));
    TRY(base_alloc(&t, (size_t)s->n_cells, sizeof *t));
    for (int c = 0; c < s->n_cells; c++)
        TRY(tally(s, c, s->lock >= 0 ? s->lock : fd, &t[c]));
    TRY(json ? as_json(s, t, &out) : as_text(s, t, &out));
    *text = out.text;
    out.text = NULL;
out:
    if (fd >= 0)
        close(fd);
    base_free(path);
    base_free(t);
    base_buf_free(&out);
    return st;
}
