/* A bias whose operator alone reads what a product gives becomes the product's epilogue, with its relu: one pass over
 * the output less. The operators of the reverse pass ask for the biased output, not for what lies between, so this
 * comes after them. The same floating-point operations in the same order: no bit changes. */
#include <string.h>

#include "graph/graph_internal.h"

/* The one node that reads the node's output, if it adds a bias to it; -1. */
static int bias_after(const struct graph *g, int node)
{
    int y = g->node[node].out[0], reader = -1, readers = 0;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->node[i].call.sig->n_in; k++)
            if (g->node[i].in[k] >= 0 && g->tensor[g->node[i].in[k]].storage == g->tensor[y].storage) {
                reader = i;
                readers++;
            }
    if (readers != 1 || g->node[reader].in[0] != y || g->tensor[y].kind != GRAPH_ACTIVATION || g->tensor[y].keep)
        return -1;
    const char *op = g->node[reader].call.sig->name;
    return !strcmp(op, "bias_fwd") || !strcmp(op, "bias_relu_fwd") ? reader : -1;
}

static enum rote_status join(struct graph *g, int product, int bias)
{
    struct graph_node *n = &g->node[product];
    const struct graph_node *b = &g->node[bias];
    const struct call plain = n->call;
    op_call_init(&n->call, op_find(op_def_of(&plain)->with_bias));
    memcpy(n->call.attr, plain.attr, (size_t)plain.sig->n_attr * sizeof plain.attr[0]);
    memcpy(n->call.in, plain.in, sizeof plain.in);
    memcpy(n->call.in_present, plain.in_present, sizeof plain.in_present);
    n->call.attr[plain.sig->n_attr].i = !strcmp(b->call.sig->name, "bias_relu_fwd");
    n->call.in[plain.sig->n_in] = b->call.in[1];
    n->call.in_present[plain.sig->n_in] = true;
    n->in[plain.sig->n_in] = b->in[1];
    n->out[0] = b->out[0];
    g->n_nodes--;
    memmove(&g->node[bias], &g->node[bias + 1], (size_t)(g->n_nodes - bias) * sizeof *g->node);
    return op_call_infer(&n->call);
}

enum rote_status graph_join_bias(struct graph *g, int *n_forward)
{
    enum rote_status st = ROTE_OK;
    for (int i = 0; i < *n_forward; i++) {
        int bias = op_def_of(&g->node[i].call)->with_bias ? bias_after(g, i) : -1;
        if (bias < 0)
            continue;
        TRY(join(g, i, bias));
        --*n_forward;
    }
out:
    return st;
}
