/* Selection, then memory: each activation's lifetime is the span of nodes from its
 * producer to its last reader; an output takes the place of an input that ends with
 * its node where the operator allows it; then, largest first, each takes the lowest
 * offset at which it meets no other of an overlapping lifetime. Workspaces live for
 * their node. */
#include <stdlib.h>
#include <string.h>

#include "graph/graph_internal.h"
#include "op/selftest.h"

struct piece {
    uint64_t bytes, offset;
    int first, last, index;
    bool workspace;
};

uint64_t graph_block_bytes(const struct rote_device *dev)
{
    const struct rt_facts *f = rt_facts_of(dev);
    return f->max_alloc / f->align * f->align;
}

static void use(struct graph *g, int tensor, int node)
{
    struct graph_tensor *t = &g->tensor[g->tensor[tensor].storage];
    if (t->first < 0)
        t->first = node;
    if (node > t->last)
        t->last = node;
    if (g->tensor[tensor].keep || t->keep)
        t->last = g->n_nodes;
}

static void lifetimes(struct graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct graph_node *n = &g->node[i];
        for (int k = 0; k < n->call.sig->n_in; k++)
            if (n->in[k] >= 0 && !(n->call.sig->in[k].flags & PORT_SHAPE_ONLY))
                use(g, n->in[k], i);
        for (int k = 0; k < n->call.sig->n_out; k++)
            if (n->out[k] >= 0)
                use(g, n->out[k], i);
    }
}

/* Ports of this node that lie in `storage`. */
static int users(const struct graph *g, const struct graph_node *n, int storage)
{
    int count = 0;
    for (int k = 0; k < n->call.sig->n_in; k++)
        count += n->in[k] >= 0 && g->tensor[n->in[k]].storage == storage;
    for (int k = 0; k < n->call.sig->n_out; k++)
        count += n->out[k] >= 0 && g->tensor[n->out[k]].storage == storage;
    return count;
}

/* "y=x" of node i: y moves in with x, unless x is needed later or elsewhere. */
static void share(struct graph *g, int i, const char *rule)
{
    struct graph_node *n = &g->node[i];
    char to[32] = "", from[32] = "";
    if (sscanf(rule, "%31[^=]=%31s", to, from) != 2)
        return;
    int out = n->out[call_out(&n->call, to)], in = n->in[call_in(&n->call, from)];
    if (in < 0 || out < 0)
        return;
    int x = g->tensor[in].storage, y = g->tensor[out].storage;
    struct graph_tensor *a = &g->tensor[x], *b = &g->tensor[y];
    if (a->kind != GRAPH_ACTIVATION || b->kind != GRAPH_ACTIVATION || a->last != i || b->first != i ||
        op_bytes(&a->shape) != op_bytes(&b->shape) || users(g, n, x) != 1 || users(g, n, y) != 1)
        return;
    a->last = b->last;
    for (int t = 0; t < g->n_tensors; t++)
        if (g->tensor[t].storage == y)
            g->tensor[t].storage = x;
}

static void share_places(struct graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const char *const *rule = op_def_of(&g->node[i].call)->in_place;
        for (; rule && *rule; rule++)
            share(g, i, *rule);
    }
}

static int by_size(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    if (x->workspace != y->workspace)
        return x->workspace - y->workspace;
    return (x->index > y->index) - (x->index < y->index);
}

/* The lowest offset >= `from` at which p meets no placed piece it lives beside, and
 * does not straddle two blocks. */
static uint64_t place(const struct piece *placed, size_t n, const struct piece *p, uint64_t block)
{
    uint64_t at = 0;
    for (bool moved = true; moved;) {
        moved = false;
        if (at / block != (at + p->bytes - 1) / block)
            at = (at / block + 1) * block;
        for (size_t i = 0; i < n; i++) {
            const struct piece *q = &placed[i];
            bool together = p->first <= q->last && q->first <= p->last;
            if (together && at < q->offset + q->bytes && q->offset < at + p->bytes) {
                at = q->offset + q->bytes;
                moved = true;
            }
        }
    }
    return at;
}

/* A preferred variant is held to the self-test as a chosen one is: one that fails gives way to the choice. */
static enum rote_status make_instance(struct graph *g, struct graph_node *n)
{
    enum rote_status st = ROTE_OK;
    bool right = true;
    TRY(op_inst_new(g->dev, &n->call, n->variant, &n->inst));
    if (*n->variant)
        TRY(op_selftest(n->inst, &right));
    if (right)
        goto out;
    op_inst_free(n->inst);
    n->inst = NULL;
    TRY(op_inst_new(g->dev, &n->call, NULL, &n->inst));
out:
    return st;
}

