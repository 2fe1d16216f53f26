/* Checkpoints: everything that the next step depends on, in one safetensors file.
 *   <value>                    parameters and running statistics, logical order
 *   optimizer.m1/<value> ..    the optimiser's state, ema/<value> the moving average
 *   control/..                 the control's heads and statistics
 *   ledger, sums/.., history   figures gathered so far
 * The metadata has the step, the logs' lengths, the configuration, and digests of the
 * network and the labels. `latest` holds the newest file's name; two are kept. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/train_internal.h"

#define FORMAT "rote-checkpoint-1"
#define KEPT 2

struct part {
    const char *prefix;
    struct train_net *net;
    struct rt_mem *buffer; /* NULL: the values themselves */
    uint64_t first;
    bool heads_only, states;
};

/* Every buffer of values that a checkpoint holds. */
static int list_parts(struct rote_run *t, struct part part[12])
{
    struct train_net *n = &t->net, *c = &t->control;
    bool frozen = n->m->frozen;
    uint64_t first = frozen ? n->m->trunk_bytes : 0;
    int k = 0;
    part[k++] = (struct part){"", n, n->m->params, 0, false, false};
    if (n->m->states)
        part[k++] = (struct part){"", n, n->m->states, 0, false, true};
    part[k++] = (struct part){"optimizer.m1/", n, n->m1, first, frozen, false};
    if (n->m2)
        part[k++] = (struct part){"optimizer.m2/", n, n->m2, first, frozen, false};
    if (n->ema)
        part[k++] = (struct part){"ema/", n, n->ema, 0, false, false};
    if (!c->m)
        return k;
    part[k++] = (struct part){"control/", c, c->m->params, 0, true, false};
    if (c->m->states)
        part[k++] = (struct part){"control/", c, c->m->states, 0, false, true};
    part[k++] = (struct part){"control/optimizer.m1/", c, c->m1, c->m->trunk_bytes, true, false};
    if (c->m2)
        part[k++] = (struct part){"control/optimizer.m2/", c, c->m2, c->m->trunk_bytes, true, false};
    return k;
}

static bool belongs(const struct part *p, const struct model_value *v)
{
    const struct model_param *param = &p->net->m->param[v->param];
    return param->state == p->states && (!p->heads_only || param->layout == LAYOUT_HEADS);
}

/* Host copies that live until the file is written. */
struct copies {
    void **data;
    size_t count;
};

static enum rote_status keep(struct copies *c, size_t bytes, void *out)
{
    void *p = NULL;
    enum rote_status st = base_grow(&c->data, c->count + 1, sizeof *c->data);
    if (!st)
        st = base_alloc(&p, bytes, 1);
    if (!st) {
        c->data[c->count++] = p;
        *(void **)out = p;
    }
    return st;
}

static enum rote_status add_values(struct st_file *f, struct copies *c, const struct part *p)
{
    enum rote_status st = ROTE_OK;
    for (int i = 0; i < p->net->m->n_values; i++) {
        const struct model_value *v = &p->net->m->value[i];
        char name[160];
        float *floats;
        if (!belongs(p, v))
            continue;
        TRY(keep(c, (size_t)model_value_count(v) * sizeof *floats, &floats));
        TRY(model_read_value(p->net->m, i, p->buffer, p->first, floats));
        snprintf(name, sizeof name, "%s%s", p->prefix, v->name);
        TRY(st_add(f, name, ST_F32, v->rank, v->dim, floats));
    }
out:
    return st;
}

static enum rote_status add_sums(struct st_file *f, struct copies *c, struct train_net *n, const char *name)
{
    enum rote_status st = ROTE_OK;
    int64_t count = n->m->n_heads * MODEL_STATS;
    char key[64];
    float *now;
    TRY(keep(c, (size_t)count * sizeof *now, &now));
    TRY(model_plan_read_sums(n->m, n->step, now));
    snprintf(key, sizeof key, "sums/%s.device", name);
    TRY(st_add(f, key, ST_F32, 1, &count, now));
    snprintf(key, sizeof key, "sums/%s.log", name);
    TRY(st_add(f, key, ST_F64, 1, &count, n->sums));
    snprintf(key, sizeof key, "sums/%s.epoch", name);
    TRY(st_add(f, key, ST_F64, 1, &count, n->epoch_sums));
out:
    return st;
}

static void network_digest(const struct rote_run *t, char out[65])
{
    struct base_sha256 s;
    base_sha256_init(&s);
    for (int i = 0; i < t->net.m->n_values; i++) {
        const struct model_value *v = &t->net.m->value[i];
        char line[256];
        int n = snprintf(line, sizeof line, "%s %d %lld %lld %lld %lld\n", v->name, v->rank, (long long)v->dim[0],
                         (long long)v->dim[1], (long long)v->dim[2], (long long)v->dim[3]);
        base_sha256_add(&s, line, (size_t)n);
    }
    base_sha256_hex(&s, out);
}

