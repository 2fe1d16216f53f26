/* The reverse pass. An operator names its backward operators; what these take and
 * give follows from port names alone (struct call_port):
 *   walk nodes last to first; skip those whose output has no gradient;
 *   for each backward operator, bind ports by name and append it, if any of the
 *   gradients it gives is wanted; add up gradients that meet. */
#include <string.h>

#include "graph/graph_internal.h"

static enum rote_status accumulate(struct graph *g, int tensor, int grad)
{
    struct graph_tensor *t = &g->tensor[tensor];
    if (t->grad < 0) {
        t->grad = grad;
        return ROTE_OK;
    }
    char name[96];
    snprintf(name, sizeof name, "%s.grad_sum", t->name);
    int in[] = {t->grad, grad}, sum;
    enum rote_status st = graph_add(g, name, "add_fwd", in, &sum, "%s", "");
    if (!st)
        g->tensor[tensor].grad = sum;
    return st;
}

/* A tensor and its reshapes are one for the gradient's sake; it takes the shape of
 * the tensor that asks. */
static enum rote_status gradient_of(struct graph *g, int tensor, int *out)
{
    enum rote_status st = ROTE_OK;
    *out = -1;
    for (int i = 0; i < g->n_tensors; i++) {
        if (g->tensor[i].storage != g->tensor[tensor].storage || g->tensor[i].grad < 0 || i == tensor)
            continue;
        int same;
        const struct call_shape *s = &g->tensor[tensor].shape;
        TRY(graph_reshape(g, g->tensor[i].grad, s->rank, s->dim, &same));
        g->tensor[i].grad = -1;
        TRY(accumulate(g, tensor, same));
    }
    *out = g->tensor[tensor].grad;
out:
    return st;
}

static bool wanted(const struct graph *g, const struct graph_node *n, const char *input)
{
    int i = call_in(&n->call, input);
    return i >= 0 && n->in[i] >= 0 && g->tensor[n->in[i]].needs_grad;
}

/* "dx=dy" */
static enum rote_status pass_through(struct graph *g, const struct graph_node *n, const char *rule)
{
    char to[32] = "", from[32] = "";
    if (sscanf(rule, "d%31[^=]=d%31s", to, from) != 2 || call_out(&n->call, from) < 0 || call_in(&n->call, to) < 0)
        return base_error(ROTE_EINVAL, "%s: gradient rule '%s' names no ports", n->call.sig->name, rule);
    int grad = g->tensor[n->out[call_out(&n->call, from)]].grad;
    if (grad < 0 || !wanted(g, n, to))
        return ROTE_OK;
    return accumulate(g, n->in[call_in(&n->call, to)], grad);
}

static enum rote_status bind_ports(const struct graph *g, const struct graph_node *n, const struct call *b, int *in)
{
    for (int i = 0; i < b->sig->n_in; i++) {
        const char *name = b->sig->in[i].name;
        int fwd_in = call_in(&n->call, name), fwd_out = call_out(&n->call, name);
        in[i] = -1;
        if (fwd_in >= 0)
            in[i] = n->in[fwd_in];
        else if (fwd_out >= 0)
            in[i] = n->out[fwd_out];
        else if (name[0] == 'd' && call_out(&n->call, name + 1) >= 0)
            in[i] = g->tensor[n->out[call_out(&n->call, name + 1)]].grad;
        if (in[i] < 0 && !(b->sig->in[i].flags & PORT_OPTIONAL))
            return base_error(ROTE_EINVAL, "%s of %s: port %s is bound to nothing", b->sig->name, n->name, name);
    }
    return ROTE_OK;
}

static enum rote_status add_backward(struct graph *g, int node, const char *op)
{
    enum rote_status st = ROTE_OK;
    const struct graph_node n = g->node[node]; /* the array moves as nodes are added */
    const struct op_def *def = op_find(op);
    struct call b;
    int in[CALL_MAX_PORTS];
    char name[96];
    bool any = false;
    if (!def)
        FAIL(ROTE_ENOTFOUND, "%s names the backward operator %s, which does not exist", n.call.sig->name, op);
    for (int i = 0; i < def->sig.n_out; i++)
        any = any || wanted(g, &n, def->sig.out[i].name + 1);
    if (!any)
        goto out;
    op_call_init(&b, def);
    for (int i = 0; i < n.call.sig->n_attr; i++)
        for (int j = 0; j < def->sig.n_attr; j++)
            if (!strcmp(n.call.sig->attr[i].name, def->sig.attr[j].name))
                b.attr[j] = n.call.attr[i];
    TRY(bind_ports(g, &n, &b, in));
    snprintf(name, sizeof name, "%s.%s", n.name, op);
    TRY(graph_add_call(g, name, &b, in, NULL));
    const struct graph_node added = g->node[g->n_nodes - 1];
    for (int i = 0; i < def->sig.n_out; i++)
        if (wanted(g, &n, def->sig.out[i].name + 1))
            TRY(accumulate(g, n.in[call_in(&n.call, def->sig.out[i].name + 1)], added.out[i]));
out:
    return st;
}

enum rote_status graph_backward(struct graph *g, const int *seed, const int *seed_grad, int n_seeds)
{
    enum rote_status st = ROTE_OK;
    int n_forward = g->n_nodes;
    for (int i = 0; i < n_seeds; i++)
        TRY(accumulate(g, seed[i], seed_grad[i]));
    for (int i = n_forward - 1; i >= 0; i--) {
        const struct op_def *def = op_def_of(&g->node[i].call);
        int grad;
        if (!def->grads)
            continue;
        TRY(gradient_of(g, g->node[i].out[0], &grad));
        if (grad < 0)
            continue;
        for (const char *const *rule = def->grads; *rule; rule++) {
            if (strchr(*rule, '=')) {
                const struct graph_node n = g->node[i];
                TRY(pass_through(g, &n, *rule));
            } else {
                TRY(add_backward(g, i, *rule));
            }
        }
    }
out:
    return st;
}
