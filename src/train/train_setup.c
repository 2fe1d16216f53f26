/* From a configuration to models and plans. */
#include <string.h>
#include <unistd.h>

#include "common/philox.clh"
#include "train/train_internal.h"

static enum rote_status load_data(struct rote_run *t)
{
    const struct config_data *d = &t->cfg.data;
    static const enum data_kind kinds[] = {
        [CONFIG_DATA_FASHION_MNIST] = DATA_FASHION_MNIST, [CONFIG_DATA_IDX] = DATA_IDX,
        [CONFIG_DATA_CIFAR10] = DATA_CIFAR10, [CONFIG_DATA_CIFAR100] = DATA_CIFAR100,
        [CONFIG_DATA_NPY] = DATA_NPY, [CONFIG_DATA_SYNTHETIC] = DATA_SYNTHETIC};
    if (d->kind == CONFIG_DATA_ARRAYS)
        return base_error(ROTE_ECONFIG, "data.kind arrays: the images come from a program, not from a configuration");
    struct data_options o = {.kind = kinds[d->kind], .path = d->path, .train_images = d->train_images,
                             .train_labels = d->train_labels, .test_images = d->test_images,
                             .test_labels = d->test_labels, .nchw = d->layout == CONFIG_LAYOUT_NCHW,
                             .classes = d->classes, .channels = d->channels, .height = d->height, .width = d->width,
                             .train_count = d->train_count, .test_count = d->test_count, .seed = t->cfg.seed};
    return data_load(&o, &t->data);
}

/* A share of the training labels becomes one of the other classes; of canaries it is known which. The noise does not
 * depend on whether there are canaries. */
static enum rote_status add_noise(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    const struct config_data *c = &t->cfg.data;
    uint64_t seed = (uint64_t)config_seed(&t->cfg, t->cfg.seeds.noise);
    struct data_split *s = &t->data->train;
    if (c->canaries > 0 && t->data->classes < 2)
        FAIL(ROTE_ECONFIG, "data.canaries: there is one class, and no wrong label to give");
    if (c->canaries > 0)
        TRY(base_alloc(&t->canary, (size_t)s->count, 1));
    for (int64_t i = 0; i < s->count && (c->label_noise > 0 || t->canary); i++) {
        struct philox r = philox4x32((uint32_t)i, 0, STREAM_NOISE, 0, (uint32_t)seed, (uint32_t)(seed >> 32));
        bool canary = t->canary && (r.v[2] + 0.5) / 4294967296.0 < c->canaries;
        if (!canary && (r.v[0] + 0.5) / 4294967296.0 >= c->label_noise)
            continue;
        uint32_t other = (uint32_t)(((uint64_t)r.v[1] * (uint64_t)(t->data->classes - 1)) >> 32);
        s->labels[i] = (s->labels[i] + 1 + (int32_t)other) % t->data->classes;
        if (canary)
            t->canary[i] = 1;
    }
out:
    return st;
}

static enum rote_status prepare_data(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    const struct config *c = &t->cfg;
    if (!t->data)
        TRY(load_data(t));
    int64_t given = t->data->train.count;
    if (c->data.validation && !t->data->validation.count) /* data that a run was made with have it taken out */
        TRY(data_hold_out(t->data, c->data.validation));
    if (c->data.subset)
        TRY(data_take(&t->data->train, c->data.subset));
    TRY(add_noise(t));
    TRY(train_make_folds(t));
    TRY(train_read_labels(t, given));
    if (t->train_count < c->batch)
        FAIL(ROTE_ECONFIG, "batch %d is larger than the %lld training samples%s; choose a smaller one", c->batch,
             (long long)t->train_count, t->fold ? " outside the fold" : "");
    t->steps_per_epoch = t->train_count / c->batch;
    t->clean_count = c->rla_subset && c->rla_subset < t->train_count ? c->rla_subset : t->train_count;
    if (t->data->train.values && (c->augment.crop || c->augment.flip || c->augment.cutout))
        FAIL(ROTE_ECONFIG, "augment is for images of bytes; this data set has floats: set augment.crop=0, "
                           "augment.flip=false, augment.cutout=0");
    if ((c->shifted || c->also_shifted) && (t->data->height * t->data->width == 1 || !t->data->test.count))
        FAIL(ROTE_ECONFIG, "shifted samples: %s; set shifted: false, or leave --shifted out", t->data->test.count
             ? "samples are vectors, in which nothing can be blurred or moved" : "there are no test samples");
out:
    return st;
}

