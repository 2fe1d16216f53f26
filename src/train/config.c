/* Loading, assigning, validating a run's configuration, and making its network. */
#include "train/config.h"

#include <stdio.h>
#include <string.h>

#include "model/spec_yaml.h"
#include "train/config_schema.h"

static void drop_text(char **text)
{
    base_free(*text);
    *text = NULL;
}

/* Lines are only said of the file that config.source names. */
static void forget_lines(struct config *c)
{
    for (unsigned i = 0; i < c->heads_count; i++)
        c->heads[i].line = 0;
    for (unsigned i = 0; i < c->layers_count; i++)
        c->layers[i].line = 0;
}

enum rote_status config_load_text(struct config *c, const char *text, const char *what)
{
    enum rote_status st = schema_load(&config_schema, text, what, c);
    forget_lines(c);
    return st;
}

enum rote_status config_load(struct config *c, const char *path)
{
    char *text = NULL, *source = NULL;
    size_t len;
    enum rote_status st = ROTE_OK;
    TRY(base_read_file(path, &text, &len));
    if (strlen(text) != len)
        FAIL(ROTE_EFORMAT, "%s: a configuration is a text file; this one has zero bytes", path);
    TRY(base_strdup(&source, path));
    forget_lines(c);
    TRY(schema_load(&config_schema, text, path, c));
    drop_text(&c->source);
    c->source = source;
    source = NULL;
out:
    base_free(source);
    base_free(text);
    return st;
}

/* To choose a network is to drop the one chosen before. */
enum rote_status config_set(struct config *c, const char *assignment)
{
    enum rote_status st = schema_set(&config_schema, assignment, c);
    bool model = !strncmp(assignment, "model=", 6), network = !strncmp(assignment, "network=", 8);
    bool layers = !strncmp(assignment, "layers=", 7);
    if (!st && (!strncmp(assignment, "heads", 5) || !strncmp(assignment, "layers", 6)))
        forget_lines(c);
    if (st || !(model || network || layers))
        return st;
    if (!model)
        drop_text(&c->model);
    if (!network)
        drop_text(&c->network);
    if (!layers) {
        spec_entries_free(c->layers, c->layers_count);
        c->layers = NULL;
        c->layers_count = 0;
    }
    return ROTE_OK;
}

/* Through YAML, which is the whole of it but for where it came from. */
enum rote_status config_copy(const struct config *from, struct config *to)
{
    struct base_buf yaml = {0};
    enum rote_status st = ROTE_OK;
    TRY(config_to_yaml(from, &yaml));
    TRY(config_defaults(to));
    TRY(config_load_text(to, yaml.text, "the configuration"));
    if (from->source)
        TRY(base_strdup(&to->source, from->source));
    for (unsigned i = 0; i < from->heads_count; i++)
        to->heads[i].line = from->heads[i].line;
    for (unsigned i = 0; i < from->layers_count; i++)
        to->layers[i].line = from->layers[i].line;
out:
    if (st)
        config_free(to);
    base_buf_free(&yaml);
    return st;
}

void config_free(struct config *c)
{
    base_free(c->source);
    schema_free(&config_schema, c);
}

int64_t config_seed(const struct config *c, int64_t own)
{
    return own >= 0 ? own : c->seed;
}

int64_t config_head_seed(const struct config *c, const struct config_head *h)
{
    return h->seed >= 0 ? h->seed : config_seed(c, c->seeds.labels);
}

enum rote_status config_memory_limit(const struct config *c, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    const char *text = c->memory.limit, *unit;
    double number = 0;
    int used = 0;
    *bytes = UINT64_MAX;
    if (!text)
        return ROTE_OK;
    if (sscanf(text, "%lf%n", &number, &used) != 1 || !(number > 0 && number < 1e15))
        return base_error(ROTE_ECONFIG, "memory.limit \"%s\": write it as 512M or 1.5G (units K, M, G, T of 1024)",
                          text);
    unit = text[used] ? strchr(units, text[used]) : NULL;
    if (text[used] && (!unit || text[used + 1]))
        return base_error(ROTE_ECONFIG, "memory.limit \"%s\": '%s' is no unit; K, M, G and T are, of 1024", text,
                          text + used);
    for (const char *u = units; unit && u <= unit; u++)
        number *= 1024;
    *bytes = number < 1e18 ? (uint64_t)number : UINT64_MAX;
    return ROTE_OK;
}

enum config_test config_test_when(const struct config *c)
{
    if (c->test != CONFIG_TEST_AUTO)
        return c->test;
    return c->data.validation ? CONFIG_TEST_END : CONFIG_TEST_EPOCH;
}

int config_head_labels(const struct config_head *h, int classes)
{
    return h->n ? h->n : h->kind == CONFIG_HEAD_CLASS ? classes : 10;
}

/* Puts the file and the line in front of an error of a head. */
static enum rote_status head_error(const struct config *c, unsigned head, enum rote_status st)
{
    if (st && c->heads[head].line && c->source)
        base_error_prefix("%s: line %d", c->source, c->heads[head].line);
    return st;
}

