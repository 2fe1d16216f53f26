/* What makes a plan's arena as large as it is. */
#include <stdlib.h>

#include "graph/graph_internal.h"

static bool in_arena(const struct graph *g, int tensor)
{
    const struct graph_tensor *t = &g->tensor[tensor];
    return t->storage == tensor && t->kind == GRAPH_ACTIVATION && t->first >= 0;
}

/* The newest of the tensors that share a place. */
static const char *tenant(const struct graph *g, int storage, int node)
{
    int newest = storage;
    for (int i = 0; i < g->n_tensors; i++)
        if (g->tensor[i].storage == storage && g->tensor[i].first <= node &&
            g->tensor[i].first > g->tensor[newest].first)
            newest = i;
    return g->tensor[newest].name;
}

/* The arena's tenants while `node` runs; counts only where live is NULL. */
static size_t tenants(const struct graph *g, int node, struct graph_live *live, uint64_t *bytes)
{
    size_t n = 0;
    uint64_t workspace = g->node[node].inst->workspace_bytes;
    *bytes = workspace;
    if (workspace && live)
        live[n] = (struct graph_live){g->node[node].name, workspace, node, node, true};
    n += workspace > 0;
    for (int i = 0; i < g->n_tensors; i++) {
        const struct graph_tensor *t = &g->tensor[i];
        if (!in_arena(g, i) || t->first > node || t->last < node)
            continue;
        if (live)
            live[n] = (struct graph_live){tenant(g, i, node), op_bytes(&t->shape), t->first, t->last, false};
        n++;
        *bytes += op_bytes(&t->shape);
    }
    return n;
}

static int larger_first(const void *a, const void *b)
{
    const struct graph_live *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return (x->first > y->first) - (x->first < y->first);
}

enum rote_status graph_peak(const struct graph *g, int *node, struct graph_live **live, size_t *n)
{
    uint64_t most = 0, bytes;
    *node = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        tenants(g, i, NULL, &bytes);
        if (bytes > most) {
            most = bytes;
            *node = i;
        }
    }
    *n = g->n_nodes ? tenants(g, *node, NULL, &bytes) : 0;
    enum rote_status st = base_alloc(live, *n + 1, sizeof **live);
    if (!st && *n) {
        tenants(g, *node, *live, &bytes);
        qsort(*live, *n, sizeof **live, larger_first);
    }
    return st;
}
