/* k-fold cross-validation: a run for each fold, which is trained on all samples outside of it, and every sample's class
 * probabilities by the run that has not seen it. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/npy.h"
#include "rote/statistics.h"
#include "train/train_internal.h"

enum rote_status train_make_folds(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    const struct config *c = &t->cfg;
    int64_t n = t->data->train.count;
    int32_t *order = NULL;
    t->train_count = n;
    if (!c->data.folds)
        return ROTE_OK;
    if (c->data.folds > n)
        FAIL(ROTE_ECONFIG, "data.folds is %d, but there are %lld training samples", c->data.folds, (long long)n);
    TRY(base_alloc(&order, (size_t)n, sizeof *order));
    TRY(base_alloc(&t->fold, (size_t)n, sizeof *t->fold));
    for (int64_t i = 0; i < n; i++)
        order[i] = (int32_t)i;
    train_shuffle(order, n, 0, 1, (uint64_t)config_seed(c, c->seeds.folds));
    for (int64_t i = 0; i < n; i++) {
        t->fold[order[i]] = (int32_t)(i % c->data.folds);
        t->train_count -= i % c->data.folds == c->data.fold;
    }
out:
    base_free(order);
    return st;
}

/* All of the cross-validation. */
struct folds {
    struct rote_device *dev;
    const char *folder;
    struct config cfg; /* with data.folds; data.fold is 0 */
    const struct train_hooks *hooks;
    int now;           /* the fold that is trained */
    int64_t count;     /* training samples */
    int n;             /* labels of the first class head */
    int64_t *labels;
    int32_t *fold;
    uint8_t *canary;   /* NULL without any */
    float *p;          /* [count][n] */
};

static enum rote_status fold_config(const struct folds *f, int fold, struct config *out)
{
    enum rote_status st = config_copy(&f->cfg, out);
    if (!st)
        out->data.fold = fold;
    return st;
}

/* What a folder was begun with stays as it is: the folds that are there would be of other runs. */
static enum rote_status open_folder(struct folds *f)
{
    enum rote_status st = ROTE_OK;
    struct base_buf yaml = {0};
    char *path = NULL, *then = NULL;
    size_t len;
    TRY(config_to_yaml(&f->cfg, &yaml));
    TRY(base_sprintf(&path, "%s/config.yaml", f->folder));
    if (!base_file_exists(path)) {
        TRY(base_make_dirs(f->folder));
        TRY(base_write_file_atomic(path, yaml.text, yaml.len));
        goto out;
    }
    TRY(base_read_file(path, &then, &len));
    if (strcmp(then, yaml.text))
        FAIL(ROTE_ECONFIG, "%s was begun with another configuration (its config.yaml); choose another folder, or go on "
             "with that one", f->folder);
out:
    base_free(path);
    base_free(then);
    base_buf_free(&yaml);
    return st;
}

/* The samples' labels and folds, from a run that is only planned. */
static enum rote_status look(struct folds *f)
{
    enum rote_status st = ROTE_OK;
    struct config c = {0};
    struct rote_run *t = NULL;
    TRY(fold_config(f, 0, &c));
    TRY(train_new(f->dev, &c, NULL, &t));
    f->count = t->data->train.count;
    f->n = t->net.m->head[train_class_head(t)].n;
    TRY(base_alloc(&f->labels, (size_t)f->count, sizeof *f->labels));
    TRY(base_alloc(&f->p, (size_t)f->count * (size_t)f->n, sizeof *f->p));
    for (int64_t i = 0; i < f->count; i++)
        f->labels[i] = t->data->train.labels[i];
    f->fold = t->fold;
    f->canary = t->canary;
    t->fold = NULL;
    t->canary = NULL;
out:
    config_free(&c);
    train_free(t);
    return st;
}

/* One run's progress as a part of all. */
static int tell(void *user, const struct rote_progress *p)
{
    const struct folds *f = user;
    struct rote_progress all = *p;
    if (!f->hooks || !f->hooks->progress)
        return 1;
    all.steps = p->steps * f->cfg.data.folds;
    all.step = p->steps * f->now + p->step;
    all.epochs = p->epochs * f->cfg.data.folds;
    all.epoch = p->epochs * f->now + p->epoch;
    if (p->remaining > 0 && p->steps > p->step)
        all.remaining = p->remaining * (double)(all.steps - all.step) / (double)(p->steps - p->step);
    return f->hooks->progress(f->hooks->user, &all);
}

