/* A network that begins with another run's values. Any safetensors file will do whose tensors have the network's names
 * and logical shapes. */
#include <string.h>
#include <sys/stat.h>

#include "train/train_internal.h"

static const struct st_tensor *find(const struct st_file *f, const struct model_value *v)
{
    char name[160];
    snprintf(name, sizeof name, "ema/%s", v->name);
    const struct st_tensor *x = st_find(f, name);
    return x ? x : st_find(f, v->name);
}

static bool fits(const struct st_tensor *x, const struct model_value *v)
{
    return x->type == ST_F32 && x->rank == v->rank && !memcmp(x->dim, v->dim, (size_t)v->rank * sizeof *v->dim);
}

static enum rote_status load(struct model *m, const struct st_file *f, const char *path)
{
    enum rote_status st = ROTE_OK;
    for (int i = 0; i < m->n_values; i++) {
        const struct model_value *v = &m->value[i];
        const struct model_param *p = &m->param[v->param];
        const struct st_tensor *x = find(f, v);
        bool head = p->layout == LAYOUT_HEADS;
        if (head && (!x || !fits(x, v)))
            continue;
        if (!x)
            FAIL(ROTE_EFORMAT, "%s has no %s; configure the network that it is of", path, v->name);
        if (!fits(x, v))
            FAIL(ROTE_EFORMAT, "%s in %s has another shape; configure the network that it is of", v->name, path);
        TRY(model_write_value(m, i, p->state ? m->states : m->params, 0, x->data));
    }
out:
    return st;
}

enum rote_status checkpoint_init(struct rote_run *t, const char *path)
{
    enum rote_status st = ROTE_OK;
    struct st_file *f = NULL;
    struct stat about;
    char *file = NULL;
    if (!stat(path, &about) && S_ISDIR(about.st_mode))
        TRY(checkpoint_latest(path, &file));
    else
        TRY(base_strdup(&file, path));
    TRY(st_read(file, &f));
    TRY(load(t->net.m, f, file));
out:
    if (st)
        base_error_prefix("init");
    st_free(f);
    base_free(file);
    return st;
}