static void make_head(const struct rote_run *t, const struct config_head *h, struct model_head *out)
{
    static const enum model_loss losses[] = {
        [CONFIG_LOSS_UNLIKELIHOOD] = LOSS_UNLIKELIHOOD, [CONFIG_LOSS_CONFUSION] = LOSS_CONFUSION,
        [CONFIG_LOSS_REVERSAL] = LOSS_REVERSAL, [CONFIG_LOSS_ENTROPY] = LOSS_ENTROPY};
    bool own = h->kind == CONFIG_HEAD_CLASS;
    *out = (struct model_head){.kind = own ? HEAD_CLASS : h->per_class ? HEAD_RANDOM_PER_CLASS : HEAD_RANDOM,
                               .n = config_head_labels(h, t->data->classes), .loss = own ? LOSS_OWN : losses[h->loss],
                               .lambda = h->lambda, .smoothing = own ? t->cfg.label_smoothing : 0,
                               .probe = t->cfg.frozen, .scheduled = h->schedule == CONFIG_LAMBDA_GANIN,
                               .redraw = h->redraw,
                               .seed = (uint64_t)config_head_seed(&t->cfg, h)};
    snprintf(out->name, sizeof out->name, "%s", h->name);
    snprintf(out->at, sizeof out->at, "%s", h->at);
}

static enum rote_status network(struct rote_run *t, struct spec **out)
{
    const struct data_set *d = t->data;
    return config_spec(&t->cfg, d->channels, d->height, d->width, out);
}

static enum rote_status make_models(struct rote_run *t, bool probes)
{
    enum rote_status st = ROTE_OK;
    struct model_head *heads = NULL, *random = NULL;
    struct spec *s = NULL;
    const struct data_set *d = t->data;
    int n = 0, all = (int)t->cfg.heads_count, n_random = 0, row = 0;
    TRY(base_alloc(&heads, (size_t)all, sizeof *heads));
    TRY(base_alloc(&random, (size_t)all, sizeof *random));
    for (int i = 0; i < all; i++) {
        struct model_head *h = &heads[n];
        make_head(t, &t->cfg.heads[i], h);
        h->own_labels = t->cfg.heads[i].labels ? ++row : 0;
        if (h->kind == HEAD_CLASS && h->n < d->classes)
            FAIL(ROTE_ECONFIG, "head %s: n is %d, but the data has %d classes", h->name, h->n, d->classes);
        if (h->kind != HEAD_CLASS && !probes)
            continue;
        n++;
        if (h->kind != HEAD_CLASS) {
            random[n_random] = *h;
            random[n_random++].lambda = 0;
        }
    }
    TRY(network(t, &s));
    st = model_new(t->dev, s, d->channels, d->height, d->width, d->classes, heads, n, &t->net.m);
    s = NULL;
    TRY(st);
    t->net.m->frozen = t->net.m->settled = t->cfg.frozen;
    t->net.m->n_labels = t->n_labels;
    t->net.m->labelled = d->train.count;
    if (t->cfg.control.enabled && n_random) {
        TRY(network(t, &s));
        st = model_new(t->dev, s, d->channels, d->height, d->width, d->classes, random, n_random, &t->control.m);
        s = NULL;
        TRY(st);
        t->control.m->frozen = true;
        t->control.m->n_labels = t->n_labels;
        t->control.m->labelled = d->train.count;
    }
out:
    spec_free(s);
    base_free(heads);
    base_free(random);
    return st;
}

