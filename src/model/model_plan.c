/* A whole step as one graph: gather, layers, heads, reverse pass, optimiser. */
#include <string.h>

#include "model/model_internal.h"

static enum rote_status external(struct graph *g, const char *name, enum call_dtype t, int rank, const int64_t *dim,
                                 int *out)
{
    struct call_shape s = {.dtype = t, .rank = rank};
    memcpy(s.dim, dim, (size_t)rank * sizeof *dim);
    return graph_tensor_add(g, GRAPH_EXTERNAL, name, &s, out);
}

static enum rote_status add_gather(struct build *b, const struct model_plan_options *o)
{
    enum rote_status st = ROTE_OK;
    const struct model *m = b->m;
    struct model_plan *p = b->p;
    TRY(external(b->g, "images", o->floats ? CALL_F32 : CALL_U8, 4,
                 (int64_t[]){o->data_count, m->height, m->width, m->channels}, &p->images));
    TRY(external(b->g, "labels", CALL_I32, 1, &o->data_count, &p->labels));
    TRY(external(b->g, "order", CALL_I32, 1, &o->order_count, &p->order));
    TRY(external(b->g, "norm", CALL_F32, 2, (int64_t[]){2, m->channels}, &p->norm));
    if (m->n_labels)
        TRY(external(b->g, "own_labels", CALL_I32, 2, (int64_t[]){m->n_labels, m->labelled}, &p->own_labels));
    int in[] = {p->images, p->labels, p->order, p->norm};
    if (o->floats)
        TRY(graph_add(b->g, "batch", "gather_float", in, &p->x, "batch=%d", o->batch));
    else
        TRY(graph_add(b->g, "batch", "gather", in, &p->x, "batch=%d crop=%d flip=%d cutout=%d cutout_p=%.17g",
                      o->batch, o->crop, o->flip, o->cutout, o->cutout_p));
    p->y = graph_output(b->g, "batch", "y");
    p->id = graph_output(b->g, "batch", "id");
    p->weight = graph_output(b->g, "batch", "weight");
out:
    return st;
}

/* Severity 0, until it is set, changes nothing. */
static enum rote_status add_shift(struct build *b, const struct model_plan_options *o)
{
    enum rote_status st = ROTE_OK;
    struct model_plan *p = b->p;
    int mean;
    TRY(graph_add(b->g, MODEL_SHIFT_NODES "mean", "globalpool_fwd", &p->x, &mean, "%s", ""));
    TRY(graph_add(b->g, MODEL_SHIFT_NODES "y", "shift", (int[]){p->x, mean, p->id, p->norm}, &p->x, "bytes=%d",
                  !o->floats));
out:
    return st;
}

/* One launch over all parameters; of a frozen model over the heads', which come last. */
static enum rote_status add_optimizer(struct build *b, const struct model_plan_options *o)
{
    enum rote_status st = ROTE_OK;
    struct model_plan *p = b->p;
    int64_t n = (int64_t)((b->m->param_bytes - (b->m->frozen ? b->m->trunk_bytes : 0)) / 4);
    TRY(external(b->g, "parameters", CALL_F32, 1, &n, &p->p));
    TRY(external(b->g, "gradients", CALL_F32, 1, &n, &p->grad));
    TRY(external(b->g, "optimizer.m1", CALL_F32, 1, &n, &p->m1));
    if (o->optimizer == OPTIMIZER_SGD) {
        TRY(graph_add(b->g, "optimizer", "sgd", (int[]){p->p, p->grad, p->m1}, NULL,
                      "momentum=%.17g nesterov=%d decay=%.17g", o->momentum, o->nesterov, o->decay));
    } else {
        TRY(external(b->g, "optimizer.m2", CALL_F32, 1, &n, &p->m2));
        TRY(graph_add(b->g, "optimizer", "adamw", (int[]){p->p, p->grad, p->m1, p->m2}, NULL,
                      "beta1=%.17g beta2=%.17g eps=%.17g decay=%.17g", o->beta1, o->beta2, o->eps, o->decay));
    }
    if (o->ema > 0) {
        TRY(external(b->g, "ema", CALL_F32, 1, &n, &p->ema));
        TRY(graph_add(b->g, "ema", "ema", (int[]){p->ema, p->p}, NULL, "decay=%.17g", o->ema));
    }
out:
    return st;
}