static void data_digest(const struct rote_run *t, char out[65])
{
    struct base_sha256 s;
    const struct data_set *d = t->data;
    int64_t sizes[] = {d->channels, d->height, d->width, d->classes, d->train.count};
    base_sha256_init(&s);
    base_sha256_add(&s, sizes, sizeof sizes);
    base_sha256_add(&s, d->train.labels, (size_t)d->train.count * sizeof *d->train.labels);
    base_sha256_add(&s, d->validation.labels, (size_t)d->validation.count * sizeof *d->validation.labels);
    if (t->n_labels)
        base_sha256_add(&s, t->own_labels, (size_t)t->n_labels * (size_t)d->train.count * sizeof *t->own_labels);
    base_sha256_hex(&s, out);
}

static enum rote_status meta_number(struct st_file *f, const char *key, double v)
{
    char text[40];
    snprintf(text, sizeof text, "%.17g", v);
    return st_meta(f, key, text);
}

static enum rote_status add_meta(struct rote_run *t, struct st_file *f)
{
    enum rote_status st = ROTE_OK;
    struct runlog_offsets at;
    struct base_buf yaml = {0};
    char digest[65];
    TRY(runlog_offsets(t, &at));
    TRY(config_to_yaml(&t->cfg, &yaml));
    TRY(st_meta(f, "format", FORMAT));
    TRY(st_meta(f, "rote", rote_version()));
    TRY(st_meta(f, "config", yaml.text));
    TRY(st_meta(f, "device", rt_facts_of(t->dev)->id));
    TRY(st_meta(f, "driver", rt_facts_of(t->dev)->driver));
    network_digest(t, digest);
    TRY(st_meta(f, "network", digest));
    data_digest(t, digest);
    TRY(st_meta(f, "data", digest));
    TRY(train_choices_digest(t, digest));
    TRY(st_meta(f, "choices", digest));
    TRY(meta_number(f, "step", (double)t->step));
    TRY(meta_number(f, "seconds", t->seconds));
    TRY(meta_number(f, "training_seconds", t->training_seconds));
    TRY(meta_number(f, "instrument_seconds", t->instrument_seconds));
    TRY(meta_number(f, "log.jsonl", (double)at.jsonl));
    TRY(meta_number(f, "log.csv", (double)at.csv));
    TRY(meta_number(f, "events", (double)at.events));
out:
    base_buf_free(&yaml);
    return st;
}

/* Two runs of one configuration that took another time write the same tensors, but not
 * the same metadata; that is meant. */
static enum rote_status collect(struct rote_run *t, struct st_file *f, struct copies *c)
{
    enum rote_status st = ROTE_OK;
    int64_t history[2] = {train_history_rows(t), train_history_width(t)};
    struct part part[12];
    int n = list_parts(t, part);
    float *ledger;
    int64_t dim[2] = {t->data->train.count, MODEL_LEDGER};
    for (int i = 0; i < n; i++)
        TRY(add_values(f, c, &part[i]));
    TRY(keep(c, (size_t)(dim[0] * dim[1]) * sizeof *ledger, &ledger));
    TRY(rt_read(t->ledger, 0, ledger, (uint64_t)(dim[0] * dim[1]) * sizeof *ledger));
    TRY(st_add(f, "ledger", ST_F32, 2, dim, ledger));
    TRY(add_sums(f, c, &t->net, "net"));
    if (history[0])
        TRY(st_add(f, "history", ST_F64, 2, history, t->history));
    if (t->control.m)
        TRY(add_sums(f, c, &t->control, "control"));
    TRY(add_meta(t, f));
out:
    return st;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(*(char *const *)b, *(char *const *)a);
}

static bool is_checkpoint(const char *name)
{
    size_t n = strlen(name);
    return !strncmp(name, "checkpoint-", 11) && n > 12 && !strcmp(name + n - 12, ".safetensors");
}

static void remove_old(const char *folder)
{
    DIR *d = opendir(folder);
    char *names[64];
    size_t n = 0;
    for (struct dirent *e; d && (e = readdir(d)) && n < COUNT_OF(names);)
        if (is_checkpoint(e->d_name) && !base_sprintf(&names[n], "%s/%s", folder, e->d_name))
            n++;
    if (d)
        closedir(d);
    qsort(names, n, sizeof *names, newest_first);
    for (size_t i = 0; i < n; i++) {
        if (i >= KEPT)
            unlink(names[i]);
        base_free(names[i]);
    }
}

