/* The model itself: heads sorted into groups, and its memory. */
#include "model/model.h"

#include <string.h>

#include "model/model_internal.h"

static enum rote_status check_heads(const struct model *m)
{
    enum rote_status st = ROTE_OK;
    const char **names = NULL;
    TRY(base_alloc(&names, m->spec->count, sizeof *names));
    for (size_t i = 0; i < m->spec->count; i++)
        names[i] = m->spec->layer[i].name;
    for (int i = 0; i < m->n_heads; i++) {
        const struct model_head *h = &m->head[i];
        if (spec_find(m->spec, h->at) < 0) {
            const char *near = base_nearest(h->at, names, m->spec->count);
            FAIL(ROTE_ECONFIG, "head %s: there is no layer '%s'%s%s", h->name, h->at, near ? "; nearest: " : "",
                 near ? near : "");
        }
        for (int k = 0; k < i; k++)
            if (!strcmp(m->head[k].name, h->name))
                FAIL(ROTE_ECONFIG, "two heads are named '%s'; rename one", h->name);
        if (h->n < 2)
            FAIL(ROTE_ECONFIG, "head %s: needs at least 2 labels, has %d", h->name, h->n);
    }
out:
    base_free(names);
    return st;
}

static bool sends(const struct model_head *h)
{
    return !h->probe && (h->kind == HEAD_CLASS || (h->lambda != 0 && h->loss != LOSS_NONE));
}

static struct model_group *group_for(struct model *m, const struct model_head *h)
{
    bool per_class = h->kind == HEAD_RANDOM_PER_CLASS, large = !per_class && h->n >= MODEL_LARGE;
    for (int i = 0; i < m->n_groups; i++) {
        struct model_group *g = &m->group[i];
        if (!strcmp(g->at, h->at) && g->per_class == per_class && g->large == large && g->sends == sends(h) &&
            g->own_labels == h->own_labels)
            return g;
    }
    struct model_group *g = &m->group[m->n_groups++];
    memcpy(g->at, h->at, sizeof g->at);
    g->per_class = per_class;
    g->large = large;
    g->sends = sends(h);
    g->own_labels = h->own_labels;
    return g;
}

static enum rote_status make_groups(struct model *m)
{
    enum rote_status st = base_alloc(&m->group, (size_t)m->n_heads, sizeof *m->group);
    if (st)
        return st;
    for (int i = 0; i < m->n_heads; i++) {
        struct model_group *g = group_for(m, &m->head[i]);
        g->first_column[g->n_heads] = g->columns;
        g->head[g->n_heads++] = i;
        g->columns += m->head[i].n;
    }
    return ROTE_OK;
}

enum rote_status model_new(struct rote_device *dev, struct spec *spec, int channels, int height, int width,
                           int classes, const struct model_head *head, int n_heads, struct model **out)
{
    enum rote_status st = ROTE_OK;
    struct model *m = NULL;
    if (n_heads < 1 || n_heads > MODEL_MAX_HEADS)
        FAIL(ROTE_ECONFIG, "%d heads; a model has 1 to %d", n_heads, MODEL_MAX_HEADS);
    TRY(base_alloc(&m, 1, sizeof *m));
    m->dev = dev;
    m->spec = spec;
    spec = NULL;
    m->channels = channels;
    m->height = height;
    m->width = width;
    m->classes = classes;
    memcpy(m->head, head, (size_t)n_heads * sizeof *head);
    m->n_heads = n_heads;
    TRY(check_heads(m));
    TRY(make_groups(m));
    *out = m;
    m = NULL;
out:
    spec_free(spec);
    model_free(m);
    return st;
}

void model_free(struct model *m)
{
    if (!m)
        return;
    rt_mem_free(m->params);
    rt_mem_free(m->grads);
    rt_mem_free(m->states);
    base_free(m->param);
    base_free(m->value);
    base_free(m->group);
    spec_free(m->spec);
    base_free(m);
}

static int find_param(const struct model *m, const char *name)
{
    for (int i = 0; i < m->n_params; i++)
        if (!strcmp(m->param[i].name, name))
            return i;
    return -1;
}

static enum rote_status new_param(struct model *m, const struct model_param *wanted, int *out)
{
    if (m->params)
        return base_error(ROTE_EINVAL, "parameter %s appears only after the model was allocated", wanted->name);
    if (m->n_params == m->cap_params) {
        int cap = m->cap_params ? 2 * m->cap_params : 64;
        enum rote_status st = base_grow(&m->param, (size_t)cap, sizeof *m->param);
        if (st)
            return st;
        m->cap_params = cap;
    }
    uint64_t align = rt_facts_of(m->dev)->align, *total = wanted->state ? &m->state_bytes : &m->param_bytes;
    struct model_param *p = &m->param[m->n_params];
    *p = *wanted;
    p->offset = *total;
    *total += (op_bytes(&p->shape) + align - 1) / align * align;
    if (!p->state && p->layout != LAYOUT_HEADS)
        m->trunk_bytes = m->param_bytes;
    *out = m->n_params++;
    return ROTE_OK;
}

enum rote_status build_param(struct build *b, const struct model_param *wanted, int *tensor, bool *fresh)
{
    enum rote_status st = ROTE_OK;
    struct model *m = b->m;
    int i = find_param(m, wanted->name);
    *fresh = i < 0;
    if (i < 0)
        TRY(new_param(m, wanted, &i));
    TRY(graph_tensor_add(b->g, wanted->state ? GRAPH_EXTERNAL : GRAPH_PARAM, wanted->name, &wanted->shape, tensor));
    TRY(base_grow(&b->p->param_tensor, (size_t)m->n_params, sizeof(int)));
    while (b->p->n_param_tensors < m->n_params)
        b->p->param_tensor[b->p->n_param_tensors++] = -1;
    b->p->param_tensor[i] = *tensor;
out:
    return st;
}

enum rote_status model_add_value(struct model *m, const struct model_value *v)
{
    if (m->n_values == m->cap_values) {
        int cap = m->cap_values ? 2 * m->cap_values : 64;
        enum rote_status st = base_grow(&m->value, (size_t)cap, sizeof *m->value);
        if (st)
            return st;
        m->cap_values = cap;
    }
    m->value[m->n_values] = *v;
    m->value[m->n_values++].param = m->n_params - 1;
    return ROTE_OK;
}

enum rote_status model_allocate(struct model *m, bool training)
{
    enum rote_status st = ROTE_OK;
    TRY(rt_mem_new(m->dev, m->param_bytes, "the parameters", &m->params));
    TRY(rt_fill(m->params, 0));
    if (m->state_bytes) {
        TRY(rt_mem_new(m->dev, m->state_bytes, "the running statistics", &m->states));
        TRY(rt_fill(m->states, 0));
    }
    if (training) {
        TRY(rt_mem_new(m->dev, m->param_bytes, "the gradients", &m->grads));
        TRY(rt_fill(m->grads, 0));
    }
out:
    return st;
}