struct model_plan_options train_plan_options(const struct rote_run *t, bool control)
{
    const struct config *c = &t->cfg;
    const struct config_optimizer *o = &c->optimizer;
    return (struct model_plan_options){
        .batch = c->micro_batch, .whole_batch = c->batch, .recompute = t->recompute, .training = true,
        .floats = t->data->train.values, .data_count = t->data->train.count, .order_count = t->data->train.count,
        .crop = c->augment.crop, .flip = c->augment.flip, .cutout = c->augment.cutout, .cutout_p = c->augment.cutout_p,
        .optimizer = o->kind == CONFIG_OPTIMIZER_SGD ? OPTIMIZER_SGD : OPTIMIZER_ADAMW, .momentum = o->momentum,
        .decay = o->decay, .beta1 = o->beta1, .beta2 = o->beta2, .eps = o->eps, .nesterov = o->nesterov,
        .variant = t->cfg.variant, .ledger = !control, .ema = control ? 0 : c->ema};
}

static enum rote_status make_plans(struct rote_run *t, struct train_net *net, bool control)
{
    enum rote_status st = ROTE_OK;
    struct model_plan_options o = train_plan_options(t, control);
    TRY(model_plan_new(net->m, &o, &net->step));
    o.training = false;
    o.crop = o.flip = o.cutout = 0;
    o.order_count = t->clean_count;
    TRY(model_plan_new(net->m, &o, &net->clean));
    o.data_count = o.order_count = t->data->test.count;
    o.shift = t->cfg.shifted || t->cfg.also_shifted;
    if (!control && t->data->test.count)
        TRY(model_plan_new(net->m, &o, &net->test));
    o.shift = false;
    o.data_count = o.order_count = t->data->validation.count;
    if (!control && t->data->validation.count)
        TRY(model_plan_new(net->m, &o, &net->validation));
    if (!control && train_calibrates(t, SPLIT_TEST))
        TRY(train_predict_plan(t, SPLIT_TEST, NULL, &net->test_logits));
    if (!control && train_calibrates(t, SPLIT_VALIDATION))
        TRY(train_predict_plan(t, SPLIT_VALIDATION, NULL, &net->validation_logits));
    if (!control && t->cfg.predictions_every)
        TRY(train_predict_plan(t, SPLIT_TRAINING, NULL, &net->predict));
out:
    return st;
}

static void net_free(struct train_net *n)
{
    model_plan_free(n->step);
    model_plan_free(n->clean);
    model_plan_free(n->test);
    model_plan_free(n->validation);
    model_plan_free(n->predict);
    model_plan_free(n->test_logits);
    model_plan_free(n->validation_logits);
    model_free(n->m);
    n->step = n->clean = n->test = n->validation = n->predict = n->test_logits = n->validation_logits = NULL;
    n->m = NULL;
}

enum rote_status train_plan(struct rote_run *t, bool probes)
{
    enum rote_status st = ROTE_OK;
    net_free(&t->net);
    net_free(&t->control);
    t->n_items = 0;
    TRY(make_models(t, probes));
    TRY(make_plans(t, &t->net, false));
    if (t->control.m)
        TRY(make_plans(t, &t->control, true));
    TRY(train_list_memory(t));
out:
    return st;
}

/* Plans twice where someone builds programs for us: first to learn which are missing. What goes
 * wrong then goes wrong again, and is told; memory that is not there at once, before anything is built, unless
 * micro-batches are still to be chosen. */
static enum rote_status tell_builder(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    if (!rt_has_builder(t->dev))
        return st;
    const struct graph *g[8] = {NULL};
    double per_step;
    int n = 0, micro = t->cfg.micro_batch;
    rt_collect(t->dev, true);
    t->cfg.micro_batch = micro ? micro : t->cfg.batch;
    st = train_plan(t, true);
    if (!st) {
        while (n < (int)COUNT_OF(g) && (g[n] = train_graph(t, n, &per_step)))
            n++;
        graph_tell_builder(g, n);
    }
    net_free(&t->net);
    net_free(&t->control);
    t->cfg.micro_batch = micro;
    rt_collect(t->dev, false);
    return st == ROTE_EDEVMEM && micro ? st : ROTE_OK;
}