static enum rote_status add_ledger(struct build *b, const struct model_plan_options *o)
{
    enum rote_status st = ROTE_OK;
    struct model_plan *p = b->p;
    int random = 0;
    bool counted = false;
    for (int i = 0; i < b->m->n_heads; i++)
        random += b->m->head[i].kind != HEAD_CLASS && !b->m->head[i].own_labels;
    TRY(external(b->g, "ledger", CALL_F32, 2, (int64_t[]){o->data_count, MODEL_LEDGER}, &p->ledger));
    for (int i = 0; i < b->m->n_groups; i++) {
        char name[96];
        bool has_class = false;
        const struct model_group *g = &b->m->group[i];
        for (int k = 0; k < g->n_heads; k++)
            has_class = has_class || b->m->head[g->head[k]].kind == HEAD_CLASS;
        if ((has_class && counted) || g->own_labels)
            continue; /* the first class head's figures are the sample's; labels that were given are not random */
        counted = counted || has_class;
        snprintf(name, sizeof name, "ledger.%d", i);
        TRY(graph_add(b->g, name, "ledger", (int[]){p->stats[i], p->table[i], p->id, p->weight, p->ledger}, NULL,
                      "random_heads=%d", random ? random : 1));
    }
out:
    return st;
}

/* A micro-batch's gradient is added to the batch's as soon as it is there, so that its memory
 * is free again; the batch's takes its place as the parameter's gradient. */
static enum rote_status accumulate(struct build *b, int param)
{
    enum rote_status st = ROTE_OK;
    struct graph *g = b->g;
    int grad = g->tensor[param].grad, sum, producer = g->n_nodes - 1, flat[2];
    const struct call_shape shape = g->tensor[param].shape;
    int64_t n = call_elements(&shape);
    char name[96];
    for (bool made = false; !made; producer -= !made)
        for (int k = 0; k < g->node[producer].call.sig->n_out; k++) {
            int out = g->node[producer].out[k];
            made = made || (out >= 0 && g->tensor[out].storage == g->tensor[grad].storage);
        }
    snprintf(name, sizeof name, "%.64s.sum", g->tensor[param].name);
    TRY(graph_tensor_add(g, GRAPH_EXTERNAL, name, &shape, &sum));
    TRY(graph_reshape(g, sum, 1, &n, &flat[0]));
    TRY(graph_reshape(g, grad, 1, &n, &flat[1]));
    TRY(graph_add(g, name, "accumulate", flat, NULL, "%s", ""));
    graph_move_last(g, producer + 1);
    b->p->n_forward += producer < b->p->n_forward;
    g->tensor[param].grad = sum;
out:
    return st;
}

/* Where the gradients are: in the one buffer that the optimiser reads. */
static enum rote_status place_gradients(struct build *b, const struct model_plan_options *o)
{
    enum rote_status st = ROTE_OK;
    for (int i = 0; i < b->p->n_param_tensors; i++) {
        int t = b->p->param_tensor[i];
        if (t < 0 || b->g->tensor[t].grad < 0)
            continue;
        if (o->whole_batch > o->batch)
            TRY(accumulate(b, t));
        else
            graph_make_external(b->g, b->g->tensor[t].grad);
    }
out:
    return st;
}

static enum rote_status build_all(struct build *b, const struct model_plan_options *o)
{
    enum rote_status st = ROTE_OK;
    int seed[MODEL_MAX_HEADS], seed_grad[MODEL_MAX_HEADS], n = 0;
    TRY(add_gather(b, o));
    if (o->shift)
        TRY(add_shift(b, o));
    TRY(build_layers(b, b->p->x));
    if (o->features)
        TRY(build_features(b, o->features));
    for (int i = 0; i < b->m->n_groups; i++) {
        TRY(build_group(b, i, &seed[n], &seed_grad[n]));
        n += seed[n] >= 0;
    }
    b->p->n_forward = b->g->n_nodes;
    if (o->training && o->ledger)
        TRY(add_ledger(b, o));
    if (o->training)
        TRY(graph_backward(b->g, seed, seed_grad, n));
    if (o->training && o->recompute)
        TRY(graph_recompute(b->g, b->p->n_forward));
    TRY(graph_join_bias(b->g, &b->p->n_forward));
    if (!o->training)
        goto out;
    TRY(place_gradients(b, o));
    b->p->n_micro = b->g->n_nodes;
    TRY(add_optimizer(b, o));
out:
    return st;
}

/* `words`: a variant's name, tunables behind a colon. It is a preference: nodes whose shapes it does
 * not take keep their own choice. */
