/* What a run writes as it goes: log.jsonl (one object a line), log.csv (the same, a row a
 * figure), and TensorBoard's event file. No line holds a time: two runs of the same
 * configuration write the same log, and a resumed run goes on where its checkpoint was. */
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "train/train_internal.h"

struct runlog {
    FILE *jsonl, *csv;
    struct tfevents *events;
};

static enum rote_status open_file(const char *folder, const char *name, int64_t keep, FILE **out)
{
    enum rote_status st = ROTE_OK;
    char *path = NULL;
    TRY(base_sprintf(&path, "%s/%s", folder, name));
    *out = fopen(path, keep < 0 ? "w" : "r+");
    if (!*out)
        FAIL(ROTE_EIO, "cannot open %s for writing; check the folder's permissions", path);
    if (keep >= 0 && (ftruncate(fileno(*out), keep) || fseek(*out, (long)keep, SEEK_SET)))
        FAIL(ROTE_EIO, "cannot cut %s to the %lld bytes that the checkpoint saw", path, (long long)keep);
out:
    base_free(path);
    return st;
}

enum rote_status runlog_open(struct rote_run *t, const struct runlog_offsets *resume)
{
    enum rote_status st = ROTE_OK;
    struct runlog *l = NULL;
    TRY(base_alloc(&l, 1, sizeof *l));
    TRY(open_file(t->folder, "log.jsonl", resume ? resume->jsonl : -1, &l->jsonl));
    TRY(open_file(t->folder, "log.csv", resume ? resume->csv : -1, &l->csv));
    if (!resume)
        fprintf(l->csv, "step,epoch,set,head,figure,value\n");
    TRY(tfevents_open(t->folder, resume ? resume->events : -1, &l->events));
    t->log = l;
    l = NULL;
out:
    runlog_close(l);
    return st;
}

void runlog_close(struct runlog *l)
{
    if (!l)
        return;
    if (l->jsonl)
        fclose(l->jsonl);
    if (l->csv)
        fclose(l->csv);
    tfevents_close(l->events);
    base_free(l);
}

static enum rote_status figure(struct rote_run *t, json_t *object, const char *set, const char *head, const char *name,
                               double value)
{
    char tag[200];
    if (!isfinite(value))
        return ROTE_OK;
    json_object_set_new(object, name, json_real(value));
    fprintf(t->log->csv, "%lld,%lld,%s,%s,%s,%.9g\n", (long long)t->step, (long long)(t->step / t->steps_per_epoch),
            set, head, name, value);
    snprintf(tag, sizeof tag, "%s/%s/%s", set, head, name);
    return tfevents_scalar(t->log->events, tag, t->step, (double)time(NULL), (float)value);
}

static enum rote_status figures(struct rote_run *t, json_t *parent, const char *set, const struct model_head *h,
                                const struct rote_figures *f)
{
    enum rote_status st = ROTE_OK;
    if (!(f->samples > 0))
        return ROTE_OK;
    json_t *o = json_object();
    TRY(figure(t, o, set, h->name, "loss", f->loss));
    TRY(figure(t, o, set, h->name, "accuracy", f->accuracy));
    if (h->kind != HEAD_CLASS)
        TRY(figure(t, o, set, h->name, "chance_corrected", (h->n * f->accuracy - 1) / (h->n - 1)));
    TRY(figure(t, o, set, h->name, "p", f->p));
    TRY(figure(t, o, set, h->name, "margin", f->margin));
    TRY(figure(t, o, set, h->name, "entropy", f->entropy));
    TRY(figure(t, o, set, h->name, "el2n", f->el2n));
    if (h->kind != HEAD_CLASS && h->lambda != 0)
        TRY(figure(t, o, set, h->name, "regulariser", f->regulariser));
    json_object_set(parent, h->name, o);
out:
    json_decref(o);
    return st;
}

static enum rote_status finish_line(struct rote_run *t, json_t *line)
{
    enum rote_status st = ROTE_OK;
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9));
    if (!text)
        FAIL(ROTE_ENOMEM, "no memory for a line of the log");
    if (fprintf(t->log->jsonl, "%s\n", text) < 0 || fflush(t->log->jsonl) || fflush(t->log->csv))
        FAIL(ROTE_EIO, "cannot write to the log in %s; is the disk full?", t->folder);