static enum rote_status build(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    TRY(config_inline_network(&t->cfg));
    TRY(config_validate(&t->cfg));
    TRY(config_memory_limit(&t->cfg, &t->limit_bytes));
    TRY(prepare_data(t));
    TRY(tell_builder(t));
    TRY(train_fit(t));
out:
    return st;
}

static struct rote_run *allocate(struct rote_device *dev, struct config *c, struct data_set *data)
{
    struct rote_run *t;
    if (base_alloc(&t, 1, sizeof *t))
        return NULL;
    t->dev = dev;
    t->lock = -1;
    t->cfg = *c;
    t->data = data;
    *c = (struct config){0};
    const double nothing[MODEL_STATS] = {0};
    for (int i = 0; i < MODEL_MAX_HEADS; i++) {
        train_figures_of(nothing, &t->net.stream[i]);
        t->net.clean_figures[i] = t->net.test_figures[i] = t->net.validation_figures[i] = t->net.stream[i];
        t->control.clean_figures[i] = t->net.stream[i];
    }
    return t;
}

enum rote_status train_new(struct rote_device *dev, struct config *c, struct data_set *data, struct rote_run **out)
{
    enum rote_status st = ROTE_OK;
    struct rote_run *t = allocate(dev, c, data);
    if (!t) {
        config_free(c);
        data_free(data);
        return ROTE_ENOMEM;
    }
    TRY(build(t));
    *out = t;
    t = NULL;
out:
    train_free(t);
    return st;
}

enum rote_status train_prepare(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    uint64_t seed = (uint64_t)config_seed(&t->cfg, t->cfg.seeds.init);
    TRY(train_allocate(t));
    TRY(train_upload(t));
    TRY(model_init(t->net.m, seed));
    if (t->control.m)
        TRY(model_init(t->control.m, seed));
out:
    return st;
}

enum rote_status train_start(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    if (t->net.m->params)
        return ROTE_OK;
    TRY(train_prepare(t));
    if (t->cfg.init)
        TRY(checkpoint_init(t, t->cfg.init));
    if (t->net.ema)
        TRY(rt_copy(t->net.ema, 0, t->net.m->params, 0, t->net.m->param_bytes));
out:
    return st;
}

void train_free(struct rote_run *t)
{
    if (!t)
        return;
    runlog_close(t->log);
    if (t->lock >= 0)
        close(t->lock);
    net_free(&t->net);
    net_free(&t->control);
    graph_arena_free(&t->arena);
    for (int i = 0; i < t->n_items; i++)
        rt_mem_free(*t->item[i].mem);
    data_free(t->data);
    base_free(t->canary);
    base_free(t->history);
    base_free(t->fold);
    base_free(t->own_labels);
    base_free(t->folder);
    base_free(t->device_id);
    config_free(&t->cfg);
    base_free(t);
}

const struct graph *train_graph(const struct rote_run *t, int index, double *per_step)
{
    const struct model_plan *plan[] = {t->net.step, t->net.clean, t->net.test, t->net.validation, t->control.step,
                                       t->control.clean};
    double epoch = (double)t->steps_per_epoch * t->cfg.batch;
    double tests = config_test_when(&t->cfg) == CONFIG_TEST_EPOCH ? (double)t->data->test.count : 0;
    double each[] = {1, (double)t->clean_count / epoch, tests / epoch, (double)t->data->validation.count / epoch,
                     1.0 / t->cfg.control.every, (double)t->clean_count / epoch};
    for (size_t i = 0; i < COUNT_OF(plan); i++) {
        if (!plan[i] || index--)
            continue;
        *per_step = each[i];
        return plan[i]->g;
    }
    return NULL;
}

const char *train_folder(const struct rote_run *t)
{
    return t->folder;
}

struct model *train_model(struct rote_run *t)
{
    return t->net.m;
}

const struct config *train_config(const struct rote_run *t)
{
    return &t->cfg;
}
