/* include/rote/run.h over configurations, data sets and runs. */
#include "rote/run.h"

#include <string.h>

#include "model/spec_yaml.h"
#include "train/train_internal.h"

struct rote_data {
    struct data_set *set;
};

enum rote_status rote_config_new(rote_config **out)
{
    enum rote_status st = ROTE_OK;
    struct rote_config *c = NULL;
    if (!out)
        return base_null_argument("rote_config_new");
    TRY(base_alloc(&c, 1, sizeof *c));
    TRY(config_defaults(&c->c));
    *out = c;
    c = NULL;
out:
    base_free(c);
    return st;
}

void rote_config_free(rote_config *c)
{
    if (!c)
        return;
    config_free(&c->c);
    base_free(c);
}

enum rote_status rote_config_load(rote_config *c, const char *path)
{
    return c && path ? config_load(&c->c, path) : base_null_argument("rote_config_load");
}

enum rote_status rote_config_probe(rote_config *c, const char *folder)
{
    enum rote_status st = ROTE_OK;
    struct config n = {0};
    if (!c || !folder)
        return base_null_argument("rote_config_probe");
    TRY(train_folder_config(folder, &n));
    base_free(n.init);
    n.init = NULL;
    base_free(n.out);
    n.out = NULL;
    TRY(base_strdup(&n.init, folder));
    n.frozen = true;
    n.ema = 0;
    n.early_stop = CONFIG_STOP_NONE;
    for (unsigned i = 0; i < n.heads_count; i++)
        n.heads[i].lambda = 0;
    config_free(&c->c);
    c->c = n;
    n = (struct config){0};
out:
    config_free(&n);
    return st;
}

enum rote_status rote_config_set(rote_config *c, const char *assignment)
{
    return c && assignment ? config_set(&c->c, assignment) : base_null_argument("rote_config_set");
}

enum rote_status rote_config_set_device(rote_config *c, const char *selector)
{
    char *copy;
    if (!c || !selector)
        return base_null_argument("rote_config_set_device");
    enum rote_status st = base_strdup(&copy, selector);
    if (st)
        return st;
    base_free(c->c.device);
    c->c.device = copy;
    return ROTE_OK;
}

enum rote_status rote_config_device(const rote_config *c, char **selector)
{
    if (!c || !selector)
        return base_null_argument("rote_config_device");
    *selector = NULL;
    return c->c.device ? base_strdup(selector, c->c.device) : ROTE_OK;
}

/* Layers live as YAML entries in a configuration: through a spec and back. */
enum rote_status rote_config_add_layer(rote_config *c, const char *name, const char *type, const char *from,
                                       const char *attributes)
{
    enum rote_status st = ROTE_OK;
    struct spec *s = NULL;
    struct spec_entry *entries = NULL;
    if (!c || !name || !type || !attributes)
        return base_null_argument("rote_config_add_layer");
    if (c->c.layers_count)
        TRY(spec_from_entries("layers", c->c.layers, c->c.layers_count, &s));
    else
        TRY(spec_new("layers", &s));
    TRY(spec_add(s, name, type, from ? from : "", "%s", attributes));
    TRY(spec_validate(s));
    TRY(spec_to_entries(s, &entries));
    spec_entries_free(c->c.layers, c->c.layers_count);
    c->c.layers = entries;
    c->c.layers_count = (unsigned)s->count;
    base_free(c->c.model);
    base_free(c->c.network);
    c->c.model = c->c.network = NULL;
out:
    spec_free(s);
    return st;
}

/* The text is the caller's; buffers of text are allocated as rote_free expects. */
static enum rote_status give(enum rote_status st, struct base_buf *b, char **text)
{
    if (st) {
        base_buf_free(b);
        return st;
    }
    *text = b->text;
    return ROTE_OK;
}

enum rote_status rote_config_yaml(const rote_config *c, char **text)
{
    struct base_buf b = {0};
    if (!c || !text)
        return base_null_argument("rote_config_yaml");
    return give(config_to_yaml(&c->c, &b), &b, text);
}

static struct npy npy_of(const struct rote_array *a)
{
    struct npy n = {.rank = 0};
    if (!a)
        return n;
    n.type = a->type;
    n.rank = a->rank;
    n.count = 1;
    n.data = a->data;
    for (int i = 0; i < a->rank && i < 8; i++) {
        n.dim[i] = a->dim[i];
        n.count *= (size_t)a->dim[i];
    }
    return n;
}

enum rote_status rote_data_from_arrays(const struct rote_array *train_images, const struct rote_array *train_labels,
                                       const struct rote_array *test_images, const struct rote_array *test_labels,
                                       int nchw, int classes, rote_data **out)
{
    enum rote_status st = ROTE_OK;
    struct rote_data *d = NULL;
    if (!train_images || !train_labels || !out || !test_images != !test_labels)
        return base_null_argument("rote_data_from_arrays");
    const struct npy array[4] = {npy_of(train_images), npy_of(train_labels), npy_of(test_images), npy_of(test_labels)};
    TRY(base_alloc(&d, 1, sizeof *d));
    TRY(data_from_arrays(array, nchw != 0, classes, &d->set));
    *out = d;
    d = NULL;
out:
    rote_data_free(d);
    return st;
}

void rote_data_free(rote_data *d)
{
    if (!d)
        return;
    data_free(d->set);
    base_free(d);
}

enum rote_status rote_run_new(rote_device *device, const rote_config *c, const rote_data *data, rote_run **out)
{
    enum rote_status st = ROTE_OK;
    struct config copy = {0};
    struct data_set *set = NULL;
    if (!device || !c || !out)
        return base_null_argument("rote_run_new");
    TRY(config_copy(&c->c, &copy));
    if (data) {
        TRY(data_copy(data->set, &set));
        copy.data.kind = CONFIG_DATA_ARRAYS;
    }
    st = train_new(device, &copy, set, out);
    set = NULL;
    TRY(st);
out:
    data_free(set);
    config_free(&copy);
    return st;
}

