/* The run's device memory: listed, summed up, then allocated from the list; and what
 * does not change during a run, uploaded. */
#include <string.h>

#include "common/philox.clh"
#include "train/train_internal.h"

static void list(struct rote_run *t, const char *what, uint64_t bytes, struct rt_mem **mem)
{
    if (bytes)
        t->item[t->n_items++] = (struct train_item){what, bytes, mem};
}

static uint64_t image_bytes(const struct rote_run *t, const struct data_split *s)
{
    const struct data_set *d = t->data;
    return (uint64_t)s->count * (uint64_t)d->channels * (uint64_t)d->height * (uint64_t)d->width * (s->values ? 4 : 1);
}

#define ALL_PLANS(n) \
    (n)->step, (n)->clean, (n)->test, (n)->validation, (n)->predict, (n)->test_logits, (n)->validation_logits

static uint64_t largest_arena(const struct train_net *n, uint64_t so_far)
{
    const struct model_plan *plan[] = {ALL_PLANS(n)};
    for (size_t i = 0; i < COUNT_OF(plan); i++)
        if (plan[i] && plan[i]->g->arena_bytes > so_far)
            so_far = plan[i]->g->arena_bytes;
    return so_far;
}

uint64_t train_table_bytes(const struct train_net *n)
{
    const struct model_plan *plan[] = {ALL_PLANS(n)};
    uint64_t bytes = 0;
    for (size_t i = 0; i < COUNT_OF(plan); i++)
        bytes += plan[i] ? model_plan_table_bytes(plan[i], n->m) : 0;
    return bytes;
}

/* What the models and plans allocate by themselves. */
static uint64_t own_bytes(const struct train_net *n)
{
    if (!n->m)
        return 0;
    return 2 * n->m->param_bytes + n->m->state_bytes + train_table_bytes(n);
}

static void list_optimizer(struct rote_run *t, struct train_net *n, const char *m1, const char *m2)
{
    if (!n->m)
        return;
    uint64_t bytes = n->m->param_bytes - (n->m->frozen ? n->m->trunk_bytes : 0);
    list(t, m1, bytes, &n->m1);
    list(t, m2, n->step->m2 >= 0 ? bytes : 0, &n->m2);
    list(t, "the parameters' moving average", n->step->ema >= 0 ? bytes : 0, &n->ema);
}

enum rote_status train_list_memory(struct rote_run *t)
{
    const struct data_set *d = t->data;
    struct train_data *m = &t->mem;
    list(t, "the training images", image_bytes(t, &d->train), &m->train.images);
    list(t, "the training labels", 4 * (uint64_t)d->train.count, &m->train.labels);
    list(t, "the test images", image_bytes(t, &d->test), &m->test.images);
    list(t, "the test labels", 4 * (uint64_t)d->test.count, &m->test.labels);
    list(t, "the validation images", image_bytes(t, &d->validation), &m->validation.images);
    list(t, "the validation labels", 4 * (uint64_t)d->validation.count, &m->validation.labels);
    list(t, "the normalisation", 8 * (uint64_t)d->channels, &m->norm);
    list(t, "the order of an epoch", 4 * (uint64_t)d->train.count, &m->train.order);
    list(t, "the evaluated subset", 4 * (uint64_t)t->clean_count, &m->clean_order);
    list(t, "the order of the test", 4 * (uint64_t)d->test.count, &m->test.order);
    list(t, "the order of the validation", 4 * (uint64_t)d->validation.count, &m->validation.order);
    list(t, "the heads' own labels", 4 * (uint64_t)t->n_labels * (uint64_t)d->train.count, &m->own_labels);
    list(t, "the ledger", 4 * MODEL_LEDGER * (uint64_t)d->train.count, &t->ledger);
    list_optimizer(t, &t->net, "the momentum", "the second moments");
    list_optimizer(t, &t->control, "the control's momentum", "the control's second moments");
    t->arena_bytes = largest_arena(&t->net, 0);
    if (t->control.m)
        t->arena_bytes = largest_arena(&t->control, t->arena_bytes);
    t->predicted_bytes = t->arena_bytes + own_bytes(&t->net) + own_bytes(&t->control);
    for (int i = 0; i < t->n_items; i++)
        t->predicted_bytes += t->item[i].bytes;
    const struct rt_facts *f = rt_facts_of(t->dev);
    if (t->predicted_bytes > f->mem_bytes)
        return base_error(ROTE_EDEVMEM, "the run needs %.1f MiB, but %s has %.1f MiB; use a smaller batch (now %d) or "
                          "network", (double)t->predicted_bytes / 1048576.0, f->name, (double)f->mem_bytes / 1048576.0,
                          t->cfg.batch);
    if (t->predicted_bytes > t->limit_bytes)
        return base_error(ROTE_EDEVMEM, "the run needs %.1f MiB, but memory.limit is %.1f MiB; raise it, or use a "
                          "smaller batch (now %d) or network", (double)t->predicted_bytes / 1048576.0,
                          (double)t->limit_bytes / 1048576.0, t->cfg.batch);
    return ROTE_OK;
}

