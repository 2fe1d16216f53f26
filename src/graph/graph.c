/* Building and running. Differentiation is in backward.c, memory in plan.c. */
#include "graph/graph_internal.h"

#include <string.h>

enum rote_status graph_new(struct rote_device *dev, struct graph **out)
{
    struct graph *g = NULL;
    enum rote_status st = base_alloc(&g, 1, sizeof *g);
    if (st)
        return st;
    g->dev = dev;
    *out = g;
    return ROTE_OK;
}

void graph_free(struct graph *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->n_nodes; i++) {
        op_inst_free(g->node[i].inst);
        rt_mem_free(g->node[i].workspace);
    }
    for (int i = 0; i < g->n_tensors; i++)
        if (g->tensor[i].own_mem)
            rt_mem_free(g->tensor[i].mem);
    base_free(g->node);
    base_free(g->tensor);
    base_free(g);
}

enum rote_status graph_tensor_add(struct graph *g, enum graph_kind kind, const char *name,
                                  const struct call_shape *shape, int *out)
{
    if (g->n_tensors == g->cap_tensors) {
        int cap = g->cap_tensors ? 2 * g->cap_tensors : 64;
        enum rote_status st = base_grow(&g->tensor, (size_t)cap, sizeof *g->tensor);
        if (st)
            return st;
        g->cap_tensors = cap;
    }
    struct graph_tensor *t = &g->tensor[g->n_tensors];
    memset(t, 0, sizeof *t);
    snprintf(t->name, sizeof t->name, "%s", name);
    t->shape = *shape;
    t->kind = kind;
    t->storage = g->n_tensors;
    t->grad = -1;
    t->needs_grad = kind == GRAPH_PARAM;
    t->first = t->last = -1;
    *out = g->n_tensors++;
    return ROTE_OK;
}

enum rote_status graph_reshape(struct graph *g, int tensor, int rank, const int64_t *dim, int *out)
{
    struct call_shape s = {.dtype = g->tensor[tensor].shape.dtype, .rank = rank};
    memcpy(s.dim, dim, (size_t)rank * sizeof *dim);
    if (call_elements(&s) != call_elements(&g->tensor[tensor].shape))
        return base_error(ROTE_EINVAL, "%s: a reshape to %lld elements from %lld", g->tensor[tensor].name,
                          (long long)call_elements(&s), (long long)call_elements(&g->tensor[tensor].shape));
    char name[72];
    memcpy(name, g->tensor[tensor].name, sizeof name);
    enum rote_status st = graph_tensor_add(g, g->tensor[tensor].kind, name, &s, out);
    if (!st) {
        g->tensor[*out].storage = g->tensor[tensor].storage;
        g->tensor[*out].needs_grad = g->tensor[tensor].needs_grad;
    }
    return st;
}

static enum rote_status make_outputs(struct graph *g, struct graph_node *n, bool needs_grad)
{
    enum rote_status st = ROTE_OK;
    const struct call_signature *s = n->call.sig;
    for (int i = 0; i < s->n_out; i++) {
        int same = call_in(&n->call, s->out[i].name);
        char name[160];
        if (same >= 0) {
            n->out[i] = n->in[same];
            continue;
        }
        snprintf(name, sizeof name, "%s.%s", n->name, s->out[i].name);
        name[71] = 0;
        TRY(graph_tensor_add(g, GRAPH_ACTIVATION, name, &n->call.out[i], &n->out[i]));
        g->tensor[n->out[i]].needs_grad = needs_grad && s->out[i].dtype == CALL_F32;
    }
out:
    return st;
}

static enum rote_status append(struct graph *g, struct graph_node *n, int *first_out)
{
    enum rote_status st = ROTE_OK;
    bool needs_grad = false;
    for (int i = 0; i < n->call.sig->n_in; i++) {
        n->call.in_present[i] = n->in[i] >= 0;
        if (n->in[i] < 0)
            continue;
        n->call.in[i] = g->tensor[n->in[i]].shape;
        needs_grad = needs_grad || g->tensor[n->in[i]].needs_grad;
    }
    TRY(op_call_infer(&n->call));
    TRY(make_outputs(g, n, needs_grad));
    if (g->n_nodes == g->cap_nodes) {
        int cap = g->cap_nodes ? 2 * g->cap_nodes : 64;
        TRY(base_grow(&g->node, (size_t)cap, sizeof *g->node));
        g->cap_nodes = cap;
    }
    g->node[g->n_nodes++] = *n;
    if (first_out)
        *first_out = n->out[0];
out:
    if (st)
        base_error_prefix("node %s", n->name);
    return st;
}

enum rote_status graph_add_call(struct graph *g, const char *name, const struct call *c, const int *in, int *first_out)
{
    struct graph_node n = {.call = *c};
    snprintf(n.name, sizeof n.name, "%s", name);
    for (int i = 0; i < CALL_MAX_PORTS; i++) {
        n.in[i] = i < c->sig->n_in ? in[i] : -1;
        n.out[i] = -1;
    }
    return append(g, &n, first_out);
}

enum rote_status graph_add(struct graph *g, const char *node, const char *op, const int *in, int *first_out,
                           const char *attrs_fmt, ...)
{
    enum rote_status st = ROTE_OK;
    struct call c;
    char words[512];
    va_list ap;
    const struct op_def *def = op_find(op);
    if (!def)
        return base_error(ROTE_ENOTFOUND, "node %s: there is no operator '%s'", node, op);
    va_start(ap, attrs_fmt);
    vsnprintf(words, sizeof words, attrs_fmt, ap);
    va_end(ap);
    op_call_init(&c, def);
    TRY(op_call_parse(&c, words));
    TRY(graph_add_call(g, node, &c, in, first_out));
out:
    return st;
}

int graph_output(const struct graph *g, const char *node, const char *port)
{
    for (int i = 0; i < g->n_nodes; i++) {
        if (strcmp(g->node[i].name, node))
            continue;
        int o = call_out(&g->node[i].call, port);
        return o < 0 ? -1 : g->node[i].out[o];
    }
    return -1;
}

void graph_make_external(struct graph *g, int tensor)
{
    g->tensor[g->tensor[tensor].storage].kind = GRAPH_EXTERNAL;
    g->tensor[tensor].kind = GRAPH_EXTERNAL;
}

void graph_set_mem(struct graph *g, int tensor, struct rt_mem *mem)
{
    g->tensor[g->tensor[tensor].storage].mem = mem;
}

enum rote_status graph_run(struct graph *g, int first_node, int end_node)
{
    enum rote_status st = ROTE_OK;
    for (int i = first_node; i < end_node; i++) {
        char label[128];
        snprintf(label, sizeof label, "%s %s/%s", g->node[i].name, g->node[i].call.sig->name,
                 g->node[i].inst->variant->name);
        rt_label(g->dev, label);
        st = op_inst_run(g->node[i].inst);
        if (st) {
            base_error_prefix("node %s", g->node[i].name);
            return st;
        }
    }
    return rt_flush(g->dev);
}

void graph_set_int(struct graph *g, const char *attr, int64_t v)
{
    for (int i = 0; i < g->n_nodes; i++)
        op_inst_set_int(g->node[i].inst, attr, v);
}

void graph_set_float(struct graph *g, const char *attr, double v)
{
    for (int i = 0; i < g->n_nodes; i++)
        op_inst_set_float(g->node[i].inst, attr, v);
}