void rote_run_free(rote_run *run)
{
    train_free(run);
}

enum rote_status rote_run_create_folder(rote_run *run, const char *path)
{
    return run ? train_create_folder(run, path) : base_null_argument("rote_run_create_folder");
}

const char *rote_run_folder(const rote_run *run)
{
    return train_folder(run);
}

enum rote_status rote_run_resume(rote_device *device, const char *folder, const char *checkpoint, rote_run **out)
{
    if (!device || !folder || !out)
        return base_null_argument("rote_run_resume");
    return train_resume(device, folder, checkpoint, out);
}

enum rote_status rote_run_open(rote_device *device, const char *folder, const char *checkpoint, rote_run **out)
{
    if (!device || !folder || !out)
        return base_null_argument("rote_run_open");
    return train_open(device, folder, checkpoint, false, out);
}

enum rote_status rote_run_open_shifted(rote_device *device, const char *folder, const char *checkpoint, rote_run **out)
{
    if (!device || !folder || !out)
        return base_null_argument("rote_run_open_shifted");
    return train_open(device, folder, checkpoint, true, out);
}

enum rote_status rote_run_folder_device(const char *folder, char **selector)
{
    enum rote_status st = ROTE_OK;
    struct config c = {0};
    if (!folder || !selector)
        return base_null_argument("rote_run_folder_device");
    TRY(train_folder_config(folder, &c));
    *selector = c.device;
    c.device = NULL;
out:
    config_free(&c);
    return st;
}

enum rote_status rote_run_train(rote_run *run, rote_progress_fn progress, void *user)
{
    if (!run)
        return base_null_argument("rote_run_train");
    return train_run(run, &(struct train_hooks){.progress = progress, .user = user});
}

enum rote_status rote_run_evaluate(rote_run *run, rote_progress_fn progress, void *user)
{
    const struct train_hooks hooks = {.progress = progress, .user = user};
    if (!run)
        return base_null_argument("rote_run_evaluate");
    enum rote_status st = train_evaluate(run, &hooks);
    st = st ? st : train_evaluate_test(run, &hooks);
    return st ? st : train_evaluate_end(run, true, &hooks);
}

enum rote_status rote_run_write_predictions(rote_run *run, const char *folder, const char *layer,
                                            rote_progress_fn progress, void *user)
{
    if (!run || !folder)
        return base_null_argument("rote_run_write_predictions");
    return train_write_predictions(run, folder, layer, &(struct train_hooks){.progress = progress, .user = user});
}

enum rote_status rote_folds(rote_device *device, const rote_config *c, int folds, const char *folder,
                            rote_progress_fn progress, void *user, struct rote_folds_report *out)
{
    if (!device || !c || !folder || !out)
        return base_null_argument("rote_folds");
    return train_folds(device, &c->c, folds, folder, &(struct train_hooks){.progress = progress, .user = user}, out);
}

enum rote_status rote_folds_json(const struct rote_folds_report *report, char **text)
{
    struct base_buf b = {0};
    if (!report || !text)
        return base_null_argument("rote_folds_json");
    return give(train_folds_json(report, &b), &b, text);
}

enum rote_status rote_run_report(const rote_run *run, struct rote_report *out)
{
    return run && out ? train_report(run, out) : base_null_argument("rote_run_report");
}

enum rote_status rote_run_head_report(const rote_run *run, int head, struct rote_head_report *out)
{
    return run && out ? train_head_report(run, head, out) : base_null_argument("rote_run_head_report");
}

enum rote_status rote_run_canaries(const rote_run *run, struct rote_canary_measure out[ROTE_CANARY_MEASURES],
                                   int64_t *planted)
{
    return run && out && planted ? ledger_canaries(run, out, planted) : base_null_argument("rote_run_canaries");
}

enum rote_status rote_run_shifts(const rote_run *run, struct rote_shift out[ROTE_SHIFT_KINDS], double *mean)
{
    return run && out && mean ? train_shifts(run, out, mean) : base_null_argument("rote_run_shifts");
}

enum rote_status rote_run_report_json(const rote_run *run, char **text)
{
    struct base_buf b = {0};
    if (!run || !text)
        return base_null_argument("rote_run_report_json");
    return give(train_report_json(run, &b), &b, text);
}

enum rote_status rote_run_plan(const rote_run *run, int json, char **text)
{
    struct base_buf b = {0};
    if (!run || !text)
        return base_null_argument("rote_run_plan");
    return give(train_describe(run, json != 0, &b), &b, text);
}

enum rote_status rote_run_parameter(rote_run *run, const char *name, struct rote_array *out)
{
    enum rote_status st = ROTE_OK;
    struct rote_array a = {.type = ROTE_F32};
    if (!run || !name || !out)
        return base_null_argument("rote_run_parameter");
    struct model *m = train_model(run);
    int i = model_find_value(m, name);
    if (i < 0)
        return base_error(ROTE_ENOTFOUND, "the network has no parameter '%s'", name);
    const struct model_value *v = &m->value[i];
    TRY(train_start(run));
    TRY(base_alloc(&a.data, (size_t)model_value_count(v), sizeof(float)));
    TRY(model_read_value(m, i, m->param[v->param].state ? m->states : m->params, 0, a.data));
    a.rank = v->rank;
    memcpy(a.dim, v->dim, sizeof v->dim);
    *out = a;
    a.data = NULL;
out:
    base_free(a.data);
    return st;
}
