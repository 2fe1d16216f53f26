/* Labels that the user gives heads, from NPY files. */
#include "data/npy.h"
#include "train/train_internal.h"

static int64_t value(const struct npy *a, int64_t i)
{
    return a->type == ROTE_I64 ? ((const int64_t *)a->data)[i]
         : a->type == ROTE_I32 ? ((const int32_t *)a->data)[i]
                               : ((const uint8_t *)a->data)[i];
}

/* n becomes the largest label + 1 where it is not given. */
static enum rote_status copy(const struct config_head *h, const struct npy *a, int64_t count, int *n, int32_t *out)
{
    int64_t limit = h->n ? h->n : 1000000, largest = -1;
    for (int64_t i = 0; i < count; i++) {
        int64_t v = value(a, i);
        if (v >= limit)
            return base_error(ROTE_EFORMAT, "%s: sample %lld has label %lld; head %s has labels below %lld, negative "
                              "ones mean none", h->labels, (long long)i, (long long)v, h->name, (long long)limit);
        largest = v > largest ? v : largest;
        out[i] = v < 0 ? -1 : (int32_t)v;
    }
    if (largest < 0)
        return base_error(ROTE_EFORMAT, "%s: no sample has a label, all are negative", h->labels);
    if (!*n)
        *n = largest < 1 ? 2 : (int)largest + 1;
    return ROTE_OK;
}

static enum rote_status read_one(const struct rote_run *t, struct config_head *h, int64_t given, int32_t *out)
{
    enum rote_status st = ROTE_OK;
    struct npy a = {0};
    int64_t count = t->data->train.count;
    TRY(npy_read(h->labels, &a));
    if (a.rank != 1 || (a.type != ROTE_I64 && a.type != ROTE_I32 && a.type != ROTE_U8))
        FAIL(ROTE_EFORMAT, "%s: labels of a head are int64, int32 or uint8 with one dimension", h->labels);
    if (a.dim[0] != count && a.dim[0] != given)
        FAIL(ROTE_EFORMAT, "%s has %lld labels, but there are %lld training samples", h->labels, (long long)a.dim[0],
             (long long)count);
    TRY(copy(h, &a, count, &h->n, out));
out:
    if (st)
        base_error_prefix("head %s", h->name);
    npy_free(&a);
    return st;
}

enum rote_status train_read_labels(struct rote_run *t, int64_t given)
{
    enum rote_status st = ROTE_OK;
    size_t count = (size_t)t->data->train.count;
    for (unsigned i = 0; i < t->cfg.heads_count; i++)
        t->n_labels += t->cfg.heads[i].labels != NULL;
    if (!t->n_labels)
        return ROTE_OK;
    TRY(base_alloc(&t->own_labels, (size_t)t->n_labels * count, sizeof *t->own_labels));
    int32_t *row = t->own_labels;
    for (unsigned i = 0; i < t->cfg.heads_count; i++) {
        if (!t->cfg.heads[i].labels)
            continue;
        TRY(read_one(t, &t->cfg.heads[i], given, row));
        row += count;
    }
out:
    return st;
}