static enum rote_status set_variant(struct graph *g, const char *words)
{
    const char *known[16] = {"host"};
    char variant[OP_VARIANT_WORDS];
    size_t n_known = 1;
    snprintf(variant, sizeof variant, "%.*s", (int)strcspn(words, ":"), words);
    bool found = !strcmp(variant, "host");
    for (int i = 0; i < g->n_nodes; i++) {
        bool has = !strcmp(variant, "host"), takes = has;
        for (const struct op_variant *const *v = op_def_of(&g->node[i].call)->variants; *v; v++) {
            if (!strcmp((*v)->name, variant)) {
                has = true;
                takes = !(*v)->accepts || (*v)->accepts(rt_facts_of(g->dev), &g->node[i].call);
            }
            if (n_known < COUNT_OF(known))
                known[n_known++] = (*v)->name;
        }
        if (takes)
            snprintf(g->node[i].variant, sizeof g->node[i].variant, "%s", words);
        found = found || has;
    }
    if (found)
        return ROTE_OK;
    const char *near = base_nearest(variant, known, n_known);
    return base_error(ROTE_ECONFIG, "no operator of this network has a variant '%s'%s%s", variant,
                      near ? "; nearest: " : "", near ? near : "");
}

enum rote_status model_plan_new(struct model *m, const struct model_plan_options *o, struct model_plan **out)
{
    enum rote_status st = ROTE_OK;
    struct model_plan *p = NULL;
    struct build b = {.m = m, .o = o};
    TRY(base_alloc(&p, 1, sizeof *p));
    p->batch = o->batch;
    p->whole_batch = o->whole_batch ? o->whole_batch : o->batch;
    p->training = o->training;
    p->n_groups = m->n_groups;
    p->own_labels = p->features = p->ledger = p->p = p->grad = p->m1 = p->m2 = p->ema = -1;
    size_t n = (size_t)m->n_groups;
    TRY(base_alloc(&p->stats, n, sizeof(int)));
    TRY(base_alloc(&p->table, n, sizeof(int)));
    TRY(base_alloc(&p->real, n, sizeof(int)));
    TRY(base_alloc(&p->acc, n, sizeof(int)));
    TRY(base_alloc(&p->logits, n, sizeof(int)));
    TRY(base_alloc(&p->table_mem, n, sizeof(void *)));
    TRY(base_alloc(&p->real_mem, n, sizeof(void *)));
    TRY(base_alloc(&p->acc_mem, n, sizeof(void *)));
    TRY(graph_new(m->dev, &p->g));
    TRY(base_alloc(&b.layer_out, m->spec->count, sizeof(int)));
    b.p = p;
    b.g = p->g;
    TRY(build_all(&b, o));
    if (o->variant && *o->variant)
        TRY(set_variant(p->g, o->variant));
    TRY(graph_plan(p->g));
    *out = p;
    p = NULL;
out:
    base_free(b.layer_out);
    model_plan_free(p);
    return st;
}

void model_plan_free(struct model_plan *p)
{
    if (!p)
        return;
    for (int i = 0; p->acc_mem && i < p->n_groups; i++) {
        rt_mem_free(p->table_mem[i]);
        rt_mem_free(p->real_mem[i]);
        rt_mem_free(p->acc_mem[i]);
    }
    graph_free(p->g);
    for (int i = 0; i < p->n_views; i++)
        rt_mem_free(p->view[i]);
    base_free(p->view);
    base_free(p->stats);
    base_free(p->table);
    base_free(p->real);
    base_free(p->acc);
    base_free(p->logits);
    base_free(p->table_mem);
    base_free(p->real_mem);
    base_free(p->acc_mem);
    base_free(p->param_tensor);
    base_free(p);
}

static enum rote_status bind_view(struct model_plan *p, int tensor, struct rt_mem *parent, uint64_t offset,
                                  uint64_t bytes)
{
    enum rote_status st = rt_mem_view(parent, offset, bytes, &p->view[p->n_views]);
    if (!st)
        graph_set_mem(p->g, tensor, p->view[p->n_views++]);
    return st;
}

enum rote_status model_plan_bind(struct model *m, struct model_plan *p, struct rt_mem *params, struct graph_arena *a)
{
    enum rote_status st = ROTE_OK;
    uint64_t first = m->frozen ? m->trunk_bytes : 0;
    TRY(base_alloc(&p->view, (size_t)(2 * p->n_param_tensors + 2), sizeof *p->view));
    for (int i = 0; i < p->n_param_tensors; i++) {
        const struct model_param *param = &m->param[i];
        int t = p->param_tensor[i];
        if (t < 0)
            continue;
        uint64_t bytes = op_bytes(&param->shape);
        TRY(bind_view(p, t, param->state ? m->states : params, param->offset, bytes));
        if (p->training && p->g->tensor[t].grad >= 0)
            TRY(bind_view(p, p->g->tensor[t].grad, m->grads, param->offset, bytes));
    }
    if (p->training) {
        TRY(bind_view(p, p->p, params, first, m->param_bytes - first));
        TRY(bind_view(p, p->grad, m->grads, first, m->param_bytes - first));
    }
    TRY(model_make_tables(m, p));
    TRY(graph_bind(p->g, a));
out:
    return st;
}