static enum rote_status validate_head(const struct config *c, unsigned i)
{
    static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    const struct config_head *h = &c->heads[i];
    if (!h->name)
        return base_error(ROTE_ECONFIG, "heads[%u] has no name", i);
    if (!h->name[0] || strlen(h->name) > SPEC_NAME_MAX || h->name[strspn(h->name, ok)])
        return base_error(ROTE_ECONFIG, "heads[%u].name \"%s\": a name has 1 to %d letters, digits, _ - or .", i,
                          h->name, SPEC_NAME_MAX);
    for (unsigned k = 0; k < i; k++)
        if (!strcmp(c->heads[k].name, h->name))
            return base_error(ROTE_ECONFIG, "heads[%u] and heads[%u] are both named %s", k, i, h->name);
    if (!h->at || !h->at[0])
        return base_error(ROTE_ECONFIG, "heads[%u] (%s): at must name a layer", i, h->name);
    if (h->n == 1)
        return base_error(ROTE_ECONFIG, "heads[%u] (%s): n must be at least 2", i, h->name);
    if (h->kind == CONFIG_HEAD_CLASS && (h->per_class || h->redraw || h->lambda != 0))
        return base_error(ROTE_ECONFIG, "heads[%u] (%s): %s is for random heads; set kind: random or remove it", i,
                          h->name, h->per_class ? "per_class" : h->redraw ? "redraw" : "lambda");
    if (h->labels && (h->kind == CONFIG_HEAD_CLASS || h->redraw))
        return base_error(ROTE_ECONFIG, "heads[%u] (%s): labels are for random heads without redraw", i, h->name);
    return ROTE_OK;
}

static enum rote_status validate_heads(const struct config *c)
{
    enum rote_status st = ROTE_OK;
    bool any_class = false;
    for (unsigned i = 0; i < c->heads_count; i++) {
        TRY(head_error(c, i, validate_head(c, i)));
        any_class = any_class || c->heads[i].kind == CONFIG_HEAD_CLASS;
    }
    if (!any_class)
        FAIL(ROTE_ECONFIG, "heads has no class head; add {name: class, kind: class}");
out:
    return st;
}

static enum rote_status validate_frozen(const struct config *c)
{
    for (unsigned i = 0; i < c->heads_count && c->frozen; i++)
        if (c->heads[i].lambda != 0)
            return head_error(c, i, base_error(ROTE_ECONFIG, "heads[%u] (%s): the network is frozen, and lambda %g has "
                                               "nothing to push; set it to 0, or frozen: false", i, c->heads[i].name,
                                               c->heads[i].lambda));
    if (c->frozen && c->early_stop == CONFIG_STOP_RLA)
        return base_error(ROTE_ECONFIG, "early_stop rla is for a network that is trained; set early_stop: patience, or "
                                        "frozen: false");
    if (c->frozen && c->ema > 0)
        return base_error(ROTE_ECONFIG, "ema is of a network that is trained; set ema: 0, or frozen: false");
    return ROTE_OK;
}

static enum rote_status validate_lr(const struct config *c)
{
    const struct config_lr *lr = &c->lr;
    if (lr->schedule == CONFIG_LR_STEP && !lr->step_epochs_count)
        return base_error(ROTE_ECONFIG, "lr.schedule is step, but lr.step_epochs is empty; give it [60, 120, 160]");
    for (unsigned i = 1; i < lr->step_epochs_count; i++)
        if (lr->step_epochs[i] <= lr->step_epochs[i - 1])
            return base_error(ROTE_ECONFIG, "lr.step_epochs must rise: %d follows %d", lr->step_epochs[i],
                              lr->step_epochs[i - 1]);
    if (lr->schedule == CONFIG_LR_COSINE && lr->final > lr->base)
        return base_error(ROTE_ECONFIG, "lr.final = %g is above lr.base = %g", lr->final, lr->base);
    if (lr->warmup_epochs > 0 && lr->warmup_epochs >= c->epochs)
        return base_error(ROTE_ECONFIG, "lr.warmup_epochs = %g leaves nothing of %d epochs", lr->warmup_epochs,
                          c->epochs);
    return ROTE_OK;
}

static enum rote_status validate_data(const struct config *c)
{
    const struct config_data *d = &c->data;
    bool files = d->train_images && d->train_labels && d->test_images && d->test_labels;
    if (d->folds == 1 || (d->fold && d->fold >= d->folds))
        return base_error(ROTE_ECONFIG, "data.fold %d of data.folds %d: there are 2 folds or more, counted from 0; "
                                        "data.folds 0 leaves none out", d->fold, d->folds);
    if (d->kind == CONFIG_DATA_NPY && !files)
        return base_error(ROTE_ECONFIG, "data.kind npy needs data.train_images, data.train_labels, "
                                        "data.test_images and data.test_labels");
    if (d->kind == CONFIG_DATA_IDX && !files && !d->path)
        return base_error(ROTE_ECONFIG, "data.kind idx needs data.path, the folder of train-images-idx3-ubyte and "
                                        "so on, or the four files data.train_images ..");
    if ((d->kind == CONFIG_DATA_CIFAR10 || d->kind == CONFIG_DATA_CIFAR100) && !d->path)
        return base_error(ROTE_ECONFIG, "data.kind cifar10 and cifar100 need data.path, the folder of the .bin files");
    return ROTE_OK;
}