static void bind_split(const struct rote_run *t, struct model_plan *p, const struct train_split *s,
                       struct rt_mem *order)
{
    graph_set_mem(p->g, p->images, s->images);
    graph_set_mem(p->g, p->labels, s->labels);
    graph_set_mem(p->g, p->order, order);
    graph_set_mem(p->g, p->norm, t->mem.norm);
    if (p->own_labels >= 0)
        graph_set_mem(p->g, p->own_labels, t->mem.own_labels);
}

enum rote_status train_bind_evaluation(struct rote_run *t, struct train_net *n, struct model_plan *p,
                                       const struct train_split *s, struct rt_mem *order, struct graph_arena *arena)
{
    bind_split(t, p, s, order);
    return model_plan_bind(n->m, p, n->ema ? n->ema : n->m->params, arena);
}

static enum rote_status bind_net(struct rote_run *t, struct train_net *n)
{
    enum rote_status st = ROTE_OK;
    struct model_plan *p = n->step;
    const struct train_data *m = &t->mem;
    bind_split(t, p, &m->train, m->train.order);
    graph_set_mem(p->g, p->m1, n->m1);
    if (p->m2 >= 0)
        graph_set_mem(p->g, p->m2, n->m2);
    if (p->ema >= 0)
        graph_set_mem(p->g, p->ema, n->ema);
    if (p->ledger >= 0)
        graph_set_mem(p->g, p->ledger, t->ledger);
    TRY(model_plan_bind(n->m, p, n->m->params, &t->arena));
    TRY(train_bind_evaluation(t, n, n->clean, &m->train, m->clean_order, &t->arena));
    if (n->test)
        TRY(train_bind_evaluation(t, n, n->test, &m->test, m->test.order, &t->arena));
    if (n->validation)
        TRY(train_bind_evaluation(t, n, n->validation, &m->validation, m->validation.order, &t->arena));
    if (n->test_logits)
        TRY(train_bind_evaluation(t, n, n->test_logits, &m->test, m->test.order, &t->arena));
    if (n->validation_logits)
        TRY(train_bind_evaluation(t, n, n->validation_logits, &m->validation, m->validation.order, &t->arena));
    if (n->predict) /* between epochs, each of which brings its own order */
        TRY(train_bind_evaluation(t, n, n->predict, &m->train, m->train.order, &t->arena));
out:
    return st;
}

enum rote_status train_allocate(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    for (int i = 0; i < t->n_items; i++)
        TRY(rt_mem_new(t->dev, t->item[i].bytes, t->item[i].what, t->item[i].mem));
    TRY(graph_arena_new(t->dev, t->arena_bytes, &t->arena));
    TRY(model_allocate(t->net.m, true));
    TRY(bind_net(t, &t->net));
    if (t->control.m) {
        TRY(model_allocate(t->control.m, true));
        TRY(bind_net(t, &t->control));
    }
    struct rt_mem *zero[] = {t->ledger, t->net.m1, t->net.m2, t->control.m1, t->control.m2};
    for (size_t i = 0; i < COUNT_OF(zero); i++)
        if (zero[i])
            TRY(rt_fill(zero[i], 0));
out:
    return st;
}