enum rote_status checkpoint_save(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    struct st_file *f = NULL;
    struct copies c = {0};
    char name[64], *path = NULL, *latest = NULL;
    snprintf(name, sizeof name, "checkpoint-%010lld.safetensors", (long long)t->step);
    TRY(base_sprintf(&path, "%s/%s", t->folder, name));
    TRY(base_sprintf(&latest, "%s/latest", t->folder));
    TRY(st_new(&f));
    TRY(collect(t, f, &c));
    TRY(st_write(f, path));
    TRY(base_write_file_atomic(latest, name, strlen(name)));
    remove_old(t->folder);
out:
    st_free(f);
    for (size_t i = 0; i < c.count; i++)
        base_free(c.data[i]);
    base_free(c.data);
    base_free(path);
    base_free(latest);
    return st;
}

bool checkpoint_any(const char *folder)
{
    DIR *d = opendir(folder);
    bool found = false;
    for (struct dirent *e; d && (e = readdir(d));)
        found = found || is_checkpoint(e->d_name) || !strcmp(e->d_name, "latest");
    if (d)
        closedir(d);
    return found;
}

enum rote_status checkpoint_latest(const char *folder, char **path)
{
    enum rote_status st = ROTE_OK;
    char *latest = NULL, *name = NULL;
    size_t len;
    TRY(base_sprintf(&latest, "%s/latest", folder));
    if (!base_file_exists(latest))
        FAIL(ROTE_ENOTFOUND, "%s has no checkpoint (no file `latest`): is it a run's folder?", folder);
    TRY(base_read_file(latest, &name, &len));
    if (!is_checkpoint(name) || strchr(name, '/') || strlen(name) != len)
        FAIL(ROTE_EFORMAT, "%s names no checkpoint; give one of the folder's checkpoint-*.safetensors by name", latest);
    TRY(base_sprintf(path, "%s/%s", folder, name));
out:
    base_free(latest);
    base_free(name);
    return st;
}

static enum rote_status find(const struct st_file *f, const char *path, const char *name, enum st_type type, int rank,
                             const int64_t *dim, const struct st_tensor **out)
{
    const struct st_tensor *x = st_find(f, name);
    if (!x)
        return base_error(ROTE_EFORMAT, "%s: tensor %s is missing: it is a checkpoint of another network", path, name);
    bool same = x->type == type && x->rank == rank;
    for (int i = 0; same && i < rank; i++)
        same = x->dim[i] == dim[i];
    if (!same)
        return base_error(ROTE_EFORMAT, "%s: tensor %s has another shape: it is a checkpoint of another network", path,
                          name);
    *out = x;
    return ROTE_OK;
}

static enum rote_status load_values(struct rote_run *t, const struct st_file *f, const char *path, bool write)
{
    enum rote_status st = ROTE_OK;
    struct part part[12];
    int n = list_parts(t, part);
    for (int k = 0; k < n; k++) {
        const struct part *p = &part[k];
        for (int i = 0; i < p->net->m->n_values; i++) {
            const struct model_value *v = &p->net->m->value[i];
            const struct st_tensor *x = NULL;
            char name[160];
            if (!belongs(p, v))
                continue;
            snprintf(name, sizeof name, "%s%s", p->prefix, v->name);
            TRY(find(f, path, name, ST_F32, v->rank, v->dim, &x));
            if (write)
                TRY(model_write_value(p->net->m, i, p->buffer, p->first, x->data));
        }
    }
out:
    return st;
}

static enum rote_status load_sums(struct train_net *n, const struct st_file *f, const char *path, const char *name)
{
    enum rote_status st = ROTE_OK;
    int64_t count = n->m->n_heads * MODEL_STATS;
    const struct st_tensor *now = NULL, *line = NULL, *epoch = NULL;
    char key[64];
    snprintf(key, sizeof key, "sums/%s.device", name);
    TRY(find(f, path, key, ST_F32, 1, &count, &now));
    snprintf(key, sizeof key, "sums/%s.log", name);
    TRY(find(f, path, key, ST_F64, 1, &count, &line));
    snprintf(key, sizeof key, "sums/%s.epoch", name);
    TRY(find(f, path, key, ST_F64, 1, &count, &epoch));
    TRY(model_plan_write_sums(n->m, n->step, now->data));
    memcpy(n->sums, line->data, (size_t)count * sizeof *n->sums);
    memcpy(n->epoch_sums, epoch->data, (size_t)count * sizeof *n->epoch_sums);
out:
    return st;
}