static enum rote_status validate_stop(const struct config *c)
{
    bool memorises = false;
    for (unsigned i = 0; i < c->heads_count; i++)
        memorises = memorises || (c->heads[i].kind == CONFIG_HEAD_RANDOM && !c->heads[i].redraw && !c->heads[i].labels);
    if (c->early_stop != CONFIG_STOP_NONE && !c->data.validation)
        return base_error(ROTE_ECONFIG, "early_stop needs a validation split; set data.validation, or "
                                        "early_stop: none");
    if (c->early_stop == CONFIG_STOP_RLA && !memorises)
        return base_error(ROTE_ECONFIG, "early_stop rla needs a random head whose labels stay; add {name: random}, or "
                                        "set early_stop: patience");
    return ROTE_OK;
}

enum rote_status config_validate(const struct config *c)
{
    enum rote_status st = ROTE_OK;
    int networks = !!c->model + !!c->network + !!c->layers_count;
    uint64_t limit;
    TRY(schema_check(&config_schema, c));
    if (networks > 1)
        FAIL(ROTE_ECONFIG, "give only one of model, network and layers");
    if (c->optimizer.nesterov && c->optimizer.kind == CONFIG_OPTIMIZER_SGD && c->optimizer.momentum == 0)
        FAIL(ROTE_ECONFIG, "optimizer.nesterov needs a momentum; set optimizer.momentum or nesterov: false");
    TRY(config_memory_limit(c, &limit));
    if (c->micro_batch && c->batch % c->micro_batch)
        FAIL(ROTE_ECONFIG, "micro_batch %d does not divide batch %d; choose one that does, or 0", c->micro_batch,
             c->batch);
    TRY(validate_data(c));
    TRY(validate_lr(c));
    TRY(validate_heads(c));
    TRY(validate_frozen(c));
    TRY(validate_stop(c));
out:
    return st;
}

static enum rote_status check_attach_points(const struct config *c, const struct spec *s)
{
    const char **names = NULL;
    enum rote_status st = ROTE_OK;
    TRY(base_alloc(&names, s->count, sizeof *names));
    for (size_t i = 0; i < s->count; i++)
        names[i] = s->layer[i].name;
    for (unsigned i = 0; i < c->heads_count; i++) {
        const struct config_head *h = &c->heads[i];
        const char *near = base_nearest(h->at, names, s->count);
        if (spec_find(s, h->at) < 0)
            TRY(head_error(c, i, base_error(ROTE_ECONFIG, "heads[%u] (%s): at: network %s has no layer %s; the nearest "
                                            "is %s", i, h->name, s->name, h->at, near ? near : names[s->count - 1])));
    }
out:
    base_free(names);
    return st;
}

/* Lines in front of its layers' errors are the source's. */
static enum rote_status own_network(const struct config *c, struct spec **out)
{
    enum rote_status st = spec_from_entries("layers", c->layers, c->layers_count, out);
    if (st && c->source && c->layers[0].line)
        base_error_prefix("%s", c->source);
    return st;
}

enum rote_status config_spec(const struct config *c, int channels, int height, int width, struct spec **out)
{
    struct spec *s = NULL;
    struct spec_shape *shapes = NULL;
    enum rote_status st = ROTE_OK;
    if (c->layers_count)
        TRY(own_network(c, &s));
    else if (c->network)
        TRY(spec_load(c->network, &s));
    else
        TRY(zoo_make(c->model ? c->model : "cnn", channels, height, width, &s));
    if (c->dropout > 0)
        TRY(spec_add_dropout(s, c->dropout));
    TRY(check_attach_points(c, s));
    TRY(base_alloc(&shapes, s->count, sizeof *shapes));
    TRY(spec_shapes(s, channels, height, width, shapes, NULL));
    *out = s;
    s = NULL;
out:
    base_free(shapes);
    spec_free(s);
    return st;
}

enum rote_status config_inline_network(struct config *c)
{
    struct spec *s = NULL;
    struct spec_entry *entries = NULL;
    enum rote_status st = ROTE_OK;
    if (!c->network)
        return ROTE_OK;
    TRY(spec_load(c->network, &s));
    TRY(spec_to_entries(s, &entries));
    spec_entries_free(c->layers, c->layers_count);
    c->layers = entries;
    c->layers_count = (unsigned)s->count;
    drop_text(&c->network);
out:
    spec_free(s);
    return st;
}