static enum rote_status make_instances(struct graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        struct graph_node *n = &g->node[i];
        enum rote_status st = make_instance(g, n);
        if (st) {
            base_error_prefix("node %s", n->name);
            return st;
        }
    }
    return ROTE_OK;
}

enum rote_status graph_plan(struct graph *g)
{
    enum rote_status st = ROTE_OK;
    struct piece *piece = NULL;
    size_t n = 0;
    uint64_t align = rt_facts_of(g->dev)->align, block = graph_block_bytes(g->dev);
    TRY(make_instances(g));
    lifetimes(g);
    share_places(g);
    TRY(base_alloc(&piece, (size_t)(g->n_tensors + g->n_nodes), sizeof *piece));
    for (int i = 0; i < g->n_tensors; i++) {
        const struct graph_tensor *t = &g->tensor[i];
        if (t->storage == i && t->kind == GRAPH_ACTIVATION && t->first >= 0)
            piece[n++] = (struct piece){op_bytes(&t->shape), 0, t->first, t->last, i, false};
    }
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i].inst->workspace_bytes)
            piece[n++] = (struct piece){g->node[i].inst->workspace_bytes, 0, i, i, i, true};
    qsort(piece, n, sizeof *piece, by_size);
    g->arena_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        struct piece *p = &piece[i];
        p->bytes = (p->bytes + align - 1) / align * align;
        if (p->bytes > block)
            FAIL(ROTE_EDEVMEM, "%s needs %llu MiB in one piece, but the device gives at most %llu MiB; use a smaller batch",
                 p->workspace ? g->node[p->index].name : g->tensor[p->index].name,
                 (unsigned long long)(p->bytes >> 20), (unsigned long long)(block >> 20));
        p->offset = place(piece, i, p, block);
        if (p->workspace)
            g->node[p->index].workspace_offset = p->offset;
        else
            g->tensor[p->index].offset = p->offset;
        if (p->offset + p->bytes > g->arena_bytes)
            g->arena_bytes = p->offset + p->bytes;
    }
out:
    base_free(piece);
    return st;
}

enum rote_status graph_arena_new(struct rote_device *dev, uint64_t bytes, struct graph_arena *out)
{
    enum rote_status st = ROTE_OK;
    struct graph_arena a = {.block_bytes = graph_block_bytes(dev)};
    for (uint64_t done = 0; done < bytes; done += a.block_bytes) {
        uint64_t part = bytes - done < a.block_bytes ? bytes - done : a.block_bytes;
        if (a.n_blocks == (int)COUNT_OF(a.block))
            FAIL(ROTE_EDEVMEM, "the arena of %llu MiB needs more than %zu buffers", (unsigned long long)(bytes >> 20),
                 COUNT_OF(a.block));
        TRY(rt_mem_new(dev, part, "the activations' arena", &a.block[a.n_blocks]));
        a.n_blocks++;
    }
    *out = a;
    return ROTE_OK;
out:
    graph_arena_free(&a);
    return st;
}

void graph_arena_free(struct graph_arena *a)
{
    for (int i = 0; i < a->n_blocks; i++)
        rt_mem_free(a->block[i]);
    *a = (struct graph_arena){0};
}

static enum rote_status view(struct graph_arena *a, uint64_t offset, uint64_t bytes, struct rt_mem **out)
{
    return rt_mem_view(a->block[offset / a->block_bytes], offset % a->block_bytes, bytes, out);
}

enum rote_status graph_bind(struct graph *g, struct graph_arena *a)
{
    enum rote_status st = ROTE_OK;
    for (int i = 0; i < g->n_tensors; i++) {
        struct graph_tensor *t = &g->tensor[i];
        if (t->storage != i || t->kind != GRAPH_ACTIVATION || t->first < 0)
            continue;
        TRY(view(a, t->offset, op_bytes(&t->shape), &t->mem));
        t->own_mem = true;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        struct graph_node *n = &g->node[i];
        const struct call_signature *s = n->call.sig;
        if (n->inst->workspace_bytes)
            TRY(view(a, n->workspace_offset, n->inst->workspace_bytes, &n->workspace));
        n->inst->workspace = n->workspace;
        for (int k = 0; k < s->n_in; k++) {
            if (n->in[k] < 0 || s->in[k].flags & PORT_SHAPE_ONLY)
                continue;
            n->inst->in[k] = g->tensor[g->tensor[n->in[k]].storage].mem;
            if (!n->inst->in[k])
                FAIL(ROTE_EINVAL, "node %s: input %s has no memory", n->name, s->in[k].name);
        }
        for (int k = 0; k < s->n_out; k++)
            if (n->out[k] >= 0)
                n->inst->out[k] = g->tensor[g->tensor[n->out[k]].storage].mem;
    }
out:
    return st;
}