static enum rote_status open_fold(struct folds *f, const char *folder, struct rote_run **out)
{
    enum rote_status st = ROTE_OK;
    struct config c = {0};
    char *config = NULL;
    TRY(base_sprintf(&config, "%s/config.yaml", folder));
    if (base_file_exists(config)) {
        TRY(train_resume(f->dev, folder, NULL, out));
        goto out;
    }
    TRY(fold_config(f, f->now, &c));
    TRY(train_new(f->dev, &c, NULL, out));
    TRY(train_create_folder(*out, folder));
out:
    config_free(&c);
    base_free(config);
    return st;
}

/* The samples of the fold, ascending. */
static enum rote_status left_out(const struct folds *f, int32_t **out, int64_t *count)
{
    int64_t n = 0;
    enum rote_status st = base_alloc(out, (size_t)f->count, sizeof **out);
    for (int64_t i = 0; !st && i < f->count; i++)
        if (f->fold[i] == f->now)
            (*out)[n++] = (int32_t)i;
    *count = n;
    return st;
}

static enum rote_status train_fold(struct folds *f, const char *folder, const char *path)
{
    enum rote_status st = ROTE_OK;
    const struct train_hooks hooks = {.progress = tell, .user = f};
    struct train_predictions z = {0};
    struct rote_run *t = NULL;
    int32_t *samples = NULL;
    float *p = NULL;
    int64_t count;
    int group = 0, column = 0;
    TRY(open_fold(f, folder, &t));
    TRY(train_run(t, &hooks));
    TRY(left_out(f, &samples, &count));
    TRY(train_predict_once(t, SPLIT_TRAINING, samples, count, NULL, &hooks, &z));
    TRY(base_alloc(&p, (size_t)count * (size_t)f->n, sizeof *p));
    int64_t stride = train_group_of(t->net.m, train_class_head(t), &group, &column)->columns;
    for (int64_t i = 0; i < count; i++)
        train_softmax(z.logits[group] + i * stride + column, f->n, p + i * f->n);
    TRY(npy_write(path, ROTE_F32, 2, (int64_t[]){count, f->n}, p));
out:
    if (st)
        base_error_prefix("fold %d of %d", f->now, f->cfg.data.folds);
    train_predictions_free(&z);
    train_free(t);
    base_free(samples);
    base_free(p);
    return st;
}

/* A fold whose left_out.npy is there is finished. */
static enum rote_status one_fold(struct folds *f)
{
    enum rote_status st = ROTE_OK;
    char *folder = NULL, *path = NULL;
    struct npy a = {0};
    int32_t *samples = NULL;
    int64_t count;
    TRY(base_sprintf(&folder, "%s/fold-%d", f->folder, f->now));
    TRY(base_sprintf(&path, "%s/left_out.npy", folder));
    if (!base_file_exists(path))
        TRY(train_fold(f, folder, path));
    TRY(left_out(f, &samples, &count));
    TRY(npy_read(path, &a));
    if (a.type != ROTE_F32 || a.rank != 2 || a.dim[0] != count || a.dim[1] != f->n)
        FAIL(ROTE_EFORMAT, "%s is not float32 [%lld][%d]; remove it, and it is made again from the fold's run", path,
             (long long)count, f->n);
    for (int64_t i = 0; i < count; i++)
        memcpy(f->p + (int64_t)samples[i] * f->n, (const float *)a.data + i * f->n, (size_t)f->n * sizeof *f->p);
out:
    npy_free(&a);
    base_free(samples);
    base_free(folder);
    base_free(path);
    return st;
}

/* Scores of label errors, as Northcutt et al. 2021 (confident learning) call them, so that more is more suspicious. */
static void scores(const struct folds *f, int64_t i, double out[ROTE_FOLDS_MEASURES])
{
    const float *p = f->p + i * f->n;
    double other = 0;
    for (int j = 0; j < f->n; j++)
        if (j != f->labels[i])
            other = fmax(other, p[j]);
    out[0] = -(double)p[f->labels[i]];
    out[1] = other - (double)p[f->labels[i]];
}

