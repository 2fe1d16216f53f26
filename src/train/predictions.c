/* A run's predictions as NPY files, for `rote eval --predictions` and predictions_every. */
#include <string.h>

#include "common/label.clh"
#include "data/npy.h"
#include "train/train_internal.h"

static enum rote_status write_array(const char *folder, const char *name, const char *what, enum rote_type type,
                                    int64_t count, int64_t width, const void *data)
{
    enum rote_status st = ROTE_OK;
    int64_t dim[2] = {count, width};
    char *path = NULL;
    TRY(base_sprintf(&path, "%s/%s%s%s.npy", folder, name, *name ? "." : "", what));
    TRY(npy_write(path, type, width ? 2 : 1, dim, data));
out:
    base_free(path);
    return st;
}

static enum rote_status write_class_head(const char *folder, const struct model_head *h, const float *z, int64_t stride,
                                         int64_t count)
{
    enum rote_status st = ROTE_OK;
    float *logits = NULL, *p = NULL;
    size_t n = (size_t)h->n;
    TRY(base_alloc(&logits, (size_t)count * n, sizeof *logits));
    TRY(base_alloc(&p, (size_t)count * n, sizeof *p));
    for (size_t i = 0; i < (size_t)count; i++) {
        memcpy(logits + i * n, z + i * (size_t)stride, n * sizeof *logits);
        train_softmax(logits + i * n, h->n, p + i * n);
    }
    TRY(write_array(folder, h->name, "logits", ROTE_F32, count, h->n, logits));
    TRY(write_array(folder, h->name, "probabilities", ROTE_F32, count, h->n, p));
out:
    base_free(logits);
    base_free(p);
    return st;
}

static enum rote_status write_random_head(const struct rote_run *t, const char *folder, enum split split,
                                          const struct model_head *h, const float *z, int64_t stride, int64_t count)
{
    enum rote_status st = ROTE_OK;
    int32_t *label = NULL, *predicted = NULL;
    uint64_t key = model_head_key(h);
    int epoch = h->redraw ? 1 + (int)train_last_epoch(t) : 0;
    TRY(base_alloc(&label, (size_t)count, sizeof *label));
    TRY(base_alloc(&predicted, (size_t)count, sizeof *predicted));
    const int32_t *own = h->own_labels ? t->own_labels + (h->own_labels - 1) * t->data->train.count : NULL;
    for (int64_t i = 0; i < count; i++) {
        label[i] = own ? (split == SPLIT_TRAINING ? own[i] : -1)
                       : random_label((uint32_t)key, (uint32_t)(key >> 32), (int)split, (int)i, epoch, h->n);
        predicted[i] = train_greatest(z + i * stride, h->n);
    }
    TRY(write_array(folder, h->name, "labels", ROTE_I32, count, 0, label));
    TRY(write_array(folder, h->name, "predicted", ROTE_I32, count, 0, predicted));
out:
    base_free(label);
    base_free(predicted);
    return st;
}

static enum rote_status write_labels(const struct rote_run *t, const char *folder, const struct data_split *s)
{
    enum rote_status st = ROTE_OK;
    int64_t *labels = NULL;
    TRY(base_alloc(&labels, (size_t)s->count, sizeof *labels));
    for (int64_t i = 0; i < s->count; i++)
        labels[i] = s->labels[i];
    TRY(write_array(folder, "", "labels", ROTE_I64, s->count, 0, labels));
    if (t->fold && s == &t->data->train)
        TRY(write_array(folder, "", "fold", ROTE_I32, s->count, 0, t->fold));
out:
    base_free(labels);
    return st;
}

static enum rote_status all_samples(const struct rote_run *t, int32_t **out)
{
    enum rote_status st = base_alloc(out, (size_t)t->data->train.count, sizeof **out);
    for (int64_t i = 0; !st && i < t->data->train.count; i++)
        (*out)[i] = (int32_t)i;
    return st;
}

static enum rote_status write_split(struct rote_run *t, enum split split, const char *folder, const char *layer,
                                    const struct train_hooks *hooks)
{
    enum rote_status st = ROTE_OK;
    const struct data_split *s = train_split_data(t, split);
    const struct model *m = t->net.m;
    struct train_predictions p = {0};
    int32_t *samples = NULL;
    char name[MODEL_NAME + 16];
    TRY(base_make_dirs(folder));
    if (split == SPLIT_TRAINING)
        TRY(all_samples(t, &samples));
    TRY(train_predict_once(t, split, samples, s->count, layer, hooks, &p));
    TRY(write_labels(t, folder, s));
    for (int i = 0; i < m->n_heads; i++) {
        int group = 0, column = 0;
        int64_t stride = train_group_of(m, i, &group, &column)->columns;
        const float *z = p.logits[group] + column;
        TRY(m->head[i].kind == HEAD_CLASS ? write_class_head(folder, &m->head[i], z, stride, s->count)
                                          : write_random_head(t, folder, split, &m->head[i], z, stride, s->count));
    }
    if (layer) {
        snprintf(name, sizeof name, "features.%.*s", MODEL_NAME, layer);
        TRY(write_array(folder, "", name, ROTE_F32, s->count, p.channels, p.features));
    }
out:
    train_predictions_free(&p);
    base_free(samples);
    return st;
}

enum rote_status train_write_predictions(struct rote_run *t, const char *folder, const char *layer,
                                         const struct train_hooks *hooks)
{
    static const char *const name[] = {
        [SPLIT_TRAINING] = "train", [SPLIT_TEST] = "test", [SPLIT_VALIDATION] = "validation"};
    enum rote_status st = ROTE_OK;
    char *path = NULL;
    for (int split = 0; split < (int)COUNT_OF(name); split++) {
        if (!train_split_data(t, (enum split)split)->count)
            continue;
        TRY(base_sprintf(&path, "%s/%s", folder, name[split]));
        TRY(write_split(t, (enum split)split, path, layer, hooks));
        base_free(path);
        path = NULL;
    }
out:
    base_free(path);
    return st;
}

enum rote_status train_write_epoch(struct rote_run *t, const struct train_hooks *hooks)
{
    enum rote_status st = ROTE_OK;
    int64_t count = t->data->train.count, epoch = t->step / t->steps_per_epoch;
    struct train_predictions p = {0};
    int32_t *sample = NULL;
    char *folder = NULL, name[32];
    int group = 0, column = 0, head = train_class_head(t);
    if (!t->folder || !t->net.predict || epoch % t->cfg.predictions_every)
        return ROTE_OK;
    double began = base_now();
    int64_t stride = train_group_of(t->net.m, head, &group, &column)->columns;
    TRY(base_sprintf(&folder, "%s/predictions", t->folder));
    TRY(base_make_dirs(folder));
    TRY(all_samples(t, &sample));
    TRY(train_predict(t, t->net.predict, sample, count, group, hooks, &p));
    for (int64_t i = 0; i < count; i++)
        sample[i] = train_greatest(p.logits[group] + i * stride + column, t->net.m->head[head].n);
    snprintf(name, sizeof name, "epoch-%04lld", (long long)epoch);
    TRY(write_array(folder, "", name, ROTE_I32, count, 0, sample));
    t->instrument_seconds += base_now() - began;
out:
    train_predictions_free(&p);
    base_free(sample);
    base_free(folder);
    return st;
}