static enum rote_status check_meta(struct rote_run *t, const struct st_file *f, const char *path)
{
    char digest[65];
    const char *format = st_meta_get(f, "format"), *network = st_meta_get(f, "network"), *data = st_meta_get(f, "data");
    const char *device = st_meta_get(f, "device"), *driver = st_meta_get(f, "driver");
    const char *choices = st_meta_get(f, "choices");
    const struct rt_facts *facts = rt_facts_of(t->dev);
    if (!format || strcmp(format, FORMAT) || !network || !data || !device || !driver || !st_meta_get(f, "step"))
        return base_error(ROTE_EFORMAT, "%s is no checkpoint of this version (format %s, expected %s)", path,
                          format ? format : "unknown", FORMAT);
    network_digest(t, digest);
    if (strcmp(digest, network))
        return base_error(ROTE_EFORMAT, "%s is a checkpoint of another network than config.yaml has", path);
    data_digest(t, digest);
    if (strcmp(digest, data))
        return base_error(ROTE_EFORMAT, "%s was trained on other data (its labels or sizes differ)", path);
    if (strcmp(device, facts->id) || strcmp(driver, facts->driver))
        base_warn("%s was made on %s, driver %s; going on with %s, driver %s: results will not be the same bits", path,
                  device, driver, facts->id, facts->driver);
    else if (choices && !train_choices_digest(t, digest) && strcmp(digest, choices))
        base_warn("%s was made with other variants of operators: the device was tuned since, or its tuning file is "
                  "gone; results will not be the same bits", path);
    return ROTE_OK;
}

/* config.yaml may have been edited since: more epochs are fine, other batches are not. */
static enum rote_status check_config(const struct rote_run *t, const struct st_file *f, const char *path)
{
    enum rote_status st = ROTE_OK;
    const char *then = st_meta_get(f, "config");
    struct base_buf now = {0};
    struct config c = {0};
    TRY(config_to_yaml(&t->cfg, &now));
    if (!then || !strcmp(then, now.text))
        goto out;
    TRY(config_defaults(&c));
    TRY(config_load_text(&c, then, path));
    if (c.batch != t->cfg.batch)
        FAIL(ROTE_ECONFIG, "%s was trained with batch %d, config.yaml says %d; set it back: steps are counted in batches",
             path, c.batch, t->cfg.batch);
    if (c.micro_batch && c.micro_batch != t->cfg.micro_batch)
        FAIL(ROTE_ECONFIG, "%s was trained in micro-batches of %d, config.yaml says %d; set it back: batch-norm "
             "statistics depend on it", path, c.micro_batch, t->cfg.micro_batch);
    if (c.data.folds != t->cfg.data.folds || c.data.fold != t->cfg.data.fold)
        FAIL(ROTE_ECONFIG, "%s was trained without fold %d of %d, config.yaml says %d of %d; set it back: it has seen "
             "the others", path, c.data.fold, c.data.folds, t->cfg.data.fold, t->cfg.data.folds);
    base_warn("config.yaml was changed since %s: the run goes on with what it says now", path);
out:
    config_free(&c);
    base_buf_free(&now);
    return st;
}

static double number(const struct st_file *f, const char *key)
{
    const char *v = st_meta_get(f, key);
    return v ? atof(v) : 0;
}

static enum rote_status load_history(struct rote_run *t, const struct st_file *f, const char *path)
{
    enum rote_status st = ROTE_OK;
    const struct st_tensor *history = NULL;
    int64_t dim[2] = {train_history_rows(t), train_history_width(t)};
    if (!dim[0])
        return ROTE_OK;
    TRY(find(f, path, "history", ST_F64, 2, dim, &history));
    TRY(base_grow(&t->history, (size_t)(dim[0] * dim[1]), sizeof *t->history));
    memcpy(t->history, history->data, history->bytes);
out:
    return st;
}

enum rote_status checkpoint_load(struct rote_run *t, const char *path, bool logs)
{
    enum rote_status st = ROTE_OK;
    struct st_file *f = NULL;
    const struct st_tensor *ledger = NULL;
    int64_t dim[2] = {t->data->train.count, MODEL_LEDGER};
    TRY(st_read(path, &f));
    TRY(check_meta(t, f, path));
    TRY(check_config(t, f, path));
    TRY(load_values(t, f, path, false));
    TRY(find(f, path, "ledger", ST_F32, 2, dim, &ledger));
    TRY(train_prepare(t));
    TRY(load_values(t, f, path, true));
    TRY(rt_write(t->ledger, 0, ledger->data, ledger->bytes));
    TRY(load_sums(&t->net, f, path, "net"));
    if (t->control.m)
        TRY(load_sums(&t->control, f, path, "control"));
    t->step = (int64_t)number(f, "step");
    TRY(load_history(t, f, path));
    t->seconds = number(f, "seconds");
    t->training_seconds = number(f, "training_seconds");
    t->instrument_seconds = number(f, "instrument_seconds");
    if (logs) {
        struct runlog_offsets at = {(int64_t)number(f, "log.jsonl"), (int64_t)number(f, "log.csv"),
                                    (int64_t)number(f, "events")};
        TRY(runlog_open(t, &at));
    }
out:
    st_free(f);
    return st;
}
