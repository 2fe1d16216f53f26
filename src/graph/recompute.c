/* Memory for time: what the reverse pass needs of the forward pass is computed again where
 * that is cheap. A forward node's output qualifies when all that its `again` operator reads
 * is alive at the output's first reader of the reverse pass anyway, so that nothing is kept
 * longer; nodes go first to last, so that a chain (a residual's sum needs the sum before)
 * keeps every second one. */
#include <string.h>

#include "graph/graph_internal.h"

void graph_move_last(struct graph *g, int at)
{
    const struct graph_node n = g->node[g->n_nodes - 1];
    memmove(&g->node[at + 1], &g->node[at], (size_t)(g->n_nodes - 1 - at) * sizeof n);
    g->node[at] = n;
}

static bool reads(const struct graph *g, const struct graph_node *n, int port, int storage)
{
    return n->in[port] >= 0 && !(n->call.sig->in[port].flags & PORT_SHAPE_ONLY) &&
           g->tensor[n->in[port]].storage == storage;
}

/* The first node from `from` on that reads the storage, and the last; -1. */
static void readers(const struct graph *g, int storage, int from, int *first, int *last)
{
    *first = *last = -1;
    for (int i = from; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].call.sig->n_in; k++)
            if (reads(g, &g->node[i], k, storage)) {
                *first = *first < 0 ? i : *first;
                *last = i;
            }
}

/* The inputs of node n's `again` operator; false unless all are alive at node `at`. */
static bool bind(const struct graph *g, const struct graph_node *n, const struct op_def *again, int at, int *in)
{
    for (int i = 0; i < again->sig.n_in; i++) {
        const char *name = again->sig.in[i].name;
        int from = call_in(&n->call, name), made = call_out(&n->call, name), first, last;
        in[i] = from >= 0 ? n->in[from] : made >= 0 ? n->out[made] : -1;
        if (in[i] < 0)
            return false;
        const struct graph_tensor *t = &g->tensor[in[i]];
        readers(g, t->storage, 0, &first, &last);
        if (t->kind == GRAPH_ACTIVATION && last < at)
            return false;
    }
    return true;
}

static enum rote_status redirect(struct graph *g, int from_node, int storage, int to)
{
    enum rote_status st = ROTE_OK;
    for (int i = from_node; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].call.sig->n_in; k++) {
            int in = g->node[i].in[k], same;
            if (!reads(g, &g->node[i], k, storage))
                continue;
            const struct call_shape s = g->tensor[in].shape;
            TRY(graph_reshape(g, to, s.rank, s.dim, &same));
            g->node[i].in[k] = same;
        }
out:
    return st;
}

enum rote_status graph_recompute(struct graph *g, int n_forward)
{
    enum rote_status st = ROTE_OK;
    for (int i = 0; i < n_forward; i++) {
        const struct graph_node n = g->node[i];
        const struct op_def *def = op_def_of(&n.call), *again = def->again ? op_find(def->again) : NULL;
        int y = n.out[0], in[CALL_MAX_PORTS], first, last, made;
        char name[96];
        struct call c;
        if (!again || g->tensor[y].kind != GRAPH_ACTIVATION || g->tensor[y].keep)
            continue;
        readers(g, g->tensor[y].storage, n_forward, &first, &last);
        if (first < 0 || !bind(g, &n, again, first, in))
            continue;
        op_call_init(&c, again);
        snprintf(name, sizeof name, "%.80s.again", n.name);
        TRY(graph_add_call(g, name, &c, in, &made));
        graph_move_last(g, first);
        TRY(redirect(g, first + 1, g->tensor[y].storage, made));
    }
out:
    return st;
}