/* Fisher and Yates. */
void train_shuffle(int32_t *v, int64_t n, int64_t epoch, uint32_t what, uint64_t seed)
{
    for (int64_t i = n - 1; i > 0; i--) {
        struct philox r = philox4x32((uint32_t)i, (uint32_t)epoch, STREAM_ORDER, what, (uint32_t)seed,
                                     (uint32_t)(seed >> 32));
        int64_t k = (int64_t)((((uint64_t)r.v[0] << 32 | r.v[1]) >> 1) % (uint64_t)(i + 1));
        int32_t swap = v[i];
        v[i] = v[k];
        v[k] = swap;
    }
}

enum rote_status train_make_order(const struct rote_run *t, int64_t epoch, int32_t **out)
{
    int64_t n = 0;
    int32_t *order;
    enum rote_status st = base_alloc(&order, (size_t)t->train_count, sizeof *order);
    if (st)
        return st;
    for (int64_t i = 0; i < t->data->train.count; i++)
        if (!t->fold || t->fold[i] != t->cfg.data.fold)
            order[n++] = (int32_t)i;
    train_shuffle(order, n, epoch, 0, (uint64_t)config_seed(&t->cfg, t->cfg.seeds.order));
    *out = order;
    return ROTE_OK;
}

enum rote_status train_load_order(struct rote_run *t, int64_t epoch)
{
    int32_t *order = NULL;
    enum rote_status st = ROTE_OK;
    TRY(train_make_order(t, epoch, &order));
    TRY(rt_write(t->mem.train.order, 0, order, 4 * (uint64_t)t->train_count));
out:
    base_free(order);
    return st;
}

static enum rote_status upload_split(struct rote_run *t, const struct data_split *s, const struct train_split *to)
{
    enum rote_status st = ROTE_OK;
    const void *pixels = s->values ? (const void *)s->values : s->images;
    if (!s->count)
        return ROTE_OK;
    TRY(rt_write(to->images, 0, pixels, image_bytes(t, s)));
    TRY(rt_write(to->labels, 0, s->labels, 4 * (uint64_t)s->count));
out:
    return st;
}

/* A split that is not trained on, in its own order. */
static enum rote_status upload_held_out(struct rote_run *t, const struct data_split *s, const struct train_split *to)
{
    enum rote_status st = ROTE_OK;
    int32_t *identity = NULL;
    size_t n = (size_t)s->count;
    if (!n)
        return ROTE_OK;
    TRY(upload_split(t, s, to));
    TRY(base_alloc(&identity, n, sizeof *identity));
    for (size_t i = 0; i < n; i++)
        identity[i] = (int32_t)i;
    TRY(rt_write(to->order, 0, identity, 4 * n));
out:
    base_free(identity);
    return st;
}

enum rote_status train_upload(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    const struct data_set *d = t->data;
    int32_t *order = NULL;
    float *norm = NULL;
    size_t c = (size_t)d->channels;
    TRY(upload_split(t, &d->train, &t->mem.train));
    TRY(upload_held_out(t, &d->test, &t->mem.test));
    TRY(upload_held_out(t, &d->validation, &t->mem.validation));
    if (t->n_labels)
        TRY(rt_write(t->mem.own_labels, 0, t->own_labels, 4 * (uint64_t)t->n_labels * (uint64_t)d->train.count));
    TRY(base_alloc(&norm, 2 * c, sizeof *norm));
    for (size_t i = 0; i < c; i++) {
        norm[i] = c <= COUNT_OF(d->mean) ? d->mean[i] : 0.0f;
        norm[c + i] = c <= COUNT_OF(d->mean) && d->std[i] > 0 ? 1.0f / d->std[i] : 1.0f;
    }
    TRY(rt_write(t->mem.norm, 0, norm, 8 * c));
    TRY(train_make_order(t, -1, &order));
    TRY(rt_write(t->mem.clean_order, 0, order, 4 * (uint64_t)t->clean_count));
out:
    base_free(order);
    base_free(norm);
    return st;
}