static enum rote_status measure(const struct folds *f, struct rote_folds_report *r)
{
    static const char *const name[ROTE_FOLDS_MEASURES] = {"self_confidence", "margin"};
    enum rote_status st = ROTE_OK;
    double *score[ROTE_FOLDS_MEASURES] = {NULL};
    int *positive = NULL;
    size_t n = (size_t)f->count;
    *r = (struct rote_folds_report){.samples = f->count, .folds = f->cfg.data.folds, .classes = f->n};
    TRY(base_alloc(&positive, n, sizeof *positive));
    for (int m = 0; m < ROTE_FOLDS_MEASURES; m++)
        TRY(base_alloc(&score[m], n, sizeof *score[m]));
    for (int64_t i = 0; i < f->count; i++) {
        double s[ROTE_FOLDS_MEASURES];
        scores(f, i, s);
        for (int m = 0; m < ROTE_FOLDS_MEASURES; m++)
            score[m][i] = s[m];
        positive[i] = f->canary && f->canary[i];
        r->planted += positive[i];
        r->accuracy += train_greatest(f->p + i * f->n, f->n) == f->labels[i];
        r->loss -= log(fmax(-s[0], 1e-38));
    }
    r->accuracy /= (double)f->count;
    r->loss /= (double)f->count;
    for (int m = 0; m < ROTE_FOLDS_MEASURES && r->planted && r->planted < f->count; m++) {
        snprintf(r->canaries[m].name, sizeof r->canaries[m].name, "%s", name[m]);
        TRY(rote_auroc(score[m], positive, n, &r->canaries[m].auroc));
        TRY(rote_auprc(score[m], positive, n, &r->canaries[m].auprc));
    }
out:
    for (int m = 0; m < ROTE_FOLDS_MEASURES; m++)
        base_free(score[m]);
    base_free(positive);
    return st;
}

enum rote_status train_folds_json(const struct rote_folds_report *r, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    json_t *o = json_pack("{s:s, s:i, s:I, s:i, s:f, s:f}", "rote", rote_version(), "folds", r->folds, "samples",
                          (json_int_t)r->samples, "classes", r->classes, "accuracy", r->accuracy, "loss", r->loss);
    if (r->planted && r->planted < r->samples) {
        json_t *measures = json_object();
        for (int m = 0; m < ROTE_FOLDS_MEASURES; m++)
            json_object_set_new(measures, r->canaries[m].name,
                                json_pack("{s:f, s:f}", "auroc", r->canaries[m].auroc, "auprc", r->canaries[m].auprc));
        json_object_set_new(o, "canaries",
                            json_pack("{s:I, s:o}", "planted", (json_int_t)r->planted, "measures", measures));
    }
    char *text = json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    if (!text)
        FAIL(ROTE_ENOMEM, "no memory for the summary");
    TRY(base_buf_printf(out, "%s\n", text));
out:
    free(text);
    json_decref(o);
    return st;
}

static enum rote_status write_one(const struct folds *f, const char *name, enum rote_type type, int rank,
                                  const void *data)
{
    enum rote_status st = ROTE_OK;
    char *path = NULL;
    TRY(base_sprintf(&path, "%s/%s.npy", f->folder, name));
    TRY(npy_write(path, type, rank, (int64_t[]){f->count, f->n}, data));
out:
    base_free(path);
    return st;
}

static enum rote_status write_all(const struct folds *f, const struct rote_folds_report *r)
{
    enum rote_status st = ROTE_OK;
    struct base_buf json = {0};
    char *path = NULL;
    TRY(write_one(f, "probabilities", ROTE_F32, 2, f->p));
    TRY(write_one(f, "labels", ROTE_I64, 1, f->labels));
    TRY(write_one(f, "fold", ROTE_I32, 1, f->fold));
    if (f->canary)
        TRY(write_one(f, "canaries", ROTE_U8, 1, f->canary));
    TRY(train_folds_json(r, &json));
    TRY(base_sprintf(&path, "%s/summary.json", f->folder));
    TRY(base_write_file_atomic(path, json.text, json.len));
out:
    base_buf_free(&json);
    base_free(path);
    return st;
}

enum rote_status train_folds(struct rote_device *dev, const struct config *c, int folds, const char *folder,
                             const struct train_hooks *hooks, struct rote_folds_report *out)
{
    enum rote_status st = ROTE_OK;
    struct folds f = {.dev = dev, .folder = folder, .hooks = hooks};
    TRY(config_copy(c, &f.cfg));
    if (folds)
        f.cfg.data.folds = folds;
    if (!f.cfg.data.folds)
        f.cfg.data.folds = 5;
    f.cfg.data.fold = 0;
    TRY(config_inline_network(&f.cfg));
    TRY(config_validate(&f.cfg));
    TRY(look(&f));
    TRY(open_folder(&f));
    for (; f.now < f.cfg.data.folds; f.now++)
        TRY(one_fold(&f));
    TRY(measure(&f, out));
    TRY(write_all(&f, out));
out:
    config_free(&f.cfg);
    base_free(f.labels);
    base_free(f.fold);
    base_free(f.canary);
    base_free(f.p);
    return st;
}