out:
    free(text);
    return st;
}

static json_t *new_line(const struct rote_run *t, const char *type)
{
    return json_pack("{s:s, s:I, s:I}", "type", type, "step", (json_int_t)t->step, "epoch",
                     (json_int_t)(t->step / t->steps_per_epoch));
}

static enum rote_status set_of(struct rote_run *t, json_t *line, const char *key, const struct train_net *n,
                               const struct rote_figures *f)
{
    enum rote_status st = ROTE_OK;
    json_t *heads = json_object();
    for (int i = 0; i < n->m->n_heads; i++)
        TRY(figures(t, heads, key, &n->m->head[i], &f[i]));
    if (json_object_size(heads))
        json_object_set(line, key, heads);
out:
    json_decref(heads);
    return st;
}

static enum rote_status stream_of(struct rote_run *t, json_t *line, const char *key, const struct train_net *n)
{
    struct rote_figures f[MODEL_MAX_HEADS];
    for (int i = 0; i < n->m->n_heads; i++)
        train_figures_of(n->sums + i * MODEL_STATS, &f[i]);
    return set_of(t, line, key, n, f);
}

enum rote_status runlog_step(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    json_t *line = new_line(t, "step");
    double lr = schedule_lr(&t->cfg, t->step - 1, t->steps_per_epoch);
    json_object_set_new(line, "lr", json_real(lr));
    TRY(tfevents_scalar(t->log->events, "lr", t->step, (double)time(NULL), (float)lr));
    TRY(stream_of(t, line, "train", &t->net));
    if (t->control.m)
        TRY(stream_of(t, line, "control_train", &t->control));
    TRY(finish_line(t, line));
out:
    json_decref(line);
    return st;
}

enum rote_status runlog_epoch(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    json_t *line = new_line(t, "epoch");
    double norm;
    TRY(model_weight_norm(t->net.m, &norm));
    TRY(figure(t, line, "network", "all", "weight_norm", norm));
    TRY(set_of(t, line, "stream", &t->net, t->net.stream));
    TRY(set_of(t, line, "clean", &t->net, t->net.clean_figures));
    TRY(set_of(t, line, "validation", &t->net, t->net.validation_figures));
    TRY(set_of(t, line, "test", &t->net, t->net.test_figures));
    if (t->control.m)
        TRY(set_of(t, line, "control", &t->control, t->control.clean_figures));
    TRY(finish_line(t, line));
    TRY(tfevents_flush(t->log->events, &(int64_t){0}));
out:
    json_decref(line);
    return st;
}

enum rote_status runlog_hint(struct rote_run *t, const struct train_hint *h)
{
    enum rote_status st = ROTE_OK;
    json_t *line = new_line(t, "hint");
    json_object_set_new(line, "head", json_string(h->head));
    json_object_set_new(line, "excess", json_real(h->excess));
    json_object_set_new(line, "rise", json_real(h->rise));
    json_object_set_new(line, "rise_epochs", json_integer(h->epochs));
    json_object_set_new(line, "validation_loss", json_real(h->loss));
    json_object_set_new(line, "best_validation_loss", json_real(h->best_loss));
    json_object_set_new(line, "best_epoch", json_integer(h->best_epoch));
    TRY(finish_line(t, line));
out:
    json_decref(line);
    return st;
}

static enum rote_status synced(FILE *f, int64_t *at)
{
    if (fflush(f) || fsync(fileno(f)))
        return base_error(ROTE_EIO, "cannot write the log to the disk; is it full?");
    *at = ftell(f);
    return ROTE_OK;
}

enum rote_status runlog_offsets(struct rote_run *t, struct runlog_offsets *out)
{
    enum rote_status st = ROTE_OK;
    *out = (struct runlog_offsets){0};
    if (!t->log)
        goto out;
    TRY(synced(t->log->jsonl, &out->jsonl));
    TRY(synced(t->log->csv, &out->csv));
    TRY(tfevents_flush(t->log->events, &out->events));
out:
    return st;
}
